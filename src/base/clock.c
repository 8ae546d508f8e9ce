/*
 * clock.c - the time, in milliseconds.
 */
#include "config.h"

#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t
read_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t
clock_wall_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

int64_t
clock_mono_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

int64_t
clock_rough_ms(void)
{
#ifdef CLOCK_MONOTONIC_COARSE
	return read_ms(CLOCK_MONOTONIC_COARSE);
#else
	return clock_mono_ms();
#endif
}

int64_t
clock_mono_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void
clock_iso(int64_t wall_ms, char out[CLOCK_ISO_MAX])
{
	time_t s = (time_t)(wall_ms / 1000);
	char text[CLOCK_ISO_MAX];
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	/* The width is bounded by hand: gcc can't see that it fits. */
	snprintf(out, CLOCK_ISO_MAX, "%.19s.%03uZ", text,
	    (unsigned)(wall_ms % 1000) % 1000u);
}
