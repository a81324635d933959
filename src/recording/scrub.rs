//! Takes paths, addresses and names out of texts. What stands in their place has none itself, so
//! that doing it twice changes nothing more.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// What stands where something was taken out.
pub const REDACTED: &str = "[redacted]";
/// In place of a path within a text.
const PATH: &str = "[path]";
/// In place of a network address within a text.
const ADDRESS: &str = "[address]";

/// Names of users and hosts that are the same on machines everywhere, and that tell nothing.
const COMMON_NAMES: &[&str] = &[
    "admin",
    "debian",
    "home",
    "host",
    "localhost",
    "nobody",
    "root",
    "runner",
    "test",
    "ubuntu",
    "user",
    "vagrant",
];

/// A name of at least this length is found within words, too: `alices-node`. Shorter ones are parts
/// of too many.
const DISTINCT: usize = 4;

/// Values of options that tell nothing of the machine.
const HARMLESS: &[&str] = &[
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "none",
    "all",
    "auto",
    "always",
    "never",
    "any",
    "trace",
    "debug",
    "info",
    "warn",
    "error",
    "full",
    "fast",
    "fast-unsafe",
    "warp",
    "light",
    "archive",
    "archive-canonical",
    "json",
    "text",
    "disabled",
    "enabled",
    "safe",
    "unsafe",
    "native",
    "compiled",
    "interpreted",
    "mainnet",
    "testnet",
    "regtest",
    "dev",
    "westend",
    "polkadot",
    "kusama",
    "paseo",
    "rococo",
];

/// The last part of a path.
pub fn file_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// The users whose home directories the paths lie in.
pub fn users_in<'a>(paths: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let mut users = BTreeSet::new();
    for path in paths {
        for homes in ["/home/", "/Users/"] {
            let user = path.split_once(homes).and_then(|(_, rest)| rest.split('/').next());
            users.extend(user.map(str::to_owned));
        }
    }
    users
}

/// Knows what is to be taken out.
pub struct Scrubber {
    /// In lower case, the longest first, so that none is a part of a later one.
    names: Vec<String>,
    /// The longest first; those with spaces, for the others are seen to be paths.
    spaced_paths: Vec<String>,
}

impl Scrubber {
    /// Of these names, less the public ones: a program is often run by a user of its name.
    pub fn new(
        names: impl IntoIterator<Item = String>,
        public: &[&str],
        paths: impl IntoIterator<Item = String>,
    ) -> Scrubber {
        let tells = |name: &String| {
            !name.is_empty()
                && !COMMON_NAMES.contains(&name.as_str())
                && ![REDACTED, PATH, ADDRESS].iter().any(|mark| mark.contains(name))
                && !public.iter().any(|p| p.eq_ignore_ascii_case(name))
        };
        let names = names.into_iter().map(|n| n.to_ascii_lowercase()).filter(tells);
        let spaced = paths.into_iter().filter_map(|path| {
            let path = &path[path.find('/')?..];
            path.contains(char::is_whitespace).then(|| path.to_owned())
        });
        Scrubber { names: longest_first(names), spaced_paths: longest_first(spaced) }
    }

    /// A text without names.
    pub fn names(&self, text: &str) -> String {
        settled(text, |text| self.names.iter().fold(text.to_owned(), |t, name| without(&t, name)))
    }

    /// A path's file name, without names. `[vdso]` and the like stay.
    pub fn file(&self, path: &str) -> String {
        self.names(file_name(path))
    }

    /// A text without names, paths and network addresses.
    pub fn text(&self, text: &str) -> String {
        settled(text, |text| {
            let paths = self.spaced_paths.iter();
            let text = paths.fold(text.to_owned(), |text, path| text.replace(path, PATH));
            self.names(&by_token(&text, |token| {
                if token.contains('/') {
                    Some(PATH)
                } else if is_foreign_address(token) {
                    Some(ADDRESS)
                } else {
                    None
                }
            }))
        })
    }

    /// The text of a syscall's argument: the same, and nothing that is quoted, nor the name of an
    /// abstract socket.
    pub fn argument_text(&self, text: &str) -> String {
        settled(text, |text| {
            let unquoted = text.split('"').step_by(2).collect::<Vec<_>>().join(REDACTED);
            self.text(&by_token(&unquoted, |token| token.starts_with('@').then_some(REDACTED)))
        })
    }

    /// A word of a command line: an option's name stays, its value only if it tells nothing.
    pub fn argument(&self, arg: &str) -> String {
        if let Some(option) = arg.strip_prefix("--") {
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (option, None),
            };
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if name.chars().all(plain) && self.names(name) == name {
                return format!("--{name}{}", value.map(assigned).unwrap_or_default());
            }
            return REDACTED.to_owned();
        }
        match arg.strip_prefix('-') {
            Some(option) => self.short_option(option),
            None => value_of(arg),
        }
    }

    /// `-d`, `-datadir=/x`, `-p4711`, `-d/x`: what follows a letter may be its value.
    fn short_option(&self, option: &str) -> String {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, assigned(value)),
            None => (option, String::new()),
        };
        let word = |c: char| c.is_ascii_lowercase() || c == '-';
        let is_name = name.chars().all(word) && self.names(name) == name;
        let (letter, rest) = match name.chars().next() {
            Some(letter) if letter.is_ascii_alphabetic() => name.split_at(1),
            None => ("", ""),
            Some(_) => return REDACTED.to_owned(),
        };
        if is_name || rest.is_empty() || value_of(rest) == rest {
            format!("-{name}{value}")
        } else {
            format!("-{letter}{REDACTED}")
        }
    }
}

/// Repeats a change until it changes nothing more: what is taken out of a text may have hidden
/// something in it. Comes to an end since each change leaves less that is not a mark.
fn settled(text: &str, change: impl Fn(&str) -> String) -> String {
    let mut text = text.to_owned();
    loop {
        let next = change(&text);
        if next == text {
            return text;
        }
        text = next;
    }
}

fn assigned(value: &str) -> String {
    format!("={}", value_of(value))
}

fn longest_first(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    let texts: BTreeSet<String> = texts.into_iter().collect();
    let mut texts: Vec<String> = texts.into_iter().collect();
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    texts
}

/// A text without a name, in upper or lower case.
fn without(text: &str, name: &str) -> String {
    // As long as the text, byte for byte: only ASCII changes.
    let lower = text.to_ascii_lowercase();
    let mut result = String::with_capacity(text.len());
    let mut done = 0;
    for (at, found) in lower.match_indices(name) {
        let end = at + found.len();
        let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let whole_word =
            !inside(lower[..at].chars().next_back()) && !inside(lower[end..].chars().next());
        if name.len() >= DISTINCT || whole_word {
            result.push_str(&text[done..at]);
            result.push_str(REDACTED);
            done = end;
        }
    }
    result + &text[done..]
}

/// Replaces tokens of a text: what stands between spaces, quotes, brackets and commas, without a
/// full stop or colon at its end.
fn by_token(text: &str, replace: impl Fn(&str) -> Option<&'static str>) -> String {
    let between = |c: char| c.is_whitespace() || "\"'`()<>[]{},;=|".contains(c);
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let start = rest.find(|c| !between(c)).unwrap_or(rest.len());
        let (before, after) = rest.split_at(start);
        let (token, tail) = after.split_at(after.find(between).unwrap_or(after.len()));
        let word = token.trim_end_matches(['.', ':', '!', '?']);
        result.push_str(before);
        result.push_str(replace(word).unwrap_or(word));
        result.push_str(&token[word.len()..]);
        rest = tail;
    }
    result
}

/// Replaces the numbers in a text; those within words (`setuid32`) are none.
pub fn map_numbers(text: &str, mut map: impl FnMut(u32) -> u32) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let start = rest.find(is_word).unwrap_or(rest.len());
        let (before, after) = rest.split_at(start);
        let (word, tail) = after.split_at(after.find(|c| !is_word(c)).unwrap_or(after.len()));
        result.push_str(before);
        match word.parse() {
            Ok(number) => result.push_str(&map(number).to_string()),
            Err(_) => result.push_str(word),
        }
        rest = tail;
    }
    result
}

/// Whether it is the address of some machine, not of every one.
fn is_foreign_address(token: &str) -> bool {
    let address = token.parse::<SocketAddr>().map(|a| a.ip()).or_else(|_| token.parse::<IpAddr>());
    address.is_ok_and(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

/// The value if it tells nothing.
fn value_of(value: &str) -> String {
    let harmless = !value.is_empty() && value.split(',').all(is_harmless);
    if harmless || value.is_empty() { value.to_owned() } else { REDACTED.to_owned() }
}

fn is_harmless(value: &str) -> bool {
    let mark = value == REDACTED || value == "[masked]";
    mark || HARMLESS.contains(&value) || is_quantity(value) || is_local(value)
}

/// `30333`, `0.5`, `60s`, `4GiB`, `-1`. Longer numbers may be keys or telephones.
fn is_quantity(value: &str) -> bool {
    let number = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    let unit = &value[number.len()..];
    let digits = number.strip_prefix('-').unwrap_or(number);
    (1..=9).contains(&digits.len())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
        && matches!(
            unit.to_ascii_lowercase().as_str(),
            "" | "%"
                | "ns"
                | "us"
                | "ms"
                | "s"
                | "m"
                | "h"
                | "d"
                | "b"
                | "k"
                | "kb"
                | "kib"
                | "mb"
                | "mib"
                | "g"
                | "gb"
                | "gib"
                | "t"
                | "tb"
                | "tib"
        )
}

/// `127.0.0.1`, `localhost:9944`, `0.0.0.0:80`, `[::]:80`.
fn is_local(value: &str) -> bool {
    if let Some(port) = value.strip_prefix("localhost") {
        return port.is_empty() || port.strip_prefix(':').is_some_and(is_quantity);
    }
    let address = value.parse::<SocketAddr>().map(|a| a.ip()).or_else(|_| value.parse::<IpAddr>());
    address.is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
}
