//! The tools that are compared.

use std::fmt;

use clap::ValueEnum;

/// How a program is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Column {
    /// Not traced
    Native,
    /// strace -f
    Strace,
    /// strace -f -c
    StraceC,
    /// strace -f --seccomp-bpf, asked for one call that never comes
    StraceBpf,
    /// bpftrace, which counts the calls of the whole machine beside the program
    Bpftrace,
    /// A tracer that does nothing at the stops
    Floor,
    /// seccomp-gen, every call stops
    Full,
    /// seccomp-gen, which lets what it has seen run free
    Adaptive,
    /// The same, which knows what an earlier run saw
    Prior,
    /// The filter that adaptive would install, without any tracer (storm only)
    Filter,
}

impl Column {
    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Column::Native => "native",
            Column::Strace => "`strace -f`",
            Column::StraceC => "`strace -f -c`",
            Column::StraceBpf => "`strace -f --seccomp-bpf`",
            Column::Bpftrace => "`bpftrace`",
            Column::Floor => "ptrace, floor",
            Column::Full => "full",
            Column::Adaptive => "adaptive",
            Column::Prior => "adaptive, `--prior`",
            Column::Filter => "filter alone",
        }
    }

    /// One of ours.
    pub fn is_ours(self) -> bool {
        matches!(self, Column::Full | Column::Adaptive | Column::Prior)
    }

    /// It stops every call at first, and later no longer.
    pub fn settles(self) -> bool {
        matches!(self, Column::Adaptive | Column::Prior)
    }

    /// Every call stops, to the end.
    pub fn is_slow(self) -> bool {
        matches!(self, Column::Strace | Column::StraceC | Column::Floor | Column::Full)
    }

    /// There is a process that traces.
    pub fn is_tracer(self) -> bool {
        !matches!(self, Column::Native | Column::Bpftrace | Column::Filter)
    }

    /// It needs the recording of an earlier run.
    pub fn needs_prior(self) -> bool {
        matches!(self, Column::Prior | Column::Filter)
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.title())
    }
}
