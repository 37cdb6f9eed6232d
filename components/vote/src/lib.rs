//! Takes votes: validates one, appends it to the stream, answers. Never touches PostgreSQL.
//!
//! There are two doors, [`api`] for programs and [`form`] for pages without a script, and one
//! [`cast`], which puts it into the ballot box of `platform`.

mod api;
mod cast;
mod form;

use conventions::Problem;
use pages::PollPath;
use platform::Request;

platform::http_service!(|request| platform::serve(
    "vote",
    Some(&pages::ERROR_PAGES),
    request,
    handle
));

async fn handle(request: Request) -> conventions::Result {
    match PollPath::parse(request.uri().path()) {
        Some((poll, PollPath::ApiVote)) => api::cast(poll, request).await,
        Some((poll, PollPath::Form)) => form::cast(poll, request).await,
        _ => Err(Problem::NothingHere),
    }
}
