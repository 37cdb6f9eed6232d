//! The body of `POST /vote`: a vote as a browser sends it without a script.

use crate::{Door, InvalidRequest, OptionName, VoteId};

/// A vote from a form: `option=cats`, and, if it is sent again, the `vote_id` that we issued then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoteForm {
    /// Syntactically valid; whether the poll has it is for the caller to check.
    pub option: OptionName,
    /// That of the first attempt, so that the vote counts once.
    pub vote_id: Option<VoteId>,
}

impl VoteForm {
    /// Takes a whole body, `application/x-www-form-urlencoded`.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidRequest> {
        let (mut option, mut vote_id) = (None, None);
        for (name, value) in form_urlencoded::parse(body) {
            let field = match &*name {
                "option" => &mut option,
                "vote_id" => &mut vote_id,
                _ => return Err(InvalidRequest::NotAForm),
            };
            if field.replace(value).is_some() {
                return Err(InvalidRequest::NotAForm);
            }
        }
        let option = option.ok_or(InvalidRequest::NotAForm)?;
        let option = OptionName::normalized(&option).map_err(|_| InvalidRequest::NotAnOption)?;
        let vote_id = vote_id
            .map(|id| {
                let id = VoteId::parse(&id).ok();
                id.filter(|id| id.issued_at() == Some(Door::Form))
                    .ok_or(InvalidRequest::NotAForm)
            })
            .transpose()?;
        Ok(Self { option, vote_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ISSUED: &str = "form-01a20e6a-b471-7572-a0c7-55483757e707";

    fn parse(body: &str) -> Result<(String, Option<String>), InvalidRequest> {
        VoteForm::parse(body.as_bytes()).map(|form| {
            (
                form.option.into_string(),
                form.vote_id.map(VoteId::into_string),
            )
        })
    }

    #[test]
    fn a_form_names_its_option_and_maybe_its_id() {
        assert_eq!(parse("option=cats"), Ok(("cats".into(), None)));
        assert_eq!(
            parse(&format!("vote_id={ISSUED}&option=gro%C3%9Fe+Hunde")),
            Ok(("große Hunde".into(), Some(ISSUED.into())))
        );
    }

    #[test]
    fn what_is_not_a_vote_is_refused() {
        for body in [
            "",
            "cats",
            "vote_id=1",
            "option=cats&option=dogs",
            "option=cats&colour=red",
            "option=cats&vote_id=",
            "option=cats&vote_id=1763562521088-0",
            "option=cats&vote_id=vote-01a20e6a-b471-7572-a0c7-55483757e707",
            r#"{"option":"cats"}"#,
        ] {
            assert_eq!(parse(body), Err(InvalidRequest::NotAForm), "{body}");
        }
        for body in ["option=", "option=ca%00ts"] {
            assert_eq!(parse(body), Err(InvalidRequest::NotAnOption), "{body}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(body in any::<Vec<u8>>()) {
            let _ = VoteForm::parse(&body);
        }
    }
}
