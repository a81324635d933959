//! Lines, and a terminal that is not there.

use std::sync::{Arc, Mutex};

use indicatif::TermLike;
use insta::assert_snapshot;

use super::*;

fn status(s: u64) -> Status {
    Status {
        elapsed: Duration::from_secs(s),
        processes: 41,
        threads: 310,
        stops: 1_204_233,
        distinct: 71,
        last_new: Some(LastNew { name: "fdatasync".to_owned(), ago: Duration::from_secs(2_460) }),
        phase: String::new(),
        note: None,
    }
}

/// What is written, and perhaps an error for every attempt.
#[derive(Clone, Debug, Default)]
struct Sink {
    text: Arc<Mutex<String>>,
    broken: bool,
}

impl Sink {
    fn take(&self) -> String {
        std::mem::take(&mut *self.text.lock().unwrap())
    }

    fn put(&self, text: &str) -> io::Result<()> {
        if self.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.text.lock().unwrap().push_str(text);
        Ok(())
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(std::str::from_utf8(bytes).unwrap())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.put("")
    }
}

impl TermLike for Sink {
    fn width(&self) -> u16 {
        60
    }
    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.put(&"<up>".repeat(n))
    }
    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.put(&"<down>".repeat(n))
    }
    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        self.put("<right>")
    }
    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        self.put("<left>")
    }
    fn write_line(&self, line: &str) -> io::Result<()> {
        self.put(&format!("{line}\n"))
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.put(text)
    }
    fn clear_line(&self) -> io::Result<()> {
        self.put("<clear>")
    }
    fn flush(&self) -> io::Result<()> {
        self.put("")
    }
}

fn progress(kind: Kind, sink: &Sink) -> Progress {
    let target = ProgressDrawTarget::term_like(Box::new(sink.clone()));
    Progress::on(kind, target, Box::new(sink.clone()), || true)
}

#[test]
fn lines_of_status() {
    let early =
        Status { last_new: None, processes: 1, threads: 1, stops: 2, distinct: 1, ..status(0) };
    let stopping = Status {
        phase: "shutdown".to_owned(),
        note: Some("SIGTERM sent; Ctrl-C again to kill".to_owned()),
        ..status(93_784)
    };
    let lines = [early, status(750), stopping].map(|status| status.to_string()).join("\n");
    assert_snapshot!(lines, @r"
    0s  1 process, 1 thread  2 stops  1 syscall
    12m30s  41 processes, 310 threads  1,204,233 stops  71 syscalls  last new: fdatasync 41 min ago
    1d02h  shutdown  SIGTERM sent; Ctrl-C again to kill  41 processes, 310 threads  1,204,233 stops  71 syscalls  last new: fdatasync 41 min ago
    ");
}

#[test]
fn a_line_from_time_to_time_and_at_once_when_asked() {
    let sink = Sink::default();
    let every = Duration::from_secs(10);
    let mut progress = progress(Kind::Lines { every }, &sink);
    let mut when = Vec::new();
    for quarter in 0..140 {
        let now = Status { elapsed: Duration::from_millis(quarter * 250), ..status(0) };
        progress.update(&now);
        if quarter == 50 {
            progress.show(&now);
        }
        when.extend(sink.take().lines().map(|line| line.split(' ').next().unwrap().to_owned()));
    }
    // The first after a second; asked for at 12.5 s, from when the ten seconds count anew.
    assert_eq!(when, ["1s", "11s", "12s", "22s", "32s"]);
    progress.say("a warning");
    progress.finish();
    assert_eq!(sink.take(), "a warning\n");
}

#[test]
fn quiet_says_only_what_must_be_said() {
    let sink = Sink::default();
    let mut progress = progress(Kind::Quiet, &sink);
    progress.update(&status(100));
    progress.show(&status(100));
    assert_eq!(sink.take(), "");
    progress.say("a warning");
    assert_eq!(sink.take(), "a warning\n");
}

#[test]
fn a_terminal_has_one_line_no_wider_than_itself() {
    let sink = Sink::default();
    let mut progress = progress(Kind::Terminal, &sink);
    progress.show(&status(750));
    let drawn = sink.take();
    assert!(!drawn.contains('\n'), "{drawn:?}");
    assert_eq!(drawn.chars().count(), 60, "{drawn:?}");
    assert!(drawn.starts_with("12m30s  41 processes, 310 threads"), "{drawn:?}");
    // Called in a tight loop, it does not draw.
    for _ in 0..100 {
        progress.update(&status(751));
    }
    assert_eq!(sink.take(), "");
    progress.say("a warning");
    assert!(sink.take().contains("a warning"));
    progress.finish();
    let last = sink.take();
    assert!(
        last.ends_with("<clear>") || last.trim_end_matches(' ').ends_with("<clear>"),
        "{last:?}"
    );
}

#[test]
fn in_the_background_nothing_is_drawn() {
    let sink = Sink::default();
    let target = ProgressDrawTarget::term_like(Box::new(sink.clone()));
    let mut progress = Progress::on(Kind::Terminal, target, Box::new(sink.clone()), || false);
    progress.show(&status(750));
    progress.update(&status(751));
    progress.finish();
    assert_eq!(sink.take(), "");
}

#[test]
fn the_first_line_says_how_to_end() {
    let sink = Sink::default();
    let mut progress = progress(Kind::Lines { every: Duration::from_secs(10) }, &sink);
    progress.update(&status(0));
    assert_eq!(sink.take(), "");
    progress.update(&status(1));
    assert!(sink.take().ends_with("(Ctrl-C or SIGTERM ends the trace in order)\n"));
    progress.update(&status(11));
    assert!(!sink.take().contains("Ctrl-C"));
}

#[test]
fn a_reader_that_has_gone_ends_nothing() {
    let sink = Sink { broken: true, ..Sink::default() };
    for kind in [Kind::Terminal, Kind::Lines { every: Duration::from_secs(1) }, Kind::Quiet] {
        let mut progress = progress(kind, &sink);
        progress.update(&status(10));
        progress.show(&status(20));
        progress.say("a warning");
        progress.finish();
        progress.update(&status(30));
    }
}
