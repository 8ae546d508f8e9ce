/*
 * publish.c - from a staged file to one in new/, a batch at a time.
 *
 * What has been staged while the worker synced is the next batch. It is
 * synced, its positions are committed in the cursor, its lines go into the
 * rings, its files are published, and only then is the mailbox acknowledged
 * (the order is spool.h's).
 *
 * Of a flood the worker does the renames as well, so that the next batch can
 * be staged meanwhile; a lone message would wait longer for the worker than
 * for its rename.
 */
#include "config.h"

#include "daemon/state.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "base/err.h"
#include "base/log.h"

#define RETRY_MS	2000
#define OWN_MS		20		/* our own echo: nobody waits for it */
#define FLOOD		100		/* in one batch */
#define FLOOD_MS	2		/* and as long as in this time */
#define FLOOD_GROWTH	32		/* so many more come, */
#define FLOOD_BATCH	500		/* up to so many are gathered */
#define FILES_PLENTY	8192		/* descriptors: hundreds may be held */
#define BATCH_BYTES_MAX	(2 << 20)	/* then the relay waits */
#define CURSOR_FILE_LEN	(64 << 10)	/* then it is written anew */

static struct spool_box *
box_of(struct daemon *d, const char *name)
{
	struct room *room;
	struct peer_box *peer;

	if (*name == '#') {
		room = room_find(d, name);
		return room != NULL ? room->box : NULL;
	}
	peer = map_get(&d->peers, name, strlen(name));
	return peer != NULL ? peer->box : NULL;
}

void
publish_disk_full(struct daemon *d, int rc)
{
	if (!d->rx.full_logged)
		log_warn("disk_full", "err", ac_strerror(rc), NULL);
	d->rx.full_logged = d->full = true;
	d->full_rc = rc;
	views_touch(d);
	if (!loop_timer_on(d->rx.retry))
		loop_timer_set(d->rx.retry, RETRY_MS);
}

/* ------------------------------------------------------- sync and publish */

/* On the worker's thread. */
static int
sync_job(struct daemon *d)
{
	struct receiver *rx = &d->rx;
	int dir = spool_dir(d->sp), rc;

	rx->cursor_rc = 0;
	rc = batch_sync(&rx->current, d->sp);
	if (rc < 0 || rx->cursor_text.len == 0)
		return rc;
	rx->cursor_rc = rx->cursor_whole ?
	    spool_replace(dir, "cursor", rx->cursor_text.p,
	    rx->cursor_text.len, true) :
	    spool_extend(dir, "cursor", rx->cursor_len, rx->cursor_text.p,
	    rx->cursor_text.len);
	return 0;
}

static int
work(void *arg)
{
	struct daemon *d = arg;

	if (!d->rx.moving)
		return sync_job(d);
	batch_rename(&d->rx.current, &d->rx.stop);
	return 0;
}

/* What of the cursor is to be written: 0, or -ENOMEM, and that is the end. */
static int
print_cursor(struct daemon *d)
{
	struct receiver *rx = &d->rx;
	int rc;

	buf_clear(&rx->cursor_text);
	rx->cursor_whole = cursor_print(&rx->cursor,
	    rx->cursor_len > CURSOR_FILE_LEN, &rx->cursor_text);
	rc = buf_err(&rx->cursor_text);
	if (rc < 0)
		daemon_fatal(d, rc, "cursor");
	return rc;
}

/* Take the positions of the current batch into the cursor. */
static void
advance_cursor(struct daemon *d)
{
	struct receiver *rx = &d->rx;
	struct cursor *c = &rx->cursor;

	for (struct staged *s = rx->current.head; s != NULL; s = s->next) {
		int rc = 0;

		if (s->seq != 0 && room_find(d, s->box) == NULL)
			continue;	/* left: where we were is forgotten */
		if (s->seq != 0)
			rc = cursor_set(c, s->box, s->epoch, s->seq);
		else if (s->mailbox_seq != 0)
			rc = cursor_set_mailbox(c, s->epoch, s->mailbox_seq);
		else if (s->local > c->local)
			c->local = s->local;
		if (rc < 0)
			daemon_fatal(d, rc, "cursor");
		rx->cursor_dirty = true;
	}
}

static void
start_batch(struct daemon *d)
{
	struct receiver *rx = &d->rx;

	if (worker_busy(rx->worker) || rx->current.head != NULL)
		return;		/* the end of the one under way comes here */
	if (rx->next.head == NULL && !rx->cursor_dirty)
		return;
	batch_take(&rx->current, &rx->next);
	rx->last_count = rx->current.count;
	rx->waited = 0;
	advance_cursor(d);
	rx->current.deep = rx->current.deep || !rx->keeps_order;
	if (print_cursor(d) < 0)
		return;
	rx->cursor_dirty = false;
	worker_start(rx->worker);
	if (rx->paused) {
		rx->paused = false;
		client_pause(d->client, false);
	}
}

void
publish_kick(struct daemon *d)
{
	if (!d->rx.kicked)
		loop_timer_set(d->rx.kick, 0);
	d->rx.kicked = true;
}

static void
add_to_ring(struct spool_ring *ring, int rc, const struct staged *s)
{
	if (rc == 0)
		rc = spool_ring_add(ring, s->line, s->len);
	if (rc < 0 && rc != -ESTALE)
		log_warn("ring", "box", s->box, "err", ac_strerror(rc), NULL);
}

static void
flush_ring(struct daemon *d, struct spool_ring *ring, int rc)
{
	if (rc == 0)
		rc = spool_ring_flush(ring);
	if (daemon_disk_full(rc))
		publish_disk_full(d, rc);
	else if (rc < 0 && rc != -ESTALE)
		log_warn("ring", "err", ac_strerror(rc), NULL);
}

static void
fill_rings(struct daemon *d)
{
	struct spool_ring *all = NULL, *own = NULL;
	int all_rc = spool_ring_main(d->sp, &all), rc;
	struct spool_box *box, *last = NULL;
	struct staged *s;

	for (s = d->rx.current.head; s != NULL; s = s->next) {
		if (s->published || s->in_rings)
			continue;
		s->in_rings = true;
		box = box_of(d, s->box);
		add_to_ring(all, all_rc, s);
		if (box != NULL) {
			rc = spool_ring_box(box, &own);
			add_to_ring(own, rc, s);
		}
	}
	flush_ring(d, all, all_rc);
	for (s = d->rx.current.head; s != NULL; s = s->next) {
		box = box_of(d, s->box);
		if (box == NULL || box == last)
			continue;
		rc = spool_ring_box(box, &own);
		flush_ring(d, own, rc);
		last = box;
	}
}

/* 0 if it is out of the way, in new/, cur/ or, its box gone, nowhere. */
static int
publish_one(struct daemon *d, struct staged *s)
{
	struct spool_box *box = box_of(d, s->box);
	int rc = 0;

	if (!s->moved)
		rc = box != NULL ? spool_publish(box, s->name, s->read) :
		    -ESTALE;
	if (daemon_disk_full(rc))
		return rc;
	s->published = true;
	if (rc == 0) {
		d->delivered += !s->read;
	} else {
		d->dropped++;
		if (rc != -ESTALE)
			log_warn("publish", "box", s->box, "file", s->name,
			    "err", ac_strerror(rc), NULL);
	}
	return 0;
}

/* Say what is in new/ for good: up to here the relay may forget. */
static void
acknowledge(struct daemon *d)
{
	struct receiver *rx = &d->rx;
	struct buf b = BUF_INIT;

	if (!rx->ack_due || rx->published == 0 || !d->connected ||
	    !d->info.caps_ack)
		return;
	/* A relay that counts anew would take an old number for its own. */
	if (*d->info.epoch != '\0' &&
	    strcmp(d->info.epoch, rx->mailbox_epoch) != 0)
		return;
	rx->ack_due = false;
	wire_begin(&b, WIRE_ACK);
	wire_put_int(&b, WF_MAILBOX_SEQ, (int64_t)rx->published);
	wire_end(&b);
	/* If it can't be sent now, the message comes again, and is known. */
	if (buf_err(&b) == 0 && client_send(d->client, b.p, b.len) < 0)
		log_warn("ack", "sent", "no", NULL);
	buf_fini(&b);
}

/*
 * Is it for the worker to publish? Then it is told what to rename. If a whole
 * batch has come while it synced, all wait for the worker, not for the loop.
 */
static bool
plan_moves(struct daemon *d)
{
	struct receiver *rx = &d->rx;
	struct spool_box *box;
	size_t n = 0;

	if (rx->current.count < FLOOD || rx->next.count >= FLOOD_BATCH)
		return false;
	rx->stop = false;
	for (struct staged *s = rx->current.head; s != NULL; s = s->next) {
		if (n++ % BATCH_GLANCE == 0)
			spool_glance(d->sp);
		box = s->published ? NULL : box_of(d, s->box);
		s->planned = box != NULL &&
		    spool_move_plan(box, s->name, s->read, &s->move);
	}
	return true;
}

/*
 * In a flood large batches are cheaper: one sync, and of the rings only what
 * will stay in them. So the next one waits, as long as it grows fast.
 */
static bool
wait_for_more(struct receiver *rx)
{
	size_t count = rx->next.count, grown = count - rx->waited;

	if (rx->last_count < FLOOD || grown < FLOOD_GROWTH ||
	    count >= FLOOD_BATCH || rx->next.bytes > BATCH_BYTES_MAX)
		return false;
	rx->waited = count;
	rx->kicked = true;
	loop_timer_set(rx->kick, FLOOD_MS);
	return true;
}

/* Is what a full disk kept waiting through, since retried() was last here? */
static bool
is_relieved(const struct daemon *d)
{
	const struct receiver *rx = &d->rx;

	return rx->full_logged && !d->full && rx->current.head == NULL &&
	    !worker_busy(rx->worker);
}

/* Then on with the rest. From the loop: somebody may be draining. */
static void
has_space(struct daemon *d)
{
	receive_backlog(d);
	if (d->full)
		return;
	d->rx.full_logged = false;
	log_info("disk_has_space", NULL);
	start_batch(d);
	views_touch(d);
	collect_outbox(d);
	sender_pump(d);
}

/* What is left to do once the worker has renamed what it could. */
static void
publish_rest(struct daemon *d)
{
	struct receiver *rx = &d->rx;
	bool unread = false;
	size_t n = 0;
	int rc;

	for (struct staged *s = rx->current.head; s != NULL; s = s->next) {
		if (n++ % BATCH_GLANCE == 0)
			spool_glance(d->sp);
		rc = s->published ? 0 : publish_one(d, s);
		if (rc < 0) {
			publish_disk_full(d, rc);
			return;		/* retried() goes on here */
		}
		unread = unread || !s->read;
		if (s->mailbox_seq != 0 &&
		    strcmp(s->epoch, rx->mailbox_epoch) == 0) {
			rx->published = s->mailbox_seq;
			rx->ack_due = true;
		}
	}
	acknowledge(d);
	d->trim_due += rx->current.count;
	settle_soon(d);
	batch_fini(&rx->current);
	if (unread)
		views_unread(d);
	views_touch(d);
	if (is_relieved(d))
		publish_kick(d);
	else if (!rx->kicked && !wait_for_more(rx))
		start_batch(d);
}

/* The batch is durable: show it. */
static void
publish_batch(struct daemon *d)
{
	struct receiver *rx = &d->rx;

	fill_rings(d);
	rx->moving = plan_moves(d);
	if (rx->moving)
		worker_start(rx->worker);
	else
		publish_rest(d);
}

static void
synced(struct daemon *d, int result)
{
	struct receiver *rx = &d->rx;
	/* Somebody was at the file: that is no reason to give up. */
	bool changed = rx->cursor_rc == -ESTALE && !rx->cursor_whole;

	if (result < 0) {
		daemon_fatal(d, result, "sync");
		return;
	}
	if (changed || daemon_disk_full(rx->cursor_rc)) {
		/* Whatever it has left, from here on only the whole file. */
		rx->current.deep = true;
		rx->cursor.renew = true;
		if (print_cursor(d) < 0)
			return;
		rx->cursor.renew = true;	/* until it is written */
		if (changed)
			worker_start(rx->worker);
		else		/* retried() starts the worker again */
			publish_disk_full(d, rx->cursor_rc);
		return;
	}
	if (rx->cursor_rc < 0) {
		daemon_fatal(d, rx->cursor_rc, "cursor");
		return;
	}
	rx->cursor_len = (rx->cursor_whole ? 0 : rx->cursor_len) +
	    rx->cursor_text.len;
	buf_clear(&rx->cursor_text);
	publish_batch(d);
}

static void
worked(void *arg, int result)
{
	struct daemon *d = arg;

	if (d->rx.moving) {
		d->rx.moving = false;
		publish_rest(d);
	} else {
		synced(d, result);
	}
}

static void
kicked(void *arg)
{
	struct daemon *d = arg;

	spool_glance(d->sp);	/* of what this turn of the loop has staged */
	acknowledge(d);
	if (is_relieved(d))
		has_space(d);
	if (wait_for_more(&d->rx))
		return;
	d->rx.kicked = false;
	start_batch(d);
}

/* The disk was full: is there space, and does what waits get on? */
static void
retried(void *arg)
{
	struct daemon *d = arg;
	struct receiver *rx = &d->rx;
	int rc = views_probe(d);

	if (daemon_disk_full(rc) || (d->over && quota_look(d)) ||
	    worker_busy(rx->worker)) {
		loop_timer_set(rx->retry, RETRY_MS);
		return;
	}
	d->full = false;
	spool_glance(d->sp);
	if (rx->cursor_text.len > 0)
		worker_start(rx->worker);
	else
		publish_batch(d);
}

void
publish_cursor(struct daemon *d)
{
	d->rx.cursor_dirty = true;
	publish_kick(d);
}

int
publish_drain(struct daemon *d)
{
	struct receiver *rx = &d->rx;

	/* Twice: what the first end starts is what was staged meanwhile. */
	for (int i = 0; i < 3; i++) {
		start_batch(d);
		while (worker_busy(rx->worker))
			worker_finish(rx->worker);
		if (d->rc < 0)
			return d->rc;
		if (rx->current.head != NULL || rx->cursor_text.len > 0)
			return -ENOSPC;
	}
	return 0;
}

void
publish_leave(struct daemon *d)
{
	if (!d->rx.moving)
		return;
	d->rx.stop = true;
	worker_finish(d->rx.worker);
}

bool
publish_holds(const struct daemon *d)
{
	/* Elsewhere an error may show at close(), and has to be seen. */
	return d->rx.keeps_order && d->rx.next.held < d->rx.may_hold;
}

bool
publish_sheds(struct daemon *d)
{
	d->rx.may_hold = BATCH_SINGLY;
	return batch_shed(&d->rx.next);
}

void
publish_add(struct daemon *d, struct staged *s)
{
	struct receiver *rx = &d->rx;

	batch_add(&rx->next, s);
	if (rx->next.bytes > BATCH_BYTES_MAX && !rx->paused) {
		rx->paused = true;	/* until this batch is under way */
		client_pause(d->client, true);
	}
	if (!s->read)
		publish_kick(d);
	else if (!loop_timer_on(rx->kick))
		loop_timer_set(rx->kick, OWN_MS);
}

int
publish_init(struct daemon *d)
{
	struct receiver *rx = &d->rx;
	struct rlimit rl;
	int rc;

	batch_init(&rx->next);
	batch_init(&rx->current);
	cursor_init(&rx->cursor);
	rx->cursor.renew = true;	/* there may be no file */
	rx->next.deep = true;	/* what recover_box() shows isn't synced */
	rx->may_hold = getrlimit(RLIMIT_NOFILE, &rl) == 0 &&
	    rl.rlim_cur >= FILES_PLENTY ? FLOOD_BATCH : BATCH_SINGLY;
	rc = loop_timer_new(&rx->kick, d->loop, kicked, d);
	if (rc == 0)
		rc = loop_timer_new(&rx->retry, d->loop, retried, d);
	if (rc == 0)
		rc = worker_new(&rx->worker, d->loop, work, worked, d);
	return rc;
}

void
publish_fini(struct daemon *d)
{
	struct receiver *rx = &d->rx;

	worker_free(rx->worker);
	loop_timer_free(rx->kick);
	loop_timer_free(rx->retry);
	if (rx->next.tail != NULL) {
		batch_fini(&rx->next);
		batch_fini(&rx->current);
		cursor_fini(&rx->cursor);
	}
	buf_fini(&rx->cursor_text);
}
