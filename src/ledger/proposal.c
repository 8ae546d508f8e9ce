/*
 * proposal.c - what may be done to a proposal, and by whom: one table.
 */
#include "config.h"

#include "ledger/ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EXPIRES_MAX	(10 * 366 * 86400.0)	/* seconds */

static const char *const names[PROPOSAL_STATUS_COUNT] = {
	[PROPOSAL_NONE] = "none",
	[PROPOSAL_PENDING] = "pending",
	[PROPOSAL_ACCEPTED] = "accepted",
	[PROPOSAL_REJECTED] = "rejected",
	[PROPOSAL_EXPIRED] = "expired",
	[PROPOSAL_COMPLETED] = "completed",
	[PROPOSAL_DISPUTED] = "disputed",
};

#define BY(party)	(1u << PROPOSAL_##party)

static const struct transition {
	enum wire_type		step;
	unsigned		by;
	enum proposal_status	from, to;
} transitions[] = {
	{ WIRE_PROPOSAL, BY(PROPOSER), PROPOSAL_NONE, PROPOSAL_PENDING },
	{ WIRE_ACCEPT, BY(RECIPIENT), PROPOSAL_PENDING, PROPOSAL_ACCEPTED },
	{ WIRE_REJECT, BY(RECIPIENT), PROPOSAL_PENDING, PROPOSAL_REJECTED },
	{ WIRE_COMPLETE, BY(PROPOSER) | BY(RECIPIENT), PROPOSAL_ACCEPTED,
	    PROPOSAL_COMPLETED },
	{ WIRE_DISPUTE, BY(PROPOSER) | BY(RECIPIENT), PROPOSAL_ACCEPTED,
	    PROPOSAL_DISPUTED },
};

const char *
proposal_status_name(enum proposal_status status)
{
	return names[status];
}

enum proposal_status
proposal_status_find(const char *name)
{
	for (int i = PROPOSAL_NONE + 1; i < PROPOSAL_STATUS_COUNT; i++)
		if (strcmp(names[i], name) == 0)
			return (enum proposal_status)i;
	return PROPOSAL_NONE;
}

int
proposal_next(enum proposal_status now, enum wire_type step,
    enum proposal_party party, enum proposal_status *next)
{
	for (size_t i = 0; i < AC_COUNTOF(transitions); i++) {
		const struct transition *t = &transitions[i];

		if (t->step != step)
			continue;
		if ((t->by & 1u << party) == 0)
			return AC_E_NOT_PROPOSAL_PARTY;
		if (t->from == now) {
			*next = t->to;
			return 0;
		}
		return now == PROPOSAL_EXPIRED &&
		    t->from == PROPOSAL_PENDING ? AC_E_PROPOSAL_EXPIRED :
		    AC_E_INVALID_PROPOSAL;
	}
	return AC_E_INVALID_PROPOSAL;
}

int
proposal_place(enum wire_type step)
{
	switch (step) {
	case WIRE_PROPOSAL:
		return 0;
	case WIRE_ACCEPT:
	case WIRE_REJECT:
		return 1;
	case WIRE_COMPLETE:
	case WIRE_DISPUTE:
		return 2;
	default:
		return -1;
	}
}

static const char base36[] = "0123456789abcdefghijklmnopqrstuvwxyz";

bool
proposal_id_ok(const char *s, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	size_t ms_len;

	if (len < 5 + 1 + 1 + 8 || len >= PROPOSAL_ID_MAX ||
	    memcmp(s, "prop_", 5) != 0)
		return false;
	ms_len = len - 5 - 1 - 8;
	if (ms_len > 12 || s[5 + ms_len] != '_')
		return false;
	for (size_t i = 0; i < ms_len; i++)
		if (s[5 + i] == '\0' || strchr(base36, s[5 + i]) == NULL)
			return false;
	for (size_t i = len - 8; i < len; i++)
		if (s[i] == '\0' || strchr(hex, s[i]) == NULL)
			return false;
	return true;
}

void
proposal_id_make(char out[PROPOSAL_ID_MAX], int64_t ms, uint32_t rnd)
{
	uint64_t n = ms > 0 ? (uint64_t)ms : 0;
	char text[16];
	size_t at = sizeof(text) - 1;

	text[at] = '\0';
	do
		text[--at] = base36[n % 36];
	while ((n /= 36) != 0);
	snprintf(out, PROPOSAL_ID_MAX, "prop_%s_%08" PRIx32, text + at, rnd);
}

const char *
proposal_check(const struct wire_msg *m)
{
	const struct wire_value *amount = &m->f[WF_AMOUNT];
	const struct wire_value *expires = &m->f[WF_EXPIRES];
	const struct wire_value *stake = &m->f[WF_ELO_STAKE];
	const struct wire_value *to = &m->f[WF_TO];

	if (m->type == WIRE_PROPOSAL && (to->kind != WIRE_STR ||
	    !wire_agent_id_ok(to->s, to->len)))
		return "\"to\" is an agent (@id).";
	if (m->type == WIRE_PROPOSAL && m->f[WF_TASK].len == 0)
		return "\"task\" is empty: say what is to be done.";
	if (amount->kind == WIRE_NUM && !(amount->num >= 0))
		return "\"amount\" can't be less than 0.";
	if (stake->kind == WIRE_NUM && !(stake->num >= 0))
		return "\"elo_stake\" can't be less than 0.";
	if (expires->kind == WIRE_NUM && !(expires->num >= 0 &&
	    expires->num <= EXPIRES_MAX))
		return "\"expires\" is in seconds from now, ten years at "
		    "most.";
	return NULL;
}
