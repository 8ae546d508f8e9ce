/*
 * fuzz_wire_copy.c - what wire_copy_without() and its twin make is one line,
 * parses, and has the same members but those named.
 */
#include "config.h"

#include "fuzz.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/msg.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const enum wire_field drop[] = { WF_FROM, WF_REPLAY, WF_ENC };
	const char *text = (const char *)data;
	struct buf out = BUF_INIT, again = BUF_INIT;
	struct wire_msg before, after;
	int rc;

	wire_msg_init(&before);
	wire_msg_init(&after);
	rc = wire_parse_object(&before, text, len);
	MUST(wire_copy_without(&out, text, len, drop, 3) == rc);
	if (rc < 0) {
		MUST(out.len == 0);
		goto out;
	}
	/* Of what is read already it is the same. */
	MUST(wire_msg_copy_without(&again, &before, drop, 3) == 0);
	MUST(again.len == out.len && memcmp(again.p, out.p, out.len) == 0);
	buf_clear(&again);
	wire_puts(&out, WF_FROM, "@me");
	wire_end(&out);
	MUST(memchr(out.p, '\n', out.len) == NULL);
	MUST(wire_parse_object(&after, out.p, out.len) == 0);
	MUST(strcmp(wire_str(&after, WF_FROM), "@me") == 0);
	for (int f = 0; f < WIRE_FIELD_COUNT; f++) {
		const struct wire_value *a = &before.f[f], *b = &after.f[f];

		if (f == WF_FROM || f == WF_GAP_FROM)
			continue;
		if (f == WF_REPLAY || f == WF_ENC) {
			MUST(b->kind == WIRE_ABSENT);
			continue;
		}
		MUST(a->kind == b->kind);
		if (a->kind == WIRE_STR || a->kind == WIRE_NUM)
			MUST(a->raw_len == b->raw_len &&
			    memcmp(a->raw, b->raw, a->raw_len) == 0);
	}
	/* A copy of the copy, without anything to drop, is the copy. */
	MUST(wire_copy_without(&again, out.p, out.len, NULL, 0) == 0);
	wire_end(&again);
	MUST(again.len == out.len && memcmp(again.p, out.p, out.len) == 0);
out:
	wire_msg_fini(&before);
	wire_msg_fini(&after);
	buf_fini(&out);
	buf_fini(&again);
	return 0;
}
