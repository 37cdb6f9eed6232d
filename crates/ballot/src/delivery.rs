//! Entries as they come from Redis: what `read.lua` has packed.

use rmp::{Marker, decode};

use crate::{RawEntry, RawField, RawFields, StreamId};

/// An entry that was handed to a consumer, to be acknowledged or rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// By which it is acknowledged.
    pub stream_id: StreamId,
    /// Nothing of it is checked yet.
    pub raw: RawEntry,
}

/// What one reading gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deliveries {
    /// At most `batch_size`.
    pub entries: Vec<Delivery>,
    /// Whether the stream may hold more.
    pub more: bool,
}

impl Deliveries {
    /// Reads what read.lua has packed, whose header says how. None if it is anything else.
    pub fn unpack(mut packed: &[u8]) -> Option<Self> {
        let reply = &mut packed;
        let parts = decode::read_array_len(reply).ok()?;
        let more: u8 = decode::read_int(reply).ok()?;
        let entries = (1..parts).map(|_| delivery(reply)).collect::<Option<_>>()?;
        Some(Self {
            entries,
            more: more != 0,
        })
    }
}

fn delivery(reply: &mut &[u8]) -> Option<Delivery> {
    let values = decode::read_array_len(reply).ok()?;
    let stream_id = StreamId::parse(str::from_utf8(text(reply)?).ok()?)?;
    let raw = match values {
        2 => RawEntry::TooManyFields(decode::read_int(reply).ok()?),
        9 => {
            let (option, vote) = (field(reply)?, field(reply)?);
            RawEntry::Fields(RawFields {
                option: option.or(vote),
                poll: field(reply)?,
                vote_id: field(reply)?,
                voter: field(reply)?,
                timestamp: field(reply)?,
                accepted: field(reply)?,
                first_id: field(reply)?,
            })
        }
        _ => return None,
    };
    Some(Delivery { stream_id, raw })
}

/// A field that may be absent.
fn field(reply: &mut &[u8]) -> Option<Option<RawField>> {
    let field = match Marker::from_u8(*reply.first()?) {
        Marker::False => {
            decode::read_bool(reply).ok()?;
            None
        }
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
            Some(RawField::Bytes(text(reply)?.to_vec()))
        }
        _ => Some(RawField::TooLong(decode::read_int(reply).ok()?)),
    };
    Some(field)
}

/// A string of Lua's: any bytes.
fn text<'a>(reply: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = decode::read_str_len(reply).ok()?;
    let (text, rest) = reply.split_at_checked(length.try_into().ok()?)?;
    *reply = rest;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_packed_is_read() {
        let mut packed = vec![0x93, 1];
        packed.extend(b"\x99\xa31-2\xc2\xa4cats\xa3pet\xc2\xcd\x40\x00\xc2\xa11\xa31-1");
        packed.extend(b"\x92\xa31-3\x64");
        let Deliveries { entries, more } = Deliveries::unpack(&packed).unwrap();
        assert!(more);
        let text = |text: &str| Some(RawField::Bytes(text.into()));
        let fields = RawFields {
            option: text("cats"),
            poll: text("pet"),
            vote_id: None,
            voter: Some(RawField::TooLong(0x4000)),
            timestamp: None,
            accepted: text("1"),
            first_id: text("1-1"),
        };
        assert_eq!(entries[0].raw, RawEntry::Fields(fields));
        assert_eq!(entries[1].raw, RawEntry::TooManyFields(100));
        assert_eq!(entries[1].stream_id.as_str(), "1-3");
        for end in 0..packed.len() {
            assert_eq!(Deliveries::unpack(&packed[..end]), None, "{end}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(packed in any::<Vec<u8>>()) {
            let _ = Deliveries::unpack(&packed);
        }
    }
}
