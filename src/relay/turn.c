/*
 * turn.c - what a loop turn has decided, written, and only then told.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* One noted message, with what is needed to take it back. */
struct note {
	struct chan	*chan;		/* or a DM: */
	struct agent	*agent;		/* its mailbox, or NULL */
	struct peer	*to;		/* its session, or NULL */
	struct peer	*from;		/* NULL: the operator */
	uint64_t	 seq;
	uint64_t	 j;		/* position + 1 */
	struct dedupe	*dedupe;	/* that has its id, or NULL */
	size_t		 frame, frame_len;	/* in turn->frames */
	size_t		 own, own_len;	/* the sender's frame; 0: the same */
	char		 id[WIRE_ID_MAX + 1];
};

struct turn {
	struct note	*notes;
	size_t		 count, cap;
	struct buf	 frames;
	bool		 records;	/* something else is in the batch */
	bool		 committing;
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
	buf_fini(&r->turn->frames);
	free(r->turn);
	r->turn = NULL;
}

void
turn_open(struct buf *out, const char *json, size_t len)
{
	buf_add(out, json, len - 1);
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

/* A frame in turn->frames: json, and members that only some get. */
static void
add_frame(struct turn *t, const char *json, size_t len, int64_t mailbox_seq,
    int64_t j, bool queued, size_t *at, size_t *frame_len)
{
	struct buf *b = &t->frames;
	unsigned char head[10] = { 0 };
	size_t body, n;

	*at = b->len;
	if (mailbox_seq == 0 && j == 0 && !queued) {
		n = peer_frame_header(head, len);
		buf_add(b, head, n);
		buf_add(b, json, len);
	} else {
		/* Its length is known afterwards: the header is put ahead. */
		buf_add(b, head, sizeof(head));
		body = b->len;
		turn_open(b, json, len);
		if (queued)
			wire_put_bool(b, WF_QUEUED, true);
		if (mailbox_seq != 0)
			wire_put_int(b, WF_MAILBOX_SEQ, mailbox_seq);
		if (j != 0)
			wire_put_int(b, WF_J, j);
		wire_end(b);
		if (buf_err(b) < 0)
			return;
		n = peer_frame_header(head, b->len - body);
		*at = body - n;
		memcpy(b->p + *at, head, n);
	}
	*frame_len = b->len - *at;
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

		memcpy(n->id, h->id, h->id_len);
		if (dedupe_add(d, dedupe_hash(0, h->id, h->id_len), pos) == 0)
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
	add_frame(t, h->json, h->json_len, 0, 0, false, &n->frame,
	    &n->frame_len);
	pos = append(r, STORE_MSG, h);
	if (pos == 0 || history_add(c, &r->conf, pos) < 0) {
		/* The batch may hold it: it must not be written. */
		buf_clear(&t->frames);
		t->frames.failed = true;
		return -ENOMEM;
	}
	if (j)
		add_frame(t, h->json, h->json_len, 0, (int64_t)pos + 1, false,
		    &n->own, &n->own_len);
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
		buf_clear(&t->frames);
		t->frames.failed = true;
		return -ENOMEM;
	}
	j = from != NULL && from->cap_stored ? (int64_t)pos + 1 : 0;
	add_frame(t, h->json, h->json_len, mseq, self ? j : 0, false,
	    &n->frame, &n->frame_len);
	if (!self)
		add_frame(t, h->json, h->json_len, 0, j, target == NULL,
		    &n->own, &n->own_len);
	finish(r, n, from, pos, h);
	return 0;
}

int
turn_record(struct relay *r, enum store_type type)
{
	struct iovec iov = { r->rec.p, r->rec.len };

	r->turn->records = true;
	if (buf_err(&r->rec) < 0 ||
	    store_append(r->store, type, &iov, 1) == 0)
		return -ENOMEM;
	return 0;
}

static void
deliver_chan(struct turn *t, const struct note *n)
{
	const char *frame = t->frames.p + n->frame;

	for (size_t i = 0; i < n->chan->count; i++) {
		struct member *m = n->chan->members[i];

		if (m->next_seq != 0)
			continue;	/* its replay will meet it */
		if (m->peer == n->from && n->own_len != 0)
			peer_put_frames(m->peer, t->frames.p + n->own,
			    n->own_len);
		else
			peer_put_frames(m->peer, frame, n->frame_len);
	}
}

static void
deliver_dm(struct turn *t, const struct note *n)
{
	if (n->to != NULL && !(n->agent != NULL && n->to->mail_behind)) {
		peer_put_frames(n->to, t->frames.p + n->frame, n->frame_len);
		if (n->agent != NULL)
			n->to->letters = n->seq;
	}
	if (n->from != NULL && n->own_len != 0)
		peer_put_frames(n->from, t->frames.p + n->own, n->own_len);
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
	log_error("store", "err", ac_strerror(rc), "does",
	    "refuses messages until the disk takes them again", NULL);
}

int
turn_commit(struct relay *r)
{
	struct turn *t = r->turn;
	size_t count = t->count;
	int rc;

	if ((count == 0 && !t->records && !t->frames.failed) ||
	    t->committing)
		return 0;
	t->committing = true;
	rc = buf_err(&t->frames);
	if (rc == 0)
		rc = store_commit(r->store);
	else
		store_abandon(r->store);
	if (rc < 0) {
		take_back(r, rc);
		for (size_t i = 0; i < count; i++)
			if (t->notes[i].from != NULL)
				peer_error_re(t->notes[i].from,
				    AC_E_RATE_LIMITED, "The relay's disk is "
				    "full or failing: send it again later.",
				    t->notes[i].id);
	}
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct note *n = &t->notes[i];

		if (n->chan != NULL) {
			deliver_chan(t, n);
			view_mark(r, n->chan);
		} else {
			deliver_dm(t, n);
		}
		if (n->from != NULL && n->from->cap_stored)
			turn_owe_stored(r, n->from, n->j);
	}
	t->count = 0;
	t->records = false;
	t->committing = false;
	buf_clear(&t->frames);
	return rc;
}

void
turn_synced(struct relay *r)
{
	struct peer *p, *next;
	uint64_t upto;
	int rc;

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

void
turn_end(struct relay *r)
{
	struct peer *p;

	turn_commit(r);
	if (r->conf.sync == RELAY_SYNC_NEVER && !TAILQ_EMPTY(&r->unstored))
		turn_synced(r);
	while ((p = TAILQ_FIRST(&r->dirty)) != NULL) {
		TAILQ_REMOVE(&r->dirty, p, dirties);
		p->dirty = false;
		peer_flush(p);
	}
}
