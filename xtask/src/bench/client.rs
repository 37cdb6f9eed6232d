//! A connection over HTTP that stays.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// By which requests are sent, one after the other.
pub type Sender = SendRequest<Full<Bytes>>;

pub async fn connect(address: SocketAddr) -> Result<Sender> {
    let stream = TcpStream::connect(address)
        .await
        .context("could not connect")?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

pub struct Connection {
    address: SocketAddr,
    sender: Sender,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let sender = connect(address).await?;
        Ok(Self { address, sender })
    }

    /// Sends JSON, and returns the status and the body of the answer.
    pub async fn post(&mut self, path: &str, body: &'static str) -> Result<(u16, String)> {
        let request = Request::post(path)
            .header(HOST, self.address.to_string())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}
