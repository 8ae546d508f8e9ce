/*
 * queue_open.c - the queue as its journal tells it. See queue.c.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rnd.h"
#include "spool/journal_int.h"
#include "spool/queue_int.h"

#define TRAIL_MAX	((size_t)65536)	/* cursors that are remembered */

static int
replay_meta(struct spool_queue *q, const uint8_t *p, size_t len)
{
	if (len < 4 || get_le32(p) != QUEUE_VERSION)
		return -ENOTSUP;
	if (len != META_LEN)
		return -EUCLEAN;
	if (get_le64(p + 4) > q->next_id)
		q->next_id = get_le64(p + 4);
	memcpy(q->nonce, p + 12, QUEUE_NONCE);
	memcpy(q->boot, p + 12 + QUEUE_NONCE, QUEUE_BOOT);
	return 0;
}

static void
get_cursor(struct queue_cursor *c, const uint8_t *p)
{
	c->ino = get_le64(p);
	c->off = get_le64(p + 8);
	c->crc = get_le32(p + 16);
}

/* Remember a cursor. Of very many the older are not worth their memory. */
static int
add_trail(struct spool_queue *q, const struct queue_cursor *c)
{
	if (q->trail.len >= TRAIL_MAX * sizeof(*c))
		buf_drop(&q->trail, TRAIL_MAX / 2 * sizeof(*c));
	buf_add(&q->trail, c, sizeof(*c));
	return buf_err(&q->trail);
}

static int
replay_item(struct spool_queue *q, uint64_t pos, const uint8_t *p, size_t len)
{
	struct queue_entry e = { .pos = pos }, *old;
	const uint8_t *t;
	size_t tlen, nlen;
	int rc = 0;

	if (len < ITEM_TAIL)
		return -EUCLEAN;
	t = p + len - ITEM_TAIL;
	e.id = get_le64(t);
	e.queued_ms = (int64_t)get_le64(t + 8);
	e.len = get_le32(t + 36);
	tlen = t[40];
	nlen = t[41];
	if (e.id == 0 || t[42] > ROLES || tlen >= SPOOL_BOX_MAX ||
	    nlen >= SPOOL_NAME_MAX ||
	    len != (size_t)e.len + tlen + nlen + ITEM_TAIL)
		return -EUCLEAN;
	if (t[42] < ROLES) {
		get_cursor(&q->tail[t[42]].cur, t + 16);
		rc = add_trail(q, &q->tail[t[42]].cur);
	}
	if (rc < 0)
		return rc;
	if (e.id >= q->next_id)
		q->next_id = e.id + 1;
	old = queue_find(q, e.id);
	if (old != NULL) {	/* written again, to free its segment */
		old->pos = pos;
		return 0;
	}
	rc = queue_join_names((const char *)p + e.len, tlen,
	    (const char *)p + e.len + tlen, nlen, &e.names);
	if (rc == 0)
		rc = queue_add_entry(q, &e);
	if (rc < 0) {
		free(e.names);
		return rc;
	}
	q->live_len += e.len + ITEM_COST;
	return 0;
}

static int
replay_done(struct spool_queue *q, const uint8_t *p, size_t len)
{
	struct queue_entry *e;
	uint64_t id;

	if (len != 8)
		return -EUCLEAN;
	id = get_le64(p);
	if (id >= q->next_id)
		q->next_id = id + 1;
	e = queue_find(q, id);
	if (e != NULL) {
		queue_mark_done(q, e);
		queue_tidy(q);
	}
	return 0;
}

static int
replay(void *arg, uint8_t type, uint64_t pos, uint64_t end, const void *body,
    size_t len)
{
	struct spool_queue *q = arg;
	const uint8_t *p = body;

	(void)end;
	switch (type) {
	case REC_META:
		return replay_meta(q, p, len);
	case REC_ITEM:
		return replay_item(q, pos, p, len);
	case REC_DONE:
		return replay_done(q, p, len);
	case REC_CURSOR:
		if (len != ROLES * CURSOR_LEN)
			return -EUCLEAN;
		for (int i = 0; i < ROLES; i++)
			get_cursor(&q->tail[i].cur, p + i * CURSOR_LEN);
		return 0;
	default:
		return -ENOTSUP;
	}
}

/* -------------------------------------------------------- open and close */

/* Changes when the machine starts; empty where that can't be known. */
static void
boot_id(char out[QUEUE_BOOT + 1])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, out, QUEUE_BOOT);

	if (fd != -1)
		close(fd);
	memset(out + (n > 0 ? n : 0), 0, QUEUE_BOOT + 1 -
	    (size_t)(n > 0 ? n : 0));
}

static int
count_segs(struct spool_queue *q)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < q->n; i++) {
		if (q->e[i].done)
			continue;
		rc = queue_reserve_seg(q);
		if (rc == 0)
			queue_seg_of(q, q->e[i].pos)->live++;
	}
	return rc;
}

static int
open_journal(struct spool_queue *q)
{
	int rc;

	rc = spool_subdir(spool_dir(q->sp), "queue", true, &q->dir);
	if (rc < 0)
		return rc;
	rc = journal_open(&q->j, q->dir, QUEUE_SEG_LEN, false, replay, q,
	    NULL);
	if (rc < 0)
		return rc;
	queue_tidy(q);
	if (q->nonce[0] == '\0') {
		rnd_name(q->nonce, QUEUE_NONCE);
		memcpy(q->boot, q->boot_now, sizeof(q->boot));
		rc = queue_checkpoint(q);
		if (rc == 0)
			rc = journal_sync(q->j);
	}
	return rc == 0 ? count_segs(q) : rc;
}

/* One with nothing in it, and nothing open. */
static struct spool_queue *
queue_new(struct spool *sp)
{
	struct spool_queue *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->sp = sp;
	q->dir = -1;
	q->next_id = 1;
	q->mono_ms = clock_mono_ms;
	buf_init(&q->owed);
	buf_init(&q->in);
	buf_init(&q->trail);
	boot_id(q->boot_now);
	outbox_init(q);
	return q;
}

int
spool_queue_open(struct spool_queue **out, struct spool *sp)
{
	struct spool_queue *q = queue_new(sp);
	int rc;

	if (q == NULL)
		return -ENOMEM;
	rc = open_journal(q);
	if (rc == 0)
		rc = claims_open(q);
	if (rc < 0) {
		spool_queue_close(q);
		return rc;
	}
	*out = q;
	return 0;
}

int
spool_queue_look(struct spool *sp, struct spool_queue_look *look)
{
	struct spool_queue *q = queue_new(sp);
	int rc;

	*look = (struct spool_queue_look){ 0 };
	if (q == NULL)
		return -ENOMEM;
	rc = spool_subdir(spool_dir(sp), "queue", false, &q->dir);
	if (rc == 0)
		rc = journal_look(q->dir, replay, q, &look->journal);
	/* A good record that says what none of ours would. */
	if (rc == -EUCLEAN) {
		look->journal.damaged = true;
		rc = 0;
	}
	look->waiting = spool_queue_count(q);
	look->next_id = q->next_id;
	spool_queue_close(q);
	return rc;
}

void
spool_queue_close(struct spool_queue *q)
{
	if (q == NULL)
		return;
	outbox_fini(q);
	claims_fini(q);
	journal_close(q->j);
	if (q->dir != -1)
		close(q->dir);
	for (size_t i = 0; i < q->n; i++)
		free(q->e[i].names);
	free(q->e);
	free(q->seg);
	buf_fini(&q->owed);
	buf_fini(&q->in);
	buf_fini(&q->trail);
	free(q);
}

static int
replay_nothing(void *arg, uint8_t type, uint64_t pos, uint64_t end,
    const void *body, size_t len)
{
	(void)arg;
	(void)type;
	(void)pos;
	(void)end;
	(void)body;
	(void)len;
	return 0;
}

int
spool_queue_repair(struct spool *sp)
{
	struct journal *j;
	int dir, rc;

	rc = spool_subdir(spool_dir(sp), "queue", true, &dir);
	if (rc < 0)
		return rc;
	rc = journal_open(&j, dir, QUEUE_SEG_LEN, true, replay_nothing, NULL,
	    NULL);
	close(dir);
	if (rc == 0)
		journal_close(j);
	return rc;
}
