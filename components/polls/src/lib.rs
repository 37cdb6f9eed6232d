//! The organizers' API: creates polls, changes and deletes them, and publishes what they are to where votes are
//! taken. PostgreSQL first, which is the truth; what cannot be published at once is published by the sweep.

mod api;
mod queries;

use conventions::Problem;
use pages::PollPath;
use platform::Request;
use spin_sdk::http::IntoResponse;
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    platform::serve(
        "polls",
        Some(&pages::ERROR_PAGES),
        request,
        async |request| {
            let path = request.uri().path().to_owned();
            match PollPath::parse(&path) {
                Some((poll, PollPath::Api)) => api::poll(poll, request).await,
                None if path == "/api/polls" => api::polls(request).await,
                _ => Err(Problem::NothingHere),
            }
        },
    )
    .await
}
