/*
 * clock.h - the time, in milliseconds.
 */
#ifndef AC_BASE_CLOCK_H
#define AC_BASE_CLOCK_H

#include <stdint.h>

#include "base/attr.h"

#define CLOCK_ISO_MAX 25	/* "2026-02-02T12:34:56.789Z" and a NUL */

/* Since 1970, UTC; may jump either way. */
int64_t	clock_wall_ms(void);

/* Since some point in the past; never goes back. For spans and timers. */
int64_t	clock_mono_ms(void);
int64_t	clock_mono_us(void);	/* the same in microseconds */
int64_t	clock_rough_ms(void);	/* up to 10 ms late, and next to free */

/* ISO 8601 in UTC with milliseconds, as JavaScript's toISOString(). */
void	clock_iso(int64_t wall_ms, char out[CLOCK_ISO_MAX]) AC_NONNULL(2);

#endif
