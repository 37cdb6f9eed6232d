//! Headers of requests.

use std::time::Duration;

use ballot::{
    Ballot, IdempotencyKey, Identity, OrganizerTokens, PollId, Refusal, Timestamp, VoterKeys,
};
use conventions::{Announced, Conventions, IfMatch, Origins, accept, client, prefer};
use futures::executor::block_on;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use pages::Language;
use uuid::Uuid;

use crate::{bodies::belongs_to_a_client, is_a_sentence};

/// `Idempotency-Key`
pub fn idempotency_key(value: &[u8]) {
    match IdempotencyKey::parse(value) {
        Ok(key) => {
            for number in [1, 10_000] {
                if let Some(id) = key.line(number) {
                    belongs_to_a_client(&id);
                }
            }
            let id = key.clone().into_vote_id();
            belongs_to_a_client(&id);
            let text = id.as_str();
            assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            let quoted = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            assert_eq!(IdempotencyKey::parse(quoted.as_bytes()), Ok(key));
        }
        Err(invalid) => assert!(!invalid.to_string().is_empty()),
    }
}

/// Lines: what cors_origins says, at which authority the client asked, and the `Origin` of the request.
pub fn origin(input: &[u8]) {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (allowed, authority, origin) = (line(), line(), line());
    let Some(origins) = str::from_utf8(allowed)
        .ok()
        .and_then(|list| Origins::parse(list).ok())
    else {
        return;
    };
    let Ok(origin) = HeaderValue::from_bytes(origin) else {
        return;
    };
    let conventions = Conventions {
        origins,
        production: false,
    };
    for method in [Method::POST, Method::GET, Method::OPTIONS] {
        let uri = http::Uri::builder()
            .scheme("http")
            .authority(authority)
            .path_and_query("/api/vote");
        let Ok(uri) = uri.build() else { return };
        let mut request = Request::new(());
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri;
        request
            .headers_mut()
            .insert(http::header::ORIGIN, origin.clone());
        let mut handled = false;
        let answer = block_on(conventions.answer(None, request, async |request| {
            conventions::allow(&request, &[Method::GET, Method::POST])?;
            handled = true;
            Ok(conventions::respond(StatusCode::OK, "text/plain", "x"))
        }));
        let headers = answer.headers();
        let granted = headers.get("access-control-allow-origin");
        assert!(granted.is_none_or(|granted| *granted == origin));
        let vary = headers.get("vary").and_then(|vary| vary.to_str().ok());
        assert!(vary.is_some_and(|vary| vary.contains("Origin")));
        match (&method, answer.status()) {
            (&Method::POST, StatusCode::FORBIDDEN) => assert!(!handled && granted.is_none()),
            (&Method::OPTIONS, StatusCode::BAD_REQUEST) => assert!(granted.is_none()),
            (&Method::OPTIONS, StatusCode::OK) => assert!(granted.is_some()),
            (_, StatusCode::OK) => assert!(handled),
            (method, status) => panic!("{method}: {status}"),
        }
        // What is no origin is nobody's.
        let text = String::from_utf8_lossy(origin.as_bytes()).into_owned();
        let scheme = text.split_once("://");
        let is_one = scheme.is_some_and(|(_, rest)| {
            !rest.is_empty() && !rest.contains(['/', '?', '#', '@', '*', ',', ' '])
        });
        if !is_one {
            assert!(granted.is_none(), "{text:?} was allowed");
            assert!(!handled || method == Method::GET, "{text:?} was let in");
        }
        // Without a list only who is here already is let in: one whose host is the one that was asked.
        if allowed.is_empty() && method == Method::POST && handled {
            let host = String::from_utf8_lossy(authority).to_ascii_lowercase();
            let (_, from) = scheme.unwrap_or_default();
            let host_of = |text: &str| match text.strip_prefix('[') {
                Some(rest) => rest.split(']').next().unwrap_or_default().to_owned(),
                None => text.split(':').next().unwrap_or_default().to_owned(),
            };
            assert_eq!(host_of(&from.to_ascii_lowercase()), host_of(&host));
        }
    }
}

/// `Cookie`
pub fn cookies(value: &[u8]) {
    let keys = VoterKeys::new(&["a key of our own".to_owned(), "an older one".to_owned()]);
    let tokens = OrganizerTokens::new(&["a token of an organizer".to_owned()]);
    let (Some(keys), Some(tokens)) = (keys, tokens) else {
        return;
    };
    let Ok(value) = HeaderValue::from_bytes(value) else {
        return;
    };
    let ours = keys.cookie(Uuid::from_u128(7));
    let Ok(our_cookie) = HeaderValue::from_str(&format!("voter={ours}")) else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.append(http::header::COOKIE, value);
    for cookie in conventions::cookies(&headers, "voter") {
        if let Some(identity) = keys.recognize(cookie) {
            // Signed by us, and written in just one way.
            let Identity::Cookie(id) = &identity else {
                panic!("a cookie names nobody");
            };
            let older = VoterKeys::new(&["an older one".to_owned()]);
            let forms = [Some(&keys), older.as_ref()];
            let is_ours = |keys: &VoterKeys| keys.cookie(*id) == cookie;
            assert!(forms.into_iter().flatten().any(is_ours));
            assert!(keys.voter(&PollId::default(), &identity).is_some());
        }
    }
    for cookie in conventions::cookies(&headers, "organizer") {
        if let Some(session) = tokens.recognize(cookie, 1_763_562_521) {
            assert_eq!(session.cookie, cookie);
        }
    }
    // Whatever else is sent, our cookie is found.
    headers.append(http::header::COOKIE, our_cookie);
    assert!(conventions::cookies(&headers, "voter").any(|cookie| cookie == ours));
}

/// Lines `name: value`, as of a request.
pub fn headers(input: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    if let Some(wait) = prefer::wait(&headers) {
        assert!(wait <= Duration::from_secs(10));
        let (name, value) = prefer::applied(wait);
        let again = HeaderMap::from_iter([(HeaderName::from_static("prefer"), value)]);
        assert_eq!(name, "preference-applied");
        assert_eq!(prefer::wait(&again), Some(wait));
    }
    for proxies in 0..4 {
        let address = client::address(&headers, proxies);
        if let Some(address) = address {
            assert_eq!(address, address.to_canonical());
            let network = client::network(address);
            assert_eq!(client::network(network), network);
        }
        // What a client writes of itself, before what our proxies add, changes nothing.
        let mut forged = HeaderMap::new();
        let name = HeaderName::from_static("x-forwarded-for");
        forged.append(name.clone(), HeaderValue::from_static("6.6.6.6"));
        for (known, value) in &headers {
            forged.append(known, value.clone());
        }
        let list = conventions::list(&headers, name);
        if proxies == 0 || list.split(',').count() >= proxies && !list.is_empty() {
            assert_eq!(client::address(&forged, proxies), address);
        }
    }
    let accepts = conventions::list(&headers, http::header::ACCEPT);
    let types = ["application/x-ndjson", "text/csv"];
    assert!(accept::preferred_of(&accepts, &types).is_none_or(|place| place < types.len()));
    accept::prefers_html(&accepts, false);
    accept::encoding(&conventions::list(&headers, http::header::ACCEPT_ENCODING));
    assert!(Language::ALL.contains(&Language::of(&headers)));

    let answer = conventions::respond(StatusCode::OK, "text/plain", "x");
    if let Ok(answer) = conventions::revalidate_by("\"7\"", answer, &headers) {
        let unchanged = answer.status() == StatusCode::NOT_MODIFIED;
        assert!(!unchanged || headers.contains_key(http::header::IF_NONE_MATCH));
        assert_eq!(answer.body().is_empty(), unchanged);
    }
    let if_match = IfMatch::of(&headers);
    assert!(headers.contains_key(http::header::IF_MATCH) || if_match.allows("\"7\""));
    if let Ok(Announced {
        length: Some(length),
    }) = Announced::of(&headers, 1000)
    {
        assert!(length <= 1000);
    }
    // What components tell each other in headers.
    if let Some(line) = headers.get(Ballot::HEADER)
        && let Some(ballot) = Ballot::from_line(line.as_bytes())
    {
        let line = ballot.to_line().unwrap_or_default();
        assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        assert_eq!(Ballot::from_line(line.as_bytes()), Some(ballot));
    }
    if let Some(line) = headers.get(Refusal::HEADER)
        && let Some(Refusal { code, reason }) = Refusal::from_line(line.as_bytes())
    {
        let bounded = Refusal::bounded(code, reason);
        assert!((1..=40).contains(&bounded.code.len()));
        let line = bounded.to_line().unwrap_or_default();
        assert_eq!(Refusal::from_line(line.as_bytes()), Some(bounded));
    }
    for (_, value) in &headers {
        let Ok(text) = value.to_str() else { continue };
        if let Some(time) = Timestamp::parse(text) {
            assert!(time >= Timestamp::EPOCH);
            assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
        }
        if let Err(invalid) = IdempotencyKey::parse(text.as_bytes()) {
            is_a_sentence(&format!("The Idempotency-Key: {invalid}"));
        }
    }
}
