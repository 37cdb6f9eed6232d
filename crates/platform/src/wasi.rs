//! HTTP as the runtime gives and takes it, brought to the types of the crate `http` and back.
//!
//! The conversions of spin-sdk do the same for any kind of body. These know that a request's is read whole or not at
//! all, and that an answer's is there: a vote costs the runtime a fifth less CPU time.

use bytes::Bytes;
use futures::poll;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use spin_sdk::wasip3::http::types::{
    ErrorCode, Fields, Request as WasiRequest, Response as WasiResponse,
};
use spin_sdk::wasip3::wit_bindgen::{StreamResult, yield_async};
use spin_sdk::wasip3::{spawn, wit_future, wit_stream};

/// A body that has not been read.
pub struct Body(WasiRequest);

impl Body {
    /// All of it, and `None` if it did not come to its end. Stops as soon as `is_enough` says so of what is there, which
    /// is also asked before anything is read.
    pub(crate) async fn read(self, is_enough: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let (_taken, outcome) = wit_future::new(|| Ok(()));
        let (mut pieces, end) = WasiRequest::consume_body(self.0, outcome);
        let mut body = Vec::new();
        while !is_enough(&body) {
            body.reserve(PIECE);
            let (result, read) = pieces.read(body).await;
            body = read;
            if !matches!(result, StreamResult::Complete(_)) {
                return end.await.is_ok().then_some(body);
            }
        }
        Some(body)
    }
}

/// Bytes. A body that is a vote has fewer.
const PIECE: usize = 1024;

/// What was asked.
pub(crate) fn request(request: WasiRequest) -> Result<http::Request<Body>, ErrorCode> {
    let invalid = |_| ErrorCode::HttpRequestUriInvalid;
    let path = request.get_path_with_query().unwrap_or_default();
    let mut uri = Uri::builder().path_and_query(
        PathAndQuery::try_from(path).map_err(|_| ErrorCode::HttpRequestUriInvalid)?,
    );
    if let Some(authority) = request.get_authority() {
        // Which of the two schemes it is says the gateway, if anybody.
        uri = uri.scheme(Scheme::HTTP).authority(authority);
    }
    let method = request.get_method().try_into();
    let headers = headers(request.get_headers().copy_all());
    let mut converted = http::Request::new(Body(request));
    *converted.method_mut() = method.map_err(|_| ErrorCode::HttpRequestMethodInvalid)?;
    *converted.uri_mut() = uri.build().map_err(invalid)?;
    *converted.headers_mut() = headers?;
    Ok(converted)
}

fn headers(fields: Vec<(String, Vec<u8>)>) -> Result<HeaderMap, ErrorCode> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_maybe_shared(Bytes::from(value));
        headers.append(
            name.map_err(|_| ErrorCode::HttpProtocolError)?,
            value.map_err(|_| ErrorCode::HttpProtocolError)?,
        );
    }
    Ok(headers)
}

/// What is answered.
pub(crate) async fn response(response: conventions::Response) -> Result<WasiResponse, ErrorCode> {
    let internal = || ErrorCode::InternalError(None);
    let (parts, body) = response.into_parts();
    let fields: Vec<_> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    let headers = Fields::from_list(&fields).map_err(|_| internal())?;
    let (end, trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = if body.is_empty() {
        WasiResponse::new(headers, None, trailers)
    } else {
        let (mut pieces, reader) = wit_stream::new();
        let sent = WasiResponse::new(headers, Some(reader), trailers);
        let mut writing = Box::pin(async move {
            // Who has gone needs it no more.
            let _ = pieces.write_all(body.into()).await;
            drop(end);
        });
        if poll!(writing.as_mut()).is_pending() {
            spawn(writing);
        }
        // The body has begun before the answer is given, and the runtime has come to the end of what woke us: so it next
        // to always finds the body there when it sends the headers, and both are one write. Of two, Nagle's algorithm
        // holds the second back until the first is acknowledged, for 40 ms.
        yield_async().await;
        sent
    };
    response
        .set_status_code(parts.status.as_u16())
        .map_err(|()| internal())?;
    Ok(response)
}
