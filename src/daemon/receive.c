/*
 * receive.c - from a message of the relay to a staged file.
 *
 * Nothing that comes from a relay is believed: names are checked before they
 * become paths, numbers before they become positions, and fields that say what
 * only we may say are taken out.
 *
 * Disk full: what can't be staged waits in the backlog, in order, so that
 * nothing overtakes it. What the backlog can't hold is left to the relay, and
 * once there is space we connect anew to get it: it was never acknowledged.
 */
#include "config.h"

#include "daemon/state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/work.h"
#include "ident/ident.h"

#define BACKLOG_MAX	(4 << 20)
#define RING_READ_MAX	(64 << 20)
#define ODD_LOGGED	20
#define LINE_KEPT	(64 << 10)	/* longer ones give their memory back */

/* ------------------------------------------------------------ what is known */

static void
remember_line(struct seen *seen, struct wire_msg *m, const char *p, size_t len)
{
	char key[SEEN_KEY_LEN + 1];
	int64_t ts;

	while (len > 0 && (p[len - 1] == '\n' || p[len - 1] == ' '))
		len--;
	if (wire_parse_object(m, p, len) < 0 || !wire_has(m, WF_FROM))
		return;
	ts = wire_int(m, WF_TS, 0);
	if (ts > 0 && (seen->oldest_ts == 0 || ts < seen->oldest_ts))
		seen->oldest_ts = ts;
	seen_key(m, key);
	seen_add(seen, key);
	if (seen_said_key(m, key))
		seen_add(seen, key);
}

struct remember {
	struct seen	*seen;
	struct wire_msg	 msg;
};

static int
remember_file(void *arg, const char *name, const char *msg, size_t len)
{
	struct remember *r = arg;

	(void)name;
	remember_line(r->seen, &r->msg, msg, len);
	return 0;
}

void
receive_remember(struct spool_box *box, struct seen *seen, size_t files)
{
	struct remember r = { .seen = seen };
	struct buf ring = BUF_INIT;
	const char *p, *end, *nl;

	wire_msg_init(&r.msg);
	if (spool_slurp(spool_box_dir(box), "inbox.jsonl", RING_READ_MAX,
	    &ring) == 0 && ring.len > 0) {
		end = ring.p + ring.len;
		for (p = ring.p; p < end; p = nl + 1) {
			nl = memchr(p, '\n', (size_t)(end - p));
			if (nl == NULL)
				break;
			remember_line(seen, &r.msg, p, (size_t)(nl - p));
		}
	}
	buf_fini(&ring);
	/* What can't be read isn't known: at worst it is delivered again. */
	(void)!spool_walk(box, SPOOL_CUR, true, files / 3, remember_file, &r);
	(void)!spool_walk(box, SPOOL_NEW, true, files - files / 3,
	    remember_file, &r);
	wire_msg_fini(&r.msg);
}

/*
 * Is this DM in its box already, although no number says so? Asked of what may
 * come again: replays, all that a relay with new numbers sends, and our own,
 * whose echo is the answer to a resend too.
 */
static bool
dm_seen(struct daemon *d, const struct wire_msg *m, struct spool_box *box,
    bool own)
{
	char key[SEEN_KEY_LEN + 1], name[SPOOL_BOX_MAX + 8];
	struct receiver *rx = &d->rx;

	if (!rx->dm_check && !m->f[WF_REPLAY].b && !own)
		return false;
	if (rx->dm_seen == NULL && seen_new(&rx->dm_seen, SEEN_MAX) < 0)
		return false;
	/* Each box is read once: its name is in the set then. */
	snprintf(name, sizeof(name), "box %s", spool_box_name(box));
	ident_sha256(name, strlen(name), key);
	if (!seen_has(rx->dm_seen, key)) {
		receive_remember(box, rx->dm_seen, SEEN_FILES);
		seen_add(rx->dm_seen, key);
	}
	return seen_knows(rx->dm_seen, m, true);
}

/* It is staged: another like it would be the same. */
static void
dm_took(struct daemon *d, const struct wire_msg *m)
{
	char key[SEEN_KEY_LEN + 1];

	if (d->rx.dm_seen == NULL)
		return;
	seen_key(m, key);
	seen_add(d->rx.dm_seen, key);
}

/* ------------------------------------------------------------- addresses */

/* The message as it goes into the spool: theirs, and what only we may say. */
static int
make_line(const struct verdict *v, const struct wire_msg *m, struct buf *line)
{
	int rc;

	buf_clear(line);
	rc = judge_print(v, m, line);
	wire_put_int(line, WF_SPOOLED_AT, clock_wall_ms());
	wire_end(line);
	return rc < 0 ? rc : buf_err(line);
}

/* The line is where it belongs. */
static void
line_done(struct buf *line)
{
	if (line->cap > LINE_KEPT)
		buf_fini(line);
}

static void
odd(struct daemon *d, const char *what, const char *from, const char *to)
{
	d->dropped++;
	if (d->rx.odd++ < ODD_LOGGED)
		log_warn("quarantine", "why", what, "from", from, "to", to,
		    NULL);
}

/* Where a message belongs: the channel's box, or the other party's. */
struct address {
	struct room	*room;	/* NULL: a DM or work */
	const char	*from;
	const char	*box;	/* name; of the peer for DMs */
	bool		 own;	/* we said it */
	bool		 mine;	/* it is for us, so mailbox_seq is ours */
};

static const char *
member_str(const struct wire_msg *m, enum wire_field f, const char *key)
{
	struct wire_value v;

	if (wire_has(m, f))
		return wire_str(m, f);
	if (!wire_has(m, WF_PROPOSAL))
		return NULL;
	v = wire_member(&m->f[WF_PROPOSAL], key);
	return v.kind == WIRE_STR ? v.s : NULL;
}

static bool
id_ok(const char *id)
{
	return id != NULL && wire_agent_id_ok(id, strlen(id));
}

static bool
find_address(struct daemon *d, const struct wire_msg *m, struct address *a)
{
	const char *from = member_str(m, WF_FROM, "from");
	const char *to = member_str(m, WF_TO, "to");

	memset(a, 0, sizeof(*a));
	if (m->type != WIRE_MSG && (!id_ok(from) || !id_ok(to))) {
		/* A step of Node relays names no parties. */
		a->from = id_ok(from) ? from : "@relay";
		a->box = SPOOL_OTHER;
		a->mine = true;
		return true;
	}
	if (!id_ok(from)) {
		odd(d, "sender's id", from, to);
		return false;
	}
	a->from = from;
	a->own = daemon_is_me(d, from);
	if (to != NULL && to[0] == '#') {
		a->room = wire_channel_ok(to, strlen(to)) ?
		    room_find(d, to) : NULL;
		a->box = to;
		if (a->room == NULL || a->room->box == NULL)
			odd(d, "channel we are not in", from, to);
		return a->room != NULL && a->room->box != NULL;
	}
	if (!id_ok(to) || (!a->own && !daemon_is_me(d, to))) {
		odd(d, "not for us", from, to);
		return false;
	}
	a->mine = daemon_is_me(d, to);
	a->box = a->own ? to : from;
	return true;
}

/* ---------------------------------------------------------------- staging */

/* All that follows from a staged message's place. */
static void
place(struct daemon *d, struct staged *s, const struct wire_msg *m,
    const struct address *a, uint64_t mailbox_seq)
{
	struct receiver *rx = &d->rx;

	s->read = a->own;
	s->mailbox_seq = mailbox_seq;
	if (a->room != NULL)
		s->seq = (uint64_t)wire_int(m, WF_SEQ, 0);
	if (s->seq == 0 && s->mailbox_seq == 0)
		s->local = rx->local + 1;
	memcpy(s->epoch, a->room != NULL ? a->room->epoch : rx->mailbox_epoch,
	    sizeof(s->epoch));
}

static struct staged *
staged_new(struct spool_box *box, const struct buf *line)
{
	struct staged *s = malloc(sizeof(*s) + line->len + 2);

	if (s == NULL)
		return NULL;
	memset(s, 0, sizeof(*s));
	strcpy(s->box, spool_box_name(box));	/* of SPOOL_BOX_MAX */
	/* The newline is part of the file: cat new/<all> is JSON lines. */
	memcpy(s->line, line->p, line->len);
	memcpy(s->line + line->len, "\n", 2);
	s->len = line->len;
	s->fd = -1;
	return s;
}

/*
 * Put a line into tmp/ and into the next batch. What can never be staged (too
 * long, its box gone) goes with the batch all the same, so that its number
 * counts as had.
 */
static int
stage(struct daemon *d, struct spool_box *box, const struct wire_msg *m,
    const struct address *a, uint64_t mailbox_seq, const struct buf *line)
{
	struct staged *s = staged_new(box, line);
	int64_t ts = wire_int(m, WF_TS, clock_wall_ms());
	int rc;

	if (s == NULL)
		return -ENOMEM;
	place(d, s, m, a, mailbox_seq);
	rc = spool_name(s->name, ts, s->seq + s->mailbox_seq + s->local,
	    a->from);
	if (rc == 0)
		rc = spool_stage(box, s->name, s->line, s->len + 1,
		    publish_holds(d) ? &s->fd : NULL);
	if ((rc == -EMFILE || rc == -ENFILE) && publish_sheds(d))
		rc = spool_stage(box, s->name, s->line, s->len + 1, NULL);
	if (daemon_disk_full(rc) || rc == -EIO || rc == -ENOMEM) {
		spool_glance(d->sp);	/* the next try may be much later */
		free(s);
		return rc;
	}
	s->published = rc < 0;	/* nothing to do any more */
	if (rc < 0 && rc != -EEXIST && rc != -ESTALE)
		odd(d, ac_strerror(rc), a->from, a->box);
	if (s->local != 0)
		d->rx.local = s->local;
	if (mailbox_seq != 0)
		d->rx.mailbox_seq = mailbox_seq;
	publish_add(d, s);
	return 0;
}

static int
find_box(struct daemon *d, const struct address *a, struct spool_box **box)
{
	int rc;

	if (a->room != NULL) {
		*box = a->room->box;
		return 0;
	}
	rc = bridge_peer_box(d, a->box, box);
	if (rc < 0 && !daemon_disk_full(rc))
		rc = bridge_peer_box(d, SPOOL_OTHER, box);
	return rc;
}

/* It is there already, in another message: nothing but its number. */
static int
pass_over(struct daemon *d, struct spool_box *box, const struct wire_msg *m,
    const struct address *a, uint64_t mailbox_seq)
{
	char none[] = "";
	const struct buf nothing = { .p = none };
	struct staged *s;

	if (mailbox_seq == 0 && a->room == NULL)
		return 0;
	s = staged_new(box, &nothing);
	if (s == NULL)
		return -ENOMEM;
	place(d, s, m, a, mailbox_seq);
	s->published = true;
	if (mailbox_seq != 0)
		d->rx.mailbox_seq = mailbox_seq;
	publish_add(d, s);
	return 0;
}

/* A DM: what of it is to be taken; its mailbox_seq, 0 if it has none. */
static enum take
mailbox_admits(struct daemon *d, const struct wire_msg *m,
    const struct address *a, struct spool_box *box, uint64_t *mailbox_seq)
{
	struct receiver *rx = &d->rx;
	int64_t seq = wire_int(m, WF_MAILBOX_SEQ, 0);

	*mailbox_seq = 0;
	if (!a->mine || !wire_has(m, WF_MAILBOX_SEQ))
		return dm_seen(d, m, box, a->own) ? TAKE_NOTHING : TAKE_ALL;
	if (seq <= 0) {
		client_reset(d->client, -EPROTO,
		    "The relay's mailbox numbers are absurd.");
		return TAKE_NOTHING;
	}
	*mailbox_seq = (uint64_t)seq;
	if (*mailbox_seq <= rx->mailbox_seq) {
		/* It came before, and our ACK was lost: say it again. */
		rx->ack_due = true;
		publish_kick(d);
		return TAKE_NOTHING;
	}
	/* Or it did with another number, of a relay that has lost it. */
	return rx->dm_check && dm_seen(d, m, box, a->own) ? TAKE_NUMBER :
	    TAKE_ALL;
}

static int
judge_and_stage(struct daemon *d, struct spool_box *box,
    const struct wire_msg *m, const struct address *a, uint64_t mailbox_seq)
{
	struct buf *line = &d->rx.line;
	struct verdict v;
	int rc = judge_message(d, m, a->from, a->own, &v);

	if (rc == 0 && v.again) {
		odd(d, "encrypted message that came before", a->from, a->box);
		rc = pass_over(d, box, m, a, mailbox_seq);
	} else if (rc == 0) {
		rc = make_line(&v, m, line);
		if (rc == 0)
			rc = stage(d, box, m, a, mailbox_seq, line);
		if (rc == 0)
			judge_staged(d, m, &v, a->own, mailbox_seq);
		line_done(line);
	}
	judge_fini(&v);
	return rc;
}

/* 0: it is dealt with; -ENOSPC and its kin: not yet. */
static int
take(struct daemon *d, const struct wire_msg *m, size_t len)
{
	uint64_t mailbox_seq = 0;
	struct spool_box *box;
	enum take what;
	struct address a;
	int rc;

	if (!find_address(d, m, &a))
		return 0;
	rc = quota_take(d, len);
	if (rc < 0)
		return rc;
	if (m->type != WIRE_MSG) {
		rc = work_take(d, m);
		if (rc < 0)
			return rc;
	}
	rc = find_box(d, &a, &box);
	if (rc < 0)
		return rc;
	if (a.room != NULL)
		what = resume_admits(d, a.room, m, a.own);
	else
		what = mailbox_admits(d, m, &a, box, &mailbox_seq);
	if (what == TAKE_NOTHING)
		return 0;
	rc = what == TAKE_NUMBER ? pass_over(d, box, m, &a, mailbox_seq) :
	    judge_and_stage(d, box, m, &a, mailbox_seq);
	if (rc < 0)
		return rc;
	if (a.room != NULL)
		resume_took(a.room, m);
	else if (what == TAKE_ALL)
		dm_took(d, m);
	if (what == TAKE_ALL && a.room == NULL && !a.own &&
	    m->type == WIRE_MSG)
		room_hint(d, m->f[WF_CONTENT].s);
	return 0;
}

static void
keep(struct daemon *d, const char *text, size_t len)
{
	struct buf *b = &d->rx.backlog;
	size_t before = b->len;

	if (!d->rx.lost && b->len + len <= BACKLOG_MAX) {
		buf_add(b, text, len);
		for (size_t i = before; i < b->len; i++)
			if (b->p[i] == '\n')
				b->p[i] = ' ';
		buf_addc(b, '\n');
		if (buf_err(b) == 0)
			return;
		b->len = before;
		b->failed = false;
	}
	/* From here on all is left out, or a later one would be a gap. */
	d->rx.lost = true;
}

void
receive_message(struct daemon *d, const struct wire_msg *m, const char *text,
    size_t len)
{
	int rc;

	if (d->rx.backlog.len > 0 || d->rx.lost) {
		keep(d, text, len);
		return;
	}
	rc = take(d, m, len);
	if (daemon_disk_full(rc)) {
		publish_disk_full(d, rc);
		keep(d, text, len);
	} else if (rc == -ENOMEM) {
		/* Not had, not acknowledged: it comes again. */
		client_reset(d->client, rc, "Out of memory.");
	} else if (rc < 0) {
		daemon_fatal(d, rc, "stage");
	}
}

void
receive_backlog(struct daemon *d)
{
	struct receiver *rx = &d->rx;
	struct wire_msg m;
	size_t at = 0;
	int rc = 0;

	wire_msg_init(&m);
	while (rc == 0 && at < rx->backlog.len) {
		const char *p = rx->backlog.p + at;
		const char *nl = memchr(p, '\n', rx->backlog.len - at);

		if (wire_parse(&m, p, (size_t)(nl - p), WIRE_FROM_RELAY) == 0)
			rc = take(d, &m, (size_t)(nl - p));
		if (rc == 0)
			at = (size_t)(nl + 1 - rx->backlog.p);
	}
	wire_msg_fini(&m);
	buf_drop(&rx->backlog, at);
	if (daemon_disk_full(rc)) {
		publish_disk_full(d, rc);
	} else if (rc < 0) {
		daemon_fatal(d, rc, "stage");
	} else if (rx->lost) {
		rx->lost = false;
		client_reset(d->client, -ENOSPC,
		    "The disk was full: catching up on what was missed.");
	}
}

void
receive_event(struct daemon *d, struct room *room, const struct wire_msg *m)
{
	struct buf *line = &d->rx.line;
	struct spool_ring *ring;
	int rc;

	if (d->full)
		return;		/* presence is not worth a disk */
	rc = make_line(NULL, m, line);
	if (rc == 0)
		rc = spool_ring_main(d->sp, &ring);
	if (rc == 0)
		rc = spool_ring_add(ring, line->p, line->len);
	if (rc == 0 && room != NULL && room->box != NULL) {
		rc = spool_ring_box(room->box, &ring);
		if (rc == 0)
			rc = spool_ring_add(ring, line->p, line->len);
		room->ring_dirty = true;
	}
	line_done(line);
	if (rc < 0 && rc != -ESTALE)
		log_warn("ring", "err", ac_strerror(rc), NULL);
	views_touch(d);
}

void
receive_session(struct daemon *d)
{
	struct receiver *rx = &d->rx;
	const char *epoch = d->info.epoch;

	if (*epoch == '\0' || strcmp(epoch, rx->mailbox_epoch) == 0) {
		rx->ack_due = rx->published != 0;
		publish_kick(d);
		return;
	}
	/* Of another numbering, what is staged has to be through first. */
	rx->dm_check = *rx->mailbox_epoch != '\0';
	if (publish_drain(d) < 0)
		log_warn("epoch", "drained", "no", NULL);
	snprintf(rx->mailbox_epoch, sizeof(rx->mailbox_epoch), "%s", epoch);
	rx->mailbox_seq = rx->published = 0;
	if (cursor_set_mailbox(&rx->cursor, epoch, 0) < 0)
		daemon_fatal(d, -EINVAL, "cursor");
	publish_cursor(d);
	if (publish_drain(d) < 0)
		log_warn("epoch", "drained", "no", NULL);
}

void
receive_fini(struct daemon *d)
{
	seen_free(d->rx.dm_seen);
	buf_fini(&d->rx.line);
	buf_fini(&d->rx.backlog);
}
