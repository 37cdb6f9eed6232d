//! Stands between the app and PostgreSQL, and can lose the answer to a batch after it was committed: the moment in
//! which a consumer does not know whether it has counted.

use std::{
    collections::HashSet,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

#[derive(Debug, Default)]
struct Shared {
    /// PostgreSQL's port; 0 while it is not known.
    target: AtomicU16,
    /// The next batch's answer is to be lost.
    armed: AtomicBool,
    /// Bytes of answers that were lost after their commit.
    lost: AtomicUsize,
}

#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let own = shared.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = own.clone();
                tokio::spawn(async move {
                    // An end of one side is the end of the other.
                    let _ = carry(client, &shared).await;
                });
            }
        });
        Ok(Self { port, shared })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Until then, who connects is turned away.
    pub fn lead_to(&self, port: u16) {
        self.shared.target.store(port, Ordering::SeqCst);
    }

    /// Lets the next batch be committed, and loses the answer.
    pub fn lose_an_answer(&self) {
        self.shared.armed.store(true, Ordering::SeqCst);
    }

    /// Bytes of answers that were lost so far.
    pub fn lost(&self) -> usize {
        self.shared.lost.load(Ordering::SeqCst)
    }
}

async fn carry(client: TcpStream, shared: &Shared) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", shared.target.load(Ordering::SeqCst))).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let doomed = AtomicBool::new(false);
    tokio::select! {
        ended = requests(from_client, to_server, shared, &doomed) => ended,
        ended = answers(from_server, to_client, shared, &doomed) => ended,
    }
}

/// Source of the shapes of messages: <https://www.postgresql.org/docs/current/protocol-message-formats.html>.
async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    doomed: &AtomicBool,
) -> io::Result<()> {
    // The first message has no type.
    let mut first = vec![0; 4];
    from.read_exact(&mut first).await?;
    let length = u32::from_be_bytes([first[0], first[1], first[2], first[3]]) as usize;
    first.resize(length.max(4), 0);
    from.read_exact(&mut first[4..]).await?;
    to.write_all(&first).await?;

    let mut recording = HashSet::new();
    loop {
        let message = read_message(&mut from).await?;
        let mut words = message[5..].split(|byte| *byte == 0);
        let records = match message[0] {
            b'P' => {
                let name = words.next().unwrap_or_default().to_vec();
                if words.next().is_some_and(says_record_votes) {
                    recording.insert(name);
                } else {
                    recording.remove(&name);
                }
                false
            }
            b'B' => words.nth(1).is_some_and(|name| recording.contains(name)),
            _ => false,
        };
        if records && shared.armed.swap(false, Ordering::SeqCst) {
            doomed.store(true, Ordering::SeqCst);
        }
        to.write_all(&message).await?;
    }
}

fn says_record_votes(query: &[u8]) -> bool {
    String::from_utf8_lossy(query).contains("record_votes")
}

async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    doomed: &AtomicBool,
) -> io::Result<()> {
    let (mut lost, mut complete) = (0, false);
    loop {
        let message = read_message(&mut from).await?;
        if !doomed.load(Ordering::SeqCst) {
            to.write_all(&message).await?;
            continue;
        }
        lost += message.len();
        match message[0] {
            // CommandComplete
            b'C' => complete = true,
            // ReadyForQuery: it is committed.
            b'Z' if complete => {
                shared.lost.fetch_add(lost, Ordering::SeqCst);
                return Ok(());
            }
            // ErrorResponse: nothing was. The next one, then.
            b'E' => {
                shared.armed.store(true, Ordering::SeqCst);
                return Ok(());
            }
            _ => {}
        }
    }
}

/// With its head: a type of one byte, and a length that counts itself but not the type.
async fn read_message(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let mut message = vec![0; 5];
    from.read_exact(&mut message).await?;
    let length = u32::from_be_bytes([message[1], message[2], message[3], message[4]]) as usize;
    message.resize(1 + length.max(4), 0);
    from.read_exact(&mut message[5..]).await?;
    Ok(message)
}
