//! The least that can take a vote: what comes in is not looked at, one entry of the size of a vote's is appended, and the
//! answer has nothing of it. The connection is kept, as Spinvote keeps it.

use std::{cell::RefCell, rc::Rc};

use bytes::Bytes;
use http::{Method, Response, StatusCode, header::CONTENT_LENGTH};
use spin_sdk::{
    http::{FullBody, IntoResponse, Request},
    http_service,
    redis::{Connection, RedisParameter},
    variables,
};

const RECORDED: &[u8] = br#"{"message":"Vote recorded successfully","option":"cats","stream_id":"1763562521088-0","vote_id":"vote-0b2f4e1c8d3a5f60718293a4b5c6d7e8"}"#;

const ENTRY: [&str; 10] = [
    "votes",
    "*",
    "option",
    "cats",
    "poll",
    "default",
    "vote_id",
    "vote-0b2f4e1c8d3a5f60718293a4b5c6d7e8",
    "accepted",
    "1",
];

thread_local! {
    static KEPT: RefCell<Option<Rc<Connection>>> = const { RefCell::new(None) };
}

#[http_service]
async fn handle(request: Request) -> anyhow::Result<impl IntoResponse> {
    if *request.method() == Method::POST {
        append().await?;
    }
    Ok(Response::builder()
        .status(StatusCode::CREATED)
        .header(CONTENT_LENGTH, RECORDED.len())
        .body(FullBody::new(Bytes::from_static(RECORDED)))?)
}

async fn append() -> anyhow::Result<()> {
    let connection = match KEPT.with_borrow(Clone::clone) {
        Some(connection) => connection,
        None => {
            let connection = Rc::new(Connection::open(variables::get("redis_url").await?).await?);
            KEPT.set(Some(connection.clone()));
            connection
        }
    };
    let entry = ENTRY.map(|text| RedisParameter::Binary(text.into()));
    connection.execute("XADD", entry.to_vec()).await?;
    Ok(())
}
