/*
 * pace.h - a token bucket: the relay's, as we keep it on our side.
 */
#ifndef AC_LIB_PACE_H
#define AC_LIB_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

struct pace {
	double	rate;		/* tokens per second */
	double	burst;		/* most that it holds */
	double	told_rate, told_burst;	/* what the relay said */
	double	tokens;
	int64_t	at_ms;		/* monotonic: when tokens was right */
	int64_t	cut_ms;		/* when it was last slowed down */
	int64_t	held_ms;	/* nothing before this time */
};

/*
 * Full at now_ms. A rate the relay doesn't tell (0) is taken for the
 * protocol's default, 1 per second after a burst of 10.
 */
void	pace_init(struct pace *, double rate, double burst, int64_t now_ms)
	    AC_NONNULL(1);
/* Take a token, or return false. */
bool	pace_take(struct pace *, int64_t now_ms) AC_NONNULL(1);
/* Milliseconds until there is a token; 0: now. */
int64_t	pace_wait_ms(const struct pace *, int64_t now_ms) AC_NONNULL(1);
/*
 * The relay says RATE_LIMITED of what was sent at sent_ms. With retry_ms > 0
 * it takes nothing now, at whatever rate: wait so long. Else, since we kept to
 * what it told, its clock or its rule is another: empty the bucket, and allow
 * less at once; where that is one message already, slow down a little. What
 * was on its way when we did so tells nothing new. With each message sent
 * after that it is a little more again.
 */
void	pace_refused(struct pace *, int64_t sent_ms, int64_t retry_ms,
	    int64_t now_ms) AC_NONNULL(1);

#endif
