/*
 * tick.c - what is to be done without anything happening, when it is due.
 *
 * After each turn of the loop everything is asked what it waits for; the timer
 * is set for the first of that, and not at all when nothing waits. So no part
 * has to remember to set it: whatever changed, changed in a turn. What there
 * is to do and can't be done yet, and nobody knows how long, is tried once a
 * second.
 */
#include "config.h"

#include "daemon/state.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/notify.h"

#include <errno.h>

#define TICK_MS		1000	/* between two ticks, at least */
#define SCAN_MS		30000
#define TRIM_AFTER	500	/* deliveries */
#define KEEP_CUR	1000
#define KEEP_NEW	10000

static void
trim_boxes(struct daemon *d)
{
	struct peer_box *p;
	struct room *r;
	size_t at = 0;
	int rc = 0;

	d->trim_due = 0;
	while (rc == 0 && (r = map_next(&d->rooms, &at)) != NULL)
		rc = spool_trim(d->sp, r->box, KEEP_CUR, KEEP_NEW,
		    &d->archived);
	at = 0;
	while (rc == 0 && (p = map_next(&d->peers, &at)) != NULL)
		rc = spool_trim(d->sp, p->box, KEEP_CUR, KEEP_NEW,
		    &d->archived);
	if (daemon_disk_full(rc))
		publish_disk_full(d, rc);
	else if (rc < 0 && rc != -ESTALE)
		log_warn("trim", "err", ac_strerror(rc), NULL);
}

/* After each turn: when is the next tick? */
static void
turned(void *arg)
{
	struct daemon *d = arg;
	int64_t now = clock_mono_ms(), soon = now + TICK_MS;
	int64_t rooms, due;

	if (loop_timer_on(d->tick) && d->tick_at <= soon)
		return;
	rooms = room_due(d, now);
	due = d->trim_due >= TRIM_AFTER ? now : sender_due(d, now);
	if (rooms < due)
		due = rooms;
	if (due == INT64_MAX) {
		loop_timer_off(d->tick);
		return;
	}
	d->tick_at = due > soon ? due : soon;
	loop_timer_set(d->tick, d->tick_at - now);
}

static void
ticked(void *arg)
{
	struct daemon *d = arg;

	room_tick(d);
	sender_tick(d);
	if (d->trim_due >= TRIM_AFTER)
		trim_boxes(d);
}

/* Events may be lost, and are where other machines write: look at it all. */
static void
scanned(void *arg)
{
	struct daemon *d = arg;

	bridge_scan(d);
	views_count(d);
	if (d->trim_due > 0)
		trim_boxes(d);
	quota_tick(d);
	loop_timer_set(d->scan, SCAN_MS);
}

static void
polled(void *arg)
{
	struct daemon *d = arg;

	bridge_watch_ready(d);
	loop_timer_set(d->poll, POLL_MS);
}

static void
alive(void *arg)
{
	struct daemon *d = arg;
	int64_t again_ms = notify_alive();

	if (again_ms >= 0)
		loop_timer_set(d->alive, again_ms);
}

int
tick_init(struct daemon *d)
{
	int rc = loop_timer_new(&d->tick, d->loop, ticked, d);

	if (rc == 0)
		rc = loop_timer_new(&d->scan, d->loop, scanned, d);
	if (rc == 0)
		rc = loop_timer_new(&d->alive, d->loop, alive, d);
	if (rc == 0)
		rc = loop_timer_new(&d->poll, d->loop, polled, d);
	return rc;
}

void
tick_fini(struct daemon *d)
{
	loop_timer_free(d->tick);
	loop_timer_free(d->scan);
	loop_timer_free(d->alive);
	loop_timer_free(d->poll);
}

void
tick_start(struct daemon *d)
{
	d->used_stale = true;
	quota_tick(d);
	loop_timer_set(d->scan, SCAN_MS);
	loop_after(d->loop, turned, d);
	turned(d);
	alive(d);
}
