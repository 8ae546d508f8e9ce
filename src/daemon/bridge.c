/*
 * bridge.c - the relay on one side, the directory on the other: what comes
 * from either, and whose it is.
 */
#include "config.h"

#include "daemon/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

/* ------------------------------------------------------------- the relay */

/* To whoever waits in --background, once. */
static void
tell_ready(struct daemon *d, const char *state, const char *error)
{
	struct buf b = BUF_INIT;

	if (d->ready_fd == -1)
		return;
	buf_adds(&b, "{\"state\":");
	wire_json_str(&b, state, strlen(state));
	if (d->me[0] != '\0') {
		wire_json_key(&b, "agent_id");
		wire_json_str(&b, d->me, strlen(d->me));
	}
	if (error != NULL) {
		wire_json_key(&b, "error");
		wire_json_str(&b, error, strlen(error));
	}
	buf_adds(&b, "}\n");
	if (buf_err(&b) < 0 || write(d->ready_fd, b.p, b.len) == -1)
		log_warn("ready", "told", "nobody", NULL);
	buf_fini(&b);
	close(d->ready_fd);
	d->ready_fd = -1;
}

static void
on_ready(void *arg, const struct client_info *info)
{
	struct daemon *d = arg;

	d->info = *info;
	if (!cursor_epoch_ok(d->info.epoch))
		d->info.epoch[0] = '\0';
	d->connected = true;
	d->error[0] = '\0';
	snprintf(d->me, sizeof(d->me), "%s", info->agent_id);
	log_info("connected", "agent", d->me, "server", info->server,
	    "verified", info->verified ? "yes" : "no", NULL);
	receive_session(d);
	room_pump(d);
	sender_session(d);
	views_write(d);		/* who is told looks there next */
	tell_ready(d, "connected", NULL);
}

static void
on_down(void *arg, int rc, const char *why, int64_t retry_ms)
{
	struct daemon *d = arg;
	char retry[LOG_NUM_MAX];

	d->connected = false;
	snprintf(d->error, sizeof(d->error), "%s", why);
	room_offline(d);
	sender_offline(d);
	d->rx.paused = false;
	views_touch(d);
	if (d->stopping) {
		loop_stop(d->loop);
		return;
	}
	log_warn("disconnected", "why", why, "retry_ms",
	    log_num(retry, (long long)retry_ms), NULL);
	if (retry_ms >= 0 && d->ready_fd == -1)
		return;
	/* Nobody waits for a second try, or the relay will not have us. */
	tell_ready(d, "failed", why);
	d->rc = rc < 0 ? rc : -ECONNREFUSED;
	free(d->why);
	d->why = strdup(why);
	loop_stop(d->loop);
}

static void
on_message(void *arg, const struct wire_msg *m, const char *text, size_t len)
{
	struct daemon *d = arg;

	switch (m->type) {
	case WIRE_ERROR:
		if (!ask_error(d, m) && !room_error(d, m))
			sender_error(d, m);
		return;
	case WIRE_MSG:
	case WIRE_PROPOSAL:
	case WIRE_ACCEPT:
	case WIRE_REJECT:
	case WIRE_COMPLETE:
	case WIRE_DISPUTE:
		receive_message(d, m, text, len);
		break;
	case WIRE_JOINED:
	case WIRE_LEFT:
	case WIRE_AGENT_JOINED:
	case WIRE_AGENT_LEFT:
	case WIRE_GAP:
	case WIRE_NICK_CHANGED:
	case WIRE_PRESENCE_CHANGED:
		room_message(d, m);
		break;
	case WIRE_STORED:
	case WIRE_PING:
	case WIRE_PONG:
	case WIRE_TYPING:
	case WIRE_VERIFIED:
		break;
	case WIRE_VERIFY_SUCCESS:
	case WIRE_VERIFY_FAILED:
		if (ask_message(d, m))
			return;
		/* FALLTHROUGH */
	default:
		/* Answers to what the agent asked for, and news. */
		receive_event(d, NULL, m);
	}
	sender_message(d, m, text, len);
}

static void
on_odd(void *arg, const char *what, const char *why)
{
	(void)arg;
	log_warn(what, "why", why, NULL);
}

const struct client_ops bridge_ops = {
	.ready = on_ready,
	.message = on_message,
	.down = on_down,
	.odd = on_odd,
};

/* --------------------------------------------------------- the directory */

void
bridge_watch_box(struct daemon *d, struct spool_box *box)
{
	int rc = spool_watch_box(d->watch, box);

	if (rc < 0)
		log_warn("watch", "box", spool_box_name(box), "err",
		    ac_strerror(rc), NULL);
	bridge_watch_trouble(d);
}

void
bridge_watch_trouble(struct daemon *d)
{
	const char *trouble = spool_watch_trouble(d->watch);

	if (trouble != NULL && !d->conf->poll && !d->watch_told) {
		log_warn("watch", "trouble", trouble, "does",
		    "looks twice a second", NULL);
		d->watch_told = true;
	}
	if ((trouble != NULL || spool_watch_fd(d->watch) == -1) &&
	    !loop_timer_on(d->poll))
		loop_timer_set(d->poll, POLL_MS);
}

static int
open_peer(struct daemon *d, const char *name, bool create,
    struct spool_box **box)
{
	size_t len = strlen(name);
	struct peer_box *p = map_get(&d->peers, name, len);
	int rc;

	if (p != NULL) {
		*box = p->box;
		return 0;
	}
	rc = spool_box(d->sp, name, create, box);
	if (rc < 0)
		return rc;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	memcpy(p->name, name, len + 1);
	p->box = *box;
	rc = map_put(&d->peers, p->name, len, p);
	if (rc < 0) {
		free(p);
		return rc;
	}
	bridge_watch_box(d, *box);
	return 0;
}

int
bridge_peer_box(struct daemon *d, const char *name, struct spool_box **box)
{
	int rc = open_peer(d, name, true, box);

	if (rc == -EMFILE)
		rc = open_peer(d, SPOOL_OTHER, true, box);
	return rc;
}

static void
drop_peer(struct daemon *d, struct peer_box *p)
{
	publish_leave(d);
	map_del(&d->peers, p->name, strlen(p->name));
	spool_box_drop(d->sp, p->box);
	free(p);
	views_unread(d);
}

static int
on_box(void *arg, const char *name)
{
	struct daemon *d = arg;
	struct spool_box *box;
	struct room *room;
	int rc;

	rc = *name == '#' ? room_want(d, name, false, &room) :
	    open_peer(d, name, false, &box);
	if (rc < 0 && rc != -ENOENT && rc != -EMFILE)
		log_warn("box", "name", name, "err", ac_strerror(rc), NULL);
	return 0;
}

/* Say so where the one who made the directory will look. */
static int
on_misnamed(void *arg, const char *name)
{
	static const char why[] = "The name can't be used: # and 1 to 31 "
	    "letters, digits, '_' and '-' for a channel, an agent's @id for "
	    "a conversation. Make a directory with such a name.\n";
	struct daemon *d = arg;
	int rc = 0, fd;

	fd = openat(spool_dir(d->sp), name, O_RDONLY | O_DIRECTORY |
	    O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return 0;	/* gone again */
	if (faccessat(fd, ".error", F_OK, AT_SYMLINK_NOFOLLOW) == -1)
		rc = spool_replace(fd, ".error", why, sizeof(why) - 1, false);
	close(fd);
	if (rc < 0)
		log_warn("misnamed", "name", name, "err", ac_strerror(rc),
		    NULL);
	return 0;
}

/* Boxes that an agent took away. */
static void
drop_gone(struct daemon *d)
{
	struct peer_box *p;
	struct room *r;
	size_t at = 0;

	while ((r = map_next(&d->rooms, &at)) != NULL)
		if (spool_box_gone(r->box))
			room_leave(d, r, true);
	at = 0;
	while ((p = map_next(&d->peers, &at)) != NULL)
		if (spool_box_gone(p->box))
			drop_peer(d, p);
}

void
bridge_open_boxes(struct daemon *d)
{
	int rc = spool_each_box(d->sp, on_box, d);

	if (rc == 0)
		rc = spool_each_misnamed(d->sp, on_misnamed, d);
	if (rc < 0)
		log_warn("scan", "err", ac_strerror(rc), NULL);
}

static void
scan_boxes(struct daemon *d)
{
	drop_gone(d);
	bridge_open_boxes(d);
	room_pump(d);
}

void
bridge_drops(struct daemon *d)
{
	struct peer_box *p;
	struct room *r;
	size_t at = 0;

	while ((r = map_next(&d->rooms, &at)) != NULL)
		collect_drop(d, r->box);
	at = 0;
	while ((p = map_next(&d->peers, &at)) != NULL)
		collect_drop(d, p->box);
}

void
bridge_scan(struct daemon *d)
{
	scan_boxes(d);
	bridge_drops(d);
	collect_outbox(d);
}

static void
on_hint(void *arg, enum spool_hint hint, struct spool_box *box)
{
	struct daemon *d = arg;

	switch (hint) {
	case SPOOL_HINT_INSTANCE:
		scan_boxes(d);
		bridge_drops(d);
		break;
	case SPOOL_HINT_BOX:
		/* One box may be the first sign of another's: rm -r '#'*. */
		drop_gone(d);
		break;
	case SPOOL_HINT_OUTBOX:
		collect_outbox(d);
		break;
	case SPOOL_HINT_DROP:
		if (box != NULL)
			collect_drop(d, box);
		break;
	case SPOOL_HINT_READ:
		views_unread(d);
		break;
	case SPOOL_HINT_ALL:
		bridge_scan(d);
		views_count(d);
		break;
	default:
		break;
	}
}

void
bridge_watch_ready(void *arg)
{
	struct daemon *d = arg;
	int rc = spool_watch_read(d->watch, on_hint, d);

	if (rc < 0)
		log_warn("watch", "err", ac_strerror(rc), NULL);
}
