//! The paths of the pages, and of the API behind them.

use ballot::PollId;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::OrganizePath;

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The query parameter with a vote's id.
const VOTE: &str = "vote";

/// The paths of one poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The page to vote on.
    pub page: String,
    /// The page with the results.
    pub results: String,
    /// Where the page's form is sent.
    pub form: String,
    /// Takes the vote as JSON.
    pub api_vote: String,
    /// Gives the results as JSON.
    pub api_results: String,
    /// A vote's id follows it.
    pub api_receipts: String,
}

/// What of a poll a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollPath<'a> {
    /// The page to vote on.
    Page,
    /// The page with the results.
    Results,
    /// Takes the page's form.
    Form,
    /// The poll itself, as JSON.
    Api,
    /// Takes a vote as JSON.
    ApiVote,
    /// The results as JSON.
    ApiResults,
    /// All votes, for organizers.
    ApiVotes,
    /// The receipt of a vote, whose id is percent-encoded.
    ApiReceipt(&'a str),
}

impl<'a> PollPath<'a> {
    /// The poll of a path, and what of it is meant; none if the path is not that of a poll. The paths of the
    /// default poll without its name lead to the same.
    pub fn parse(path: &'a str) -> Option<(PollId, Self)> {
        let (prefix, rest) = match path.strip_prefix("/api") {
            Some(rest) if rest.starts_with('/') => ("/api", rest),
            _ => ("", path),
        };
        let (poll, rest) = match rest.strip_prefix("/polls/") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                (PollId::parse(&rest[..end]).ok()?, &rest[end..])
            }
            None => (PollId::default(), if path == "/" { "" } else { rest }),
        };
        let of = match (prefix, rest) {
            ("", "") => Self::Page,
            ("", "/results") => Self::Results,
            ("", "/vote") => Self::Form,
            ("/api", "") => Self::Api,
            ("/api", "/vote") => Self::ApiVote,
            ("/api", "/results") => Self::ApiResults,
            ("/api", "/votes") => Self::ApiVotes,
            ("/api", rest) => Self::ApiReceipt(rest.strip_prefix("/votes/")?),
            _ => return None,
        };
        Some((poll, of))
    }
}

impl Paths {
    /// The default poll is at the root; all others are under their name, which needs no encoding.
    pub fn of(poll: &PollId) -> Self {
        let (page, prefix, api) = if *poll == PollId::default() {
            ("/".to_owned(), String::new(), "/api".to_owned())
        } else {
            let page = format!("/polls/{poll}");
            (page.clone(), page, format!("/api/polls/{poll}"))
        };
        Self {
            page,
            results: format!("{prefix}/results"),
            form: format!("{prefix}/vote"),
            api_vote: format!("{api}/vote"),
            api_results: format!("{api}/results"),
            api_receipts: format!("{api}/votes/"),
        }
    }

    /// The receipt of a vote.
    pub fn receipt(&self, vote_id: &str) -> String {
        let id = utf8_percent_encode(vote_id, RESERVED);
        format!("{}{id}", self.api_receipts)
    }

    /// The page with the results, and what became of this vote.
    pub fn results_of(&self, vote_id: &str) -> String {
        let id = utf8_percent_encode(vote_id, RESERVED);
        format!("{}?{VOTE}={id}", self.results)
    }

    /// The vote that the query of [`Self::results_of`] names, percent-encoded.
    pub fn vote_in(query: &str) -> Option<&str> {
        query
            .split('&')
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| *name == VOTE)
            .map(|(_, id)| id)
    }

    /// Whether a path belongs to a page rather than to the API, even if there is no such page: people
    /// ask for pages, programs for the API.
    pub fn is_page(path: &str) -> bool {
        let default = Self::of(&PollId::default());
        [default.page, default.results, default.form].contains(&path.to_owned())
            || path == "/docs"
            || path == "/polls"
            || path.starts_with("/polls/")
            || path == OrganizePath::DESK
            || path.starts_with("/organize/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_poll_is_at_the_root() {
        let paths = Paths::of(&PollId::default());
        assert_eq!(
            [&*paths.page, &paths.results, &paths.form, &paths.api_vote],
            ["/", "/results", "/vote", "/api/vote"]
        );
        assert_eq!(paths.api_receipts, "/api/votes/");
        assert_eq!(paths.results_of("a b&c"), "/results?vote=a%20b%26c");
        assert_eq!(Paths::vote_in("x=1&vote=a%20b"), Some("a%20b"));
        assert_eq!(Paths::vote_in("votes=a"), None);
        let paths = Paths::of(&PollId::parse("pets-2026").unwrap());
        assert_eq!(paths.page, "/polls/pets-2026");
        assert_eq!(paths.form, "/polls/pets-2026/vote");
        assert_eq!(paths.api_results, "/api/polls/pets-2026/results");
    }

    #[test]
    fn a_path_leads_to_what_it_was_made_for() {
        for poll in ["default", "pets-2026"] {
            let poll = PollId::parse(poll).unwrap();
            let paths = Paths::of(&poll);
            for (path, of) in [
                (&paths.page, PollPath::Page),
                (&paths.results, PollPath::Results),
                (&paths.form, PollPath::Form),
                (&paths.api_vote, PollPath::ApiVote),
                (&paths.api_results, PollPath::ApiResults),
                (&paths.receipt("a/b"), PollPath::ApiReceipt("a%2Fb")),
                (&format!("/api/polls/{poll}"), PollPath::Api),
                (&format!("/api/polls/{poll}/votes"), PollPath::ApiVotes),
                (&format!("/polls/{poll}/vote"), PollPath::Form),
            ] {
                assert_eq!(PollPath::parse(path), Some((poll.clone(), of)), "{path}");
            }
        }
        for path in [
            "/api",
            "/api/",
            "/apivote",
            "/polls",
            "/polls/",
            "/polls/A",
            "/polls/a/x",
            "/polls/a/vote/",
            "/health",
            "/api/polls/a/vote/x",
        ] {
            assert_eq!(PollPath::parse(path), None, "{path}");
        }
    }

    #[test]
    fn pages_are_told_from_the_api() {
        for page in [
            "/",
            "/vote",
            "/results",
            "/docs",
            "/polls/none",
            "/organize/x",
        ] {
            assert!(Paths::is_page(page), "{page}");
        }
        for other in ["/api/vote", "/health", "/nothing", "/openapi.json"] {
            assert!(!Paths::is_page(other), "{other}");
        }
    }
}
