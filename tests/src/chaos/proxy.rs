//! Stands between the app and a store, and makes trouble on the way: replies that come late, that are cut in the
//! middle, are others or never come, and the answer to a batch that is lost after it was committed: the moment in which a consumer
//! does not know whether it has counted.

use std::{
    collections::HashSet,
    io,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
    time::sleep,
};

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Redis,
    Postgres,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    /// Both directions are late by so much.
    Late(Duration),
    /// Connections up to this number carry nothing, and nobody is told. Later ones are well.
    Silent(usize),
    /// So many replies are still to be cut: half of each is passed on, and the connection is reset.
    Cut(usize),
    /// Redis: replies are others, but for what is heard from channels.
    Garble,
    /// PostgreSQL: the next batch is committed, and nothing of the answer is passed on.
    LoseAnswer,
}

/// Makes another reply of one.
pub type Garble = Box<dyn FnMut(&[u8]) -> Vec<u8> + Send>;

struct Shared {
    protocol: Protocol,
    /// The store's port; 0 while it is not known.
    target: AtomicU16,
    trouble: Mutex<Trouble>,
    garble: Mutex<Option<Garble>>,
    /// The number of the latest connection.
    connections: AtomicUsize,
    /// How many bytes were in trouble.
    bitten: AtomicUsize,
    /// Those that were silent are reset.
    healed: Notify,
}

pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    pub async fn start(protocol: Protocol) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            protocol,
            target: AtomicU16::new(0),
            trouble: Mutex::new(Trouble::None),
            garble: Mutex::new(None),
            connections: AtomicUsize::new(0),
            bitten: AtomicUsize::new(0),
            healed: Notify::new(),
        });
        let own = shared.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = own.connections.fetch_add(1, Ordering::SeqCst) + 1;
                let shared = own.clone();
                tokio::spawn(async move {
                    // An end of one side is the end of the other.
                    let _ = carry(client, number, &shared).await;
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

    /// Makes all that is carried late, until [`Self::heal`].
    pub fn be_late(&self, by: Duration) {
        self.begin(Trouble::Late(by));
    }

    /// Carries nothing more on the connections that there are. They are reset by [`Self::heal`], as one that is half
    /// open is in the end.
    pub fn fall_silent(&self) {
        let latest = self.shared.connections.load(Ordering::SeqCst);
        self.begin(Trouble::Silent(latest));
    }

    /// Cuts so many replies in the middle.
    pub fn cut_replies(&self, count: usize) {
        self.begin(Trouble::Cut(count));
    }

    /// Passes on other replies than Redis gives.
    pub fn garble(&self, garble: Garble) {
        *self.shared.garble.lock().expect("nobody panics with it") = Some(garble);
        self.begin(Trouble::Garble);
    }

    /// Lets the next batch be committed, and loses the answer.
    pub fn lose_an_answer(&self) {
        self.begin(Trouble::LoseAnswer);
    }

    fn begin(&self, trouble: Trouble) {
        self.shared.bitten.store(0, Ordering::SeqCst);
        *self.shared.trouble() = trouble;
    }

    /// How many bytes have been in trouble since it began.
    pub fn bitten(&self) -> usize {
        self.shared.bitten.load(Ordering::SeqCst)
    }

    /// Whether there is trouble still to come.
    pub fn is_in_trouble(&self) -> bool {
        *self.shared.trouble() != Trouble::None
    }

    /// Carries everything again.
    pub fn heal(&self) {
        *self.shared.trouble() = Trouble::None;
        self.shared.healed.notify_waiters();
    }
}

impl Shared {
    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().expect("nobody panics with it")
    }

    fn bite(&self, bytes: usize) {
        self.bitten.fetch_add(bytes, Ordering::SeqCst);
    }

    /// Holds up `message` of this connection, if it is in trouble, as long as that lasts.
    async fn delay(&self, connection: usize, message: &[u8], begins: bool) -> io::Result<()> {
        let healed = self.healed.notified();
        let trouble = *self.trouble();
        match trouble {
            // What comes together is late together.
            Trouble::Late(by) if begins => {
                self.bite(message.len());
                sleep(by).await;
            }
            Trouble::Silent(latest) if connection <= latest => {
                self.bite(message.len());
                healed.await;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether the reply is to be cut.
    fn cuts(&self) -> bool {
        let mut trouble = self.trouble();
        let Trouble::Cut(left) = *trouble else {
            return false;
        };
        *trouble = match left {
            0 | 1 => Trouble::None,
            left => Trouble::Cut(left - 1),
        };
        true
    }

    /// What is passed on instead of a reply.
    fn garbled(&self, reply: Vec<u8>) -> Vec<u8> {
        if *self.trouble() != Trouble::Garble {
            return reply;
        }
        let mut garble = self.garble.lock().expect("nobody panics with it");
        let garbled = garble.as_mut().map(|garble| garble(&reply));
        garbled.filter(|it| *it != reply).map_or(reply, |garbled| {
            self.bite(garbled.len());
            garbled
        })
    }

    /// Whether this batch is the one whose answer is to be lost.
    fn loses_answer(&self) -> bool {
        let mut trouble = self.trouble();
        let loses = *trouble == Trouble::LoseAnswer;
        if loses {
            *trouble = Trouble::None;
        }
        loses
    }
}

/// One connection, and what is known of it.
struct Connection<'a> {
    number: usize,
    shared: &'a Shared,
    /// The answer to what it has just asked is to be lost.
    doomed: AtomicBool,
    /// Redis: what comes is not a reply, but heard from a channel.
    listens: AtomicBool,
}

async fn carry(client: TcpStream, number: usize, shared: &Shared) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", shared.target.load(Ordering::SeqCst))).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let connection = Connection {
        number,
        shared,
        doomed: AtomicBool::new(false),
        listens: AtomicBool::new(false),
    };
    tokio::select! {
        ended = connection.requests(BufReader::new(from_client), to_server) => ended,
        ended = connection.answers(BufReader::new(from_server), to_client) => ended,
    }
}

impl Connection<'_> {
    async fn requests(
        &self,
        mut from: BufReader<OwnedReadHalf>,
        mut to: OwnedWriteHalf,
    ) -> io::Result<()> {
        if self.shared.protocol == Protocol::Postgres {
            let first = read_sized(&mut from, Vec::new()).await?;
            self.shared.delay(self.number, &first, true).await?;
            to.write_all(&first).await?;
        }
        // The prepared statements that record a batch.
        let mut recording = HashSet::new();
        loop {
            let begins = from.buffer().is_empty();
            let message = self.read(&mut from).await?;
            if self.shared.protocol == Protocol::Postgres
                && records(&message, &mut recording)
                && self.shared.loses_answer()
            {
                self.doomed.store(true, Ordering::SeqCst);
            }
            if message.windows(9).any(|word| word == b"SUBSCRIBE") {
                self.listens.store(true, Ordering::SeqCst);
            }
            self.shared.delay(self.number, &message, begins).await?;
            to.write_all(&message).await?;
        }
    }

    async fn answers(
        &self,
        mut from: BufReader<OwnedReadHalf>,
        mut to: OwnedWriteHalf,
    ) -> io::Result<()> {
        let (mut lost, mut complete) = (0, false);
        loop {
            let begins = from.buffer().is_empty();
            let message = self.read(&mut from).await?;
            if self.doomed.load(Ordering::SeqCst) {
                lost += message.len();
                match message[0] {
                    // CommandComplete
                    b'C' => complete = true,
                    // ReadyForQuery: it is committed.
                    b'Z' if complete => {
                        self.shared.bite(lost);
                        return Ok(());
                    }
                    // ErrorResponse: nothing was. The next one, then.
                    b'E' => {
                        *self.shared.trouble() = Trouble::LoseAnswer;
                        return Ok(());
                    }
                    _ => {}
                }
                continue;
            }
            let message = if self.listens.load(Ordering::SeqCst) {
                message
            } else {
                self.shared.garbled(message)
            };
            self.shared.delay(self.number, &message, begins).await?;
            if message.len() > 1 && self.shared.cuts() {
                to.write_all(&message[..message.len() / 2]).await?;
                self.shared.bite(message.len());
                // So closing it resets it.
                to.as_ref().set_zero_linger()?;
                return Ok(());
            }
            to.write_all(&message).await?;
        }
    }

    /// Of PostgreSQL one message, of Redis what there is.
    async fn read(&self, from: &mut BufReader<OwnedReadHalf>) -> io::Result<Vec<u8>> {
        match self.shared.protocol {
            Protocol::Postgres => {
                let kind = from.read_u8().await?;
                read_sized(from, vec![kind]).await
            }
            Protocol::Redis => {
                let message = from.fill_buf().await?.to_vec();
                if message.is_empty() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                from.consume(message.len());
                Ok(message)
            }
        }
    }
}

/// The rest of a message that begins with `kind`: a length, which counts itself, and so much.
/// Source: <https://www.postgresql.org/docs/current/protocol-message-formats.html>.
async fn read_sized(from: &mut BufReader<OwnedReadHalf>, kind: Vec<u8>) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut message = kind;
    message.extend(length.to_be_bytes());
    let begins = message.len();
    message.resize(begins + (length as usize).saturating_sub(4), 0);
    from.read_exact(&mut message[begins..]).await?;
    Ok(message)
}

/// Whether PostgreSQL is asked to record a batch. `recording` are the names of the statements that do so.
fn records(message: &[u8], recording: &mut HashSet<Vec<u8>>) -> bool {
    let mut words = message[5..].split(|byte| *byte == 0);
    match message[0] {
        // Parse: the statement's name, and its text.
        b'P' => {
            let name = words.next().unwrap_or_default().to_vec();
            let text = String::from_utf8_lossy(words.next().unwrap_or_default());
            if text.contains("record_votes") {
                recording.insert(name);
            } else {
                recording.remove(&name);
            }
            false
        }
        // Bind: the portal's name, and the statement's.
        b'B' => words.nth(1).is_some_and(|name| recording.contains(name)),
        _ => false,
    }
}
