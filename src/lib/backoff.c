/*
 * backoff.c - how long to wait before the next try.
 */
#include "config.h"

#include "lib/backoff.h"

int64_t
backoff_ms(unsigned tries, uint32_t random)
{
	int64_t all = tries < 6 ? (2 * BACKOFF_MIN_MS) << tries :
	    BACKOFF_MAX_MS;

	if (all > BACKOFF_MAX_MS)
		all = BACKOFF_MAX_MS;
	return all / 2 + (int64_t)(random % (uint32_t)(all / 2 + 1));
}
