/*
 * bench.h - what the measuring programs share: a clock, samples, output.
 *
 * They print lines of "name<TAB>value<TAB>unit"; bench.py runs them several
 * times, takes medians and puts ratios beside them.
 */
#ifndef AC_BENCH_H
#define AC_BENCH_H

#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static inline void
say(const char *name, double value, const char *unit)
{
	printf("%s\t%.6g\t%s\n", name, value, unit);
	fflush(stdout);
}

/* How many a second, done since. */
static inline void
say_rate(const char *name, int64_t count, int64_t since_ns)
{
	say(name, (double)count * 1e9 / (double)(now_ns() - since_ns), "/s");
}

static inline int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Sorts the samples, nanoseconds. */
static inline void
say_latency(const char *name, int64_t *ns, size_t n)
{
	char text[64];

	if (n == 0)
		return;
	qsort(ns, n, sizeof(*ns), by_value);
	snprintf(text, sizeof(text), "%s p50", name);
	say(text, (double)ns[n / 2] / 1000, "us");
	snprintf(text, sizeof(text), "%s p99", name);
	say(text, (double)ns[(n - 1) * 99 / 100] / 1000, "us");
}

#endif
