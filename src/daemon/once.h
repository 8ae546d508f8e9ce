/*
 * once.h - no encrypted message twice: the file enc_seen.
 *
 * Nobody but its sender can make a box, but a relay could deliver one again.
 * So those that were opened are remembered, by sender and message id. Of each
 * sender whose oldest ones are forgotten, the time up to which they are is
 * kept, and nothing older is taken: so what is forgotten isn't new again.
 */
#ifndef AC_DAEMON_ONCE_H
#define AC_DAEMON_ONCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct once;

enum once_word { ONCE_NEW, ONCE_AGAIN, ONCE_TOO_OLD };

/* What a message is known by, and its place in our mailbox. Borrowed. */
struct once_msg {
	const char	*from, *id;
	int64_t		 ts;		/* the sender's */
	const char	*epoch;		/* of the mailbox; "" if none */
	uint64_t	 mailbox_seq;	/* 0: none */
};

/*
 * Read dir/enc_seen, which is cut to the newest max on the way. epoch and
 * mailbox_seq: how far the mailbox was had for good; what was noted beyond
 * that comes again, and is new. dir is borrowed.
 */
int	once_open(struct once **, int dir, size_t max, const char *epoch,
	    uint64_t mailbox_seq) AC_NONNULL(1, 4) AC_MUST_CHECK;
void	once_free(struct once *);		/* NULL accepted */

enum once_word once_ask(const struct once *, const struct once_msg *)
	    AC_NONNULL(1, 2);
/*
 * It is staged: remember it. The file is written, not synced. An error means
 * that it is remembered until the end of this process only, or (-ENOMEM) not.
 */
int	once_note(struct once *, const struct once_msg *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

#endif
