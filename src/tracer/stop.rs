//! When and how a program is told to end: a state machine without a clock or a process of its own.
//!
//! A program that we launched runs in our process group and terminal, so Ctrl-C, a hang-up or
//! `kill -- -PGRP` reach it and us. It must be told once: many nodes take a second SIGINT for "at
//! once, without flushing". So a request that may have reached it by itself waits for a moment,
//! to see whether the program has it.

use std::time::{Duration, Instant};

use crate::ptrace::{Origin, Request};
use crate::syscall::{asks_to_stop, signal_name};

/// How long a program's own copy of a signal may take to show. Both copies are sent by one loop in
/// the kernel; what is waited for is our own reading of the program's stops.
const GRACE: Duration = Duration::from_millis(150);

/// A further request counts only after this time: `timeout(1)` signals its child and the group.
pub const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What the user wants of the end of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopPolicy {
    /// `--stop-signal`: the signal that asks the program to end. Without it: the one that we got
    /// if that was SIGINT or SIGHUP, otherwise SIGTERM.
    pub signal: Option<i32>,
    /// `--stop-timeout`: how long it may take before SIGKILL; for ever without it.
    pub timeout: Option<Duration>,
    /// `--for`: when to ask by ourselves.
    pub after: Option<Duration>,
}

/// What asks for the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A signal to us.
    Signal(Request),
    /// The end of `--for`.
    TimeOver,
}

impl Cause {
    fn name(self) -> String {
        match self {
            Cause::Signal(request) => signal_name(request.signal),
            Cause::TimeOver => "--for".to_owned(),
        }
    }
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Send this signal to the program.
    Send(i32),
    /// The program has been told already, by this signal.
    Told(i32),
    /// Kill whatever is left.
    Kill,
}

/// What the program is known to have received, by itself, when a request is judged.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    signal: i32,
    origin: Origin,
    at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// A request came; does the program have the signal from elsewhere?
    Judging {
        request: Request,
        until: Instant,
    },
    /// The program was told.
    Told {
        at: Instant,
    },
    Killed,
}

/// The state of the end of a run.
#[derive(Debug)]
pub struct StopPlan {
    policy: StopPolicy,
    state: State,
    requested: Option<(Cause, Instant)>,
    told_by: Option<(i32, bool)>,
    received: Vec<Received>,
}

impl StopPlan {
    /// Nobody has asked yet.
    pub fn new(policy: StopPolicy) -> StopPlan {
        StopPlan { policy, state: State::Running, requested: None, told_by: None, received: vec![] }
    }

    /// The program's process was seen to take a signal that can be a request.
    pub fn program_received(&mut self, signal: i32, origin: Origin, now: Instant) -> Action {
        if !asks_to_stop(signal) {
            return Action::Nothing;
        }
        if let State::Judging { request, .. } = self.state
            && request.signal == signal
            && same_origin(request.origin, origin)
        {
            return self.told(signal, false, now);
        }
        self.received.retain(|r| now.saturating_duration_since(r.at) < AGAIN_AFTER);
        self.received.push(Received { signal, origin, at: now });
        Action::Nothing
    }

    /// The program took a signal from its queue, by sigtimedwait(2) or through a signalfd(2), which
    /// does not tell us where it came from: the request in question is the one it can be.
    pub fn program_took(&mut self, signal: i32, now: Instant) -> Action {
        let origin = match self.state {
            State::Judging { request, .. } => request.origin,
            _ => Origin { code: libc::SI_USER, pid: 0 },
        };
        self.program_received(signal, origin, now)
    }

    /// Somebody asks for the end. `shares_terminal` says that the program is in our process group,
    /// so that a terminal's signal to us is a signal to it, by definition.
    pub fn request(&mut self, cause: Cause, shares_terminal: bool, now: Instant) -> Action {
        match self.state {
            State::Running => {
                self.requested = Some((cause, now));
                let Cause::Signal(request) = cause else {
                    return self.tell(cause, now);
                };
                // Not so a hang-up: the kernel tells the leader of the terminal's session alone, and
                // that may be us.
                let to_group = request.signal != libc::SIGHUP;
                if request.origin.is_kernel() && shares_terminal && to_group {
                    return self.told(request.signal, false, now);
                }
                if self.has_received(request, now) {
                    return self.told(request.signal, false, now);
                }
                self.state = State::Judging { request, until: now + GRACE };
                Action::Nothing
            }
            State::Told { .. } | State::Judging { .. } => match self.requested {
                Some((_, first)) if now.saturating_duration_since(first) >= AGAIN_AFTER => {
                    self.kill()
                }
                _ => Action::Nothing,
            },
            // A child may have been on its way when the first SIGKILL went out.
            State::Killed => Action::Kill,
        }
    }

    /// Whether the program was seen to take the same signal from the same sender of late.
    pub fn has_received(&self, request: Request, now: Instant) -> bool {
        self.received.iter().any(|r| {
            r.signal == request.signal
                && same_origin(r.origin, request.origin)
                && now.saturating_duration_since(r.at) < AGAIN_AFTER
        })
    }

    /// The time that [`StopPlan::deadline`] told has come. `is_pending` says whether a signal is
    /// in the program's queue, blocked.
    pub fn due(&mut self, is_pending: impl Fn(i32) -> bool, now: Instant) -> Action {
        match self.state {
            State::Judging { request, until } if now >= until => {
                if is_pending(request.signal) {
                    return self.told(request.signal, false, now);
                }
                self.tell(Cause::Signal(request), now)
            }
            State::Told { at } => match self.policy.timeout {
                Some(timeout) if now >= at + timeout => self.kill(),
                _ => Action::Nothing,
            },
            _ => Action::Nothing,
        }
    }

    /// When [`StopPlan::due`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Judging { until, .. } => Some(until),
            State::Told { at } => self.policy.timeout.map(|timeout| at + timeout),
            State::Running | State::Killed => None,
        }
    }

    /// What asked for the end, in words, and when.
    pub fn requested(&self) -> Option<(String, Instant)> {
        self.requested.map(|(cause, at)| (cause.name(), at))
    }

    /// Whether a request that comes now is a further one, and meant as such: the end had been asked
    /// for before, and not just now.
    pub fn is_insisted_on(&self, now: Instant) -> bool {
        self.requested.is_some_and(|(_, at)| now.saturating_duration_since(at) >= AGAIN_AFTER)
    }

    /// The signal by which the program was told, and whether we sent it.
    pub fn told_by(&self) -> Option<(i32, bool)> {
        self.told_by
    }

    /// Whether it had to be killed.
    pub fn was_killed(&self) -> bool {
        self.state == State::Killed
    }

    fn tell(&mut self, cause: Cause, now: Instant) -> Action {
        let ours = match cause {
            Cause::Signal(Request { signal, .. })
                if matches!(signal, libc::SIGINT | libc::SIGHUP) =>
            {
                signal
            }
            _ => libc::SIGTERM,
        };
        let signal = self.policy.signal.unwrap_or(ours);
        self.told(signal, true, now)
    }

    fn told(&mut self, signal: i32, sent: bool, now: Instant) -> Action {
        self.state = State::Told { at: now };
        self.told_by = Some((signal, sent));
        if sent { Action::Send(signal) } else { Action::Told(signal) }
    }

    fn kill(&mut self) -> Action {
        self.state = State::Killed;
        Action::Kill
    }
}

/// Whether two copies of a signal come from one sending. The sender's pid may read differently in
/// another pid namespace, where it is 0.
fn same_origin(a: Origin, b: Origin) -> bool {
    a.code == b.code && (a.pid == b.pid || a.pid == 0 || b.pid == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTY: Origin = Origin { code: libc::SI_KERNEL, pid: 0 };
    const USER: Origin = Origin { code: libc::SI_USER, pid: 77 };

    fn signal(signal: i32, origin: Origin) -> Cause {
        Cause::Signal(Request { signal, origin })
    }

    fn plan(policy: StopPolicy) -> (StopPlan, Instant) {
        (StopPlan::new(policy), Instant::now())
    }

    #[test]
    fn a_terminals_ctrl_c_reaches_the_program_by_itself() {
        let (mut plan, now) = plan(StopPolicy::default());
        let action = plan.request(signal(libc::SIGINT, TTY), true, now);
        assert_eq!(action, Action::Told(libc::SIGINT));
        assert_eq!(plan.told_by(), Some((libc::SIGINT, false)));
    }

    #[test]
    fn a_signal_to_us_alone_is_handed_on_after_a_moment() {
        for (got, sent) in [
            (libc::SIGINT, libc::SIGINT),
            (libc::SIGHUP, libc::SIGHUP),
            (libc::SIGTERM, libc::SIGTERM),
        ] {
            let (mut plan, now) = plan(StopPolicy::default());
            assert_eq!(plan.request(signal(got, USER), true, now), Action::Nothing);
            assert_eq!(plan.deadline(), Some(now + GRACE));
            assert_eq!(plan.due(|_| false, now), Action::Nothing, "not yet");
            assert_eq!(plan.due(|_| false, now + GRACE), Action::Send(sent));
            assert_eq!(plan.due(|_| false, now + GRACE * 2), Action::Nothing, "once");
        }
    }

    #[test]
    fn a_signal_to_the_group_is_not_sent_again() {
        let (mut before, now) = plan(StopPolicy::default());
        before.program_received(libc::SIGTERM, USER, now);
        let action = before.request(signal(libc::SIGTERM, USER), true, now);
        assert_eq!(action, Action::Told(libc::SIGTERM), "the program was first");

        let (mut after, now) = plan(StopPolicy::default());
        after.request(signal(libc::SIGTERM, USER), true, now);
        let action = after.program_received(libc::SIGTERM, USER, now);
        assert_eq!(action, Action::Told(libc::SIGTERM), "we were first");

        let (mut pending, now) = plan(StopPolicy::default());
        pending.request(signal(libc::SIGTERM, USER), true, now);
        let action = pending.due(|s| s == libc::SIGTERM, now + GRACE);
        assert_eq!(action, Action::Told(libc::SIGTERM), "it has it blocked");
    }

    #[test]
    fn another_senders_signal_is_another_signal() {
        let (mut plan, now) = plan(StopPolicy::default());
        plan.program_received(libc::SIGTERM, Origin { code: libc::SI_USER, pid: 5 }, now);
        assert_eq!(plan.request(signal(libc::SIGTERM, USER), true, now), Action::Nothing);
        assert_eq!(plan.due(|_| false, now + GRACE), Action::Send(libc::SIGTERM));
    }

    #[test]
    fn the_users_stop_signal_goes_before_ours() {
        let policy = StopPolicy { signal: Some(libc::SIGQUIT), ..StopPolicy::default() };
        let (mut plan, now) = plan(policy);
        assert_eq!(plan.request(Cause::TimeOver, true, now), Action::Send(libc::SIGQUIT));
    }

    #[test]
    fn a_further_request_kills_but_only_after_a_second() {
        let (mut plan, now) = plan(StopPolicy::default());
        plan.request(signal(libc::SIGINT, TTY), true, now);
        let again = |plan: &mut StopPlan, after| {
            plan.request(signal(libc::SIGTERM, USER), true, now + after)
        };
        assert_eq!(again(&mut plan, Duration::from_millis(900)), Action::Nothing);
        assert_eq!(again(&mut plan, Duration::from_millis(1000)), Action::Kill);
        assert_eq!(again(&mut plan, Duration::from_millis(3000)), Action::Kill);
        assert!(plan.was_killed());
    }

    #[test]
    fn a_stop_timeout_kills_by_itself() {
        let timeout = Duration::from_secs(3);
        let (mut plan, now) = plan(StopPolicy { timeout: Some(timeout), ..StopPolicy::default() });
        assert_eq!(plan.request(Cause::TimeOver, true, now), Action::Send(libc::SIGTERM));
        assert_eq!(plan.deadline(), Some(now + timeout));
        assert_eq!(plan.due(|_| false, now + timeout), Action::Kill);
        assert_eq!(plan.requested().map(|(cause, _)| cause), Some("--for".to_owned()));
    }
}
