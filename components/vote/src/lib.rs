//! Takes votes: validates one, appends it to the stream, answers. Never touches PostgreSQL.

mod form;

use ballot::{
    Door, IdempotencyKey, InvalidRequest, OptionName, PollId, VoteId, VoteRequest, default_poll,
};
use http::header::LOCATION;
use http::{HeaderMap, Method, StatusCode};
use pages::Paths;
use platform::PerInstance;
use platform::http::{self as web, BodyLimits, Problem, Request};
use platform::settings::InvalidSetting;
use platform::stream::Producer;
use serde::Serialize;
use spin_sdk::http::IntoResponse;
use spin_sdk::http_service;
use uuid::Uuid;

struct BallotBox {
    stream: Producer,
    body: BodyLimits,
}

static BALLOT_BOX: PerInstance<BallotBox> = PerInstance::new();

async fn open() -> Result<BallotBox, InvalidSetting> {
    Ok(BallotBox {
        stream: Producer::from_settings().await?,
        body: BodyLimits::from_settings().await?,
    })
}

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    web::serve(
        "vote",
        Some(pages::error_page),
        request,
        async |request| match request.uri().path() {
            form::PATH => form::cast(request).await,
            "/api/vote" => cast(request).await,
            _ => Err(Problem::NothingHere),
        },
    )
    .await
}

#[derive(Serialize)]
struct Recorded<'a> {
    message: &'static str,
    option: &'a str,
    stream_id: &'a str,
    vote_id: &'a str,
}

/// `POST /api/vote`
async fn cast(request: Request) -> web::Result {
    web::allow(&request, &[Method::POST])?;
    let ballot_box = BALLOT_BOX.get(open).await?;
    let key = idempotency_key(request.headers())?;
    let body = web::body(request, &ballot_box.body).await?;
    let option = offered(VoteRequest::parse(&body).map_err(refuse)?.option)?;

    let poll = PollId::default();
    let (vote_id, appended) = match key {
        Some(key) => {
            let vote_id = key.into_vote_id();
            let appended = ballot_box
                .stream
                .append_once(&poll, &option, &vote_id)
                .await;
            (vote_id, appended)
        }
        None => {
            let vote_id = issue_id(Door::Api);
            let appended = ballot_box.stream.append(&poll, &option, &vote_id).await;
            (vote_id, appended)
        }
    };
    let appended = appended.map_err(|failure| Problem::Unavailable {
        detail: "The vote could not be recorded. Send it again in a moment, with an Idempotency-Key \
                 so that it counts once.",
        failure,
    })?;
    if appended.option != option.as_str() {
        return Err(Problem::Unprocessable(
            "This Idempotency-Key was used for another option. Use a new key for a new vote."
                .into(),
        ));
    }

    let mut response = web::json(
        StatusCode::CREATED,
        &Recorded {
            message: "Vote recorded successfully",
            option: option.as_str(),
            stream_id: appended.stream_id.as_str(),
            vote_id: vote_id.as_str(),
        },
    )?;
    let receipt = Paths::of(&poll).receipt(vote_id.as_str());
    response
        .headers_mut()
        .insert(LOCATION, web::header_value(&receipt)?);
    Ok(response)
}

/// The option, if the poll has it.
fn offered(option: OptionName) -> web::Result<OptionName> {
    if default_poll::offers(&option) {
        Ok(option)
    } else {
        Err(Problem::Unprocessable(default_poll::choices()))
    }
}

fn idempotency_key(headers: &HeaderMap) -> web::Result<Option<IdempotencyKey>> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::BadRequest(
            "Send one Idempotency-Key, not several.".into(),
        ));
    }
    IdempotencyKey::parse(value.as_bytes())
        .map(Some)
        .map_err(|invalid| {
            Problem::BadRequest(format!("The Idempotency-Key cannot be used: {invalid}."))
        })
}

/// Ids that grow with time, so that the index of the audit log grows at its end.
fn issue_id(door: Door) -> VoteId {
    VoteId::issue(door, Uuid::now_v7())
}

fn refuse(invalid: InvalidRequest) -> Problem {
    match invalid {
        InvalidRequest::NotJson => Problem::BadRequest(invalid.to_string()),
        InvalidRequest::NotAVote | InvalidRequest::NotAForm => {
            Problem::Unprocessable(invalid.to_string())
        }
        InvalidRequest::NotAnOption => Problem::Unprocessable(default_poll::choices()),
    }
}
