/*
 * types.c - the table: which messages there are, who sends them, and which
 * fields they have. Parser, relay and client follow it; agentchat-protocol(7)
 * says the same in words.
 *
 * From a client, everything here is checked. From a relay only what we can't
 * do without is NEEDed: relays of other makes leave out what is ours, and add
 * what is theirs.
 */
#include "config.h"

#include "wire/table.h"

#include <string.h>

#include "wire/limits.h"

#define NEED(f)		{ WF_##f, true }
#define MAY(f)		{ WF_##f, false }
#define END		{ WIRE_RULES_END, false }
#define RULES(...)	(const struct wire_rule[]) { __VA_ARGS__, END }

/* Any request may carry an id, for the ERROR that answers it to repeat. */
#define REQUEST(...)	RULES(MAY(ID), __VA_ARGS__)
#define BARE_REQUEST	RULES(MAY(ID))

/* What becomes of a proposal, as the relay reports it to both parties. */
#define STEP(...) RULES(NEED(PROPOSAL_ID), __VA_ARGS__, MAY(ID), MAY(FROM), \
	MAY(TO), MAY(FROM_NAME), MAY(STATUS), MAY(CREATED_AT), \
	MAY(UPDATED_AT), MAY(TASK), MAY(AMOUNT), MAY(CURRENCY), MAY(TERMS), \
	MAY(EXPIRES), MAY(ELO_STAKE), MAY(PAYMENT_CODE), MAY(PUBKEY), \
	MAY(SIG), MAY(SIG2), MAY(PREV), MAY(PROPOSAL), MAY(ACCEPT), \
	MAY(TS), MAY(SENT_TS), MAY(MSG_ID), MAY(MAILBOX_SEQ), MAY(QUEUED), \
	MAY(VERIFIED), MAY(REPLAY))

struct spec {
	const struct wire_rule *from[2];	/* by enum wire_side */
};

#define CLIENT	.from[WIRE_FROM_CLIENT]
#define RELAY	.from[WIRE_FROM_RELAY]

static const struct spec specs[WIRE_TYPE_COUNT] = {
	/* sessions */
	[WIRE_IDENTIFY] = {
		CLIENT = REQUEST(NEED(NAME), MAY(PUBKEY), MAY(CAPS)),
	},
	[WIRE_WELCOME] = {
		RELAY = RULES(NEED(AGENT_ID), MAY(SERVER), MAY(NAME),
		    MAY(VERIFIED), MAY(EPOCH), MAY(RATE), MAY(LIMITS),
		    MAY(CAPS)),
	},
	[WIRE_CHALLENGE] = {
		RELAY = RULES(NEED(CHALLENGE_ID), NEED(NONCE),
		    MAY(EXPIRES_AT)),
	},
	[WIRE_VERIFY_IDENTITY] = {
		CLIENT = REQUEST(NEED(CHALLENGE_ID), NEED(SIGNATURE),
		    NEED(TIMESTAMP), MAY(BOUND_SIG)),
	},
	[WIRE_VERIFIED] = {
		RELAY = RULES(NEED(AGENT_ID)),
	},
	[WIRE_PING] = {
		CLIENT = BARE_REQUEST,
		RELAY = RULES(MAY(TS)),
	},
	[WIRE_PONG] = {
		RELAY = RULES(MAY(TS)),
	},
	[WIRE_ERROR] = {
		RELAY = RULES(NEED(CODE), MAY(MESSAGE), MAY(RE), MAY(RETRY_MS)),
	},

	/* channels */
	[WIRE_JOIN] = {
		CLIENT = REQUEST(NEED(CHANNEL), MAY(SINCE), MAY(EPOCH)),
	},
	[WIRE_JOINED] = {
		RELAY = RULES(NEED(CHANNEL), NEED(AGENTS), MAY(NAMES),
		    MAY(PRESENCES), MAY(SEQ), MAY(EPOCH)),
	},
	[WIRE_AGENT_JOINED] = {
		RELAY = RULES(NEED(CHANNEL), NEED(AGENT), MAY(NAME), MAY(TS)),
	},
	[WIRE_LEAVE] = {
		CLIENT = REQUEST(NEED(CHANNEL)),
	},
	[WIRE_LEFT] = {
		RELAY = RULES(NEED(CHANNEL), MAY(AGENT)),
	},
	[WIRE_AGENT_LEFT] = {
		RELAY = RULES(NEED(CHANNEL), NEED(AGENT), MAY(NAME), MAY(TS)),
	},
	[WIRE_CREATE_CHANNEL] = {
		CLIENT = REQUEST(NEED(CHANNEL), MAY(INVITE_ONLY)),
	},
	[WIRE_INVITE] = {
		CLIENT = REQUEST(NEED(CHANNEL), NEED(AGENT)),
	},
	[WIRE_LIST_CHANNELS] = {
		CLIENT = BARE_REQUEST,
	},
	[WIRE_CHANNELS] = {
		RELAY = RULES(NEED(LIST)),
	},
	[WIRE_LIST_AGENTS] = {
		CLIENT = REQUEST(NEED(CHANNEL)),
	},
	[WIRE_AGENTS] = {
		RELAY = RULES(NEED(CHANNEL), NEED(LIST), MAY(NAMES),
		    MAY(PRESENCES), MAY(RATINGS)),
	},

	/* messages */
	[WIRE_MSG] = {
		CLIENT = REQUEST(NEED(TO), NEED(CONTENT), MAY(TS), MAY(SIG),
		    MAY(IN_REPLY_TO), MAY(ENC)),
		RELAY = RULES(NEED(FROM), NEED(TO), NEED(CONTENT), MAY(TS),
		    MAY(SIG), MAY(FROM_NAME), MAY(VERIFIED), MAY(MSG_ID),
		    MAY(SEQ), MAY(EPOCH), MAY(ID), MAY(SENT_TS), MAY(PUBKEY),
		    MAY(IN_REPLY_TO), MAY(REPLAY), MAY(QUEUED),
		    MAY(MAILBOX_SEQ), MAY(J), MAY(ENC)),
	},
	[WIRE_STORED] = {
		RELAY = RULES(NEED(J)),
	},
	[WIRE_ACK] = {
		CLIENT = REQUEST(NEED(MAILBOX_SEQ)),
	},
	[WIRE_GAP] = {
		RELAY = RULES(NEED(CHANNEL), MAY(GAP_FROM), MAY(GAP_TO),
		    MAY(EPOCH)),
	},

	/* work: who may go without a signature, the relay says */
	[WIRE_PROPOSAL] = {
		CLIENT = REQUEST(NEED(TO), NEED(TASK), MAY(AMOUNT),
		    MAY(CURRENCY), MAY(PAYMENT_CODE), MAY(EXPIRES),
		    MAY(TERMS), MAY(ELO_STAKE), MAY(TS), MAY(SIG), MAY(SIG2)),
		RELAY = RULES(NEED(ID), NEED(FROM), NEED(TO), NEED(TASK),
		    MAY(PROPOSAL_ID), MAY(FROM_NAME), MAY(AMOUNT),
		    MAY(CURRENCY), MAY(PAYMENT_CODE), MAY(TERMS),
		    MAY(EXPIRES), MAY(EXPIRES_IN), MAY(ELO_STAKE),
		    MAY(STATUS), MAY(CREATED_AT), MAY(UPDATED_AT), MAY(SIG),
		    MAY(SIG2), MAY(PUBKEY), MAY(TS), MAY(SENT_TS),
		    MAY(MSG_ID), MAY(MAILBOX_SEQ),
		    MAY(QUEUED), MAY(VERIFIED), MAY(REPLAY)),
	},
	[WIRE_ACCEPT] = {
		CLIENT = REQUEST(NEED(PROPOSAL_ID), MAY(PAYMENT_CODE),
		    MAY(ELO_STAKE), MAY(TS), MAY(SIG), MAY(SIG2)),
		RELAY = STEP(MAY(REASON)),
	},
	[WIRE_REJECT] = {
		CLIENT = REQUEST(NEED(PROPOSAL_ID), MAY(REASON), MAY(TS),
		    MAY(SIG), MAY(SIG2)),
		RELAY = STEP(MAY(REASON)),
	},
	[WIRE_COMPLETE] = {
		CLIENT = REQUEST(NEED(PROPOSAL_ID), MAY(PROOF), MAY(TS),
		    MAY(SIG), MAY(SIG2)),
		RELAY = STEP(MAY(PROOF), MAY(COMPLETED_BY)),
	},
	[WIRE_DISPUTE] = {
		CLIENT = REQUEST(NEED(PROPOSAL_ID), NEED(REASON), MAY(TS),
		    MAY(SIG), MAY(SIG2)),
		RELAY = STEP(MAY(REASON), MAY(DISPUTED_BY)),
	},

	[WIRE_GET_PROPOSAL] = {
		CLIENT = REQUEST(NEED(PROPOSAL_ID)),
	},

	/* presence */
	[WIRE_SET_PRESENCE] = {
		CLIENT = REQUEST(NEED(STATUS), MAY(STATUS_TEXT)),
	},
	[WIRE_PRESENCE_CHANGED] = {
		RELAY = RULES(NEED(AGENT_ID), NEED(PRESENCE), MAY(NAME),
		    MAY(STATUS_TEXT)),
	},
	[WIRE_SET_NICK] = {
		CLIENT = REQUEST(NEED(NICK)),
	},
	[WIRE_NICK_CHANGED] = {
		RELAY = RULES(NEED(AGENT_ID), NEED(NEW_NICK), MAY(OLD_NICK)),
	},
	[WIRE_TYPING] = {
		CLIENT = REQUEST(NEED(CHANNEL)),
		RELAY = RULES(NEED(FROM), NEED(CHANNEL), MAY(FROM_NAME)),
	},

	/* proof between agents; to the asker without nonce */
	[WIRE_VERIFY_REQUEST] = {
		CLIENT = REQUEST(NEED(TARGET), NEED(NONCE)),
		RELAY = RULES(NEED(REQUEST_ID), MAY(FROM), MAY(NONCE),
		    MAY(TARGET), MAY(STATUS)),
	},
	[WIRE_VERIFY_RESPONSE] = {
		CLIENT = REQUEST(NEED(REQUEST_ID), NEED(NONCE), NEED(SIG)),
	},
	[WIRE_VERIFY_SUCCESS] = {
		RELAY = RULES(NEED(REQUEST_ID), NEED(AGENT), MAY(PUBKEY),
		    MAY(NONCE), MAY(SIG)),
	},
	[WIRE_VERIFY_FAILED] = {
		RELAY = RULES(NEED(REQUEST_ID), MAY(TARGET), MAY(REASON)),
	},

	/* operator */
	[WIRE_ADMIN_KICK] = {
		CLIENT = REQUEST(NEED(AGENT_ID), NEED(ADMIN_KEY),
		    MAY(REASON)),
	},
	[WIRE_ADMIN_BAN] = {
		CLIENT = REQUEST(NEED(AGENT_ID), NEED(ADMIN_KEY),
		    MAY(REASON)),
	},
	[WIRE_ADMIN_UNBAN] = {
		CLIENT = REQUEST(NEED(AGENT_ID), NEED(ADMIN_KEY)),
	},
	[WIRE_ADMIN_RESULT] = {
		RELAY = RULES(NEED(ACTION), NEED(SUCCESS), MAY(AGENT_ID)),
	},
	[WIRE_KICKED] = {
		RELAY = RULES(MAY(REASON)),
	},
	[WIRE_BANNED] = {
		RELAY = RULES(MAY(REASON)),
	},

	/* reputation */
	[WIRE_GET_RATING] = {
		CLIENT = REQUEST(NEED(AGENT)),
	},
	[WIRE_RATING] = {
		RELAY = RULES(NEED(AGENT), NEED(RATING), MAY(TRANSACTIONS)),
	},
	[WIRE_LEADERBOARD] = {
		CLIENT = REQUEST(MAY(LIMIT)),
		RELAY = RULES(NEED(LIST)),
	},
};

static const struct {
	const char	*name;
	enum wire_kind	 kind;
} fields[WIRE_FIELD_COUNT] = {
#define ROW(id, text, k) [WF_##id] = { text, WIRE_##k },
	WIRE_FIELDS(ROW)
#undef ROW
};

const struct wire_rule *
wire_rules(enum wire_type type, enum wire_side side)
{
	return specs[type].from[side];
}

const char *
wire_type_name(enum wire_type type)
{
	static const char *const names[WIRE_TYPE_COUNT] = {
		[WIRE_NONE] = "NONE",
#define ROW(t) [WIRE_##t] = #t,
		WIRE_TYPES(ROW)
#undef ROW
	};

	return names[type];
}

const char *
wire_field_name(enum wire_field f)
{
	return fields[f].name;
}

enum wire_kind
wire_field_kind(enum wire_field f)
{
	return fields[f].kind;
}

const char *
wire_kind_name(enum wire_kind kind)
{
	static const char *const names[] = {
		[WIRE_ABSENT] = "nothing",
		[WIRE_STR] = "a string",
		[WIRE_NUM] = "a number",
		[WIRE_BOOL] = "true or false",
		[WIRE_LIST] = "a list",
		[WIRE_OBJ] = "an object",
	};

	return names[kind];
}

/*
 * Both searches come out as a switch over the length, and behind each case the
 * few names that have it, compared as machine words: no table to keep sorted.
 */
#define BY_LENGTH(search, s, len, otherwise) do {			\
	switch (len) {							\
	case 1: return search(s, 1);					\
	case 2: return search(s, 2);					\
	case 3: return search(s, 3);					\
	case 4: return search(s, 4);					\
	case 5: return search(s, 5);					\
	case 6: return search(s, 6);					\
	case 7: return search(s, 7);					\
	case 8: return search(s, 8);					\
	case 9: return search(s, 9);					\
	case 10: return search(s, 10);					\
	case 11: return search(s, 11);					\
	case 12: return search(s, 12);					\
	case 13: return search(s, 13);					\
	case 14: return search(s, 14);					\
	case 15: return search(s, 15);					\
	case 16: return search(s, 16);					\
	default: return otherwise;					\
	}								\
} while (0)
#define NAME_MAX_LEN	16

static inline __attribute__((always_inline)) enum wire_type
type_of_length(const char *s, const size_t n)
{
#define ROW(t) \
	_Static_assert(sizeof(#t) - 1 <= NAME_MAX_LEN, "a longer case"); \
	if (sizeof(#t) - 1 == n && memcmp(s, #t, n) == 0) \
		return WIRE_##t;
	WIRE_TYPES(ROW)
#undef ROW
	return WIRE_NONE;
}

static inline __attribute__((always_inline)) enum wire_field
field_of_length(const char *s, const size_t n)
{
#define ROW(id, text, k) \
	_Static_assert(sizeof(text) - 1 <= NAME_MAX_LEN, "a longer case"); \
	if (sizeof(text) - 1 == n && WF_##id != WF_GAP_FROM && \
	    WF_##id != WF_GAP_TO && memcmp(s, text, n) == 0) \
		return WF_##id;
	WIRE_FIELDS(ROW)
#undef ROW
	return WIRE_FIELD_COUNT;
}

enum wire_type
wire_type_find(const char *s, size_t len)
{
	BY_LENGTH(type_of_length, s, len, WIRE_NONE);
}

enum wire_field
wire_field_find(const char *s, size_t len)
{
	BY_LENGTH(field_of_length, s, len, WIRE_FIELD_COUNT);
}

enum wire_field
wire_field_twin(enum wire_field f)
{
	switch (f) {
	case WF_FROM:
		return WF_GAP_FROM;
	case WF_TO:
		return WF_GAP_TO;
	default:
		return WIRE_FIELD_COUNT;
	}
}

/*
 * Names, channels and content have no bound here: the relay answers those with
 * words of their own (INVALID_NAME), or by its configuration.
 */
struct wire_bound
wire_field_bound(enum wire_field f, enum wire_side side)
{
	size_t text_max = side == WIRE_FROM_CLIENT ? WIRE_TASK_MAX : 0;

	switch (f) {
	case WF_ID:
		return (struct wire_bound){ side == WIRE_FROM_CLIENT ?
		    WIRE_ID_MAX : WIRE_REF_MAX, false };
	case WF_CHALLENGE_ID:
	case WF_EPOCH:
	case WF_IN_REPLY_TO:
	case WF_MSG_ID:
	case WF_NONCE:
	case WF_PREV:
	case WF_PROPOSAL_ID:
	case WF_RE:
	case WF_REQUEST_ID:
		return (struct wire_bound){ WIRE_REF_MAX, false };
	case WF_PUBKEY:
		return (struct wire_bound){ WIRE_KEY_MAX, false };
	case WF_BOUND_SIG:
	case WF_SIG:
	case WF_SIG2:
	case WF_SIGNATURE:
		return (struct wire_bound){ WIRE_SIG_MAX, false };
	case WF_CURRENCY:
	case WF_PRESENCE:
	case WF_STATUS:
		return (struct wire_bound){ WIRE_WORD_MAX, false };
	case WF_STATUS_TEXT:
		return (struct wire_bound){ side == WIRE_FROM_CLIENT ?
		    WIRE_STATUS_MAX : 0, true };
	case WF_PAYMENT_CODE:
	case WF_PROOF:
	case WF_REASON:
	case WF_TASK:
	case WF_TERMS:
		return (struct wire_bound){ text_max, true };
	default:
		return (struct wire_bound){ 0, false };
	}
}
