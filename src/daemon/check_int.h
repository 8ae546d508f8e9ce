/*
 * check_int.h - what check.c and check_ring.c share.
 */
#ifndef AC_DAEMON_CHECK_INT_H
#define AC_DAEMON_CHECK_INT_H

#include <stddef.h>

#include "base/attr.h"
#include "spool/check.h"
#include "spool/spool.h"
#include "wire/msg.h"

/*
 * Check the ring of an instance, or of one box of it, and make it anew if it
 * is wrong and that is asked for: from its good lines, and from the messages
 * in the boxes that it should have had.
 *
 *	dir, path	of inbox.jsonl
 *	boxes		whose messages it shows; only whole ones
 *	scratch		for parsing
 */
int	check_ring(struct check *, int dir, const char *path,
	    struct spool_box *const *boxes, size_t nboxes,
	    struct wire_msg *scratch) AC_NONNULL(1, 3, 6) AC_MUST_CHECK;

#endif
