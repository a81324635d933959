//! Processes that do not outlive the test that started them, and waits that end.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// A child in a process group of its own. A guard that is dropped before its child has ended kills
/// the group, which takes along what a plain kill of a shell or of `strace` would leave running.
pub struct Guarded {
    child: Child,
    ended: bool,
}

impl Guarded {
    pub fn spawn(command: &mut Command) -> Guarded {
        let child = command.process_group(0).spawn();
        let child = child.unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Guarded { child, ended: false }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    /// The child's status, or `None` if it still runs after that time.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        until(limit, || self.child.try_wait().unwrap()).inspect(|_| self.ended = true)
    }

    pub fn is_running(&mut self) -> bool {
        self.ended = self.ended || self.child.try_wait().unwrap().is_some();
        !self.ended
    }

    /// As a terminal does at Ctrl-C.
    pub fn signal_group(&mut self, signal: Signal) {
        assert!(self.is_running(), "there is nobody left to send {signal} to");
        killpg(self.pid(), signal).unwrap();
    }

    pub fn signal(&mut self, signal: Signal) {
        assert!(self.is_running(), "there is nobody left to send {signal} to");
        kill(self.pid(), signal).unwrap();
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = killpg(self.pid(), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// Asks again and again until there is an answer or the time is over.
pub fn until<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        match ask() {
            None if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
            answer => return answer,
        }
    }
}

/// What a shell makes of a status.
pub fn shell_status(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
}

/// A port of the loopback interface on which nobody listens, and that the kernel does not give out
/// by itself: a client that tries again and again to reach a port of that kind while nobody listens
/// there is at last connected to itself, and the port is taken.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let range = 10_000..30_000_u32;
    let start = std::process::id().wrapping_mul(61);
    range
        .clone()
        .map(|_| range.start + (start + NEXT.fetch_add(1, Relaxed)) % range.len() as u32)
        .map(|port| u16::try_from(port).unwrap())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

/// The body that a `POST` of JSON is answered with; `None` while nobody answers.
pub fn post_json(port: u16, path: &str, body: &str) -> Option<String> {
    use std::io::Write;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}
