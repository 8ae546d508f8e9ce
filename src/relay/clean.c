/*
 * clean.c - keeping the journal in proportion to what is alive in it.
 *
 * The oldest segment is emptied: what the state still points to in it is
 * appended again, and the state follows. When the copies are synced nothing
 * needs the segment and it is removed. A busy channel's messages leave the
 * history by themselves, so that mostly there is nothing to copy; it is the
 * quiet channels, mailboxes and agents that would hold old segments for ever.
 *
 * Copying is idempotent: what has moved isn't in the segment any more. So a
 * portion a second needs no memory of where it was, and a crash in between
 * leaves both copies, which restore.c knows to be one.
 *
 * Near --max-spool, what channels have in the oldest segment isn't copied but
 * forgotten: history is what there is room for, and who asks for more is told
 * of the gap. Agents, letters and deals are still copied; if they alone are
 * too much, turn.c takes no more of anything.
 */
#include "config.h"

#include "relay/internal.h"

#include <string.h>

#include "base/log.h"

#define SEGMENTS_KEPT	3		/* up to here nothing is cleaned */
#define SEGMENTS_A_TICK	16
#define PORTION		(4u << 20)	/* bytes copied at a time */

/* A portion under way. */
struct move {
	struct relay	*r;
	uint64_t	 end;		/* what lies below moves */
	size_t		 left;		/* bytes */
	struct buf	 undo;		/* of struct place, should it fail */
};

struct place {
	uint64_t	*pos, old;
};

static void
spend(struct move *m, size_t len)
{
	m->left = m->left > len ? m->left - len : 0;
}

/* Append a record as it is; *pos becomes its new place. */
static int
copy(struct move *m, enum store_type type, uint64_t *pos)
{
	struct place place = { pos, *pos };
	struct relay *r = m->r;
	int rc;

	buf_clear(&r->rec);
	rc = store_read(r->store, *pos, &r->rec);
	if (rc < 0)
		return rc;
	spend(m, r->rec.len);
	buf_add(&m->undo, (const char *)&place, sizeof(place));
	rc = buf_err(&m->undo);
	return rc < 0 ? rc : turn_record(r, type, pos);
}

static void
take_back(struct move *m)
{
	struct place place;

	for (size_t at = 0; at < m->undo.len; at += sizeof(place)) {
		memcpy(&place, m->undo.p + at, sizeof(place));
		*place.pos = place.old;
	}
}

/* Nearer to the limit than this, history goes. */
bool
clean_is_due(const struct relay *r)
{
	return r->conf.max_spool > 0 && store_size(r->store) >
	    (uint64_t)r->conf.max_spool / 4 * 3;
}

static int
move_chan(struct move *m, struct chan *c)
{
	int rc = 0;

	if (c->state_pos < m->end) {
		rc = record_chan(m->r, c);
		spend(m, m->r->rec.len);
	}
	if (clean_is_due(m->r))
		history_forget(c, m->end);
	for (uint64_t seq = history_first(c); seq <= c->seq && rc == 0 &&
	    m->left > 0; seq++) {
		uint64_t *pos = &c->pos[seq % c->pos_cap];

		if (*pos != 0 && *pos < m->end)
			rc = copy(m, STORE_MSG, pos);
	}
	return rc;
}

/*
 * A letter is nobody's without its agent's record ahead of it: when that
 * moves, all of them do.
 */
static int
move_agent(struct move *m, struct agent *a)
{
	bool all = a->pos < m->end;
	struct letter *l;
	int rc = 0;

	if (all) {
		rc = record_agent(m->r, a);
		spend(m, m->r->rec.len);
	}
	TAILQ_FOREACH(l, &a->letters, next)
		if (rc == 0 && (all || (m->left > 0 && l->pos < m->end)))
			rc = copy(m, STORE_DM, &l->pos);
	return rc;
}

/* A step is nothing without the PROPOSAL ahead of it. */
static int
move_work(struct move *m, struct work *w)
{
	bool all = w->pos[0] < m->end;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < AC_COUNTOF(w->pos); i++)
		if (w->pos[i] != 0 && (all || w->pos[i] < m->end))
			rc = copy(m, STORE_WORK, &w->pos[i]);
	return rc;
}

static int
move_ratings(struct move *m)
{
	enum store_type type = STORE_RATED;
	uint64_t *pos;
	size_t at = 0;
	int rc = 0;

	while (rc == 0 && m->left > 0 &&
	    (pos = reputation_next(m->r, &type, &at)) != NULL)
		if (*pos < m->end)
			rc = copy(m, type, pos);
	return rc;
}

/* 1: nothing is left in the segment; 0: there is more; or an error. */
static int
move_some(struct move *m)
{
	struct relay *r = m->r;
	struct agent *a;
	struct chan *c;
	struct work *w;
	size_t at;
	int rc = 0;

	if (r->epoch_pos < m->end)
		rc = record_epoch(r);
	for (at = 0; rc == 0 && m->left > 0 &&
	    (a = map_next(&r->agents, &at)) != NULL;)
		rc = move_agent(m, a);
	for (at = 0; rc == 0 && m->left > 0 &&
	    (c = map_next(&r->chans, &at)) != NULL;)
		rc = move_chan(m, c);
	for (at = 0; rc == 0 && m->left > 0 &&
	    (w = work_next(r, &at)) != NULL;)
		rc = move_work(m, w);
	if (rc == 0 && m->left > 0)
		rc = move_ratings(m);
	return rc < 0 ? rc : m->left > 0;
}

static void
complain(int rc)
{
	log_warn("clean", "err", ac_strerror(rc), "does",
	    "keeps the old segment", NULL);
}

/* Are the copies safe? Then the segment goes. */
static bool
retire(struct relay *r)
{
	int rc;

	if (r->conf.sync != RELAY_SYNC_NEVER && r->stored < r->clean_sync)
		return false;
	rc = store_retire(r->store, r->clean_to);
	if (rc < 0)
		complain(rc);
	r->clean_to = r->clean_sync = 0;
	return rc == 0;
}

/* Copy a portion out of the segment; true: all of it is copied. */
static bool
empty(struct relay *r)
{
	struct move m = { .r = r, .end = r->clean_to, .left = PORTION,
	    .undo = BUF_INIT };
	int64_t some = r->conf.max_spool / 16;
	int rc, rc2;

	if (some > 0 && some < PORTION)
		m.left = (size_t)some;
	turn_commit(r);
	r->may_exceed = true;
	rc = move_some(&m);
	rc2 = turn_commit(r);
	r->may_exceed = false;
	if (rc2 < 0)
		take_back(&m);
	if (rc2 < 0 || rc < 0)
		complain(rc < 0 ? rc : rc2);
	else if (rc == 1)
		r->clean_sync = store_end(r->store);
	buf_fini(&m.undo);
	return r->clean_sync != 0;
}

void
clean_tick(struct relay *r)
{
	for (int i = 0; i < SEGMENTS_A_TICK; i++) {
		if (r->clean_to == 0 && (clean_is_due(r) || store_size(r->store) >
		    SEGMENTS_KEPT * (uint64_t)r->conf.segment_len))
			r->clean_to = store_portion(r->store);
		if (r->clean_to == 0)
			return;
		if (r->clean_sync == 0 && !empty(r))
			return;
		if (!retire(r))
			return;
	}
}
