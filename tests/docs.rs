//! The documents say what the program and the Makefile do.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

fn text_of(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn help(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seccomp-gen"));
    let output = command.args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "{arguments:?} --help");
    String::from_utf8(output.stdout).unwrap()
}

/// What stands between a heading of the README and the next of the same rank.
fn section(heading: &str) -> String {
    let readme = text_of("README.md");
    let (_, rest) = readme
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("no section {heading:?} in README.md"));
    rest.split("\n## ").next().unwrap().to_owned()
}

/// The rows of the tables in a text, cell by cell, without their heads.
fn rows(text: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let lines: Vec<&str> = text.lines().collect();
    let is_row = |line: &str| line.starts_with('|');
    let is_rule = |line: &str| line.starts_with("|--") || line.starts_with("| --");
    (0..lines.len())
        .filter(|&at| is_row(lines[at]) && !is_rule(lines[at]))
        .filter(|&at| !lines.get(at + 1).is_some_and(|next| is_rule(next)))
        .map(|at| cells(lines[at]))
        .collect()
}

/// Every `--option` in a text.
fn options(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| word.len() > 2 && word.starts_with("--") && !word.starts_with("---"))
        .map(str::to_owned)
        .collect()
}

/// The options that a help text defines: at the beginning of a line, or after the short form.
fn defined(help: &str) -> BTreeSet<String> {
    help.lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with('-') && !line.starts_with("- "))
        .flat_map(|line| options(line.split("  ").next().unwrap()))
        .collect()
}

fn commands() -> BTreeSet<String> {
    let help = help(&[]);
    let (_, list) = help.split_once("\nCommands:\n").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    let entry = |line: &str| line.strip_prefix("  ")?.split(' ').next().map(str::to_owned);
    list.lines().filter_map(entry).filter(|name| !name.is_empty()).collect()
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let help = help(&["trace"]);
    let (_, list) = help.split_once("\nExit codes:\n").unwrap();
    let mut codes: Vec<(String, String)> = Vec::new();
    for line in list.lines() {
        let line = line.trim_end();
        match line.trim_start().split_once("  ") {
            Some((code, text)) if code.parse::<u8>().is_ok() => {
                codes.push((code.to_owned(), text.to_owned()));
            }
            _ => {
                let (_, text) = codes.last_mut().unwrap();
                *text += " ";
                *text += line.trim_start();
            }
        }
    }
    let table: Vec<(String, String)> = rows(&section("Exit codes"))
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert_eq!(table, codes);
}

#[test]
fn the_option_table_is_complete() {
    let mut told = BTreeSet::new();
    for row in rows(&section("Options of `trace`")) {
        let of_row = options(&row[0]);
        assert_eq!(of_row.len(), 1, "{row:?}");
        assert!(told.is_disjoint(&of_row), "twice: {of_row:?}");
        told.extend(of_row);
    }
    let mut there = defined(&help(&["trace"]));
    there.remove("--help");
    assert_eq!(told, there);
}

/// Everything that the README, the change log and the fixtures' guide have us type is there.
#[test]
fn commands_and_options_exist() {
    let commands = commands();
    let known: BTreeMap<&String, BTreeSet<String>> =
        commands.iter().filter(|c| *c != "help").map(|c| (c, defined(&help(&[c])))).collect();
    let general = defined(&help(&[]));
    let mut seen = BTreeSet::new();
    for file in ["README.md", "CHANGELOG.md", "fixtures/README.md"] {
        let text = text_of(file);
        let quoted = text.split('`').skip(1).step_by(2).map(str::to_owned);
        let typed = text.lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned);
        for line in quoted.chain(typed) {
            let Some(at) = line.find("seccomp-gen ") else { continue };
            let ours = line[at..].split(" -- ").next().unwrap();
            let mut words = ours.split_whitespace().skip(1);
            match words.next() {
                Some(option) if option.starts_with("--") => {
                    assert!(general.contains(option), "{file}: {line}");
                }
                Some(command) if command.chars().all(|c| c.is_ascii_lowercase()) => {
                    let Some(known) = known.get(&command.to_owned()) else {
                        panic!("{file}: `{line}`: there is no command {command}");
                    };
                    let told = options(ours);
                    let unknown: Vec<_> = told.difference(known).collect();
                    assert!(unknown.is_empty(), "{file}: `{line}`: {unknown:?}");
                    seen.insert(command.to_owned());
                }
                _ => {}
            }
        }
    }
    for command in known.keys() {
        assert!(seen.contains(*command), "the README does not show `seccomp-gen {command}`");
    }
}

#[test]
fn make_targets_exist() {
    let makefile = text_of("Makefile");
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| line.contains(" ## "))
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    for file in ["README.md", "fixtures/README.md", ".ci/run"] {
        let text = text_of(file);
        let uses = text.split(['`', '\n']).filter_map(|part| {
            part.trim_start_matches("$ ").strip_prefix("make ")?.split_whitespace().next()
        });
        for target in uses {
            assert!(targets.contains(target), "{file}: there is no `make {target}`");
        }
    }
}

#[test]
fn links_lead_somewhere() {
    for file in ["README.md", "CHANGELOG.md", "fixtures/README.md"] {
        let text = text_of(file);
        for link in text.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap()) {
            if link.is_empty() || link.starts_with("http") {
                continue;
            }
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            assert!(dir.parent().unwrap().join(link).exists(), "{file}: {link}");
        }
    }
}

#[test]
fn every_package_has_its_sign_and_its_reason() {
    let mut seen = BTreeSet::new();
    for line in text_of(".ci/packages").lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(words.len() > 3, "{line}");
        assert!(["trace", "test"].contains(&words[0]), "{line}");
        assert!(seen.insert(words[1].to_owned()), "{} twice", words[1]);
    }
}
