//! Lines, and a terminal that is not there.

use std::sync::{Arc, Mutex};

use indicatif::TermLike;
use insta::assert_snapshot;

use super::*;

/// How wide the terminals are.
const WIDTH: usize = 60;

fn status(s: u64) -> Status {
    Status {
        elapsed: Duration::from_secs(s),
        processes: 41,
        threads: 310,
        stops: 1_204_233,
        distinct: 71,
        last_new: Some(LastNew { name: "fdatasync".to_owned(), ago: Duration::from_secs(2_460) }),
        stage: None,
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
        WIDTH as u16
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

/// A terminal that nobody has taken for himself.
const FREE: Terminal = Terminal {
    columns: || WIDTH,
    may_write: || true,
    mode: || Some(LocalFlags::ECHO),
    mode_at_start: Some(LocalFlags::ECHO),
};

fn progress(kind: Kind, sink: &Sink) -> Progress {
    progress_on(FREE, kind, sink)
}

fn progress_on(terminal: Terminal, kind: Kind, sink: &Sink) -> Progress {
    let target = ProgressDrawTarget::term_like(Box::new(sink.clone()));
    Progress::on(kind, target, Box::new(sink.clone()), terminal)
}

/// What a terminal shows of what is written to it.
#[derive(Default)]
struct Screen {
    rows: Vec<String>,
    column: usize,
}

impl Screen {
    fn write(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\r' => self.column = 0,
                '\n' => self.rows.push(String::new()),
                c => self.put(c),
            }
        }
    }

    fn put(&mut self, c: char) {
        // The cursor stays at the right edge until something more comes.
        if self.column == WIDTH || self.rows.is_empty() {
            self.rows.push(String::new());
            self.column = 0;
        }
        let row = self.rows.last_mut().unwrap();
        let mut cells: Vec<char> = row.chars().collect();
        cells.resize(cells.len().max(self.column + 1), ' ');
        cells[self.column] = c;
        *row = cells.into_iter().collect();
        self.column += 1;
    }

    fn shows(&self) -> Vec<&str> {
        self.rows.iter().map(|row| row.trim_end()).collect()
    }
}

#[test]
fn lines_of_status() {
    let early =
        Status { last_new: None, processes: 1, threads: 1, stops: 2, distinct: 1, ..status(0) };
    let stopping = Status {
        stage: Some("shutdown"),
        note: Some("SIGTERM sent; Ctrl-C again to kill".to_owned()),
        ..status(93_784)
    };
    let lines = [early, status(750), stopping].map(|status| status.to_string()).join("\n");
    assert_snapshot!(lines, @r"
    0s  1 process, 1 thread  2 stops  1 syscall
    12m30s  41 processes, 310 threads  1,204,233 stops  71 syscalls  last new: fdatasync, 41m00s ago
    1d02h  shutdown  SIGTERM sent; Ctrl-C again to kill  41 processes, 310 threads  1,204,233 stops  71 syscalls  last new: fdatasync, 41m00s ago
    ");
}

#[test]
fn a_line_from_time_to_time_and_at_once_when_there_is_something_to_know() {
    let sink = Sink::default();
    let mut progress = progress(Kind::Lines, &sink);
    let mut when = Vec::new();
    for quarter in 0..800 {
        let mut now = Status { elapsed: Duration::from_millis(quarter * 250), ..status(0) };
        now.note = (quarter >= 50).then(|| "asked to stop".to_owned());
        progress.update(&now);
        when.extend(sink.take().lines().map(|line| line.split(' ').next().unwrap().to_owned()));
    }
    // The first after a second; the news at 12.5 s, from when the ten seconds count anew; and ever
    // more seldom.
    let expected = ["1s", "11s", "12s", "22s", "32s", "42s", "52s", "1m02s", "2m02s", "3m02s"];
    assert_eq!(when, expected);
    progress.say("a warning");
    progress.finish();
    assert_eq!(sink.take(), "a warning\n");
}

#[test]
fn a_shared_terminal_loses_nothing_of_what_the_program_writes() {
    let sink = Sink::default();
    let mut screen = Screen::default();
    let mut progress = progress(Kind::SharedTerminal, &sink);
    let mut status = Status { last_new: None, ..status(0) };
    let mut update = |screen: &mut Screen, program: &str, s| {
        screen.write(program);
        status.elapsed = Duration::from_secs(s);
        progress.update(&status);
        screen.write(&sink.take());
    };
    update(&mut screen, "log 1\r\nlog 2\r\n", 11);
    update(&mut screen, "", 22);
    update(&mut screen, "Password: ", 33);
    update(&mut screen, &"x".repeat(WIDTH), 44);
    progress.finish();
    screen.write(&sink.take());
    screen.write("the end");
    let shown = screen.shows();
    let line = |n: usize| shown[n].split("  ").next().unwrap();
    assert_eq!((shown[0], shown[1]), ("log 1", "log 2"), "{shown:#?}");
    assert!(shown.contains(&"Password:") && shown.contains(&"x".repeat(WIDTH).as_str()));
    assert_eq!(line(2), "11s", "{shown:#?}");
    let after = |text: &str| shown[shown.iter().position(|row| row.starts_with(text)).unwrap() + 1];
    assert!(after("Password:").starts_with("33s") && after("xxx").starts_with("44s"), "{shown:#?}");
    assert!(shown.iter().all(|row| !row.is_empty()), "{shown:#?}");
    assert_eq!(shown.last(), Some(&"the end"));
}

#[test]
fn a_terminal_that_another_has_taken_is_left_alone() {
    let sink = Sink::default();
    let background = Terminal { may_write: || false, ..FREE };
    let password = Terminal { mode: || Some(LocalFlags::empty()), ..FREE };
    for terminal in [background, password] {
        let mut progress = progress_on(terminal, Kind::SharedTerminal, &sink);
        progress.update(&Status { note: Some("news".to_owned()), ..status(10) });
        assert_eq!(sink.take(), "");
        progress.say("a warning");
        assert!(sink.take().ends_with("a warning\r\n"));
    }
}

#[test]
fn quiet_says_only_what_must_be_said() {
    let sink = Sink::default();
    let mut progress = progress(Kind::Quiet, &sink);
    progress.update(&status(100));
    assert_eq!(sink.take(), "");
    progress.say("a warning");
    assert_eq!(sink.take(), "a warning\n");
}

#[test]
fn a_terminal_has_one_line_no_wider_than_itself() {
    let sink = Sink::default();
    let mut progress = progress(Kind::OwnTerminal, &sink);
    progress.update(&status(750));
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
    let background = Terminal { may_write: || false, ..FREE };
    let mut progress = progress_on(background, Kind::OwnTerminal, &sink);
    progress.update(&status(750));
    progress.finish();
    assert_eq!(sink.take(), "");
}

#[test]
fn the_first_line_says_how_to_end() {
    let sink = Sink::default();
    let mut progress = progress(Kind::Lines, &sink);
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
    for kind in [Kind::OwnTerminal, Kind::SharedTerminal, Kind::Lines, Kind::Quiet] {
        let mut progress = progress(kind, &sink);
        progress.update(&status(10));
        progress.say("a warning");
        progress.finish();
        progress.update(&status(30));
    }
}
