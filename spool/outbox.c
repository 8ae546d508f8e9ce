/*
 * outbox.c - lines of outbox.jsonl become items of the queue.
 *
 * Agents append and never ask us; we read behind them and must take each line
 * once, whoever dies when, and now and then start with an empty file.
 *
 * Where we are: a cursor, inode and offset and the checksum of all before it,
 * that the queue keeps (queue.c). The checksum finds out who did more than
 * append. Other content before the cursor, or less: the file was truncated
 * and filled again, read it from its start. The same content under another
 * inode: an editor has saved it with something added, go on behind the
 * cursor. (Nobody can tell a line that was written over itself from one that
 * was left alone. Files are retired soon, so there is little time for it.)
 *
 * A power cut takes the end of the file, if no agent has synced it, but not
 * what the queue has of it. So if the machine was started since (its boot id
 * is another), the cursor is set back to one that the journal still knows and
 * that fits; only if there is none is it another file. In the same boot that
 * would be wrong: who truncates a file may write the same line again.
 *
 * Retiring. To truncate would lose what is appended between our last read and
 * the truncation. Instead
 *
 *	1 all lines are read, and synced in the queue
 *	2 an empty .outbox.retired is made and exchanged with outbox.jsonl:
 *	  from here on nobody can open the old file by its name
 *	3 the directory is synced, and a CURSOR says which file is which
 *	4 the old file is read on, before the new one, until a lease says that
 *	  nobody has it open for writing, and the lease was then held for a
 *	  second: somebody may have looked up the name before 2 and not opened
 *	  the file yet; the lease makes that show
 *	5 it is unlinked; who came even so, between the last look and this, is
 *	  seen in the lease and read through the descriptor
 *
 * A crash after 2 leaves the old file as .outbox.retired with the cursor of
 * the current one: known by its inode. After 5 the cursor of the retired file
 * stays in the queue until the next retirement has synced the directory: a
 * power cut may bring the file back, and then the cursor says that it was
 * read. That old cursor is used for a file of that name only, never for
 * outbox.jsonl, whose inode may be the same one used again.
 *
 * Who keeps the file open (exec 3>>outbox.jsonl) goes on writing to the
 * retired one and is read there, for as long as it likes.
 */
#include "config.h"

#include "spool/spool.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "spool/crc32c.h"
#include "spool/internal.h"
#include "spool/queue_int.h"

#define OUTBOX		"outbox.jsonl"
#define RETIRED		".outbox.retired"
#define READ_LEN	((size_t)64 << 10)	/* bytes of an ordinary read */
#define VERIFY_MAX	((uint64_t)64 << 10)	/* verified at each look */
#define NEAR_LEN	4096			/* of more, only this much */
#define BROKEN_MS	60000			/* for a line to be completed */
#define IDLE_MS		100			/* no growth: time to retire */
#define RETIRE_LEN	((uint64_t)1 << 20)	/* retire without waiting */
#define HOLD_MS		1000			/* to hold the lease */
#define NO_LEASE_MS	10000			/* quiet, without leases */
#define LOOK_MS		250			/* at a lease that is held */
#define SYNC_MS		10			/* until a sync has ended */
#define TRY_MIN_MS	20			/* between tries for a lease */
#define TRY_MAX_MS	1000

struct budget {
	size_t	items;
	size_t	bytes;
};

void
outbox_init(struct spool_queue *q)
{
	for (int i = 0; i < ROLES; i++)
		q->tail[i].fd = -1;
	q->idle_ms = IDLE_MS;
}

void
outbox_fini(struct spool_queue *q)
{
	for (int i = 0; i < ROLES; i++) {
		if (q->tail[i].fd != -1)
			close(q->tail[i].fd);
	}
}

static void
sooner(int *again_ms, int64_t ms)
{
	if (ms < 1)
		ms = 1;
	if (*again_ms < 0 || ms < *again_ms)
		*again_ms = (int)ms;
}

/* ------------------------------------------------------- which file, where */

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

/* Remember what lies just before the cursor, where all of it is too much. */
static int
note_near(struct queue_tail *t)
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

/* An open file (owned) becomes the one of this role. */
static int
take_file(struct spool_queue *q, struct queue_tail *t, int fd,
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
	return note_near(t);
}

/* Look at an open file: has it grown, is it still what we have read? */
static int
look(struct spool_queue *q, struct queue_tail *t)
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

/* At start: what a crash left of a retirement. */
static int
find_retired(struct spool_queue *q)
{
	struct queue_tail *old = &q->tail[ROLE_RETIRED];
	struct queue_tail *new = &q->tail[ROLE_CURRENT];
	struct stat st;
	int fd, rc;

	fd = fs_open_any(spool_dir(q->sp), RETIRED, O_RDONLY, &st);
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
	rc = take_file(q, old, fd, &st);
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

/* Has another file got the name? Then it is the current one: 1. Else 0. */
static int
find_current(struct spool_queue *q)
{
	struct queue_tail *t = &q->tail[ROLE_CURRENT];
	int dir = spool_dir(q->sp), fd;
	struct stat st, held;
	int rc;

	if (fstatat(dir, OUTBOX, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? forget_deleted(q, t) : -errno;
	if (t->fd != -1) {
		if (fstat(t->fd, &held) == -1)
			return -errno;
		if (same_file(&st, &held) && st.st_nlink == 1)
			return 0;
	}
	fd = fs_open_any(dir, OUTBOX, O_RDONLY, &st);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (st.st_nlink > 1) {
		close(fd);
		return -EMLINK;
	}
	rc = take_file(q, t, fd, &st);
	return rc < 0 ? rc : 1;
}

/* The files of the last boot are found: from here on this one counts. */
static void
settle_boot(struct spool_queue *q)
{
	if (strcmp(q->boot, q->boot_now) != 0) {
		memcpy(q->boot, q->boot_now, sizeof(q->boot));
		q->cursor_dirty = true;
	}
	buf_fini(&q->trail);
}

/* ----------------------------------------------------------------- lines */

static bool
is_blank(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (strchr(" \t\r", p[i]) == NULL)	/* or NUL */
			return false;
	return true;
}

static int
put_line(struct spool_queue *q, enum queue_role role, const char *p,
    size_t len, const char *name, struct budget *left)
{
	if (is_blank(p, len))
		return 0;
	if (left->items > 0)
		left->items--;
	left->bytes -= len < left->bytes ? len : left->bytes;
	return queue_put(q, 0, "", name, p, len, role);
}

/*
 * The next len bytes of the file are at p, and are one line, or blank. A power
 * cut can leave NULs where other lines were to be: what is behind them is
 * whole, what is before them isn't.
 */
static int
take_line(struct spool_queue *q, enum queue_role role, const char *p,
    size_t len, const char *name, struct budget *left)
{
	struct queue_cursor *c = &q->tail[role].cur;
	size_t body = len > 0 && p[len - 1] == '\n' ? len - 1 : len;
	const char *nul = memrchr(p, '\0', body);
	int rc = 0;

	c->crc = crc32c(c->crc, p, len);
	c->off += len;
	if (nul != NULL) {
		rc = put_line(q, role, p, strlen(p), "outbox.broken", left);
		body -= (size_t)(nul + 1 - p);
		p = nul + 1;
	}
	return rc < 0 ? rc : put_line(q, role, p, body, name, left);
}

/* Whole lines in the buffer. *used: bytes; 1 if the budget is spent. */
static int
take_whole(struct spool_queue *q, enum queue_role role, struct budget *left,
    size_t *used)
{
	const char *p = q->in.p, *end = p + q->in.len, *nl;
	int rc = 0;

	while (rc == 0 && p < end &&
	    (nl = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		if (left->items == 0 || left->bytes == 0) {
			rc = 1;
			break;
		}
		rc = take_line(q, role, p, (size_t)(nl + 1 - p), "outbox",
		    left);
		p = nl + 1;
	}
	*used = (size_t)(p - q->in.p);
	return rc;
}

/*
 * Put the lines of a file into the batch, until there are no more (0) or the
 * budget is spent (1).
 */
static int
take_lines(struct spool_queue *q, enum queue_role role, struct budget *left,
    int *again_ms)
{
	struct queue_tail *t = &q->tail[role];
	size_t want = READ_LEN, used, rest;
	int64_t waited;
	int rc;

	for (;;) {
		buf_clear(&q->in);
		rc = fs_read_from(t->fd, (off_t)t->cur.off, want, &q->in);
		if (rc < 0 || q->in.len == 0)
			return rc < 0 ? rc : 0;
		rc = take_whole(q, role, left, &used);
		rest = q->in.len - used;
		if (rc != 0 || rest == 0) {
			if (rc != 0)
				return rc;
			continue;
		}
		if (rest > SPOOL_MSG_MAX)
			rest = SPOOL_MSG_MAX;
		else if (q->in.len == want) {	/* there is more of it */
			if (used == 0)
				want = SPOOL_MSG_MAX + 1;
			continue;
		} else {
			if (t->cur.off + rest > t->size) {	/* just now */
				t->size = t->cur.off + rest;
				t->grown_ms = q->mono_ms();
			}
			waited = q->mono_ms() - t->grown_ms;
			if (waited < BROKEN_MS) {
				sooner(again_ms, BROKEN_MS - waited);
				return 0;
			}
		}
		if (left->items == 0 || left->bytes == 0)
			return 1;
		rc = take_line(q, role, q->in.p + used, rest, "outbox.broken",
		    left);
		if (rc < 0)
			return rc;
	}
}

static int
take_tail(struct spool_queue *q, enum queue_role role, struct budget *left,
    int *again_ms)
{
	int rc, err;

	if (q->tail[role].fd == -1)
		return 0;
	rc = look(q, &q->tail[role]);
	if (rc == 0)
		rc = take_lines(q, role, left, again_ms);
	err = rc < 0 ? 0 : note_near(&q->tail[role]);
	return err < 0 ? err : rc;
}

/* One batch of lines. 1: there are more. */
static int
take_batch(struct spool_queue *q, struct budget *left, int *again_ms)
{
	struct queue_tail was[ROLES];
	int rc, err;

	rc = queue_begin(q);
	if (rc < 0)
		return rc;
	memcpy(was, q->tail, sizeof(was));
	rc = take_tail(q, ROLE_RETIRED, left, again_ms);
	if (rc == 0)
		rc = take_tail(q, ROLE_CURRENT, left, again_ms);
	if (rc >= 0) {
		err = queue_commit(q);
		if (err < 0)
			rc = err;
	} else {
		queue_abandon(q);
	}
	if (rc < 0)
		memcpy(q->tail, was, sizeof(was));
	else
		q->out_end = journal_end(q->j);
	return rc;
}

/* -------------------------------------------------------------- retiring */

/* Swap the two names. 0 and nothing done if there is no outbox.jsonl. */
static int
exchange(int dir, mode_t mode)
{
	int fd, rc;

	fd = fs_create(dir, RETIRED);
	if (fd < 0)
		return fd;
	/* As others knew it. If it can't be, 0600 does. */
	rc = fchmod(fd, mode & 0777);
	close(fd);
#ifdef RENAME_EXCHANGE
	rc = renameat2(dir, RETIRED, dir, OUTBOX, RENAME_EXCHANGE);
	if (rc == 0)
		return 1;
	rc = -errno;
#else
	rc = -EINVAL;
#endif
	unlinkat(dir, RETIRED, 0);
	/* No exchange here: then there is no file for a moment. */
	if (rc == -EINVAL || rc == -ENOSYS)
		rc = fs_rename_noreplace(dir, OUTBOX, dir, RETIRED);
	else if (rc == 0)
		rc = -EINVAL;
	if (rc == -ENOENT)
		return 0;
	return rc < 0 ? rc : 1;
}

/* The current file is now called .outbox.retired. */
static int
change_roles(struct spool_queue *q)
{
	struct queue_tail *old = &q->tail[ROLE_RETIRED];
	struct queue_tail *new = &q->tail[ROLE_CURRENT];
	int dir = spool_dir(q->sp), fd, rc = 0;
	struct stat st, held;

	*old = *new;
	old->since_ms = q->mono_ms();
	old->leased = old->no_lease = false;
	old->try_ms = old->wait_ms = 0;
	old->linked = true;
	*new = (struct queue_tail){ .fd = -1 };
	q->cursor_dirty = true;
	if (fstat(old->fd, &held) == -1 ||
	    fstatat(dir, RETIRED, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return -errno;
	if (!same_file(&st, &held)) {
		/* Somebody renamed another file to it just before us. */
		fd = fs_open_any(dir, RETIRED, O_RDONLY, &st);
		rc = fd < 0 ? fd : take_file(q, old, fd, &st);
		if (rc < 0) {
			close(old->fd);
			old->fd = -1;
			q->looked = false;
		}
	}
	return rc;
}

/* Is it time to start with an empty file? Then do it. */
static int
retire(struct spool_queue *q, int *again_ms)
{
	struct queue_tail *t = &q->tail[ROLE_CURRENT];
	int dir = spool_dir(q->sp), rc;
	struct stat st;
	int64_t idle;

	if (!q->looked || q->tail[ROLE_RETIRED].fd != -1 || t->fd == -1 ||
	    t->cur.off == 0)
		return 0;
	if (fstat(t->fd, &st) == -1)
		return -errno;
	if ((uint64_t)st.st_size != t->cur.off)
		return 0;
	if (q->cursor_dirty || journal_synced(q->j) < q->out_end) {
		sooner(again_ms, SYNC_MS);
		return 0;
	}
	idle = q->mono_ms() - t->grown_ms;
	if (idle < q->idle_ms && t->cur.off < RETIRE_LEN) {
		sooner(again_ms, q->idle_ms - idle);
		return 0;
	}
	rc = exchange(dir, st.st_mode);
	if (rc == -EEXIST) {	/* somebody made one: read it first */
		q->looked = false;
		sooner(again_ms, SYNC_MS);
		return 0;
	}
	if (queue_passing(rc)) {
		sooner(again_ms, TRY_MAX_MS);
		return 0;
	}
	if (rc <= 0)
		return rc;
	sooner(again_ms, TRY_MIN_MS);
	rc = fs_sync(dir);
	if (rc == 0)
		rc = change_roles(q);
	if (rc == 0)
		rc = queue_begin(q);
	if (rc == 0)
		rc = queue_commit(q);
	q->out_end = journal_end(q->j);
	/* No room for the CURSOR: it goes with the next batch. */
	return queue_passing(rc) ? 0 : rc;
}

/* Can there be writers? 1: no, and for long enough. */
static int
is_quiet(struct spool_queue *q, struct queue_tail *t, int *again_ms)
{
	int64_t now = q->mono_ms(), left;
	int rc;

	if (!t->leased && !t->no_lease) {
		if (now < t->try_ms) {
			sooner(again_ms, t->try_ms - now);
			return 0;
		}
		rc = lease_take(t->fd);
		t->leased = rc == 1;
		t->no_lease = rc < 0;
		t->lease_ms = now;
		if (rc == 0) {
			t->wait_ms = t->wait_ms == 0 ? TRY_MIN_MS :
			    t->wait_ms * 2;
			if (t->wait_ms > TRY_MAX_MS)
				t->wait_ms = TRY_MAX_MS;
			t->try_ms = now + t->wait_ms;
			sooner(again_ms, t->wait_ms);
			return 0;
		}
	}
	if (t->leased)
		left = t->lease_ms + HOLD_MS - now;
	else
		left = (t->grown_ms > t->since_ms ? t->grown_ms :
		    t->since_ms) + NO_LEASE_MS - now;
	if (left > 0)
		sooner(again_ms, t->leased && left > LOOK_MS ? LOOK_MS : left);
	return left <= 0;
}

/* Somebody writes to it: let him, and try again. */
static void
let_write(struct queue_tail *t)
{
	if (t->leased)
		lease_drop(t->fd);
	t->leased = false;
}

/* Read to its end, and nobody waits to write? */
static bool
is_drained(const struct queue_tail *t)
{
	struct stat st;

	return fstat(t->fd, &st) == 0 &&
	    (uint64_t)st.st_size == t->cur.off &&
	    (!t->leased || lease_held(t->fd));
}

/* Is the retired file done with? Then remove it. */
static int
settle(struct spool_queue *q, int *again_ms)
{
	struct queue_tail *t = &q->tail[ROLE_RETIRED];
	int dir = spool_dir(q->sp);
	struct stat st, held;

	if (t->fd == -1)
		return 0;
	if (!is_drained(t)) {
		let_write(t);
		sooner(again_ms, TRY_MAX_MS);
		return 0;
	}
	if (q->cursor_dirty || journal_synced(q->j) < q->out_end) {
		sooner(again_ms, SYNC_MS);
		return 0;
	}
	if (!is_quiet(q, t, again_ms))
		return 0;
	if (t->linked) {
		if (fstat(t->fd, &held) == -1)
			return -errno;
		if (fstatat(dir, RETIRED, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    same_file(&st, &held)) {
			if (unlinkat(dir, RETIRED, 0) == -1)
				return -errno;
		} else {
			q->looked = false;	/* not ours: who knows */
		}
		t->linked = false;
	}
	if (!is_drained(t)) {	/* somebody was quicker: once more */
		let_write(t);
		sooner(again_ms, 1);
		return 0;
	}
	close(t->fd);
	t->fd = -1;
	return 0;
}

int
spool_intake_outbox(struct spool_queue *q, size_t max_items, int *again_ms)
{
	struct budget left = { max_items, QUEUE_CALL_LEN };
	int rc, err, odd = 0;

	*again_ms = -1;
	if (max_items == 0)
		left.items = SIZE_MAX;
	if (!q->looked && q->tail[ROLE_RETIRED].fd == -1) {
		odd = find_retired(q);
		q->looked = odd == 0;
	}
	rc = take_batch(q, &left, again_ms);
	if (rc == 0) {
		err = find_current(q);
		if (err >= 0 && q->looked)
			settle_boot(q);
		if (err == 1)
			rc = take_batch(q, &left, again_ms);
		else if (err < 0)
			odd = err;
	}
	if (rc == 0)
		rc = settle(q, again_ms);
	if (rc == 0 && odd == 0)
		rc = retire(q, again_ms);
	if (queue_passing(rc))
		sooner(again_ms, TRY_MAX_MS);
	return rc != 0 ? rc : odd;
}
