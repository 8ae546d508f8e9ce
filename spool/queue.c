/*
 * queue.c - the durable outgoing queue.
 *
 * Records of the journal in queue/, little-endian
 *
 *	META	u32 version, u64 next id, 16 characters of nonce, 36 of the
 *		machine's boot id (or 0) that the cursors were kept under
 *	ITEM	body, target, name, then 44 bytes: u64 id, i64 queued_ms, the
 *		cursor of the outbox file after this line (u64 inode, u64
 *		offset, u32 CRC32C of what is before), u32 body's length, u8
 *		target's, u8 name's, u8 role of that file (2: not from one), 0
 *	DONE	u64 id
 *	CURSOR	for each role: u64 inode, u64 offset, u32 CRC32C
 *
 * An ITEM and its cursor are one record, so a line is queued exactly when it
 * is read. CURSOR is for what changes without an item: a file retired, a file
 * replaced. The newest META, and the newest word on each cursor, count.
 *
 * Shrinking: a segment whose items are all done may go once a checkpoint
 * (META and CURSOR) behind it is synced. A DONE is always behind its ITEM, so
 * an item can't come back by losing its DONE first. When one old item holds
 * up many segments, it is written again at the end, under its id; whoever
 * replays finds it twice and takes the later position. When the queue is
 * empty and its segment long, a new one is begun.
 *
 * Ids: an id below next_id is in the journal, or is a claimed file's (drop.c)
 * that goes into the next batch before any higher id; META never counts past
 * one of those. So for a claimed file found at start "below next_id" means
 * "queued", even when its ITEM is long gone.
 */
#include "config.h"

#include "spool/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "spool/journal_int.h"
#include "spool/queue_int.h"

#define EMPTY_LEN	((uint64_t)1 << 20)	/* an empty queue's segment */
#define HELD_SEGS	4			/* held up by few old items */

bool
queue_passing(int rc)
{
	return rc == -ENOSPC || rc == -EDQUOT || rc == -ENOMEM ||
	    rc == -EMFILE || rc == -ENFILE || rc == -EAGAIN;
}

/* ---------------------------------------------------------------- reading */

const char *
spool_queue_nonce(const struct spool_queue *q)
{
	return q->nonce;
}

size_t
spool_queue_count(const struct spool_queue *q)
{
	return q->n - q->ndone;
}

const struct spool_item *
spool_queue_next(const struct spool_queue *q, uint64_t after)
{
	struct spool_item *it = (struct spool_item *)&q->view;
	size_t first, i;

	if (after == UINT64_MAX)
		return NULL;
	first = i = queue_lower_bound(q, after + 1);
	while (i < q->n && q->e[i].done)
		i += q->e[i].pos;
	/* Who comes this way again need not step through the same ones. */
	if (first < q->n && q->e[first].done)
		q->e[first].pos = i - first;
	if (i >= q->n)
		return NULL;
	it->id = q->e[i].id;
	it->len = q->e[i].len;
	it->queued_ms = q->e[i].queued_ms;
	it->pos = q->e[i].pos;
	strcpy(it->target, q->e[i].names != NULL ? q->e[i].names : "");
	strcpy(it->name, q->e[i].names != NULL ?
	    q->e[i].names + strlen(q->e[i].names) + 1 : "outbox");
	return it;
}

/* Append the whole ITEM record at pos to out. */
static int
read_record(struct spool_queue *q, uint64_t pos, size_t len, struct buf *out)
{
	size_t was = out->len;
	uint8_t type;
	int rc;

	rc = journal_read(q->j, pos, &type, out);
	if (rc == 0 && (type != REC_ITEM || out->len - was < len + ITEM_TAIL)) {
		out->len = was;
		out->p[was] = '\0';
		rc = -EUCLEAN;
	}
	return rc;
}

int
spool_queue_read(struct spool_queue *q, const struct spool_item *it,
    struct buf *out)
{
	/* By id: the record may have been written again elsewhere. */
	struct queue_entry *e = queue_find(q, it->id);
	size_t was = out->len;
	int rc;

	if (e == NULL)
		return -ENOENT;
	rc = read_record(q, e->pos, e->len, out);
	if (rc == 0) {
		out->len = was + e->len;
		out->p[out->len] = '\0';
	}
	return rc;
}

bool
spool_queue_synced(const struct spool_queue *q, uint64_t id)
{
	const struct queue_entry *e = queue_find(q, id);

	return e != NULL && e->pos < journal_synced(q->j);
}

/* ------------------------------------------------------------------ batch */

static void
put_cursor(uint8_t *p, const struct queue_cursor *c)
{
	put_le64(p, c->ino);
	put_le64(p + 8, c->off);
	put_le32(p + 16, c->crc);
}

static int
put_checkpoint(struct spool_queue *q, uint64_t *pos)
{
	uint8_t meta[META_LEN], cursor[ROLES * CURSOR_LEN];

	put_le32(meta, QUEUE_VERSION);
	put_le64(meta + 4, claims_lowest(q));
	memcpy(meta + 12, q->nonce, QUEUE_NONCE);
	memcpy(meta + 12 + QUEUE_NONCE, q->boot, QUEUE_BOOT);
	for (int i = 0; i < ROLES; i++)
		put_cursor(cursor + i * CURSOR_LEN, &q->tail[i].cur);
	*pos = journal_append(q->j, REC_META,
	    &(struct iovec){ meta, sizeof(meta) }, 1);
	journal_append(q->j, REC_CURSOR,
	    &(struct iovec){ cursor, sizeof(cursor) }, 1);
	return *pos == 0 ? -ENOMEM : 0;
}

int
queue_checkpoint(struct spool_queue *q)
{
	uint64_t pos;
	int rc;

	rc = put_checkpoint(q, &pos);
	if (rc < 0) {
		journal_abandon(q->j);
		return rc;
	}
	rc = journal_commit(q->j);
	if (rc == 0) {
		q->check_pos = pos;
		q->cursor_dirty = false;
	}
	return rc;
}

int
queue_put_done(struct spool_queue *q, uint64_t id)
{
	uint8_t le[8];

	put_le64(le, id);
	return journal_append(q->j, REC_DONE, &(struct iovec){ le, 8 }, 1) ==
	    0 ? -ENOMEM : 0;
}

/* What earlier batches could not write, but for claims. */
static int
put_debts(struct spool_queue *q)
{
	uint64_t pos, id;
	int rc = 0;

	for (size_t at = 0; rc == 0 && at < q->owed.len; at += sizeof(id)) {
		memcpy(&id, q->owed.p + at, sizeof(id));
		rc = queue_put_done(q, id);
	}
	if (rc == 0 && q->cursor_dirty) {
		rc = put_checkpoint(q, &pos);
		q->cursor_dirty = false;
		q->cursor_put = true;
	}
	return rc;
}

static void
debts_stay(struct spool_queue *q)
{
	journal_abandon(q->j);
	q->cursor_dirty |= q->cursor_put;
	q->cursor_put = false;
}

static void
debts_paid(struct spool_queue *q)
{
	buf_clear(&q->owed);
	q->cursor_put = false;
}

int
queue_begin(struct spool_queue *q)
{
	int rc;

	/* First who is who among the files: half a batch may be all we get. */
	rc = put_debts(q);
	if (rc == 0)
		rc = claims_put(q);
	if (rc < 0)
		queue_abandon(q);
	return rc;
}

int
queue_put(struct spool_queue *q, uint64_t id, const char *target,
    const char *name, const void *body, size_t len, enum queue_role role)
{
	size_t tlen = strlen(target), nlen = strlen(name);
	uint8_t t[ITEM_TAIL] = { 0 };
	struct queue_entry e = {
		.id = id != 0 ? id : q->next_id,
		.len = (uint32_t)len,
		.queued_ms = clock_wall_ms()
	};
	int rc;

	if (tlen >= SPOOL_BOX_MAX || nlen >= SPOOL_NAME_MAX || nlen == 0)
		return -EINVAL;
	if (len > SPOOL_MSG_MAX)
		return -EMSGSIZE;
	put_le64(t, e.id);
	put_le64(t + 8, (uint64_t)e.queued_ms);
	if (role < ROLES)
		put_cursor(t + 16, &q->tail[role].cur);
	put_le32(t + 36, e.len);
	t[40] = (uint8_t)tlen;
	t[41] = (uint8_t)nlen;
	t[42] = (uint8_t)role;
	e.pos = journal_append(q->j, REC_ITEM, (struct iovec[]){
	    { (void *)body, len }, { (void *)target, tlen },
	    { (void *)name, nlen }, { t, sizeof(t) } }, 4);
	if (e.pos == 0)
		return -ENOMEM;
	rc = queue_join_names(target, tlen, name, nlen, &e.names);
	if (rc == 0)
		rc = queue_add_entry(q, &e);
	if (rc < 0) {
		free(e.names);
		return rc;
	}
	q->nfresh++;
	if (e.id >= q->next_id)
		q->next_id = e.id + 1;
	return 0;
}

void
queue_abandon(struct spool_queue *q)
{
	debts_stay(q);
	claims_abandoned(q);
	for (; q->nfresh > 0; q->nfresh--) {
		struct queue_entry *e = &q->e[--q->n];

		free(e->names);
		/* A claim keeps its id: it is in the file's name. */
		if (e->id == q->next_id - 1 && (q->nclaims == 0 ||
		    q->claim[q->nclaims - 1].id < e->id))
			q->next_id--;
	}
}

int
queue_commit(struct spool_queue *q)
{
	uint64_t pos;
	int rc = 0;

	if (q->cursor_dirty) {
		rc = put_checkpoint(q, &pos);
		q->cursor_dirty = false;
		q->cursor_put = true;
	}
	/* A batch is in one segment. Once it is written nothing may fail. */
	if (rc == 0)
		rc = queue_reserve_seg(q);
	if (rc == 0)
		rc = journal_commit(q->j);
	if (rc < 0) {
		queue_abandon(q);
		return rc == -ENOSPC || rc == -EDQUOT ? -EAGAIN : rc;
	}
	debts_paid(q);
	for (; q->nfresh > 0; q->nfresh--) {
		struct queue_entry *e = &q->e[q->n - q->nfresh];

		q->live_len += e->len + ITEM_COST;
		queue_seg_of(q, e->pos)->live++;
	}
	claims_committed(q);
	return 0;
}

int
spool_queue_add(struct spool_queue *q, const char *target, const char *name,
    const void *body, size_t len)
{
	int rc;

	rc = queue_begin(q);
	if (rc < 0)
		return rc;
	rc = queue_put(q, 0, target, name, body, len, ROLES);
	if (rc < 0) {
		queue_abandon(q);
		return rc;
	}
	return queue_commit(q);
}

/* ----------------------------------------------------------- done, shrink */

/* Write the items of the oldest segment again, at the end. */
static int
move_oldest(struct spool_queue *q)
{
	uint64_t below = q->nsegs > 1 ? q->seg[1].start : 0;
	struct buf rec = BUF_INIT, moved = BUF_INIT;
	uint64_t pos;
	int rc;

	rc = queue_reserve_seg(q);
	for (size_t i = 0; rc == 0 && i < q->n; i++) {
		if (q->e[i].done || q->e[i].pos >= below)
			continue;
		buf_clear(&rec);
		rc = read_record(q, q->e[i].pos, q->e[i].len, &rec);
		if (rc < 0)
			break;
		rec.p[rec.len - ITEM_TAIL + 42] = ROLES;
		pos = journal_append(q->j, REC_ITEM,
		    &(struct iovec){ rec.p, rec.len }, 1);
		buf_add(&moved, &i, sizeof(i));
		buf_add(&moved, &pos, sizeof(pos));
	}
	if (rc == 0)
		rc = buf_err(&moved);
	if (rc == 0)
		rc = journal_commit(q->j);
	else
		journal_abandon(q->j);
	for (size_t at = 0; rc == 0 && at < moved.len;
	    at += sizeof(size_t) + sizeof(pos)) {
		size_t i;

		memcpy(&i, moved.p + at, sizeof(i));
		memcpy(&pos, moved.p + at + sizeof(i), sizeof(pos));
		queue_seg_of(q, q->e[i].pos)->live--;
		q->e[i].pos = pos;
		queue_seg_of(q, pos)->live++;
	}
	/* No checkpoint before this vouches for the new places. */
	q->check_pos = 0;
	buf_fini(&rec);
	buf_fini(&moved);
	return rc;
}

/* Where the oldest segment that must stay begins. */
static uint64_t
oldest_needed(struct spool_queue *q)
{
	for (size_t i = 0; i < q->nsegs; i++)
		if (q->seg[i].live > 0)
			return q->seg[i].start;
	return journal_floor(q->j, journal_end(q->j));
}

static int
drop_segs(struct spool_queue *q, uint64_t low)
{
	size_t n = 0;

	while (n < q->nsegs && q->seg[n].start < low)
		n++;
	q->nsegs -= n;
	memmove(q->seg, q->seg + n, q->nsegs * sizeof(*q->seg));
	return journal_retire(q->j, low);
}

static int
shrink(struct spool_queue *q)
{
	uint64_t end = journal_end(q->j), low;
	int rc = 0;

	if (q->n == q->ndone && end - journal_floor(q->j, end) > EMPTY_LEN)
		rc = journal_rotate(q->j);
	else if (q->nsegs > 1 && q->seg[0].live > 0 &&
	    end - journal_start(q->j) > HELD_SEGS * QUEUE_SEG_LEN &&
	    end - journal_start(q->j) > 4 * q->live_len)
		rc = move_oldest(q);
	if (rc < 0)
		return rc;
	low = oldest_needed(q);
	if (low <= journal_start(q->j))
		return 0;
	if (q->check_pos < low)
		rc = queue_checkpoint(q);
	/* Else, or until it is synced: see spool_queue_sync_end(). */
	if (rc == 0 && q->check_pos >= low &&
	    q->check_pos < journal_synced(q->j))
		rc = drop_segs(q, low);
	return rc;
}

int
spool_queue_done(struct spool_queue *q, uint64_t id)
{
	struct queue_entry *e = queue_find(q, id);
	int rc;

	if (e == NULL)
		return 0;
	rc = put_debts(q);
	if (rc == 0)
		rc = queue_put_done(q, id);
	if (rc == 0)
		rc = journal_commit(q->j);
	if (rc == 0)
		debts_paid(q);
	else
		debts_stay(q);
	if (queue_passing(rc)) {
		/*
		 * It is done all the same. Should we die before the record
		 * can be written, it is sent again under its id, which the
		 * relay knows.
		 */
		buf_add(&q->owed, &id, sizeof(id));
		rc = buf_err(&q->owed);
	}
	if (rc < 0)
		return rc;
	queue_seg_of(q, e->pos)->live--;
	queue_mark_done(q, e);
	queue_tidy(q);
	rc = shrink(q);
	return queue_passing(rc) ? 0 : rc;
}

/* ------------------------------------------------------------------- sync */

int
spool_queue_sync_begin(struct spool_queue *q, int *fd)
{
	return journal_sync_begin(q->j, fd);
}

int
spool_queue_sync_end(struct spool_queue *q, int result)
{
	int rc;

	rc = journal_sync_end(q->j, result);
	if (rc == 0)
		rc = claims_settle(q);
	if (rc == 0 || queue_passing(rc))
		rc = shrink(q);
	return queue_passing(rc) ? 0 : rc;
}
