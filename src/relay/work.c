/*
 * work.c - the newest proposals, and what has become of them.
 *
 * Here is only what decides about the next step; what the steps say is in the
 * store and is read when it is to be told again.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORKS_MAX 100000
#define WORK_BYTES ((int64_t)(sizeof(struct work) + MEM_ALLOC + 2 * MEM_SLOT))

TAILQ_HEAD(work_list, work);

struct works {
	struct map	 ids, sigs;
	struct work_list open, accepted, over;	/* oldest first */
};

static const enum wire_type numbered[] = { WIRE_NONE, WIRE_PROPOSAL,
	WIRE_ACCEPT, WIRE_REJECT, WIRE_COMPLETE, WIRE_DISPUTE };

uint8_t
work_step_number(enum wire_type type)
{
	uint8_t n = AC_COUNTOF(numbered) - 1;

	while (n > 0 && numbered[n] != type)
		n--;
	return n;
}

enum wire_type
work_step_type(uint8_t number)
{
	return number < AC_COUNTOF(numbered) ? numbered[number] : WIRE_NONE;
}

int
works_open(struct relay *r)
{
	r->works = calloc(1, sizeof(*r->works));
	if (r->works == NULL)
		return -ENOMEM;
	map_init(&r->works->ids);
	map_init(&r->works->sigs);
	TAILQ_INIT(&r->works->open);
	TAILQ_INIT(&r->works->accepted);
	TAILQ_INIT(&r->works->over);
	return 0;
}

void
works_close(struct relay *r)
{
	struct work *w;
	size_t at = 0;

	if (r->works == NULL)
		return;
	while ((w = map_next(&r->works->ids, &at)) != NULL)
		free(w);
	map_fini(&r->works->ids);
	map_fini(&r->works->sigs);
	free(r->works);
	r->works = NULL;
}

struct work *
work_by_id(struct relay *r, const char *id, size_t len)
{
	return map_get(&r->works->ids, id, len);
}

struct work *
work_by_sig(struct relay *r, const char *sig, size_t len)
{
	return map_get(&r->works->sigs, sig, len);
}

static struct work_list *
list_of(struct works *all, enum proposal_status status)
{
	if (status == PROPOSAL_PENDING || status == PROPOSAL_NONE)
		return &all->open;
	return status == PROPOSAL_ACCEPTED ? &all->accepted : &all->over;
}

/* Out of the chain of those with its sig. */
static void
unlink_sig(struct works *all, struct work *w)
{
	size_t len = strlen(w->sig);
	struct work *head = map_get(&all->sigs, w->sig, len), *p;

	if (head != w) {
		for (p = head; p->same != w; p = p->same)
			;
		p->same = w->same;
		return;
	}
	/* In the same slot: that can't fail. */
	if (w->same != NULL)
		(void)!map_put(&all->sigs, w->same->sig, len, w->same);
	else
		map_del(&all->sigs, w->sig, len);
}

void
work_forget(struct relay *r, struct work *w)
{
	struct works *all = r->works;

	mem_grow(-WORK_BYTES);
	map_del(&all->ids, w->id, strlen(w->id));
	unlink_sig(all, w);
	TAILQ_REMOVE(list_of(all, w->status), w, next);
	free(w);
}

/* What has ended goes first, then what nobody has answered. */
static bool
make_room(struct relay *r)
{
	struct work *w;

	if (r->works->ids.count < WORKS_MAX && mem_has_room(MEM_STATE))
		return true;
	w = TAILQ_FIRST(&r->works->over);
	if (w == NULL)
		w = TAILQ_FIRST(&r->works->open);
	if (w != NULL)
		work_forget(r, w);
	return w != NULL;
}

int
work_add(struct relay *r, const struct work *from, struct work **out)
{
	struct works *all = r->works;
	struct work *w;

	if (!make_room(r))
		return -EDQUOT;
	w = malloc(sizeof(*w));
	if (w == NULL)
		return -ENOMEM;
	*w = *from;
	w->same = work_by_sig(r, w->sig, strlen(w->sig));
	if (map_put(&all->ids, w->id, strlen(w->id), w) < 0) {
		free(w);
		return -ENOMEM;
	}
	if (map_put(&all->sigs, w->sig, strlen(w->sig), w) < 0) {
		map_del(&all->ids, w->id, strlen(w->id));
		free(w);
		return -ENOMEM;
	}
	mem_grow(WORK_BYTES);
	TAILQ_INSERT_TAIL(list_of(all, w->status), w, next);
	*out = w;
	return 0;
}

void
work_made(struct relay *r, struct work *w, enum wire_type type,
    enum proposal_status status, const struct rec_work *rec, const char *hash,
    uint64_t pos)
{
	int place = proposal_place(type);

	TAILQ_REMOVE(list_of(r->works, w->status), w, next);
	w->status = status;
	TAILQ_INSERT_TAIL(list_of(r->works, status), w, next);
	w->pos[place] = pos;
	w->again[place] = rec->again;
	memcpy(w->prev, hash, sizeof(w->prev));
}

struct work *
work_next(struct relay *r, size_t *at)
{
	return map_next(&r->works->ids, at);
}

enum proposal_status
work_status(const struct work *w, int64_t now_ms)
{
	if (w->status == PROPOSAL_PENDING && w->expires_ms != 0 &&
	    now_ms >= w->expires_ms)
		return PROPOSAL_EXPIRED;
	return w->status;
}

enum proposal_party
work_party(const struct work *w, const unsigned char key[IDENT_KEY_LEN])
{
	if (memcmp(w->key[0], key, IDENT_KEY_LEN) == 0)
		return PROPOSAL_PROPOSER;
	if (memcmp(w->key[1], key, IDENT_KEY_LEN) == 0)
		return PROPOSAL_RECIPIENT;
	return PROPOSAL_STRANGER;
}

int
work_read(struct relay *r, const struct work *w, int place, struct buf *out)
{
	struct buf body = BUF_INIT;
	struct rec_work rec;
	int rc = store_read(r->store, w->pos[place], &body);

	if (rc == 0)
		rc = rec_work(&rec, body.p, body.len);
	if (rc == 0) {
		buf_add(out, rec.json, rec.json_len);
		rc = buf_err(out);
	}
	buf_fini(&body);
	return rc;
}

/* ----------------------------------------------------------------- replay */

static int
replay_proposal(struct relay *r, const struct rec_work *rec,
    const struct step *s, uint64_t pos)
{
	const char *from = wire_str(&s->m, WF_FROM);
	const char *to = wire_str(&s->m, WF_TO);
	const char *sig = wire_str(&s->m, WF_SIG);
	struct work new = { .status = PROPOSAL_NONE };
	struct work *w = work_by_id(r, rec->id, rec->id_len);
	int rc;

	if (w != NULL) {
		w->pos[0] = pos;	/* it has moved */
		return 0;
	}
	if (from == NULL || strlen(from) >= sizeof(new.from) || to == NULL ||
	    strlen(to) >= sizeof(new.to) || sig == NULL ||
	    strlen(sig) >= sizeof(new.sig) || rec->id_len >= sizeof(new.id) ||
	    !s->has_key)
		return -EUCLEAN;
	memcpy(new.id, rec->id, rec->id_len);
	memcpy(new.from, from, strlen(from));
	memcpy(new.to, to, strlen(to));
	memcpy(new.sig, sig, strlen(sig));
	memcpy(new.key[0], s->key, IDENT_KEY_LEN);
	memcpy(new.key[1], rec->to_key, IDENT_KEY_LEN);
	new.amount = s->m.f[WF_AMOUNT].num;
	if (s->m.f[WF_EXPIRES].num > 0)
		new.expires_ms = rec->ts +
		    (int64_t)(s->m.f[WF_EXPIRES].num * 1000);
	rc = work_add(r, &new, &w);
	if (rc == 0)
		work_made(r, w, WIRE_PROPOSAL, PROPOSAL_PENDING, rec, s->hash,
		    pos);
	return rc == -EDQUOT ? 0 : rc;
}

static int
replay_step(struct relay *r, const struct rec_work *rec, const struct step *s,
    uint64_t pos)
{
	struct work *w = work_by_id(r, rec->id, rec->id_len);
	int place = proposal_place(s->m.type);
	enum proposal_party party;
	enum proposal_status next;

	if (w == NULL)
		return 0;	/* it moves, or there was no room for it */
	if (!s->has_key)
		return -EUCLEAN;
	if (w->pos[place] != 0) {
		w->pos[place] = pos;	/* it has moved */
		return 0;
	}
	party = work_party(w, s->key);
	if (proposal_next(w->status, s->m.type, party, &next) < 0)
		return -EUCLEAN;
	work_made(r, w, s->m.type, next, rec, s->hash, pos);
	return 0;
}

int
work_replay(struct relay *r, uint64_t pos, const void *body, size_t len)
{
	struct rec_work rec;
	struct step s;
	int rc = rec_work(&rec, body, len);

	if (rc < 0)
		return rc;
	if (rec.number > r->number)
		r->number = rec.number;
	step_init(&s);
	rc = step_read(&s, rec.json, rec.json_len);
	if (rc == AC_E_INVALID_MSG || (rc == 0 &&
	    work_step_number(s.m.type) != rec.step))
		rc = -EUCLEAN;
	if (rc == 0)
		rc = s.m.type == WIRE_PROPOSAL ?
		    replay_proposal(r, &rec, &s, pos) :
		    replay_step(r, &rec, &s, pos);
	step_fini(&s);
	return rc;
}
