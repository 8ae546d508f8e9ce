/*
 * eyes.h - wait until something has happened in the local spool.
 */
#ifndef AC_CLI_EYES_H
#define AC_CLI_EYES_H

#include <stdint.h>

#include "cli/inst.h"

struct eyes;

/*
 * Watch an instance for the hints (enum spool_hint). Boxes are watched too if
 * SPOOL_HINT_NEW is among them, also those that are made later.
 */
int	eyes_open(struct eyes **, struct inst *, unsigned wants)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
void	eyes_close(struct eyes *);	/* NULL accepted */

/*
 * Return when it is time to look: something has happened, or timeout_ms is
 * over, or a while has passed without news (events can be lost).
 */
void	eyes_wait(struct eyes *, int64_t timeout_ms) AC_NONNULL(1);

#endif
