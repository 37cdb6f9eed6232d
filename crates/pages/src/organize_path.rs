//! The paths of the pages for organizers.

use std::fmt;

use ballot::PollId;
use http::Method;

/// Where an organizer is, or what a form there does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrganizePath {
    /// All polls, and a form for a new one; or the form to sign in.
    Desk,
    /// Takes the form to sign in.
    SignIn,
    /// Takes the form to sign out.
    SignOut,
    /// Takes the form for a new poll.
    Polls,
    /// One poll; takes the form that changes it.
    Poll(PollId),
    /// Takes the form that opens it.
    Open(PollId),
    /// Takes the form that closes it.
    Close(PollId),
    /// Takes the form that deletes it.
    Delete(PollId),
    /// Its audit log.
    Csv(PollId),
    /// Likewise.
    Ndjson(PollId),
}

impl OrganizePath {
    /// The path of [`Self::Desk`].
    pub const DESK: &str = "/organize";

    /// None if the path is none of these.
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix(Self::DESK)?;
        Some(match rest {
            "" => Self::Desk,
            "/sign-in" => Self::SignIn,
            "/sign-out" => Self::SignOut,
            "/polls" => Self::Polls,
            rest => {
                let rest = rest.strip_prefix("/polls/")?;
                let (poll, of) = rest.split_once('/').unwrap_or((rest, ""));
                let poll = PollId::parse(poll).ok()?;
                match of {
                    "" if !rest.ends_with('/') => Self::Poll(poll),
                    "open" => Self::Open(poll),
                    "close" => Self::Close(poll),
                    "delete" => Self::Delete(poll),
                    "votes.csv" => Self::Csv(poll),
                    "votes.ndjson" => Self::Ndjson(poll),
                    _ => return None,
                }
            }
        })
    }

    /// What can be done there. Where a form is sent, a browser that is led by the address alone finds the way back.
    pub fn methods(&self) -> &'static [Method] {
        match self {
            Self::Desk | Self::Csv(_) | Self::Ndjson(_) => &[Method::GET],
            _ => &[Method::GET, Method::POST],
        }
    }
}

impl fmt::Display for OrganizePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::DESK)?;
        match self {
            Self::Desk => Ok(()),
            Self::SignIn => f.write_str("/sign-in"),
            Self::SignOut => f.write_str("/sign-out"),
            Self::Polls => f.write_str("/polls"),
            Self::Poll(poll) => write!(f, "/polls/{poll}"),
            Self::Open(poll) => write!(f, "/polls/{poll}/open"),
            Self::Close(poll) => write!(f, "/polls/{poll}/close"),
            Self::Delete(poll) => write!(f, "/polls/{poll}/delete"),
            Self::Csv(poll) => write!(f, "/polls/{poll}/votes.csv"),
            Self::Ndjson(poll) => write!(f, "/polls/{poll}/votes.ndjson"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_what_it_was_made_for() {
        let poll = || PollId::parse("pets-2026").unwrap();
        for path in [
            OrganizePath::Desk,
            OrganizePath::SignIn,
            OrganizePath::SignOut,
            OrganizePath::Polls,
            OrganizePath::Poll(poll()),
            OrganizePath::Open(poll()),
            OrganizePath::Close(poll()),
            OrganizePath::Delete(poll()),
            OrganizePath::Csv(poll()),
            OrganizePath::Ndjson(poll()),
        ] {
            assert_eq!(OrganizePath::parse(&path.to_string()), Some(path));
        }
        for path in [
            "/",
            "/organizer",
            "/organize/",
            "/organize/polls/",
            "/organize/polls/A",
            "/organize/polls/a/",
            "/organize/polls/a/b",
            "/organize/polls/a/open/",
        ] {
            assert_eq!(OrganizePath::parse(path), None, "{path}");
        }
    }
}
