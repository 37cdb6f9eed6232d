//! For organizers, by an API and by pages: creates polls, changes and deletes them, publishes what they are to
//! where votes are taken, and gives the audit log away. For everybody: what polls there are, and the pages to vote on. PostgreSQL first, which is the truth; what cannot be published at once is published by the sweep.

mod api;
mod log;
mod office;
mod organize;
mod page;
mod queries;

use conventions::Problem;
use office::Office;
use pages::{OrganizePath, PollPath};
use platform::{Request, Streamed};

platform::http_service!(|request| platform::serve_streamed(
    "polls",
    Some(&pages::ERROR_PAGES),
    request,
    handle
));

async fn handle(request: Request, streamed: &Streamed) -> conventions::Result {
    let path = request.uri().path().to_owned();
    let office = Office::open().await?;
    if let Some(path) = OrganizePath::parse(&path) {
        return organize::handle(office, path, request, streamed).await;
    }
    match PollPath::parse(&path) {
        Some((poll, PollPath::Api)) => api::poll(office, poll, request).await,
        Some((poll, PollPath::ApiVotes)) => log::votes(office, poll, &request, streamed).await,
        Some((poll, PollPath::Page)) => page::poll(office, poll, &request).await,
        None if path == "/polls" => page::polls(office, &request).await,
        None if path == "/api/polls" => api::polls(office, request).await,
        _ => Err(Problem::NothingHere),
    }
}
