/*
 * cursor.h - resume positions: what of each channel and of the mailbox is
 * durably ours. The file is text, in blocks, of which the later count; in the
 * first are all positions, in the others those that have changed:
 *
 *	agentchat-cursor 2
 *	local 17
 *	mailbox 5 EPOCH
 *	channel #general 1234 EPOCH
 *	channel #dev 7 EPOCH
 *	end 0d1f3a9c
 *	channel #general 1235 EPOCH
 *	end 53c0ffee
 *
 * EPOCH is "-" where the relay has none. A position is (epoch, seq): the
 * epoch of the line, not one for the whole file, because after a relay began
 * a new numbering each channel is caught up by itself. "end" has the CRC32C
 * of the lines of its block. One that is not whole, at the end of the file,
 * is what a crash cut off; nobody relied on it. (Version 1 was one block,
 * without its end.)
 */
#ifndef AC_DAEMON_CURSOR_H
#define AC_DAEMON_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/map.h"

#define CURSOR_EPOCH_MAX 129	/* with its NUL */
#define CURSOR_NAME_MAX	66

struct cursor_pos {
	char		 name[CURSOR_NAME_MAX];	/* "": the mailbox */
	char		 epoch[CURSOR_EPOCH_MAX];
	uint64_t	 seq;
	bool		 changed;		/* since it was printed */
};

struct cursor {
	uint64_t		 local;		/* for messages without a seq */
	uint64_t		 local_printed;
	struct cursor_pos	 mailbox;
	struct map		 channels;	/* name to cursor_pos, owned */
	bool			 renew;		/* not to be appended to */
};

void	cursor_init(struct cursor *) AC_NONNULL(1);
void	cursor_fini(struct cursor *) AC_NONNULL(1);

/* The position of a channel, or NULL. Borrowed until it is forgotten. */
const struct cursor_pos *cursor_get(const struct cursor *, const char *name)
	    AC_NONNULL(1, 2);
/* Set it. -EINVAL: an epoch that can't stand in the file. */
int	cursor_set(struct cursor *, const char *name, const char *epoch,
	    uint64_t seq) AC_NONNULL(1, 2, 3) AC_MUST_CHECK;
int	cursor_set_mailbox(struct cursor *, const char *epoch, uint64_t seq)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
void	cursor_forget(struct cursor *, const char *name) AC_NONNULL(1, 2);

/* May this epoch stand in the file: printable, no space, not too long? */
bool	cursor_epoch_ok(const char *epoch) AC_NONNULL(1);

/*
 * What is to be in the file, appended to out: all of it, or what has changed
 * since it was printed, to be appended to the file. True if it is all: when
 * that is asked for, or needed because a channel was forgotten, or because of
 * how the file that was read ended.
 */
bool	cursor_print(struct cursor *, bool all, struct buf *out)
	    AC_NONNULL(1, 3);
/* Read it into an initialised, empty cursor. -EINVAL: damaged, or no cursor. */
int	cursor_parse(struct cursor *, const char *text, size_t len)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
/* The same of a damaged one: whatever line is good. */
void	cursor_salvage(struct cursor *, const char *text, size_t len)
	    AC_NONNULL(1, 2);

#endif
