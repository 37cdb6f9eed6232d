//! What faults need of the machine: a small disk, and a clock that can be stepped. Where the machine does not give
//! it, the fault is left out, and the run says so.

use std::{
    fs::{self, File},
    io::{Seek, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use stack::Redis;

/// A disk of its own, which is memory. It goes when it is dropped.
#[derive(Debug)]
pub struct Disk {
    place: PathBuf,
}

const NAME: &str = "spinvote-disk-";
const ROOM: &str = "size=8g";

impl Disk {
    /// None where we may not mount.
    pub fn mount() -> Option<Self> {
        unmount_what_the_dead_left();
        let place = std::env::temp_dir().join(format!("{NAME}{}", std::process::id()));
        fs::create_dir(&place).ok()?;
        let mounted = quietly(
            Command::new("mount")
                .args(["-t", "tmpfs", "-o", ROOM, "spinvote"])
                .arg(&place),
        );
        if !mounted {
            let _ = fs::remove_dir(&place);
            return None;
        }
        Some(Self { place })
    }

    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Makes it as small as what is on it.
    pub fn fill(&self) -> Result<()> {
        // What is on it grows meanwhile.
        for _ in 0..100 {
            let used = Command::new("df")
                .args(["--block-size=1", "--output=used"])
                .arg(&self.place)
                .output()
                .context("df")?;
            let used = String::from_utf8_lossy(&used.stdout).into_owned();
            let used = used.lines().nth(1).context("df says nothing")?.trim();
            if self.remount(&format!("size={used}")) {
                return Ok(());
            }
        }
        bail!("it grows faster than it can be filled")
    }

    pub fn make_room(&self) -> Result<()> {
        ensure!(self.remount(ROOM), "it stays small");
        Ok(())
    }

    fn remount(&self, size: &str) -> bool {
        quietly(
            Command::new("mount")
                .args(["-o", &format!("remount,{size}")])
                .arg(&self.place),
        )
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(&self.place);
    }
}

/// Who has files open there keeps them.
fn unmount(place: &Path) {
    quietly(Command::new("umount").arg("--lazy").arg(place));
    let _ = fs::remove_dir(place);
}

fn unmount_what_the_dead_left() {
    let entries = fs::read_dir(std::env::temp_dir()).into_iter().flatten();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(NAME));
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
            unmount(&entry.path());
        }
    }
}

/// The wall clock of one server.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    ahead: PathBuf,
}

impl Clock {
    /// None where servers cannot be given one: it takes a C compiler, and a loader that preloads.
    pub fn make(directory: &Path) -> Option<Self> {
        let (library, ahead) = (directory.join("clock.so"), directory.join("clock"));
        let source = stack::checkout::root().join("tests/src/chaos/clock.c");
        let compiled = quietly(
            Command::new("cc")
                .args(["-shared", "-fPIC", "-O2", "-o"])
                .arg(&library)
                .arg(source),
        );
        let clock = Self { library, ahead };
        (cfg!(target_os = "linux") && compiled && clock.set_ahead(0).is_ok()).then_some(clock)
    }

    /// From its next start on the server goes by this clock.
    pub fn give_to(&self, redis: &mut Redis) {
        redis.set_environment("LD_PRELOAD", &self.library);
        redis.set_environment("SPINVOTE_CLOCK", &self.ahead);
    }

    /// By how many seconds it is ahead of the machine's, from now on.
    pub fn set_ahead(&self, seconds: u64) -> Result<()> {
        // In place: the server has it in its memory.
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.ahead)?;
        file.rewind()?;
        Ok(file.write_all(&seconds.to_ne_bytes())?)
    }
}

fn quietly(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
