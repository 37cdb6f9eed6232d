//! Paths and queries.

use ballot::{Cursor, LoggedVote, PollId};
use pages::{OrganizePath, Paths, PollPath};

/// A path, and after a question mark a query.
pub fn path(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    if let Some((poll, of)) = PollPath::parse(path) {
        assert_eq!(PollId::parse(poll.as_str()).as_ref(), Ok(&poll));
        let paths = Paths::of(&poll);
        let canonical = match of {
            PollPath::Page => paths.page.clone(),
            PollPath::Results => paths.results.clone(),
            PollPath::Form => paths.form.clone(),
            PollPath::Api => format!("/api/polls/{poll}"),
            PollPath::ApiVote => paths.api_vote.clone(),
            PollPath::ApiResults => paths.api_results.clone(),
            PollPath::ApiVotes => format!("/api/polls/{poll}/votes"),
            PollPath::ApiReceipt(id) => format!("{}{id}", paths.api_receipts),
        };
        assert_eq!(PollPath::parse(&canonical), Some((poll, of)), "{canonical}");
        if matches!(of, PollPath::Page | PollPath::Results | PollPath::Form) {
            assert!(Paths::is_page(&canonical));
        }
        if let PollPath::ApiReceipt(id) = of
            && let Some(id) = conventions::decode(id)
        {
            // However it was written, it stands for one id, and that is what a link to it leads to.
            let link = paths.receipt(&id);
            assert!(link.is_ascii());
            let again = match PollPath::parse(&link) {
                Some((_, PollPath::ApiReceipt(again))) => conventions::decode(again),
                _ => None,
            };
            assert_eq!(again, Some(id));
        }
    }
    if let Some(of) = OrganizePath::parse(path) {
        assert_eq!(OrganizePath::parse(&of.to_string()), Some(of.clone()));
        assert_eq!(of.to_string(), path, "each has one path");
        assert!(!of.methods().is_empty() && Paths::is_page(path));
        assert_eq!(PollPath::parse(path), None, "it leads to one thing");
    }
    if let Some(vote) = Paths::vote_in(query).and_then(conventions::decode) {
        let link = Paths::of(&PollId::default()).results_of(&vote);
        let (_, query) = link.split_once('?').unwrap_or_default();
        let again = Paths::vote_in(query).and_then(conventions::decode);
        assert_eq!(again, Some(vote));
    }
    if let Some(cursor) = Cursor::parse(query) {
        let text = Cursor::render(cursor.batch, &cursor.vote_id);
        assert_eq!(Cursor::parse(&text), Some(cursor));
    }
    csv(text);
}

/// Whatever an id is, a row of the log has seven cells, none of which a spreadsheet takes for a formula.
fn csv(vote_id: &str) {
    let row = LoggedVote {
        vote_id: vote_id.to_owned(),
        stream_id: None,
        option: vote_id.to_owned(),
        voter: Some(vote_id.to_owned()),
        cast_at: "2025-11-16T20:14:48Z".to_owned(),
        recorded_at: "2025-11-16T20:14:49Z".to_owned(),
        cursor: Cursor::render(7, vote_id),
    };
    assert_eq!(row.ndjson().lines().count(), 1);
    let line = row.csv();
    let Some(mut rest) = line.strip_suffix("\r\n") else {
        panic!("a line has an end");
    };
    // RFC 4180
    let mut cells = Vec::new();
    loop {
        let mut cell = String::new();
        if let Some(quoted) = rest.strip_prefix('"') {
            rest = quoted;
            while let Some((text, after)) = rest.split_once('"') {
                cell.push_str(text);
                rest = after;
                match rest.strip_prefix('"') {
                    Some(after) => {
                        cell.push('"');
                        rest = after;
                    }
                    None => break,
                }
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            cell.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        cells.push(cell);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => break,
        }
    }
    assert!(rest.is_empty(), "{line:?}");
    assert_eq!(cells.len(), 7, "{line:?}");
    let is_formula = |cell: &String| cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    assert!(!cells.iter().any(is_formula), "{line:?}");
    assert_eq!(
        cells[0].strip_prefix('\'').unwrap_or(&cells[0]),
        vote_id.strip_prefix('\'').unwrap_or(vote_id)
    );
}
