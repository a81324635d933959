//! `seccomp-gen doctor`: can this machine trace, and if not, what is to be done?

use std::io::Write;

use clap::Args;
use serde::Serialize;

use super::values::{Format, distinct};
use crate::proc::doctor::{
    AttachTarget, Check, Facts, SelfTestFailure, Verdict, Wish, is_possible, judge,
};
use crate::ptrace::SelfTestError;
use crate::report::Style;
use crate::report::layout::{WIDTH, printable, wrap};

/// Exit code: tracing is possible.
pub const POSSIBLE: u8 = 0;
/// Exit code: the environment does not permit tracing.
pub const NOT_PERMITTED: u8 = 4;

/// Where the text of a line begins, behind verdict and title.
const INDENT: usize = 10 + 16;

/// The arguments of `seccomp-gen doctor`.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// How to print what is found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// Look also at whether this process can be attached to; may be given more than once
    #[arg(long, value_name = "PID")]
    pub pid: Vec<i32>,
}

/// Looks at everything, writes it to `out`, and returns the exit code: [`POSSIBLE`] or
/// [`NOT_PERMITTED`]. `self_test` traces a child of ours and says what went wrong.
pub fn run(
    args: &DoctorArgs,
    style: Style,
    self_test: impl FnOnce() -> Result<(), SelfTestError>,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let wish = if args.pid.is_empty() {
        Wish::Survey
    } else {
        Wish::Attach(distinct(&args.pid).into_iter().map(AttachTarget::gather).collect())
    };
    let checks = examine(&wish, self_test);
    match args.format {
        Format::Text => out.write_all(render(&checks, style).as_bytes())?,
        Format::Json => {
            let report = Report { possible: is_possible(&checks), checks: &checks };
            serde_json::to_writer_pretty(&mut *out, &report)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(if is_possible(&checks) { POSSIBLE } else { NOT_PERMITTED })
}

/// The checks as they are made before every trace, too.
pub fn examine(wish: &Wish, self_test: impl FnOnce() -> Result<(), SelfTestError>) -> Vec<Check> {
    let facts = Facts::gather();
    // An emulator may hang or crash over ptrace, and without /proc there is no use in it.
    let facts = if facts.emulation.is_some() || facts.status.is_none() {
        facts
    } else {
        facts.with_self_test(self_test().map_err(|error| SelfTestFailure {
            by_filter: matches!(error, SelfTestError::Filtered(_)),
            what: error.to_string(),
        }))
    };
    judge(&facts, wish)
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Report<'a> {
    possible: bool,
    checks: &'a [Check],
}

/// The checks for people, one line each, wrapped at 80 columns.
pub fn render(checks: &[Check], style: Style) -> String {
    checks.iter().map(|check| line(check, style)).collect()
}

/// Those that say more than that all is well: what `trace` prints before it begins.
pub fn render_unless_fine(checks: &[Check], style: Style) -> String {
    let told = checks.iter().filter(|check| check.verdict != Verdict::Fine);
    told.map(|check| line(check, style)).collect()
}

fn line(check: &Check, style: Style) -> String {
    type Paint = fn(Style, &str) -> String;
    let detail = &check.detail;
    let (word, paint, text): (_, Paint, _) = match &check.verdict {
        Verdict::Fine => ("fine", Style::good, detail.clone()),
        Verdict::Degraded { how } => ("degraded", Style::warning, format!("{detail}: {how}")),
        Verdict::Refused { what_to_do } => {
            ("REFUSED", Style::bad, format!("{detail}: {what_to_do}"))
        }
    };
    let word = paint(style, &format!("{word:<8}"));
    // Names of processes and labels are not ours.
    let text = wrap(&printable(&text), WIDTH - INDENT).join(&format!("\n{:INDENT$}", ""));
    let title = format!("{:<14}", check.title);
    format!("{word}  {title}  {text}\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::Color;

    fn check(title: &str, detail: &str, verdict: Verdict) -> Check {
        Check { id: "x", title: title.into(), detail: detail.into(), verdict }
    }

    fn sample() -> [Check; 3] {
        let how = "how many seccomp filters a process is under is not shown before 5.9";
        let what_to_do = "only processes with CAP_SYS_PTRACE may trace; run with sudo, or on the \
            host `sysctl kernel.yama.ptrace_scope=1`";
        [
            check("container", "docker", Verdict::Fine),
            check("kernel", "Linux 5.4.0-150-generic", Verdict::Degraded { how: how.into() }),
            check(
                "ptrace_scope",
                "kernel.yama.ptrace_scope is 2",
                Verdict::Refused { what_to_do: what_to_do.into() },
            ),
        ]
    }

    #[test]
    fn lines_are_wrapped_and_indented() {
        let expected = "\
fine      container       docker
degraded  kernel          Linux 5.4.0-150-generic: how many seccomp filters a
                          process is under is not shown before 5.9
REFUSED   ptrace_scope    kernel.yama.ptrace_scope is 2: only processes with
                          CAP_SYS_PTRACE may trace; run with sudo, or on the
                          host `sysctl kernel.yama.ptrace_scope=1`
";
        let text = render(&sample(), Style::PLAIN);
        assert_eq!(text, expected);
        let rest: String = expected.lines().skip(1).map(|line| format!("{line}\n")).collect();
        assert_eq!(render_unless_fine(&sample(), Style::PLAIN), rest);
    }

    #[test]
    fn colour_adds_colour_and_nothing_else() {
        let text = render(&sample(), Style::new(Color::Always, false));
        let without = ["\x1b[1;32m", "\x1b[33m", "\x1b[1;31m", "\x1b[0m"];
        let bare = without.iter().fold(text.clone(), |text, code| text.replace(code, ""));
        assert_ne!(text, bare);
        assert_eq!(bare, render(&sample(), Style::PLAIN));
    }

    #[test]
    fn a_name_cannot_act_on_the_terminal() {
        let text = render(&[check("process 1", "a\x1b[2Jb\nc", Verdict::Fine)], Style::PLAIN);
        assert_eq!(text, "fine      process 1       a\\u{1b}[2Jb\\nc\n");
    }

    fn run_here(format: Format, pid: Vec<i32>, test: Result<(), SelfTestError>) -> (u8, String) {
        let mut out = Vec::new();
        let code = run(&DoctorArgs { format, pid }, Style::PLAIN, || test, &mut out).unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    #[test]
    fn this_machine_is_examined() {
        let (code, text) = run_here(Format::Text, vec![], Ok(()));
        assert_eq!(code, POSSIBLE, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        let release = crate::proc::host::kernel_release();
        assert!(text.contains(&format!("kernel          Linux {release}")), "{text}");
        let (code, text) =
            run_here(Format::Text, vec![], Err(SelfTestError::Hangs(Duration::ZERO)));
        assert_eq!(code, NOT_PERMITTED, "{text}");
    }

    #[test]
    fn json_says_the_same() {
        let (code, text) = run_here(Format::Json, vec![i32::MAX], Ok(()));
        assert_eq!(code, NOT_PERMITTED);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["possible"], false);
        let checks = json["checks"].as_array().unwrap();
        let process = checks.iter().find(|check| check["id"] == "process").unwrap();
        assert_eq!(process["verdict"], "refused");
        assert_eq!(process["title"], format!("process {}", i32::MAX));
        assert!(process["what_to_do"].is_string());
        assert!(checks.iter().any(|check| check["verdict"] == "fine" && check["id"] == "kernel"));
    }
}
