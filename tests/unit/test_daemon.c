/*
 * test_daemon.c - pacing, the cursor file, items, receipts, the digest: the
 * daemon's parts that need neither relay nor clock.
 */
#include "config.h"

#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/rnd.h"
#include "daemon/cursor.h"
#include "daemon/digest.h"
#include "daemon/item.h"
#include "daemon/outcome.h"
#include "daemon/roster.h"
#include "daemon/seen.h"
#include "lib/pace.h"
#include "ident/ident.h"
#include "spool/spool.h"

/* -------------------------------------------------------------- pacing */

static void
pace_never_exceeds_the_relays_bucket(void **state)
{
	struct pace p;
	double bucket = 10;	/* the relay's: 10, and 2 per second */
	int64_t now = 1000, last = now;
	int sent = 0;

	(void)state;
	pace_init(&p, 2, 10, now);
	while (now < 1000 + 600000) {
		if (pace_take(&p, now)) {
			bucket += (double)(now - last) * 2 / 1000;
			if (bucket > 10)
				bucket = 10;
			last = now;
			assert_true(bucket >= 1);
			bucket -= 1;
			sent++;
		} else {
			assert_true(pace_wait_ms(&p, now) > 0);
			now += pace_wait_ms(&p, now);
			assert_int_equal(pace_wait_ms(&p, now), 0);
		}
	}
	/* And not much slower either. */
	assert_in_range(sent, 1170, 1210);
}

static void
pace_takes_the_protocols_default_where_none_is_told(void **state)
{
	struct pace p;
	int n = 0;

	(void)state;
	pace_init(&p, 0, 0, 0);
	while (pace_take(&p, 0))
		n++;
	assert_int_equal(n, 9);
	assert_in_range(pace_wait_ms(&p, 0), 1000, 1100);
}

static void
pace_slows_down_when_refused_and_never_stops(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p, 1, 10, 0);
	for (int64_t now = 0; now < 100; now++)
		pace_refused(&p, now, 0, now);
	assert_false(pace_take(&p, 99));
	assert_in_range(pace_wait_ms(&p, 99), 1000, 5100);
	assert_true(pace_take(&p, 5200));
	assert_false(pace_take(&p, 5200));
}

/* A window of 256 that is refused as a whole is one refusal. */
static void
pace_takes_a_refused_window_for_one_refusal(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p, 1000, 100, 0);
	for (int64_t i = 0; i < 256; i++)
		pace_refused(&p, 10, 0, 20 + i);
	assert_in_range(pace_wait_ms(&p, 276), 0, 2);
	for (int i = 0; i < 20; i++)
		assert_true(pace_take(&p, 400));
}

static void
pace_comes_back_to_what_the_relay_told(void **state)
{
	int64_t now = 0, began;
	struct pace p;

	(void)state;
	pace_init(&p, 1000, 100, 0);
	for (; now < 1000; now++)
		pace_refused(&p, now, 0, now);
	for (int i = 0; i < 1000; i++) {
		now += pace_wait_ms(&p, now);
		assert_true(pace_take(&p, now));
	}
	began = now;
	for (int i = 0; i < 1000; i++) {
		now += pace_wait_ms(&p, now);
		assert_true(pace_take(&p, now));
	}
	assert_in_range(now - began, 800, 1100);
}

static void
pace_waits_as_long_as_the_relay_asks(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p, 1000, 100, 0);
	pace_refused(&p, 5, 700, 10);
	assert_int_equal(pace_wait_ms(&p, 10), 700);
	assert_false(pace_take(&p, 709));
	assert_true(pace_take(&p, 710));
	/* Nobody can be made to wait for ever. */
	pace_refused(&p, 710, INT64_MAX, 711);
	assert_in_range(pace_wait_ms(&p, 711), 1, 60000);
	/* It was not the rate. */
	for (int i = 0; i < 90; i++)
		assert_true(pace_take(&p, 60711));
}

/* -------------------------------------------------------------- cursor */

static void
cursor_survives_being_printed_and_read(void **state)
{
	struct cursor a, b;
	struct buf text = BUF_INIT;
	char name[32];

	(void)state;
	cursor_init(&a);
	cursor_init(&b);
	a.local = 17;
	assert_int_equal(cursor_set_mailbox(&a, "e1", 5), 0);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "#c%d", i);
		assert_int_equal(cursor_set(&a, name, i % 2 ? "e1" : "",
		    (uint64_t)i), 0);
	}
	cursor_forget(&a, "#c7");
	assert_true(cursor_print(&a, false, &text));	/* one is forgotten */
	assert_int_equal(buf_err(&text), 0);
	assert_int_equal(cursor_parse(&b, text.p, text.len), 0);
	assert_int_equal(b.local, 17);
	assert_int_equal(b.mailbox.seq, 5);
	assert_string_equal(b.mailbox.epoch, "e1");
	assert_null(cursor_get(&b, "#c7"));
	assert_int_equal(b.channels.count, 299);
	assert_int_equal(cursor_get(&b, "#c299")->seq, 299);
	assert_string_equal(cursor_get(&b, "#c298")->epoch, "");
	cursor_fini(&a);
	cursor_fini(&b);
	buf_fini(&text);
}

static void
cursor_counts_what_was_appended_last(void **state)
{
	struct cursor a, b;
	struct buf text = BUF_INIT;
	size_t block[4], n = 0;

	(void)state;
	cursor_init(&a);
	assert_int_equal(cursor_set(&a, "#a", "e1", 1), 0);
	assert_int_equal(cursor_set(&a, "#b", "e1", 1), 0);
	assert_true(cursor_print(&a, true, &text));
	block[n++] = text.len;
	/* Nothing has changed: nothing to append. */
	assert_false(cursor_print(&a, false, &text));
	assert_int_equal(text.len, block[0]);
	for (uint64_t seq = 2; seq <= 4; seq++) {
		assert_int_equal(cursor_set(&a, "#a", "e1", seq), 0);
		a.local = seq;
		if (seq == 3)
			assert_int_equal(cursor_set_mailbox(&a, "e", 7), 0);
		assert_false(cursor_print(&a, false, &text));
		block[n++] = text.len;
	}
	cursor_fini(&a);
	assert_null(strstr(text.p + block[0], "#b"));
	/* However much of it the disk has: the last block that is whole. */
	for (size_t len = 0; len <= text.len; len++) {
		cursor_init(&b);
		for (n = 0; n < AC_COUNTOF(block) && block[n] <= len; n++)
			;
		assert_int_equal(cursor_parse(&b, text.p, len),
		    n > 0 ? 0 : -EINVAL);
		if (n > 0) {
			assert_int_equal(cursor_get(&b, "#a")->seq, n);
			assert_int_equal(cursor_get(&b, "#b")->seq, 1);
			assert_int_equal(b.local, n == 1 ? 0 : n);
			assert_int_equal(b.mailbox.seq, n >= 3 ? 7 : 0);
			assert_true(b.renew);
		}
		cursor_fini(&b);
	}
	/*
	 * Any byte: in the last block a crash did it, before that none. (Two
	 * that have grown together for want of an end are the last one.)
	 */
	for (size_t at = 0; at < text.len; at++) {
		size_t end = block[2] - strlen("end 01234567\n");
		bool joins = (at >= end - 1 && at < end + strlen("end ")) ||
		    at == block[2] - 1;

		text.p[at] ^= 0x10;
		cursor_init(&b);
		assert_int_equal(cursor_parse(&b, text.p, text.len),
		    at < block[2] && !joins ? -EINVAL : 0);
		if (at >= block[2] || joins)
			assert_int_equal(cursor_get(&b, "#a")->seq,
			    joins ? 2 : 3);
		cursor_fini(&b);
		text.p[at] ^= 0x10;
	}
	text.p[block[0] + 1] = '\0';
	cursor_init(&b);
	cursor_salvage(&b, text.p, text.len);
	assert_int_equal(cursor_get(&b, "#a")->seq, 4);
	assert_int_equal(cursor_get(&b, "#b")->seq, 1);
	cursor_fini(&b);
	buf_fini(&text);
}

static void
cursor_reads_the_first_version(void **state)
{
	static const char text[] = "agentchat-cursor 1\nlocal 17\n"
	    "mailbox 5 e1\nchannel #a 12 -\n";
	struct cursor c;

	(void)state;
	cursor_init(&c);
	assert_int_equal(cursor_parse(&c, text, strlen(text)), 0);
	assert_int_equal(c.local, 17);
	assert_int_equal(c.mailbox.seq, 5);
	assert_int_equal(cursor_get(&c, "#a")->seq, 12);
	assert_true(c.renew);
	cursor_fini(&c);
}

static void
cursor_refuses_what_could_not_be_read_again(void **state)
{
	char longest[CURSOR_EPOCH_MAX + 1];
	struct cursor c;

	(void)state;
	memset(longest, 'e', CURSOR_EPOCH_MAX);
	longest[CURSOR_EPOCH_MAX] = '\0';
	cursor_init(&c);
	assert_int_equal(cursor_set(&c, "#a", "two words", 1), -EINVAL);
	assert_int_equal(cursor_set(&c, "#a", "line\nmailbox 9 x", 1),
	    -EINVAL);
	assert_int_equal(cursor_set(&c, "#a", "-", 1), -EINVAL);
	assert_int_equal(cursor_set(&c, "#a", longest, 1), -EINVAL);
	assert_int_equal(cursor_set(&c, "#a", "e", UINT64_MAX), -EINVAL);
	assert_null(cursor_get(&c, "#a"));
	cursor_fini(&c);
}

static void
cursor_takes_no_damaged_file_for_a_position(void **state)
{
	static const char *const bad[] = {
		"", "agentchat-cursor 3\n", "agentchat-cursor 1",
		"agentchat-cursor 2\n", "agentchat-cursor 2\nlocal 1\n",
		"agentchat-cursor 2\nlocal 1\nend 00000000\n",
		"agentchat-cursor 1\nlocal 1", "agentchat-cursor 1\nlocal -1\n",
		"agentchat-cursor 1\nlocal x\n",
		"agentchat-cursor 1\nchannel #a 5\n",
		"agentchat-cursor 1\nchannel #a 5x e\n",
		"agentchat-cursor 1\nchannel #a 5 e f\n",
		"agentchat-cursor 1\nmailbox 99999999999999999999 e\n",
		"agentchat-cursor 1\n\n", "agentchat-cursor 1\nwhat 1 e\n",
	};

	(void)state;
	for (size_t i = 0; i < AC_COUNTOF(bad); i++) {
		struct cursor c;

		cursor_init(&c);
		assert_int_equal(cursor_parse(&c, bad[i], strlen(bad[i])),
		    -EINVAL);
		cursor_fini(&c);
	}
}

/* ---------------------------------------------------------------- seen */

static void
seen_forgets_the_oldest_only(void **state)
{
	char key[SEEN_KEY_LEN + 1];
	struct seen *s;

	(void)state;
	assert_int_equal(seen_new(&s, 100), 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "%064d", i);
		assert_false(seen_has(s, key));
		seen_add(s, key);
		seen_add(s, key);
		assert_true(seen_has(s, key));
		snprintf(key, sizeof(key), "%064d", i - 99);
		assert_int_equal(seen_has(s, key), i >= 99);
		snprintf(key, sizeof(key), "%064d", i - 100);
		assert_false(seen_has(s, key));
	}
	seen_free(s);
}

static void
read_object(struct wire_msg *m, const char *text)
{
	assert_int_equal(wire_parse_object(m, text, strlen(text)), 0);
}

static void
seen_knows_a_message_by_its_id_or_else_by_what_it_says(void **state)
{
	static const char *const texts[] = {
		"{\"from\":\"@a\",\"content\":\"x\",\"ts\":1,\"msg_id\":\"m\"}",
		"{\"from\":\"@b\",\"content\":\"y\",\"ts\":2,\"msg_id\":\"m\"}",
		"{\"from\":\"@a\",\"content\":\"x\",\"ts\":1}",
		"{\"ts\":1,\"content\":\"x\",\"from\":\"@a\",\"replay\":true}",
		"{\"from\":\"@a\",\"content\":\"x\",\"ts\":2}",
		"{\"from\":\"@c\",\"content\":\"x\",\"ts\":1}",
		"{\"from\":\"@a\",\"content\":\"z\",\"ts\":1}",
	};
	char key[AC_COUNTOF(texts)][SEEN_KEY_LEN + 1];
	struct wire_msg m;

	(void)state;
	wire_msg_init(&m);
	for (size_t i = 0; i < AC_COUNTOF(texts); i++) {
		read_object(&m, texts[i]);
		seen_key(&m, key[i]);
	}
	wire_msg_fini(&m);
	assert_string_equal(key[0], key[1]);
	assert_string_equal(key[2], key[3]);
	for (size_t i = 2; i < AC_COUNTOF(texts); i++)
		for (size_t j = i + 1 + (i == 2); j < AC_COUNTOF(texts); j++)
			assert_string_not_equal(key[i], key[j]);
	assert_string_not_equal(key[0], key[2]);
}

static void
seen_knows_what_is_said_again_to_another_relay(void **state)
{
	static const char *const texts[] = {
		"{\"from\":\"@a\",\"to\":\"#x\",\"id\":\"1\",\"content\":\"x\","
		"\"ts\":1,\"msg_id\":\"m\"}",
		"{\"from\":\"@a\",\"to\":\"#x\",\"id\":\"1\",\"content\":\"x\","
		"\"ts\":2,\"msg_id\":\"n\"}",
		"{\"from\":\"@a\",\"to\":\"#x\",\"id\":\"1\",\"content\":\"y\"}",
		"{\"from\":\"@b\",\"to\":\"#x\",\"id\":\"1\",\"content\":\"x\"}",
		"{\"from\":\"@a\",\"to\":\"#y\",\"id\":\"1\",\"content\":\"x\"}",
		"{\"from\":\"@a\",\"to\":\"#x\",\"id\":\"2\",\"content\":\"x\"}",
	};
	static const char *const nameless[] = {
		"{\"from\":\"@a\",\"to\":\"#x\",\"content\":\"x\"}",
		"{\"from\":\"@a\",\"to\":\"@b\",\"id\":\"1\",\"content\":\"x\","
		"\"enc\":{\"v\":1}}",
	};
	char key[AC_COUNTOF(texts)][SEEN_KEY_LEN + 1];
	struct wire_msg m;

	(void)state;
	wire_msg_init(&m);
	for (size_t i = 0; i < AC_COUNTOF(texts); i++) {
		read_object(&m, texts[i]);
		assert_true(seen_said_key(&m, key[i]));
	}
	for (size_t i = 0; i < AC_COUNTOF(nameless); i++) {
		char none[SEEN_KEY_LEN + 1];

		read_object(&m, nameless[i]);
		assert_false(seen_said_key(&m, none));
	}
	wire_msg_fini(&m);
	assert_string_equal(key[0], key[1]);
	for (size_t i = 1; i < AC_COUNTOF(texts); i++)
		for (size_t j = i + 1; j < AC_COUNTOF(texts); j++)
			assert_string_not_equal(key[i], key[j]);
}

/* --------------------------------------------------------------- items */

struct made {
	struct item		 it;
	struct wire_msg		 msg;
	struct item_conf	 conf;
};

static int
made_setup(void **state)
{
	struct made *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	assert_int_equal(ident_init(), 0);
	item_init(&m->it);
	wire_msg_init(&m->msg);
	m->conf.nonce = "nonce";
	m->conf.content_max = 4096;
	*state = m;
	return 0;
}

static int
made_teardown(void **state)
{
	struct made *m = *state;

	item_fini(&m->it);
	wire_msg_fini(&m->msg);
	free(m);
	return 0;
}

static int
make(struct made *m, const char *target, const char *name, const char *body,
    size_t len)
{
	struct spool_item q = { .id = 71, .len = len, .queued_ms = 12345 };
	int rc;

	snprintf(q.target, sizeof(q.target), "%s", target);
	snprintf(q.name, sizeof(q.name), "%s", name);
	rc = item_read(&m->it, &q, body, len, &m->conf);
	if (rc == 0)
		assert_int_equal(wire_parse(&m->msg, m->it.json.p,
		    m->it.json.len, WIRE_FROM_CLIENT), 0);
	else
		assert_true(m->it.why[0] != '\0' &&
		    strchr(m->it.why, '\n') == NULL);
	return rc;
}

static int
make_file(struct made *m, const char *body)
{
	return make(m, "#dev", "x", body, strlen(body));
}

static int
make_line(struct made *m, const char *body)
{
	return make(m, "", "outbox", body, strlen(body));
}

static void
a_file_is_the_text_of_one_message(void **state)
{
	static const struct {
		const char *body, *content;
	} all[] = {
		{ "hi\n", "hi" }, { "hi", "hi" }, { "hi\r\n", "hi" },
		{ "two\nlines\n", "two\nlines" }, { "gap\n\n", "gap\n" },
		{ "  led\n", "  led" }, { "{not json\n", "{not json" },
		{ "{\"a\":1}\n", "{\"a\":1}" }, { "[1]\n", "[1]" },
		{ "\"q\" \\ \xf0\x9f\x98\x80\n", "\"q\" \\ \xf0\x9f\x98\x80" },
		{ "{\"content\":5}\n", "{\"content\":5}" },
	};
	struct made *m = *state;

	for (size_t i = 0; i < AC_COUNTOF(all); i++) {
		assert_int_equal(make_file(m, all[i].body), 0);
		assert_int_equal(m->msg.type, WIRE_MSG);
		assert_string_equal(wire_str(&m->msg, WF_TO), "#dev");
		assert_string_equal(wire_str(&m->msg, WF_CONTENT),
		    all[i].content);
		assert_string_equal(wire_str(&m->msg, WF_ID), "nonce-1z");
		assert_int_equal(wire_int(&m->msg, WF_TS, 0), 12345);
	}
}

static void
a_file_that_is_an_object_with_content_may_say_more(void **state)
{
	struct made *m = *state;

	assert_int_equal(make_file(m, " {\"content\":\"a\",\"in_reply_to\":"
	    "\"m1\",\"id\":\"mine\",\"to\":\"#dev\",\"other\":[1]}\n"), 0);
	assert_string_equal(wire_str(&m->msg, WF_CONTENT), "a");
	assert_string_equal(wire_str(&m->msg, WF_IN_REPLY_TO), "m1");
	assert_string_equal(wire_str(&m->msg, WF_ID), "mine");
	assert_string_equal(m->it.id, "mine");
	/* Elsewhere than into its box is a mistake, not a message. */
	assert_int_equal(make_file(m, "{\"content\":\"a\",\"to\":\"#x\"}"),
	    -EINVAL);
}

static void
what_is_to_be_encrypted_is_never_sent_in_the_clear(void **state)
{
	static const char *const clear[] = {
		"{\"to\":\"@a\",\"content\":\"x\",\"encrypt\":false}",
		"{\"to\":\"@a\",\"content\":\"x\",\"encrypt\":null}",
		"{\"to\":\"@a\",\"content\":\"\\\"encrypt\\\":true\"}",
		"{\"to\":\"@a\",\"content\":\"encrypt\"}",
	};
	static const char *const secret[] = {
		"{\"to\":\"@a\",\"content\":\"x\",\"encrypt\":true}",
		"{\"encrypt\" : true,\"to\":\"@a\",\"content\":\"x\"}",
		"{\"to\":\"@a\",\"content\":\"x\",\"encrypt\":1}",
		"{\"to\":\"@a\",\"content\":\"x\",\"encrypt\":\"no\"}",
		"{\"to\":\"@a\",\"content\":\"encrypt\",\"encrypt\":{}}",
	};
	struct made *m = *state;

	for (size_t i = 0; i < AC_COUNTOF(clear); i++)
		assert_int_equal(make_line(m, clear[i]), 0);
	for (size_t i = 0; i < AC_COUNTOF(secret); i++)
		assert_int_equal(make_line(m, secret[i]), -EINVAL);
}

static void
lines_are_messages_of_the_protocol(void **state)
{
	struct made *m = *state;

	assert_int_equal(make_line(m, "{\"to\":\"@a\",\"content\":\"x\"}"), 0);
	assert_int_equal(m->msg.type, WIRE_MSG);
	assert_string_equal(m->it.target, "@a");
	assert_int_equal(make_line(m, "{\"type\":\"MSG\",\"to\":\"#c\","
	    "\"content\":\"x\",\"id\":null}"), 0);
	assert_string_equal(m->it.target, "#c");
	assert_string_equal(m->it.id, "nonce-1z");
	assert_int_equal(make_line(m, "{\"type\":\"JOIN\","
	    "\"channel\":\"#c\"}"), 0);
	assert_int_equal(m->it.type, WIRE_JOIN);
	assert_string_equal(m->it.target, "#c");
	assert_string_equal(wire_str(&m->msg, WF_ID), "nonce-1z");
	assert_int_equal(make_line(m, "{\"id\":\"i\",\"type\":\"INVITE\","
	    "\"channel\":\"#c\",\"agent\":\"@a\"}"), 0);
	assert_string_equal(m->it.id, "i");
}

static void
what_can_not_be_sent_says_why(void **state)
{
	static const char *const bad[] = {
		"", "{", "nonsense", "[]", "null", "{}", "5",
		"{\"content\":\"x\"}", "{\"to\":\"#c\"}",
		"{\"to\":\"c\",\"content\":\"x\"}",
		"{\"to\":\"#../c\",\"content\":\"x\"}",
		"{\"to\":\"#c\",\"content\":\"\"}",
		"{\"to\":\"#c\",\"content\":5}",
		"{\"to\":5,\"content\":\"x\"}",
		"{\"to\":\"#c\",\"content\":\"x\",\"id\":\"\"}",
		"{\"to\":\"#c\",\"to\":\"#d\",\"content\":\"x\"}",
		"{\"to\":\"#c\",\"content\":\"\\ud800\"}",
		"{\"to\":\"#c\",\"content\":\"\\u0000\"}",
		"{\"to\":\"#c\",\"content\":\"x\"} y",
		"{\"type\":\"JOIN\"}", "{\"type\":\"NONE\"}",
		"{\"type\":\"WELCOME\",\"agent_id\":\"@a\"}",
		"{\"type\":\"IDENTIFY\",\"name\":\"n\"}",
		"{\"type\":\"ACK\",\"mailbox_seq\":1}", "{\"type\":\"PING\"}",
	};
	struct made *m = *state;
	char text[4200];

	for (size_t i = 0; i < AC_COUNTOF(bad); i++)
		assert_int_equal(make_line(m, bad[i]), -EINVAL);
	assert_int_equal(make_file(m, ""), -EINVAL);
	assert_int_equal(make_file(m, "\n"), -EINVAL);
	assert_int_equal(make_file(m, "\xff\xfe"), -EINVAL);
	assert_int_equal(make(m, "#dev", "x", "a\0b", 3), -EINVAL);
	assert_int_equal(make(m, "@other", "x", "hi", 2), 0);
	assert_int_equal(make(m, "", "outbox.broken",
	    "{\"to\":\"#c\",\"content\":\"x\"}", 26), -EINVAL);
	memset(text, 'a', sizeof(text));
	assert_int_equal(make(m, "#dev", "x", text, 4096), 0);
	assert_int_equal(make(m, "#dev", "x", text, 4097), -EINVAL);
}

static void
the_same_item_gives_the_same_bytes(void **state)
{
	struct made *m = *state;
	struct ident *id;
	char *first;

	assert_int_equal(ident_generate(&id, "n"), 0);
	m->conf.ident = id;
	assert_int_equal(make_file(m, "hi"), 0);
	assert_true(wire_has(&m->msg, WF_SIG));
	first = strndup(m->it.json.p, m->it.json.len);
	assert_int_equal(make_file(m, "hi"), 0);
	assert_string_equal(m->it.json.p, first);
	free(first);
	m->conf.ident = NULL;
	ident_free(id);
}

/* ------------------------------------------------------------ receipts */

static void
receipts_are_named_by_target_file_and_number(void **state)
{
	char name[OUTCOME_NAME_MAX], longest[512];

	(void)state;
	outcome_name(name, "#general", "hello", 12);
	assert_string_equal(name, "#general.hello.12.json");
	outcome_name(name, "", "outbox", 1);
	assert_string_equal(name, "relay.outbox.1.json");
	outcome_name(name, "@a", "../../etc/pass wd\n", 3);
	assert_string_equal(name, "@a..._.._etc_pass_wd_.3.json");
	outcome_name(name, ".x", "\xff/\x1b[31m", 3);
	assert_string_equal(name, "_x.____31m.3.json");
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	outcome_name(name, longest, longest, UINT64_MAX);
	assert_true(strlen(name) + strlen(".reason") < 255);
	assert_non_null(strstr(name, ".18446744073709551615.json"));
}

static void
slurp(int dir, const char *name, struct buf *b)
{
	buf_clear(b);
	assert_int_equal(spool_slurp(dir, name, 65536, b), 0);
}

static int
open_tmp(char *path)
{
	int fd;

	assert_non_null(mkdtemp(path));
	fd = open(path, O_RDONLY | O_DIRECTORY);
	assert_true(fd != -1);
	return fd;
}

static void
remove_tmp(int fd, const char *path)
{
	struct dirent *de;
	DIR *d = fdopendir(fd);

	assert_non_null(d);
	while ((de = readdir(d)) != NULL)
		unlinkat(fd, de->d_name, 0);
	closedir(d);
	rmdir(path);
}

static void
what_failed_can_be_sent_again_and_its_reason_is_one_line(void **state)
{
	char path[] = "/tmp/test-daemon-XXXXXX";
	struct outcome o = { .target = "#c", .name = "f", .queue_id = 5,
	    .id = "n-5" };
	struct buf b = BUF_INIT;
	int dir = open_tmp(path);

	(void)state;
	assert_int_equal(outcome_failed(dir, &o, "say \"x\"\n", 8,
	    "NOT_INVITED: no\n\x1b[2Jreally"), 0);
	slurp(dir, "#c.f.5.json", &b);
	assert_string_equal(b.p,
	    "{\"to\":\"#c\",\"content\":\"say \\\"x\\\"\\n\"}\n");
	slurp(dir, "#c.f.5.json.reason", &b);
	assert_string_equal(b.p, "NOT_INVITED: no  [2Jreally\n");
	/* What was JSON stays as it was; what was neither, too. */
	assert_int_equal(outcome_failed(dir, &o, "{\"a\":1}", 7, "x"), 0);
	slurp(dir, "#c.f.5.json", &b);
	assert_string_equal(b.p, "{\"a\":1}\n");
	assert_int_equal(outcome_failed(dir, &o, "\xff\xfe", 2, "x"), 0);
	slurp(dir, "#c.f.5.json", &b);
	assert_string_equal(b.p, "\xff\xfe\n");
	buf_fini(&b);
	remove_tmp(dir, path);
}

static void
a_receipt_says_what_the_relay_made_of_it(void **state)
{
	char path[] = "/tmp/test-daemon-XXXXXX";
	struct outcome o = { .target = "#c", .name = "f", .queue_id = 5,
	    .id = "n-5", .queued_ms = 7, .ts = 9, .seq = 3,
	    .msg_id = "e-1" };
	struct buf b = BUF_INIT;
	int dir = open_tmp(path);

	(void)state;
	assert_int_equal(outcome_sent(dir, &o), 0);
	slurp(dir, "#c.f.5.json", &b);
	assert_string_equal(b.p, "{\"target\":\"#c\",\"id\":\"n-5\",\"ts\":9,"
	    "\"seq\":3,\"msg_id\":\"e-1\",\"queued_ms\":7}\n");
	buf_fini(&b);
	remove_tmp(dir, path);
}

/* -------------------------------------------------------------- digest */

static void
quoted_text_stays_in_its_line_and_its_quotes(void **state)
{
	static const struct {
		const char *in, *out;
	} all[] = {
		{ "plain", "\"plain\"" },
		{ "a\n# Heading\n- item", "\"a\\n# Heading\\n- item\"" },
		{ "\" and out \\", "\"\\\" and out \\\\\"" },
		{ "\x1b[31mred\r", "\"\\u001b\\u005b31mred\\u000d\"" },
		{ "`rm` <b> [x](y)",
		    "\"\\u0060rm\\u0060 \\u003cb\\u003e \\u005bx\\u005d(y)\"" },
		{ "\xe2\x80\xae" "bidi\xe2\x80\x8b",
		    "\"\\u202ebidi\\u200b\"" },
		{ "\xc2\x9b" "csi\xc2\xad", "\"\\u009bcsi\\u00ad\"" },
		{ "\xf0\x9f\x98\x80 \xc3\xa9",
		    "\"\xf0\x9f\x98\x80 \xc3\xa9\"" },
		{ "\xf3\xa0\x80\x81tag", "\"\\u{e0001}tag\"" },
	};
	struct buf b = BUF_INIT;
	bool cut;

	(void)state;
	for (size_t i = 0; i < AC_COUNTOF(all); i++) {
		buf_clear(&b);
		digest_quote(&b, all[i].in, strlen(all[i].in), 400, &cut);
		assert_string_equal(b.p, all[i].out);
		assert_false(cut);
	}
	buf_clear(&b);
	digest_quote(&b, "0123456789", 10, 4, &cut);
	assert_true(cut);
	assert_string_equal(b.p, "\"0123\"");
	buf_fini(&b);
}

static void
the_digest_is_newest_first_and_bounded(void **state)
{
	char path[] = "/tmp/test-daemon-XXXXXX", name[SPOOL_NAME_MAX];
	char msg[1024], cmd[64];
	struct buf b = BUF_INIT;
	struct spool_box *box;
	struct digest *g;
	struct spool *sp;

	(void)state;
	assert_non_null(mkdtemp(path));
	assert_int_equal(spool_open(&sp, AT_FDCWD, path, true), 0);
	assert_int_equal(spool_box(sp, "#c", true, &box), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(spool_name(name, 1700000000000 + i,
		    (uint64_t)i, "@a"), 0);
		snprintf(msg, sizeof(msg), "{\"type\":\"MSG\",\"from\":\"@a\","
		    "\"to\":\"#c\",\"content\":\"number %d %0500d\","
		    "\"ts\":%lld}\n", i, 0, 1700000000000LL + i);
		assert_int_equal(spool_stage(box, name, msg, strlen(msg),
		    NULL), 0);
		assert_int_equal(spool_publish(box, name, false), 0);
	}
	assert_int_equal(digest_new(&g), 0);
	digest_add_box(g, box);
	digest_print(g, 100, &b);
	assert_int_equal(buf_err(&b), 0);
	assert_true(b.len <= DIGEST_MAX);
	assert_true(b.len > DIGEST_MAX / 2);
	assert_int_equal(strncmp(b.p, "# Unread: 100\n", 14), 0);
	assert_non_null(strstr(b.p, "There is more"));
	assert_non_null(strstr(b.p, "\"number 99 "));
	assert_true(strstr(b.p, "number 99 ") < strstr(b.p, "number 98 "));
	assert_null(strstr(b.p, "number 0 "));
	digest_free(g);
	buf_fini(&b);
	spool_close(sp);
	snprintf(cmd, sizeof(cmd), "rm -r %s", path);
	assert_int_equal(system(cmd), 0);
}

/* -------------------------------------------------------------- roster */

static void
a_roster_holds_ids_and_names_and_nothing_else(void **state)
{
	static const char joined[] = "{\"type\":\"JOINED\",\"channel\":\"#c\","
	    "\"agents\":[\"@b\",\"@a\",\"x\",5,\"@../y\",\"@a\"],"
	    "\"names\":{\"@b\":\"bob\",\"@a\":\"new\\nline\",\"@z\":\"no\"}}";
	char path[] = "/tmp/test-daemon-XXXXXX";
	struct buf b = BUF_INIT;
	int dir = open_tmp(path);
	struct wire_msg m;
	struct map map;

	(void)state;
	map_init(&map);
	wire_msg_init(&m);
	assert_int_equal(wire_parse(&m, joined, strlen(joined),
	    WIRE_FROM_RELAY), 0);
	roster_fill(&map, &m);
	assert_int_equal(roster_write(&map, dir), 0);
	slurp(dir, "agents", &b);
	assert_string_equal(b.p, "@a\n@b bob\n");
	roster_add(&map, "@c", "carol");
	roster_add(&map, "@d", "d\x1b[2J");
	roster_del(&map, "@a");
	assert_true(roster_rename(&map, "@b", "bobby"));
	assert_false(roster_rename(&map, "@nobody", "x"));
	assert_int_equal(roster_write(&map, dir), 0);
	slurp(dir, "agents", &b);
	assert_string_equal(b.p, "@b bobby\n@c carol\n@d\n");
	roster_fini(&map);
	wire_msg_fini(&m);
	buf_fini(&b);
	remove_tmp(dir, path);
}

#define ITEM_TEST(t) cmocka_unit_test_setup_teardown(t, made_setup, \
	made_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pace_never_exceeds_the_relays_bucket),
		cmocka_unit_test(
		    pace_takes_the_protocols_default_where_none_is_told),
		cmocka_unit_test(pace_slows_down_when_refused_and_never_stops),
		cmocka_unit_test(pace_takes_a_refused_window_for_one_refusal),
		cmocka_unit_test(pace_comes_back_to_what_the_relay_told),
		cmocka_unit_test(pace_waits_as_long_as_the_relay_asks),
		cmocka_unit_test(cursor_survives_being_printed_and_read),
		cmocka_unit_test(cursor_counts_what_was_appended_last),
		cmocka_unit_test(cursor_reads_the_first_version),
		cmocka_unit_test(cursor_refuses_what_could_not_be_read_again),
		cmocka_unit_test(cursor_takes_no_damaged_file_for_a_position),
		cmocka_unit_test(seen_forgets_the_oldest_only),
		cmocka_unit_test(
		    seen_knows_a_message_by_its_id_or_else_by_what_it_says),
		cmocka_unit_test(
		    seen_knows_what_is_said_again_to_another_relay),
		ITEM_TEST(a_file_is_the_text_of_one_message),
		ITEM_TEST(a_file_that_is_an_object_with_content_may_say_more),
		ITEM_TEST(what_is_to_be_encrypted_is_never_sent_in_the_clear),
		ITEM_TEST(lines_are_messages_of_the_protocol),
		ITEM_TEST(what_can_not_be_sent_says_why),
		ITEM_TEST(the_same_item_gives_the_same_bytes),
		cmocka_unit_test(receipts_are_named_by_target_file_and_number),
		cmocka_unit_test(
		    what_failed_can_be_sent_again_and_its_reason_is_one_line),
		cmocka_unit_test(a_receipt_says_what_the_relay_made_of_it),
		cmocka_unit_test(quoted_text_stays_in_its_line_and_its_quotes),
		cmocka_unit_test(the_digest_is_newest_first_and_bounded),
		cmocka_unit_test(a_roster_holds_ids_and_names_and_nothing_else),
	};

	return cmocka_run_group_tests_name("daemon", tests, NULL, NULL);
}
