/*
 * filtered NUMBERS PROGRAM [ARGUMENT...]: runs the program under a filter that allows the system
 * calls of these numbers (x86-64, "0,1,24"), whose default action is SECCOMP_RET_TRACE, and which
 * nobody traces: what the filter alone costs. Any other call is answered with ENOSYS.
 */
#define _GNU_SOURCE
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_NUMBERS 400

static struct sock_filter filter[2 * MAX_NUMBERS + 16];
static unsigned short length;

static void put(unsigned short code, unsigned int k, unsigned char yes, unsigned char no)
{
	filter[length++] = (struct sock_filter){ code, yes, no, k };
}

static void allow(unsigned int number)
{
	put(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
	put(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: %s NUMBERS PROGRAM [ARGUMENT...]\n", argv[0]);
		return 2;
	}
	put(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	put(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	put(BPF_RET | BPF_K, SECCOMP_RET_TRACE, 0, 0);
	put(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	allow(SYS_execve);
	char *p = argv[1];
	for (int n = 0; n < MAX_NUMBERS && *p != 0; n++) {
		allow((unsigned int)strtoul(p, &p, 10));
		if (*p == ',')
			p++;
	}
	put(BPF_RET | BPF_K, SECCOMP_RET_TRACE, 0, 0);
	struct sock_fprog program = { length, filter };
	/* As root nothing changes but the filter; others cannot install one without. */
	if (geteuid() != 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1) {
		perror("PR_SET_NO_NEW_PRIVS");
		return 1;
	}
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) == -1) {
		perror("seccomp");
		return 1;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
