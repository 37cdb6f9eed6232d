//! Says whether the process lives, and whether what it needs is there.

use conventions::Problem;
use futures::join;
use http::{Method, StatusCode};
use platform::Request;
use platform::log;
use platform::postgres::Postgres;
use platform::redis::Redis;
use platform::{Failure, PerInstance};
use serde_json::{Map, Value, json};

static REDIS: PerInstance<Redis> = PerInstance::new();
static POSTGRES: PerInstance<Postgres> = PerInstance::new();

platform::http_service!(|request| platform::serve(
    "health",
    Some(&pages::ERROR_PAGES),
    request,
    handle
));

async fn handle(request: Request) -> conventions::Result {
    conventions::allow(&request, &[Method::GET])?;
    match request.uri().path() {
        "/ready" => ready(Needs::parse(request.uri().query())?).await,
        "/health" => conventions::json(StatusCode::OK, &json!({ "status": "healthy" })),
        _ => Err(Problem::NothingHere),
    }
}

/// What the caller cannot do without. Votes are taken while PostgreSQL is down, so that the probe of
/// what takes them must not ask for it.
struct Needs {
    redis: bool,
    database: bool,
}

impl Needs {
    fn parse(query: Option<&str>) -> conventions::Result<Self> {
        match query.unwrap_or_default() {
            "" => Ok(Self {
                redis: true,
                database: true,
            }),
            "needs=redis" => Ok(Self {
                redis: true,
                database: false,
            }),
            "needs=database" => Ok(Self {
                redis: false,
                database: true,
            }),
            _ => Err(Problem::BadRequest(
                "Ask for /ready, /ready?needs=redis or /ready?needs=database.".into(),
            )),
        }
    }
}

/// `GET /ready`
async fn ready(needs: Needs) -> conventions::Result {
    let redis = REDIS.get(Redis::from_settings).await?;
    let postgres = POSTGRES.get(Postgres::from_settings).await?;
    let (redis, database) = join!(
        probe(needs.redis, redis.ping()),
        probe(needs.database, ask(postgres))
    );
    let mut state = Map::new();
    let mut is_ready = true;
    for (name, outcome) in [("redis", redis), ("database", database)] {
        let Some(outcome) = outcome else { continue };
        if let Err(failure) = &outcome {
            is_ready = false;
            log::warning(
                "not_ready",
                json!({ "upstream": name, "error": failure.to_string() }),
            );
        }
        let standing = if outcome.is_ok() {
            "connected"
        } else {
            "disconnected"
        };
        state.insert(name.to_owned(), standing.into());
    }
    if is_ready {
        let mut body = Map::from_iter([("status".to_owned(), Value::from("ready"))]);
        body.append(&mut state);
        conventions::json(StatusCode::OK, &body)
    } else {
        Err(Problem::NotReady(state))
    }
}

async fn probe(
    needed: bool,
    ask: impl Future<Output = Result<(), Failure>>,
) -> Option<Result<(), Failure>> {
    if needed { Some(ask.await) } else { None }
}

/// A database that answers but was never migrated is of no use.
async fn ask(postgres: &Postgres) -> Result<(), Failure> {
    postgres
        .query("select count from votes limit 1", &[])
        .await
        .map(drop)
}
