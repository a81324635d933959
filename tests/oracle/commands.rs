//! The table: commands that end by themselves.

use super::table::{Case, direct, script};

const THREADS: &str = "threads meet on futexes, or do not, as they are scheduled";

const STOPS: &str = "a signal meets a child in the call that is then restarted, or before it";

/// A small tree of files with fixed times.
const TREE: &str = "mkdir -p tree/a/b tree/c; seq 1 500 > tree/a/numbers; echo hello > tree/a/b/hello; \
    ln -s hello tree/a/b/link; echo x > tree/c/x; chmod 640 tree/c/x; \
    find tree -exec touch -h -d 2020-01-01T00:00:00 {} +";

pub fn coreutils() -> Vec<Case> {
    vec![
        direct("ls", TREE, &["ls", "-la", "--time-style=full-iso", "tree/a", "tree/a/b"]),
        direct("cp", TREE, &["cp", "-r", "--preserve=all", "tree", "copy"]),
        direct("sort", "seq 1 200 | shuf > in", &["sort", "-n", "in", "-o", "out"]),
        script("find-xargs", TREE, "find tree -type f -print0 | sort -z | xargs -0 -n 1 wc -l\n"),
        direct("du", TREE, &["du", "-a", "--apparent-size", "tree/a/b"]),
        direct(
            "dd",
            "",
            &["dd", "if=/dev/zero", "of=out", "bs=4k", "count=50", "conv=fsync", "status=none"],
        ),
        direct("stat", TREE, &["stat", "-L", "-c", "%n %s %a %U %y", "tree/a/b/link", "tree/c/x"]),
        direct("tail-f", TREE, &["timeout", "0.3", "tail", "-n", "2", "-f", "tree/a/numbers"])
            .ends_with(124),
        script("timeout-kill", "", "exec timeout -s KILL 0.2 sleep 10\n")
            .ends_with(137)
            .same_run("SIGCHLD reaches it before it kills itself, or does not"),
        script(
            "moves",
            TREE,
            "cd tree; mv a/numbers n; ln n hard; ln -sf n soft; rm -r c; mkdir -m 700 new\n\
             mkfifo pipe; chmod g+w n; truncate -s 7 n; cat n; rmdir new; readlink -f soft\n",
        ),
        script(
            "text-tools",
            TREE,
            "cat tree/a/numbers | tr 0-4 5-9 | cut -c1-2 | sort | uniq -c | head -n 5 | tee copy\n\
             sha256sum copy; wc -c copy; split -n 3 copy part; comm -12 copy copy | tac\n",
        ),
        script("ids", "", "id -un; uname -s; nice -n 3 nice; nohup true; env -i printenv; true\n"),
        direct("chroot", "", &["chroot", "--userspec=65534:65534", "/", "id", "-u"]),
    ]
}

pub fn shells() -> Vec<Case> {
    vec![
        direct(
            "bash-pipeline",
            "",
            &[
                "bash",
                "-c",
                "seq 1 1000 | grep 7 | while read n; do echo $((n * 2)); done | tail -3",
            ],
        ),
        // Job control wants a terminal, which script(1) gives.
        script(
            "bash-jobs",
            "",
            "exec script -qec \"bash -m -c \\\n\
             'exec 2>/dev/null; sleep 0.2 & jobs; fg; sleep 5 & kill %1; wait \\$!; echo \\$?'\" /dev/null\n",
        )
        .same_run(STOPS),
        script(
            "bash-stop-and-go",
            "",
            "exec script -qec \"bash -m -c \\\n\
             'sleep 0.3 & kill -STOP %1; sleep 0.1; jobs; bg %1; wait; echo ok'\" /dev/null\n",
        )
        .same_run(STOPS),
        direct(
            "bash-traps",
            "",
            &[
                "bash",
                "-c",
                "trap 'echo usr1' USR1; trap 'echo bye' EXIT; kill -USR1 $$; (exit 3); echo $?; \
                 diff <(seq 3) <(seq 4); echo ${PIPESTATUS[@]}; read x <<< here; echo $x; exit 5",
            ],
        )
        .ends_with(5),
        script("dash-signals", "", "trap 'echo int' INT; kill -INT $$; kill -TERM $$; echo no\n")
            .ends_with(143),
        direct(
            "busybox",
            TREE,
            &[
                "busybox",
                "sh",
                "-c",
                "busybox find tree -type f | busybox sort | busybox xargs busybox md5sum; \
                 busybox tar c tree | busybox gzip | busybox gunzip | busybox tar t | busybox wc -l",
            ],
        ),
        script(
            "sed-awk-grep",
            TREE,
            "sed -i 's/7/seven/' tree/a/numbers; awk '/seven/ { n++ } END { print n }' tree/a/numbers\n\
             grep -c seven tree/a/numbers; grep -r hello tree; diff tree/a/numbers tree/c/x | tail -1\n",
        ),
        script(
            "tar-xz",
            TREE,
            "tar -cf - tree | xz -T1 -6 > t.tar.xz; xz -t t.tar.xz; xz -dc t.tar.xz | tar -tvf -\n\
             tar -cJf u.tar.xz tree; mkdir out; tar -xJf u.tar.xz -C out; find out | sort\n",
        )
        .same_run("xz polls where its input is not there yet"),
        script(
            "xz-threads",
            TREE,
            "seq 1 400000 > big; xz -T2 --block-size=300KiB big; xz -lv big.xz | grep -c CRC\n",
        )
        .same_run(THREADS),
        script(
            "gzip",
            TREE,
            "gzip -k tree/a/numbers; gzip -l tree/a/numbers.gz | wc -l; zcat tree/a/numbers.gz | tail -1\n",
        ),
    ]
}

const PY_THREADS: &str = r#"
exec python3 - <<'END'
import queue, threading, concurrent.futures
q = queue.Queue(3)
lock = threading.Lock()
total = 0
def work():
    global total
    while (n := q.get()) is not None:
        with lock:
            total += n
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads: t.start()
for n in range(300): q.put(n)
for t in threads: q.put(None)
for t in threads: t.join()
with concurrent.futures.ThreadPoolExecutor(3) as pool:
    print(total, sum(pool.map(len, ["a", "bb", "ccc"])))
END
"#;

const PY_SUBPROCESS: &str = r"
exec python3 - <<'END'
import os, signal, subprocess
print(subprocess.run(['echo', 'one'], capture_output=True, text=True).stdout)
print(subprocess.run('exit 7', shell=True).returncode)
child = subprocess.Popen(['sleep', '10'], preexec_fn=os.setsid)
child.send_signal(signal.SIGTERM)
print(child.wait())
print(os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)[1])
pid = os.fork()
if pid == 0:
    os._exit(4)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
";

const PY_SIGNALS: &str = "
import os, select, signal, socket, time
hits = []
signal.signal(signal.SIGALRM, lambda *a: hits.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
end = time.monotonic() + 0.3
while time.monotonic() < end:
    select.select([], [], [], 0.1)
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(hits) > 3)
a, b = socket.socketpair()
a.sendall(b'x' * 1000)
print(len(b.recv(2000)))
poll = select.epoll()
poll.register(b, select.EPOLLIN)
print(poll.poll(0.05))
";

const PY_ASYNCIO: &str = r#"
exec python3 - <<'END'
import asyncio
async def main():
    async def serve(reader, writer):
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()
    server = await asyncio.start_server(serve, '127.0.0.1', 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b'hello\n')
    print(await reader.readline())
    process = await asyncio.create_subprocess_exec('echo', 'child', stdout=asyncio.subprocess.PIPE)
    print((await process.communicate())[0])
    print(await asyncio.to_thread(sum, [1, 2, 3]))
    writer.close()
    server.close()
asyncio.run(main())
END
"#;

const PY_POOL: &str = r#"
cat > pool.py <<'END'
import multiprocessing
def square(n):
    return n * n
if __name__ == '__main__':
    for how in 'fork', 'spawn':
        with multiprocessing.get_context(how).Pool(2) as pool:
            print(sum(pool.map(square, range(100))))
            pool.close()
            pool.join()
END
exec python3 pool.py
"#;

const PERL: &str = "
use strict; use POSIX; use Socket;
$| = 1;
pipe(my $r, my $w) or die;
my $pid = fork // die;
if (!$pid) { close $r; print $w 'from the child'; close $w; POSIX::_exit(3) }
close $w; print scalar(<$r>), \"\\n\"; waitpid($pid, 0); print $? >> 8, \"\\n\";
my @lines = `seq 3`; print scalar(@lines), \"\\n\";
local $SIG{ALRM} = sub { print \"alarm\\n\" }; alarm 1; select(undef, undef, undef, 3);
open(my $f, '>', 'file') or die; print $f 'text'; close $f; print -s 'file', \"\\n\";
socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die; syswrite $a, 'abc';
sysread $b, my $got, 10; print \"$got\\n\"; system('exit 2'); print $? >> 8, \"\\n\";
";

pub fn languages() -> Vec<Case> {
    vec![
        script("python-subprocess", "", PY_SUBPROCESS)
            .same_run("a child is killed before or after it reaches its own program"),
        direct("python-signals", "", &["/usr/bin/python3", "-c", PY_SIGNALS]),
        script("python-threads", "", PY_THREADS).same_run(THREADS),
        script("python-asyncio", "", PY_ASYNCIO).same_run(THREADS),
        script("python-pool", "", PY_POOL).same_run(THREADS),
        direct("perl", "", &["perl", "-e", PERL]),
        script("node", "", NODE).same_run(THREADS),
        script("go", GO_BUILD, "exec ./goroutines\n")
            .same_run("Go's scheduler starts threads and preempts them as it likes"),
    ]
}

/// Go's cache would lie in the home directory, which is the case's own and new for each run.
const GO_BUILD: &str = "[ -x \"$FIXTURES/goroutines\" ] || \
    GOCACHE=\"$FIXTURES/go-cache\" GO111MODULE=off CGO_ENABLED=0 \
        go build -o \"$FIXTURES/goroutines\" \"$SOURCES/go/goroutines.go\"; \
    cp \"$FIXTURES/goroutines\" .";

const NODE: &str = r#"
cat > main.js <<'END'
const fs = require('fs'), http = require('http'), crypto = require('crypto');
const { Worker, isMainThread, parentPort } = require('worker_threads');
const { execFileSync, spawn } = require('child_process');
if (!isMainThread) {
    parentPort.postMessage('worker');
} else (async () => {
    fs.writeFileSync('file', 'text'); console.log(fs.statSync('file').size);
    console.log((await fs.promises.readFile('file')).toString());
    console.log(execFileSync('echo', ['child']).toString());
    console.log(await new Promise(r => new Worker('./main.js').on('message', r)));
    console.log(await new Promise(r => crypto.pbkdf2('a', 'b', 1000, 8, 'sha256', (e, k) => r(k.toString('hex')))));
    // A handler alone does not keep node alive.
    const alive = setInterval(() => {}, 1000);
    await new Promise(r => { process.once('SIGUSR2', r); process.kill(process.pid, 'SIGUSR2'); });
    clearInterval(alive);
    console.log('usr2');
    const server = http.createServer((q, s) => s.end('answer'));
    await new Promise(r => server.listen(0, '127.0.0.1', r));
    await new Promise(r => http.get({ host: '127.0.0.1', port: server.address().port, agent: false }, a =>
        a.on('data', d => console.log(d.toString())).on('end', r)));
    await new Promise(r => server.close(r));
    await new Promise(r => spawn('sleep', ['0.05']).on('exit', r));
    console.log('slept');
})();
END
exec node main.js
"#;

const REPOSITORY: &str = "git init -q -b main repo; cd repo; git config user.email a@b; \
    git config user.name n; git config gc.auto 0; seq 1 300 > file; git add file; \
    GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' \
    git commit -q -m one; echo more >> file; git add file; \
    GIT_AUTHOR_DATE='2020-01-02T00:00:00Z' GIT_COMMITTER_DATE='2020-01-02T00:00:00Z' \
    git commit -q -m two";

const C_SOURCE: &str = "cat > main.c <<'END'
#include <stdio.h>
int main(void) { printf(\"compiled\\n\"); return 0; }
END
printf 'all: a b\\na: main.c\\n\\tcc -O1 -o a main.c\\nb: main.c\\n\\tcc -g -o b main.c\\n' > Makefile";

pub fn developer_tools() -> Vec<Case> {
    vec![
        script("git-clone", REPOSITORY, "git clone -q --no-hardlinks repo copy; git -C copy log --oneline\n")
            .same_run(THREADS),
        script("git-clone-pack", REPOSITORY, "git clone -q file://$PWD/repo copy; git -C copy fsck --no-progress; git -C copy log --stat\n")
            .same_run(THREADS),
        direct("git-log", REPOSITORY, &["git", "-C", "repo", "--no-pager", "log", "-p"]),
        direct("gcc", C_SOURCE, &["gcc", "-O2", "-Wall", "-o", "main", "main.c"]),
        script("make", C_SOURCE, "make -s -j2; ./a; ./b\n")
            .same_run("make's job server waits, or need not, as the jobs are scheduled"),
        script(
            "sqlite3",
            "",
            "sqlite3 db 'create table t(a integer primary key, b text); pragma journal_mode=wal;' \\\n\
             'with recursive n(i) as (select 1 union all select i+1 from n where i<2000) \\\n\
              insert into t select i, hex(i) from n; select count(*), max(b) from t; vacuum;'\n\
             sqlite3 db 'pragma journal_mode=delete; delete from t where a % 2; select sum(a) from t'\n",
        ),
        script("openssl", "", "openssl genpkey -algorithm ed25519 -out key; openssl pkey -in key -noout; \
               echo text | openssl dgst -sha256\n"),
    ]
}
