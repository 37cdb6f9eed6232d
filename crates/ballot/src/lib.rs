//! What a vote is: its parts, how they are parsed and checked, and how they look on the wire.
//!
//! No I/O and no Spin here, so all of it is tested natively. Each type has one door, its `parse`,
//! so every value is valid.
//!
//! In reading order: the names ([`PollId`], [`OptionName`], [`VoteId`], [`Voter`]), what a client
//! sends ([`VoteRequest`], [`BulkRequest`], [`VoteForm`], [`IdempotencyKey`]), what travels in the stream ([`StreamId`], [`Entry`], [`Deliveries`],
//! and [`Rejection`] for what cannot be counted), what comes out ([`Results`], [`Receipt`], [`LoggedVote`]), what of a poll must be
//! known to take votes in it ([`Definition`]), what a policy decides by ([`Ballot`], [`Refusal`]), what organizers send ([`NewPoll`], [`PollChange`], [`OrganizerForm`]),
//! how voters are told apart ([`VoterKeys`]), and organizers known ([`OrganizerTokens`]).

#![warn(missing_docs)]

mod bulk;
mod cell;
mod definition;
mod delivery;
mod eligibility;
mod entry;
mod form;
mod hex;
mod idempotency_key;
mod issued;
mod logged_vote;
mod names;
mod poll_form;
mod poll_request;
mod rejection;
mod request;
mod results;
mod sessions;
mod stream_id;
mod timestamp;
mod voter_keys;

pub use bulk::{BulkLine, BulkRequest, BulkVote, InvalidBulk, InvalidLine};
pub use cell::Cell;
pub use definition::{Change, Definition};
pub use delivery::{Deliveries, Delivery};
pub use eligibility::{Ballot, Reason, Refusal};
pub use entry::{Entry, RawEntry, RawField, RawFields};
pub use form::VoteForm;
pub use idempotency_key::{IdempotencyKey, InvalidKey};
pub use issued::Door;
pub use logged_vote::{Cursor, LoggedVote};
pub use names::{InvalidName, OptionName, PollId, VoteId, Voter};
pub use poll_form::{OrganizerForm, PollForm};
pub use poll_request::{InvalidPoll, NewPoll, PollChange};
pub use rejection::Rejection;
pub use request::{InvalidRequest, VoteRequest};
pub use results::{FlatResults, Receipt, Results, Tally};
pub use sessions::{OrganizerTokens, Session};
pub use stream_id::StreamId;
pub use timestamp::Timestamp;
pub use voter_keys::{Identity, VoterKeys};
