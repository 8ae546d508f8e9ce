/*
 * outcome.h - what became of a message, as files in sent/ and failed/.
 */
#ifndef AC_DAEMON_OUTCOME_H
#define AC_DAEMON_OUTCOME_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

#define OUTCOME_NAME_MAX 256

/*
 * "<target>.<name>.<queue id>.json": target and name with every byte that
 * can't stand in a path component as '_', cut to what a file name holds.
 */
void	outcome_name(char out[OUTCOME_NAME_MAX], const char *target,
	    const char *name, uint64_t id) AC_NONNULL(1, 2, 3);

struct outcome {
	const char	*target, *name;	/* as above */
	uint64_t	 queue_id;
	const char	*id;		/* on the wire */
	int64_t		 queued_ms;
	int64_t		 ts;		/* the relay's; 0: unknown */
	uint64_t	 seq;		/* 0: none */
	const char	*msg_id;	/* NULL or "": none */
	const char	*reply;		/* JSON that answered it, or NULL */
	size_t		 reply_len;
};

/*
 * sent	dir/NAME: {"target","id","ts","seq","msg_id","queued_ms","reply"}
 * failed	dir/NAME: body, made JSON that outbox.jsonl takes if it was
 *		text; and dir/NAME.reason: why, on one line
 *
 * Replaced if they are there; durable only after the next spool_sync().
 */
int	outcome_sent(int dir, const struct outcome *)
	    AC_NONNULL(2) AC_MUST_CHECK;
int	outcome_failed(int dir, const struct outcome *, const char *body,
	    size_t len, const char *why) AC_NONNULL(2, 3, 5) AC_MUST_CHECK;

/*
 * Is this file of failed/ what outcome_failed() would write of the body? 1, 0
 * or -ENOMEM.
 */
int	outcome_is(const struct buf *file, const struct outcome *,
	    const char *body, size_t len) AC_NONNULL(1, 2, 3) AC_MUST_CHECK;

#endif
