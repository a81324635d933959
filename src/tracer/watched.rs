//! How the calls of one process are heard of, and by which filters: a state machine that touches no
//! process.

use crate::ptrace::Tid;
use crate::recording::CredentialState;
use crate::syscall::Cap;

/// What is known of the filters of a process, and what follows from it.
#[derive(Clone, Debug)]
pub struct Watched {
    watching: Watching,
    /// Whether its maker's event has come. Until then its parent is taken for that, which may be
    /// wrong (`CLONE_PARENT`), so nothing is concluded from it.
    maker_is_known: bool,
    /// How many filters it had from its maker, without those that we started under, and whether
    /// `no_new_privs`.
    filters_at_birth: u32,
    no_new_privs_at_birth: bool,
    /// The thread that installs our filter.
    installer: Option<Tid>,
    /// It shares its memory with another process, as after vfork(2), until it executes a program.
    shares_memory: bool,
    /// How many filters of ours its threads are under.
    ours: u32,
    /// We have set its `no_new_privs`.
    our_no_new_privs: bool,
    /// It has set that itself, or had it from its maker.
    own_no_new_privs: bool,
}

/// How calls are heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watching {
    /// Every call stops.
    Fully,
    /// Our filter stops what is news.
    Filtered,
    /// Every call stops, for good: it has a filter of its own, or cannot have ours.
    AlwaysFully,
}

/// Whether a process is to be given our filter now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has one, or is not to have one, or not yet.
    No,
    /// It has no right to install one, and we none to give it that: it never will.
    Forbidden,
    /// It is.
    Yes {
        /// `no_new_privs` has to be set before.
        sets_no_new_privs: bool,
    },
}

impl Watched {
    /// A process whose maker is none of ours: launched by us, or attached to.
    pub fn first() -> Watched {
        Watched {
            watching: Watching::Fully,
            maker_is_known: true,
            filters_at_birth: 0,
            no_new_privs_at_birth: false,
            installer: None,
            shares_memory: false,
            ours: 0,
            our_no_new_privs: false,
            own_no_new_privs: false,
        }
    }

    /// A process that one of ours has made, of which nothing else is known yet.
    pub fn born() -> Watched {
        // It may be a vfork(2)'s until its maker's event tells otherwise.
        Watched { maker_is_known: false, shares_memory: true, ..Watched::first() }
    }

    /// It was found under that many filters at its birth, not counting those that we started under,
    /// and with `no_new_privs` or without.
    pub fn born_under(&mut self, filters: u32, no_new_privs: bool) {
        self.filters_at_birth = filters;
        self.no_new_privs_at_birth = no_new_privs;
    }

    /// Its maker's event has come. It is watched in full for good if it has a filter that nobody saw
    /// come.
    pub fn made_by(&mut self, maker: &Watched, shares_memory: bool) {
        self.maker_is_known = true;
        self.shares_memory &= shares_memory;
        // It may have been forked while the filter was on its way to its maker.
        let at_most = maker.ours + u32::from(maker.installer.is_some());
        self.ours = self.filters_at_birth.min(at_most);
        // Another thread of the maker's may have made it, to which that had not come.
        self.our_no_new_privs = maker.our_no_new_privs && self.no_new_privs_at_birth;
        self.own_no_new_privs = maker.own_no_new_privs && self.no_new_privs_at_birth;
        if self.watching == Watching::AlwaysFully {
            // It has not waited for this, and what it has done since is for good.
            return;
        }
        self.watching = if self.filters_at_birth > at_most {
            Watching::AlwaysFully
        } else {
            match maker.watching {
                Watching::Fully if self.ours > 0 => Watching::Filtered,
                Watching::Filtered if self.ours == 0 => Watching::Fully,
                watching => watching,
            }
        };
    }

    /// Its maker's event will not come. The filters that it has are most likely ours, and it is watched
    /// in full in case they are not.
    pub fn has_no_maker(&mut self) {
        self.maker_is_known = true;
        self.ours = self.filters_at_birth;
        self.watching = Watching::AlwaysFully;
    }

    /// Whether that has come, or never will.
    pub fn is_maker_known(&self) -> bool {
        self.maker_is_known
    }

    /// It executes a program, with memory of its own.
    pub fn executes(&mut self) {
        self.shares_memory = false;
    }

    /// Whether it is to be given our filter, by a thread with these rights. `may_set_no_new_privs` is
    /// the user's, or the machine's, leave to do that.
    pub fn verdict(&self, rights: &CredentialState, may_set_no_new_privs: bool) -> Verdict {
        if self.watching != Watching::Fully
            || !self.maker_is_known
            || self.installer.is_some()
            || self.shares_memory
        {
            return Verdict::No;
        }
        // In the thread's own user namespace (`seccomp(2)`). What it has of us is not told as its own.
        let has_right = rights.effective.contains(Cap::SYS_ADMIN)
            || rights.no_new_privs
            || self.our_no_new_privs;
        if has_right || may_set_no_new_privs {
            Verdict::Yes { sets_no_new_privs: !has_right }
        } else if rights.permitted.contains(Cap::SYS_ADMIN) {
            // It has put it by, as a daemon does for one operation by seteuid(2).
            Verdict::No
        } else {
            Verdict::Forbidden
        }
    }

    /// One of its threads begins to install our filter.
    pub fn installs(&mut self, installer: Tid) {
        self.installer = Some(installer);
    }

    /// That has set `no_new_privs`.
    pub fn no_new_privs_set(&mut self) {
        self.our_no_new_privs = true;
    }

    /// The filter is over all its threads. The program may have installed one of its own meanwhile,
    /// which is for good.
    pub fn installed(&mut self) {
        self.ours += 1;
        if self.watching == Watching::Fully {
            self.watching = Watching::Filtered;
        }
    }

    /// The installer is done, with or without a filter.
    pub fn installation_over(&mut self) {
        self.installer = None;
    }

    /// Whether one of its threads is about to install our filter.
    pub fn is_installing(&self) -> bool {
        self.installer.is_some()
    }

    /// A thread is gone.
    pub fn gone(&mut self, tid: Tid) {
        self.installer = self.installer.filter(|installer| *installer != tid);
    }

    /// It sets `no_new_privs` itself.
    pub fn sets_no_new_privs(&mut self) {
        self.own_no_new_privs = true;
    }

    /// From now on every call of it is to stop, for good. Whether that is new.
    pub fn watch_always(&mut self) -> bool {
        std::mem::replace(&mut self.watching, Watching::AlwaysFully) != Watching::AlwaysFully
    }

    /// Whether every call of it stops for good.
    pub fn is_watched_always(&self) -> bool {
        self.watching == Watching::AlwaysFully
    }

    /// Whether our filter alone tells of its news, so that its threads may run free.
    pub fn is_filtered(&self) -> bool {
        self.watching == Watching::Filtered && self.maker_is_known
    }

    /// How many filters of ours its threads are under.
    pub fn our_filters(&self) -> u32 {
        self.ours
    }

    /// Whether its `no_new_privs` is our doing alone.
    pub fn is_no_new_privs_ours(&self) -> bool {
        self.our_no_new_privs && !self.own_no_new_privs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::ThreadStatus;
    use crate::syscall::CapSet;

    fn rights(capabilities: CapSet, no_new_privs: bool) -> CredentialState {
        let status = ThreadStatus::read(crate::proc::own_pid()).unwrap();
        let mut state = super::super::credentials::state_of(&status, &Watched::first());
        (state.effective, state.permitted) = (capabilities, capabilities);
        state.no_new_privs = no_new_privs;
        state
    }

    fn none() -> CredentialState {
        rights(CapSet::default(), false)
    }

    fn filtered() -> Watched {
        let mut watched = Watched::first();
        watched.installs(Tid(1));
        watched.installed();
        watched.installation_over();
        watched
    }

    fn child_of(maker: &Watched, filters: u32) -> Watched {
        let mut child = Watched::born();
        child.born_under(filters, true);
        child.made_by(maker, false);
        child
    }

    #[test]
    fn a_process_is_given_the_filter_once() {
        let mut watched = Watched::first();
        assert_eq!(watched.verdict(&none(), true), Verdict::Yes { sets_no_new_privs: true });
        watched.installs(Tid(1));
        assert_eq!(watched.verdict(&none(), true), Verdict::No, "it is on its way");
        assert!(!watched.is_filtered());
        watched.installed();
        watched.installation_over();
        assert!(watched.is_filtered());
        assert_eq!((watched.our_filters(), watched.verdict(&none(), true)), (1, Verdict::No));
    }

    #[test]
    fn a_filter_needs_a_right_that_is_not_taken_behind_a_programs_back() {
        let watched = Watched::first();
        assert_eq!(watched.verdict(&none(), false), Verdict::Forbidden);
        let admin = rights(CapSet(1 << Cap::SYS_ADMIN.0), false);
        let yes = Verdict::Yes { sets_no_new_privs: false };
        assert_eq!(watched.verdict(&admin, true), yes);
        assert_eq!(watched.verdict(&rights(CapSet::default(), true), false), yes);
        let put_by = CredentialState { permitted: admin.permitted, ..none() };
        assert_eq!(watched.verdict(&put_by, false), Verdict::No, "not now");
        let mut ours = Watched::first();
        ours.no_new_privs_set();
        assert_eq!(ours.verdict(&none(), false), yes, "set by us, and not told");
    }

    #[test]
    fn an_installation_that_failed_or_died_leaves_the_process_as_it_was() {
        let mut watched = Watched::first();
        watched.installs(Tid(7));
        watched.gone(Tid(8));
        assert_eq!(watched.verdict(&none(), true), Verdict::No);
        watched.gone(Tid(7));
        assert_ne!(watched.verdict(&none(), true), Verdict::No, "another thread may do it");
    }

    #[test]
    fn a_child_has_the_filters_of_its_maker() {
        assert!(child_of(&filtered(), 1).is_filtered());
        let before = child_of(&filtered(), 0);
        assert!(!before.is_filtered(), "forked before the filter");
        assert_ne!(before.verdict(&none(), true), Verdict::No, "it is given its own");
        let mut coming = Watched::first();
        coming.installs(Tid(1));
        assert!(child_of(&coming, 1).is_filtered(), "forked just after the filter");
    }

    #[test]
    fn nothing_is_concluded_before_the_maker_is_known() {
        let mut child = Watched::born();
        assert!(!child.is_filtered());
        assert_eq!(child.verdict(&none(), true), Verdict::No);
        child.made_by(&Watched::first(), true);
        assert_eq!(child.verdict(&none(), true), Verdict::No, "it may be a vfork(2)'s");
        child.executes();
        assert_ne!(child.verdict(&none(), true), Verdict::No);
    }

    #[test]
    fn a_process_without_a_maker_is_watched_in_full() {
        let mut orphan = Watched::born();
        orphan.born_under(1, false);
        orphan.has_no_maker();
        assert!(orphan.is_maker_known() && !orphan.is_filtered());
        assert_eq!((orphan.our_filters(), orphan.verdict(&none(), true)), (1, Verdict::No));
        orphan.made_by(&filtered(), false);
        assert!(!orphan.is_filtered(), "nor when the maker's event comes after all");
    }

    #[test]
    fn who_has_a_filter_of_its_own_is_watched_in_full_for_good_and_its_children_with_it() {
        let mut own = filtered();
        assert!(own.watch_always());
        assert!(!own.watch_always(), "it was already");
        assert!(!own.is_filtered() && !child_of(&own, 2).is_filtered());
        assert_eq!(child_of(&own, 2).verdict(&none(), true), Verdict::No);
        assert!(!child_of(&filtered(), 2).is_filtered(), "a filter that nobody saw come");
        let mut late = Watched::first();
        late.installs(Tid(1));
        late.watch_always();
        late.installed();
        assert!(!late.is_filtered(), "its own came while ours was on its way");
    }

    #[test]
    fn no_new_privs_is_told_as_the_programs_own_if_it_is() {
        let mut watched = Watched::first();
        watched.no_new_privs_set();
        assert!(watched.is_no_new_privs_ours() && child_of(&watched, 0).is_no_new_privs_ours());
        watched.sets_no_new_privs();
        assert!(!watched.is_no_new_privs_ours() && !child_of(&watched, 0).is_no_new_privs_ours());
        let mut before = Watched::born();
        before.born_under(0, false);
        before.made_by(&watched, false);
        let sets = Verdict::Yes { sets_no_new_privs: true };
        assert_eq!(before.verdict(&none(), true), sets, "forked before it was set");
    }
}
