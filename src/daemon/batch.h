/*
 * batch.h - staged messages that are synced and published together.
 *
 * A batch is the loop's while it grows and the worker's while that is busy:
 * batch_sync() and batch_rename() are for the worker, all else is for the
 * loop.
 */
#ifndef AC_DAEMON_BATCH_H
#define AC_DAEMON_BATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "daemon/cursor.h"
#include "spool/spool.h"

/* A message in tmp/, on its way to new/ or cur/. */
struct staged {
	struct staged	*next;
	char		 box[SPOOL_BOX_MAX];
	char		 name[SPOOL_NAME_MAX];
	char		 epoch[CURSOR_EPOCH_MAX];
	uint64_t	 seq;		/* of its channel; 0: none */
	uint64_t	 mailbox_seq;	/* 0: none */
	uint64_t	 local;		/* our counter, for one without seq */
	bool		 read;		/* our own: to cur/ */
	bool		 in_rings, published;
	int		 fd;		/* of the file, if it is held; or -1 */
	bool		 planned;	/* move says where it is to go, and */
	bool		 moved;		/* batch_rename() has put it there */
	struct spool_move move;
	size_t		 len;
	char		 line[];	/* without newline */
};

struct batch {
	struct staged	*head, **tail;
	size_t		 count, bytes;
	size_t		 held;		/* so many of its files are open */
	bool		 deep;		/* everything is to be synced: it has
					   other files, or left more elsewhere */
};

/* Files to be shown per look whether their box is there. */
#define BATCH_GLANCE 32

/* Files whose bytes are synced one by one; of more, everything is. */
#define BATCH_SINGLY 16

void	batch_init(struct batch *) AC_NONNULL(1);
/* Frees and closes what it has; it is empty then. */
void	batch_fini(struct batch *) AC_NONNULL(1);
/* Owned from here on, with its descriptor. */
void	batch_add(struct batch *, struct staged *) AC_NONNULL(1, 2);
/* All of from, which is empty then; to is overwritten. */
void	batch_take(struct batch *to, struct batch *from) AC_NONNULL(1, 2);

/* Close its files: then all of it is to be synced. False: it has none open. */
bool	batch_shed(struct batch *) AC_NONNULL(1);

/* Make its files durable and close them. As spool_sync(). */
int	batch_sync(struct batch *, const struct spool *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
/*
 * Rename in their order those that are planned, up to the first that isn't or
 * for which it fails: so what is shown is shown in order. Or until *stop.
 */
void	batch_rename(struct batch *, const atomic_bool *stop)
	    AC_NONNULL(1, 2);

#endif
