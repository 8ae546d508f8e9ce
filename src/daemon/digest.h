/*
 * digest.h - unread.md: what is unread, newest first, in at most 8 KiB.
 */
#ifndef AC_DAEMON_DIGEST_H
#define AC_DAEMON_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "spool/spool.h"

#define DIGEST_MAX	8192	/* bytes */
#define DIGEST_TEXT_MAX	400	/* of one message's content */

struct digest;

int	digest_new(struct digest **) AC_NONNULL(1) AC_MUST_CHECK;
void	digest_free(struct digest *);	/* NULL accepted */

/* Take the newest messages of the box's new/. What can't be read is left. */
void	digest_add_box(struct digest *, struct spool_box *) AC_NONNULL(1, 2);

/* The text; total: how many are unread in all. */
void	digest_print(struct digest *, size_t total, struct buf *out)
	    AC_NONNULL(1, 3);

/*
 * A stranger's text as one line between quotes that can't be left: JSON's
 * escapes, and beyond them everything that isn't plain text (controls, bidi,
 * zero width), and what Markdown might take for more than a letter. At most
 * max bytes of it; *cut tells if there was more.
 */
void	digest_quote(struct buf *out, const char *, size_t len, size_t max,
	    bool *cut) AC_NONNULL(1, 2, 5);

#endif
