use super::super::super::ThreadStatus;
use super::super::{Confinement, Emulation};
use super::*;
use crate::syscall::CapSet;

const SYS_PTRACE: CapSet = CapSet(1 << 19);

/// A user's process on a machine where all is well.
fn facts() -> Facts {
    let release = "6.18.44-fc-v669".to_owned();
    let status = b"State:\tR\nPid:\t7\nTgid:\t7\nUid:\t1 1 1 1\nGid:\t1 1 1 1\nSigCgt:\t0\n\
        CapEff:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n";
    Facts {
        version: KernelVersion::parse(&release),
        release,
        emulation: None,
        container: None,
        ptrace_scope: None,
        proc: ProcView::Ours,
        status: Some(ThreadStatus::parse(status).unwrap()),
        tracer: None,
        confinement: None,
        self_test: Some(Ok(())),
    }
}

fn with_status(change: impl FnOnce(&mut ThreadStatus)) -> Facts {
    let mut facts = facts();
    change(facts.status.as_mut().unwrap());
    facts
}

fn capable(mut facts: Facts) -> Facts {
    facts.status.as_mut().unwrap().cap_eff = SYS_PTRACE;
    facts
}

fn failing(facts: Facts) -> Facts {
    failing_by(false, facts)
}

fn failing_by(by_filter: bool, facts: Facts) -> Facts {
    facts.with_self_test(Err(SelfTestFailure { what: "PTRACE_SEIZE: EPERM".into(), by_filter }))
}

fn target() -> Running {
    Running {
        comm: "redis-server".into(),
        tgid: 9,
        is_own: false,
        kernel_thread: false,
        dead: false,
        tracer_pid: 0,
        tracer: None,
        owner: (1, 1),
        same_owner: true,
        dumpable: true,
        permitted: CapSet(0),
        closed: false,
        same_user_ns: Some(true),
        descendant: false,
        label: None,
    }
}

fn attach(running: Running) -> Wish {
    Wish::Attach(vec![AttachTarget { pid: 9, running: Some(running) }])
}

/// The verdict of one check: `fine`, or its first letter and its text.
fn of(id: &str, facts: &Facts, wish: &Wish) -> String {
    let checks = judge(facts, wish);
    let check = checks.into_iter().find(|check| check.id == id).unwrap();
    match check.verdict {
        Fine => "fine".into(),
        Verdict::Degraded { how } => format!("D {how}"),
        Verdict::Refused { what_to_do } => format!("R {what_to_do}"),
    }
}

fn on_kernel(release: &str) -> Facts {
    Facts { release: release.into(), version: KernelVersion::parse(release), ..facts() }
}

#[test]
fn where_all_is_well_all_is_fine() {
    for wish in [Wish::Survey, Wish::Launch, attach(target())] {
        let checks = judge(&facts(), &wish);
        assert!(checks.iter().all(|check| check.verdict == Fine), "{checks:?}");
        assert!(is_possible(&checks));
    }
}

#[test]
fn kernels_are_judged_by_what_they_lack() {
    let verdict = |facts: &Facts| of("kernel", facts, &Wish::Launch);
    for release in ["6.18.44", "7.2.0", "5.16.0", "5.15.0-91-generic", "5.10.0-28-amd64", "5.9.0"] {
        assert_eq!(verdict(&on_kernel(release)), "fine", "{release}");
    }
    let detail = |release| judge(&on_kernel(release), &Wish::Launch)[0].detail.clone();
    assert!(detail("5.10.0").contains("before 5.11"));
    assert!(detail("5.15.0").contains("before 5.16"));
    assert_eq!(detail("5.16.0"), "Linux 5.16.0");
    assert!(verdict(&on_kernel("5.8.18")).starts_with("D how many"));
    assert!(verdict(&on_kernel("5.3.0")).starts_with("D how many"));
    assert!(verdict(&on_kernel("strange")).starts_with("D its version"));
    for release in ["5.2.21", "4.19.0"] {
        let untested = Facts { self_test: None, ..on_kernel(release) };
        assert!(verdict(&untested).contains("before Linux 5.3; use a newer kernel"));
        assert!(verdict(&failing(on_kernel(release))).starts_with("R "));
        assert!(verdict(&on_kernel(release)).starts_with("D older than 5.3"), "a backport");
    }
}

#[test]
fn yama_1_leaves_us_our_own_programs() {
    let scope = |scope| Facts { ptrace_scope: Some(scope), ..facts() };
    let yama = |facts: &Facts, wish| of("ptrace_scope", facts, &wish);
    for wish in [Wish::Survey, Wish::Launch, attach(target())] {
        assert_eq!(yama(&facts(), wish.clone()), "fine");
        assert_eq!(yama(&scope(0), wish.clone()), "fine");
        assert_eq!(yama(&capable(scope(1)), wish.clone()), "fine");
        assert_eq!(yama(&capable(scope(2)), wish), "fine");
    }
    assert_eq!(yama(&scope(1), Wish::Launch), "fine");
    assert!(yama(&scope(1), Wish::Survey).starts_with("D programs that we start"));
    let process = |facts: &Facts, running| of("process", facts, &attach(running));
    assert!(process(&scope(1), target()).starts_with("R kernel.yama.ptrace_scope is 1"));
    assert_eq!(process(&capable(scope(1)), target()), "fine");
    assert_eq!(process(&scope(1), Running { descendant: true, ..target() }), "fine");
    assert_eq!(process(&scope(0), target()), "fine");
}

#[test]
fn yama_2_wants_the_capability_and_3_refuses_all() {
    let scope = |scope| Facts { ptrace_scope: Some(scope), ..facts() };
    for wish in [Wish::Survey, Wish::Launch, attach(target())] {
        let yama = |facts: &Facts| of("ptrace_scope", facts, &wish);
        assert!(yama(&scope(2)).starts_with("R only processes with CAP_SYS_PTRACE"));
        for scope in [scope(3), scope(4)] {
            assert!(yama(&scope).contains("until the next boot"));
            assert!(yama(&capable(scope)).contains("until the next boot"));
        }
        assert!(!is_possible(&judge(&capable(scope(3)), &wish)));
    }
    let absent = &judge(&facts(), &Wish::Survey)[3];
    assert_eq!(absent.detail, "Yama is not in this kernel: no restriction");
}

#[test]
fn emulation_is_refused_whatever_else_there_is() {
    for (emulator, todo) in [
        (Emulator::QemuUser, "neither ptrace nor seccomp"),
        (Emulator::Rosetta, "x86-64 machine"),
        (Emulator::Gvisor, "--runtime=runc"),
    ] {
        let emulation = Some(Emulation { emulator, evidence: "it shows".into() });
        let facts = capable(Facts { emulation, ..facts() });
        for wish in [Wish::Survey, Wish::Launch, attach(target())] {
            let verdict = of("emulation", &facts, &wish);
            assert!(verdict.starts_with("R ") && verdict.contains(todo), "{verdict}");
        }
    }
}

#[test]
fn a_filter_over_us_degrades_and_may_be_what_denies() {
    let filtered = with_status(|s| (s.seccomp_mode, s.seccomp_filters) = (2, Some(2)));
    let verdict = |facts: &Facts, wish| of("seccomp", facts, &wish);
    assert!(verdict(&filtered, Wish::Launch).starts_with("D programs that we start"));
    assert!(verdict(&filtered, Wish::Survey).starts_with("D "));
    assert_eq!(verdict(&filtered, attach(target())), "fine");
    assert_eq!(judge(&filtered, &Wish::Launch)[5].detail, "2 filters over us");
    for (by_filter, begin) in [(false, "R it may be what denies"), (true, "R it denies ptrace;")] {
        let verdict = verdict(&failing_by(by_filter, filtered.clone()), Wish::Launch);
        assert!(verdict.starts_with(begin) && verdict.contains("`--cap-add SYS_PTRACE`"));
    }
}

#[test]
fn without_a_proc_of_ours_nothing_is_known() {
    let without = |proc| Facts { proc, status: None, self_test: None, ..facts() };
    let verdict = |proc| of("proc", &without(proc), &Wish::Launch);
    assert_eq!(of("proc", &facts(), &Wish::Launch), "fine");
    assert!(verdict(ProcView::Absent).contains("mount -t proc"));
    let foreign = ProcView::Foreign { own: 1, told: Some(77) };
    assert!(verdict(foreign).contains("--mount-proc"));
    for check in judge(&without(foreign), &Wish::Launch) {
        let is_read_there = ["capability", "seccomp", "traced"].contains(&check.id);
        assert_eq!(check.detail == UNKNOWN, is_read_there, "{check:?}");
    }
}

fn confined(module: Module, label: &str, enforcing: bool) -> Facts {
    let label = label.to_owned();
    let confinement = Some(Confinement { module, label, enforcing, deny_ptrace: false });
    Facts { confinement, ..facts() }
}

#[test]
fn a_profile_over_us_is_fine_until_it_denies() {
    let docker = confined(Module::AppArmor, "docker-default", true);
    let verdict = |facts: &Facts, wish| of("lsm", facts, &wish);
    assert_eq!(verdict(&docker, Wish::Launch), "fine");
    assert!(verdict(&failing(docker.clone()), Wish::Launch).contains("apparmor=unconfined"));
    let same = Running { label: Some("docker-default (enforce)".into()), ..target() };
    assert_eq!(verdict(&docker, attach(same)), "fine");
    let other = Running { label: Some("unconfined".into()), ..target() };
    assert_eq!(
        verdict(&docker, attach(other.clone())),
        "D process 9 runs as unconfined: attaching may be denied"
    );
    let free = confined(Module::AppArmor, "unconfined", false);
    assert_eq!(verdict(&free, attach(other)), "fine");
    assert_eq!(verdict(&failing(free), Wish::Launch), "fine");

    let mut selinux = confined(Module::Selinux, "system_u:system_r:container_t:s0", true);
    assert_eq!(verdict(&selinux, Wish::Launch), "fine");
    assert!(verdict(&failing(selinux.clone()), Wish::Launch).contains("label=disable"));
    selinux.confinement.as_mut().unwrap().deny_ptrace = true;
    assert!(verdict(&selinux, Wish::Launch).contains("setsebool deny_ptrace off"));
}

#[test]
fn a_tracer_over_us_degrades_unless_it_has_our_children() {
    let mut traced = with_status(|s| s.tracer_pid = 44);
    traced.tracer = Some("strace".into());
    assert!(of("traced", &traced, &Wish::Launch).starts_with("D "));
    assert_eq!(judge(&traced, &Wish::Launch)[7].detail, "process 44 (strace) traces us");
    assert!(of("traced", &failing(traced), &Wish::Launch).contains("one tracer"));
}

#[test]
fn processes_are_refused_for_what_they_are() {
    let verdict = |facts: &Facts, running| of("process", facts, &attach(running));
    let refused = |running: Running, why: &str| {
        let verdict = verdict(&capable(facts()), running);
        assert!(verdict.starts_with("R ") && verdict.contains(why), "{verdict}");
    };
    refused(Running { is_own: true, ..target() }, "this very process");
    refused(Running { tgid: 5, ..target() }, "--pid 5");
    refused(Running { kernel_thread: true, ..target() }, "kernel's own");
    refused(Running { dead: true, ..target() }, "has ended");
    refused(
        Running { tracer_pid: 12, tracer: Some("gdb".into()), ..target() },
        "process 12 (gdb) traces it already",
    );
    refused(Running { closed: true, ..target() }, "Landlock");
    let missing = Wish::Attach(vec![AttachTarget { pid: 9, running: None }]);
    assert!(of("process", &facts(), &missing).contains("pgrep"));

    for running in [
        Running { same_owner: false, ..target() },
        Running { dumpable: false, ..target() },
        Running { permitted: SYS_PTRACE, ..target() },
        Running { same_user_ns: Some(false), ..target() },
    ] {
        assert!(verdict(&facts(), running.clone()).starts_with("R "));
        assert_eq!(verdict(&capable(facts()), running), "fine");
    }
    assert_eq!(verdict(&facts(), Running { same_user_ns: None, ..target() }), "fine");
}

#[test]
fn a_self_test_that_fails_refuses_and_points_at_the_reason() {
    let verdict = |facts: &Facts| of("self_test", facts, &Wish::Launch);
    assert_eq!(verdict(&facts()), "fine");
    assert!(verdict(&failing(facts())).contains("`--cap-add SYS_PTRACE`"));
    let filtered = with_status(|s| s.seccomp_mode = 2);
    assert_eq!(verdict(&failing(filtered)), "R see above");
    let untested = judge(&Facts { self_test: None, ..facts() }, &Wish::Launch);
    assert!(untested.iter().all(|check| check.id != "self_test"));
}
