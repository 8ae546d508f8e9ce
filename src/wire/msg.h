/*
 * msg.h - messages of the protocol: which there are, which fields each has,
 * and reading one from bytes that nobody vouches for.
 *
 * types.c holds the one table that everything here follows. To add a message
 * type: a row in WIRE_TYPES, its fields in types.c, and a handler.
 */
#ifndef AC_WIRE_MSG_H
#define AC_WIRE_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

#define WIRE_TYPES(X) \
	/* sessions */ \
	X(IDENTIFY) X(WELCOME) X(CHALLENGE) X(VERIFY_IDENTITY) X(VERIFIED) \
	X(PING) X(PONG) X(ERROR) \
	/* channels */ \
	X(JOIN) X(JOINED) X(AGENT_JOINED) X(LEAVE) X(LEFT) X(AGENT_LEFT) \
	X(CREATE_CHANNEL) X(INVITE) \
	X(LIST_CHANNELS) X(CHANNELS) X(LIST_AGENTS) X(AGENTS) \
	/* messages */ \
	X(MSG) X(STORED) X(ACK) X(GAP) \
	/* work */ \
	X(PROPOSAL) X(ACCEPT) X(REJECT) X(COMPLETE) X(DISPUTE) \
	X(GET_PROPOSAL) \
	/* presence */ \
	X(SET_PRESENCE) X(PRESENCE_CHANGED) X(SET_NICK) X(NICK_CHANGED) \
	X(TYPING) \
	/* proof between agents */ \
	X(VERIFY_REQUEST) X(VERIFY_RESPONSE) X(VERIFY_SUCCESS) \
	X(VERIFY_FAILED) \
	/* operator */ \
	X(ADMIN_KICK) X(ADMIN_BAN) X(ADMIN_UNBAN) X(ADMIN_RESULT) \
	X(KICKED) X(BANNED) \
	/* reputation */ \
	X(GET_RATING) X(RATING) X(LEADERBOARD)

enum wire_type {
	WIRE_NONE,		/* no such type */
#define WIRE_ENUM_(t) WIRE_##t,
	WIRE_TYPES(WIRE_ENUM_)
#undef WIRE_ENUM_
	WIRE_TYPE_COUNT
};

/*
 * Fields: id, name on the wire, JSON kind. types.c says which of them a type
 * has; a name that has another kind in one type (GAP's from and to) has an id
 * of its own there.
 */
#define WIRE_FIELDS(X) \
	X(ACCEPT, "accept", OBJ) X(ACTION, "action", STR) X(ADMIN_KEY, "admin_key", STR) \
	X(AGENT, "agent", STR) X(AGENT_ID, "agent_id", STR) \
	X(AGENTS, "agents", LIST) X(AMOUNT, "amount", NUM) \
	X(BOUND_SIG, "bound_sig", STR) X(CAPS, "caps", LIST) \
	X(CHALLENGE_ID, "challenge_id", STR) X(CHANNEL, "channel", STR) \
	X(CODE, "code", STR) X(COMPLETE, "complete", OBJ) \
	X(COMPLETED_BY, "completed_by", STR) X(CONTENT, "content", STR) \
	X(CREATED_AT, "created_at", NUM) X(CURRENCY, "currency", STR) \
	X(DISPUTE, "dispute", OBJ) X(DISPUTED_BY, "disputed_by", STR) \
	X(ELO_STAKE, "elo_stake", NUM) X(ENC, "enc", OBJ) \
	X(ENC_ERROR, "enc_error", STR) \
	X(ENCRYPTED, "encrypted", BOOL) X(EPOCH, "epoch", STR) \
	X(EXPIRES, "expires", NUM) X(EXPIRES_AT, "expires_at", NUM) \
	X(EXPIRES_IN, "expires_in", NUM) \
	X(FROM, "from", STR) X(FROM_NAME, "from_name", STR) \
	X(GAP_FROM, "from", NUM) X(GAP_TO, "to", NUM) \
	X(ID, "id", STR) X(IN_REPLY_TO, "in_reply_to", STR) \
	X(INVITE_ONLY, "invite_only", BOOL) X(J, "j", NUM) \
	X(KEY_CHANGED, "key_changed", BOOL) \
	X(LIMIT, "limit", NUM) X(LIMITS, "limits", OBJ) \
	X(LIST, "list", LIST) X(MAILBOX_SEQ, "mailbox_seq", NUM) \
	X(MESSAGE, "message", STR) X(MSG_ID, "msg_id", STR) \
	X(NAME, "name", STR) X(NAMES, "names", OBJ) \
	X(NEW_NICK, "new_nick", STR) X(NICK, "nick", STR) \
	X(NONCE, "nonce", STR) \
	X(OLD_NICK, "old_nick", STR) X(PAYMENT_CODE, "payment_code", STR) \
	X(PRESENCE, "presence", STR) X(PRESENCES, "presences", OBJ) \
	X(PREV, "prev", STR) X(PROOF, "proof", STR) \
	X(PROPOSAL, "proposal", OBJ) X(PROPOSAL_ID, "proposal_id", STR) \
	X(PUBKEY, "pubkey", STR) X(QUEUED, "queued", BOOL) \
	X(RATE, "rate", OBJ) X(RATING, "rating", NUM) \
	X(RATINGS, "ratings", OBJ) X(RE, "re", STR) \
	X(REASON, "reason", STR) X(REJECT, "reject", OBJ) X(REPLAY, "replay", BOOL) \
	X(REQUEST_ID, "request_id", STR) X(RETRY_MS, "retry_ms", NUM) \
	X(SENT_TS, "sent_ts", NUM) \
	X(SEQ, "seq", NUM) X(SERVER, "server", STR) X(SIG, "sig", STR) \
	X(SIG2, "sig2", STR) X(SIGNATURE, "signature", STR) \
	X(SINCE, "since", NUM) X(SPOOLED_AT, "spooled_at", NUM) \
	X(STATUS, "status", STR) X(STATUS_TEXT, "status_text", STR) \
	X(SUCCESS, "success", BOOL) X(TARGET, "target", STR) \
	X(TASK, "task", STR) X(TERMS, "terms", STR) \
	X(TIMESTAMP, "timestamp", NUM) X(TO, "to", STR) \
	X(TRANSACTIONS, "transactions", NUM) X(TS, "ts", NUM) \
	X(TYPE, "type", STR) X(UPDATED_AT, "updated_at", NUM) \
	X(VERIFIED, "verified", BOOL)

enum wire_field {
#define WIRE_ENUM_(id, name, kind) WF_##id,
	WIRE_FIELDS(WIRE_ENUM_)
#undef WIRE_ENUM_
	WIRE_FIELD_COUNT
};

enum wire_kind {
	WIRE_ABSENT, WIRE_STR, WIRE_NUM, WIRE_BOOL, WIRE_LIST, WIRE_OBJ
};

/*
 * A field's value. What it points to belongs to the message, until
 * wire_msg_reset().
 */
struct wire_value {
	enum wire_kind	 kind;
	bool		 b;	/* BOOL */
	double		 num;	/* NUM */
	const char	*s;	/* STR: decoded UTF-8 and a NUL, none inside */
	size_t		 len;	/* STR: bytes of s */
	const char	*raw;	/* the value as it stands in the text; NULL */
	size_t		 raw_len; /* in what wire_each() and _member() find */
	const void	*node;	/* LIST, OBJ: for wire_each() */
};

enum wire_side { WIRE_FROM_CLIENT, WIRE_FROM_RELAY };

struct wire_msg {
	enum wire_type	 type;
	struct wire_value f[WIRE_FIELD_COUNT];
	const char	*why;	/* after a refusal: one sentence; until reset */
	bool		 json;	/* the text was a good object, message or not */
	void		*doc;	/* parse.c's own */
};

/* Once, before the first parse; and after the last. */
void	wire_msg_init(struct wire_msg *) AC_NONNULL(1);
void	wire_msg_fini(struct wire_msg *) AC_NONNULL(1);
/* As wire_msg_fini() for a text with secrets: overwrites what it decoded. */
void	wire_msg_wipe(struct wire_msg *) AC_NONNULL(1);
/* Make ready for the next parse; also done by wire_parse(). */
void	wire_msg_reset(struct wire_msg *) AC_NONNULL(1);

/*
 * Read one message: text is borrowed and must stay until the next reset, len
 * bytes, not NUL-terminated, one JSON object with white space around it.
 *
 * Refused before the JSON library sees it: invalid UTF-8, lone surrogates,
 * U+0000, control characters, depth, number of keys, duplicate keys, numbers
 * that are not finite, anything behind the object (limits.h has the bounds; a
 * relay's lists and objects may be larger than a client's). Then: a type that
 * is unknown or not this side's to send, a field of this type that is missing
 * or of the wrong kind or too long. From a relay, an optional field of the
 * wrong kind or length counts as absent instead. A null counts as absent;
 * unknown fields are ignored.
 *
 * Names, channels, ids of agents and content are any strings here: whether
 * they are good is for check.c and the receiver's configuration.
 *
 * Returns 0; AC_E_INVALID_MSG with m->why, and then m->f[WF_ID] is set if the
 * text was JSON with a usable id, and m->type is WIRE_NONE unless only a field
 * was wrong; -ENOMEM.
 */
int	wire_parse(struct wire_msg *, const char *text, size_t len,
	    enum wire_side) AC_NONNULL(1, 2) AC_MUST_CHECK;

/*
 * Read any JSON object by the same rules but without a type: a file of ours.
 * Known fields of the right kind are set, others are absent; m->type is set if
 * the object has a known one.
 */
int	wire_parse_object(struct wire_msg *, const char *text, size_t len)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

static inline bool
wire_has(const struct wire_msg *m, enum wire_field f)
{
	return m->f[f].kind != WIRE_ABSENT;
}
/* A string field, or NULL. */
static inline const char *
wire_str(const struct wire_msg *m, enum wire_field f)
{
	return m->f[f].kind == WIRE_STR ? m->f[f].s : NULL;
}
/* A whole number in 0 .. 2^53, or fallback if absent, negative or broken. */
int64_t	wire_int(const struct wire_msg *, enum wire_field, int64_t fallback)
	    AC_NONNULL(1);

/*
 * Walk a LIST or OBJ value: *at starts NULL; false at the end. key is "" in a
 * list. item's kind is ABSENT for null. Borrowed as above.
 */
bool	wire_each(const struct wire_value *, const void **at, const char **key,
	    struct wire_value *item) AC_NONNULL(1, 2, 3, 4);
/*
 * A member of an OBJ value; ABSENT if there is none. It searches: to see all,
 * walk.
 */
struct wire_value wire_member(const struct wire_value *, const char *key)
	    AC_NONNULL(1, 2);

/*
 * A member of the object just parsed by its name, known as a field or not: a
 * file of ours has others. A LIST or OBJ can be walked after wire_unfold(), up
 * to the next one. Borrowed as above; ABSENT if there is none, and for null.
 * -EINVAL: not a LIST or OBJ of this message; -ENOMEM.
 */
struct wire_value wire_find(const struct wire_msg *, const char *key)
	    AC_NONNULL(1, 2);
int	wire_unfold(struct wire_msg *, struct wire_value *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/*
 * Append the object in text (already parsed once) to out without its closing
 * brace, without white space around members, and without the named fields: so
 * that the caller can add its own with wire_put_*() and wire_end(). Members
 * keep their order, strings and numbers their bytes; white space between them
 * goes, nested or not, so that what comes out is one line.
 *
 * Returns 0; AC_E_INVALID_MSG if it was not parsed before, and nothing is
 * appended; -ENOMEM.
 */
int	wire_copy_without(struct buf *out, const char *text, size_t len,
	    const enum wire_field *, size_t count)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
/*
 * The same of the text that a message was read from, with success, and that
 * is still there. 0; -ENOMEM.
 */
int	wire_msg_copy_without(struct buf *out, const struct wire_msg *,
	    const enum wire_field *, size_t count)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

const char *wire_type_name(enum wire_type);	/* "MSG" */
const char *wire_field_name(enum wire_field);	/* "in_reply_to" */
enum wire_type wire_type_find(const char *, size_t len) AC_NONNULL(1);

/* ---------------------------------------------------------------- emit.c */

/*
 * Print a message into a buf, compact, fields in the order of the calls:
 *
 *	wire_begin(&b, WIRE_LEFT);
 *	wire_put_str(&b, WF_CHANNEL, name, len);
 *	wire_end(&b);
 *
 * Strings are escaped as JSON.stringify does it (U+2028 as it is, controls as
 * \n or \u001f); bytes that are not UTF-8 become U+FFFD. Failure shows in
 * buf_err().
 */
void	wire_begin(struct buf *, enum wire_type) AC_NONNULL(1);
void	wire_end(struct buf *) AC_NONNULL(1);
void	wire_put_str(struct buf *, enum wire_field, const char *, size_t len)
	    AC_NONNULL(1, 3);
void	wire_puts(struct buf *, enum wire_field, const char *)
	    AC_NONNULL(1, 3);
void	wire_put_int(struct buf *, enum wire_field, int64_t) AC_NONNULL(1);
void	wire_put_num(struct buf *, enum wire_field, double) AC_NONNULL(1);
void	wire_put_bool(struct buf *, enum wire_field, bool) AC_NONNULL(1);
/*
 * raw is JSON already: a value's raw text, or one made with wire_json_*().
 * White space outside of its strings is left out.
 */
void	wire_put_raw(struct buf *, enum wire_field, const char *raw, size_t len)
	    AC_NONNULL(1, 3);

/*
 * JSON that is no message: status.json, receipts, lists. A key or item is
 * preceded by a comma unless it is the first behind '{' or '[', or on a line.
 */
void	wire_json_key(struct buf *, const char *key) AC_NONNULL(1, 2);
void	wire_json_sep(struct buf *) AC_NONNULL(1);
void	wire_json_str(struct buf *, const char *, size_t len) AC_NONNULL(1, 2);
void	wire_json_int(struct buf *, int64_t) AC_NONNULL(1);
/* As JSON.stringify prints a number: 1, 0.5, 1e+21, -0 as 0, infinity null. */
void	wire_json_num(struct buf *, double) AC_NONNULL(1);
/* A key and its value; null for NULL and for what is no UTF-8. */
void	wire_json_text(struct buf *, const char *key, const char *)
	    AC_NONNULL(1, 2);
void	wire_json_count(struct buf *, const char *key, uint64_t)
	    AC_NONNULL(1, 2);

/* --------------------------------------------------------------- check.c */

bool	wire_agent_name_ok(const char *, size_t len) AC_NONNULL(1);
bool	wire_channel_ok(const char *, size_t len) AC_NONNULL(1); /* "#x" */
bool	wire_agent_id_ok(const char *, size_t len) AC_NONNULL(1); /* "@x" */
/* Valid UTF-8 without U+0000 and without encoded surrogates? */
bool	wire_utf8_ok(const char *, size_t len) AC_NONNULL(1);
/* Length in UTF-16 code units of valid UTF-8. */
size_t	wire_utf16_len(const char *, size_t len) AC_NONNULL(1);

/* --------------------------------------------------------------- canon.c */

/*
 * Texts that are signed (agentchat-protocol(7)). Each appends to out.
 *
 * wire_sign_msg	{"to":...,"content":...,"ts":...}
 * wire_canon		canonical JSON of an object: keys sorted by code unit,
 *			no white space, numbers and strings as JavaScript
 *			prints them. 0; AC_E_INVALID_MSG for a text that
 *			wire_parse_object() refuses; -ENOMEM
 */
void	wire_sign_msg(struct buf *out, const char *to, const char *content,
	    size_t content_len, int64_t ts) AC_NONNULL(1, 2, 3);
int	wire_canon(struct buf *out, const char *text, size_t len)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

#endif
