/*
 * room.c - channels: a directory is a membership.
 */
#include "config.h"

#include "daemon/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/roster.h"

#define ASKED_MAX	32	/* JOINs under way at a relay that numbers */
#define JOINS_FREE	100	/* of a session, at a relay that counts */
#define ANSWER_MS	30000	/* to a JOIN */
#define REFUSED_MS	60000	/* then it is tried again */
#define RATE_WAIT_MS	1200
#define SETTLE_MS	5000	/* replay has come, or will not */
#define JOIN_ID		"join-"
#define CREATE_ID	"create-"
#define LEAVE_ID	"leave-"

struct room *
room_find(struct daemon *d, const char *name)
{
	return map_get(&d->rooms, name, strlen(name));
}

static void
set_state(struct daemon *d, struct room *r, enum room_state state)
{
	bool was = r->state == ROOM_ASKED || r->state == ROOM_CREATING;
	bool is = state == ROOM_ASKED || state == ROOM_CREATING;

	d->rooms_asked += (size_t)is;
	d->rooms_asked -= (size_t)was;
	r->state = state;
	r->since_ms = clock_mono_ms();
}

static void
room_free(struct room *r)
{
	roster_fini(&r->agents);
	seen_free(r->seen);
	seen_free(r->before);
	free(r);
}

/* Put a channel on the list of those to leave, or take it off. */
static void
leave_later(struct daemon *d, const char *name)
{
	struct leaving *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return;		/* the next session doesn't JOIN */
	snprintf(l->name, sizeof(l->name), "%s", name);
	l->next = d->leaving;
	d->leaving = l;
}

static void
leave_not(struct daemon *d, const char *name)
{
	struct leaving **at = &d->leaving, *l;

	while ((l = *at) != NULL) {
		if (name == NULL || strcmp(l->name, name) == 0) {
			*at = l->next;
			free(l);
		} else {
			at = &l->next;
		}
	}
}

void
room_fini_all(struct daemon *d)
{
	struct room *r;
	size_t at = 0;

	while ((r = map_next(&d->rooms, &at)) != NULL)
		room_free(r);
	map_fini(&d->rooms);
	leave_not(d, NULL);
}

int
room_want(struct daemon *d, const char *name, bool create, struct room **out)
{
	struct room *r = room_find(d, name);
	const struct cursor_pos *pos;
	struct spool_box *box;
	int rc;

	*out = r;
	if (r != NULL)
		return 0;
	rc = spool_box(d->sp, name, create, &box);
	if (rc < 0)
		return rc;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->box = box;
	map_init(&r->agents);
	pos = cursor_get(&d->rx.cursor, name);
	if (pos != NULL) {
		memcpy(r->epoch, pos->epoch, sizeof(r->epoch));
		r->have = pos->seq;
		r->known = true;
	}
	rc = map_put(&d->rooms, r->name, strlen(r->name), r);
	if (rc < 0) {
		room_free(r);
		return rc;
	}
	leave_not(d, name);
	bridge_watch_box(d, box);
	*out = r;
	return 0;
}

/* ------------------------------------------------------- join and leave */

static int
say(struct daemon *d, struct buf *b)
{
	int rc = buf_err(b);

	if (rc == 0)
		rc = client_send(d->client, b->p, b->len);
	buf_fini(b);
	return rc;
}

int
room_ask(struct daemon *d, struct room *r, enum wire_type type)
{
	struct buf b = BUF_INIT;
	char id[SPOOL_BOX_MAX + 8];

	snprintf(id, sizeof(id), "%s%s", type == WIRE_JOIN ? JOIN_ID :
	    CREATE_ID, r->name);
	wire_begin(&b, type);
	wire_puts(&b, WF_CHANNEL, r->name);
	if (type == WIRE_JOIN && r->known && *r->epoch != '\0') {
		wire_put_int(&b, WF_SINCE, (int64_t)r->have);
		wire_puts(&b, WF_EPOCH, r->epoch);
	}
	wire_puts(&b, WF_ID, id);
	wire_end(&b);
	d->joins += type == WIRE_JOIN;
	return say(d, &b);
}

void
room_leave(struct daemon *d, struct room *r, bool tell)
{
	publish_leave(d);
	if (tell && r->state == ROOM_IN)
		leave_later(d, r->name);
	log_info("left", "channel", r->name, NULL);
	set_state(d, r, ROOM_OUT);
	cursor_forget(&d->rx.cursor, r->name);
	publish_cursor(d);
	map_del(&d->rooms, r->name, strlen(r->name));
	spool_box_drop(d->sp, r->box);
	room_free(r);
	views_unread(d);
	room_pump(d);
}

/* The LEAVEs that are due, as far as the relay's rate allows. */
static void
send_leaves(struct daemon *d)
{
	while (d->leaving != NULL && sender_take_token(d)) {
		struct buf b = BUF_INIT;
		char id[SPOOL_BOX_MAX + 8];

		snprintf(id, sizeof(id), "%s%s", LEAVE_ID, d->leaving->name);
		wire_begin(&b, WIRE_LEAVE);
		wire_puts(&b, WF_CHANNEL, d->leaving->name);
		wire_puts(&b, WF_ID, id);
		wire_end(&b);
		if (say(d, &b) < 0)
			return;
		leave_not(d, d->leaving->name);
	}
}

void
room_offline(struct daemon *d)
{
	struct room *r;
	size_t at = 0;

	d->joins = 0;
	leave_not(d, NULL);
	while ((r = map_next(&d->rooms, &at)) != NULL) {
		set_state(d, r, ROOM_OUT);
		r->asked_again = false;
		roster_fini(&r->agents);
		r->roster_dirty = true;
	}
}

/* Send what the room needs next; if it costs, only what the rate allows. */
static int
advance(struct daemon *d, struct room *r)
{
	bool missing = r->state == ROOM_MISSING;
	int rc;

	if ((missing || d->joins >= JOINS_FREE) && !sender_take_token(d))
		return 0;
	rc = room_ask(d, r, missing ? WIRE_CREATE_CHANNEL : WIRE_JOIN);
	if (rc == 0)
		set_state(d, r, missing ? ROOM_CREATING : ROOM_ASKED);
	return rc;
}

void
room_pump(struct daemon *d)
{
	size_t most = daemon_relay_is_new(d) ? ASKED_MAX : 1, at = 0;
	struct room *r;

	if (!d->connected || clock_mono_ms() < d->join_at)
		return;
	send_leaves(d);
	while ((r = map_next(&d->rooms, &at)) != NULL) {
		if (r->state != ROOM_OUT && r->state != ROOM_MISSING)
			continue;
		if (d->rooms_asked >= most || sender_waits(d) ||
		    advance(d, r) < 0)
			return;		/* the next tick goes on */
	}
}

static void
refuse(struct daemon *d, struct room *r, const char *why)
{
	struct buf b = BUF_INIT;
	int rc;

	log_warn("join_refused", "channel", r->name, "why", why, NULL);
	for (; *why != '\0'; why++)
		buf_addc(&b, (unsigned char)*why < ' ' || *why == 0x7f ? ' ' :
		    *why);
	buf_addc(&b, '\n');
	rc = buf_err(&b);
	if (rc == 0)
		rc = spool_replace(spool_box_dir(r->box), ".error", b.p, b.len,
		    false);
	buf_fini(&b);
	if (rc < 0)
		log_warn("join_refused", "err", ac_strerror(rc), NULL);
	set_state(d, r, ROOM_REFUSED);
}

/* The room that an ERROR is about, if it is about one. */
static struct room *
blamed(struct daemon *d, const struct wire_msg *m)
{
	const char *re = wire_str(m, WF_RE);
	struct room *r;
	size_t at = 0;

	if (re != NULL && strncmp(re, JOIN_ID, strlen(JOIN_ID)) == 0)
		return room_find(d, re + strlen(JOIN_ID));
	if (re != NULL && strncmp(re, CREATE_ID, strlen(CREATE_ID)) == 0)
		return room_find(d, re + strlen(CREATE_ID));
	if (re != NULL || daemon_relay_is_new(d))
		return NULL;
	while ((r = map_next(&d->rooms, &at)) != NULL)
		if (r->state == ROOM_ASKED || r->state == ROOM_CREATING)
			return r;
	return NULL;
}

bool
room_error(struct daemon *d, const struct wire_msg *m)
{
	const char *word = wire_str(m, WF_CODE), *why;
	int code = word != NULL ? ac_errcode(word, strlen(word)) : 0;
	const char *re = wire_str(m, WF_RE);
	struct room *r;

	if (re != NULL && strncmp(re, LEAVE_ID, strlen(LEAVE_ID)) == 0) {
		if (code == AC_E_RATE_LIMITED)
			leave_later(d, re + strlen(LEAVE_ID));
		d->join_at = clock_mono_ms() + RATE_WAIT_MS;
		return true;
	}
	r = blamed(d, m);
	if (r == NULL)
		return false;
	if (r->state != ROOM_ASKED && r->state != ROOM_CREATING)
		return true;	/* a gap asked for again: tick sees to it */
	why = wire_has(m, WF_MESSAGE) ? wire_str(m, WF_MESSAGE) :
	    code != 0 ? ac_strerror(code) : "The relay refuses.";
	if (code == AC_E_RATE_LIMITED) {
		set_state(d, r, r->state == ROOM_CREATING ? ROOM_MISSING :
		    ROOM_OUT);
		d->join_at = clock_mono_ms() + RATE_WAIT_MS;
	} else if (code == AC_E_CHANNEL_NOT_FOUND && r->state == ROOM_ASKED) {
		set_state(d, r, ROOM_MISSING);
	} else if (code == AC_E_CHANNEL_EXISTS && r->state == ROOM_CREATING) {
		/* Somebody made it since we asked: that one is meant. */
		set_state(d, r, ROOM_OUT);
	} else {
		refuse(d, r, why);
	}
	sender_pump(d);
	return true;
}

bool
room_settled(struct daemon *d, const char *target)
{
	struct room *r = *target == '#' ? room_find(d, target) : NULL;

	return r == NULL || r->state == ROOM_IN || r->state == ROOM_REFUSED;
}

void
room_hint(struct daemon *d, const char *text)
{
	struct room *r;
	size_t at = 0;

	while ((r = map_next(&d->rooms, &at)) != NULL)
		if (r->state == ROOM_REFUSED &&
		    strstr(text, r->name) != NULL)
			set_state(d, r, ROOM_OUT);
	room_pump(d);
}

/* Where there is something to do and it is not known when it can be: now. */
static int64_t
due_of(const struct daemon *d, const struct room *r, int64_t now)
{
	switch (r->state) {
	case ROOM_OUT:
	case ROOM_MISSING:
		return d->connected ? now : INT64_MAX;
	case ROOM_ASKED:
	case ROOM_CREATING:
		return r->since_ms + ANSWER_MS + 1;
	case ROOM_REFUSED:
		return r->since_ms + REFUSED_MS + 1;
	case ROOM_IN:
		break;
	}
	return !r->known && *r->epoch != '\0' ?
	    r->since_ms + SETTLE_MS + 1 : INT64_MAX;
}

int64_t
room_due(struct daemon *d, int64_t now)
{
	int64_t first = d->connected && d->leaving != NULL ? now : INT64_MAX;
	struct room *r;
	size_t at = 0;

	while ((r = map_next(&d->rooms, &at)) != NULL) {
		int64_t due = due_of(d, r, now);

		if (due < first)
			first = due;
	}
	return first;
}

void
room_tick(struct daemon *d)
{
	int64_t now = clock_mono_ms(), age_ms;
	struct room *r;
	size_t at = 0;

	while ((r = map_next(&d->rooms, &at)) != NULL) {
		age_ms = now - r->since_ms;
		if (((r->state == ROOM_ASKED || r->state == ROOM_CREATING) &&
		    age_ms > ANSWER_MS) ||
		    (r->state == ROOM_REFUSED && age_ms > REFUSED_MS))
			set_state(d, r, ROOM_OUT);
		if (r->state == ROOM_IN && !r->known && age_ms > SETTLE_MS &&
		    *r->epoch != '\0') {
			/* No history came: from here on we want it all. */
			r->known = true;
			r->have = r->top;
			r->any = false;
			if (cursor_set(&d->rx.cursor, r->name, r->epoch,
			    r->have) == 0)
				publish_cursor(d);
		}
	}
	room_pump(d);
}

/* -------------------------------------------------------------- messages */

static void
on_joined(struct daemon *d, const struct wire_msg *m, const char *name)
{
	struct room *r = room_find(d, name);
	int64_t seq = wire_int(m, WF_SEQ, 0);
	int rc;

	if (r == NULL && (sender_asks(d, WIRE_JOIN, name) ||
	    sender_asks(d, WIRE_CREATE_CHANNEL, name))) {
		rc = room_want(d, name, true, &r);
		if (rc < 0)
			log_warn("join", "channel", name, "err",
			    ac_strerror(rc), NULL);
	}
	if (r == NULL)
		return;		/* nobody asked for it */
	if (r->state != ROOM_IN) {
		set_state(d, r, ROOM_IN);
		log_info("joined", "channel", name, NULL);
		resume_enter(d, r, (uint64_t)seq);
	}
	unlinkat(spool_box_dir(r->box), ".error", 0);
	roster_fill(&r->agents, m);
	r->roster_dirty = true;
	views_touch(d);
	sender_pump(d);
}

static void
on_left(struct daemon *d, const struct wire_msg *m, struct room *r)
{
	const char *agent = wire_str(m, WF_AGENT);

	if (agent != NULL && !daemon_is_me(d, agent))
		roster_del(&r->agents, agent);
	else if (r->state == ROOM_IN && !sender_asks(d, WIRE_LEAVE, r->name))
		refuse(d, r, "The relay took us out of this channel.");
	r->roster_dirty = true;
}

/* NICK_CHANGED and PRESENCE_CHANGED: of an agent, wherever it is. */
static void
on_agent(struct daemon *d, const struct wire_msg *m)
{
	const char *id = wire_str(m, WF_AGENT_ID);
	struct room *r;
	size_t at = 0;

	while ((r = map_next(&d->rooms, &at)) != NULL)
		if (m->type == WIRE_NICK_CHANGED ? roster_rename(&r->agents,
		    id, wire_str(m, WF_NEW_NICK)) : roster_presence(&r->agents,
		    id, wire_str(m, WF_PRESENCE)))
			r->roster_dirty = true;
}

void
room_message(struct daemon *d, const struct wire_msg *m)
{
	const char *name = wire_str(m, WF_CHANNEL);
	struct room *r;

	if (m->type == WIRE_NICK_CHANGED || m->type == WIRE_PRESENCE_CHANGED) {
		on_agent(d, m);
		receive_event(d, NULL, m);
		return;
	}
	if (name == NULL || !wire_channel_ok(name, strlen(name)))
		return;
	if (m->type == WIRE_JOINED) {
		on_joined(d, m, name);
		return;
	}
	r = room_find(d, name);
	if (r == NULL)
		return;
	switch (m->type) {
	case WIRE_AGENT_JOINED:
		roster_add(&r->agents, wire_str(m, WF_AGENT),
		    wire_str(m, WF_NAME));
		r->roster_dirty = true;
		break;
	case WIRE_AGENT_LEFT:
		roster_del(&r->agents, wire_str(m, WF_AGENT));
		r->roster_dirty = true;
		break;
	case WIRE_LEFT:
		on_left(d, m, r);
		break;
	case WIRE_GAP:
		r->any = true;
		break;
	default:
		return;
	}
	receive_event(d, r, m);
}

void
room_write_views(struct daemon *d)
{
	struct spool_ring *ring;
	struct room *r;
	size_t at = 0;
	int rc;

	while ((r = map_next(&d->rooms, &at)) != NULL) {
		rc = 0;
		if (r->roster_dirty)
			rc = roster_write(&r->agents, spool_box_dir(r->box));
		r->roster_dirty = r->roster_dirty && daemon_disk_full(rc);
		if (r->ring_dirty && spool_ring_box(r->box, &ring) == 0)
			rc = spool_ring_flush(ring);
		r->ring_dirty = r->ring_dirty && daemon_disk_full(rc);
		if (daemon_disk_full(rc))
			publish_disk_full(d, rc);
	}
}
