//! What comes from Redis.

use ballot::{
    Cell, Deliveries, Delivery, Entry, RawEntry, RawField, RawFields, Rejection, StreamId,
    Timestamp, Voter,
};
use rmp::encode;

/// A reply of read.lua, and in it entries with whatever somebody has appended.
pub fn reply(packed: &[u8]) {
    let Some(deliveries) = Deliveries::unpack(packed) else {
        return;
    };
    assert!(deliveries.entries.len() <= packed.len(), "none is made up");
    let again = pack(&deliveries);
    assert_eq!(Deliveries::unpack(&again).as_ref(), Some(&deliveries));
    for cell in ["", "two"] {
        let Ok(cell) = Cell::parse(cell) else {
            continue;
        };
        for Delivery { stream_id, raw } in &deliveries.entries {
            match Entry::parse(&cell, stream_id.clone(), raw.clone()) {
                Ok(entry) => can_be_stored(&cell, &entry, raw),
                Err(rejection) => is_a_reason(rejection, raw),
            }
        }
    }
}

/// PostgreSQL takes neither NUL nor what is not UTF-8; an index takes no more than some thousand bytes.
fn can_be_stored(cell: &Cell, entry: &Entry, raw: &RawEntry) {
    let RawEntry::Fields(fields) = raw else {
        panic!("it was not looked at");
    };
    let texts = [
        entry.poll.as_str(),
        entry.option.as_str(),
        entry.vote_id.as_str(),
        entry.voter.as_ref().map_or("-", Voter::as_str),
    ];
    for text in texts {
        assert!(!text.is_empty() && text.len() <= 1020);
        assert!(!text.chars().any(char::is_control));
    }
    let said = |field: &Option<RawField>, text: &str| match field {
        Some(RawField::Bytes(bytes)) => bytes == text.as_bytes(),
        Some(RawField::TooLong(_)) => false,
        None => true,
    };
    assert!(fields.option.is_some() && said(&fields.option, entry.option.as_str()));
    assert!(said(&fields.poll, entry.poll.as_str()));
    assert!(said(&fields.vote_id, entry.vote_id.as_str()));
    if fields.vote_id.is_none() {
        assert_eq!(entry.vote_id, cell.vote_id(&entry.first_id));
    }
    assert!(said(&fields.first_id, entry.first_id.as_str()));
    if fields.first_id.is_none() {
        assert_eq!(entry.first_id, entry.stream_id);
    }
    assert_eq!(entry.accepted, fields.accepted.is_some());
    assert!(entry.cast_at >= Timestamp::EPOCH);
    assert_eq!(
        Timestamp::parse(&entry.cast_at.to_string()),
        Some(entry.cast_at)
    );
    for id in [&entry.stream_id, &entry.first_id] {
        assert_eq!(StreamId::parse(id.as_str()).as_ref(), Some(id));
    }
}

/// It names what is wrong, which is wrong.
fn is_a_reason(rejection: Rejection, raw: &RawEntry) {
    let text = rejection.to_string();
    assert!(!text.is_empty() && text.len() < 100 && text.is_ascii());
    assert!(!rejection.event().is_empty());
    let fields = match (raw, rejection) {
        (RawEntry::TooManyFields(number), Rejection::TooManyFields { fields }) => {
            assert_eq!(*number, fields);
            return;
        }
        (RawEntry::Fields(fields), _) => fields,
        (RawEntry::TooManyFields(_), _) => {
            panic!("{text}");
        }
    };
    let named = |name: &str| match name {
        "option" => &fields.option,
        "poll" => &fields.poll,
        "vote_id" => &fields.vote_id,
        "voter" => &fields.voter,
        "first_id" => &fields.first_id,
        _ => &fields.timestamp,
    };
    match rejection {
        Rejection::Missing { field } => assert_eq!(named(field), &None),
        Rejection::NotUtf8 { field } => assert!(matches!(
            named(field), Some(RawField::Bytes(bytes)) if str::from_utf8(bytes).is_err()
        )),
        Rejection::TooLong { field, bytes } => {
            assert_eq!(named(field), &Some(RawField::TooLong(bytes)));
        }
        Rejection::Malformed { field } => {
            assert!(matches!(named(field), Some(RawField::Bytes(_))));
        }
        Rejection::UnknownPoll => assert!(fields.poll.is_some()),
        other => panic!("{other} is not for a parser to say"),
    }
}

/// As read.lua does.
fn pack(deliveries: &Deliveries) -> Vec<u8> {
    let mut packed = Vec::new();
    let parts = u32::try_from(deliveries.entries.len() + 1).unwrap_or(u32::MAX);
    // Writing into a vector does not fail.
    let _ = encode::write_array_len(&mut packed, parts);
    let _ = encode::write_uint(&mut packed, u64::from(deliveries.more));
    for Delivery { stream_id, raw } in &deliveries.entries {
        match raw {
            RawEntry::TooManyFields(fields) => {
                let _ = encode::write_array_len(&mut packed, 2);
                let _ = encode::write_str(&mut packed, stream_id.as_str());
                let _ = encode::write_uint(&mut packed, *fields);
            }
            RawEntry::Fields(RawFields {
                option,
                poll,
                vote_id,
                voter,
                timestamp,
                accepted,
                first_id,
            }) => {
                let _ = encode::write_array_len(&mut packed, 9);
                let _ = encode::write_str(&mut packed, stream_id.as_str());
                let option = [option, &None];
                let others = [poll, vote_id, voter, timestamp, accepted, first_id];
                for field in option.into_iter().chain(others) {
                    match field {
                        None => drop(encode::write_bool(&mut packed, false)),
                        Some(RawField::TooLong(bytes)) => {
                            drop(encode::write_uint(&mut packed, *bytes));
                        }
                        Some(RawField::Bytes(bytes)) => {
                            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                            let _ = encode::write_str_len(&mut packed, length);
                            packed.extend(bytes);
                        }
                    }
                }
            }
        }
    }
    packed
}
