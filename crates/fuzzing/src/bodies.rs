//! Bodies of requests.

use ballot::{
    BulkRequest, Door, IdempotencyKey, InvalidBulk, InvalidRequest, NewPoll, OptionName,
    OrganizerForm, PollChange, PollForm, PollId, StreamId, Timestamp, VoteForm, VoteId,
    VoteRequest, Voter,
};
use serde_json::{Map, Value, json};

use crate::is_a_sentence;

/// A name that was accepted: not empty, not too long, one line, and such that it is accepted again.
fn is_a_name(text: &str, max_chars: usize) {
    assert!(!text.is_empty() && text.chars().count() <= max_chars);
    assert!(!text.chars().any(char::is_control));
}

fn is_an_option(option: &OptionName) {
    is_a_name(option.as_str(), OptionName::MAX_CHARS);
    let again = OptionName::normalized(option.as_str());
    assert_eq!(
        again.as_ref(),
        Ok(option),
        "the normal form of it is itself"
    );
}

/// The body without a byte order mark, as JSON, if serde_json reads it so.
fn json_of(body: &[u8]) -> Option<Value> {
    let text = str::from_utf8(body).ok()?;
    serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)).ok()
}

/// An object with no other fields than these.
fn has_only(value: &Value, fields: &[&str]) {
    let object = value.as_object();
    assert!(
        object
            .is_some_and(|object| { object.keys().all(|field| fields.contains(&field.as_str())) })
    );
}

/// `POST /api/vote`
pub fn vote(body: &[u8]) {
    let value = json_of(body);
    match VoteRequest::parse(body) {
        Ok(VoteRequest { option, voter }) => {
            let value = value.unwrap_or_default();
            has_only(&value, &["option", "voter"]);
            is_an_option(&option);
            let sent = value["option"].as_str().map(OptionName::normalized);
            assert_eq!(sent, Some(Ok(option.clone())));
            assert_eq!(value.get("voter").is_some(), voter.is_some());
            let mut again = json!({ "option": option.as_str() });
            if let Some(voter) = &voter {
                is_a_name(voter.as_str(), Voter::MAX_CHARS);
                again["voter"] = voter.as_str().into();
            }
            let again = again.to_string();
            let parsed = VoteRequest::parse(again.as_bytes());
            assert_eq!(parsed, Ok(VoteRequest { option, voter }));
            // What some programs write before it changes nothing.
            let marked = VoteRequest::parse(format!("\u{feff}{again}").as_bytes());
            assert_eq!(marked, parsed);
        }
        Err(invalid) => {
            is_a_sentence(&invalid.to_string());
            if invalid == InvalidRequest::NotJson {
                assert_eq!(value, None, "it is JSON");
            }
        }
    }
}

/// `POST /api/votes`
pub fn bulk(body: &[u8]) {
    let parsed = match BulkRequest::parse(body) {
        Ok(parsed) => parsed,
        Err(invalid) => {
            is_a_sentence(&invalid.to_string());
            if let InvalidBulk::TooMany(votes) = invalid {
                assert!(votes > BulkRequest::MOST && votes <= body.len());
            }
            return;
        }
    };
    assert!(parsed.lines.len() <= BulkRequest::MOST);
    let numbers = parsed.lines.iter().map(|line| line.number);
    assert!(numbers.clone().is_sorted_by(|a, b| a < b), "in order");
    assert!(numbers.clone().all(|number| number > 0));

    let text = String::from_utf8_lossy(body);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if !text.trim_start().starts_with('[') {
        // Each line by itself is what it is among the others.
        for (line, text) in parsed.lines.iter().map(|line| {
            let text = text.lines().nth(line.number - 1).unwrap_or_default();
            (line, text)
        }) {
            // A bracket or a mark would begin something else.
            if !text.trim_start().starts_with(['[', '\u{feff}']) {
                let alone = BulkRequest::parse(text.as_bytes());
                let alone = alone.ok().and_then(|mut alone| alone.lines.pop());
                assert_eq!(alone.map(|alone| alone.vote), Some(line.vote.clone()));
            }
        }
    }
    let mut again = String::new();
    let mut votes = Vec::new();
    for line in parsed.lines {
        match line.vote {
            Ok(vote) => {
                is_an_option(&vote.option);
                assert_eq!(PollId::parse(vote.poll.as_str()).as_ref(), Ok(&vote.poll));
                let mut object = Map::new();
                object.insert("poll".into(), vote.poll.as_str().into());
                object.insert("option".into(), vote.option.as_str().into());
                if let Some(id) = &vote.vote_id {
                    belongs_to_a_client(id);
                    object.insert("vote_id".into(), id.as_str().into());
                }
                if let Some(voter) = &vote.voter {
                    is_a_name(voter.as_str(), Voter::MAX_CHARS);
                    object.insert("voter".into(), voter.as_str().into());
                }
                again += &format!("{}\n", Value::Object(object));
                votes.push(vote);
            }
            Err(invalid) => is_a_sentence(&invalid.to_string()),
        }
    }
    if !votes.is_empty() {
        let parsed = BulkRequest::parse(again.as_bytes()).map(|parsed| parsed.lines);
        let parsed = parsed.into_iter().flatten().map(|line| line.vote);
        assert_eq!(parsed.collect::<Result<Vec<_>, _>>(), Ok(votes));
    }
}

/// Neither we nor a bare producer would give another vote this id.
pub fn belongs_to_a_client(id: &VoteId) {
    is_a_name(id.as_str(), VoteId::MAX_CHARS);
    assert_eq!(id.issued_at(), None, "we issue such ids");
    let (stream_id, _) = id.as_str().split_once('@').unwrap_or((id.as_str(), ""));
    assert_eq!(StreamId::parse(stream_id), None, "Redis gives such ids");
    assert!(IdempotencyKey::of(id.as_str()).is_ok());
}

/// `POST /vote`
pub fn form(body: &[u8]) {
    match VoteForm::parse(body) {
        Ok(VoteForm { option, vote_id }) => {
            is_an_option(&option);
            let mut again = form_urlencoded::Serializer::new(String::new());
            again.append_pair("option", option.as_str());
            if let Some(id) = &vote_id {
                assert_eq!(id.issued_at(), Some(Door::Form));
                again.append_pair("vote_id", id.as_str());
            }
            let again = VoteForm::parse(again.finish().as_bytes());
            assert_eq!(again, Ok(VoteForm { option, vote_id }));
        }
        Err(invalid) => is_a_sentence(&invalid.to_string()),
    }
}

/// `POST /api/polls`, and `PATCH`
pub fn poll(body: &[u8]) {
    match NewPoll::parse(body) {
        Ok(new) => is_a_poll(&new),
        // It may name a field, which may be long.
        Err(invalid) => assert!(!invalid.to_string().is_empty()),
    }
    match PollChange::parse(body) {
        Ok(change) => {
            assert_eq!(PollChange::parse(body).as_ref(), Ok(&change));
            let before = br#"{"poll":"a","question":"?","options":["a","b"]}"#;
            if let Ok(NewPoll { definition, .. }) = NewPoll::parse(before)
                && let Ok(definition) = change.clone().apply(definition)
            {
                assert_eq!(change.apply(definition.clone()).as_ref(), Ok(&definition));
                let poll = PollId::default();
                is_a_poll(&NewPoll { poll, definition });
            }
        }
        Err(invalid) => assert!(!invalid.to_string().is_empty()),
    }
}

fn is_a_poll(new: &NewPoll) {
    let NewPoll { poll, definition } = new;
    assert_eq!(PollId::parse(poll.as_str()).as_ref(), Ok(poll));
    is_a_name(&definition.question, 500);
    assert!((2..=50).contains(&definition.options.len()));
    for (at, option) in definition.options.iter().enumerate() {
        is_an_option(option);
        assert_eq!(option.as_str().trim(), option.as_str());
        assert!(
            !definition.options[..at].contains(option),
            "each is another"
        );
    }
    if let (Some(opens), Some(closes)) = (definition.opens_at, definition.closes_at) {
        assert!(opens < closes);
    }
    let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let options: Vec<_> = definition.options.iter().map(OptionName::as_str).collect();
    let again = json!({
        "poll": poll.as_str(), "question": definition.question, "options": options,
        "opens_at": text(definition.opens_at), "closes_at": text(definition.closes_at),
        "one_vote_per_voter": definition.one_vote_per_voter,
    });
    let parsed = NewPoll::parse(again.to_string().as_bytes());
    assert_eq!(parsed.as_ref(), Ok(new), "as JSON it is the same");

    // In the form of the page, sent back unchanged, it is the same, but for spaces around the question.
    let form = PollForm {
        poll: poll.as_str().to_owned(),
        ..PollForm::of(definition)
    };
    let mut expected = new.clone();
    expected.definition.question = definition.question.trim().to_owned();
    assert_eq!(form.create().as_ref(), Ok(&expected));
}

/// What is posted to /organize/…
pub fn organizer_form(body: &[u8]) {
    match OrganizerForm::parse(body) {
        Ok(form) => {
            assert_eq!(OrganizerForm::parse(body).as_ref(), Ok(&form));
            match form.poll.create() {
                Ok(new) => is_a_poll(&new),
                Err(invalid) => assert!(!invalid.to_string().is_empty()),
            }
        }
        Err(invalid) => is_a_sentence(&invalid.to_string()),
    }
}
