/*
 * ask.c - the key to encrypt with: the one that is known for an agent, or
 * else the agent is asked for it, and has to prove it.
 *
 * One question at a time. What is to be sent waits for the answer; without
 * one it is refused, because nobody knows when the agent will be there.
 */
#include "config.h"

#include "daemon/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rnd.h"
#include "daemon/trust.h"
#include "ident/ident.h"

#define ANSWER_MS	40000	/* the relay gives the agent 30 s */

/* How it ended: a reason for the item that waits, or NULL if it may go. */
static void
settle(struct daemon *d, const char *why)
{
	struct asking *a = &d->ask;

	a->on = false;
	snprintf(a->why, sizeof(a->why), "%s", why != NULL ? why : "");
	if (why == NULL)
		a->target[0] = '\0';
	sender_pump(d);
}

static int
question(struct daemon *d, const char *target)
{
	struct asking *a = &d->ask;
	struct buf b = BUF_INIT;
	char tail[17];
	int rc;

	rnd_name(tail, sizeof(tail) - 1);
	snprintf(a->id, sizeof(a->id), "key-%s", tail);
	rc = client_make_verify(&b, target, a->id, a->nonce);
	if (rc == 0)
		rc = client_send(d->client, b.p, b.len);
	buf_fini(&b);
	if (rc < 0)
		return rc;
	snprintf(a->target, sizeof(a->target), "%s", target);
	a->why[0] = '\0';
	a->on = true;
	a->since_ms = clock_mono_ms();
	return -EAGAIN;
}

int
ask_key(void *arg, const char *target, unsigned char *key, const char **why)
{
	struct daemon *d = arg;
	struct asking *a = &d->ask;
	const unsigned char *known;

	known = d->ident != NULL && daemon_is_me(d, target) ?
	    ident_pub(d->ident) : trust_key(d->trust, target);
	if (known != NULL) {
		memcpy(key, known, IDENT_KEY_LEN);
		return 0;
	}
	if (a->on)
		return -EAGAIN;
	if (a->why[0] != '\0' && strcmp(a->target, target) == 0) {
		*why = a->why;
		a->target[0] = '\0';	/* the next one asks again */
		return -EINVAL;
	}
	return question(d, target);
}

static void
answered(struct daemon *d, const struct wire_msg *m)
{
	struct asking *a = &d->ask;
	unsigned char key[IDENT_KEY_LEN];

	if (client_check_verify(m, a->target, a->nonce, key) != 0) {
		log_warn("key", "of", a->target, "proved", "no", NULL);
		settle(d, "What the relay says is this agent's key is not "
		    "proved: it is not used.");
		return;
	}
	switch (trust_meet(d->trust, a->target, key, NULL)) {
	case TRUST_NEW:
	case TRUST_OWNS:
		settle(d, NULL);
		break;
	case TRUST_OTHER:
		settle(d, "This agent now has another key than the one in "
		    "known_agents.");
		break;
	case TRUST_ROOMLESS:
		settle(d, "The agent's key can't be noted in known_agents: "
		    "see daemon.log.");
		break;
	}
}

bool
ask_message(struct daemon *d, const struct wire_msg *m)
{
	struct asking *a = &d->ask;
	const char *nonce = wire_str(m, WF_NONCE);
	const char *target = wire_str(m, WF_TARGET);

	if (!a->on)
		return false;
	if (m->type == WIRE_VERIFY_SUCCESS && nonce != NULL &&
	    strcmp(nonce, a->nonce) == 0) {
		answered(d, m);
		return true;
	}
	if (m->type == WIRE_VERIFY_FAILED && target != NULL &&
	    strcmp(target, a->target) == 0) {
		settle(d, "The agent's key is not known, and it did not "
		    "answer when asked to prove one.");
		return true;
	}
	return false;
}

bool
ask_error(struct daemon *d, const struct wire_msg *m)
{
	const char *re = wire_str(m, WF_RE), *code = wire_str(m, WF_CODE);
	const char *text = wire_str(m, WF_MESSAGE);
	struct asking *a = &d->ask;
	char why[sizeof(a->why)];

	if (!a->on || re == NULL || strcmp(re, a->id) != 0)
		return false;
	if (strcmp(code, "AGENT_NOT_FOUND") == 0)
		snprintf(why, sizeof(why), "AGENT_NOT_FOUND: the agent's key "
		    "is not known, and it is not there to be asked: send it "
		    "again when it is, or add its key to known_agents.");
	else
		snprintf(why, sizeof(why), "%.40s: the agent can't be asked "
		    "for its key: %.150s", code, text != NULL ? text : "");
	settle(d, why);
	return true;
}

void
ask_offline(struct daemon *d)
{
	d->ask.on = false;
	d->ask.target[0] = d->ask.why[0] = '\0';
}

int64_t
ask_due(const struct daemon *d)
{
	return d->ask.on ? d->ask.since_ms + ANSWER_MS : INT64_MAX;
}

void
ask_tick(struct daemon *d)
{
	if (clock_mono_ms() >= ask_due(d))
		settle(d, "The agent's key is not known, and the relay did "
		    "not say if it can prove one.");
}
