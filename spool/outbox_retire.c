/*
 * outbox_retire.c - an empty file for the agents, and the end of the old one.
 * outbox.c tells why.
 */
#include "config.h"

#include "spool/outbox_int.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define RETIRE_LEN	((uint64_t)1 << 20)	/* retire without waiting */
#define HOLD_MS		1000			/* to hold the lease */
#define NO_LEASE_MS	10000			/* quiet, without leases */
#define LOOK_MS		250			/* at a lease that is held */
#define TRY_MIN_MS	20			/* between tries for a lease */

/* Swap the two names. 0 and nothing done if there is no outbox.jsonl. */
static int
exchange(int dir, mode_t mode)
{
	int fd, rc;

	fd = fs_create(dir, OUTBOX_RETIRED);
	if (fd < 0)
		return fd;
	/* As others knew it. If it can't be, 0600 does. */
	rc = fchmod(fd, mode & 0777);
	close(fd);
#ifdef RENAME_EXCHANGE
	rc = renameat2(dir, OUTBOX_RETIRED, dir, OUTBOX_NAME,
	    RENAME_EXCHANGE);
	if (rc == 0)
		return 1;
	rc = -errno;
#else
	rc = -EINVAL;
#endif
	unlinkat(dir, OUTBOX_RETIRED, 0);
	/* No exchange here: then there is no file for a moment. */
	if (rc == -EINVAL || rc == -ENOSYS)
		rc = fs_rename_noreplace(dir, OUTBOX_NAME, dir,
		    OUTBOX_RETIRED);
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
	    fstatat(dir, OUTBOX_RETIRED, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return -errno;
	if (!same_file(&st, &held)) {
		/* Somebody renamed another file to it just before us. */
		fd = fs_open_any(dir, OUTBOX_RETIRED, O_RDONLY, &st);
		rc = fd < 0 ? fd : outbox_take_file(q, old, fd, &st);
		if (rc < 0) {
			close(old->fd);
			old->fd = -1;
			q->looked = false;
		}
	}
	return rc;
}

int
outbox_retire(struct spool_queue *q, int *again_ms)
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
		outbox_sooner(again_ms, OUTBOX_SYNC_MS);
		return 0;
	}
	idle = q->mono_ms() - t->grown_ms;
	if (idle < q->idle_ms && t->cur.off < RETIRE_LEN) {
		outbox_sooner(again_ms, q->idle_ms - idle);
		return 0;
	}
	rc = exchange(dir, st.st_mode);
	if (rc == -EEXIST) {	/* somebody made one: read it first */
		q->looked = false;
		outbox_sooner(again_ms, OUTBOX_SYNC_MS);
		return 0;
	}
	if (queue_passing(rc)) {
		outbox_sooner(again_ms, OUTBOX_TRY_MAX_MS);
		return 0;
	}
	if (rc <= 0)
		return rc;
	outbox_sooner(again_ms, TRY_MIN_MS);
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
			outbox_sooner(again_ms, t->try_ms - now);
			return 0;
		}
		rc = lease_take(t->fd);
		t->leased = rc == 1;
		t->no_lease = rc < 0;
		t->lease_ms = now;
		if (rc == 0) {
			t->wait_ms = t->wait_ms == 0 ? TRY_MIN_MS :
			    t->wait_ms * 2;
			if (t->wait_ms > OUTBOX_TRY_MAX_MS)
				t->wait_ms = OUTBOX_TRY_MAX_MS;
			t->try_ms = now + t->wait_ms;
			outbox_sooner(again_ms, t->wait_ms);
			return 0;
		}
	}
	if (t->leased)
		left = t->lease_ms + HOLD_MS - now;
	else
		left = (t->grown_ms > t->since_ms ? t->grown_ms :
		    t->since_ms) + NO_LEASE_MS - now;
	if (left > 0)
		outbox_sooner(again_ms, t->leased && left > LOOK_MS ?
		    LOOK_MS : left);
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

int
outbox_settle(struct spool_queue *q, int *again_ms)
{
	struct queue_tail *t = &q->tail[ROLE_RETIRED];
	int dir = spool_dir(q->sp);
	struct stat st, held;

	if (t->fd == -1)
		return 0;
	if (!is_drained(t)) {
		let_write(t);
		outbox_sooner(again_ms, OUTBOX_TRY_MAX_MS);
		return 0;
	}
	if (q->cursor_dirty || journal_synced(q->j) < q->out_end) {
		outbox_sooner(again_ms, OUTBOX_SYNC_MS);
		return 0;
	}
	if (!is_quiet(q, t, again_ms))
		return 0;
	if (t->linked) {
		if (fstat(t->fd, &held) == -1)
			return -errno;
		if (fstatat(dir, OUTBOX_RETIRED, &st,
		    AT_SYMLINK_NOFOLLOW) == 0 && same_file(&st, &held)) {
			if (unlinkat(dir, OUTBOX_RETIRED, 0) == -1)
				return -errno;
		} else {
			q->looked = false;	/* not ours: who knows */
		}
		t->linked = false;
	}
	if (!is_drained(t)) {	/* somebody was quicker: once more */
		let_write(t);
		outbox_sooner(again_ms, 1);
		return 0;
	}
	close(t->fd);
	t->fd = -1;
	return 0;
}
