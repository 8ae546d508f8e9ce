/*
 * outbox_file.c - which file outbox.jsonl is, and is it what we have read?
 * outbox.c tells why.
 */
#include "config.h"

#include "spool/outbox_int.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "spool/crc32c.h"

#define VERIFY_MAX	((uint64_t)64 << 10)	/* verified at each look */
#define NEAR_LEN	4096			/* of more, only this much */

/* Go on with the checksum: [from, to). 1, 0 if it is shorter, or an error. */
static int
checksum(int fd, uint64_t from, uint64_t to, uint32_t *crc)
{
	char chunk[8192];

	while (from < to) {
		size_t want = to - from < sizeof(chunk) ?
		    (size_t)(to - from) : sizeof(chunk);
		ssize_t n = pread(fd, chunk, want, (off_t)from);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? 0 : -errno;
		*crc = crc32c(*crc, chunk, (size_t)n);
		from += (uint64_t)n;
	}
	return 1;
}

/* Does the file begin with what the cursor has behind it? 1, 0, or an error. */
static int
fits(int fd, const struct queue_cursor *c)
{
	uint32_t crc = 0;
	int rc;

	rc = checksum(fd, 0, c->off, &crc);
	return rc == 1 ? crc == c->crc : rc;
}

/*
 * The last of the places that the cursor has had and that still fit. Where it
 * was set back and came by again, what was read since counts, and what lies
 * before that as well: the power may be cut twice, and the second time more of
 * the file is gone than the first.
 */
static int
last_fitting(struct queue_cursor *t, size_t n, int fd, struct queue_cursor *at)
{
	uint64_t least = UINT64_MAX, pos = 0;
	uint32_t crc = 0;
	int rc = 1;

	for (size_t i = n; i > 0; i--) {
		if (t[i - 1].ino != at->ino)
			continue;
		if (t[i - 1].off >= least)
			t[i - 1].ino = 0;	/* came by again */
		else
			least = t[i - 1].off;
	}
	at->off = 0;
	at->crc = 0;
	for (size_t i = 0; i < n && rc == 1; i++) {
		if (t[i].ino != at->ino)
			continue;
		rc = checksum(fd, pos, t[i].off, &crc);
		pos = t[i].off;
		if (rc == 1 && crc == t[i].crc)
			*at = t[i];
	}
	return rc < 0 ? rc : 0;
}

/*
 * The power was cut, and the file has lost its end, or has NULs there: set
 * the cursor back to where the rest still is what we have read. 1, 0 if there
 * is no such place, or an error.
 */
static int
fits_cut(struct spool_queue *q, int fd, uint64_t size, struct queue_cursor *c)
{
	struct queue_cursor at = *c;
	int rc;

	rc = last_fitting((void *)q->trail.p,
	    q->trail.len / sizeof(*c), fd, &at);
	if (rc < 0 || at.off == 0)
		return rc;
	/* Without a newline it is what is left of a line that we have. */
	buf_clear(&q->in);
	rc = fs_read_from(fd, (off_t)at.off, SPOOL_MSG_MAX, &q->in);
	if (rc < 0)
		return rc;
	if (q->in.len > 0 && q->in.len == size - at.off &&
	    memchr(q->in.p, '\n', q->in.len) == NULL) {
		at.crc = crc32c(at.crc, q->in.p, q->in.len);
		at.off = size;
	}
	*c = at;
	return 1;
}

int
outbox_note_near(struct queue_tail *t)
{
	int rc;

	if (t->cur.off <= VERIFY_MAX)
		return 0;
	t->near_crc = 0;
	rc = checksum(t->fd, t->cur.off - NEAR_LEN, t->cur.off, &t->near_crc);
	return rc < 0 ? rc : 0;
}

static void
restart(struct spool_queue *q, struct queue_tail *t)
{
	t->cur.off = 0;
	t->cur.crc = 0;
	q->cursor_dirty = true;
}

int
outbox_take_file(struct spool_queue *q, struct queue_tail *t, int fd,
    const struct stat *st)
{
	int rc;

	rc = fits(fd, &t->cur);
	if (rc == 0 && t->cur.ino == st->st_ino && q->trail.len > 0 &&
	    strcmp(q->boot, q->boot_now) != 0) {
		rc = fits_cut(q, fd, (uint64_t)st->st_size, &t->cur);
		q->cursor_dirty = true;
	}
	if (rc < 0) {
		close(fd);
		return rc;
	}
	if (t->fd != -1)
		close(t->fd);
	t->fd = fd;
	t->size = (uint64_t)st->st_size;
	t->ctime = st->st_ctim;
	t->grown_ms = q->mono_ms();
	if (t->cur.ino != st->st_ino)
		q->cursor_dirty = true;
	t->cur.ino = st->st_ino;
	if (rc == 0)
		restart(q, t);
	return outbox_note_near(t);
}

int
outbox_look(struct spool_queue *q, struct queue_tail *t)
{
	struct stat st;
	uint32_t crc = 0;
	int rc;

	if (fstat(t->fd, &st) == -1)
		return -errno;
	if (t->size == (uint64_t)st.st_size &&
	    t->ctime.tv_sec == st.st_ctim.tv_sec &&
	    t->ctime.tv_nsec == st.st_ctim.tv_nsec)
		return 0;
	if (t->cur.off <= VERIFY_MAX) {
		rc = fits(t->fd, &t->cur);
	} else {
		rc = checksum(t->fd, t->cur.off - NEAR_LEN, t->cur.off, &crc);
		if (rc == 1)
			rc = crc == t->near_crc;
	}
	if (rc < 0)
		return rc;
	if (rc == 0)
		restart(q, t);
	if (t->size != (uint64_t)st.st_size)
		t->grown_ms = q->mono_ms();
	t->size = (uint64_t)st.st_size;
	t->ctime = st.st_ctim;
	return 0;
}

int
outbox_find_retired(struct spool_queue *q)
{
	struct queue_tail *old = &q->tail[ROLE_RETIRED];
	struct queue_tail *new = &q->tail[ROLE_CURRENT];
	struct stat st;
	int fd, rc;

	fd = fs_open_any(spool_dir(q->sp), OUTBOX_RETIRED, O_RDONLY, &st);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	if (new->cur.ino == st.st_ino) {
		/* Exchanged, and no time to say so. */
		old->cur = new->cur;
		new->cur = (struct queue_cursor){ 0 };
		q->cursor_dirty = true;
	} else if (old->cur.ino != st.st_ino) {
		old->cur = (struct queue_cursor){ 0 };
	}
	rc = outbox_take_file(q, old, fd, &st);
	old->since_ms = q->mono_ms();
	old->leased = old->no_lease = false;
	old->try_ms = old->wait_ms = 0;
	old->linked = true;
	return rc;
}

/*
 * Nobody's name is outbox.jsonl. A file of that name to come is a new one,
 * whatever is in it; the one that we have is read while it has a writer.
 */
static int
forget_deleted(struct spool_queue *q, struct queue_tail *t)
{
	struct stat st;

	if (t->fd != -1) {
		if (fstat(t->fd, &st) == -1)
			return -errno;
		if ((uint64_t)st.st_size != t->cur.off ||
		    lease_take(t->fd) == 0)
			return 0;
		close(t->fd);
	}
	if (t->cur.ino != 0)
		q->cursor_dirty = true;
	*t = (struct queue_tail){ .fd = -1 };
	return 0;
}

int
outbox_find_current(struct spool_queue *q)
{
	struct queue_tail *t = &q->tail[ROLE_CURRENT];
	int dir = spool_dir(q->sp), fd;
	struct stat st, held;
	int rc;

	if (fstatat(dir, OUTBOX_NAME, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? forget_deleted(q, t) : -errno;
	if (t->fd != -1) {
		if (fstat(t->fd, &held) == -1)
			return -errno;
		if (same_file(&st, &held) && st.st_nlink == 1)
			return 0;
	}
	fd = fs_open_any(dir, OUTBOX_NAME, O_RDONLY, &st);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (st.st_nlink > 1) {
		close(fd);
		return -EMLINK;
	}
	rc = outbox_take_file(q, t, fd, &st);
	return rc < 0 ? rc : 1;
}

void
outbox_settle_boot(struct spool_queue *q)
{
	if (strcmp(q->boot, q->boot_now) != 0) {
		memcpy(q->boot, q->boot_now, sizeof(q->boot));
		q->cursor_dirty = true;
	}
	buf_fini(&q->trail);
}
