/*
 * reputation.c - ratings of agents by the deals that this relay has carried
 * (--reputation).
 *
 * As ledger/elo.c has it, but that a relay sees who games it: a pair's deals
 * within an hour of one that counted don't count, and after its first deal a
 * pair moves its ratings by half of K.
 *
 * Ratings are kept whether they are asked for now or not: a relay may be
 * started without the option once.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAIR_MS		(60 * 60 * 1000)
#define REPEAT_SCALE	0.5
#define LEADERS		10
#define LEADERS_MAX	100

struct rated {
	char		id[IDENT_ID_MAX];
	struct elo	elo;
	uint64_t	pos;		/* of its record */
};

struct pair {
	char		key[2 * IDENT_ID_MAX];	/* both ids, in order */
	char		first[IDENT_ID_MAX], second[IDENT_ID_MAX];
	int64_t		counted_ms;	/* 0: never yet */
	uint64_t	pos;
};

struct reputation {
	struct map	agents, pairs;
	/* The newest deal, and what was before it; NULL: nothing to undo. */
	struct rated	*from, *to;
	struct pair	*pair;
	struct rated	 old_from, old_to;
	struct pair	 old_pair;
};

int
reputation_open(struct relay *r)
{
	struct reputation *rep = calloc(1, sizeof(*rep));

	if (rep == NULL)
		return -ENOMEM;
	map_init(&rep->agents);
	map_init(&rep->pairs);
	r->reputation = rep;
	return 0;
}

void
reputation_close(struct relay *r)
{
	struct reputation *rep = r->reputation;
	void *p;
	size_t at;

	if (rep == NULL)
		return;
	for (at = 0; (p = map_next(&rep->agents, &at)) != NULL;)
		free(p);
	for (at = 0; (p = map_next(&rep->pairs, &at)) != NULL;)
		free(p);
	map_fini(&rep->agents);
	map_fini(&rep->pairs);
	free(rep);
	r->reputation = NULL;
}

static struct rated *
rated(struct reputation *rep, const char *id)
{
	struct rated *a = map_get(&rep->agents, id, strlen(id));

	if (a != NULL)
		return a;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	snprintf(a->id, sizeof(a->id), "%s", id);
	a->elo.rating = ELO_START;
	if (map_put(&rep->agents, a->id, strlen(a->id), a) < 0) {
		free(a);
		return NULL;
	}
	mem_grow(sizeof(*a) + MEM_ALLOC + MEM_SLOT);
	return a;
}

static struct pair *
pair_of(struct reputation *rep, const char *a, const char *b)
{
	bool ordered = strcmp(a, b) < 0;
	const char *first = ordered ? a : b, *second = ordered ? b : a;
	char key[2 * IDENT_ID_MAX];
	struct pair *p;

	snprintf(key, sizeof(key), "%s%s", first, second);
	p = map_get(&rep->pairs, key, strlen(key));
	if (p != NULL)
		return p;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	memcpy(p->key, key, sizeof(key));
	snprintf(p->first, sizeof(p->first), "%s", first);
	snprintf(p->second, sizeof(p->second), "%s", second);
	if (map_put(&rep->pairs, p->key, strlen(p->key), p) < 0) {
		free(p);
		return NULL;
	}
	mem_grow(sizeof(*p) + MEM_ALLOC + MEM_SLOT);
	return p;
}

/* ---------------------------------------------------------------- records */

static int
record_rated(struct relay *r, struct rated *a)
{
	struct buf *b = &r->rec;

	buf_clear(b);
	rec_put_str(b, a->id, strlen(a->id));
	rec_put_u64(b, (uint64_t)a->elo.rating);
	rec_put_u64(b, a->elo.transactions);
	return turn_record(r, STORE_RATED, &a->pos);
}

static int
record_pair(struct relay *r, struct pair *p)
{
	struct buf *b = &r->rec;

	buf_clear(b);
	rec_put_str(b, p->first, strlen(p->first));
	rec_put_str(b, p->second, strlen(p->second));
	rec_put_u64(b, (uint64_t)p->counted_ms);
	return turn_record(r, STORE_PAIR, &p->pos);
}

static int
replay_id(struct rec *rec, char out[IDENT_ID_MAX])
{
	uint8_t len;
	const char *s = rec_str(rec, &len);

	if (s == NULL || len >= IDENT_ID_MAX)
		return -EUCLEAN;
	memcpy(out, s, len);
	out[len] = '\0';
	return 0;
}

int
reputation_replay(struct relay *r, enum store_type type, struct rec *rec,
    uint64_t pos)
{
	char one[IDENT_ID_MAX], two[IDENT_ID_MAX];
	struct rated *a;
	struct pair *p;
	int rc = replay_id(rec, one);

	if (rc < 0)
		return rc;
	if (type == STORE_RATED) {
		a = rated(r->reputation, one);
		if (a == NULL)
			return -ENOMEM;
		a->elo.rating = (int64_t)rec_u64(rec);
		a->elo.transactions = (unsigned)rec_u64(rec);
		a->pos = pos;
		return 0;
	}
	rc = replay_id(rec, two);
	if (rc < 0)
		return rc;
	p = pair_of(r->reputation, one, two);
	if (p == NULL)
		return -ENOMEM;
	p->counted_ms = (int64_t)rec_u64(rec);
	p->pos = pos;
	return 0;
}

uint64_t *
reputation_next(struct relay *r, enum store_type *type, size_t *at)
{
	struct rated *a;
	struct pair *p;

	if (*type == STORE_RATED) {
		while ((a = map_next(&r->reputation->agents, at)) != NULL)
			if (a->pos != 0)
				return &a->pos;
		*type = STORE_PAIR;
		*at = 0;
	}
	while ((p = map_next(&r->reputation->pairs, at)) != NULL)
		if (p->pos != 0)
			return &p->pos;
	return NULL;
}

/* ----------------------------------------------------------------- rating */

static void
apply(struct reputation *rep, const struct work *w, enum wire_type type,
    enum proposal_party by, double scale)
{
	struct elo *from = &rep->from->elo, *to = &rep->to->elo;

	if (type == WIRE_COMPLETE)
		elo_rate(from, to, ELO_DONE, w->amount, scale);
	else if (by == PROPOSAL_PROPOSER)
		elo_rate(to, from, ELO_FAULT, w->amount, scale);
	else
		elo_rate(from, to, ELO_FAULT, w->amount, scale);
}

int
reputation_rate(struct relay *r, const struct work *w, enum wire_type type,
    enum proposal_party by, int64_t ts)
{
	struct reputation *rep = r->reputation;
	struct rated *from, *to;
	struct pair *pair;
	double scale;
	int rc;

	rep->from = NULL;
	if (!r->conf.reputation || proposal_place(type) != 2)
		return 0;
	from = rated(rep, w->from);
	to = rated(rep, w->to);
	pair = pair_of(rep, w->from, w->to);
	if (from == NULL || to == NULL || pair == NULL)
		return -ENOMEM;
	if (pair->counted_ms != 0 && ts - pair->counted_ms < PAIR_MS)
		return 0;
	rep->from = from;
	rep->to = to;
	rep->pair = pair;
	rep->old_from = *from;
	rep->old_to = *to;
	rep->old_pair = *pair;
	scale = pair->counted_ms != 0 ? REPEAT_SCALE : 1;
	apply(rep, w, type, by, scale);
	pair->counted_ms = ts;
	rc = record_rated(r, from);
	if (rc == 0)
		rc = record_rated(r, to);
	return rc < 0 ? rc : record_pair(r, pair);
}

void
reputation_undo(struct relay *r)
{
	struct reputation *rep = r->reputation;

	if (rep->from == NULL)
		return;
	*rep->from = rep->old_from;
	*rep->to = rep->old_to;
	*rep->pair = rep->old_pair;
	rep->from = NULL;
}

void
reputation_put_members(struct relay *r, const struct chan *c)
{
	struct buf *b = &r->json;

	if (!r->conf.reputation)
		return;
	wire_put_raw(b, WF_RATINGS, "{", 1);
	for (size_t i = 0; i < c->count; i++) {
		const struct peer *p = c->members[i]->peer;
		const struct rated *a = map_get(&r->reputation->agents, p->id,
		    p->id_len);

		if (a == NULL || a->elo.transactions == 0)
			continue;
		wire_json_key(b, p->id);
		wire_json_int(b, a->elo.rating);
	}
	buf_addc(b, '}');
}

static int
check_kept(struct peer *p)
{
	if (p->relay->conf.reputation)
		return 0;
	return refuse(p, AC_E_NOT_ALLOWED, "This relay keeps no ratings: "
	    "'agentchat ratings' makes them of your receipts.");
}

int
on_get_rating(struct peer *p, const struct wire_msg *m)
{
	const struct wire_value *agent = &m->f[WF_AGENT];
	static const struct elo fresh = { ELO_START, 0 };
	const struct elo *elo = &fresh;
	struct relay *r = p->relay;
	const struct rated *a;
	int rc = check_kept(p);

	if (rc < 0)
		return rc;
	if (!wire_agent_id_ok(agent->s, agent->len))
		return refuse(p, AC_E_INVALID_MSG, "\"agent\" is an agent's "
		    "id (@id).");
	a = map_get(&r->reputation->agents, agent->s, agent->len);
	if (a != NULL)
		elo = &a->elo;
	turn_commit(r);
	wire_begin(&r->json, WIRE_RATING);
	wire_put_str(&r->json, WF_AGENT, agent->s, agent->len);
	wire_put_int(&r->json, WF_RATING, elo->rating);
	wire_put_int(&r->json, WF_TRANSACTIONS, elo->transactions);
	wire_end(&r->json);
	peer_reply(p);
	return 0;
}

static bool
is_above(const struct rated *a, const struct rated *b)
{
	if (a->elo.rating != b->elo.rating)
		return a->elo.rating > b->elo.rating;
	return strcmp(a->id, b->id) < 0;
}

/* The best so far, in order; all the others are only looked at. */
static size_t
find_leaders(const struct reputation *rep, const struct rated **top,
    size_t max)
{
	const struct rated *a;
	size_t n = 0, at = 0, i;

	while ((a = map_next(&rep->agents, &at)) != NULL) {
		if (a->elo.transactions == 0 ||
		    (n == max && !is_above(a, top[n - 1])))
			continue;
		if (n < max)
			n++;
		for (i = n - 1; i > 0 && is_above(a, top[i - 1]); i--)
			top[i] = top[i - 1];
		top[i] = a;
	}
	return n;
}

int
on_leaderboard(struct peer *p, const struct wire_msg *m)
{
	const struct rated *top[LEADERS_MAX];
	int64_t limit = wire_int(m, WF_LIMIT, LEADERS);
	struct relay *r = p->relay;
	struct buf *b = &r->json;
	size_t n;
	int rc = check_kept(p);

	if (rc < 0)
		return rc;
	if (limit < 1 || limit > LEADERS_MAX)
		return refuse(p, AC_E_INVALID_MSG, "\"limit\" is 1 to %d.",
		    LEADERS_MAX);
	turn_commit(r);
	n = find_leaders(r->reputation, top, (size_t)limit);
	wire_begin(b, WIRE_LEADERBOARD);
	wire_put_raw(b, WF_LIST, "[", 1);
	for (size_t i = 0; i < n; i++) {
		wire_json_sep(b);
		buf_adds(b, "{\"agent\":");
		wire_json_str(b, top[i]->id, strlen(top[i]->id));
		wire_json_key(b, "rating");
		wire_json_int(b, top[i]->elo.rating);
		wire_json_key(b, "transactions");
		wire_json_int(b, top[i]->elo.transactions);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
	wire_end(b);
	peer_reply(p);
	return 0;
}
