/*
 * backoff.h - how long to wait before the next try: lib's own.
 */
#ifndef AC_LIB_BACKOFF_H
#define AC_LIB_BACKOFF_H

#include <stdint.h>

#define BACKOFF_MIN_MS	500
#define BACKOFF_MAX_MS	60000

/*
 * The wait before try number `tries` (the first retry is 0): a second, doubled
 * each time up to a minute, of which a random half is taken away, so that the
 * clients of a relay that died don't come back in one moment.
 */
int64_t	backoff_ms(unsigned tries, uint32_t random);

#endif
