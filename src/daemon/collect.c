/*
 * collect.c - what agents have put down goes into the queue, and the queue to
 * disk: the worker does the waiting, and what it has synced may be sent.
 */
#include "config.h"

#include "daemon/state.h"

#include <errno.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

#define LINES_MAX	256	/* of outbox.jsonl, per turn of the loop */
#define FILES_MAX	64	/* of an out/ */
#define BUSY_MS		200	/* look again at a file that has a writer */

static int
sync_job(void *arg)
{
	struct daemon *d = arg;

	return fdatasync(d->tx.sync_fd) == -1 ? -errno : 0;
}

static void
start_sync(struct daemon *d)
{
	int rc;

	if (worker_busy(d->tx.worker))
		return;
	rc = spool_queue_sync_begin(d->tx.queue, &d->tx.sync_fd);
	if (rc > 0)
		worker_start(d->tx.worker);
	else if (rc < 0)
		daemon_fatal(d, rc, "queue");
}

static void
synced(void *arg, int result)
{
	struct daemon *d = arg;
	int rc = spool_queue_sync_end(d->tx.queue, result);

	if (rc < 0) {
		daemon_fatal(d, rc, "queue");
		return;
	}
	sender_pump(d);
	/* More may have come; and what is drained can be retired now. */
	collect_outbox(d);
}

/* What is no file that can be sent, in the words of who put it there. */
static const char *
odd_text(int rc)
{
	switch (rc) {
	case -ELOOP:
		return "a symbolic link is not followed: put the file there";
	case -EMLINK:
		return "the file has other names (hard links): put a copy "
		    "there";
	case -EINVAL:
		return "not a plain file of the daemon's own user";
	default:
		return ac_strerror(rc);
	}
}

/* How long the queue was is shown, if it has grown. */
static void
show(struct daemon *d, size_t before)
{
	if (spool_queue_count(d->tx.queue) != before)
		views_touch(d);
}

/* Shared by both intakes: 1 if there is more at once. */
static bool
took(struct daemon *d, int rc, const char *box, const char *file)
{
	if (rc == -EAGAIN || daemon_disk_full(rc))
		publish_disk_full(d, rc == -EAGAIN ? -ENOSPC : rc);
	else if (rc < 0 && rc != -ESTALE && rc != -ENOENT)
		log_warn("intake", "in", box, "file", file, "err",
		    odd_text(rc), NULL);
	return rc > 0;
}

void
collect_outbox(struct daemon *d)
{
	size_t queued = spool_queue_count(d->tx.queue);
	int again_ms = -1, rc;
	bool odd;

	if (d->full || d->stopping)
		return;
	rc = spool_intake_outbox(d->tx.queue, LINES_MAX, &again_ms);
	/* What is no file of ours is said at each call, and logged once. */
	odd = rc == -ELOOP || rc == -EMLINK || rc == -EINVAL;
	if (!(odd && rc == d->tx.outbox_rc) &&
	    took(d, rc, ".", "outbox.jsonl"))
		again_ms = 0;
	d->tx.outbox_rc = odd ? rc : 0;
	if (again_ms >= 0)
		loop_timer_set(d->tx.intake, again_ms);
	show(d, queued);
	start_sync(d);
}

void
collect_drop(struct daemon *d, struct spool_box *box)
{
	size_t queued = spool_queue_count(d->tx.queue);
	bool busy = false;
	int rc;

	if (d->full || d->stopping)
		return;
	rc = spool_intake_drop(d->tx.queue, box, FILES_MAX, &busy);
	if (took(d, rc, spool_box_name(box), spool_intake_odd(d->tx.queue)))
		loop_timer_set(d->tx.drop, 0);
	else if (busy && !loop_timer_on(d->tx.drop))
		loop_timer_set(d->tx.drop, BUSY_MS);
	show(d, queued);
	start_sync(d);
}

static void
intake_again(void *arg)
{
	collect_outbox(arg);
}

static void
drop_again(void *arg)
{
	bridge_drops(arg);
}

int
collect_init(struct daemon *d)
{
	struct outgoing *tx = &d->tx;
	int rc = loop_timer_new(&tx->intake, d->loop, intake_again, d);

	if (rc == 0)
		rc = loop_timer_new(&tx->drop, d->loop, drop_again, d);
	if (rc == 0)
		rc = worker_new(&tx->worker, d->loop, sync_job, synced, d);
	return rc;
}

void
collect_fini(struct daemon *d)
{
	struct outgoing *tx = &d->tx;

	worker_free(tx->worker);
	loop_timer_free(tx->intake);
	loop_timer_free(tx->drop);
}
