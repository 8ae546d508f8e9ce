/*
 * outbox_int.h - what outbox*.c share; outbox.c tells the whole of it.
 */
#ifndef AC_SPOOL_OUTBOX_INT_H
#define AC_SPOOL_OUTBOX_INT_H

#include <stdint.h>
#include <sys/stat.h>

#include "base/attr.h"
#include "spool/queue_int.h"

#define OUTBOX_NAME		"outbox.jsonl"
#define OUTBOX_RETIRED		".outbox.retired"
#define OUTBOX_IDLE_MS		100	/* no growth: time to retire */
#define OUTBOX_SYNC_MS		10	/* until a sync has ended */
#define OUTBOX_TRY_MAX_MS	1000	/* until another try, at the most */

/* Call again in ms, if not sooner. *again_ms is -1: never, so far. */
static inline void
outbox_sooner(int *again_ms, int64_t ms)
{
	if (ms < 1)
		ms = 1;
	if (*again_ms < 0 || ms < *again_ms)
		*again_ms = (int)ms;
}

/*
 * outbox_file.c. Errors are negative errnos; of one of these, nothing else
 * has to be undone.
 *
 * outbox_find_retired	at start: what a crash left of a retirement. 0
 * outbox_find_current	has another file got the name? Then it is the
 *			current one: 1. Else 0. -EMLINK: it has other names
 * outbox_take_file	an open file (owned) becomes the one of this role. 0
 * outbox_look		has it grown, is it still what we have read? If not,
 *			its cursor is set back. 0
 * outbox_note_near	after the cursor has moved: remember what lies just
 *			before it, where all of it is too much to verify. 0
 * outbox_settle_boot	the files of the last boot are found: from here on
 *			this one counts
 */
int	outbox_find_retired(struct spool_queue *) AC_MUST_CHECK;
int	outbox_find_current(struct spool_queue *) AC_MUST_CHECK;
int	outbox_take_file(struct spool_queue *, struct queue_tail *, int fd,
	    const struct stat *) AC_MUST_CHECK;
int	outbox_look(struct spool_queue *, struct queue_tail *) AC_MUST_CHECK;
int	outbox_note_near(struct queue_tail *) AC_MUST_CHECK;
void	outbox_settle_boot(struct spool_queue *);

/*
 * outbox_retire.c
 *
 * outbox_retire	is it time to start with an empty file? Then do it. 0
 * outbox_settle	is the retired file done with? Then remove it. 0
 */
int	outbox_retire(struct spool_queue *, int *again_ms) AC_MUST_CHECK;
int	outbox_settle(struct spool_queue *, int *again_ms) AC_MUST_CHECK;

#endif
