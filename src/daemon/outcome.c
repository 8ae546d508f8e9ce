/*
 * outcome.c - what became of a message, as files in sent/ and failed/.
 */
#include "config.h"

#include "daemon/outcome.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "spool/spool.h"
#include "wire/msg.h"

#define PART_MAX 96	/* bytes of target or name in a receipt's name */

/* Append s to out, made fit for a path component; returns its new end. */
static char *
put_part(char *out, const char *s)
{
	for (size_t i = 0; s[i] != '\0' && i < PART_MAX; i++)
		*out++ = spool_component_ok(&s[i], 1) || s[i] == '.' ? s[i] :
		    '_';
	*out = '\0';
	return out;
}

void
outcome_name(char out[OUTCOME_NAME_MAX], const char *target, const char *name,
    uint64_t id)
{
	char *p = put_part(out, *target != '\0' ? target : "relay");

	if (out[0] == '.')
		out[0] = '_';
	*p++ = '.';
	p = put_part(p, name);
	sprintf(p, ".%" PRIu64 ".json", id);
}

static int
write_file(int dir, const char *name, const struct buf *b)
{
	int rc = buf_err(b);

	return rc < 0 ? rc : spool_replace(dir, name, b->p, b->len, false);
}

static void
put_string(struct buf *b, const char *key, const char *s)
{
	wire_json_key(b, key);
	wire_json_str(b, s, strlen(s));
}

static void
put_number(struct buf *b, const char *key, double n)
{
	wire_json_key(b, key);
	wire_json_num(b, n);
}

int
outcome_sent(int dir, const struct outcome *r)
{
	char name[OUTCOME_NAME_MAX];
	struct buf b = BUF_INIT;
	int rc;

	buf_addc(&b, '{');
	if (*r->target != '\0')
		put_string(&b, "target", r->target);
	put_string(&b, "id", r->id);
	if (r->ts != 0)
		put_number(&b, "ts", (double)r->ts);
	if (r->seq != 0)
		put_number(&b, "seq", (double)r->seq);
	if (r->msg_id != NULL && *r->msg_id != '\0')
		put_string(&b, "msg_id", r->msg_id);
	put_number(&b, "queued_ms", (double)r->queued_ms);
	if (r->reply != NULL) {
		wire_json_key(&b, "reply");
		buf_add(&b, r->reply, r->reply_len);
	}
	buf_adds(&b, "}\n");
	outcome_name(name, r->target, r->name, r->queue_id);
	rc = write_file(dir, name, &b);
	buf_fini(&b);
	return rc;
}

/* The body as one line that could go into outbox.jsonl again. */
static void
put_body(struct buf *b, const struct outcome *r, const char *body, size_t len)
{
	struct wire_msg m;
	bool object;

	wire_msg_init(&m);
	object = wire_parse_object(&m, body, len) == 0;
	wire_msg_fini(&m);
	if (object || !wire_utf8_ok(body, len)) {
		buf_add(b, body, len);	/* or what it was, byte for byte */
	} else {
		buf_addc(b, '{');
		if (*r->target != '\0')
			put_string(b, "to", r->target);
		wire_json_key(b, "content");
		wire_json_str(b, body, len);
		buf_addc(b, '}');
	}
	if (b->len == 0 || b->p[b->len - 1] != '\n')
		buf_addc(b, '\n');
}

int
outcome_is(const struct buf *file, const struct outcome *r, const char *body,
    size_t len)
{
	struct buf b = BUF_INIT;
	int rc;

	put_body(&b, r, body, len);
	rc = buf_err(&b);
	if (rc == 0)
		rc = b.len == file->len && memcmp(b.p, file->p, b.len) == 0;
	buf_fini(&b);
	return rc;
}

int
outcome_failed(int dir, const struct outcome *r, const char *body, size_t len,
    const char *why)
{
	char name[OUTCOME_NAME_MAX], reason[OUTCOME_NAME_MAX + 8];
	struct buf b = BUF_INIT;
	int rc;

	outcome_name(name, r->target, r->name, r->queue_id);
	put_body(&b, r, body, len);
	rc = write_file(dir, name, &b);
	buf_clear(&b);
	/* The relay's words: one line, and nothing that drives a terminal. */
	for (; *why != '\0'; why++)
		buf_addc(&b, (unsigned char)*why < ' ' || *why == 0x7f ? ' ' :
		    *why);
	buf_addc(&b, '\n');
	snprintf(reason, sizeof(reason), "%s.reason", name);
	if (rc == 0)
		rc = write_file(dir, reason, &b);
	buf_fini(&b);
	return rc;
}
