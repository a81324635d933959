//! How the calls of a run are heard of, and why so.

use super::trace_args::ModeArg;
use crate::recording::Mode;

/// What a launched command is watched in unless the user says otherwise.
pub const FOR_A_COMMAND: Mode = Mode::Adaptive;

/// What the mode depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// `--mode`.
    pub asked: Option<ModeArg>,
    /// `--pid`.
    pub attaches: bool,
    /// A seccomp filter is over us, and so over what we launch.
    pub filter_over_us: bool,
}

/// A mode, and why it is that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The mode.
    pub mode: Mode,
    /// Why.
    pub why: Why,
}

/// Why a mode was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The user said so.
    Asked,
    /// The user said so, although a filter is over us that hides from ours what it denies.
    AskedUnderFilter,
    /// A process that goes on without us cannot be given a filter.
    Attached,
    /// A filter is over us that would hide from ours what it denies.
    UnderFilter,
    /// It is the default.
    Default,
}

/// The user asked for what cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "--mode adaptive cannot be used with --pid: its filter would stay in the process when we let \
     it go, and fail its calls with ENOSYS. Leave --mode out, and see --max-share for a busy \
     process; or launch the program: `seccomp-gen trace --mode adaptive -- COMMAND`"
)]
pub struct NotForAttaching;

/// The mode of a run.
///
/// # Errors
/// If adaptive mode was asked for a process that runs already.
pub fn choose(circumstances: Circumstances) -> Result<Choice, NotForAttaching> {
    let Circumstances { asked, attaches, filter_over_us } = circumstances;
    let (mode, why) = match asked {
        Some(ModeArg::Adaptive) if attaches => return Err(NotForAttaching),
        Some(ModeArg::Adaptive) if filter_over_us => (Mode::Adaptive, Why::AskedUnderFilter),
        Some(ModeArg::Adaptive) => (Mode::Adaptive, Why::Asked),
        Some(ModeArg::Full) => (Mode::Full, Why::Asked),
        None if attaches => (Mode::Full, Why::Attached),
        None if filter_over_us => (Mode::Full, Why::UnderFilter),
        None => (FOR_A_COMMAND, Why::Default),
    };
    Ok(Choice { mode, why })
}

impl Choice {
    /// Both in a few words, for who looks on.
    pub fn told(self) -> String {
        let mode = match self.mode {
            Mode::Full => "full",
            Mode::Adaptive => "adaptive",
        };
        let why = match self.why {
            Why::Asked | Why::AskedUnderFilter => "as --mode says",
            Why::Attached => "an attached process is never given a filter",
            Why::UnderFilter => "a seccomp filter is over us, and what it denies is to be seen",
            Why::Default => "the default for a command",
        };
        format!("{mode} mode: {why}")
    }

    /// What a reader of the recording must know of a filter that the program started under.
    pub fn of_foreign_filter(self) -> String {
        let started = "the program started under somebody else's seccomp filter";
        let fallbacks = "the program has been taking its fallbacks";
        match self.why {
            Why::AskedUnderFilter => format!(
                "{started}, and in adaptive mode, as --mode says: what that filter denies never \
                 reaches ours, so a call that it denies is not heard of once the program runs \
                 free, and is missing from this run; and {fallbacks}. Without --mode such a \
                 program is watched in full, and what is denied is recorded"
            ),
            Why::UnderFilter => format!(
                "{started}: what that denies is recorded, but {fallbacks}. It was watched in full \
                 for that reason; `--mode adaptive` is faster, and does not hear of what is denied"
            ),
            _ => format!("{started}: what that denies is recorded, but {fallbacks}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(asked: Option<ModeArg>, attaches: bool, filter_over_us: bool) -> Option<(Mode, Why)> {
        let choice = choose(Circumstances { asked, attaches, filter_over_us });
        choice.ok().map(|choice| (choice.mode, choice.why))
    }

    #[test]
    fn without_a_wish_a_command_gets_the_default_unless_a_filter_would_hide_its_calls() {
        assert_eq!(chosen(None, false, false), Some((FOR_A_COMMAND, Why::Default)));
        assert_eq!(chosen(None, false, true), Some((Mode::Full, Why::UnderFilter)));
    }

    #[test]
    fn an_attached_process_is_watched_in_full() {
        for filter_over_us in [false, true] {
            assert_eq!(chosen(None, true, filter_over_us), Some((Mode::Full, Why::Attached)));
            let full = chosen(Some(ModeArg::Full), true, filter_over_us);
            assert_eq!(full, Some((Mode::Full, Why::Asked)));
            assert_eq!(chosen(Some(ModeArg::Adaptive), true, filter_over_us), None);
        }
    }

    #[test]
    fn what_is_asked_for_a_command_is_done() {
        let (full, adaptive) = (Some(ModeArg::Full), Some(ModeArg::Adaptive));
        assert_eq!(chosen(full, false, false), Some((Mode::Full, Why::Asked)));
        assert_eq!(chosen(full, false, true), Some((Mode::Full, Why::Asked)));
        assert_eq!(chosen(adaptive, false, false), Some((Mode::Adaptive, Why::Asked)));
        let hides = chosen(adaptive, false, true);
        assert_eq!(hides, Some((Mode::Adaptive, Why::AskedUnderFilter)));
    }

    #[test]
    fn the_help_names_the_default() {
        let (full, adaptive) = (FOR_A_COMMAND == Mode::Full, FOR_A_COMMAND == Mode::Adaptive);
        let mut help = <super::super::Cli as clap::CommandFactory>::command();
        let help = help.find_subcommand_mut("trace").unwrap().render_long_help().to_string();
        assert_eq!(help.contains("not for --pid [default: full]"), full);
        assert_eq!(help.contains("not for --pid [default: adaptive]"), adaptive);
    }

    #[test]
    fn only_adaptive_mode_says_that_calls_are_missing() {
        let under_filter = |asked| {
            let circumstances = Circumstances { asked, attaches: false, filter_over_us: true };
            choose(circumstances).unwrap().of_foreign_filter()
        };
        let hides = under_filter(Some(ModeArg::Adaptive));
        assert!(hides.contains("not heard of") && !hides.contains("is recorded, but"), "{hides}");
        for asked in [None, Some(ModeArg::Full)] {
            let told = under_filter(asked);
            assert!(told.contains("what that denies is recorded"), "{told}");
        }
    }
}
