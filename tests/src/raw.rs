//! HTTP/1 by hand, for requests that no HTTP library sends.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::PATIENCE;

/// A connection to a Spinvote.
pub struct Connection {
    stream: TcpStream,
    authority: String,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// All of it, as it came.
    pub text: String,
}

/// The status of what a `POST` is answered of which only the beginning ever arrives.
///
/// One that is refused for its size need not be read to its end, and an HTTP library that is still sending
/// then may see the end of the connection instead of the answer.
pub async fn begin(url: &str, path: &str, headers: &str, body: impl AsRef<[u8]>) -> u16 {
    let mut connection = Connection::to(url).await;
    connection.post(path, headers, body).await;
    connection.answer().await.expect("an answer").status
}

impl Connection {
    /// To the Spinvote at an address such as `http://127.0.0.1:3000`.
    pub async fn to(url: &str) -> Self {
        let authority = url.trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&authority).await.expect("a connection");
        Self { stream, authority }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("sent");
    }

    /// The beginning of a `POST`: all of its head, `headers` among it, and as much of its body.
    pub async fn post(&mut self, path: &str, headers: &str, body: impl AsRef<[u8]>) {
        let authority = &self.authority;
        let head = format!("POST {path} HTTP/1.1\r\nHost: {authority}\r\n{headers}\r\n\r\n");
        self.send([head.as_bytes(), body.as_ref()].concat()).await;
    }

    /// The next answer, which must have a `Content-Length`; `None` if the connection ends without one, or
    /// within it.
    pub async fn answer(&mut self) -> Option<Answer> {
        let answer = timeout(PATIENCE, self.read_answer()).await;
        answer.unwrap_or_else(|_| panic!("in {PATIENCE:?} neither an answer nor an end"))
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return None,
            }
        }
        let mut text = String::from_utf8(head).expect("text");
        let status = text[9..12].parse().expect("a status");
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then_some(value)
        });
        let length: usize = length.expect("a length").parse().expect("a number");
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        text.push_str(&String::from_utf8(body).expect("text"));
        Some(Answer { status, text })
    }

    /// Waits until the other side has closed it.
    pub async fn ends(&mut self) {
        let end = timeout(PATIENCE, self.stream.read_u8()).await;
        assert!(end.expect("an end").is_err(), "more came");
    }
}
