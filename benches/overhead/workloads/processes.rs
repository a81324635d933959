//! Programs that start many others.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::launch::Launch;
use crate::row::{Kind, Row, Unit};
use crate::tools::program;
use crate::workload::Workload;

/// A shell that starts a program again and again.
pub struct Shell;

impl Workload for Shell {
    fn name(&self) -> String {
        "300 processes of a shell".to_owned()
    }

    fn rows(&self) -> Vec<Row> {
        vec![Row::new(self.name(), Unit::Seconds, Kind::Processes)]
    }

    fn run(&mut self, launch: &Launch) -> Result<Vec<Option<f64>>> {
        script(launch, "i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i + 1)); done")
    }
}

/// A pipeline that starts thousands.
pub struct Find {
    pub quick: bool,
}

impl Workload for Find {
    fn name(&self) -> String {
        format!("`find {} \\| xargs -n 50 ls`", self.directory())
    }

    fn rows(&self) -> Vec<Row> {
        vec![Row::new(self.name(), Unit::Seconds, Kind::Processes)]
    }

    fn run(&mut self, launch: &Launch) -> Result<Vec<Option<f64>>> {
        let from = self.directory();
        // Names with spaces in them are two names to xargs: not found, the same each time.
        script(launch, &format!("find {from} | xargs -n 50 ls >/dev/null 2>&1 || :"))
    }
}

impl Find {
    fn directory(&self) -> &'static str {
        if self.quick { "/usr/include" } else { "/usr" }
    }
}

fn script(launch: &Launch, text: &str) -> Result<Vec<Option<f64>>> {
    let mut command = launch.command(Path::new("/bin/sh"))?;
    let time = launch.time(command.args(["-c", text]))?;
    Ok(vec![Some(time.as_secs_f64())])
}

/// A small project.
pub struct Make;

const FILES: usize = 20;

impl Workload for Make {
    fn name(&self) -> String {
        format!("`make -j2`, {FILES} C files")
    }

    fn rows(&self) -> Vec<Row> {
        vec![Row::new(self.name(), Unit::Seconds, Kind::Processes)]
    }

    fn run(&mut self, launch: &Launch) -> Result<Vec<Option<f64>>> {
        let project = launch.dir().join("project");
        generate(&project)?;
        let mut command = launch.command(&program("make")?)?;
        let time = launch.time(command.args(["-s", "-j2", "-C"]).arg(&project))?;
        Ok(vec![Some(time.as_secs_f64())])
    }
}

fn generate(dir: &Path) -> Result<()> {
    fs::create_dir(dir)?;
    let mut main = String::new();
    for n in 1..FILES {
        let source = format!(
            "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\
             int f{n}(int a) {{ char b[64]; snprintf(b, sizeof(b), \"%d\", a * {n}); return (int)strlen(b); }}\n"
        );
        fs::write(dir.join(format!("f{n}.c")), source)?;
        let _ = writeln!(main, "int f{n}(int);");
    }
    let calls: Vec<_> = (1..FILES).map(|n| format!("f{n}({n})")).collect();
    let _ = writeln!(main, "int main(void) {{ return ({}) == 0; }}", calls.join(" + "));
    fs::write(dir.join("main.c"), main)?;
    let makefile = "objects = $(patsubst %.c,%.o,$(wildcard *.c))\n\
                    program: $(objects)\n\t$(CC) -o $@ $^\n%.o: %.c\n\t$(CC) -O1 -c -o $@ $<\n";
    Ok(fs::write(dir.join("Makefile"), makefile)?)
}
