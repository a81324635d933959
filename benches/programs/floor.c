/*
 * floor PROGRAM [ARGUMENT...]: runs the program and stops every thread of it and of its children
 * before and after every system call, with nothing done at the stops. No tracer that has every call
 * stop can cost less: the floor that the others are measured against.
 *
 * Ends when the last tracee has ended, with the program's status. SIGINT and SIGTERM are ignored:
 * who wants the end tells the program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | \
		 PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)

static void must(long result, const char *what)
{
	if (result == -1) {
		perror(what);
		exit(1);
	}
}

/* What a stopped thread goes on with: the request, and the signal that it gets. */
static void resume(pid_t tid, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;
	if (sig == (SIGTRAP | 0x80) || (event != 0 && event != PTRACE_EVENT_STOP))
		ptrace(PTRACE_SYSCALL, tid, 0, 0);
	else if (event == PTRACE_EVENT_STOP && sig != SIGTRAP)
		ptrace(PTRACE_LISTEN, tid, 0, 0);
	else
		ptrace(PTRACE_SYSCALL, tid, 0, event == PTRACE_EVENT_STOP ? 0 : sig);
}

int main(int argc, char **argv)
{
	int gate[2], status, code = 1;
	char c;
	if (argc < 2) {
		fprintf(stderr, "usage: %s PROGRAM [ARGUMENT...]\n", argv[0]);
		return 2;
	}
	must(pipe(gate), "pipe");
	pid_t child = fork();
	must(child, "fork");
	if (child == 0) {
		close(gate[1]);
		if (read(gate[0], &c, 1) != 0)
			_exit(1);
		close(gate[0]);
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	must(ptrace(PTRACE_SEIZE, child, 0, OPTIONS), "PTRACE_SEIZE");
	must(ptrace(PTRACE_INTERRUPT, child, 0, 0), "PTRACE_INTERRUPT");
	close(gate[0]);
	close(gate[1]);
	for (;;) {
		pid_t tid = waitpid(-1, &status, __WALL);
		if (tid == -1 && errno == EINTR)
			continue;
		if (tid == -1)
			break;
		if (WIFSTOPPED(status))
			resume(tid, status);
		else if (tid == child)
			code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	return code;
}
