/*
 * rnd.c - random bytes from the kernel.
 */
#include "config.h"

#include "base/rnd.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void
rnd_bytes(void *p, size_t len)
{
	char *at = p;

	while (len > 0) {
		ssize_t n = getrandom(at, len, 0);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			abort();
		at += n;
		len -= (size_t)n;
	}
}

void
rnd_name(char *out, size_t n)
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	for (size_t i = 0; i < n;) {
		unsigned char c;

		rnd_bytes(&c, 1);
		if (c < 252)	/* 7 * 36: beyond it the modulo is biased */
			out[i++] = set[c % 36];
	}
	out[n] = '\0';
}
