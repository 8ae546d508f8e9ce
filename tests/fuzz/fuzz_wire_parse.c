/*
 * fuzz_wire_parse.c - the parser, from either side. What it accepts, cJSON
 * accepts, and both read the same out of it.
 */
#include "config.h"

#include "fuzz.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/limits.h"
#include "wire/msg.h"

/* Walk all of a list or object, and count its values. */
static size_t
walk(const struct wire_value *v, unsigned depth)
{
	struct wire_value item;
	const void *at = NULL;
	const char *key;
	size_t n = 0;

	MUST(depth <= WIRE_DEPTH_MAX);
	for (; wire_each(v, &at, &key, &item); n++) {
		MUST(wire_utf8_ok(key, strlen(key)));
		if (item.kind == WIRE_STR)
			MUST(wire_utf8_ok(item.s, item.len));
		if (item.kind == WIRE_LIST || item.kind == WIRE_OBJ)
			n += walk(&item, depth + 1);
	}
	return n;
}

static void
same(const struct wire_value *v, const cJSON *other)
{
	switch (v->kind) {
	case WIRE_ABSENT:
		break;
	case WIRE_STR:
		MUST(cJSON_IsString(other));
		MUST(strlen(other->valuestring) == v->len);
		MUST(strcmp(other->valuestring, v->s) == 0);
		MUST(wire_utf8_ok(v->s, v->len));
		MUST(wire_utf16_len(v->s, v->len) <= v->len);
		break;
	case WIRE_NUM:
		MUST(cJSON_IsNumber(other));
		MUST(other->valuedouble == v->num);
		break;
	case WIRE_BOOL:
		MUST(cJSON_IsBool(other));
		MUST((bool)cJSON_IsTrue(other) == v->b);
		break;
	case WIRE_LIST:
		MUST(cJSON_IsArray(other));
		MUST(walk(v, 2) >= (size_t)cJSON_GetArraySize(other));
		break;
	case WIRE_OBJ:
		MUST(cJSON_IsObject(other));
		MUST(walk(v, 2) >= (size_t)cJSON_GetArraySize(other));
		break;
	}
}

static void
check(struct wire_msg *m, int rc, const char *text, size_t len)
{
	cJSON *doc;
	size_t known = 0;

	if (rc != 0) {
		MUST(rc == AC_E_INVALID_MSG);
		MUST(m->why != NULL && strlen(m->why) > 9);
		for (int f = 0; f < WIRE_FIELD_COUNT; f++)
			MUST(f == WF_ID || !wire_has(m, f));
		return;
	}
	MUST(m->why == NULL);
	doc = cJSON_ParseWithLength(text, len);
	MUST(cJSON_IsObject(doc));
	for (int f = 0; f < WIRE_FIELD_COUNT; f++) {
		const struct wire_value *v = &m->f[f];

		if (v->kind == WIRE_ABSENT)
			continue;
		MUST(v->raw >= text && v->raw + v->raw_len <= text + len);
		MUST(v->raw_len > 0);
		same(v, cJSON_GetObjectItemCaseSensitive(doc,
		    wire_field_name(f)));
		known++;
	}
	MUST(known <= (size_t)cJSON_GetArraySize(doc));
	cJSON_Delete(doc);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;
	struct wire_msg m;

	wire_msg_init(&m);
	check(&m, wire_parse(&m, text, len, WIRE_FROM_CLIENT), text, len);
	check(&m, wire_parse(&m, text, len, WIRE_FROM_RELAY), text, len);
	check(&m, wire_parse_object(&m, text, len), text, len);
	wire_msg_fini(&m);
	return 0;
}
