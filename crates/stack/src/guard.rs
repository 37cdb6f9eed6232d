//! Sees to it that our children end when we do, even by SIGKILL: a shell that holds the other end of
//! a pipe, and notices that it closes. `PR_SET_PDEATHSIG` would need unsafe code, exists on Linux
//! only, is tied to the thread that started the child, and does not reach grandchildren.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    process::{ChildStdin, Command, Stdio},
    sync::{LazyLock, Mutex, PoisonError},
};

use rustix::process::Pid;

/// One for this process. Absent if no shell could be started, which leaves us to our destructors.
static GUARD: LazyLock<Option<Mutex<ChildStdin>>> = LazyLock::new(|| {
    let child = Command::new("sh")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guard.sh"))
        .current_dir("/")
        .process_group(0) // out of reach of the terminal's Ctrl-C
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.ok()?.stdin.map(Mutex::new)
});

/// Has the process group end with us, asked by `signal` (a name that `kill -s` knows).
pub(crate) fn watch(group: Pid, signal: &str) {
    tell(&format!("+ {} {signal}\n", group.as_raw_pid()));
}

/// The process group has ended: its number may soon be somebody else's.
pub(crate) fn forget(group: Pid) {
    tell(&format!("- {}\n", group.as_raw_pid()));
}

fn tell(line: &str) {
    if let Some(guard) = GUARD.as_ref() {
        let mut pipe = guard.lock().unwrap_or_else(PoisonError::into_inner);
        // A guard that somebody killed is no reason to fail.
        let _ = pipe.write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        os::unix::process::ExitStatusExt,
    };

    use super::*;

    #[test]
    fn what_does_not_end_when_asked_is_killed() {
        let mut stubborn = Command::new("sh")
            .args([
                "-c",
                "trap '' TERM; echo stubborn; while :; do sleep 1; done",
            ])
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Before it has said so it ends like any other.
        let mut said = String::new();
        BufReader::new(stubborn.stdout.take().unwrap())
            .read_line(&mut said)
            .unwrap();
        let mut guard = Command::new("sh")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guard.sh"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        // Its starter says so much, and is gone.
        let mut pipe = guard.stdin.take().unwrap();
        writeln!(pipe, "+ {} TERM", stubborn.id()).unwrap();
        drop(pipe);
        assert!(guard.wait().unwrap().success());
        assert_eq!(stubborn.wait().unwrap().signal(), Some(9));
    }
}
