//! What an adaptive filter allows without a condition costs the same however long the filter is,
//! because the kernel answers it from a bitmap (Linux 5.11). Whether it can is decided when the
//! filter is installed, by rules that are restated here: no stopwatch is needed to hold to them.
//! `cargo bench --bench overhead -- bitmap` has the times.

#![allow(clippy::unwrap_used)]

use seccomp_gen::filter::learned::{Learned, Test, compile};

const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;

/// `seccomp_is_const_allow()` of `kernel/seccomp.c`: follows the program with the number and the
/// architecture alone. At a load of anything else, or an instruction that libseccomp never writes,
/// the kernel gives up, and runs the filter at each call.
fn is_in_bitmap(program: &[u8], number: u32) -> bool {
    const NUMBER: u32 = 0;
    const ARCHITECTURE: u32 = 4;
    let mut at = 0;
    let mut loaded = 0;
    while let Some(instruction) = program.get(8 * at..8 * at + 8) {
        let code = u32::from(u16::from_ne_bytes([instruction[0], instruction[1]]));
        let (if_so, if_not) = (usize::from(instruction[2]), usize::from(instruction[3]));
        let k = u32::from_ne_bytes(instruction[4..].try_into().unwrap());
        let mut jump = |holds: bool| at += if holds { if_so } else { if_not };
        const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
        const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
        const ALWAYS: u32 = libc::BPF_JMP | libc::BPF_JA;
        const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
        const MORE: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
        const ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
        const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
        match code {
            LOAD if k == NUMBER => loaded = number,
            LOAD if k == ARCHITECTURE => loaded = AUDIT_ARCH_X86_64,
            RETURN => return k == libc::SECCOMP_RET_ALLOW,
            ALWAYS => at += usize::try_from(k).unwrap(),
            EQUAL => jump(loaded == k),
            AT_LEAST => jump(loaded >= k),
            MORE => jump(loaded > k),
            ANY_BIT => jump(loaded & k != 0),
            AND => loaded &= k,
            _ => return false,
        }
        at += 1;
    }
    false
}

fn check(learned: &Learned) {
    let program = compile(learned, 1).unwrap().program;
    for number in 0..500 {
        let allowed = learned.always.contains(&number);
        let number = number.cast_unsigned();
        assert_eq!(is_in_bitmap(&program, number), allowed, "{number} of {learned:?}");
        // The same number of x32's table is another call.
        assert!(!is_in_bitmap(&program, number | 0x4000_0000), "x32 {number} of {learned:?}");
    }
}

/// As adaptive mode tests them: a family of sockets, and a flag of clone.
fn tested() -> Vec<(i32, Vec<Test>)> {
    let family = |equals| Test::Masked { argument: 0, mask: 0xffff_ffff, equals };
    let untraced = Test::Masked { argument: 0, mask: 0x0080_0000, equals: 0 };
    let numbers = [libc::SYS_socket, libc::SYS_socketpair, libc::SYS_clone];
    let [socket, pair, clone] = numbers.map(|n| i32::try_from(n).unwrap());
    vec![(socket, (0..45).map(family).collect()), (pair, vec![family(1)]), (clone, vec![untraced])]
}

#[test]
fn what_is_allowed_without_a_condition_is_in_the_kernels_bitmap() {
    let numbers = |keep: fn(&i32) -> bool| -> Vec<i32> {
        let tested: Vec<i32> = tested().iter().map(|(number, _)| *number).collect();
        (0..463).filter(|number| keep(number) && !tested.contains(number)).collect()
    };
    for always in [vec![0], vec![0, 1, 231], numbers(|n| n % 3 != 0), numbers(|_| true)] {
        check(&Learned { always: always.clone(), tested: Vec::new() });
        check(&Learned { always, tested: tested() });
    }
}

/// That a condition takes a call out of it is why conditions are for calls that are never hot.
#[test]
fn what_is_allowed_with_a_condition_is_not() {
    let learned = Learned { always: vec![0, 1], tested: tested() };
    let program = compile(&learned, 1).unwrap().program;
    for (number, _) in tested() {
        assert!(!is_in_bitmap(&program, number.cast_unsigned()));
    }
}
