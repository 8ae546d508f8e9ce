/*
 * queue_int.h - what queue*.c, outbox.c, drop.c and lease.c share.
 */
#ifndef AC_SPOOL_QUEUE_INT_H
#define AC_SPOOL_QUEUE_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "base/attr.h"
#include "base/buf.h"
#include "spool/internal.h"
#include "spool/journal.h"
#include "spool/spool.h"

#define QUEUE_SEG_LEN	(UINT64_C(4) << 20)	/* bytes of a segment */
#define QUEUE_NONCE	16			/* characters */
#define QUEUE_VERSION	1
#define QUEUE_CALL_LEN	((size_t)4 << 20)	/* bytes taken in one call */

/* The records; queue.c says what is in them. */
enum { REC_META = 1, REC_ITEM, REC_DONE, REC_CURSOR };
#define QUEUE_BOOT	36			/* characters */
#define META_LEN	(12 + QUEUE_NONCE + QUEUE_BOOT)
#define ITEM_TAIL	44
#define CURSOR_LEN	20
#define ITEM_COST	128			/* about, beside the body */

/* An item in memory. A done one stays until the array is tidied up. */
struct queue_entry {
	uint64_t	 id;
	uint64_t	 pos;		/* done: distance to the next one */
	int64_t		 queued_ms;
	char		*names;		/* target, NUL, name, NUL; or
					   NULL: a line of the outbox */
	uint32_t	 len;
	bool		 done;
};

/*
 * How far an outbox file was read: inode, offset, and the CRC32C of all that
 * lies before it. inode 0: no file is known.
 */
struct queue_cursor {
	uint64_t	 ino;
	uint64_t	 off;
	uint32_t	 crc;
};

/* An outbox file, and in which role. Retired ones are read first. */
enum queue_role { ROLE_RETIRED, ROLE_CURRENT, ROLES };

struct queue_tail {
	struct queue_cursor cur;
	int		 fd;		/* -1: not open */
	uint64_t	 size;		/* when last looked */
	struct timespec	 ctime;		/* when the prefix was last verified */
	uint32_t	 near_crc;	/* of the bytes just before cur.off */
	int64_t		 grown_ms;	/* when size changed */
	/* Only in ROLE_RETIRED. */
	int64_t		 since_ms;	/* retired: nobody new can find it */
	int64_t		 lease_ms;	/* since when the lease is held */
	int64_t		 try_ms;	/* next attempt at the lease */
	int		 wait_ms;	/* between attempts */
	bool		 leased;
	bool		 no_lease;	/* the file system knows none */
	bool		 linked;	/* .outbox.retired is its name */
};

/* A file claimed from out/, still in queue/. */
enum claim_state { CLAIM_NEW, CLAIM_IN_BATCH, CLAIM_QUEUED };
struct queue_claim {
	uint64_t	 id;
	uint64_t	 end;		/* of the batch that has it */
	ino_t		 ino;
	off_t		 size;
	struct timespec	 mtime;
	char		*file;		/* "claim.ID.TARGET.NAME" */
	enum claim_state state;
};

/*
 * A box's out/, listed and sorted, while calls of spool_intake_drop() work
 * through it: twenty thousand files aren't listed for each batch of them.
 */
struct queue_drops {
	const struct spool_box *box;	/* NULL: none. Only compared. */
	struct spool_names	 list;
	struct queue_drop {
		const char	*name;	/* in list */
		struct timespec	 mtime;
	}		*drop;
	size_t		 n;
	size_t		 at;		/* the next to take */
	bool		 busy;		/* some were */
	int		 odd;		/* what to report at the end */
};

struct spool_queue {
	struct spool	*sp;
	struct journal	*j;
	int		 dir;		/* queue/ */
	char		 nonce[QUEUE_NONCE + 1];
	uint64_t	 next_id;

	struct queue_entry *e;		/* rising ids */
	size_t		 n;
	size_t		 cap;
	size_t		 ndone;
	size_t		 nfresh;	/* at the end, not committed yet */
	uint64_t	 live_len;	/* bytes of the items not done */
	struct spool_item view;		/* what spool_queue_next() shows */

	struct queue_seg {
		uint64_t start;
		size_t	 live;		/* items in it that are not done */
	}		*seg;		/* rising; the journal may have more */
	size_t		 nsegs;
	size_t		 seg_cap;
	uint64_t	 check_pos;	/* of the newest checkpoint */
	struct buf	 owed;		/* ids without their DONE yet */

	struct queue_tail tail[ROLES];
	bool		 cursor_dirty;	/* not yet in the journal as it is */
	bool		 cursor_put;	/* but in the batch */
	bool		 looked;	/* for .outbox.retired, since open */
	char		 boot[QUEUE_BOOT + 1]; /* the machine's, of the cursors */
	char		 boot_now[QUEUE_BOOT + 1];
	struct buf	 trail;		/* where the cursors have been before */
	uint64_t	 out_end;	/* journal end after the last line */
	struct buf	 in;		/* lines being read */

	struct queue_claim *claim;
	size_t		 nclaims;
	struct queue_drops drops;
	uint32_t	 odd[16];	/* reported, by checksum */
	unsigned	 nodd;
	char		 odd_name[256];	/* the one reported last */

	int64_t		(*mono_ms)(void);	/* the clock; tests set it */
	int		 idle_ms;	/* then retire; and this */
};

/*
 * A batch: begin, put any number of items, commit. It is all or nothing: an
 * error of commit (or queue_abandon()) forgets what was put, and the caller
 * sets its own cursors back. begin first puts what an earlier batch could not
 * commit.
 *
 * queue_put	id 0: the next one. tail: the role of the outbox file whose
 *		cursor goes with the item, or ROLES
 * queue_commit	-EAGAIN: no room on the disk now
 */
int	queue_begin(struct spool_queue *) AC_MUST_CHECK;
int	queue_put(struct spool_queue *, uint64_t id, const char *target,
	    const char *name, const void *body, size_t len,
	    enum queue_role tail) AC_MUST_CHECK;
int	queue_commit(struct spool_queue *) AC_MUST_CHECK;
void	queue_abandon(struct spool_queue *);

/* Write META and CURSOR, as they are now. */
int	queue_checkpoint(struct spool_queue *) AC_MUST_CHECK;

/*
 * queue_items.c
 *
 * queue_lower_bound	index of the first item whose id is not below id
 * queue_find		the item, if it isn't done; else NULL
 * queue_add_entry	in its place; takes over e->names unless it fails
 * queue_mark_done	forget all of it but its id
 * queue_tidy		throw out the done ones if they are many: indices and
 *			pointers are void
 * queue_join_names	*out is the caller's
 * queue_reserve_seg	room for one more in the table of segments
 * queue_seg_of		the segment that holds pos, entered if it isn't there:
 *			then there must be room
 */
size_t	queue_lower_bound(const struct spool_queue *, uint64_t id);
struct queue_entry *queue_find(const struct spool_queue *, uint64_t id);
int	queue_add_entry(struct spool_queue *, const struct queue_entry *)
	    AC_MUST_CHECK;
void	queue_mark_done(struct spool_queue *, struct queue_entry *);
void	queue_tidy(struct spool_queue *);
int	queue_join_names(const char *target, size_t tlen, const char *name,
	    size_t nlen, char **out) AC_MUST_CHECK;
int	queue_reserve_seg(struct spool_queue *) AC_MUST_CHECK;
struct queue_seg *queue_seg_of(struct spool_queue *, uint64_t pos);

/* Put a record that says that this id is used up. */
int	queue_put_done(struct spool_queue *, uint64_t id) AC_MUST_CHECK;

static inline bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* May the caller try again later? If not, the error is final. */
bool	queue_passing(int rc);

/* outbox.c: at the start and the end of a queue's life. */
void	outbox_init(struct spool_queue *);
void	outbox_fini(struct spool_queue *);

/*
 * lease.c: does anybody have the file open for writing?
 *
 * A read lease can be had only while nobody does, and whoever wants to start
 * waits until it is dropped (or for the kernel's patience, 45 s). fd must be
 * open for reading only.
 *
 * lease_take	1: nobody has, and the lease is held. 0: somebody has. Or an
 *		error: this file system, or this system, knows no leases
 * lease_held	still held, and nobody waits for it?
 */
int	lease_take(int fd) AC_MUST_CHECK;
bool	lease_held(int fd) AC_MUST_CHECK;
void	lease_drop(int fd);

/*
 * drop.c
 *
 * claims_open		what a crash left in queue/: remove what is queued
 * claims_put		put those that aren't into the batch
 * claims_committed	the batch was committed
 * claims_abandoned	it wasn't
 * claims_settle	remove those whose item is synced
 * claims_fini		forget them, and the list of drops
 * claims_lowest	the lowest id of those that aren't in the journal, or
 *			q->next_id
 */
int	claims_open(struct spool_queue *) AC_MUST_CHECK;
int	claims_put(struct spool_queue *) AC_MUST_CHECK;
void	claims_committed(struct spool_queue *);
void	claims_abandoned(struct spool_queue *);
uint64_t claims_lowest(const struct spool_queue *);
int	claims_settle(struct spool_queue *) AC_MUST_CHECK;
void	claims_fini(struct spool_queue *);

#endif
