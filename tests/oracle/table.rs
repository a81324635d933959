//! What the table of commands is made of.

use std::fmt;

/// A command and how it is judged.
pub struct Case {
    pub name: String,
    /// A script that prepares the working directory before each run, outside of the tracer.
    pub setup: &'static str,
    pub program: Program,
    /// A script that runs beside a server, outside of the tracer, and ends it; what it prints
    /// counts as output of the command.
    pub client: &'static str,
    /// What the command ends with by itself.
    pub status: i32,
    pub compare: Compare,
}

/// What is executed.
pub enum Program {
    /// These words, without a shell.
    Direct(Vec<String>),
    /// A script of `/bin/sh`.
    Script(String),
}

/// How the recorded set is compared.
#[derive(Clone, Copy)]
pub enum Compare {
    /// One run under `strace -f` has exactly the same set.
    Strace,
    /// Two runs of the program differ by nature, which is the reason: the kernel's own recorder hears
    /// the very same run. Needs a script, by whose path it knows the tree.
    SameRun(&'static str),
}

impl fmt::Display for Compare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Compare::Strace => f.write_str("as strace -f"),
            Compare::SameRun(why) => write!(f, "as the kernel heard the same run: {why}"),
        }
    }
}

/// A command without a shell around it, compared with strace.
pub fn direct(name: &str, setup: &'static str, argv: &[&str]) -> Case {
    let argv = argv.iter().map(|s| (*s).to_owned()).collect();
    Case::new(name, setup, Program::Direct(argv))
}

/// A script, compared with strace.
pub fn script(name: &str, setup: &'static str, text: &str) -> Case {
    Case::new(name, setup, Program::Script(text.to_owned()))
}

impl Case {
    fn new(name: &str, setup: &'static str, program: Program) -> Case {
        Case {
            name: name.to_owned(),
            setup,
            program,
            client: "",
            status: 0,
            compare: Compare::Strace,
        }
    }

    pub fn ends_with(self, status: i32) -> Case {
        Case { status, ..self }
    }

    pub fn same_run(self, why: &'static str) -> Case {
        assert!(matches!(self.program, Program::Script(_)), "{}: no script", self.name);
        Case { compare: Compare::SameRun(why), ..self }
    }

    pub fn client(self, client: &'static str) -> Case {
        Case { client, ..self }
    }
}
