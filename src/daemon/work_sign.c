/*
 * work_sign.c - what the agent does in a deal, signed.
 *
 * The chain (sig2) needs the step before, which proposals/ID.json has. Without
 * it a step is signed the old way only: the relay takes it, and the receipt
 * will be a weak one.
 */
#include "config.h"

#include "daemon/work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ident/ident.h"
#include "ledger/ledger.h"

bool
work_is_ours_to_sign(const struct wire_msg *m, const struct item_conf *conf)
{
	return proposal_place(m->type) >= 0 && conf->ident != NULL &&
	    conf->sp != NULL && !wire_has(m, WF_SIG);
}

/*
 * The hash of the step that one of this type follows; or "". What its maker
 * has not signed so we don't sign either: a relay has changed it.
 */
static int
find_prev(const struct spool *sp, const struct wire_msg *m, char prev[65])
{
	enum wire_field before = proposal_place(m->type) == 1 ? WF_PROPOSAL :
	    WF_ACCEPT;
	const struct wire_value *v;
	struct buf file = BUF_INIT;
	struct wire_msg old;
	struct step s;
	int rc = work_slurp(sp, wire_str(m, WF_PROPOSAL_ID), &file);

	prev[0] = '\0';
	wire_msg_init(&old);
	step_init(&s);
	if (rc == 0)
		rc = wire_parse_object(&old, file.p, file.len);
	v = &old.f[before];
	if (rc == 0 && v->kind == WIRE_OBJ) {
		rc = step_read(&s, v->raw, v->raw_len);
		if (rc == 0 && s.has_key && !step_is_good(&s))
			rc = AC_E_VERIFICATION_FAILED;
		if (rc == 0)
			memcpy(prev, s.hash, sizeof(s.hash));
	}
	step_fini(&s);
	wire_msg_fini(&old);
	buf_fini(&file);
	return rc == -ENOMEM || rc == AC_E_VERIFICATION_FAILED ? rc : 0;
}

/* The proposal's id: the agent's, or one that is always the item's. */
static void
choose_id(struct item *it, const struct spool_item *q,
    const struct wire_msg *m)
{
	const struct wire_value *id = &m->f[WF_ID];
	char hash[65], own[PROPOSAL_ID_MAX];

	if (id->kind == WIRE_STR && proposal_id_ok(id->s, id->len))
		return;		/* it->id is that already */
	ident_sha256(it->id, strlen(it->id), hash);
	hash[8] = '\0';
	proposal_id_make(own, q->queued_ms,
	    (uint32_t)strtoul(hash, NULL, 16));
	memcpy(it->id, own, sizeof(own));
}

int
work_sign(struct item *it, const struct spool_item *q, const char *text,
    size_t len, const struct wire_msg *m, const struct item_conf *conf)
{
	char pubkey[IDENT_B64_MAX], own[IDENT_ID_MAX], prev[65] = "";
	struct step_head h = { .id = wire_str(m, WF_PROPOSAL_ID),
	    .from = conf->from, .pubkey = pubkey, .ts = q->queued_ms };
	const char *why = proposal_check(m);
	int rc = 0;

	if (why != NULL) {
		snprintf(it->why, sizeof(it->why), "%s", why);
		return -EINVAL;
	}
	ident_key_b64(ident_pub(conf->ident), pubkey);
	if (h.from == NULL || *h.from == '\0') {
		ident_key_id(ident_pub(conf->ident), 8, own);
		h.from = own;
	}
	if (m->type == WIRE_PROPOSAL) {
		choose_id(it, q, m);
		h.id = it->id;
	} else {
		rc = find_prev(conf->sp, m, prev);
		h.prev = *prev != '\0' ? prev : NULL;
	}
	if (rc == AC_E_VERIFICATION_FAILED) {
		snprintf(it->why, sizeof(it->why), "It is not signed: what "
		    "this relay has told of the deal is not what the other "
		    "agent signed (proposals/%.40s.json).", h.id);
		return -EINVAL;
	}
	if (rc == 0)
		rc = step_sign(&it->json, m, text, len, &h, it->id,
		    conf->ident);
	return rc;
}
