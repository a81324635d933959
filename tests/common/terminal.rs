//! A real terminal: a pty whose slave is the controlling terminal of a session of its own.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use nix::pty::{Winsize, openpty};

use super::beside::{Beside, wait_until};
use super::tool;

/// The screen's side of a pty.
pub struct Terminal {
    /// None after a hang-up.
    master: Option<OwnedFd>,
    slave: Option<OwnedFd>,
    screen: Arc<Mutex<Vec<u8>>>,
}

/// Ctrl-C, Ctrl-Z.
pub const CTRL_C: &str = "\x03";
pub const CTRL_Z: &str = "\x1a";

impl Terminal {
    pub fn open() -> Terminal {
        Terminal::of_size(24, 80)
    }

    /// One of this many rows and columns.
    pub fn of_size(ws_row: u16, ws_col: u16) -> Terminal {
        let size = Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        // Descriptors of a test must not be kept open by what another one starts meanwhile.
        for fd in [&pty.master, &pty.slave] {
            let close = nix::fcntl::FdFlag::FD_CLOEXEC;
            nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_SETFD(close)).unwrap();
        }
        Terminal { master: Some(pty.master), slave: Some(pty.slave), screen: Arc::default() }
    }

    /// Starts a command as the leader of a session on this terminal; its output and error go into
    /// files, unless the command says otherwise.
    pub fn lead(&self, program: &str, args: &[&str]) -> Beside {
        let slave = self.slave.as_ref().unwrap();
        let mut setsid = Command::new(tool("setsid"));
        setsid.args(["--ctty", program]).args(args).stdin(slave.try_clone().unwrap());
        Beside::start_in_our_group(&mut setsid)
    }

    /// The name of the slave's device.
    pub fn device(&self) -> PathBuf {
        let slave = self.slave.as_ref().unwrap();
        std::fs::read_link(format!("/proc/self/fd/{}", slave.as_raw_fd())).unwrap()
    }

    /// Keeps what the programs write to the terminal. Must be called where they do, or it fills up.
    pub fn watch(&self) {
        let mut master = File::from(self.master.as_ref().unwrap().try_clone().unwrap());
        let screen = Arc::clone(&self.screen);
        // Ends when nobody has the slave open any more.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = master.read(&mut buffer) {
                screen.lock().unwrap_or_else(PoisonError::into_inner).extend(&buffer[..n]);
            }
        });
    }

    /// Everything that was written to the terminal.
    pub fn screen(&self) -> String {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&screen).into_owned()
    }

    /// Waits until this has been written to the terminal so often.
    pub fn shows(&self, text: &str, times: usize) {
        let shown = || self.screen().matches(text).count();
        wait_until_with(text, || self.screen(), || shown() >= times);
    }

    pub fn type_in(&self, keys: &str) {
        let mut master = File::from(self.master.as_ref().unwrap().try_clone().unwrap());
        master.write_all(keys.as_bytes()).unwrap();
    }

    /// Closes the screen's side: the window is closed, the line is cut. Not after `watch`.
    pub fn hang_up(&mut self) {
        self.slave = None;
        self.master = None;
    }
}

fn wait_until_with(what: &str, show: impl Fn() -> String, is_so: impl FnMut() -> bool) {
    let so = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| wait_until(what, is_so)));
    assert!(so.is_ok(), "`{what}` did not come to the screen:\n{}", show());
}
