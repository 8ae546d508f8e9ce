/*
 * turn.c - what a loop turn has decided, written, and only then told.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/loop.h"

#define FULL_LOG_MS 1000

#define SHARED_KEEP (mem_portion() / 4)	/* for the next turn's frames */

/* One noted message, with what is needed to take it back. */
struct note {
	struct chan	*chan;		/* or a DM: */
	struct agent	*agent;		/* its mailbox, or NULL */
	struct peer	*to;		/* its session, or NULL */
	struct peer	*from;		/* NULL: the operator */
	uint64_t	 seq;
	uint64_t	 j;		/* position + 1 */
	struct dedupe	*dedupe;	/* that has its id, or NULL */
	size_t		 frame, frame_len;	/* in shared[SHARE_MSG] */
	size_t		 own, own_len;	/* the sender's, in shared[SHARE_REPLY];
					   0: it is the same */
	char		 id[WIRE_ID_MAX + 1];
};

struct turn {
	struct note	*notes;
	size_t		 count, cap;
	bool		 records;	/* something else is in the batch */
	bool		 broken;	/* the batch holds what was not noted */
	bool		 committing;
	int64_t		 wall_ms;	/* what is said in it is said now; 0 */
};

int
turn_new(struct relay *r)
{
	r->turn = calloc(1, sizeof(*r->turn));
	return r->turn != NULL ? 0 : -ENOMEM;
}

void
turn_free(struct relay *r)
{
	if (r->turn == NULL)
		return;
	free(r->turn->notes);
	free(r->turn);
	r->turn = NULL;
}

int64_t
turn_wall_ms(struct relay *r)
{
	struct turn *t = r->turn;

	if (t->wall_ms == 0)
		t->wall_ms = clock_wall_ms();
	return t->wall_ms;
}

void
turn_open(struct buf *out, const char *json, size_t len)
{
	buf_add(out, json, len - 1);
}

void
turn_put_msg_id(struct buf *b, const struct relay *r, uint64_t number)
{
	char text[sizeof(r->spool_id) + 16], *end = text + sizeof(text);
	size_t len = strlen(r->spool_id);
	char *p = end;

	/* Each message has one: snprintf() would show. */
	do
		*--p = "0123456789abcdef"[number % 16];
	while ((number /= 16) != 0);
	*--p = '-';
	p = memcpy(p - len, r->spool_id, len);
	wire_put_str(b, WF_MSG_ID, p, (size_t)(end - p));
}

static struct note *
note_new(struct turn *t)
{
	if (t->count == t->cap) {
		size_t cap = t->cap != 0 ? t->cap * 2 : 64;
		struct note *all = realloc(t->notes, cap * sizeof(*all));

		if (all == NULL)
			return NULL;
		t->notes = all;
		t->cap = cap;
	}
	return memset(&t->notes[t->count], 0, sizeof(*t->notes));
}

/* Append a record: the head, then the JSON. */
static uint64_t
append(struct relay *r, enum store_type type, const struct rec_head *h)
{
	struct iovec iov[2];

	buf_clear(&r->rec);
	rec_put_head(&r->rec, h);
	if (buf_err(&r->rec) < 0)
		return 0;
	iov[0] = (struct iovec){ r->rec.p, r->rec.len };
	iov[1] = (struct iovec){ (void *)(uintptr_t)h->json, h->json_len };
	return store_append(r->store, type, iov, 2);
}

/* A shared frame: json, and members that only some get. */
static size_t
add_frame(struct relay *r, enum share share, const struct rec_head *h,
    int64_t mailbox_seq, int64_t j, bool queued, size_t *len)
{
	struct buf *b = &r->scratch;

	if (mailbox_seq == 0 && j == 0 && !queued)
		return peer_share(r, share, h->json, h->json_len, len);
	buf_clear(b);
	turn_open(b, h->json, h->json_len);
	if (queued)
		wire_put_bool(b, WF_QUEUED, true);
	if (mailbox_seq != 0)
		wire_put_int(b, WF_MAILBOX_SEQ, mailbox_seq);
	if (j != 0)
		wire_put_int(b, WF_J, j);
	wire_end(b);
	if (buf_err(b) < 0) {
		r->shared[share].failed = true;
		*len = 0;
		return 0;
	}
	return peer_share(r, share, b->p, b->len, len);
}

static struct dedupe *
dedupe_of(struct relay *r, struct peer *p)
{
	if (p == NULL)
		return &r->said;
	return p->agent != NULL ? &p->agent->dedupe : &p->dedupe;
}

/* Common to both kinds, once their state has changed. */
static void
finish(struct relay *r, struct note *n, struct peer *from, uint64_t pos,
    const struct rec_head *h)
{
	n->from = from;
	n->j = pos + 1;
	n->seq = h->seq;
	if (h->id_len != 0) {
		struct dedupe *d = dedupe_of(r, from);
		struct known k = { h->hash, pos + 1, h->seq, h->number,
		    h->ts };

		memcpy(n->id, h->id, h->id_len);
		if (dedupe_add(d, dedupe_hash(0, h->id, h->id_len), &k) == 0)
			n->dedupe = d;
	}
	r->number++;
	r->turn->count++;
}

int
turn_msg(struct relay *r, struct chan *c, struct peer *from,
    const struct rec_head *h)
{
	struct turn *t = r->turn;
	struct note *n = note_new(t);
	uint64_t pos;
	bool j = from != NULL && from->cap_stored;

	if (n == NULL)
		return -ENOMEM;
	n->chan = c;
	n->frame = add_frame(r, SHARE_MSG, h, 0, 0, false, &n->frame_len);
	pos = append(r, STORE_MSG, h);
	if (pos == 0 || history_add(c, &r->conf, pos) < 0) {
		t->broken = true;
		return -ENOMEM;
	}
	if (j)
		n->own = add_frame(r, SHARE_REPLY, h, 0, (int64_t)pos + 1,
		    false, &n->own_len);
	finish(r, n, from, pos, h);
	return 0;
}

int
turn_dm(struct relay *r, struct agent *agent, struct peer *target,
    struct peer *from, const struct rec_head *h)
{
	struct turn *t = r->turn;
	struct note *n = note_new(t);
	int64_t mseq = agent != NULL ? (int64_t)h->seq : 0, j;
	bool self = target != NULL && target == from;
	uint64_t pos;

	if (n == NULL)
		return -ENOMEM;
	n->agent = agent;
	n->to = target;
	pos = append(r, STORE_DM, h);
	if (pos == 0 || (agent != NULL && mailbox_add(agent, h->seq, pos,
	    h->from, h->from_len, h->json_len) < 0)) {
		t->broken = true;
		return -ENOMEM;
	}
	j = from != NULL && from->cap_stored ? (int64_t)pos + 1 : 0;
	n->frame = add_frame(r, SHARE_MSG, h, mseq, self ? j : 0, false,
	    &n->frame_len);
	if (!self)
		n->own = add_frame(r, SHARE_REPLY, h, 0, j, target == NULL,
		    &n->own_len);
	finish(r, n, from, pos, h);
	return 0;
}

int
turn_record(struct relay *r, enum store_type type, uint64_t *pos)
{
	struct iovec iov = { r->rec.p, r->rec.len };
	uint64_t at = 0;

	r->turn->records = true;
	if (buf_err(&r->rec) == 0)
		at = store_append(r->store, type, &iov, 1);
	if (at == 0) {
		r->turn->broken = true;
		return -ENOMEM;
	}
	if (pos != NULL)
		*pos = at;
	return 0;
}

void
turn_break(struct relay *r)
{
	r->turn->broken = true;
}

/* How many notes, from n on, are of one channel; their frames adjoin. */
static size_t
run_length(const struct note *n, size_t left)
{
	size_t i = 1;

	while (i < left && n[i].chan == n->chan &&
	    n[i].frame == n[i - 1].frame + n[i - 1].frame_len)
		i++;
	return i;
}

/* To one who has sent some of them, and gets those with more in them. */
static void
deliver_to_sender(struct peer *p, const struct note *n, size_t count)
{
	for (; count > 0; n++, count--) {
		if (n->from == p && n->own_len != 0)
			peer_put_shared(p, SHARE_REPLY, n->own, n->own_len);
		else
			peer_put_shared(p, SHARE_MSG, n->frame, n->frame_len);
	}
}

/*
 * A run of messages at once: a burst into a channel of thousands costs a look
 * at each member, not one for each message.
 */
static void
deliver_chan(struct relay *r, const struct note *n, size_t count)
{
	const struct note *last = &n[count - 1];
	size_t len = last->frame + last->frame_len - n->frame;
	uint64_t mark = ++r->marks;

	r->metrics.deliveries += n->chan->count * count;
	for (size_t i = 0; i < count; i++)
		if (n[i].own_len != 0)
			n[i].from->mark = mark;
	for (size_t i = 0; i < n->chan->count; i++) {
		struct member *m = n->chan->members[i];

		if (m->next_seq != 0)
			continue;	/* its replay will meet it */
		if (m->peer->mark == mark)
			deliver_to_sender(m->peer, n, count);
		else
			peer_put_shared(m->peer, SHARE_MSG, n->frame, len);
	}
}

static void
deliver_dm(const struct note *n)
{
	if (n->to != NULL && !(n->agent != NULL && n->to->mail_behind)) {
		peer_put_shared(n->to, SHARE_MSG, n->frame, n->frame_len);
		if (n->agent != NULL)
			n->to->letters = n->seq;
	}
	if (n->from != NULL && n->own_len != 0)
		peer_put_shared(n->from, SHARE_REPLY, n->own, n->own_len);
}

static void
tell_stored(struct peer *p, uint64_t upto)
{
	struct buf *b = &p->relay->json;

	buf_clear(b);
	wire_begin(b, WIRE_STORED);
	wire_put_int(b, WF_J, (int64_t)upto);
	wire_end(b);
	peer_reply(p);
}

void
turn_owe_stored(struct relay *r, struct peer *p, uint64_t j)
{
	if (j <= r->stored) {
		/* A resend of what is long safe. */
		tell_stored(p, r->stored);
		return;
	}
	if (p->unstored == 0)
		TAILQ_INSERT_TAIL(&r->unstored, p, unstoreds);
	if (j > p->unstored)
		p->unstored = j;
}

/* Positions that were given out and are void: recorded when next cleaned. */
static void
forget_void(struct relay *r)
{
	uint64_t end = store_end(r->store);
	struct agent *a;
	struct chan *c;
	size_t at;

	for (at = 0; (a = map_next(&r->agents, &at)) != NULL;)
		if (a->pos >= end)
			a->pos = 0;
	for (at = 0; (c = map_next(&r->chans, &at)) != NULL;)
		if (c->state_pos >= end)
			c->state_pos = 0;
	if (r->epoch_pos >= end)
		r->epoch_pos = 0;
}

static void
take_back(struct relay *r, int rc)
{
	struct turn *t = r->turn;

	while (t->count > 0) {
		struct note *n = &t->notes[--t->count];

		if (n->chan != NULL)
			history_undo(n->chan);
		else if (n->agent != NULL)
			mailbox_undo(n->agent);
		if (n->dedupe != NULL)
			dedupe_undo(n->dedupe);
		r->number--;
	}
	forget_void(r);
	/* A flood is refused a thousand times a second. */
	if (r->full_ms == 0 || clock_mono_ms() - r->full_ms >= FULL_LOG_MS) {
		r->full_ms = clock_mono_ms();
		log_error("store", "err", ac_strerror(rc), "does",
		    "refuses messages until there is room again", NULL);
	}
}

/* The frames of a failed append must not be taken for good later. */
static int
shares_err(struct relay *r)
{
	int rc = 0;

	for (int i = 0; i < SHARES; i++) {
		if (buf_err(&r->shared[i]) < 0)
			rc = -ENOMEM;
		r->shared[i].failed = false;
	}
	return rc;
}

static void
refuse_all(struct turn *t, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (t->notes[i].from != NULL)
			peer_error_re(t->notes[i].from, AC_E_RATE_LIMITED,
			    "The relay's disk is full or failing: send it "
			    "again later.", t->notes[i].id);
}

static void
deliver_all(struct relay *r, struct turn *t)
{
	size_t run;

	r->metrics.messages += t->count;
	for (size_t i = 0; i < t->count; i += run) {
		struct note *n = &t->notes[i];

		run = 1;
		if (n->chan != NULL) {
			run = run_length(n, t->count - i);
			deliver_chan(r, n, run);
			view_mark(r, n->chan);
		} else {
			deliver_dm(n);
			r->metrics.deliveries += n->to != NULL;
		}
		for (size_t k = 0; k < run; k++)
			if (n[k].from != NULL && n[k].from->cap_stored)
				turn_owe_stored(r, n[k].from, n[k].j);
	}
}

static bool
is_full(const struct relay *r)
{
	return r->conf.max_spool > 0 && r->started && !r->may_exceed &&
	    store_size(r->store) >= (uint64_t)r->conf.max_spool;
}

int
turn_commit(struct relay *r)
{
	struct turn *t = r->turn;
	size_t count = t->count;
	int rc;

	if ((count == 0 && !t->records && !t->broken) || t->committing)
		return 0;
	t->committing = true;
	rc = shares_err(r);
	if (rc == 0 && t->broken)
		rc = -ENOMEM;
	if (rc == 0 && is_full(r))
		rc = -EDQUOT;
	if (rc == 0)
		rc = store_commit(r->store);
	else
		store_abandon(r->store);
	if (rc == 0) {
		deliver_all(r, t);
	} else {
		take_back(r, rc);
		refuse_all(t, count);
	}
	t->count = 0;
	t->records = t->broken = false;
	t->committing = false;
	return rc;
}

void
turn_synced(struct relay *r)
{
	struct peer *p, *next;
	uint64_t upto;
	int rc;

	if (r->fatal != 0)
		return;
	rc = store_synced(r->store, &upto);
	if (rc < 0) {
		/* What the kernel dropped can't be found out: start anew. */
		log_error("sync", "err", ac_strerror(rc), "does",
		    "ends: nothing more can be confirmed", NULL);
		r->fatal = rc;
		return;
	}
	if (upto <= r->stored)
		return;
	r->stored = upto;
	for (p = TAILQ_FIRST(&r->unstored); p != NULL; p = next) {
		next = TAILQ_NEXT(p, unstoreds);
		tell_stored(p, upto);
		if (p->unstored <= upto) {
			TAILQ_REMOVE(&r->unstored, p, unstoreds);
			p->unstored = 0;
		}
	}
}

/* Does anybody wait for what is written to be safe? */
static bool
safety_is_wanted(const struct relay *r)
{
	return !TAILQ_EMPTY(&r->unstored) || r->clean_sync != 0 ||
	    clean_is_due(r);
}

static void
flush_dirty(struct relay *r)
{
	struct peer *p;

	while ((p = TAILQ_FIRST(&r->dirty)) != NULL) {
		TAILQ_REMOVE(&r->dirty, p, dirties);
		p->dirty = false;
		peer_flush(p);
	}
}

/*
 * Begin a sync if one is due, or see to it that somebody will. True: the one
 * before has ended while we looked elsewhere, and its end is ours to tell.
 */
static bool
tend_sync(struct relay *r)
{
	int64_t wait;

	store_tick(r->store);
	wait = store_wait_ms(r->store);
	if (wait >= 0)
		loop_sync_soon(r, wait);
	if (!store_missed(r->store, safety_is_wanted(r)))
		return false;
	if (r->clean_sync == 0 && !clean_is_due(r))
		return true;
	loop_wake(r);		/* cleaning is done on the way from there */
	return false;
}

void
turn_end(struct relay *r)
{
	do {
		turn_commit(r);
		if (store_ended(r->store) || (r->conf.sync == RELAY_SYNC_NEVER &&
		    !TAILQ_EMPTY(&r->unstored)))
			turn_synced(r);
		flush_dirty(r);
	} while (r->fatal == 0 && tend_sync(r));
	r->turn->wall_ms = 0;
	if (r->fatal != 0)
		loop_end(r);
	for (int i = 0; i < SHARES; i++) {
		if (r->shared[i].cap > SHARED_KEEP)
			buf_fini(&r->shared[i]);
		else
			buf_clear(&r->shared[i]);
	}
	if (r->flush.cap > SHARED_KEEP)
		buf_fini(&r->flush);
}
