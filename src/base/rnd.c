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

	unsigned char c[16];

	for (size_t i = 0; i < n;) {
		rnd_bytes(c, sizeof(c));
		for (size_t k = 0; k < sizeof(c) && i < n; k++)
			if (c[k] < 252)	/* 7 * 36: above, % is biased */
				out[i++] = set[c[k] % 36];
	}
	out[n] = '\0';
}
