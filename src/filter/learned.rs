//! The filter that a program runs under while it is traced: it lets through what was seen already,
//! at native speed, and stops the rest for the tracer.

use libseccomp::{ScmpAction, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};

use super::{Compiled, FilterError, MAX_INSTRUCTIONS, export};

/// What a filter lets through: native syscalls, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// Whatever their arguments. Only for these does the kernel answer from its bitmap of constant
    /// actions (Linux 5.11, `seccomp_cache_prepare`), without running the filter.
    pub always: Vec<i32>,
    /// If one of the tests holds.
    pub tested: Vec<(i32, Vec<Test>)>,
}

impl Learned {
    /// The syscalls that it lets through, whatever the tests.
    pub fn numbers(&self) -> impl Iterator<Item = i32> {
        self.always.iter().copied().chain(self.tested.iter().map(|(number, _)| *number))
    }
}

/// A test of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// Some of its bits are just these.
    Masked {
        /// Which argument, from 0.
        argument: u32,
        /// The bits that count: the low 32 for an `int`.
        mask: u64,
        /// What they must be.
        equals: u64,
    },
    /// It is anything but this.
    Not {
        /// Which argument, from 0.
        argument: u32,
        /// What it must not be.
        value: u64,
    },
}

impl Test {
    fn to_compare(self) -> ScmpArgCompare {
        match self {
            Test::Masked { argument, mask, equals } => {
                ScmpArgCompare::new(argument, ScmpCompareOp::MaskedEqual(mask), equals)
            }
            Test::Not { argument, value } => {
                ScmpArgCompare::new(argument, ScmpCompareOp::NotEqual, value)
            }
        }
    }
}

/// Compiles it. Everything else, other architectures among them, is answered with
/// `SECCOMP_RET_TRACE` and this data value, by which the tracer tells its own filter from one of the
/// program's.
///
/// # Errors
/// If libseccomp refuses a rule, or the kernel would refuse the program.
pub fn compile(learned: &Learned, data: u16) -> Result<Compiled, FilterError> {
    let fail = |what: &str| {
        let what = what.to_owned();
        move |source| FilterError::Library { what, source }
    };
    let trace = ScmpAction::Trace(data);
    let mut context = ScmpFilterContext::new(trace).map_err(fail("new filter"))?;
    context.set_act_badarch(trace).map_err(fail("other architectures"))?;
    // A binary tree (libseccomp 2.5): what the kernel's bitmap does not answer is found in a few
    // steps, on kernels before 5.11 all of it.
    context.set_ctl_optimize(2).map_err(fail("optimize"))?;
    for number in &learned.always {
        let syscall = ScmpSyscall::from_raw_syscall(*number);
        context.add_rule(ScmpAction::Allow, syscall).map_err(fail("add rule"))?;
    }
    for (number, tests) in &learned.tested {
        let syscall = ScmpSyscall::from_raw_syscall(*number);
        for test in tests {
            context
                .add_rule_conditional(ScmpAction::Allow, syscall, &[test.to_compare()])
                .map_err(fail("add rule with a test"))?;
        }
    }
    let compiled = Compiled { program: export(&context)?, unknown: Vec::new() };
    match compiled.instructions() {
        n if n > MAX_INSTRUCTIONS => Err(FilterError::TooLong(n)),
        _ => Ok(compiled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_learned_filter_is_short() {
        let always: Vec<i32> = (0..300).filter(|n| n % 3 != 0).collect();
        let tests = vec![Test::Masked { argument: 0, mask: 0x0080_0000, equals: 0 }];
        let compiled = compile(&Learned { always, tested: vec![(56, tests)] }, 1).unwrap();
        assert!(compiled.instructions() < 1_000, "{}", compiled.instructions());
        assert_eq!(compiled.program.len() % 8, 0);
    }

    #[test]
    fn nothing_learned_is_a_filter_too() {
        assert!(compile(&Learned::default(), 1).unwrap().instructions() > 0);
    }
}
