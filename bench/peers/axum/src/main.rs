//! What taking a vote costs without a sandbox: axum on tokio, one multiplexed connection to Redis.
//! It answers as Spinvote does, and does no more than the peers in Python.

use std::env;

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode},
    response::IntoResponse,
    routing::post,
    serve::ListenerExt,
};
use redis::{AsyncCommands, aio::ConnectionManager};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tower_http::set_header::SetResponseHeaderLayer;

const SECURITY_HEADERS: [(&str, &str); 5] = [
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'self'"),
    ("x-xss-protection", "1; mode=block"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
];

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Choice {
    Cats,
    Dogs,
}

impl Choice {
    fn name(self) -> &'static str {
        match self {
            Self::Cats => "cats",
            Self::Dogs => "dogs",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vote {
    option: Choice,
}

#[derive(Serialize)]
struct Recorded {
    message: &'static str,
    option: Choice,
    stream_id: String,
}

#[derive(Clone)]
struct Stream {
    redis: ConnectionManager,
    name: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let variable = |name: &str| env::var(name).with_context(|| format!("{name} is not set"));
    let client = redis::Client::open(variable("REDIS_URL")?)?;
    let stream = Stream {
        redis: ConnectionManager::new(client).await?,
        name: variable("STREAM")?,
    };
    let routes = Router::new()
        .route("/api/vote", post(vote))
        .with_state(stream);
    let app = SECURITY_HEADERS.iter().fold(routes, |app, (name, value)| {
        app.layer(SetResponseHeaderLayer::overriding(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        ))
    });
    let listener = TcpListener::bind(variable("LISTEN")?).await?;
    let listener = listener.tap_io(|stream| {
        // Without it answers are late, never wrong.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await?;
    Ok(())
}

async fn vote(State(mut stream): State<Stream>, Json(vote): Json<Vote>) -> impl IntoResponse {
    let entry = [("vote", vote.option.name())];
    match stream.redis.xadd(stream.name, "*", &entry).await {
        Ok(stream_id) => {
            let recorded = Recorded {
                message: "Vote recorded successfully",
                option: vote.option,
                stream_id,
            };
            (StatusCode::CREATED, Json(recorded)).into_response()
        }
        Err(error) => {
            eprintln!("could not append: {error}");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
