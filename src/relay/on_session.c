/*
 * on_session.c - IDENTIFY, VERIFY_IDENTITY, PING.
 *
 * A session's id is its key's, or a random one. Who holds an id: a verified
 * session can't be displaced by one that isn't; such a newcomer waits in
 * PEER_HELD for its proof.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/rnd.h"

static void
send_welcome(struct peer *p)
{
	static const char caps[] = "[\"ack\",\"stored\",\"enc\"]";
	const struct relay_conf *conf = &p->relay->conf;
	struct buf *b = &p->relay->json;

	wire_begin(b, WIRE_WELCOME);
	wire_put_str(b, WF_AGENT_ID, p->id, p->id_len);
	wire_puts(b, WF_SERVER, conf->name);
	wire_puts(b, WF_NAME, p->name);
	wire_put_bool(b, WF_VERIFIED, p->verified);
	wire_puts(b, WF_EPOCH, p->relay->epoch);
	wire_put_raw(b, WF_RATE, "{", 1);
	wire_json_key(b, "per_second");
	wire_json_num(b, conf->rate);
	wire_json_key(b, "burst");
	wire_json_num(b, conf->burst);
	buf_addc(b, '}');
	wire_put_raw(b, WF_LIMITS, "{", 1);
	wire_json_key(b, "content");
	wire_json_num(b, (double)conf->content_max);
	wire_json_key(b, "frame");
	wire_json_num(b, (double)conf->frame_max);
	buf_addc(b, '}');
	wire_put_raw(b, WF_CAPS, caps, sizeof(caps) - 1);
	wire_end(b);
	peer_reply(p);
}

/* The id's session so far, if there is one, makes room. */
static void
displace(struct peer *p)
{
	struct peer *old = map_get(&p->relay->online, p->id, p->id_len);

	if (old == NULL || old == p)
		return;
	peer_leave_all(old);
	peer_error_re(old, AC_E_INVALID_MSG, "Disconnected: this identity "
	    "has connected from somewhere else.", "");
	peer_close(old, 1000, "displaced by a newer session");
}

static int
welcome(struct peer *p)
{
	struct relay *r = p->relay;

	turn_commit(r);
	displace(p);
	if (map_put(&r->online, p->id, p->id_len, p) < 0)
		return refuse(p, AC_E_RATE_LIMITED,
		    "The relay is out of memory.");
	peer_set_state(p, PEER_KNOWN);
	log_info("session", "agent", p->id, "name", p->name, "address",
	    p->address, "key", p->has_key ? "yes" : "no", NULL);
	send_welcome(p);
	return 0;
}

static void
take_caps(struct peer *p, const struct wire_value *caps)
{
	const void *at = NULL;
	const char *key;
	struct wire_value v;

	while (wire_each(caps, &at, &key, &v)) {
		if (v.kind != WIRE_STR)
			continue;
		if (strcmp(v.s, "ack") == 0)
			p->cap_ack = true;
		else if (strcmp(v.s, "stored") == 0)
			p->cap_stored = true;
	}
}

static int
identify_ephemeral(struct peer *p)
{
	struct relay *r = p->relay;

	if (access_wants_proof(r))
		return refuse(p, AC_E_AUTH_REQUIRED,
		    "This relay wants a key: IDENTIFY with a pubkey.");
	do {
		p->id[0] = '@';
		rnd_name(p->id + 1, 8);
		p->id_len = 9;
	} while (map_get(&r->online, p->id, p->id_len) != NULL ||
	    agent_by_id(r, p->id, p->id_len) != NULL);
	return welcome(p);
}

static int
identify_key(struct peer *p, const struct wire_value *key)
{
	struct relay *r = p->relay;
	struct peer *other;
	int rc;

	if (ident_key_parse(p->key, key->s, key->len) < 0)
		return refuse(p, AC_E_INVALID_MSG, "pubkey is no Ed25519 key: "
		    "send SPKI PEM, or 44 characters of base64.");
	p->has_key = true;
	agent_id_for_key(r, p->key, p->id);
	p->id_len = (uint8_t)strlen(p->id);
	rc = access_check(p);
	if (rc < 0)
		return rc;
	other = map_get(&r->online, p->id, p->id_len);
	if (access_wants_proof(r) || (other != NULL && other->verified)) {
		peer_set_state(p, PEER_HELD);
		auth_challenge(p);
		return 0;
	}
	rc = welcome(p);
	if (rc == 0)
		auth_challenge(p);
	return rc;
}

int
on_identify(struct peer *p, const struct wire_msg *m)
{
	const struct wire_value *name = &m->f[WF_NAME];
	int rc;

	if (p->state != PEER_NEW)
		return refuse(p, AC_E_INVALID_MSG,
		    "This session has identified itself already.");
	if (!wire_agent_name_ok(name->s, name->len))
		return refuse(p, AC_E_INVALID_NAME,
		    "A name is 1 to 32 letters, digits, '_' and '-'.");
	memcpy(p->name, name->s, name->len + 1);
	take_caps(p, &m->f[WF_CAPS]);
	if (wire_has(m, WF_PUBKEY))
		rc = identify_key(p, &m->f[WF_PUBKEY]);
	else
		rc = identify_ephemeral(p);
	if (rc == AC_E_BANNED || rc == AC_E_NOT_ALLOWED) {
		peer_error(p, rc, NULL);
		peer_close(p, 1008, "not let in");
		return 0;
	}
	if (rc < 0) {
		p->has_key = p->cap_ack = p->cap_stored = false;
		p->id_len = 0;
		p->id[0] = '\0';
	}
	return rc;
}

/* The key has proved itself: from now on it owns its id. */
static int
own_id(struct peer *p, bool bound)
{
	struct relay *r = p->relay;
	struct agent *a = agent_by_key(r, p->key);
	int rc;

	if (a == NULL) {
		/* Another key may have proved its claim to the id meanwhile. */
		if (agent_by_id(r, p->id, p->id_len) != NULL)
			return refuse(p, AC_E_VERIFICATION_FAILED, "The id "
			    "has found its owner: connect again.");
		if (!mem_has_room(MEM_STATE))
			return refuse(p, AC_E_RATE_LIMITED, MEM_FULL);
		rc = agent_new(r, p->id, p->id_len, p->key, &a);
		if (rc < 0)
			return AC_E_RATE_LIMITED;
		if (record_agent(r, a) < 0 || turn_commit(r) < 0) {
			agent_forget(r, a);
			return refuse(p, AC_E_RATE_LIMITED, "The relay's disk "
			    "is full or failing: connect again later.");
		}
	}
	if (bound && !a->bound) {
		a->bound = true;
		if (record_agent(r, a) < 0)
			return AC_E_RATE_LIMITED;
	}
	p->agent = a;
	p->verified = true;
	/* What the session said before has to stay known as said. */
	dedupe_merge(&a->dedupe, &p->dedupe);
	return 0;
}

int
on_verify_identity(struct peer *p, const struct wire_msg *m)
{
	struct relay *r = p->relay;
	bool bound = false;
	int rc;

	if (!p->has_key)
		return refuse(p, AC_E_VERIFICATION_FAILED,
		    "This session has no key: IDENTIFY with a pubkey.");
	turn_commit(r);
	rc = auth_check(p, m, &bound);
	if (rc == 0)
		rc = own_id(p, bound);
	if (rc == 0 && p->state == PEER_HELD)
		rc = welcome(p);
	if (rc < 0) {
		r->metrics.auth_failures++;
		log_warn("auth", "agent", p->id, "address", p->address, "err",
		    m->why != NULL ? m->why : ac_strerror(rc), NULL);
		if (p->state == PEER_HELD) {
			peer_error(p, rc, m->why);
			peer_close(p, 1008, "The key was not proved.");
			return 0;
		}
		return rc;
	}
	wire_begin(&r->json, WIRE_VERIFIED);
	wire_put_str(&r->json, WF_AGENT_ID, p->id, p->id_len);
	wire_end(&r->json);
	peer_reply(p);
	mailbox_pump(p);
	return 0;
}

int
on_ping(struct peer *p, const struct wire_msg *m)
{
	(void)m;
	turn_commit(p->relay);
	wire_begin(&p->relay->json, WIRE_PONG);
	wire_end(&p->relay->json);
	peer_reply(p);
	return 0;
}
