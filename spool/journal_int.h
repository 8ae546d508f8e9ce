/*
 * journal_int.h - what journal.c and replay.c share.
 */
#ifndef AC_SPOOL_JOURNAL_INT_H
#define AC_SPOOL_JOURNAL_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/le.h"
#include "spool/crc32c.h"
#include "spool/journal.h"

#define JOURNAL_HEAD	12	/* bytes before the body */
#define JOURNAL_AHEAD	(32u << 10)	/* bytes read at a time */
#define JOURNAL_MARK	0	/* the type of our own records */
#define JOURNAL_NAME	17	/* a segment's file name with its NUL */

struct journal_seg {
	uint64_t	 start;		/* position of its first byte */
	uint64_t	 used;		/* when last read, for the fd cache */
	int		 fd;		/* -1: not open */
};

struct journal {
	struct journal_seg *segs;	/* rising; the last is written to */
	size_t		 nsegs;
	uint64_t	 seg_len;
	uint64_t	 end;		/* committed */
	uint64_t	 room;		/* bytes of the last segment that the
					   file has or was asked to have */
	bool		 no_room;	/* this file system has no fallocate */
	uint64_t	 synced;
	uint64_t	 marked;	/* what the last committed mark says */
	uint64_t	 sync_to;	/* synced when the sync under way is */
	uint64_t	 tick;		/* of the fd cache */
	struct buf	 batch;
	uint64_t	 batch_marked;
	int		 batch_rc;	/* why the batch can't be committed */
	int		 dir;
	int		 sync_fd;	/* being synced, or -1 */
	int		 dead;		/* the error that ended all writing */
	uint64_t	 ahead_pos;	/* of the block read last */
	size_t		 ahead_len;
	uint8_t		 ahead[JOURNAL_AHEAD];
};

/* What a record with a body of len bytes takes on disk. */
static inline size_t
journal_size(size_t len)
{
	return (JOURNAL_HEAD + len + 7) & ~(size_t)7;
}

/* The checksum so far: the position, then the 4 bytes from type on. */
static inline uint32_t
journal_crc(uint64_t pos, const uint8_t *head)
{
	uint8_t le[8];

	put_le64(le, pos);
	return crc32c(crc32c(0, le, sizeof(le)), head + 8, 4);
}

void	journal_seg_name(char out[JOURNAL_NAME], uint64_t start);

/* Cut a segment's file to len bytes. 0 or negative. */
int	journal_cut(int fd, uint64_t len);

/* fdatasync (or fsync), again after EINTR. 0 or negative. */
int	journal_flush(int fd, bool all);

/*
 * replay.c: read the segments in j->segs (all closed) through fn, cut off a
 * torn tail, mend damage if that is asked for. After 0 the last segment is
 * open for writing, and end, synced and marked are set, synced in earnest; but
 * with JOURNAL_LOOK all is closed and as it was.
 */
enum journal_how { JOURNAL_OPEN, JOURNAL_REPAIR, JOURNAL_LOOK };
int	journal_replay(struct journal *, enum journal_how, journal_fn *,
	    void *arg, struct journal_report *) AC_MUST_CHECK;

#endif
