/*
 * settle.c - what nobody waits for, on disk: receipts, rings, views.
 *
 * A receipt is written when the relay confirms, and the agent has no use for
 * it being durable: should it be lost, the item is still in the queue, is sent
 * again, is known at the relay, and confirmed again. Nor does a power cut
 * lose more than a view with the newest lines of a ring. So the disk is asked
 * for many of them at once, a fraction of a second later and on a worker of
 * its own, where that delays no message. Then the items whose receipts are
 * among it leave the queue.
 */
#include "config.h"

#include "daemon/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_MS	200	/* after the first that waits */

static bool
list_has(const struct done_list *l, uint64_t qid)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->ids[i] == qid)
			return true;
	return false;
}

static void
list_fini(struct done_list *l)
{
	free(l->ids);
	memset(l, 0, sizeof(*l));
}

/* On the worker's thread. */
static int
job(void *arg)
{
	const struct daemon *d = arg;

	return spool_sync(d->sp);
}

static void
start(void *arg)
{
	struct daemon *d = arg;
	struct settling *s = &d->settling;

	if (worker_busy(s->worker) || !s->due)
		return;
	s->due = false;
	s->current = s->next;
	memset(&s->next, 0, sizeof(s->next));
	worker_start(s->worker);
}

void
settle_soon(struct daemon *d)
{
	struct settling *s = &d->settling;

	s->due = true;
	if (!worker_busy(s->worker) && !loop_timer_on(s->timer))
		loop_timer_set(s->timer, SETTLE_MS);
}

static void
finished(void *arg, int result)
{
	struct daemon *d = arg;
	struct settling *s = &d->settling;
	int rc = result;

	for (size_t i = 0; rc == 0 && i < s->current.count; i++) {
		rc = spool_queue_done(d->tx.queue, s->current.ids[i]);
		/* Disk full: sent again after a restart, and known there. */
		if (daemon_disk_full(rc))
			rc = 0;
	}
	if (rc < 0) {
		daemon_fatal(d, rc, result < 0 ? "sync" : "queue");
		return;
	}
	if (s->current.count > 0)
		views_touch(d);		/* the queue is shorter */
	list_fini(&s->current);
	if (s->due)
		settle_soon(d);
}

void
settle_done(struct daemon *d, uint64_t qid)
{
	struct done_list *l = &d->settling.next;

	if (l->count == l->cap) {
		size_t cap = l->cap != 0 ? l->cap * 2 : 64;
		uint64_t *ids = reallocarray(l->ids, cap, sizeof(*ids));

		if (ids == NULL) {
			daemon_fatal(d, -ENOMEM, "queue");
			return;
		}
		l->ids = ids;
		l->cap = cap;
	}
	l->ids[l->count++] = qid;
	settle_soon(d);
}

bool
settle_is_done(const struct daemon *d, uint64_t qid)
{
	return list_has(&d->settling.current, qid) ||
	    list_has(&d->settling.next, qid);
}

void
settle_drain(struct daemon *d)
{
	worker_finish(d->settling.worker);
	start(d);
	worker_finish(d->settling.worker);
}

int
settle_init(struct daemon *d)
{
	struct settling *s = &d->settling;
	int rc = loop_timer_new(&s->timer, d->loop, start, d);

	return rc == 0 ? worker_new(&s->worker, d->loop, job, finished, d) :
	    rc;
}

void
settle_fini(struct daemon *d)
{
	struct settling *s = &d->settling;

	worker_free(s->worker);
	loop_timer_free(s->timer);
	list_fini(&s->next);
	list_fini(&s->current);
}
