/*
 * crowd THREADS SECONDS: so many threads are alive at once; all but one sleep, and that one reads a
 * byte of /dev/zero again and again until the time is over. What a tracer needs for many threads,
 * and how long one of them is kept when all are given a filter.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static pthread_barrier_t all_there, over;

static void *sleeper(void *unused)
{
	pthread_barrier_wait(&all_there);
	pthread_barrier_wait(&over);
	return unused;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	int threads = argc > 2 ? atoi(argv[1]) : 0, zero = open("/dev/zero", O_RDONLY);
	char c;
	if (threads < 1 || zero == -1) {
		fprintf(stderr, "usage: %s THREADS SECONDS\n", argv[0]);
		return 2;
	}
	pthread_t *thread = calloc((size_t)threads, sizeof(*thread));
	pthread_attr_t attr;
	pthread_barrier_init(&all_there, NULL, (unsigned)threads);
	pthread_barrier_init(&over, NULL, (unsigned)threads);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (int i = 1; i < threads; i++) {
		if (pthread_create(&thread[i], &attr, sleeper, NULL) != 0) {
			fprintf(stderr, "only %d threads are allowed here\n", i);
			return 1;
		}
	}
	pthread_barrier_wait(&all_there);
	for (double end = now() + atof(argv[2]); now() < end;) {
		for (int i = 0; i < 100; i++) {
			if (read(zero, &c, 1) != 1)
				return 1;
		}
	}
	pthread_barrier_wait(&over);
	for (int i = 1; i < threads; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
