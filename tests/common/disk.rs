//! Traces whose files are on a disk of a few pages.

use std::process::{Command, Stdio};

use super::beside::{Beside, text};
use super::{Scratch, seccomp_gen, tool};

/// Traces a shell line with a disk of that size for the recording, `$1` to the line, and lists what
/// is on it then, and again when what was saved has been recovered. The code of the trace, and what
/// all of them print.
pub fn on_a_disk_of(size: &str, options: &[&str], line: &str) -> (i32, String, String) {
    let dir = Scratch::new();
    let script = format!(
        "mkdir {0} && mount -t tmpfs -o size={size} none {0} || exit 99\n\
         \"$0\" trace -q -o {0} --name t \"$@\" sh {0}; code=$?\n\
         rm -f {0}/fill; ls {0}\n\
         \"$0\" recover -o {0} && ls {0}; exit $code",
        text(&dir.join("out"))
    );
    let mut unshare = Command::new(tool("unshare"));
    unshare.args(["--mount", "sh", "-c", &script]).arg(seccomp_gen().get_program());
    unshare.args(options).args(["--", "sh", "-c", line]);
    let mut unshare = Beside::start(unshare.stdin(Stdio::null()));
    (unshare.code(), unshare.stdout(), unshare.stderr())
}
