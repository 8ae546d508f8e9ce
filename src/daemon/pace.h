/*
 * pace.h - a token bucket: the relay's, as we keep it on our side.
 */
#ifndef AC_DAEMON_PACE_H
#define AC_DAEMON_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

struct pace {
	double	rate;		/* tokens per second */
	double	burst;		/* most that it holds */
	double	tokens;
	int64_t	at_ms;		/* monotonic: when tokens was right */
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
 * The relay says RATE_LIMITED although we kept to it: its clock or its rule is
 * another. Empty the bucket, and allow less at once; where that is one
 * message already, slow down a little. For this session.
 */
void	pace_refused(struct pace *, int64_t now_ms) AC_NONNULL(1);

#endif
