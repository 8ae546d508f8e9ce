/*
 * judge.c - what we can find out about a message that its relay can't be
 * asked: who wrote it, and what is in its box.
 */
#include "config.h"

#include "daemon/state.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/once.h"
#include "daemon/trust.h"
#include "daemon/work.h"
#include "ident/ident.h"

#define CHANGES_LOGGED	100	/* lines about keys that changed */

/* ------------------------------------------------------------- signatures */

static bool
fits_signature(const struct wire_msg *m, const unsigned char *key)
{
	const struct wire_value *sig = &m->f[WF_SIG];
	const struct wire_value *content = &m->f[WF_CONTENT];
	int64_t ts = wire_int(m, WF_SENT_TS, wire_int(m, WF_TS, -1));
	struct buf text = BUF_INIT;
	bool good;

	if (m->type != WIRE_MSG)
		return work_is_verified(m, key);
	if (ts < 0)
		return false;
	wire_sign_msg(&text, wire_str(m, WF_TO), content->s, content->len,
	    ts);
	good = buf_err(&text) == 0 && ident_verify(key, text.p, text.len,
	    sig->s, sig->len) == 0;
	buf_fini(&text);
	return good;
}

/*
 * The key that the message says it is signed with, or else the one that we
 * know; NULL if there is none, or it is another agent's.
 */
static const unsigned char *
claimed_key(struct daemon *d, const struct wire_msg *m, const char *from,
    unsigned char room[IDENT_KEY_LEN])
{
	const struct wire_value *pub = &m->f[WF_PUBKEY];

	if (d->ident != NULL && daemon_is_me(d, from))
		return ident_pub(d->ident);
	if (pub->kind != WIRE_STR)
		return trust_key(d->trust, from);
	if (ident_key_parse(room, pub->s, pub->len) < 0 ||
	    !ident_key_fits(room, from))
		return NULL;
	return room;
}

static void
judge_sender(struct daemon *d, const struct wire_msg *m, const char *from,
    struct verdict *v)
{
	unsigned char room[IDENT_KEY_LEN], *key = v->key;
	const unsigned char *claimed;

	if (m->f[WF_SIG].kind != WIRE_STR)
		return;
	claimed = claimed_key(d, m, from, room);
	if (claimed == NULL)
		return;
	memcpy(key, claimed, IDENT_KEY_LEN);
	if (!fits_signature(m, key))
		return;
	if (d->ident != NULL && daemon_is_me(d, from)) {
		v->verified = true;
		return;
	}
	switch (trust_meet(d->trust, from, key, wire_str(m, WF_FROM_NAME))) {
	case TRUST_NEW:
		/* Not to be noted later than the message counts as had. */
		d->rx.next.deep = true;
		v->verified = v->known = true;
		break;
	case TRUST_OWNS:
		v->verified = v->known = true;
		break;
	case TRUST_ROOMLESS:
		v->verified = true;
		break;
	case TRUST_OTHER:
		v->key_changed = true;
		if (d->rx.changes++ < CHANGES_LOGGED)
			log_error("key_changed", "agent", from, "does",
			    "does not believe it: if the new key is right, "
			    "take the agent's line out of known_agents",
			    NULL);
	}
}

/* ------------------------------------------------------------- encryption */

static struct once_msg
once_of(const struct wire_msg *m, const char *epoch, uint64_t mailbox_seq)
{
	return (struct once_msg){ .from = wire_str(m, WF_FROM),
	    .id = wire_str(m, WF_ID), .ts = wire_int(m, WF_SENT_TS, 0),
	    .epoch = epoch, .mailbox_seq = mailbox_seq };
}

/* The key of the other one of the two, or NULL and why not. */
static const unsigned char *
other_key(struct daemon *d, const struct wire_msg *m, bool own,
    struct verdict *v)
{
	const unsigned char *key;

	if (d->ident == NULL) {
		v->enc_error = "This daemon has no key to open it with.";
		return NULL;
	}
	if (own) {
		key = daemon_is_me(d, wire_str(m, WF_TO)) ?
		    ident_pub(d->ident) :
		    trust_key(d->trust, wire_str(m, WF_TO));
		if (key == NULL)
			v->enc_error = "The key that it is for is not known.";
		return key;
	}
	if (v->key_changed)
		v->enc_error = "It comes with another key than the sender's.";
	else if (!v->verified)
		v->enc_error = "Its sender has not signed it.";
	else if (!v->known)
		v->enc_error = "known_agents has no room for the sender.";
	else
		return v->key;
	return NULL;
}

static int
open_box(struct daemon *d, const struct wire_msg *m, bool own,
    struct verdict *v)
{
	const unsigned char *key = other_key(d, m, own, v);
	struct once_msg id;
	int rc;

	if (key == NULL)
		return 0;
	wire_msg_init(&v->inner);
	v->has_inner = true;
	rc = client_open_enc(m, d->ident, key, own, &v->text, &v->inner);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0) {
		v->enc_error = rc == -EOPNOTSUPP ?
		    "It is of a newer kind than this daemon knows." :
		    "It does not open with the keys of the two, or belongs "
		    "to another message.";
		return 0;
	}
	if (!own) {
		id = once_of(m, "", 0);
		switch (once_ask(d->rx.once, &id)) {
		case ONCE_NEW:
			break;
		case ONCE_AGAIN:
			v->again = true;
			return 0;
		case ONCE_TOO_OLD:
			v->enc_error = "It is so old that it may have come "
			    "before.";
			return 0;
		}
	}
	v->encrypted = v->verified = true;
	return 0;
}

/* ---------------------------------------------------------------- verdict */

int
judge_message(struct daemon *d, const struct wire_msg *m, const char *from,
    bool own, struct verdict *v)
{
	memset(v, 0, offsetof(struct verdict, inner));
	judge_sender(d, m, from, v);
	if (m->type == WIRE_MSG && wire_has(m, WF_ENC) &&
	    wire_str(m, WF_TO)[0] == '@')
		return open_box(d, m, own, v);
	return 0;
}

void
judge_fini(struct verdict *v)
{
	if (v->has_inner)
		wire_msg_wipe(&v->inner);
	if (v->text.p != NULL)
		explicit_bzero(v->text.p, v->text.cap);
	buf_fini(&v->text);
}

/* The message without what is ours to say, and with what was in its box. */
int
judge_print(const struct verdict *v, const struct wire_msg *m,
    struct buf *line)
{
	/* The first four only if a box was opened. */
	static const enum wire_field out[] = { WF_CONTENT, WF_SIG, WF_ENC,
	    WF_IN_REPLY_TO, WF_VERIFIED, WF_ENCRYPTED, WF_KEY_CHANGED,
	    WF_ENC_ERROR, WF_SPOOLED_AT };
	bool opened = v != NULL && v->encrypted;
	size_t skip = opened ? 0 : 4;
	int rc = wire_msg_copy_without(line, m, out + skip,
	    AC_COUNTOF(out) - skip);

	if (rc < 0 || v == NULL)
		return rc;
	if (opened) {
		const struct wire_value *content = &v->inner.f[WF_CONTENT];

		wire_put_str(line, WF_CONTENT, content->s, content->len);
		if (wire_has(&v->inner, WF_IN_REPLY_TO))
			wire_puts(line, WF_IN_REPLY_TO,
			    wire_str(&v->inner, WF_IN_REPLY_TO));
		wire_puts(line, WF_SIG, wire_str(&v->inner, WF_SIG));
		wire_put_bool(line, WF_ENCRYPTED, true);
	}
	if (v->enc_error != NULL)
		wire_puts(line, WF_ENC_ERROR, v->enc_error);
	if (v->key_changed)
		wire_put_bool(line, WF_KEY_CHANGED, true);
	wire_put_bool(line, WF_VERIFIED, v->verified);
	return 0;
}

void
judge_staged(struct daemon *d, const struct wire_msg *m,
    const struct verdict *v, bool own, uint64_t mailbox_seq)
{
	struct once_msg id;
	int rc;

	if (!v->encrypted || own)
		return;
	id = once_of(m, d->rx.mailbox_epoch, mailbox_seq);
	rc = once_note(d->rx.once, &id);
	d->rx.next.deep = true;	/* as in judge_sender() */
	if (rc < 0)
		log_warn("enc_seen", "noted", "no", "err", ac_strerror(rc),
		    NULL);
}
