/*
 * test_wire_emit.c - printing, copying, checks, signed texts; against what
 * node printed (wire_vectors/make.js).
 */
#include "config.h"

#include "unit.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/limits.h"
#include "wire/msg.h"
#include "wire/scan.h"

/* ------------------------------------------------------------ vector files */

struct lines {
	FILE	*f;
	char	*line;
	size_t	 cap;
	size_t	 count;
};

static void
lines_open(struct lines *l, const char *name)
{
	const char *srcdir = getenv("srcdir");
	char path[4096];

	snprintf(path, sizeof(path), "%s/tests/unit/wire_vectors/%s",
	    srcdir != NULL ? srcdir : ".", name);
	*l = (struct lines){ .f = fopen(path, "r") };
	if (l->f == NULL)
		fail_msg("%s: %s", path, strerror(errno));
}

/* Cut the line at sep: what stands before it; *rest is behind. NULL: end. */
static char *
lines_next(struct lines *l, char sep, char **rest)
{
	ssize_t n = getline(&l->line, &l->cap, l->f);
	char *at;

	if (n <= 0)
		return NULL;
	l->count++;
	l->line[n - 1] = '\0';
	at = strchr(l->line, sep);
	assert_non_null(at);
	*at = '\0';
	*rest = at + 1;
	return l->line;
}

static void
lines_close(struct lines *l, size_t at_least)
{
	assert_true(l->count >= at_least);
	free(l->line);
	fclose(l->f);
}

static void
assert_buf(const struct buf *b, const char *want)
{
	assert_int_equal(buf_err(b), 0);
	assert_int_equal(b->len, strlen(b->len != 0 ? b->p : ""));
	assert_string_equal(b->len != 0 ? b->p : "", want);
}

/* --------------------------------------------------------------- as node's */

static void
check_numbers(void)
{
	struct buf b = BUF_INIT;
	struct lines l;
	char *bits, *text;

	lines_open(&l, "numbers");
	while ((bits = lines_next(&l, ' ', &text)) != NULL) {
		uint64_t u = strtoull(bits, NULL, 16);
		double d, back;

		memcpy(&d, &u, sizeof(d));
		buf_clear(&b);
		wire_json_num(&b, d);
		assert_buf(&b, text);
		assert_int_equal(num_parse(text, text + strlen(text), &back),
		    strlen(text));
		assert_true(back == d);
	}
	lines_close(&l, 2500);
	buf_fini(&b);
}

static void
numbers_are_printed_and_read_as_javascript_does(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	check_numbers();
	wire_json_num(&b, HUGE_VAL);
	wire_json_num(&b, -HUGE_VAL);
	wire_json_num(&b, strtod("nan", NULL));
	assert_buf(&b, "nullnullnull");
	buf_fini(&b);
}

/*
 * A locale with a comma, made here: a bare machine has none. False where
 * localedef or the C library can't.
 */
static bool
enter_comma_locale(const char *dir)
{
	char path[128], cmd[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/source", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("LC_NUMERIC\ndecimal_point \",\"\nthousands_sep \".\"\n"
	    "grouping 3;3\nEND LC_NUMERIC\n", f);
	fclose(f);
	/* It warns, with a status, of the categories that we leave out. */
	snprintf(cmd, sizeof(cmd), "localedef -c -i %s %s/xx_XX >%s/log 2>&1 "
	    "|| :", path, dir, dir);
	if (system(cmd) != 0)
		return false;
	setenv("LOCPATH", dir, 1);
	return setlocale(LC_NUMERIC, "xx_XX") != NULL &&
	    localeconv()->decimal_point[0] == ',';
}

/* A library's host may have called setlocale(). */
static void
numbers_have_a_point_where_the_locale_has_a_comma(void **state)
{
	static const char text[] = "{\"limits\":{\"a\":-1234.5}}";
	char dir[] = "/tmp/test_wire.XXXXXX", cmd[64];
	struct buf b = BUF_INIT;
	struct wire_msg m;
	bool entered;

	(void)state;
	assert_non_null(mkdtemp(dir));
	entered = enter_comma_locale(dir);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	assert_int_equal(system(cmd), 0);
	if (!entered)
		skip();
	check_numbers();
	/* What goes through cJSON, too. */
	wire_msg_init(&m);
	assert_int_equal(wire_parse_object(&m, text, sizeof(text) - 1), 0);
	assert_true(wire_member(&m.f[WF_LIMITS], "a").num == -1234.5);
	wire_msg_fini(&m);
	assert_int_equal(wire_canon(&b, text, sizeof(text) - 1), 0);
	assert_buf(&b, text);
	buf_fini(&b);
	setlocale(LC_NUMERIC, "C");
}

static void
strings_are_escaped_as_javascript_does(void **state)
{
	struct buf b = BUF_INIT, raw = BUF_INIT;
	struct lines l;
	char *hex, *json;

	(void)state;
	lines_open(&l, "strings");
	while ((hex = lines_next(&l, ' ', &json)) != NULL) {
		buf_clear(&raw);
		for (; *hex != '\0'; hex += 2) {
			char byte[3] = { hex[0], hex[1], '\0' };

			buf_addc(&raw, (char)strtol(byte, NULL, 16));
		}
		buf_clear(&b);
		wire_json_str(&b, raw.len != 0 ? raw.p : "", raw.len);
		assert_buf(&b, json);
	}
	lines_close(&l, 700);
	buf_fini(&b);
	buf_fini(&raw);
}

static void
canonical_json_is_as_javascript_sorts_and_prints(void **state)
{
	struct buf b = BUF_INIT, again = BUF_INIT;
	struct lines l;
	char *text, *want;

	(void)state;
	lines_open(&l, "canon");
	while ((text = lines_next(&l, '\t', &want)) != NULL) {
		buf_clear(&b);
		assert_int_equal(wire_canon(&b, text, strlen(text)), 0);
		assert_buf(&b, want);
		/* What is canonical stays so. */
		buf_clear(&again);
		assert_int_equal(wire_canon(&again, b.p, b.len), 0);
		assert_buf(&again, want);
	}
	lines_close(&l, 60);
	buf_fini(&b);
	buf_fini(&again);
}

static void
canon_refuses_what_the_parser_refuses(void **state)
{
	static const char *const texts[] = {
		"", "null", "[]", "{\"a\":1,\"a\":2}", "{\"a\":1e999}",
		"{\"a\":\"\\ud800\"}", "{\"a\":\"\\u0000\"}", "{} x",
		"{\"a\":1,",
	};
	struct buf b = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < AC_COUNTOF(texts); i++)
		assert_int_equal(wire_canon(&b, texts[i], strlen(texts[i])),
		    AC_E_INVALID_MSG);
	assert_int_equal(b.len, 0);
	buf_fini(&b);
}

static void
the_signed_text_of_a_message_has_three_fields(void **state)
{
	static const char content[] = "say \"hi\"\\\n\x01\xe2\x80\xa8"
	    "\xf0\x9f\x98\x80";
	struct buf b = BUF_INIT;

	(void)state;
	buf_adds(&b, "before ");
	wire_sign_msg(&b, "#general", content, sizeof(content) - 1,
	    1706889600000);
	assert_buf(&b, "before {\"to\":\"#general\",\"content\":"
	    "\"say \\\"hi\\\"\\\\\\n\\u0001\xe2\x80\xa8\xf0\x9f\x98\x80\","
	    "\"ts\":1706889600000}");
	buf_fini(&b);
}

/* ---------------------------------------------------------------- messages */

static void
fields_come_in_the_order_of_the_calls(void **state)
{
	static const char enc[] = "{\n \"v\" : 1,\r\n\t"
	    "\"box\": \"a \\\" b\\n\" }";
	struct buf b = BUF_INIT;

	(void)state;
	wire_begin(&b, WIRE_MSG);
	wire_puts(&b, WF_FROM, "@a");
	wire_put_str(&b, WF_CONTENT, "x\0y\"", 4);
	wire_put_int(&b, WF_TS, 1706889600000);
	wire_put_int(&b, WF_SEQ, 0);
	wire_put_int(&b, WF_J, INT64_MIN);
	wire_put_num(&b, WF_AMOUNT, 0.1);
	wire_put_bool(&b, WF_VERIFIED, false);
	wire_put_bool(&b, WF_REPLAY, true);
	wire_put_raw(&b, WF_ENC, enc, sizeof(enc) - 1);
	wire_end(&b);
	assert_buf(&b, "{\"type\":\"MSG\",\"from\":\"@a\","
	    "\"content\":\"x\\u0000y\\\"\",\"ts\":1706889600000,\"seq\":0,"
	    "\"j\":-9223372036854775808,\"amount\":0.1,\"verified\":false,"
	    "\"replay\":true,\"enc\":{\"v\":1,\"box\":\"a \\\" b\\n\"}}");
	/* The next one on a line of its own. */
	buf_addc(&b, '\n');
	wire_begin(&b, WIRE_PONG);
	wire_end(&b);
	assert_non_null(strstr(b.p, "}}\n{\"type\":\"PONG\"}"));
	buf_fini(&b);
}

static void
json_of_our_own_gets_its_commas(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	buf_addc(&b, '{');
	wire_json_key(&b, "a\n");
	wire_json_num(&b, 1.5);
	wire_json_key(&b, "list");
	buf_addc(&b, '[');
	for (int i = 0; i < 3; i++) {
		wire_json_sep(&b);
		wire_json_str(&b, "[{", 2);
	}
	wire_json_sep(&b);
	buf_adds(&b, "[]");
	wire_json_sep(&b);
	buf_addc(&b, '{');
	wire_json_key(&b, "k");
	wire_json_int(&b, -7);
	buf_adds(&b, "}]}");
	assert_buf(&b, "{\"a\\n\":1.5,\"list\":[\"[{\",\"[{\",\"[{\",[],"
	    "{\"k\":-7}]}");
	buf_fini(&b);
}

static void
bytes_that_are_no_text_are_replaced(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	wire_json_str(&b, "a\xff" "b\xc3\xc3\xa9\xed\xa0\x80\xe2\x82", 11);
	assert_buf(&b, "\"a\xef\xbf\xbd" "b\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd"
	    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	buf_fini(&b);
}

/* Each message that is printed is one that is understood. */
static void
what_is_printed_is_parsed_again(void **state)
{
	static const char content[] = "\x01\t\"\\/ \x7f \xc3\xa9\xe2\x80\xa8"
	    "\xf0\x9f\x98\x80 and a long plain tail";
	struct buf b = BUF_INIT;
	struct wire_msg m;

	(void)state;
	wire_msg_init(&m);
	wire_begin(&b, WIRE_MSG);
	wire_puts(&b, WF_FROM, "@a");
	wire_puts(&b, WF_TO, "#a");
	wire_put_str(&b, WF_CONTENT, content, sizeof(content) - 1);
	wire_put_num(&b, WF_TS, 1.5);
	wire_put_int(&b, WF_SEQ, 9007199254740992);
	wire_end(&b);
	assert_int_equal(wire_parse(&m, b.p, b.len, WIRE_FROM_RELAY), 0);
	assert_string_equal(wire_str(&m, WF_CONTENT), content);
	assert_true(m.f[WF_TS].num == 1.5);
	assert_true(wire_int(&m, WF_SEQ, -1) == 9007199254740992);
	wire_msg_fini(&m);
	buf_fini(&b);
}

static void
failure_to_grow_shows_at_the_end(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	b.failed = true;
	wire_begin(&b, WIRE_MSG);
	wire_puts(&b, WF_TO, "#a");
	wire_put_int(&b, WF_TS, 1);
	wire_put_raw(&b, WF_ENC, "{ }", 3);
	wire_json_key(&b, "\n");
	wire_end(&b);
	assert_int_equal(buf_err(&b), -ENOMEM);
	assert_int_equal(wire_copy_without(&b, "{\"a\":1}", 7, NULL, 0),
	    -ENOMEM);
	assert_int_equal(wire_canon(&b, "{\"a\":1}", 7), -ENOMEM);
	assert_int_equal(b.len, 0);
	buf_fini(&b);
}

/* Whatever its length, and wherever in it what can't stand for itself is. */
static void
an_odd_byte_is_found_at_every_place(void **state)
{
	static const struct {
		char byte;
		const char *printed;
	} odd[] = {
		{ '"', "\\\"" }, { '\\', "\\\\" }, { '\n', "\\n" },
		{ '\x1f', "\\u001f" }, { '\xff', "\xef\xbf\xbd" },
		{ '\x7f', "\x7f" }, { ' ', " " }, { '#', "#" }, { ']', "]" }
	};
	struct buf b = BUF_INIT;
	char in[40], want[64];

	(void)state;
	for (size_t len = 1; len < sizeof(in); len++)
		for (size_t at = 0; at < len; at++)
			for (size_t i = 0; i < AC_COUNTOF(odd); i++) {
				/* What follows is one off from the quotes. */
				memset(in, at % 2 ? '#' : ']', len);
				in[at] = odd[i].byte;
				snprintf(want, sizeof(want), "\"%.*s%s%.*s\"",
				    (int)at, in, odd[i].printed,
				    (int)(len - at - 1), in + at + 1);
				wire_json_str(&b, in, len);
				assert_buf(&b, want);
				buf_clear(&b);
			}
	buf_fini(&b);
}

static void
whole_numbers_of_every_length(void **state)
{
	struct buf b = BUF_INIT;
	char want[32];

	(void)state;
	for (int64_t n = 1; n <= INT64_MAX / 10; n *= 10)
		for (int64_t d = -1; d <= 1; d++)
			for (int sign = -1; sign <= 1; sign += 2) {
				wire_json_int(&b, sign * (n + d));
				snprintf(want, sizeof(want), "%lld",
				    (long long)(sign * (n + d)));
				assert_buf(&b, want);
				buf_clear(&b);
			}
	wire_json_int(&b, INT64_MAX);
	wire_json_int(&b, INT64_MIN);
	assert_buf(&b, "9223372036854775807-9223372036854775808");
	buf_fini(&b);
}

/* ---------------------------------------------------------------- copying */

static void
copy_is(const char *text, const enum wire_field *f, size_t n, const char *want)
{
	struct buf b = BUF_INIT;

	assert_int_equal(wire_copy_without(&b, text, strlen(text), f, n), 0);
	assert_buf(&b, want);
	buf_fini(&b);
}

static void
copies_all_but_the_named_fields(void **state)
{
	static const enum wire_field drop[] = { WF_REPLAY, WF_J, WF_FROM };
	struct buf b = BUF_INIT;

	(void)state;
	copy_is("{\"a\":1}", NULL, 0, "{\"a\":1");
	copy_is("{}", drop, 3, "{");
	copy_is("{\"j\":1}", drop, 3, "{");
	copy_is(" {\n\"j\" : 1 ,\t\"frob\" : [ 1 , { \"j\" : 1.50e+1 } ] ,"
	    "\"replay\":{\"x\":[1,2]},\"b\" : \"\\u0041 \\\"\\/ {j}\" } ",
	    drop, 3, "{\"frob\":[1,{\"j\":1.50e+1}],"
	    "\"b\":\"\\u0041 \\\"\\/ {j}\"");
	/* However its name is written; and only if it is all of the name. */
	copy_is("{\"\\u0066rom\":\"@x\",\"fro\":1,\"from_name\":2,\"From\":3}",
	    drop, 3, "{\"fro\":1,\"from_name\":2,\"From\":3");

	static const char in[] = "{\"type\":\"MSG\",\"from\":\"@x\"}";
	struct wire_msg m;

	wire_msg_init(&m);
	assert_int_equal(wire_parse(&m, in, sizeof(in) - 1, WIRE_FROM_CLIENT),
	    AC_E_INVALID_MSG);
	assert_int_equal(wire_parse_object(&m, in, sizeof(in) - 1), 0);
	assert_int_equal(wire_msg_copy_without(&b, &m, drop, 3), 0);
	assert_buf(&b, "{\"type\":\"MSG\"");
	wire_msg_fini(&m);
	buf_clear(&b);

	assert_int_equal(wire_copy_without(&b, in, sizeof(in) - 1, drop, 3),
	    0);
	wire_puts(&b, WF_FROM, "@y");
	wire_end(&b);
	assert_buf(&b, "{\"type\":\"MSG\",\"from\":\"@y\"}");
	buf_clear(&b);
	assert_int_equal(wire_copy_without(&b, "{\"j\":1}", 7, drop, 3), 0);
	wire_puts(&b, WF_FROM, "@y");
	wire_end(&b);
	assert_buf(&b, "{\"from\":\"@y\"}");
	buf_clear(&b);
	assert_int_equal(wire_copy_without(&b, "{\"j\":1", 6, drop, 3),
	    AC_E_INVALID_MSG);
	assert_int_equal(b.len, 0);
	buf_fini(&b);
}

/* ----------------------------------------------------------------- checks */

static void
names_are_letters_digits_and_two_signs(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", "a/b", "a b", "a.b", "\xc3\xa9", "a\n", "a\\",
		"@a", "#a", "123456789012345678901234567890123", "a*", "~",
	};
	char buf[64];

	(void)state;
	for (int c = 0; c < 256; c++) {
		char name[1] = { (char)c };
		bool ok = c < 128 && c != 0 && strchr("ABCDEFGHIJKLMNOPQRSTUVW"
		    "XYZabcdefghijklmnopqrstuvwxyz0123456789_-", c) != NULL;

		assert_int_equal(wire_agent_name_ok(name, 1), ok);
	}
	assert_true(wire_agent_name_ok("12345678901234567890123456789012", 32));
	assert_false(wire_agent_name_ok("a\0b", 3));
	for (size_t i = 0; i < AC_COUNTOF(bad); i++) {
		size_t n = strlen(bad[i]);

		assert_false(wire_agent_name_ok(bad[i], n));
		snprintf(buf, sizeof(buf), "#%s", bad[i]);
		assert_false(wire_channel_ok(buf, n + 1));
		buf[0] = '@';
		assert_false(wire_agent_id_ok(buf, n + 1));
		assert_false(wire_channel_ok(bad[i], 0));
		assert_false(wire_agent_id_ok(bad[i], 0));
	}
	assert_true(wire_channel_ok("#a", 2));
	assert_true(wire_channel_ok("#1234567890123456789012345678901", 32));
	assert_false(wire_channel_ok("#12345678901234567890123456789012", 33));
	assert_false(wire_channel_ok("a", 1));
	assert_false(wire_channel_ok("##a", 3));
	assert_false(wire_channel_ok("#@../../x", 9));
	assert_true(wire_agent_id_ok("@server", 7));
	assert_true(wire_agent_id_ok("@12345678901234567890123456789012", 33));
	assert_false(wire_agent_id_ok("@123456789012345678901234567890123",
	    34));
	assert_false(wire_agent_id_ok("#a", 2));
}

/* All lengths of lead bytes, the edges of each range. */
static void
utf8_is_well_formed_or_not(void **state)
{
	static const struct { const char *s; size_t units; } good[] = {
		{ "", 0 }, { "plain", 5 }, { "\x01\x7f", 2 },
		{ "\xc2\x80\xdf\xbf", 2 },
		{ "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf", 4 },
		{ "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 4 },
		{ "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 5 },
	};
	static const char *const bad[] = {
		"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x7f",
		"\xc2\xc0", "\xe0\x9f\xbf", "\xe1\x80", "\xe1\x80\x7f",
		"\xe1\x7f\x80", "\xed\xa0\x80", "\xef\xbf", "\xf0\x8f\xbf\xbf",
		"\xf0\x90\x80", "\xf0\x90\x80\x7f", "\xf1\x80\x7f\x80",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "ok\xfe",
	};

	(void)state;
	for (size_t i = 0; i < AC_COUNTOF(good); i++) {
		assert_true(wire_utf8_ok(good[i].s, strlen(good[i].s)));
		assert_int_equal(wire_utf16_len(good[i].s,
		    strlen(good[i].s)), good[i].units);
	}
	for (size_t i = 0; i < AC_COUNTOF(bad); i++)
		assert_false(wire_utf8_ok(bad[i], strlen(bad[i])));
	assert_false(wire_utf8_ok("a\0b", 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    numbers_are_printed_and_read_as_javascript_does),
		cmocka_unit_test(
		    numbers_have_a_point_where_the_locale_has_a_comma),
		cmocka_unit_test(strings_are_escaped_as_javascript_does),
		cmocka_unit_test(
		    canonical_json_is_as_javascript_sorts_and_prints),
		cmocka_unit_test(canon_refuses_what_the_parser_refuses),
		cmocka_unit_test(the_signed_text_of_a_message_has_three_fields),
		cmocka_unit_test(fields_come_in_the_order_of_the_calls),
		cmocka_unit_test(json_of_our_own_gets_its_commas),
		cmocka_unit_test(bytes_that_are_no_text_are_replaced),
		cmocka_unit_test(what_is_printed_is_parsed_again),
		cmocka_unit_test(failure_to_grow_shows_at_the_end),
		cmocka_unit_test(an_odd_byte_is_found_at_every_place),
		cmocka_unit_test(whole_numbers_of_every_length),
		cmocka_unit_test(copies_all_but_the_named_fields),
		cmocka_unit_test(names_are_letters_digits_and_two_signs),
		cmocka_unit_test(utf8_is_well_formed_or_not),
	};

	return cmocka_run_group_tests_name("wire/emit", tests, NULL, NULL);
}
