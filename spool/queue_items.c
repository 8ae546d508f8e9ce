/*
 * queue_items.c - the queue's items in memory, and which segments they are in.
 *
 * An array in the order of ids, almost always without gaps. Done ones stay in
 * it until they are the most of it; next to each stands how far the next one
 * worth looking at is, so that a long run of them is stepped over at once.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "spool/queue_int.h"

#define TIDY_MIN	64	/* done items left in memory */

/* The first entry whose id is not below id. */
size_t
queue_lower_bound(const struct spool_queue *q, uint64_t id)
{
	size_t lo = 0, hi = q->n;

	/* Almost always they rise by one. */
	if (q->n != 0 && id >= q->e[0].id && id - q->e[0].id < q->n &&
	    q->e[id - q->e[0].id].id == id)
		return (size_t)(id - q->e[0].id);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (q->e[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct queue_entry *
queue_find(const struct spool_queue *q, uint64_t id)
{
	size_t i = queue_lower_bound(q, id);

	if (i == q->n || q->e[i].id != id || q->e[i].done)
		return NULL;
	return &q->e[i];
}

int
queue_add_entry(struct spool_queue *q, const struct queue_entry *new)
{
	struct queue_entry *e;
	size_t cap, i;

	if (q->n == q->cap) {
		cap = q->cap != 0 ? q->cap * 2 : 16;
		e = realloc(q->e, cap * sizeof(*e));
		if (e == NULL)
			return -ENOMEM;
		q->e = e;
		q->cap = cap;
	}
	i = q->n == 0 || q->e[q->n - 1].id < new->id ? q->n :
	    queue_lower_bound(q, new->id);
	memmove(q->e + i + 1, q->e + i, (q->n - i) * sizeof(*q->e));
	q->e[i] = *new;
	q->n++;
	return 0;
}

/* Forget the done ones, when they are many. */
void
queue_tidy(struct spool_queue *q)
{
	size_t kept = 0;

	if (q->ndone < TIDY_MIN || q->ndone < q->n / 2)
		return;
	for (size_t i = 0; i < q->n; i++)
		if (!q->e[i].done)
			q->e[kept++] = q->e[i];
	q->n = kept;
	q->ndone = 0;
	if (q->cap > 1024 && q->n < q->cap / 8) {
		size_t cap = q->cap / 4;
		struct queue_entry *e = realloc(q->e, cap * sizeof(*e));

		if (e != NULL) {
			q->e = e;
			q->cap = cap;
		}
	}
}

void
queue_mark_done(struct spool_queue *q, struct queue_entry *e)
{
	free(e->names);
	e->names = NULL;
	e->done = true;
	e->pos = 1;
	q->ndone++;
	q->live_len -= e->len + ITEM_COST;
}

/* target and name in one piece; *out NULL for a plain line of the outbox. */
int
queue_join_names(const char *target, size_t tlen, const char *name, size_t nlen,
    char **out)
{
	*out = NULL;
	if (tlen == 0 && nlen == 6 && memcmp(name, "outbox", 6) == 0)
		return 0;
	*out = malloc(tlen + nlen + 2);
	if (*out == NULL)
		return -ENOMEM;
	memcpy(*out, target, tlen);
	(*out)[tlen] = '\0';
	memcpy(*out + tlen + 1, name, nlen);
	(*out)[tlen + 1 + nlen] = '\0';
	return 0;
}

/* --------------------------------------------------------------- segments */

int
queue_reserve_seg(struct spool_queue *q)
{
	struct queue_seg *seg;

	if (q->nsegs < q->seg_cap)
		return 0;
	seg = realloc(q->seg, (q->seg_cap + 8) * sizeof(*seg));
	if (seg == NULL)
		return -ENOMEM;
	q->seg = seg;
	q->seg_cap += 8;
	return 0;
}

struct queue_seg *
queue_seg_of(struct spool_queue *q, uint64_t pos)
{
	uint64_t start = journal_floor(q->j, pos);
	size_t i = q->nsegs;

	while (i > 0 && q->seg[i - 1].start > start)
		i--;
	if (i > 0 && q->seg[i - 1].start == start)
		return &q->seg[i - 1];
	memmove(q->seg + i + 1, q->seg + i,
	    (q->nsegs - i) * sizeof(*q->seg));
	q->seg[i] = (struct queue_seg){ .start = start };
	q->nsegs++;
	return &q->seg[i];
}
