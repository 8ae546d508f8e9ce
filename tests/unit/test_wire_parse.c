/*
 * test_wire_parse.c - the parser: the table, the grammar, hostile bytes.
 */
#include "config.h"

#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/limits.h"
#include "wire/msg.h"
#include "wire/table.h"

static const enum wire_side sides[] = { WIRE_FROM_CLIENT, WIRE_FROM_RELAY };

static int
setup(void **state)
{
	struct wire_msg *m = malloc(sizeof(*m));

	assert_non_null(m);
	wire_msg_init(m);
	*state = m;
	return 0;
}

static int
teardown(void **state)
{
	wire_msg_fini(*state);
	free(*state);
	return 0;
}

/* Parse from an allocation of just this size, so that ASan sees each byte. */
static int
parse(struct wire_msg *m, const char *text, size_t len, enum wire_side side)
{
	static char *kept;	/* until the next: the message borrows it */

	free(kept);
	kept = malloc(len != 0 ? len : 1);
	assert_non_null(kept);
	memcpy(kept, text, len);
	return wire_parse(m, kept, len, side);
}

static int
parse_s(struct wire_msg *m, const char *text, enum wire_side side)
{
	return parse(m, text, strlen(text), side);
}

static void
assert_accepts(struct wire_msg *m, const char *text)
{
	int rc = parse_s(m, text, WIRE_FROM_CLIENT);

	if (rc != 0)
		fail_msg("refused: %s: %s", text, m->why);
}

static void
assert_refuses(struct wire_msg *m, const char *text, size_t len)
{
	for (size_t i = 0; i < AC_COUNTOF(sides); i++) {
		if (parse(m, text, len, sides[i]) != AC_E_INVALID_MSG)
			fail_msg("accepted: %.200s", text);
		assert_non_null(m->why);
		/* One sentence. */
		assert_in_range(strlen(m->why), 10, 120);
		assert_int_equal(m->why[strlen(m->why) - 1], '.');
		for (int f = 0; f < WIRE_FIELD_COUNT; f++)
			if (f != WF_ID)
				assert_false(wire_has(m, f));
	}
}

static void
refuses(struct wire_msg *m, const char *text)
{
	assert_refuses(m, text, strlen(text));
}

/* ------------------------------------------------------------- the table */

/* A value of a kind, as JSON. */
static const char *
sample(enum wire_kind kind)
{
	switch (kind) {
	case WIRE_ABSENT:
		return "null";
	case WIRE_STR:
		return "\"x\"";
	case WIRE_NUM:
		return "7";
	case WIRE_BOOL:
		return "true";
	case WIRE_LIST:
		return "[\"x\"]";
	case WIRE_OBJ:
		return "{\"x\":1}";
	}
	return NULL;
}

/*
 * A message of this type: all required fields, and all others too if full.
 * Except that the field odd has the value as, or is left out if as is NULL.
 */
static void
make(struct buf *b, enum wire_type type, enum wire_side side, bool full,
    enum wire_field odd, const char *as)
{
	const struct wire_rule *rule = wire_rules(type, side);

	buf_clear(b);
	buf_addf(b, "{\"type\":\"%s\"", wire_type_name(type));
	for (; rule->field != WIRE_RULES_END; rule++) {
		enum wire_field f = rule->field;
		const char *value = sample(wire_field_kind(f));

		if (f == odd)
			value = as;
		else if (!rule->required && !full)
			continue;
		if (value != NULL)
			buf_addf(b, ",\"%s\":%s", wire_field_name(f), value);
	}
	buf_addc(b, '}');
	assert_int_equal(buf_err(b), 0);
}

/* Is each message from one side at least, and each field in one message? */
static void
every_type_and_field_is_in_the_table(void **state)
{
	bool used[WIRE_FIELD_COUNT] = { [WF_TYPE] = true };

	(void)state;
	for (int t = WIRE_NONE + 1; t < WIRE_TYPE_COUNT; t++) {
		assert_true(wire_rules(t, WIRE_FROM_CLIENT) != NULL ||
		    wire_rules(t, WIRE_FROM_RELAY) != NULL);
		for (size_t i = 0; i < AC_COUNTOF(sides); i++) {
			const struct wire_rule *rule = wire_rules(t, sides[i]);
			bool in[WIRE_FIELD_COUNT] = { false };

			for (; rule != NULL && rule->field != WIRE_RULES_END;
			    rule++) {
				assert_false(in[rule->field]);
				in[rule->field] = used[rule->field] = true;
			}
		}
	}
	/* These are for files, and for what stands in lists. */
	used[WF_ENCRYPTED] = used[WF_SPOOLED_AT] = true;
	used[WF_REJECT] = used[WF_COMPLETE] = used[WF_DISPUTE] = true;
	used[WF_ENC_ERROR] = used[WF_KEY_CHANGED] = true;
	for (int f = 0; f < WIRE_FIELD_COUNT; f++)
		if (!used[f])
			fail_msg("no message has %s", wire_field_name(f));
	assert_null(wire_rules(WIRE_NONE, WIRE_FROM_CLIENT));
	assert_null(wire_rules(WIRE_NONE, WIRE_FROM_RELAY));
}

static void
names_are_found_and_nothing_else(void **state)
{
	(void)state;
	for (int t = WIRE_NONE + 1; t < WIRE_TYPE_COUNT; t++) {
		const char *name = wire_type_name(t);

		assert_int_equal(wire_type_find(name, strlen(name)), t);
		assert_int_equal(wire_type_find(name, strlen(name) - 1) ==
		    (enum wire_type)t, 0);
	}
	for (int f = 0; f < WIRE_FIELD_COUNT; f++) {
		const char *name = wire_field_name(f);
		enum wire_field got = wire_field_find(name, strlen(name));

		if (got != (enum wire_field)f)
			assert_int_equal(wire_field_twin(got), f);
	}
	assert_int_equal(wire_type_find("", 0), WIRE_NONE);
	assert_int_equal(wire_type_find("NONE", 4), WIRE_NONE);
	assert_int_equal(wire_type_find("msg", 3), WIRE_NONE);
	assert_int_equal(wire_field_find("", 0), WIRE_FIELD_COUNT);
	assert_int_equal(wire_field_find("frob", 4), WIRE_FIELD_COUNT);
}

static void
each_type_is_taken_from_its_sides_only(void **state)
{
	struct wire_msg *m = *state;
	struct buf b = BUF_INIT;

	for (int t = WIRE_NONE + 1; t < WIRE_TYPE_COUNT; t++) {
		for (size_t i = 0; i < AC_COUNTOF(sides); i++) {
			if (wire_rules(t, sides[i]) == NULL) {
				buf_clear(&b);
				buf_addf(&b, "{\"type\":\"%s\"}",
				    wire_type_name(t));
				assert_int_equal(parse(m, b.p, b.len,
				    sides[i]), AC_E_INVALID_MSG);
				assert_int_equal(m->type, WIRE_NONE);
				continue;
			}
			for (int full = 0; full < 2; full++) {
				make(&b, t, sides[i], full,
				    WIRE_FIELD_COUNT, NULL);
				if (parse(m, b.p, b.len, sides[i]) != 0)
					fail_msg("%s: %s", b.p, m->why);
				assert_int_equal(m->type, t);
			}
		}
	}
	buf_fini(&b);
}

static void
all_fields_of_a_type_are_delivered(void **state)
{
	struct wire_msg *m = *state;
	struct buf b = BUF_INIT;

	for (int t = WIRE_NONE + 1; t < WIRE_TYPE_COUNT; t++) {
		for (size_t i = 0; i < AC_COUNTOF(sides); i++) {
			const struct wire_rule *rule = wire_rules(t, sides[i]);
			size_t n = 1, has = 0;

			if (rule == NULL)
				continue;
			make(&b, t, sides[i], true, WIRE_FIELD_COUNT, NULL);
			assert_int_equal(parse(m, b.p, b.len, sides[i]), 0);
			for (; rule->field != WIRE_RULES_END; rule++, n++) {
				struct wire_value *v = &m->f[rule->field];

				assert_int_equal(v->kind,
				    wire_field_kind(rule->field));
				assert_memory_equal(v->raw, sample(v->kind),
				    v->raw_len);
				if (v->kind == WIRE_STR)
					assert_string_equal(v->s, "x");
				if (v->kind == WIRE_NUM)
					assert_true(v->num == 7);
				if (v->kind == WIRE_BOOL)
					assert_true(v->b);
			}
			for (int f = 0; f < WIRE_FIELD_COUNT; f++)
				has += wire_has(m, f);
			assert_int_equal(has, n);
		}
	}
	buf_fini(&b);
}

static void
required_fields_are_required_in_their_kind(void **state)
{
	struct wire_msg *m = *state;
	struct buf b = BUF_INIT;

	for (int t = WIRE_NONE + 1; t < WIRE_TYPE_COUNT; t++) {
		for (size_t i = 0; i < AC_COUNTOF(sides); i++) {
			const struct wire_rule *rule = wire_rules(t, sides[i]);

			for (; rule != NULL && rule->field != WIRE_RULES_END;
			    rule++) {
				if (!rule->required)
					continue;
				make(&b, t, sides[i], false, rule->field, NULL);
				assert_int_equal(parse(m, b.p, b.len,
				    sides[i]), AC_E_INVALID_MSG);
				/* It says which, and knows the type. */
				assert_non_null(strstr(m->why,
				    wire_field_name(rule->field)));
				assert_int_equal(m->type, t);
				for (int k = WIRE_ABSENT; k <= WIRE_OBJ; k++) {
					bool ok = k == (int)wire_field_kind(
					    rule->field);

					make(&b, t, sides[i], false,
					    rule->field, sample(k));
					assert_int_equal(parse(m, b.p, b.len,
					    sides[i]), ok ? 0 :
					    AC_E_INVALID_MSG);
				}
			}
		}
	}
	buf_fini(&b);
}

/* Strict with a client; with relays of other makes, absent. */
static void
optional_fields_of_another_kind(void **state)
{
	struct wire_msg *m = *state;
	struct buf b = BUF_INIT;

	for (int t = WIRE_NONE + 1; t < WIRE_TYPE_COUNT; t++) {
		for (size_t i = 0; i < AC_COUNTOF(sides); i++) {
			const struct wire_rule *rule = wire_rules(t, sides[i]);
			bool strict = sides[i] == WIRE_FROM_CLIENT;

			for (; rule != NULL && rule->field != WIRE_RULES_END;
			    rule++) {
				enum wire_field f = rule->field;

				for (int k = WIRE_ABSENT; !rule->required &&
				    k <= WIRE_OBJ; k++) {
					bool same = k ==
					    (int)wire_field_kind(f);
					bool ok = same || k == WIRE_ABSENT;

					make(&b, t, sides[i], false, f,
					    sample(k));
					assert_int_equal(parse(m, b.p, b.len,
					    sides[i]), ok || !strict ? 0 :
					    AC_E_INVALID_MSG);
					if (f != WF_ID || ok)
						assert_int_equal(wire_has(m, f),
						    same);
				}
			}
		}
	}
	buf_fini(&b);
}

/* n times what, as a JSON string. */
static char *
repeat(const char *what, size_t n)
{
	size_t len = strlen(what);
	char *s = malloc(n * len + 3), *p = s;

	assert_non_null(s);
	*p++ = '"';
	for (size_t i = 0; i < n; i++, p += len)
		memcpy(p, what, len);
	*p++ = '"';
	*p = '\0';
	return s;
}

static void
strings_have_the_length_that_their_field_allows(void **state)
{
	struct wire_msg *m = *state;
	struct buf b = BUF_INIT;
	size_t bounded = 0;

	for (int t = WIRE_NONE + 1; t < WIRE_TYPE_COUNT; t++) {
		const struct wire_rule *rule = wire_rules(t, WIRE_FROM_CLIENT);

		for (; rule != NULL && rule->field != WIRE_RULES_END; rule++) {
			struct wire_bound bound = wire_field_bound(rule->field,
			    WIRE_FROM_CLIENT);
			/* A pair of units, six bytes as escapes: 12. */
			const char *one = bound.utf16 ?
			    "\\ud83d\\ude00" : "\xc3\xa9";

			if (bound.max == 0)
				continue;
			assert_int_equal(bound.max % 2, 0);
			for (size_t n = bound.max / 2; n <= bound.max / 2 + 1;
			    n++) {
				char *s = repeat(one, n);

				make(&b, t, WIRE_FROM_CLIENT, false,
				    rule->field, s);
				assert_int_equal(parse(m, b.p, b.len,
				    WIRE_FROM_CLIENT), n <= bound.max / 2 ? 0 :
				    AC_E_INVALID_MSG);
				free(s);
			}
			bounded++;
		}
	}
	assert_true(bounded > 40);
	/* Not the parser's to judge: the relay has a word for each. */
	char *s = repeat("x", 20000);

	make(&b, WIRE_MSG, WIRE_FROM_CLIENT, false, WF_CONTENT, s);
	assert_int_equal(parse(m, b.p, b.len, WIRE_FROM_CLIENT), 0);
	make(&b, WIRE_IDENTIFY, WIRE_FROM_CLIENT, false, WF_NAME, s);
	assert_int_equal(parse(m, b.p, b.len, WIRE_FROM_CLIENT), 0);
	free(s);
	buf_fini(&b);
}

static void
a_refusal_keeps_a_usable_id(void **state)
{
	struct wire_msg *m = *state;
	char *s = repeat("i", WIRE_ID_MAX + 1);
	struct buf b = BUF_INIT;

	refuses(m, "{\"type\":\"MSG\",\"to\":5,\"id\":\"a1\",\"content\":1}");
	assert_string_equal(wire_str(m, WF_ID), "a1");
	assert_true(m->json);
	refuses(m, "{\"type\":\"NOPE\",\"id\":\"a2\"}");
	assert_true(m->json);
	assert_string_equal(wire_str(m, WF_ID), "a2");
	refuses(m, "{\"id\":\"a3\"}");
	assert_string_equal(wire_str(m, WF_ID), "a3");
	refuses(m, "{\"type\":5,\"id\":7}");
	assert_false(wire_has(m, WF_ID));
	refuses(m, "{\"id\":\"a4\"} x");
	assert_false(m->json);
	assert_false(wire_has(m, WF_ID));
	buf_addf(&b, "{\"type\":\"PING\",\"id\":%s}", s);
	assert_int_equal(parse(m, b.p, b.len, WIRE_FROM_CLIENT),
	    AC_E_INVALID_MSG);
	assert_false(wire_has(m, WF_ID));
	free(s);
	buf_fini(&b);
}

static void
a_message_forgets_the_one_before(void **state)
{
	struct wire_msg *m = *state;

	assert_accepts(m, "{\"type\":\"MSG\",\"to\":\"#a\",\"content\":\"x\","
	    "\"enc\":{\"v\":1},\"ts\":5}");
	assert_accepts(m, "{\"type\":\"PING\"}");
	for (int f = 0; f < WIRE_FIELD_COUNT; f++)
		assert_int_equal(wire_has(m, f), f == WF_TYPE);
	wire_msg_reset(m);
	assert_int_equal(m->type, WIRE_NONE);
	assert_false(wire_has(m, WF_TYPE));
	wire_msg_reset(m);
}

/* ----------------------------------------------------------- the grammar */

static void
white_space_stands_around_everything(void **state)
{
	struct wire_msg *m = *state;

	assert_accepts(m, " \t\r\n{ \"type\"\t:\r\"MSG\" ,\n\"to\" : \"#a\","
	    "\"content\":\"x\" , \"q\" : [ ] , \"r\":[ 1 , { } ]} \n");
	assert_string_equal(wire_str(m, WF_TO), "#a");
	refuses(m, "\v{\"type\":\"PING\"}");
	refuses(m, "{\"type\":\"PING\"}\f");
	refuses(m, "\xc2\xa0{\"type\":\"PING\"}");
	refuses(m, "\xef\xbb\xbf{\"type\":\"PING\"}");
}

static void
what_is_no_object_is_refused(void **state)
{
	static const char *const texts[] = {
		"", " ", "null", "[]", "true", "1", "\"MSG\"", "{}", "{", "}",
		"[{\"type\":\"PING\"}]", "{\"type\":null}", "{\"type\":\"\"}",
		"{\"type\":[\"PING\"]}", "{\"type\":\"PING\"",
		"{\"type\":\"PING\"}}", "{\"type\":\"PING\"} x",
		"{\"type\":\"PING\"}{\"type\":\"PING\"}",
		"{\"type\":\"PING\",}", "{,\"type\":\"PING\"}",
		"{\"type\" \"PING\"}", "{type:\"PING\"}", "{'type':'PING'}",
		"{\"type\":\"PING\" \"a\":1}", "{\"type\":\"PING\",\"a\"}",
		"{\"type\":\"PING\",\"a\":}", "{\"type\":\"PING\",\"a\":1",
		"{\"type\":\"PING\",\"a\":[1,]}",
		"{\"type\":\"PING\",\"a\":[,1]}",
		"{\"type\":\"PING\",\"a\":[1 2]}",
		"{\"type\":\"PING\",\"a\":[1}", "{\"type\":\"PING\",\"a\":[",
		"{\"type\":\"PING\",\"a\":nul}",
		"{\"type\":\"PING\",\"a\":TRUE}",
		"{\"type\":\"PING\",\"a\":truex}", "{\"type\":\"PING\",1:2}",
		"{\"type\":\"PING\"/**/}", "{\"type\":\"PING\"}//",
		"{\"1\":1,", "{\"type\":\"PING\",\"a\":undefined}",
	};
	struct wire_msg *m = *state;

	for (size_t i = 0; i < AC_COUNTOF(texts); i++)
		refuses(m, texts[i]);
	assert_refuses(m, "{\"type\":\"PING\"}\0", 16);
	assert_refuses(m, "\0{\"type\":\"PING\"}", 16);
	assert_refuses(m, "{\"type\":\"PI\0NG\"}", 16);
}

/* Each prefix of a message is refused, and read no further than it goes. */
static void
every_cut_is_refused(void **state)
{
	static const char text[] = "{\"type\":\"MSG\",\"from\":\"@a\","
	    "\"to\":\"#a\",\"content\":"
	    "\"\\u00e9\\ud83d\\ude00 \\n \xe2\x82\xac\","
	    "\"ts\":-1.5e+3,\"x\":[true,null,{\"y\":false}]}";
	struct wire_msg *m = *state;

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		assert_refuses(m, text, i);
	for (size_t i = 0; i < AC_COUNTOF(sides); i++)
		assert_int_equal(parse(m, text, sizeof(text) - 1, sides[i]), 0);
}

static void
content_is(struct wire_msg *m, const char *json, const char *s)
{
	struct buf b = BUF_INIT;

	buf_addf(&b, "{\"type\":\"MSG\",\"to\":\"#a\",\"content\":\"%s\"}",
	    json);
	if (s == NULL) {
		refuses(m, b.p);
	} else {
		assert_accepts(m, b.p);
		assert_string_equal(wire_str(m, WF_CONTENT), s);
		assert_int_equal(m->f[WF_CONTENT].len, strlen(s));
	}
	buf_fini(&b);
}

static void
strings_are_decoded_and_checked(void **state)
{
	struct wire_msg *m = *state;

	content_is(m, "", "");
	content_is(m, "\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t");
	content_is(m, "\\u0041\\u00e9\\u20AC\\uD83D\\uDE00", "A\xc3\xa9"
	    "\xe2\x82\xac\xf0\x9f\x98\x80");
	content_is(m, "\\u0999\\uAFaf\\uFffF", "\xe0\xa6\x99\xea\xbe\xaf"
	    "\xef\xbf\xbf");
	content_is(m, "\\uffff\\ud800\\udc00\\udbff\\udfff",
	    "\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
	content_is(m, "\\u0001\\u007f\\u0080\\u0400\\u07ff\\u0800\\ud7ff"
	    "\\ue000", "\x01\x7f\xc2\x80\xd0\x80\xdf\xbf\xe0\xa0\x80"
	    "\xed\x9f\xbf\xee\x80\x80");
	content_is(m, "a\\nb\xc3\xa9" "c\\u0001 long plain tail \x7f",
	    "a\nb\xc3\xa9" "c\x01 long plain tail \x7f");
	/* Every place of the escape in a run of eight plain bytes. */
	for (int i = 0; i < 20; i++) {
		char json[64], s[64];

		snprintf(json, sizeof(json), "%.*s\\n\\u00e9%.*s", i,
		    "abcdefghijklmnopqrst", 20 - i, "ABCDEFGHIJKLMNOPQRST");
		snprintf(s, sizeof(s), "%.*s\n\xc3\xa9%.*s", i,
		    "abcdefghijklmnopqrst", 20 - i, "ABCDEFGHIJKLMNOPQRST");
		content_is(m, json, s);
	}
	static const char *const bad[] = {
		"\\u0000", "\\u000", "\\u00g0", "\\u", "\\U0041", "\\x41",
		"\\'", "\\0", "\\", "\n", "\t", "\x01", "\x1f",
		/* surrogates: alone, swapped, as UTF-8 */
		"\\ud800", "\\udc00", "\\ud800x", "\\ud800\\n",
		"\\ud800\\ud800", "\\udc00\\ud800", "\\udc00\\udc00",
		"\\ud800\\ue000", "\\ud800\\udbff", "\\udfff\\udfff",
		"\\udbffu", "\\ud800\\udc0", "\\ud83dnude00",
		 "\\ud800\\u0041",
		"\xed\xa0\x80", "\xed\xbf\xbf", "\xed\xa0\xbd\xed\xb8\x80",
		/* UTF-8: stray, cut, overlong, too large */
		"\x80", "\xbf", "\xc3", "\xc3(", "\xe2\x82", "\xe2\x82(",
		"\xf0\x9f\x98", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
		"\xe0\x9f\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff",
	};
	for (size_t i = 0; i < AC_COUNTOF(bad); i++)
		content_is(m, bad[i], NULL);
	/* All controls, in a key as well. */
	for (char c = 1; c < 0x20; c++) {
		char json[] = { 'a', c, '\0' };
		char key[64];

		content_is(m, json, NULL);
		snprintf(key, sizeof(key), "{\"type\":\"PING\",\"%c\":1}", c);
		refuses(m, key);
	}
}

static void
ts_is(struct wire_msg *m, const char *json, double num)
{
	struct buf b = BUF_INIT;

	buf_addf(&b, "{\"type\":\"MSG\",\"to\":\"#a\",\"content\":\"\","
	    "\"ts\":%s}", json);
	assert_accepts(m, b.p);
	assert_true(m->f[WF_TS].num == num);
	buf_fini(&b);
}

static void
numbers_follow_the_grammar_and_are_finite(void **state)
{
	static const char *const bad[] = {
		"+1", "01", "-01", "-", ".5", "1.", "1.e5", "1e", "1e+", "0x10",
		"1_000", "NaN", "Infinity", "-Infinity", "1e999", "-1e999",
		"1.8e308", "1e99999999999999999999", "--1", "1-1", "1e1.5",
		"\"1\"", "1,5", "1 5", "-a", "1d", "1f", "0b1", "00",
		/* 63 bytes: cJSON would cut one that goes on. */
		"1000000000000000000000000000000"
		"00000000000000000000000000000000",
		"0.00000000000000000000000000000"
		"00000000000000000000000000000001",
	};
	struct wire_msg *m = *state;
	char text[160];

	for (size_t i = 0; i < AC_COUNTOF(bad); i++) {
		/* In a field that matters, and anywhere else. */
		snprintf(text, sizeof(text), "{\"type\":\"ACK\","
		    "\"mailbox_seq\":%s}", bad[i]);
		refuses(m, text);
		if (bad[i][0] == '"')
			continue;
		snprintf(text, sizeof(text), "{\"type\":\"PONG\","
		    "\"x\":[{\"y\":%s}]}", bad[i]);
		refuses(m, text);
		snprintf(text, sizeof(text), "{\"type\":\"PING\","
		    "\"x\":[{\"y\":%s}]}", bad[i]);
		refuses(m, text);
	}
	ts_is(m, "1000000000000000000000000000000"
	    "0000000000000000000000000000000", 1e61);
	ts_is(m, "0", 0);
	ts_is(m, "-0", -0.0);
	ts_is(m, "1706889600000", 1706889600000);
	ts_is(m, "9007199254740993", 9007199254740992.0);
	ts_is(m, "18446744073709551616", 18446744073709551616.0);
	ts_is(m, "-1.5e3", -1500);
	ts_is(m, "1E+2", 100);
	ts_is(m, "0.1", 0.1);
	ts_is(m, "1e-7", 1e-7);
	ts_is(m, "123456789012345678e-5", 1234567890123.45678);
	ts_is(m, "1.7976931348623157e308", 1.7976931348623157e308);
	ts_is(m, "5e-324", 5e-324);
	ts_is(m, "1e-999", 0);
	ts_is(m, "0e999", 0);
	ts_is(m, "0.000e99999999999999999999", 0);
	ts_is(m, "2.2250738585072011e-308", 2.2250738585072011e-308);
}

static void
int_is_whole_and_exact(void **state)
{
	struct wire_msg *m = *state;

	ts_is(m, "12", 12);
	assert_int_equal(wire_int(m, WF_TS, -1), 12);
	ts_is(m, "1.2e1", 12);
	assert_int_equal(wire_int(m, WF_TS, -1), 12);
	ts_is(m, "9007199254740992", 9007199254740992.0);
	assert_true(wire_int(m, WF_TS, -1) == 9007199254740992);
	ts_is(m, "-0", 0);
	assert_int_equal(wire_int(m, WF_TS, -1), 0);
	static const struct { const char *json; double num; } bad[] = {
		{ "-1", -1 }, { "0.5", 0.5 }, { "1e300", 1e300 },
		{ "9007199254740994", 9007199254740994.0 },
		{ "9223372036854775808", 9223372036854775808.0 },
	};
	for (size_t i = 0; i < AC_COUNTOF(bad); i++) {
		ts_is(m, bad[i].json, bad[i].num);
		assert_int_equal(wire_int(m, WF_TS, -7), -7);
	}
	assert_int_equal(wire_int(m, WF_SEQ, -7), -7);
	assert_int_equal(wire_int(m, WF_TO, -7), -7);
}

static void
keys_are_used_once_however_they_are_written(void **state)
{
	struct wire_msg *m = *state;
	struct buf b = BUF_INIT;

	refuses(m, "{\"type\":\"PING\",\"type\":\"PING\"}");
	refuses(m, "{\"type\":\"MSG\",\"to\":\"#a\",\"content\":\"\","
	    "\"from\":\"@a\",\"from\":\"@b\"}");
	refuses(m, "{\"type\":\"PING\",\"from\":1,\"\\u0066rom\":1}");
	refuses(m, "{\"type\":\"PONG\",\"a\":1,\"\\u0061\":1}");
	refuses(m, "{\"type\":\"PONG\",\"x\":[{\"\\n\":1,\"\\u000A\":null}]}");
	refuses(m, "{\"type\":\"PING\",\"\":1,\"\":2}");
	/* Among many. */
	for (int twin = 0; twin < 2; twin++) {
		buf_clear(&b);
		buf_adds(&b, "{\"type\":\"PING\"");
		for (int i = 0; i < 50; i++)
			buf_addf(&b, ",\"k%02d\":1", i);
		buf_adds(&b, twin ? ",\"k\\u00317\":1}" : ",\"k50\":1}");
		if (twin)
			refuses(m, b.p);
		else
			assert_accepts(m, b.p);
	}
	/* The same in different objects, prefixes, another case: other keys. */
	assert_accepts(m, "{\"type\":\"PING\","
	    "\"a\":{\"a\":{\"a\":1},\"type\":1},"
	    "\"A\":1,\"aa\":[{\"a\":1},{\"a\":1}]}");
	/* An escaped key is the key. */
	assert_accepts(m, "{\"t\\u0079pe\":\"MSG\",\"\\u0074o\":\"#a\","
	    "\"content\":\"x\"}");
	assert_string_equal(wire_str(m, WF_TO), "#a");
	buf_fini(&b);
}

/* {"type":"PING","x":[[[...]]]}, so many brackets; or braces. */
static void
nest(struct buf *b, int depth, bool objects)
{
	buf_clear(b);
	buf_adds(b, "{\"type\":\"PING\",\"x\":");
	for (int i = 0; i < depth; i++)
		buf_adds(b, objects ? "{\"a\":" : "[");
	buf_adds(b, "1");
	for (int i = 0; i < depth; i++)
		buf_addc(b, objects ? '}' : ']');
	buf_addc(b, '}');
}

static void
depth_is_bounded(void **state)
{
	struct wire_msg *m = *state;
	struct buf b = BUF_INIT;

	for (int objects = 0; objects < 2; objects++) {
		nest(&b, WIRE_DEPTH_MAX - 1, objects);
		assert_accepts(m, b.p);
		nest(&b, WIRE_DEPTH_MAX, objects);
		refuses(m, b.p);
		nest(&b, 1100, objects);
		refuses(m, b.p);
		nest(&b, 1000000, objects);
		refuses(m, b.p);
	}
	buf_clear(&b);
	for (int i = 0; i < 65536; i++)
		buf_addc(&b, '[');
	refuses(m, b.p);
	buf_fini(&b);
}

static void
add_items(struct buf *b, const char *fmt, int n)
{
	for (int i = 0; i < n; i++) {
		if (i != 0)
			buf_addc(b, ',');
		buf_addf(b, fmt, i);
	}
}

static void
size_is_bounded_by_side(void **state)
{
	struct wire_msg *m = *state;
	struct buf b = BUF_INIT;
	struct {
		const char *head, *fmt, *tail;
		int n;
	} rows[] = {
		{ "{\"type\":\"PING\",", "\"k%d\":1", "}", WIRE_KEYS_MAX - 1 },
		{ "{\"type\":\"PING\",\"x\":{", "\"k%d\":1", "}}",
		    WIRE_KEYS_MAX },
		{ "{\"type\":\"PING\",\"x\":[", "%d", "]}", WIRE_ITEMS_MAX },
	};

	for (size_t i = 0; i < AC_COUNTOF(rows); i++) {
		for (int more = 0; more < 2; more++) {
			buf_clear(&b);
			buf_adds(&b, rows[i].head);
			add_items(&b, rows[i].fmt, rows[i].n + more);
			buf_adds(&b, rows[i].tail);
			assert_int_equal(parse(m, b.p, b.len,
			    WIRE_FROM_CLIENT), more ? AC_E_INVALID_MSG : 0);
			assert_int_equal(parse(m, b.p, b.len,
			    WIRE_FROM_RELAY), 0);
		}
	}
	/* Two lists; the object, its type and the lists count, too. */
	for (int more = 0; more < 2; more++) {
		buf_clear(&b);
		buf_adds(&b, "{\"type\":\"PING\",\"x\":[[");
		add_items(&b, "%d", WIRE_ITEMS_MAX);
		buf_adds(&b, "],[");
		add_items(&b, "%d", WIRE_VALUES_MAX - WIRE_ITEMS_MAX - 5 +
		    more);
		buf_adds(&b, "]]}");
		assert_int_equal(parse(m, b.p, b.len, WIRE_FROM_CLIENT),
		    more ? AC_E_INVALID_MSG : 0);
	}
	/* 60,000 keys: from a client refused at once, from a relay a roster. */
	buf_clear(&b);
	buf_adds(&b, "{\"type\":\"JOINED\",\"channel\":\"#a\",\"agents\":[");
	add_items(&b, "\"@a%d\"", 60000);
	buf_adds(&b, "],\"names\":{");
	add_items(&b, "\"@a%d\":\"n\"", 60000);
	buf_adds(&b, "}}");
	assert_int_equal(parse(m, b.p, b.len, WIRE_FROM_CLIENT),
	    AC_E_INVALID_MSG);
	assert_int_equal(parse(m, b.p, b.len, WIRE_FROM_RELAY), 0);

	const void *at = NULL;
	struct wire_value item;
	const char *key;
	int n = 0;

	for (; wire_each(&m->f[WF_NAMES], &at, &key, &item); n++) {
		char want[16];

		snprintf(want, sizeof(want), "@a%d", n);
		assert_string_equal(key, want);
		assert_string_equal(item.s, "n");
	}
	assert_int_equal(n, 60000);
	/* One key twice, 60,000 keys apart. */
	b.len -= 2;
	buf_adds(&b, ",\"@\\u0061777\":1}}");
	assert_int_equal(parse(m, b.p, b.len, WIRE_FROM_RELAY),
	    AC_E_INVALID_MSG);
	/* A relay, too, has its limits. */
	buf_clear(&b);
	buf_adds(&b, "{\"type\":\"CHANNELS\",\"list\":[0");
	for (int i = 0; i < WIRE_RELAY_VALUES_MAX; i++)
		buf_adds(&b, ",0");
	buf_adds(&b, "]}");
	assert_int_equal(parse(m, b.p, b.len, WIRE_FROM_RELAY),
	    AC_E_INVALID_MSG);
	/* Length itself, without reading any of it. */
	assert_int_equal(wire_parse(m, "{", (size_t)WIRE_TEXT_MAX + 1,
	    WIRE_FROM_RELAY), AC_E_INVALID_MSG);
	buf_fini(&b);
}

/* ------------------------------------------------------- lists and objects */

static void
lists_and_objects_are_walked(void **state)
{
	struct wire_msg *m = *state;
	const void *at = NULL, *at2 = NULL;
	struct wire_value item, inner;
	const char *key;

	assert_int_equal(parse_s(m, "{\"type\":\"CHANNELS\",\"list\":["
	    "{\"name\":\"#\\u00e9\",\"agents\":5},null,\"s\",-1.5,false,[[]]]}",
	    WIRE_FROM_RELAY), 0);
	assert_true(wire_each(&m->f[WF_LIST], &at, &key, &item));
	assert_string_equal(key, "");
	assert_int_equal(item.kind, WIRE_OBJ);
	inner = wire_member(&item, "name");
	assert_int_equal(inner.kind, WIRE_STR);
	assert_string_equal(inner.s, "#\xc3\xa9");
	assert_int_equal(inner.len, 3);
	assert_true(wire_member(&item, "agents").num == 5);
	assert_int_equal(wire_member(&item, "Agents").kind, WIRE_ABSENT);
	assert_int_equal(wire_member(&inner, "x").kind, WIRE_ABSENT);
	assert_true(wire_each(&item, &at2, &key, &inner));
	assert_string_equal(key, "name");
	assert_true(wire_each(&item, &at2, &key, &inner));
	assert_string_equal(key, "agents");
	assert_false(wire_each(&item, &at2, &key, &inner));
	assert_false(wire_each(&item, &at2, &key, &inner));

	assert_true(wire_each(&m->f[WF_LIST], &at, &key, &item));
	assert_int_equal(item.kind, WIRE_ABSENT);
	assert_true(wire_each(&m->f[WF_LIST], &at, &key, &item));
	assert_string_equal(item.s, "s");
	assert_true(wire_each(&m->f[WF_LIST], &at, &key, &item));
	assert_true(item.num == -1.5);
	assert_true(wire_each(&m->f[WF_LIST], &at, &key, &item));
	assert_int_equal(item.kind, WIRE_BOOL);
	assert_false(item.b);
	assert_true(wire_each(&m->f[WF_LIST], &at, &key, &item));
	assert_int_equal(item.kind, WIRE_LIST);
	assert_int_equal(wire_member(&item, "x").kind, WIRE_ABSENT);
	at2 = NULL;
	assert_true(wire_each(&item, &at2, &key, &inner));
	at2 = NULL;
	assert_false(wire_each(&inner, &at2, &key, &item));
	assert_false(wire_each(&m->f[WF_LIST], &at, &key, &item));
	/* Nothing to walk in what is absent. */
	at = NULL;
	assert_false(wire_each(&m->f[WF_NAMES], &at, &key, &item));
	assert_int_equal(wire_member(&m->f[WF_NAMES], "x").kind, WIRE_ABSENT);
}

static void
gap_has_numbers_where_others_have_agents(void **state)
{
	struct wire_msg *m = *state;

	assert_int_equal(parse_s(m, "{\"type\":\"GAP\",\"channel\":\"#a\","
	    "\"from\":3,\"to\":9}", WIRE_FROM_RELAY), 0);
	assert_int_equal(wire_int(m, WF_GAP_FROM, -1), 3);
	assert_int_equal(wire_int(m, WF_GAP_TO, -1), 9);
	assert_false(wire_has(m, WF_FROM));
	assert_false(wire_has(m, WF_TO));
	assert_int_equal(parse_s(m, "{\"type\":\"MSG\",\"from\":3,"
	    "\"to\":\"#a\",\"content\":\"\"}", WIRE_FROM_RELAY),
	    AC_E_INVALID_MSG);
}

static void
any_object_of_ours_is_read_without_a_type(void **state)
{
	static const char text[] = "{\"to\":\"#a\",\"content\":5,\"from\":7,"
	    "\"frob\":1,\"id\":null,\"list\":[1],\"verified\":false}";
	static const char typed[] = "{\"type\":\"MSG\",\"to\":1}";
	static const char strange[] = "{\"type\":\"X\",\"type2\":1}";
	struct wire_msg *m = *state;

	assert_int_equal(wire_parse_object(m, text, sizeof(text) - 1), 0);
	assert_int_equal(m->type, WIRE_NONE);
	assert_string_equal(wire_str(m, WF_TO), "#a");
	assert_false(wire_has(m, WF_CONTENT));
	assert_false(wire_has(m, WF_ID));
	assert_false(wire_has(m, WF_FROM));
	assert_false(wire_has(m, WF_GAP_TO));
	assert_int_equal(wire_int(m, WF_GAP_FROM, -1), 7);
	assert_true(wire_has(m, WF_VERIFIED));
	assert_int_equal(m->f[WF_LIST].kind, WIRE_LIST);
	assert_int_equal(wire_parse_object(m, typed, sizeof(typed) - 1), 0);
	assert_int_equal(m->type, WIRE_MSG);
	assert_int_equal(wire_parse_object(m, strange, sizeof(strange) - 1),
	    0);
	assert_int_equal(m->type, WIRE_NONE);
	assert_int_equal(wire_parse_object(m, "[]", 2), AC_E_INVALID_MSG);
	assert_non_null(m->why);
	assert_int_equal(wire_parse_object(m, "{}", 2), 0);
	assert_null(m->why);
}

static void
members_that_are_no_fields_are_found_by_name(void **state)
{
	static const char text[] = "{\"state\":\"full\",\"sent\":7,"
	    "\"poll\":true,\"no\":null,\"\\u0061\":\"z\",\"l\":[1]}";
	struct wire_msg *m = *state;

	assert_int_equal(wire_find(m, "state").kind, WIRE_ABSENT);
	assert_int_equal(wire_parse_object(m, text, sizeof(text) - 1), 0);
	assert_string_equal(wire_find(m, "state").s, "full");
	assert_true(wire_find(m, "sent").num == 7);
	assert_true(wire_find(m, "poll").b);
	assert_string_equal(wire_find(m, "a").s, "z");
	assert_int_equal(wire_find(m, "no").kind, WIRE_ABSENT);
	assert_int_equal(wire_find(m, "stat").kind, WIRE_ABSENT);
	assert_int_equal(wire_find(m, "l").kind, WIRE_LIST);
	assert_null(wire_find(m, "l").node);
	/* Nothing in what was refused. */
	assert_int_equal(wire_parse_object(m, text, sizeof(text) - 2),
	    AC_E_INVALID_MSG);
	assert_int_equal(wire_find(m, "state").kind, WIRE_ABSENT);
}

static void
lists_that_are_no_fields_can_be_unfolded(void **state)
{
	static const char text[] = "{\"a\":[1,{\"x\":\"y\"}], "
	    "\"b\" : {\"z\":2},"
	    "\"s\":\"[1]\"}";
	struct wire_msg *m = *state;
	struct wire_value v, item;
	const void *at;
	const char *key;

	v = wire_find(m, "a");
	assert_int_equal(wire_unfold(m, &v), -EINVAL);
	/* Once more after a wipe, which leaves the message ready. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(wire_parse_object(m, text, sizeof(text) - 1),
		    0);
		v = wire_find(m, "a");
		assert_int_equal(wire_unfold(m, &v), 0);
		at = NULL;
		assert_true(wire_each(&v, &at, &key, &item));
		assert_true(item.num == 1);
		assert_true(wire_each(&v, &at, &key, &item));
		item = wire_member(&item, "x");
		assert_string_equal(item.s, "y");
		assert_false(wire_each(&v, &at, &key, &item));
		v = wire_find(m, "b");
		assert_int_equal(wire_unfold(m, &v), 0);
		assert_true(wire_member(&v, "z").num == 2);
		v = wire_find(m, "s");
		assert_int_equal(wire_unfold(m, &v), -EINVAL);
		wire_msg_wipe(m);
		assert_int_equal(wire_find(m, "s").kind, WIRE_ABSENT);
	}
}

/* What real clients of the Node implementations send. */
static void
old_clients_are_understood(void **state)
{
	static const char *const texts[] = {
		"{\"type\":\"IDENTIFY\",\"name\":\"a\",\"pubkey\":null}",
		"{\"type\":\"CREATE_CHANNEL\",\"channel\":\"#p\","
		    "\"invite_only\":true}",
		"{\"type\":\"PROPOSAL\",\"to\":\"@b\",\"task\":\"t\","
		    "\"amount\":null,\"currency\":null,\"payment_code\":null,"
		    "\"expires\":300,\"terms\":null,\"elo_stake\":null,"
		    "\"sig\":\"c2ln\"}",
		"{\"type\":\"MSG\",\"to\":\"#a\",\"content\":\"x\",\"ts\":1,"
		    "\"sig\":null}",
		"{\"type\":\"SET_PRESENCE\",\"status\":\"away\","
		    "\"status_text\":null}",
		"{\"type\":\"ACCEPT\",\"proposal_id\":\"prop_1\","
		    "\"payment_code\":null,\"sig\":\"c2ln\"}",
		"{\"type\":\"LIST_AGENTS\",\"channel\":\"#a\"}\n",
	};

	for (size_t i = 0; i < AC_COUNTOF(texts); i++)
		assert_accepts(*state, texts[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_type_and_field_is_in_the_table),
		TEST(names_are_found_and_nothing_else),
		TEST(each_type_is_taken_from_its_sides_only),
		TEST(all_fields_of_a_type_are_delivered),
		TEST(required_fields_are_required_in_their_kind),
		TEST(optional_fields_of_another_kind),
		TEST(strings_have_the_length_that_their_field_allows),
		TEST(a_refusal_keeps_a_usable_id),
		TEST(a_message_forgets_the_one_before),
		TEST(white_space_stands_around_everything),
		TEST(what_is_no_object_is_refused),
		TEST(every_cut_is_refused),
		TEST(strings_are_decoded_and_checked),
		TEST(numbers_follow_the_grammar_and_are_finite),
		TEST(int_is_whole_and_exact),
		TEST(keys_are_used_once_however_they_are_written),
		TEST(depth_is_bounded),
		TEST(size_is_bounded_by_side),
		TEST(lists_and_objects_are_walked),
		TEST(gap_has_numbers_where_others_have_agents),
		TEST(any_object_of_ours_is_read_without_a_type),
		TEST(members_that_are_no_fields_are_found_by_name),
		TEST(lists_that_are_no_fields_can_be_unfolded),
		TEST(old_clients_are_understood),
	};

	return cmocka_run_group_tests_name("wire/parse", tests, NULL, NULL);
}
