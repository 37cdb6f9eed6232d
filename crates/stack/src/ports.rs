//! Free ports of 127.0.0.1 for tests that run at once.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    sync::{
        LazyLock,
        atomic::{AtomicU16, Ordering},
    },
};

use anyhow::{Context, Result};

/// Below the ports that systems give to outgoing connections, which come and go at any moment.
const RANGE: Range<u16> = 20_000..32_000;

/// Each process walks the range from a place of its own, so that two rarely meet.
static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
    AtomicU16::new((RandomState::new().hash_one(std::process::id()) % RANGE.len() as u64) as u16)
});

/// Whether nobody listens there.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A port that is free, and that nobody else in this process is given.
pub fn free() -> Result<u16> {
    RANGE
        .map(|_| RANGE.start + NEXT.fetch_add(1, Ordering::Relaxed) % RANGE.len() as u16)
        .find(|port| is_free(*port))
        .context("no free port on 127.0.0.1")
}
