//! Holds what is recorded to what clients know.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    clients::ONE_VOTE,
    ledger::{Outcome, Vote},
};

/// A row of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub poll: String,
    pub vote_id: String,
    pub stream_id: String,
    pub option: String,
    /// As it is stored: a hash.
    pub voter: Option<String>,
}

/// All that is recorded in the end.
#[derive(Debug, Default)]
pub struct Recorded {
    pub rows: Vec<Row>,
    /// Poll, option, count.
    pub tallies: Vec<(String, String, i64)>,
    /// The stream ids of dead letters.
    pub dead: BTreeSet<String>,
    /// The stream ids of what was put into the stream and is no vote.
    pub garbage: BTreeSet<String>,
    /// The ids of votes that were put into the stream twice, or once more in place of what they were: either entry may
    /// be the one that is recorded.
    pub copied: BTreeSet<String>,
    /// The ids of votes that were taken, and then lost by Redis' disk: they may count, or not.
    pub torn: BTreeSet<String>,
}

/// Everything that is not as it was promised; nothing if all is well.
pub fn verdict(votes: &[Vote], recorded: &Recorded) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut rows: HashMap<(&str, &str), &Row> = HashMap::new();
    for row in &recorded.rows {
        if rows.insert((&row.poll, &row.vote_id), row).is_some() {
            wrong.push(format!("recorded twice: {row:?}"));
        }
    }

    let mut cast = BTreeSet::new();
    // Votes that may be there under an id that their client does not know.
    let mut nameless: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let mut names: HashMap<&str, &str> = HashMap::new();
    for vote in votes {
        let Some(vote_id) = &vote.vote_id else {
            if vote.outcome == Outcome::Unknown {
                *nameless.entry((&vote.poll, &vote.option)).or_default() += 1;
            }
            continue;
        };
        cast.insert((vote.poll.as_str(), vote_id.as_str()));
        let row = rows.get(&(vote.poll.as_str(), vote_id.as_str()));
        match (&vote.outcome, row) {
            (Outcome::Accepted { .. }, None) if recorded.torn.contains(vote_id) => {}
            (Outcome::Accepted { .. }, None) => wrong.push(format!("lost: {vote:?}")),
            (Outcome::Refused, Some(_)) => {
                wrong.push(format!("refused, and yet counted: {vote:?}"));
            }
            (_, Some(row)) if row.option != vote.option => {
                wrong.push(format!("counted for another option: {vote:?}, {row:?}"));
            }
            (Outcome::Accepted { stream_id }, Some(row)) => {
                // A vote that was sent again may have two entries, if Redis had no room for its key. One without a key has
                // two if Redis' reply was lost: the API asks again, and the second is what the client is told.
                let unsure = [&recorded.copied, &recorded.torn];
                let sure = vote.attempts == 1 && !unsure.iter().any(|ids| ids.contains(vote_id));
                let later = |told: &String| order(&row.stream_id) > order(told);
                if sure && stream_id.as_ref().is_some_and(later) {
                    wrong.push(format!("recorded from a later entry: {vote:?}, {row:?}"));
                }
            }
            (_, _) => {}
        }
        if let Some((voter, row)) = vote.voter.as_deref().zip(row) {
            let hash = row.voter.as_deref().unwrap_or_default();
            if *names.entry(hash).or_insert(voter) != voter {
                wrong.push(format!("another voter's: {vote:?}, {row:?}"));
            }
        }
    }
    let voters: BTreeSet<_> = names.values().collect();
    if voters.len() != names.len() {
        wrong.push(format!(
            "{} voters are recorded as {}",
            voters.len(),
            names.len()
        ));
    }

    for row in &recorded.rows {
        if cast.contains(&(row.poll.as_str(), row.vote_id.as_str())) {
            continue;
        }
        let left = nameless.entry((&row.poll, &row.option)).or_default();
        *left -= 1;
        if *left < 0 {
            wrong.push(format!("cast by nobody: {row:?}"));
        }
    }

    let mut counts: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let mut latest: BTreeMap<&str, &Row> = BTreeMap::new();
    for row in &recorded.rows {
        if row.poll == ONE_VOTE {
            let voter = row.voter.as_deref().unwrap_or_default();
            let now = latest.entry(voter).or_insert(row);
            if order(&row.stream_id) > order(&now.stream_id) {
                *now = row;
            }
        } else {
            *counts.entry((&row.poll, &row.option)).or_default() += 1;
        }
    }
    for row in latest.values() {
        *counts.entry((&row.poll, &row.option)).or_default() += 1;
    }
    for (poll, option, count) in &recorded.tallies {
        let due = counts
            .remove(&(poll.as_str(), option.as_str()))
            .unwrap_or(0);
        if due != *count {
            wrong.push(format!(
                "{poll}, {option}: {count} are counted, {due} were cast"
            ));
        }
    }
    for ((poll, option), due) in counts {
        wrong.push(format!("{poll}, {option}: no tally, {due} were cast"));
    }

    // After a group was lost, everything is read again: garbage, too.
    for id in recorded.dead.difference(&recorded.garbage) {
        wrong.push(format!("put aside, and is no garbage: entry {id}"));
    }
    for id in recorded.garbage.difference(&recorded.dead) {
        wrong.push(format!("garbage that was not put aside: entry {id}"));
    }
    wrong
}

/// As Redis orders them.
fn order(stream_id: &str) -> (u64, u64) {
    let (time, number) = stream_id.split_once('-').unwrap_or((stream_id, "0"));
    (time.parse().unwrap_or(0), number.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(vote_id: &str, option: &str, outcome: Outcome) -> Vote {
        Vote {
            poll: "default".to_owned(),
            vote_id: Some(vote_id.to_owned()),
            option: option.to_owned(),
            voter: None,
            outcome,
            attempts: 1,
        }
    }

    fn row(poll: &str, vote_id: &str, stream_id: &str, option: &str, voter: Option<&str>) -> Row {
        Row {
            poll: poll.to_owned(),
            vote_id: vote_id.to_owned(),
            stream_id: stream_id.to_owned(),
            option: option.to_owned(),
            voter: voter.map(str::to_owned),
        }
    }

    fn accepted(stream_id: &str) -> Outcome {
        Outcome::Accepted {
            stream_id: Some(stream_id.to_owned()),
        }
    }

    /// Three votes: one counted, one refused, one unknown and not there.
    fn good() -> (Vec<Vote>, Recorded) {
        let votes = vec![
            vote("a", "cats", accepted("1-0")),
            vote("b", "nothing", Outcome::Refused),
            vote("c", "dogs", Outcome::Unknown),
        ];
        let recorded = Recorded {
            rows: vec![row("default", "a", "1-0", "cats", None)],
            tallies: vec![
                ("default".into(), "cats".into(), 1),
                ("default".into(), "dogs".into(), 0),
            ],
            ..Recorded::default()
        };
        (votes, recorded)
    }

    #[track_caller]
    fn finds(what: &str, spoil: impl FnOnce(&mut Vec<Vote>, &mut Recorded)) {
        let (mut votes, mut recorded) = good();
        spoil(&mut votes, &mut recorded);
        let wrong = verdict(&votes, &recorded);
        assert!(wrong.iter().any(|wrong| wrong.contains(what)), "{wrong:?}");
    }

    #[test]
    fn nothing_is_wrong_with_what_is_as_promised() {
        let (votes, recorded) = good();
        assert_eq!(verdict(&votes, &recorded), Vec::<String>::new());
    }

    #[test]
    fn each_broken_promise_is_found() {
        finds("lost", |_, recorded| recorded.rows.clear());
        finds("recorded twice", |_, recorded| {
            recorded.rows.push(recorded.rows[0].clone());
        });
        finds("refused, and yet", |_, recorded| {
            recorded
                .rows
                .push(row("default", "b", "2-0", "nothing", None));
        });
        finds("another option", |_, recorded| {
            recorded.rows[0].option = "dogs".to_owned();
        });
        finds("a later entry", |_, recorded| {
            recorded.rows[0].stream_id = "3-0".to_owned();
        });
        finds("cast by nobody", |_, recorded| {
            recorded.rows.push(row("default", "d", "2-0", "dogs", None));
        });
        finds("2 are counted, 1 were cast", |_, recorded| {
            recorded.tallies[0].2 = 2
        });
        finds("is no garbage", |_, recorded| {
            recorded.dead.insert("1-0".to_owned());
        });
        finds("not put aside", |_, recorded| {
            recorded.garbage.insert("5-0".to_owned());
        });
    }

    #[test]
    fn a_vote_that_the_disk_has_lost_need_not_count() {
        let (votes, mut recorded) = good();
        recorded.torn.insert("a".to_owned());
        assert_eq!(verdict(&votes, &recorded), Vec::<String>::new());
        recorded.rows.clear();
        recorded.tallies[0].2 = 0;
        assert_eq!(verdict(&votes, &recorded), Vec::<String>::new());
    }

    #[test]
    fn a_vote_without_an_answer_and_an_id_accounts_for_one_row() {
        let (mut votes, mut recorded) = good();
        votes.push(Vote {
            vote_id: None,
            ..vote("", "dogs", Outcome::Unknown)
        });
        recorded.rows.push(row("default", "x", "4-0", "dogs", None));
        recorded.tallies[1].2 = 1;
        assert_eq!(verdict(&votes, &recorded), Vec::<String>::new());
        recorded.rows.push(row("default", "y", "4-1", "dogs", None));
        recorded.tallies[1].2 = 2;
        assert_eq!(verdict(&votes, &recorded).len(), 1);
    }

    #[test]
    fn a_voters_latest_vote_by_stream_id_is_the_one_that_counts() {
        let cast = |vote_id, option, stream_id| Vote {
            poll: ONE_VOTE.to_owned(),
            voter: Some("ada".to_owned()),
            ..vote(vote_id, option, accepted(stream_id))
        };
        let votes = [cast("a", "rice", "10-0"), cast("b", "soup", "9-0")];
        let mut recorded = Recorded {
            rows: vec![
                row(ONE_VOTE, "a", "10-0", "rice", Some("hash")),
                row(ONE_VOTE, "b", "9-0", "soup", Some("hash")),
            ],
            tallies: vec![
                (ONE_VOTE.into(), "soup".into(), 0),
                (ONE_VOTE.into(), "rice".into(), 1),
            ],
            ..Recorded::default()
        };
        assert_eq!(verdict(&votes, &recorded), Vec::<String>::new());
        recorded.tallies[0].2 = 1;
        recorded.tallies[1].2 = 0;
        assert_eq!(verdict(&votes, &recorded).len(), 2);
        recorded.rows[1].voter = Some("another".to_owned());
        assert!(verdict(&votes, &recorded)[0].contains("1 voters are recorded as 2"));
    }
}
