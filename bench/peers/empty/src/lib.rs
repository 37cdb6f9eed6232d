//! The least that a component can do: an answer of the size of a vote's, made of nothing.

use bytes::Bytes;
use http::{Method, Response, StatusCode, header::CONTENT_LENGTH};
use spin_sdk::{
    http::{FullBody, IntoResponse, Request},
    http_service,
};

const RECORDED: &[u8] = br#"{"message":"Vote recorded successfully","option":"cats","stream_id":"1763562521088-0","vote_id":"vote-0b2f4e1c8d3a5f60718293a4b5c6d7e8"}"#;
const RESULTS: &[u8] = br#"{"cats":3,"dogs":3,"total":6,"cats_percentage":50.0,"dogs_percentage":50.0,"last_updated":"2025-11-16T20:14:48.273326Z"}"#;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let (status, body) = match *request.method() {
        Method::POST => (StatusCode::CREATED, RECORDED),
        _ => (StatusCode::OK, RESULTS),
    };
    Response::builder()
        .status(status)
        .header(CONTENT_LENGTH, body.len())
        .body(FullBody::new(Bytes::from_static(body)))
}
