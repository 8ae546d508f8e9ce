/*
 * item.c - from what an agent put down to what is sent.
 *
 * A file in out/ is the text of one message, whatever is in it; only a JSON
 * object with `content` is read as one. A line of outbox.jsonl is a message
 * of the protocol, and one without type is a MSG.
 */
#include "config.h"

#include "daemon/item.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "daemon/work.h"
#include "ident/ident.h"
#include "lib/client.h"
#include "wire/limits.h"

void
item_init(struct item *it)
{
	memset(it, 0, sizeof(*it));
	buf_init(&it->json);
}

void
item_fini(struct item *it)
{
	buf_fini(&it->json);
}

void
item_content_key(const char *content, size_t len, char key[65])
{
	ident_sha256(content, len, key);
}

static int AC_PRINTF(2, 3)
refuse(struct item *it, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(it->why, sizeof(it->why), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* "nonce-id", the id in base 36. */
static void
make_id(struct item *it, const char *nonce, uint64_t id)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	char text[16];
	size_t at = sizeof(text) - 1;

	text[at] = '\0';
	do {
		text[--at] = digits[id % 36];
		id /= 36;
	} while (id != 0);
	snprintf(it->id, sizeof(it->id), "%s-%s", nonce, text + at);
}

static bool
target_ok(const char *s, size_t len)
{
	return len > 0 && len < SPOOL_BOX_MAX && (s[0] == '#' ?
	    wire_channel_ok(s, len) : wire_agent_id_ok(s, len));
}

static int
check_content(struct item *it, const char *s, size_t len, int64_t max)
{
	if (len == 0)
		return refuse(it, "The message is empty: write some text.");
	if (!wire_utf8_ok(s, len))
		return refuse(it, "The message is not UTF-8 text: send "
		    "binary data as base64.");
	if ((int64_t)wire_utf16_len(s, len) > max)
		return refuse(it, "The message is longer than %" PRId64
		    " characters: split it.", max);
	return 0;
}

static int
make_msg(struct item *it, const struct spool_item *q, const char *content,
    size_t len, const char *in_reply_to, const struct item_conf *conf)
{
	int rc = check_content(it, content, len, conf->content_max);

	if (rc < 0)
		return rc;
	it->type = WIRE_MSG;
	item_content_key(content, len, it->content_key);
	return client_make_msg_at(&it->json, conf->ident, it->target, content,
	    len, it->id, in_reply_to, q->queued_ms);
}

/* "encrypt" of a message given as JSON. */
static int
wants_encryption(struct item *it, const struct wire_msg *m, bool *encrypt)
{
	struct wire_value v = wire_find(m, "encrypt");

	*encrypt = v.kind == WIRE_BOOL && v.b;
	return v.kind == WIRE_ABSENT || v.kind == WIRE_BOOL ? 0 :
	    refuse(it, "\"encrypt\" is true or false.");
}

static int
may_encrypt(struct item *it, const struct item_conf *conf)
{
	if (it->target[0] != '@')
		return refuse(it, "Only a message to an agent (@id) can be "
		    "encrypted: leave \"encrypt\" out, or write to each.");
	if (conf->ident == NULL)
		return refuse(it, "This daemon has no key to encrypt with: "
		    "start it without --ephemeral.");
	if (!conf->enc)
		return refuse(it, "This relay doesn't pass encrypted messages "
		    "on: leave \"encrypt\" out to send it in the clear.");
	return 0;
}

static int
make_encrypted(struct item *it, const struct spool_item *q,
    const struct wire_value *content, const char *in_reply_to,
    const struct item_conf *conf)
{
	struct client_letter letter = { .from = conf->from, .to = it->target,
	    .content = content->s, .len = content->len, .id = it->id,
	    .in_reply_to = in_reply_to, .ts_ms = q->queued_ms };
	unsigned char key[IDENT_KEY_LEN];
	const char *why = NULL;
	int rc = may_encrypt(it, conf);

	if (rc == 0)
		rc = check_content(it, content->s, content->len,
		    conf->content_max);
	if (rc < 0)
		return rc;
	rc = conf->key(conf->key_arg, it->target, key, &why);
	if (rc == -EINVAL)
		return refuse(it, "%s", why);
	if (rc < 0)
		return rc;
	it->type = WIRE_MSG;
	item_content_key(content->s, content->len, it->content_key);
	rc = client_make_enc(&it->json, conf->ident, &letter, key);
	if (rc == AC_E_VERIFICATION_FAILED || rc == -ENOKEY)
		return refuse(it, "The keys can't be used to encrypt: %s.",
		    rc == -ENOKEY ? "ours has no private half" :
		    "the agent's is odd");
	return rc;
}

/* A message given as JSON: its members are in m. */
static int
read_msg(struct item *it, const struct spool_item *q,
    const struct wire_msg *m, const struct item_conf *conf)
{
	const struct wire_value *to = &m->f[WF_TO], *id = &m->f[WF_ID];
	const struct wire_value *content = &m->f[WF_CONTENT];
	const char *in_reply_to = wire_str(m, WF_IN_REPLY_TO);
	bool encrypt;

	if (*it->target == '\0') {
		if (to->kind != WIRE_STR || !target_ok(to->s, to->len))
			return refuse(it, "\"to\" must be a channel (#name) "
			    "or an agent (@id).");
		memcpy(it->target, to->s, to->len + 1);
	} else if (to->kind == WIRE_STR && strcmp(to->s, it->target) != 0) {
		return refuse(it, "\"to\" is another one than the directory: "
		    "leave it out, or use outbox.jsonl.");
	}
	if (wants_encryption(it, m, &encrypt) < 0)
		return -EINVAL;
	if (content->kind != WIRE_STR)
		return refuse(it, "\"content\" is missing: it is the text.");
	if (id->kind == WIRE_STR) {
		if (id->len == 0 || id->len > WIRE_ID_MAX)
			return refuse(it, "\"id\" must have 1 to %d "
			    "characters.", WIRE_ID_MAX);
		memcpy(it->id, id->s, id->len + 1);
	}
	if (encrypt)
		return make_encrypted(it, q, content, in_reply_to, conf);
	return make_msg(it, q, content->s, content->len, in_reply_to, conf);
}

/* Another message of the protocol: what the agent wrote, with an id. */
static int
read_request(struct item *it, const struct spool_item *q, const char *text,
    size_t len, const struct wire_msg *m, const struct item_conf *conf)
{
	static const enum wire_field ours[] = { WF_ID };
	static const enum wire_field names[] = { WF_CHANNEL, WF_TO };
	int rc;

	it->type = m->type;
	for (size_t i = 0; i < AC_COUNTOF(names); i++) {
		const struct wire_value *v = &m->f[names[i]];

		if (v->kind == WIRE_STR && target_ok(v->s, v->len))
			memcpy(it->target, v->s, v->len + 1);
	}
	switch (m->type) {
	case WIRE_IDENTIFY:
	case WIRE_VERIFY_IDENTITY:
	case WIRE_ACK:
	case WIRE_PING:
		return refuse(it, "The daemon sends %s by itself: leave it "
		    "out.", wire_type_name(m->type));
	default:
		break;
	}
	if (wire_has(m, WF_ID) && m->f[WF_ID].len <= WIRE_ID_MAX)
		memcpy(it->id, m->f[WF_ID].s, m->f[WF_ID].len + 1);
	if (work_is_ours_to_sign(m, conf))
		return work_sign(it, q, text, len, m, conf);
	rc = wire_copy_without(&it->json, text, len, ours, AC_COUNTOF(ours));
	if (rc < 0)
		return rc;
	wire_puts(&it->json, WF_ID, it->id);
	wire_end(&it->json);
	return buf_err(&it->json);
}

static int
read_line(struct item *it, const struct spool_item *q, const char *body,
    size_t len, const struct item_conf *conf, struct wire_msg *m)
{
	int rc;

	if (strcmp(q->name, "outbox.broken") == 0)
		return refuse(it, "The line is too long, or was never ended "
		    "by a newline: write each message with one write().");
	rc = wire_parse_object(m, body, len);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0)
		return refuse(it, "%s Write {\"to\":\"#channel\","
		    "\"content\":\"text\"}.", m->why != NULL ? m->why :
		    "This is no JSON object.");
	if (!wire_has(m, WF_TYPE) || strcmp(wire_str(m, WF_TYPE), "MSG") == 0)
		return read_msg(it, q, m, conf);
	rc = wire_parse(m, body, len, WIRE_FROM_CLIENT);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0)
		return refuse(it, "The relay would refuse this line: %s",
		    m->why != NULL ? m->why : "unknown type");
	return read_request(it, q, body, len, m, conf);
}

static int
read_file(struct item *it, const struct spool_item *q, const char *body,
    size_t len, const struct item_conf *conf, struct wire_msg *m)
{
	size_t start = 0;

	snprintf(it->target, sizeof(it->target), "%s", q->target);
	if (!target_ok(it->target, strlen(it->target)))
		return refuse(it, "Nobody can be addressed as %s: write to a "
		    "channel or an agent.", it->target);
	while (start < len && strchr(" \t\r\n", body[start]) != NULL &&
	    body[start] != '\0')
		start++;
	if (start < len && body[start] == '{' &&
	    wire_parse_object(m, body, len) == 0 && wire_has(m, WF_CONTENT))
		return read_msg(it, q, m, conf);
	/* What echo and editors put at the end isn't meant. */
	if (len > 0 && body[len - 1] == '\n')
		len--;
	if (len > 0 && body[len - 1] == '\r')
		len--;
	return make_msg(it, q, body, len, NULL, conf);
}

int
item_read(struct item *it, const struct spool_item *q, const char *body,
    size_t len, const struct item_conf *conf)
{
	struct wire_msg m;
	int rc;

	buf_clear(&it->json);
	it->type = WIRE_NONE;
	it->target[0] = it->why[0] = it->content_key[0] = '\0';
	make_id(it, conf->nonce, q->id);
	wire_msg_init(&m);
	if (*q->target != '\0')
		rc = read_file(it, q, body, len, conf, &m);
	else
		rc = read_line(it, q, body, len, conf, &m);
	wire_msg_fini(&m);
	/* A relay hangs up on a longer one, again and again. */
	if (rc == 0 && conf->frame_max > 0 &&
	    it->json.len > (size_t)conf->frame_max)
		return refuse(it, "The message is longer than this relay "
		    "takes: split it.");
	return rc;
}
