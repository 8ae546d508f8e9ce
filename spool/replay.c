/*
 * replay.c - read a journal from its start, cut a torn tail, mend damage.
 *
 * Writeback is not in order: after a power cut the bytes since the last sync
 * may have holes with good records behind them. That is a torn tail, and all
 * of it goes, as nobody was told that it was safe. The same hole below the
 * last sync is damage. What tells them apart is a mark behind it that says
 * "synced up to beyond this"; and in any segment but the last, the mere
 * existence of the next one (journal.c syncs before it rotates).
 *
 * Zeros at the end of the last segment are neither: journal.c made them ready
 * for records to come.
 *
 * To look for the next good record behind bad bytes is to try every multiple
 * of 8. A body can't play a record there unless it holds zero bytes and knows
 * its own position; the texts that we keep have no zero bytes.
 *
 * Mending keeps all positions: the segment is written anew with each hole
 * filled by marks that vouch for nothing, and takes the old one's name; the
 * damaged bytes stay beside it as NAME.damaged for whoever wants to look.
 */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/internal.h"
#include "spool/journal_int.h"

#define CHUNK		(1u << 20)		/* bytes of one read */
#define HOLE_MAX	(UINT64_C(4) << 30)	/* more can't be a lost file */
#define RECORD_MIN	16
#define SIDE_NAME	(JOURNAL_NAME + 24)	/* NAME.damaged, NAME.mended */

/* A sliding view of one segment file. */
struct view {
	uint8_t		*p;
	size_t		 cap;
	size_t		 len;	/* bytes in p */
	uint64_t	 off;	/* where in the file they are from */
	uint64_t	 size;	/* of the file */
	uint64_t	 used;	/* of it, to where it ends in zeros */
	uint64_t	 base;	/* position of its first byte */
	int		 fd;
};

struct record {
	const uint8_t	*body;	/* in the view: gone at the next look */
	size_t		 len;
	size_t		 size;
	uint8_t		 type;
};

struct replay {
	struct journal	*j;
	enum journal_how how;
	journal_fn	*fn;
	void		*arg;
	struct journal_report *report;
	struct view	 v;
};

static int
fill_view(struct view *v, uint64_t off, size_t n)
{
	size_t want = n > CHUNK ? n : CHUNK;
	ssize_t got;
	uint8_t *p;

	if (v->cap < want) {
		p = realloc(v->p, want);
		if (p == NULL)
			return -ENOMEM;
		v->p = p;
		v->cap = want;
	}
	v->off = off;
	v->len = 0;
	while (v->len < want && off + v->len < v->size) {
		got = pread(v->fd, v->p + v->len, want - v->len,
		    (off_t)(off + v->len));
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return -errno;
		if (got == 0)
			break;
		v->len += (size_t)got;
	}
	return 0;
}

/* n bytes at off: 1 and where they are; 0: not in the file; or an error. */
static int
look(struct view *v, uint64_t off, size_t n, const uint8_t **out)
{
	int rc;

	if (off > v->size || n > v->size - off)
		return 0;
	if (off < v->off || off - v->off > v->len ||
	    n > v->len - (size_t)(off - v->off)) {
		rc = fill_view(v, off, n);
		if (rc < 0)
			return rc;
		if (v->len < n)
			return 0;
	}
	*out = v->p + (off - v->off);
	return 1;
}

/* Is there a good record at off? 1, 0, or an error. */
static int
check(struct view *v, uint64_t off, struct record *rec)
{
	const uint8_t *head;
	size_t len;
	int rc;

	rc = look(v, off, JOURNAL_HEAD, &head);
	if (rc <= 0)
		return rc;
	len = get_le32(head);
	if (len > JOURNAL_BODY_MAX || head[9] != 0 || head[10] != 0 ||
	    head[11] != 0)
		return 0;
	rec->size = journal_size(len);
	rc = look(v, off, rec->size, &head);
	if (rc <= 0)
		return rc;
	rec->type = head[8];
	rec->body = head + JOURNAL_HEAD;
	rec->len = len;
	return crc32c(journal_crc(v->base + off, head), rec->body, len) ==
	    get_le32(head + 4);
}

/* The first good record at *off or above, before end. 1, 0, or an error. */
static int
find_good(struct view *v, uint64_t *off, uint64_t end, struct record *rec)
{
	int rc = 0;

	for (; *off < end; *off += 8) {
		rc = check(v, *off, rec);
		if (rc != 0)
			break;
	}
	return rc;
}

/* Where the bad bytes at off, which is below limit, end. */
static int
skip_bad(struct view *v, uint64_t off, uint64_t limit, uint64_t *next)
{
	struct record rec;
	int rc;

	*next = off + RECORD_MIN;
	rc = find_good(v, next, limit, &rec);
	if (rc < 0)
		return rc;
	if (rc == 0 || rec.size > limit - *next)
		*next = limit;
	return 0;
}

static uint64_t
mark_value(const struct record *rec)
{
	if (rec->type != JOURNAL_MARK || rec->len < 8)
		return 0;
	return get_le64(rec->body);
}

/* Does a mark behind the bad bytes at off say that they were synced? */
static int
vouched(struct view *v, uint64_t off)
{
	struct record rec;
	uint64_t at = off + 8;
	int rc;

	while ((rc = find_good(v, &at, v->used, &rec)) == 1) {
		uint64_t value = mark_value(&rec);

		if (value > v->base + off && value <= v->base + at)
			return 1;
		at += rec.size;
	}
	return rc;
}

/* --------------------------------------------------------------- mending */

/* Fill [off, end) with marks of value 0; their bodies are holes. */
static int
fill_hole(int fd, uint64_t base, uint64_t off, uint64_t end)
{
	static const uint8_t zeros[4096];
	uint8_t head[JOURNAL_HEAD];
	uint64_t left = end - off;
	int rc;

	if (left < RECORD_MIN || left > HOLE_MAX || left % 8 != 0)
		return -EUCLEAN;
	while (left > 0) {
		uint64_t size = left;
		uint32_t crc;

		if (size > JOURNAL_BODY_MAX)
			size = JOURNAL_BODY_MAX / 2;
		memset(head, 0, sizeof(head));
		put_le32(head, (uint32_t)(size - JOURNAL_HEAD));
		crc = journal_crc(base + off, head);
		for (uint64_t n = size - JOURNAL_HEAD; n > 0;) {
			size_t k = n < sizeof(zeros) ? n : sizeof(zeros);

			crc = crc32c(crc, zeros, k);
			n -= k;
		}
		put_le32(head + 4, crc);
		rc = fs_pwrite_all(fd, head, sizeof(head), (off_t)off);
		if (rc < 0)
			return rc;
		off += size;
		left -= size;
	}
	return 0;
}

/* Copy [off, off + len) of the view's file to the same place in fd. */
static int
copy_range(struct view *v, int fd, uint64_t off, uint64_t len)
{
	const uint8_t *p;
	int rc;

	while (len > 0) {
		size_t n = len < CHUNK ? (size_t)len : CHUNK;

		rc = look(v, off, n, &p);
		if (rc == 0)
			rc = -EIO;
		if (rc > 0)
			rc = fs_pwrite_all(fd, p, n, (off_t)off);
		if (rc < 0)
			return rc;
		off += n;
		len -= n;
	}
	return 0;
}

/* What can be saved of the view's file, to fd. end: 0 in the last segment. */
static int
copy_mended(struct view *v, int fd, uint64_t end)
{
	uint64_t limit = end != 0 ? end : v->size;
	uint64_t off = 0, next;
	struct record rec;
	int rc;

	while (off < limit) {
		rc = check(v, off, &rec);
		if (rc == 1 && rec.size <= limit - off) {
			rc = copy_range(v, fd, off, rec.size);
			if (rc < 0)
				return rc;
			off += rec.size;
			continue;
		}
		if (rc >= 0 && end == 0)
			rc = vouched(v, off);
		if (rc < 0)
			return rc;
		if (rc == 0 && end == 0)
			break;		/* from here on a torn tail */
		rc = skip_bad(v, off, limit, &next);
		if (rc == 0)
			rc = fill_hole(fd, v->base, off, next);
		if (rc < 0)
			return rc;
		off = next;
	}
	return journal_cut(fd, off);
}

/* Keep the damaged file under a name of its own, for ever. */
static int
keep_damaged(struct replay *r, const char *name)
{
	char side[SIDE_NAME];
	int fd, rc;

	snprintf(side, sizeof(side), "%s.damaged", name);
	for (int i = 1;; i++) {
		fd = fs_create(r->j->dir, side);
		if (fd != -EEXIST || i == 100)
			break;
		snprintf(side, sizeof(side), "%s.damaged%d", name, i);
	}
	if (fd < 0)
		return fd;
	rc = copy_range(&r->v, fd, 0, r->v.size);
	if (rc == 0)
		rc = journal_flush(fd, true);
	close(fd);
	if (rc < 0)
		unlinkat(r->j->dir, side, 0);
	return rc;
}

/* Mend the segment in view and view the mended one in its place. */
static int
mend(struct replay *r, uint64_t end)
{
	char name[JOURNAL_NAME], side[SIDE_NAME];
	int dir = r->j->dir, fd, rc;
	struct stat st;

	journal_seg_name(name, r->v.base);
	snprintf(side, sizeof(side), "%s.mended", name);
	rc = keep_damaged(r, name);
	if (rc < 0)
		return rc;
	if (unlinkat(dir, side, 0) == -1 && errno != ENOENT)
		return -errno;
	fd = fs_open_file(dir, side, O_RDWR | O_CREAT | O_EXCL, &st);
	if (fd < 0)
		return fd;
	rc = copy_mended(&r->v, fd, end);
	if (rc == 0)
		rc = journal_flush(fd, true);
	if (rc == 0 && fstat(fd, &st) == -1)
		rc = -errno;
	if (rc == 0 && renameat(dir, side, dir, name) == -1)
		rc = -errno;
	if (rc < 0) {
		unlinkat(dir, side, 0);
		close(fd);
		return rc;
	}
	close(r->v.fd);
	r->v.fd = fd;
	r->v.size = r->v.used = (uint64_t)st.st_size;
	r->v.len = 0;
	return journal_flush(dir, true);
}

/* ---------------------------------------------------------------- replay */

/* *off: behind the damage, if that is only looked at. */
static int
damaged(struct replay *r, uint64_t *off, uint64_t end)
{
	uint64_t next, limit = end != 0 ? end : r->v.size;
	int rc;

	if (!r->report->damaged) {
		r->report->damaged = true;
		r->report->damaged_at = r->v.base + *off;
	}
	if (r->how != JOURNAL_LOOK)
		return r->how == JOURNAL_REPAIR ? mend(r, end) : -EUCLEAN;
	rc = skip_bad(&r->v, *off, limit, &next);
	if (rc < 0)
		return rc;
	if (next > r->v.size)
		r->report->gone = true;
	r->report->lost += next - *off;
	*off = next;
	return 0;
}

/*
 * Cut the last segment at off: nobody relied on what is behind. Zeros at its
 * end are no torn tail, but room for records.
 */
static int
cut(struct replay *r, uint64_t off)
{
	r->report->cut = r->v.used > off ? r->v.used - off : 0;
	r->v.size = off;
	r->v.len = 0;
	return r->how != JOURNAL_LOOK ? journal_cut(r->v.fd, off) : 0;
}

static int
deliver(struct replay *r, uint64_t off, const struct record *rec)
{
	uint64_t pos = r->v.base + off, value;
	int rc;

	if (rec->type == JOURNAL_MARK) {
		value = mark_value(rec);
		if (value > r->j->marked)
			r->j->marked = value;
		return 0;
	}
	r->report->records++;
	rc = r->fn(r->arg, rec->type, pos, pos + rec->size, rec->body,
	    rec->len);
	return rc < 0 ? rc : 0;
}

/* The segment in view; end is its length, or 0 in the last one: as it is. */
static int
replay_seg(struct replay *r, uint64_t end)
{
	struct record rec;
	uint64_t off = 0;
	int rc;

	while (off < (end != 0 ? end : r->v.size)) {
		rc = check(&r->v, off, &rec);
		if (rc == 1 && (end == 0 || rec.size <= end - off)) {
			rc = deliver(r, off, &rec);
			off += rec.size;
		} else if (rc >= 0) {
			rc = end != 0 ? 1 : vouched(&r->v, off);
			if (rc == 1)
				rc = damaged(r, &off, end);
			else if (rc == 0)
				rc = cut(r, off);
		}
		if (rc < 0)
			return rc;
	}
	/* More than fits before the next one: looked at, no record is lost. */
	if (end != 0 && r->v.size > end && r->how != JOURNAL_LOOK)
		return damaged(r, &off, end);
	return 0;
}

/*
 * To where the file was written, before its records are read: what its owner,
 * if he is at work, writes later vouches for nothing that we took for room.
 */
static int
measure(struct view *v)
{
	const uint8_t *p;
	size_t n, i;
	int rc;

	for (v->used = v->size; v->used > 0; v->used -= n) {
		n = v->used < CHUNK ? (size_t)v->used : CHUNK;
		rc = look(v, v->used - n, n, &p);
		if (rc < 0)
			return rc;
		for (i = rc == 1 ? n : 0; i > 0 && p[i - 1] == 0; i--)
			;
		if (i > 0) {
			v->used -= n - i;
			break;
		}
	}
	return 0;
}

static int
view_seg(struct replay *r, const struct journal_seg *seg)
{
	char name[JOURNAL_NAME];
	struct stat st;
	int fd;

	if (seg->start % 8 != 0)
		return -EUCLEAN;	/* no segment of ours */
	journal_seg_name(name, seg->start);
	fd = fs_open_file(r->j->dir, name,
	    r->how == JOURNAL_LOOK ? O_RDONLY : O_RDWR, &st);
	if (fd < 0)
		return fd;
	r->v.fd = fd;
	r->v.base = seg->start;
	r->v.len = 0;
	r->v.size = r->v.used = (uint64_t)st.st_size;
	return 0;
}

int
journal_replay(struct journal *j, enum journal_how how, journal_fn *fn,
    void *arg, struct journal_report *report)
{
	struct replay r = { .j = j, .how = how, .fn = fn, .arg = arg,
	    .report = report, .v.fd = -1 };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < j->nsegs; i++) {
		struct journal_seg *seg = &j->segs[i];
		bool last = i + 1 == j->nsegs;
		bool keep = last && how != JOURNAL_LOOK;

		rc = view_seg(&r, seg);
		if (rc == 0 && last)
			rc = measure(&r.v);
		if (rc == 0)
			rc = replay_seg(&r, last ? 0 : seg[1].start -
			    seg->start);
		if (rc == 0 && keep)
			rc = journal_flush(r.v.fd, true);
		if (rc == 0 && keep) {
			seg->fd = r.v.fd;
			j->end = seg->start + r.v.size;
			j->room = r.v.size;
		} else if (r.v.fd != -1) {
			close(r.v.fd);
		}
		r.v.fd = -1;
	}
	free(r.v.p);
	/* What was read may have been only in the page cache till now. */
	if (rc == 0 && how != JOURNAL_LOOK)
		rc = journal_flush(j->dir, true);
	j->synced = j->end;
	return rc;
}
