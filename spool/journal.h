/*
 * journal.h - an append-only file of records, in segments.
 *
 * The truth of the relay, and of a daemon's outgoing queue. A position is a
 * byte offset in the whole journal since it was made: it only rises, names a
 * record for ever, and is what "stored up to here" means.
 *
 * On disk, little-endian; a segment file is named by its first position,
 * 16 hex digits:
 *
 *	u32 len		bytes of the body
 *	u32 crc		CRC32C of the position (u64), then type, pad and body
 *	u8  type	the caller's; 0 is the journal's own mark
 *	u8  pad[3]	0
 *	body, then zeros to a multiple of 8
 *
 * Behind the last record of the last segment there may be zeros, room for the
 * next ones: who overwrites them changes no file's length, and to sync that
 * costs a journaling file system half of what it costs to append. They are cut
 * off when the segment is left, or the journal is closed or opened.
 *
 * The position in the checksum keeps a stale or displaced record from being
 * taken for a good one. A mark holds the position up to which the journal was
 * synced when it was written; the first append after a sync writes one. At
 * open, bad bytes that no later mark vouches for are a torn tail and are cut
 * off; bad bytes below a mark are damage: -EUCLEAN, and only with repair is
 * the journal's readable rest kept and the damaged segment moved aside.
 *
 * One thread owns a journal; the sync's waiting may be done by another.
 */
#ifndef AC_SPOOL_JOURNAL_H
#define AC_SPOOL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/attr.h"
#include "base/buf.h"

#define JOURNAL_BODY_MAX (16u << 20)

struct journal;

/* pos: where the record starts; end: where the next one will. */
typedef int journal_fn(void *arg, uint8_t type, uint64_t pos, uint64_t end,
    const void *body, size_t len);

struct journal_report {
	uint64_t	records;	/* read at open, marks not counted */
	uint64_t	cut;		/* bytes of torn tail cut off, up to
					   the zeros that end it */
	uint64_t	damaged_at;	/* position of damage, if damaged */
	bool		damaged;
	/* Of journal_look() only. */
	uint64_t	lost;		/* bytes that can't be read as records */
	bool		gone;		/* some of them aren't there at all */
};

/*
 * Open or make the journal in a directory (borrowed fd, dup'ed), and call fn
 * for every record in order. seg_len: a new segment is begun when the current
 * one is longer. fn's negative result ends it and is returned. -EUCLEAN: see
 * above; report (may be NULL) says where.
 */
int	journal_open(struct journal **, int dir, uint64_t seg_len, bool repair,
	    journal_fn *, void *arg, struct journal_report *)
	    AC_NONNULL(1, 5) AC_MUST_CHECK;
void	journal_close(struct journal *);	/* NULL accepted */

/*
 * Read a journal that may be damaged, or somebody else's at the moment, and
 * change nothing: fn for every record that is good. cut is the torn tail that
 * an open would cut off. 0 whatever the damage; -ENOENT: there are no
 * segments; fn's negative result.
 */
int	journal_look(int dir, journal_fn *, void *arg, struct journal_report *)
	    AC_NONNULL(2, 4) AC_MUST_CHECK;

/*
 * Append a record to the batch in memory; copied. Returns the position it
 * will have, or 0 if memory is out or the body longer than JOURNAL_BODY_MAX
 * (then journal_commit() fails too, -ENOMEM or -EMSGSIZE). type is 1 to 255;
 * the body is the concatenation of iov.
 */
uint64_t journal_append(struct journal *, uint8_t type, const struct iovec *,
	    int iovcnt) AC_NONNULL(1);

/*
 * Write the batch. All or nothing: after an error the file is cut back to
 * where it was, the batch is forgotten, and positions handed out since the
 * last commit are void. -ENOMEM, -ENOSPC, ...: try again later. If even
 * cutting back fails, or a sync has, every later call that writes fails too.
 */
int	journal_commit(struct journal *) AC_NONNULL(1) AC_MUST_CHECK;

/* Forget the batch: its positions are void. */
void	journal_abandon(struct journal *) AC_NONNULL(1);

uint64_t journal_start(const struct journal *) AC_NONNULL(1); /* oldest kept */
uint64_t journal_end(const struct journal *) AC_NONNULL(1); /* committed */
uint64_t journal_synced(const struct journal *) AC_NONNULL(1);

/*
 * Sync in two halves. begin: 1 and the descriptor to fdatasync (borrowed,
 * valid until end) if something isn't synced, else 0; 0 also while one is
 * under way. end takes the worker's result, 0 or negative; an error is final
 * and returned. What was replayed at open is synced.
 */
int	journal_sync_begin(struct journal *, int *fd)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
int	journal_sync_end(struct journal *, int result)
	    AC_NONNULL(1) AC_MUST_CHECK;
/* Both halves at once, blocking. -EBUSY between begin and end. */
int	journal_sync(struct journal *) AC_NONNULL(1) AC_MUST_CHECK;

/*
 * Append the body of the committed record at pos to out; *type may be NULL.
 * -ENOENT: before journal_start(); -EUCLEAN: no good record there. A batch's
 * records can't be read before it is committed.
 */
int	journal_read(struct journal *, uint64_t pos, uint8_t *type,
	    struct buf *out) AC_NONNULL(1, 4) AC_MUST_CHECK;

/* Where the segment that holds pos begins: what journal_retire() leaves. */
uint64_t journal_floor(const struct journal *, uint64_t pos) AC_NONNULL(1);

/* Where the segment that holds pos ends; journal_end() in the last one. */
uint64_t journal_segment_end(const struct journal *, uint64_t pos)
	    AC_NONNULL(1);

/* Begin a new segment now. The batch must be committed. */
int	journal_rotate(struct journal *) AC_NONNULL(1) AC_MUST_CHECK;
/* Remove whole segments that lie below pos. */
int	journal_retire(struct journal *, uint64_t pos)
	    AC_NONNULL(1) AC_MUST_CHECK;

#endif
