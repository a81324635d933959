//! The first oracle: what `strace -f` writes, as a set of names in the spelling of
//! [`super::names`].

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::process::Command;

/// A command line of strace that the program's own is to be added to.
///
/// Not `-qq`: that silences the messages of a personality change, without which a 32-bit call
/// cannot be told from a native one of the same name.
pub fn strace(to: &Path) -> Command {
    let mut command = Command::new(super::tool("strace"));
    command.args(["-f", "--quiet=attach,exit", "-o"]).arg(to);
    command
}

/// The names in an output file of `strace -f`.
pub fn names_in(file: &Path) -> BTreeSet<String> {
    parse(&String::from_utf8_lossy(&std::fs::read(file).unwrap()))
}

/// The same of its text.
pub fn parse(text: &str) -> BTreeSet<String> {
    let mut modes: HashMap<&str, &str> = HashMap::new();
    let mut names = BTreeSet::new();
    // A new thread starts in the mode that strace was in last, and only a change is told.
    let mut current = "";
    for line in text.lines() {
        let Some((pid, event)) = line.split_once(' ') else { continue };
        let event = event.trim_start();
        if let Some(mode) = personality(event) {
            modes.insert(pid, mode);
            current = mode;
            continue;
        }
        current = modes.entry(pid).or_insert(current);
        if let Some(name) = call(event) {
            names.insert(spelling(name, current));
        }
    }
    names
}

/// The prefix that a message of strace about a mode stands for.
fn personality(event: &str) -> Option<&'static str> {
    let (_, mode) = event.strip_prefix("[ Process PID=")?.split_once(" runs in ")?;
    Some(match mode.trim_end_matches(" mode. ]") {
        "64 bit" => "",
        "32 bit" => "i386:",
        "x32" => "x32:",
        other => panic!("strace tells of a mode {other:?}"),
    })
}

/// The name in `name(...`, `name(... <unfinished ...>` or `<... name resumed>...`; none in lines
/// about signals (`--- `) and ends (`+++ `), nor where strace could not tell (`????(`).
fn call(event: &str) -> Option<&str> {
    let name = match event.strip_prefix("<... ") {
        Some(rest) => rest.split_once(" resumed>")?.0,
        None => event.split_once('(')?.0,
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(is_name)).then_some(name)
}

/// A name as the recording has it: with the prefix of its table, numbers in decimal, and the
/// kernel's names for what strace calls otherwise.
fn spelling(name: &str, mode: &str) -> String {
    if let Some(hex) = name.strip_prefix("syscall_0x") {
        // The kernel takes the low half alone. Negative numbers have the bit of x32 by chance.
        let number = u64::from_str_radix(hex, 16).unwrap() as u32 as i32;
        return match mode {
            "x32:" if number < 0 => format!("#{number}"),
            "x32:" => format!("x32:#{}", number & !X32_BIT),
            _ => format!("{mode}#{number}"),
        };
    }
    let name = match (mode, name) {
        ("i386:", "old_mmap") => "mmap",
        ("i386:", "old_select") => "select",
        ("i386:", "old_getrlimit") => "getrlimit",
        _ => name,
    };
    format!("{mode}{name}")
}

const X32_BIT: i32 = 0x4000_0000;

#[test]
fn lines_of_strace() {
    let text = "\
10 execve(\"/bin/a\", [\"a\"], 0x7ffc /* 1 var */) = 0
10 read(3,  <unfinished ...>
11 [ Process PID=11 runs in 32 bit mode. ]
11 getpid() = 11
11 syscall_0x270f(0, 0, 0, 0, 0, 0) = -1 ENOSYS (Function not implemented)
12 old_mmap(NULL) = 0
12 [ Process PID=12 runs in 64 bit mode. ]
12 gettid() = 12
10 <... wait4 resumed>[{WIFEXITED(s)}], 0, NULL) = 11
10 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED} ---
10 ????( <unfinished ...>
10 +++ exited with 0 +++
10 +++ superseded by execve in pid 11 +++
10 restart_syscall(<... resuming interrupted nanosleep ...>) = 0
10 syscall_0xffffffffffffffff(0) = -1 ENOSYS (Function not implemented)
";
    let expected = [
        "#-1",
        "execve",
        "gettid",
        "i386:#9999",
        "i386:getpid",
        "i386:mmap",
        "read",
        "restart_syscall",
        "wait4",
    ];
    assert_eq!(parse(text).into_iter().collect::<Vec<_>>(), expected);
}
