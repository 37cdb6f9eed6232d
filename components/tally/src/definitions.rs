//! From PostgreSQL, where polls are, to Redis, where votes are taken by their definitions.

use platform::stream::MOST_CHANGES;
use platform::{Failure, log, polls};
use serde_json::json;

use crate::drain::Drain;

/// Publishes every poll that Redis lacks or has in an older revision, and takes back those that are gone.
///
/// Before any of it PostgreSQL is told of the cell: votes are taken by what is published, and it must know of all
/// places where they may wait.
pub async fn publish(drain: &Drain) -> Result<(), Failure> {
    let Drain {
        cell,
        definitions,
        postgres,
        ..
    } = drain;
    polls::announce(postgres, cell).await?;
    let mut published = 0;
    let mut after = String::new();
    loop {
        let revisions = polls::revisions(postgres, &after, MOST_CHANGES).await?;
        let outdated = definitions.outdated(&revisions).await?;
        if !outdated.is_empty() {
            let changes = polls::changes(postgres, &outdated).await?;
            published += definitions.publish(&changes).await?;
        }
        match revisions.last() {
            Some(last) if revisions.len() == MOST_CHANGES => after = last.poll.as_str().to_owned(),
            _ => break,
        }
    }
    definitions.set_published().await?;
    if published > 0 {
        log::info("polls_published", json!({ "polls": published }));
    }
    Ok(())
}
