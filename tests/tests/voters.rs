//! Polls with hours, and polls in which each voter has one vote: what record_votes makes of votes, in
//! whatever order they arrive.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use spinvote_tests::{World, sql_at};
use stack::Role;
use tokio_postgres::Client;

const OPTIONS: [&str; 3] = ["rust", "go", "c"];

/// A vote as it stands in the stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Vote {
    vote_id: String,
    /// None where the entry names no voter.
    voter: Option<String>,
    option: &'static str,
    stream_id: (u64, u64),
}

impl Vote {
    fn stream_id(&self) -> String {
        format!("{}-{}", self.stream_id.0, self.stream_id.1)
    }
}

/// Records a batch as tally does, and returns how many votes each outcome befell.
async fn record(sql: &Client, poll: &str, batch: &[Vote]) -> HashMap<String, usize> {
    let polls = vec![poll; batch.len()];
    let ids: Vec<_> = batch.iter().map(|vote| vote.vote_id.as_str()).collect();
    let stream_ids: Vec<_> = batch.iter().map(Vote::stream_id).collect();
    let options: Vec<_> = batch.iter().map(|vote| vote.option).collect();
    let voters: Vec<_> = batch.iter().map(|vote| vote.voter.as_deref()).collect();
    let cast_at = vec![1_763_562_521_088_000_i64; batch.len()];
    let rows = sql
        .query(
            "select outcome, cardinality(positions) from record_votes($1, $2, $3, $4, $5, $6)",
            &[&polls, &ids, &stream_ids, &options, &voters, &cast_at],
        )
        .await
        .unwrap();
    rows.iter()
        .map(|row| (row.get(0), row.get::<_, i32>(1) as usize))
        .collect()
}

async fn open_poll(sql: &Client, poll: &str, once: bool) {
    sql.execute(
        "insert into polls (poll, question, options, one_vote_per_voter) values ($1, 'Which?', $2, $3)",
        &[&poll, &OPTIONS.as_slice(), &once],
    )
    .await
    .unwrap();
}

/// For each option, the votes that count and those that a later vote of their voter replaced.
type Tally = BTreeMap<String, (i64, i64)>;

async fn tally(sql: &Client, poll: &str) -> Tally {
    sql.query(
        "select option, count, replaced from votes where poll = $1",
        &[&poll],
    )
    .await
    .unwrap()
    .iter()
    .map(|row| (row.get(0), (row.get(1), row.get(2))))
    .collect()
}

/// What must come of votes, in plain Rust: the latest vote of each voter counts.
fn model<'a>(votes: impl IntoIterator<Item = &'a Vote>) -> Tally {
    let votes: HashSet<_> = votes.into_iter().collect();
    let mut latest: HashMap<&str, &Vote> = HashMap::new();
    for vote in &votes {
        let held = latest.entry(vote.voter.as_deref().unwrap()).or_insert(vote);
        if vote.stream_id > held.stream_id {
            *held = vote;
        }
    }
    let mut tally: Tally = OPTIONS
        .iter()
        .map(|option| (option.to_string(), (0, 0)))
        .collect();
    for vote in &votes {
        let (counted, replaced) = tally.get_mut(vote.option).unwrap();
        if latest[vote.voter.as_deref().unwrap()] == *vote {
            *counted += 1;
        } else {
            *replaced += 1;
        }
    }
    tally
}

/// Batches in the order in which each of four consumers records its own: every vote in one of them at
/// least, some in several.
fn history() -> impl Strategy<Value = Vec<Vec<Vec<Vote>>>> {
    let vote = (0..50_usize, 0..OPTIONS.len(), 0..300_u64);
    let votes = (1..=50_usize, prop::collection::vec(vote, 1..300)).prop_map(|(voters, votes)| {
        votes
            .into_iter()
            .enumerate()
            .map(|(at, (voter, option, ms))| Vote {
                vote_id: format!("vote-{at}"),
                voter: Some(format!("voter-{}", voter % voters)),
                option: OPTIONS[option],
                // Unique, in an order that is not that of the ids; many share their millisecond, and
                // sequences differ in length, which a comparison as text would get wrong.
                stream_id: (1_763_562_521_000 + ms, at as u64),
            })
            .collect::<Vec<_>>()
    });
    votes.prop_flat_map(|votes| {
        let again = prop::collection::vec(prop::sample::select(votes.clone()), 0..=votes.len());
        let cuts = prop::collection::vec((0..4_usize, 1..=1000_usize), 1..24);
        (Just(votes), again, cuts)
            .prop_flat_map(|(votes, again, cuts)| {
                (Just([votes, again].concat()).prop_shuffle(), Just(cuts))
            })
            .prop_map(|(deliveries, cuts)| {
                let mut consumers = vec![Vec::new(); 4];
                let mut rest = deliveries.as_slice();
                for (consumer, size) in cuts.iter().cycle() {
                    if rest.is_empty() {
                        break;
                    }
                    // About as many batches as cuts.
                    let size = (size * deliveries.len() / 6000 + 1).min(rest.len());
                    let (batch, left) = rest.split_at(size);
                    consumers[*consumer].push(batch.to_vec());
                    rest = left;
                }
                consumers
            })
    })
}

#[test]
fn in_whatever_order_votes_arrive_the_latest_of_each_voter_counts() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::start());
    let operator = runtime.block_on(world.sql());
    let consumers = runtime.block_on(async {
        let mut consumers = Vec::new();
        for _ in 0..4 {
            let url = world.stack.database_url(Role::Consumer);
            consumers.push(sql_at(&url).await.unwrap());
        }
        consumers
    });

    let cases = 2_000;
    let number = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&history(), |batches| {
        number.set(number.get() + 1);
        let poll = format!("p{}", number.get());
        runtime.block_on(async {
            open_poll(&operator, &poll, true).await;
            let work = consumers.iter().zip(&batches).map(async |(sql, batches)| {
                let mut counted = 0;
                for batch in batches {
                    let outcomes = record(sql, &poll, batch).await;
                    counted += outcomes.get("counted").copied().unwrap_or_default();
                    let known = ["counted", "duplicate"];
                    assert!(
                        outcomes.keys().all(|name| known.contains(&name.as_str())),
                        "{outcomes:?}"
                    );
                }
                counted
            });
            let counted: usize = futures::future::join_all(work).await.into_iter().sum();
            let votes: HashSet<_> = batches.iter().flatten().flatten().collect();
            prop_assert_eq!(counted, votes.len(), "each vote is new once");
            prop_assert_eq!(tally(&operator, &poll).await, model(votes));
            Ok(())
        })
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(number.get() >= cases);

    let disagree = "select count(*) from recount_votes() where not agrees";
    assert_eq!(runtime.block_on(world.number(disagree)), 0);
}

/// Opens a poll by SQL, and appends votes for it as a producer does.
async fn open_with(world: &World, poll: &str, columns: &str, values: &str) {
    let insert = format!(
        "insert into polls (poll, question, options, {columns}) values ('{poll}', 'Which?', '{{rust,go,c}}', {values})"
    );
    world.sql().await.batch_execute(&insert).await.unwrap();
}

async fn append_at(world: &World, id: &str, poll: &str, option: &str, voter: Option<&str>) {
    let mut command = redis::cmd("XADD");
    command
        .arg("votes")
        .arg(id)
        .arg("poll")
        .arg(poll)
        .arg("option")
        .arg(option);
    if let Some(voter) = voter {
        command.arg("voter").arg(voter);
    }
    let _: String = command.query_async(&mut world.redis().await).await.unwrap();
}

#[tokio::test]
async fn a_poll_takes_what_was_appended_while_it_was_open() {
    let world = World::start_with(|stack| stack.without_component("tally")).await;
    let hours = "to_timestamp(1700000000), to_timestamp(1700000100)";
    open_with(&world, "hours", "opens_at, closes_at", hours).await;
    for (id, option) in [
        ("1699999999999-0", "go"),
        ("1700000000000-0", "rust"),
        ("1700000099999-9", "rust"),
        ("1700000100000-0", "c"),
    ] {
        append_at(&world, id, "hours", option, None).await;
    }
    // Long after it closed, by our clock: what counts is when a vote was appended.
    world.sweep().await;
    let counted = tally(&world.sql().await, "hours").await;
    assert_eq!(counted["rust"], (2, 0));
    assert_eq!((counted["go"], counted["c"]), ((0, 0), (0, 0)));
    let letter = |reason: &str, id: &str| (reason.to_owned(), id.to_owned());
    let mut dead = world.dead_letters().await;
    dead.sort();
    assert_eq!(
        dead,
        [
            letter("poll_closed", "1700000100000-0"),
            letter("poll_not_open", "1699999999999-0")
        ]
    );
}

#[tokio::test]
async fn the_latest_vote_of_a_voter_counts_and_a_vote_without_voter_does_not() {
    let world = World::start_with(|stack| stack.without_component("tally")).await;
    open_with(&world, "once", "one_vote_per_voter", "true").await;
    for (id, option, voter) in [
        ("1700000000000-0", "rust", Some("ada")),
        ("1700000000001-0", "go", Some("ada")),
        ("1700000000002-0", "rust", Some("bob")),
        ("1700000000003-0", "c", None),
    ] {
        append_at(&world, id, "once", option, voter).await;
    }
    world.sweep().await;
    let counted = tally(&world.sql().await, "once").await;
    assert_eq!(
        (counted["rust"], counted["go"], counted["c"]),
        ((1, 1), (1, 0), (0, 0))
    );
    let dead = world.dead_letters().await;
    assert_eq!(
        dead,
        [(
            "missing field: voter".to_owned(),
            "1700000000003-0".to_owned()
        )]
    );
}

#[tokio::test]
async fn a_recount_restores_what_voters_chose() {
    let world = World::start().await;
    let sql = world.sql().await;
    open_poll(&sql, "once", true).await;
    let vote = |at: u64, voter: &str, option| Vote {
        vote_id: format!("v{at}"),
        voter: Some(voter.to_owned()),
        option,
        stream_id: (1_700_000_000_000 + at, 0),
    };
    let votes = [
        vote(3, "ada", "go"),
        vote(1, "ada", "rust"),
        vote(2, "bob", "c"),
    ];
    record(&sql, "once", &votes).await;
    let expected = model(&votes);
    assert_eq!(tally(&sql, "once").await, expected);
    sql.batch_execute(
        "update votes set count = 5, replaced = 0 where option = 'rust';
         delete from votes where poll = 'once' and option = 'c';
         update voters set vote_id = 'v1', option = 'rust' where voter = 'ada'",
    )
    .await
    .unwrap();
    let disagree = "select count(*) from recount_votes() where not agrees";
    assert_eq!(world.number(disagree).await, 3);
    sql.batch_execute("select recount_votes(true)")
        .await
        .unwrap();
    assert_eq!(world.number(disagree).await, 0);
    assert_eq!(tally(&sql, "once").await, expected);
    // An older vote still takes nobody's place.
    record(&sql, "once", &[vote(0, "ada", "c")]).await;
    assert_eq!(tally(&sql, "once").await["go"], (1, 0));
}

#[tokio::test]
async fn each_change_of_a_poll_raises_its_revision_and_some_are_refused() {
    let world = World::start().await;
    let sql = world.sql().await;
    open_poll(&sql, "p", false).await;
    let revision = "select revision from polls where poll = 'p'";
    let mut last = world.number(revision).await;
    // As long as nobody has voted, everything may change.
    for change in [
        "update polls set options = '{a,b}' where poll = 'p'",
        "update polls set one_vote_per_voter = true where poll = 'p'",
        "update polls set one_vote_per_voter = false where poll = 'p'",
        "update polls set options = '{rust,go,c}' where poll = 'p'",
    ] {
        sql.batch_execute(change).await.unwrap();
        let now = world.number(revision).await;
        assert!(now > last, "{change}");
        last = now;
    }
    assert_eq!(tally(&sql, "p").await.len(), 3);
    let vote = Vote {
        vote_id: "1".into(),
        voter: None,
        option: "go",
        stream_id: (1_700_000_000_000, 0),
    };
    record(&sql, "p", &[vote]).await;
    for refused in [
        "update polls set options = '{rust,c}' where poll = 'p'",
        "update polls set one_vote_per_voter = true where poll = 'p'",
        "update polls set poll = 'q' where poll = 'p'",
        "delete from polls where poll = 'p'",
    ] {
        let error = sql.batch_execute(refused).await.unwrap_err();
        assert!(
            format!("{error:?}").contains("has votes"),
            "{refused}: {error:?}"
        );
    }
    assert_eq!(world.number(revision).await, last);
    sql.batch_execute(
        "update polls set options = '{rust,go,c,zig}', closes_at = now() where poll = 'p'",
    )
    .await
    .unwrap();
    assert!(world.number(revision).await > last);
    assert_eq!(tally(&sql, "p").await["go"], (1, 0));
    // A poll that is made anew is newer than the one it replaces.
    open_poll(&sql, "gone", false).await;
    let before = world
        .number("select revision from polls where poll = 'gone'")
        .await;
    sql.batch_execute("delete from polls where poll = 'gone'")
        .await
        .unwrap();
    open_poll(&sql, "gone", false).await;
    assert!(
        world
            .number("select revision from polls where poll = 'gone'")
            .await
            > before
    );
}
