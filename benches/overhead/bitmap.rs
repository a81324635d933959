//! The proof that what our filter allows without a condition costs the same under any filter: the
//! kernel (5.11 and later) answers it from a bitmap, without running the filter at all.
//!
//! The same call is timed under filters of different length, allowed without and with a condition on
//! an argument. Were the filter run, a longer one would cost more: with the condition, it does. Our
//! own filters are binary trees and grow by little even then; a plain chain of as many rules, with
//! this call's the last, is the worst that there is.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use seccomp_gen::filter::learned::{Learned, Test, compile};

use crate::signals;
use crate::tools::{Tools, output};

/// How the filter is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As adaptive mode does, for a program that makes hardly any calls.
    Short,
    /// The same, for one that makes [`MANY`].
    Tree,
    /// So many rules one after the other.
    Chain,
}

/// What one call costs.
pub struct Measured {
    pub shape: Shape,
    pub instructions: usize,
    /// Allowed whatever the argument.
    pub plain_ns: f64,
    /// Allowed if the argument is a certain one, which it is.
    pub tested_ns: f64,
}

/// What was measured.
pub struct Bitmap {
    /// Without a filter.
    pub native_ns: f64,
    pub filters: Vec<Measured>,
}

impl Bitmap {
    /// Whether a longer filter costs a call more that it allows without a condition.
    pub fn grows_plain(&self) -> bool {
        self.grows(|measured| measured.plain_ns)
    }

    /// The same for a call that it allows by its argument.
    pub fn grows_tested(&self) -> bool {
        self.grows(|measured| measured.tested_ns)
    }

    /// By more than such a clock can be wrong. A chain of 300 rules adds a hundred and more.
    fn grows(&self, ns: fn(&Measured) -> f64) -> bool {
        let all = || self.filters.iter().map(ns);
        let (least, most) = (all().fold(f64::MAX, f64::min), all().fold(0.0, f64::max));
        most - least > 5.0 + least / 20.0
    }
}

const MANY: i32 = 300;
const TEST: Test = Test::Masked { argument: 0, mask: 0xffff_ffff, equals: 1 };

/// Each is the least of as many runs.
pub fn measure(tools: &Tools, runs: usize, quick: bool) -> Result<Bitmap> {
    let dir = tools.directory("bitmap")?;
    let calls = if quick { 2_000 } else { 50_000 };
    let mut filters = Vec::new();
    for shape in [Shape::Short, Shape::Tree, Shape::Chain] {
        for tested in [false, true] {
            let path = dir.join(format!("{shape:?}.{tested}"));
            fs::write(&path, program(shape, tested)?)?;
            filters.push((shape, path, f64::INFINITY));
        }
    }
    let mut native_ns = f64::INFINITY;
    for _ in 0..runs {
        native_ns = native_ns.min(time(tools, calls, None)?);
        for (_, path, least) in &mut filters {
            *least = least.min(time(tools, calls, Some(path))?);
        }
    }
    let measured = |pair: &[(Shape, PathBuf, f64)]| -> Result<Measured> {
        let [(shape, path, plain_ns), (_, _, tested_ns)] = pair else { unreachable!() };
        let instructions = usize::try_from(path.metadata()?.len())? / 8;
        Ok(Measured { shape: *shape, instructions, plain_ns: *plain_ns, tested_ns: *tested_ns })
    };
    Ok(Bitmap { native_ns, filters: filters.chunks(2).map(measured).collect::<Result<_>>()? })
}

fn time(tools: &Tools, calls: u32, filter: Option<&PathBuf>) -> Result<f64> {
    signals::check()?;
    let mut command = Command::new(tools.own("bitmap"));
    let text = output(command.arg(calls.to_string()).args(filter))?;
    text.trim().parse().with_context(|| format!("bitmap says {text:?}"))
}

/// The compiled filter.
fn program(shape: Shape, tested: bool) -> Result<Vec<u8>> {
    let measured = i32::try_from(libc::SYS_getppid)?;
    if shape == Shape::Chain {
        return Ok(chain(measured, tested));
    }
    // What the program needs to tell what it measured and to end.
    let needed = [libc::SYS_write, libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_exit_group];
    let more = [libc::SYS_brk, libc::SYS_mmap, libc::SYS_clock_gettime, libc::SYS_ioctl];
    let few = needed.into_iter().chain(more).map(i32::try_from).collect::<Result<Vec<_>, _>>()?;
    let many = if shape == Shape::Tree { 0..MANY } else { 0..0 };
    let mut always: Vec<i32> = few.into_iter().chain(many).chain([measured]).collect();
    always.sort_unstable();
    always.dedup();
    let mut learned = Learned { always, tested: Vec::new() };
    if tested {
        learned.always.retain(|number| *number != measured);
        learned.tested.push((measured, vec![TEST]));
    }
    Ok(compile(&learned, 1)?.program)
}

/// Rules one after the other, that of the measured call the last.
fn chain(measured: i32, tested: bool) -> Vec<u8> {
    // The codes of `linux/bpf_common.h`, and the offsets of `struct seccomp_data`.
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const NUMBER: u32 = 0;
    const ARGUMENT: u32 = 16;
    let mut program = Vec::new();
    let mut put = |code: u16, if_not: u8, k: u32| {
        program.extend(code.to_ne_bytes());
        program.extend([0, if_not]);
        program.extend(k.to_ne_bytes());
    };
    put(LOAD, 0, NUMBER);
    for number in (0..MANY).filter(|number| *number != measured) {
        put(IF_EQUAL, 1, number.cast_unsigned());
        put(RETURN, 0, libc::SECCOMP_RET_ALLOW);
    }
    put(IF_EQUAL, if tested { 3 } else { 1 }, measured.cast_unsigned());
    if tested {
        put(LOAD, 0, ARGUMENT);
        put(IF_EQUAL, 1, 1);
    }
    put(RETURN, 0, libc::SECCOMP_RET_ALLOW);
    put(RETURN, 0, libc::SECCOMP_RET_TRACE);
    program
}
