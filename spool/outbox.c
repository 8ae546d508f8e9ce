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

#include <string.h>
#include <unistd.h>

#include "spool/crc32c.h"
#include "spool/outbox_int.h"

#define READ_LEN	((size_t)64 << 10)	/* bytes of an ordinary read */
#define BROKEN_MS	60000			/* for a line to be completed */

struct budget {
	size_t	items;
	size_t	bytes;
};

void
outbox_init(struct spool_queue *q)
{
	for (int i = 0; i < ROLES; i++)
		q->tail[i].fd = -1;
	q->idle_ms = OUTBOX_IDLE_MS;
}

void
outbox_fini(struct spool_queue *q)
{
	for (int i = 0; i < ROLES; i++) {
		if (q->tail[i].fd != -1)
			close(q->tail[i].fd);
	}
}

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
				outbox_sooner(again_ms, BROKEN_MS - waited);
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
	rc = outbox_look(q, &q->tail[role]);
	if (rc == 0)
		rc = take_lines(q, role, left, again_ms);
	err = rc < 0 ? 0 : outbox_note_near(&q->tail[role]);
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

int
spool_intake_outbox(struct spool_queue *q, size_t max_items, int *again_ms)
{
	struct budget left = { max_items, QUEUE_CALL_LEN };
	int rc, err, odd = 0;

	*again_ms = -1;
	if (max_items == 0)
		left.items = SIZE_MAX;
	if (!q->looked && q->tail[ROLE_RETIRED].fd == -1) {
		odd = outbox_find_retired(q);
		q->looked = odd == 0;
	}
	rc = take_batch(q, &left, again_ms);
	if (rc == 0) {
		err = outbox_find_current(q);
		if (err >= 0 && q->looked)
			outbox_settle_boot(q);
		if (err == 1)
			rc = take_batch(q, &left, again_ms);
		else if (err < 0)
			odd = err;
	}
	if (rc == 0)
		rc = outbox_settle(q, again_ms);
	if (rc == 0 && odd == 0)
		rc = outbox_retire(q, again_ms);
	if (queue_passing(rc))
		outbox_sooner(again_ms, OUTBOX_TRY_MAX_MS);
	return rc != 0 ? rc : odd;
}
