/*
 * on_msg.c - MSG to a channel or an agent, and ACK of a mailbox.
 *
 * The content goes through as it stands in the sender's JSON: it has been
 * checked, and printing it anew would cost and change nothing.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"

/* A message on its way: what its JSON and its record are made of. */
struct outgoing {
	const char	*to;
	size_t		 to_len;
	const struct wire_value *content;
	const struct wire_msg *m;	/* the sender's, or NULL: made by us */
	uint64_t	 seq;		/* of the channel, 0: none */
	int64_t		 ts;
	uint64_t	 number;
};

static void
put_ref(struct buf *b, enum wire_field f, const struct wire_msg *m,
    enum wire_field as)
{
	const struct wire_value *v = &m->f[f];

	if (v->kind != WIRE_ABSENT)
		wire_put_raw(b, as, v->raw, v->raw_len);
}

static void
print(struct buf *b, const struct peer *p, const struct outgoing *o)
{
	wire_begin(b, WIRE_MSG);
	wire_put_str(b, WF_FROM, p->id, p->id_len);
	wire_put_str(b, WF_TO, o->to, o->to_len);
	wire_put_raw(b, WF_CONTENT, o->content->raw, o->content->raw_len);
	wire_put_int(b, WF_TS, o->ts);
	wire_puts(b, WF_FROM_NAME, p->name);
	wire_put_bool(b, WF_VERIFIED, p->verified);
	turn_put_msg_id(b, p->relay, o->number);
	if (o->seq != 0)
		wire_put_int(b, WF_SEQ, (int64_t)o->seq);
	if (o->m != NULL) {
		put_ref(b, WF_ID, o->m, WF_ID);
		put_ref(b, WF_IN_REPLY_TO, o->m, WF_IN_REPLY_TO);
		put_ref(b, WF_SIG, o->m, WF_SIG);
		/* Without these two nobody can check the signature. */
		if (wire_has(o->m, WF_SIG))
			put_ref(b, WF_TS, o->m, WF_SENT_TS);
		if (wire_has(o->m, WF_SIG) && p->has_key) {
			char key[IDENT_B64_MAX];

			ident_key_b64(p->key, key);
			wire_puts(b, WF_PUBKEY, key);
		}
		put_ref(b, WF_ENC, o->m, WF_ENC);
	}
	wire_end(b);
}

/* Where it goes and what it says; what is encrypted has a notice to say. */
static uint64_t
body_hash(const struct outgoing *o)
{
	uint64_t h = dedupe_hash(0, o->to, o->to_len);

	h = dedupe_hash(h, o->content->s, o->content->len);
	if (o->m != NULL && wire_has(o->m, WF_ENC))
		h = dedupe_hash(h, o->m->f[WF_ENC].raw,
		    o->m->f[WF_ENC].raw_len);
	return h;
}

/* The record's head for r->json. hash tells a resend from another body. */
static struct rec_head
head_of(const struct peer *p, const struct outgoing *o)
{
	const struct wire_value *id = o->m != NULL ? &o->m->f[WF_ID] : NULL;
	struct relay *r = p->relay;
	struct rec_head h = {
		.to = o->to, .to_len = (uint8_t)o->to_len,
		.from = p->id, .from_len = p->id_len,
		.flags = p->verified ? REC_VERIFIED : 0,
		.seq = o->seq, .ts = o->ts, .number = o->number,
		.id = "", .json = r->json.p, .json_len = r->json.len,
	};

	if (id != NULL && id->kind == WIRE_STR) {
		h.id = id->s;
		h.id_len = (uint8_t)id->len;
		h.hash = body_hash(o);
	}
	return h;
}

/* This id was used: for this message? Then confirm it again. */
static int
confirm_again(struct peer *p, const struct wire_msg *m, const struct known *k)
{
	const struct wire_value *to = &m->f[WF_TO];
	struct relay *r = p->relay;
	struct outgoing o = { to->s, to->len, &m->f[WF_CONTENT], m,
	    to->s[0] == '#' ? k->seq : 0, k->ts, k->number };
	uint64_t j = k->j;

	if (body_hash(&o) != k->body)
		return refuse(p, AC_E_INVALID_MSG, "This id was used for "
		    "another message: choose a new one.");
	turn_commit(r);		/* it may be of this very turn */
	buf_clear(&r->json);
	print(&r->json, p, &o);
	if (p->cap_stored && buf_err(&r->json) == 0) {
		r->json.len--;	/* the brace: one more member */
		wire_put_int(&r->json, WF_J, (int64_t)j);
		wire_end(&r->json);
	}
	peer_reply(p);
	if (p->cap_stored)
		turn_owe_stored(r, p, j);
	return 1;
}

/* 1: it was sent before and is confirmed; 0: it is new; or a refusal. */
static int
seen(struct peer *p, const struct wire_msg *m)
{
	const struct wire_value *id = &m->f[WF_ID];
	const struct dedupe *d =
	    p->agent != NULL ? &p->agent->dedupe : &p->dedupe;
	const struct known *k;

	if (id->kind != WIRE_STR || id->len == 0)
		return 0;
	k = dedupe_find(d, dedupe_hash(0, id->s, id->len));
	return k != NULL ? confirm_again(p, m, k) : 0;
}

static int
no_memory(struct peer *p)
{
	return refuse(p, AC_E_RATE_LIMITED,
	    "The relay is out of memory: send it again later.");
}

static void
log_body(const struct peer *p, const struct outgoing *o)
{
	if (p->relay->conf.log_messages)
		log_info("message", "from", p->id, "to", o->to, "content",
		    o->content->s, NULL);
}

static int
send_chan(struct peer *p, const struct wire_msg *m)
{
	const struct wire_value *to = &m->f[WF_TO];
	struct relay *r = p->relay;
	struct outgoing o = { to->s, to->len, &m->f[WF_CONTENT], m, 0, 0,
	    r->number + 1 };
	struct chan *c = chan_find(r, to->s, to->len);
	struct rec_head h;
	int64_t now = turn_wall_ms(r);
	int rc;

	if (c == NULL || !chan_visible(c, p))
		return AC_E_CHANNEL_NOT_FOUND;
	if (chan_member(c, p) == NULL)
		return refuse(p, AC_E_NOT_INVITED,
		    "You are not in %s: JOIN it first.", c->name);
	rc = seen(p, m);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	o.seq = c->seq + 1;
	o.ts = now > c->ts ? now : c->ts;
	buf_clear(&r->json);
	print(&r->json, p, &o);
	if (buf_err(&r->json) < 0)
		return no_memory(p);
	h = head_of(p, &o);
	rc = turn_msg(r, c, p, &h);
	buf_clear(&r->json);
	if (rc < 0)
		return no_memory(p);
	c->ts = o.ts;
	log_body(p, &o);
	return 0;
}

int
send_dm(struct peer *p, const char *to, size_t len,
    const struct wire_value *content, const struct wire_msg *m)
{
	struct relay *r = p->relay;
	struct agent *agent = agent_by_id(r, to, len);
	struct peer *target = map_get(&r->online, to, len);
	struct outgoing o = { to, len, content, m, 0, turn_wall_ms(r),
	    r->number + 1 };
	struct rec_head h;
	int rc;

	if (target != NULL && (target->state != PEER_KNOWN ||
	    (agent != NULL && target->agent != agent)))
		target = NULL;
	if (agent == NULL && target == NULL)
		return AC_E_AGENT_NOT_FOUND;
	if (target == NULL && !mem_has_room(MEM_STATE))
		return refuse(p, AC_E_RATE_LIMITED, MEM_FULL);
	if (agent != NULL && agent->mailbox_ts > o.ts)
		o.ts = agent->mailbox_ts;
	buf_clear(&r->json);
	print(&r->json, p, &o);
	if (buf_err(&r->json) < 0)
		return no_memory(p);
	h = head_of(p, &o);
	if (agent != NULL) {
		if (!mailbox_has_room(agent, p->id, h.json_len)) {
			buf_clear(&r->json);
			return AC_E_MAILBOX_FULL;
		}
		h.seq = agent->mailbox_seq + 1;
	}
	rc = turn_dm(r, agent, target, p, &h);
	buf_clear(&r->json);
	if (rc < 0)
		return no_memory(p);
	if (agent != NULL)
		agent->mailbox_ts = o.ts;
	log_body(p, &o);
	return 0;
}

int
on_msg(struct peer *p, const struct wire_msg *m)
{
	const struct wire_value *to = &m->f[WF_TO], *text = &m->f[WF_CONTENT];
	int64_t max = p->relay->conf.content_max;
	int rc;

	/* UTF-8 has at least as many bytes as UTF-16 has units. */
	if ((int64_t)text->len > max &&
	    (int64_t)wire_utf16_len(text->s, text->len) > max)
		return refuse(p, AC_E_INVALID_MSG, "The content is longer "
		    "than %" PRId64 " characters: split it.", max);
	if (wire_has(m, WF_SIG) && !wire_has(m, WF_TS))
		return refuse(p, AC_E_INVALID_MSG, "A signed message needs "
		    "its ts: the signature covers it.");
	if (to->s[0] == '#')
		return send_chan(p, m);
	if (to->s[0] != '@' || !wire_agent_id_ok(to->s, to->len))
		return refuse(p, AC_E_INVALID_MSG, "\"to\" is a channel "
		    "(#name) or an agent (@id).");
	rc = seen(p, m);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	return send_dm(p, to->s, to->len, text, m);
}

int
on_ack(struct peer *p, const struct wire_msg *m)
{
	int64_t seq = wire_int(m, WF_MAILBOX_SEQ, -1);

	if (p->agent == NULL)
		return refuse(p, AC_E_AUTH_REQUIRED,
		    "Only who has proved its key has a mailbox.");
	if (seq < 0 || (uint64_t)seq > p->agent->mailbox_seq)
		return refuse(p, AC_E_INVALID_MSG,
		    "There is no such mailbox_seq yet.");
	turn_commit(p->relay);
	agent_ack(p->relay, p->agent, (uint64_t)seq);
	return 0;
}
