/*
 * views.c - what the daemon shows: status.json and unread.md.
 *
 * Both can be made again from the spool. status.json has to be able to
 * say that the disk is full on a disk that is full: so that text lies ready in
 * a file of its own, and saying it is a rename.
 */
#include "config.h"

#include "daemon/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/digest.h"
#include "daemon/status.h"

#define STATUS		"status.json"
#define STATUS_FULL	".status.full"
#define WRITE_MS	100	/* between two status.json */
#define UNREAD_MS	1000	/* between two unread.md */
#define TICK_MS		100	/* of file systems' clocks, generously */

/* -------------------------------------------------------------- status */

static const char *
state_name(const struct daemon *d)
{
	if (d->full)
		return "full";
	if (d->ended)
		return "stopped";
	if (d->connected)
		return "connected";
	return d->error[0] != '\0' ? "waiting" : "connecting";
}

static size_t
count_unread(struct daemon *d)
{
	struct peer_box *p;
	struct room *r;
	size_t at = 0, n = 0;

	while ((r = map_next(&d->rooms, &at)) != NULL)
		n += r->unread;
	at = 0;
	while ((p = map_next(&d->peers, &at)) != NULL)
		n += p->unread;
	return n;
}

static const char *
full_text(const struct daemon *d)
{
	if (d->over)
		return "The spool has reached --max-spool: remove what was "
		    "read (archive/, cur/, sent/).";
	if (d->full_rc == -EMFILE || d->full_rc == -ENFILE)
		return "Out of file descriptors: raise the limit "
		    "(ulimit -n).";
	return "No space left on the disk: free some.";
}

static void
print_status(struct daemon *d, const char *state, struct buf *b)
{
	char since[CLOCK_ISO_MAX];
	struct status st = {
		.state = state, .server = d->conf->server, .name = d->name,
		.agent_id = d->me[0] != '\0' ? d->me : NULL, .since = since,
		.unread = count_unread(d),
		.queued = spool_queue_count(d->tx.queue),
		.sent = d->sent, .failed = d->failed,
		.archived = d->archived, .dropped = d->dropped,
		.error = d->error[0] != '\0' && !d->connected ? d->error :
		    d->full ? full_text(d) : NULL,
		.pid = getpid()
	};

	if (strcmp(state, d->last_state) != 0) {
		snprintf(d->last_state, sizeof(d->last_state), "%s", state);
		d->state_since = clock_wall_ms();
	}
	clock_iso(d->state_since, since);
	status_print(&st, b);
}

int
views_probe(struct daemon *d)
{
	struct buf b = BUF_INIT;
	int rc;

	print_status(d, "full", &b);
	rc = buf_err(&b);
	if (rc == 0)
		rc = spool_replace(spool_dir(d->sp), STATUS_FULL, b.p, b.len,
		    false);
	buf_fini(&b);
	return rc;
}

void
views_write(struct daemon *d)
{
	int dir = spool_dir(d->sp), rc;
	struct buf b = BUF_INIT;

	d->status_dirty = false;
	print_status(d, state_name(d), &b);
	rc = buf_err(&b);
	if (rc == 0)
		rc = spool_replace(dir, STATUS, b.p, b.len, false);
	buf_fini(&b);
	if (daemon_disk_full(rc)) {
		/* -ENOENT: it says so already. */
		if (renameat(dir, STATUS_FULL, dir, STATUS) == -1 &&
		    errno != ENOENT)
			log_warn("status", "err", ac_strerror(-errno), NULL);
		publish_disk_full(d, rc);
	} else if (rc < 0) {
		log_warn("status", "err", ac_strerror(rc), NULL);
	}
}

void
views_touch(struct daemon *d)
{
	d->status_dirty = d->used_stale = true;
	if (!loop_timer_on(d->views))
		loop_timer_set(d->views, WRITE_MS);
}

void
views_unread(struct daemon *d)
{
	d->unread_dirty = true;
	views_touch(d);
}

/* ------------------------------------------------------- what is unread */

/*
 * Count again if new/ changed; true if it did. A change within the clock tick
 * of the count would have the same mtime: so a fresh one isn't remembered.
 */
static bool
recount(struct spool_box *box, size_t *unread, int64_t *mtime)
{
	size_t before = *unread;
	struct stat st;
	int64_t changed;

	if (fstat(spool_box_sub(box, SPOOL_NEW), &st) == -1)
		return false;
	changed = (int64_t)st.st_mtim.tv_sec * 1000 +
	    st.st_mtim.tv_nsec / 1000000;
	if (changed == *mtime)
		return false;
	*mtime = clock_wall_ms() - changed > TICK_MS ? changed : 0;
	return spool_count(box, SPOOL_NEW, unread) == 0 && *unread != before;
}

void
views_count(struct daemon *d)
{
	struct peer_box *p;
	struct room *r;
	size_t at = 0;
	bool changed = false;

	while ((r = map_next(&d->rooms, &at)) != NULL)
		changed |= recount(r->box, &r->unread, &r->unread_mtime);
	at = 0;
	while ((p = map_next(&d->peers, &at)) != NULL)
		changed |= recount(p->box, &p->unread, &p->unread_mtime);
	if (changed)
		views_unread(d);
}

static void
write_unread(struct daemon *d)
{
	struct digest *digest;
	struct buf b = BUF_INIT;
	struct peer_box *p;
	struct room *r;
	size_t at = 0;
	int rc = digest_new(&digest);

	if (rc < 0)
		return;
	while ((r = map_next(&d->rooms, &at)) != NULL)
		if (r->unread > 0)
			digest_add_box(digest, r->box);
	at = 0;
	while ((p = map_next(&d->peers, &at)) != NULL)
		if (p->unread > 0)
			digest_add_box(digest, p->box);
	digest_print(digest, count_unread(d), &b);
	digest_free(digest);
	rc = buf_err(&b);
	if (rc == 0)
		rc = spool_replace(spool_dir(d->sp), "unread.md", b.p, b.len,
		    false);
	buf_fini(&b);
	if (daemon_disk_full(rc))
		publish_disk_full(d, rc);
	else if (rc < 0)
		log_warn("unread", "err", ac_strerror(rc), NULL);
}

void
views_refresh(void *arg)
{
	struct daemon *d = arg;
	int64_t now = clock_mono_ms();
	struct spool_ring *ring;
	int rc;

	rc = spool_ring_main(d->sp, &ring);
	if (rc == 0)
		rc = spool_ring_flush(ring);
	if (daemon_disk_full(rc))
		publish_disk_full(d, rc);
	room_write_views(d);
	if (d->unread_dirty && now - d->unread_at >= UNREAD_MS) {
		views_count(d);
		d->unread_dirty = false;
		d->unread_at = now;
		write_unread(d);
	}
	if (d->status_dirty)
		views_write(d);
	if (d->unread_dirty)
		loop_timer_set(d->views, UNREAD_MS);
}
