/*
 * fuzz_wire_canon.c - canonical JSON is canonical: made again it stays the
 * same. And any bytes at all, printed as a string, are read back as text.
 */
#include "config.h"

#include "fuzz.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/msg.h"

static void
check_canon(const char *text, size_t len)
{
	struct buf once = BUF_INIT, twice = BUF_INIT;
	struct wire_msg m;
	int rc;

	wire_msg_init(&m);
	rc = wire_parse_object(&m, text, len);
	MUST(wire_canon(&once, text, len) == rc);
	if (rc == 0) {
		MUST(wire_canon(&twice, once.p, once.len) == 0);
		MUST(once.len == twice.len);
		MUST(memcmp(once.p, twice.p, once.len) == 0);
	} else {
		MUST(once.len == 0);
	}
	wire_msg_fini(&m);
	buf_fini(&once);
	buf_fini(&twice);
}

static void
check_string(const char *s, size_t len)
{
	struct buf b = BUF_INIT;
	struct wire_msg m;
	const struct wire_value *v = &m.f[WF_CONTENT];

	wire_msg_init(&m);
	wire_begin(&b, WIRE_MSG);
	wire_put_str(&b, WF_CONTENT, s, len);
	wire_end(&b);
	if (memchr(s, '\0', len) != NULL) {
		MUST(wire_parse_object(&m, b.p, b.len) == AC_E_INVALID_MSG);
	} else {
		MUST(wire_parse_object(&m, b.p, b.len) == 0);
		MUST(wire_utf8_ok(v->s, v->len));
		if (wire_utf8_ok(s, len))
			MUST(v->len == len && memcmp(v->s, s, len) == 0);
	}
	wire_msg_fini(&m);
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	check_canon((const char *)data, len);
	check_string((const char *)data, len);
	return 0;
}
