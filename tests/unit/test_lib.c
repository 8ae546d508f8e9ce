/*
 * test_lib.c - addresses and backoff.
 */
#include "config.h"

#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/attr.h"
#include "base/rnd.h"
#include "lib/backoff.h"
#include "lib/conn.h"

static void
url_in_its_parts(void **state)
{
	static const struct {
		const char	*url, *host, *hostport, *path;
		int		 port;
		bool		 tls;
	} good[] = {
		{ "ws://localhost:6667", "localhost", "localhost:6667", "/",
		    6667, false },
		{ "WSS://Relay.Example", "relay.example", "relay.example:443",
		    "/", 443, true },
		{ "ws://h", "h", "h:80", "/", 80, false },
		{ "ws://[::1]:8080/a?b=c#d", "::1", "[::1]:8080", "/a?b=c",
		    8080, false },
		{ "wss://[fe80::1%eth0]", "fe80::1%eth0", "[fe80::1%eth0]:443",
		    "/", 443, true },
		{ "ws://h?x", "h", "h:80", "/?x", 80, false },
		{ "ws://10.0.0.1:1/p/q", "10.0.0.1", "10.0.0.1:1", "/p/q", 1,
		    false },
	};

	(void)state;
	for (size_t i = 0; i < AC_COUNTOF(good); i++) {
		struct conn_url u;

		assert_int_equal(conn_url_parse(&u, good[i].url), 0);
		assert_string_equal(u.host, good[i].host);
		assert_string_equal(u.hostport, good[i].hostport);
		assert_string_equal(u.path, good[i].path);
		assert_int_equal(u.port, good[i].port);
		assert_int_equal(u.tls, good[i].tls);
	}
}

static void
url_refuses_what_it_is_not(void **state)
{
	static const char *const bad[] = {
		"", "ws", "ws:/", "ws://", "ws:///x", "ws://:80", "ws://h:",
		"ws://h:0", "ws://h:65536", "ws://h:x", "ws://h:80x",
		"ws://h:-1", "ws://h: 80", "http://h", "localhost:6667",
		"ws://user@h", "ws://user:pw@h", "ws://h\r\nX: y", "ws://h h",
		"ws://[::1", "ws://[]", "ws://[::1]x", "ws://::1",
		"ws://h/a b", "ws://h/a\r\nX: y", "ws://h/\xc3\xa4",
	};
	struct conn_url u;
	char longest[5000];

	(void)state;
	for (size_t i = 0; i < AC_COUNTOF(bad); i++)
		assert_int_equal(conn_url_parse(&u, bad[i]), -EINVAL);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	memcpy(longest, "ws://", 5);
	assert_int_equal(conn_url_parse(&u, longest), -EINVAL);
	longest[10] = '/';
	assert_int_equal(conn_url_parse(&u, longest), -EINVAL);
}

static void
backoff_doubles_to_a_minute_with_jitter(void **state)
{
	uint32_t random;

	(void)state;
	assert_int_equal(backoff_ms(0, 0), BACKOFF_MIN_MS);
	assert_int_equal(backoff_ms(0, 500), 1000);
	assert_int_equal(backoff_ms(1, 0), 1000);
	assert_int_equal(backoff_ms(5, 0), 16000);
	assert_int_equal(backoff_ms(6, 0), BACKOFF_MAX_MS / 2);
	assert_int_equal(backoff_ms(4000000000u, 30000), BACKOFF_MAX_MS);
	for (unsigned n = 0; n < 10000; n++) {
		rnd_bytes(&random, sizeof(random));
		assert_in_range(backoff_ms(n % 40, random), BACKOFF_MIN_MS,
		    BACKOFF_MAX_MS);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(url_in_its_parts),
		cmocka_unit_test(url_refuses_what_it_is_not),
		cmocka_unit_test(backoff_doubles_to_a_minute_with_jitter),
	};

	return cmocka_run_group_tests_name("lib", tests, NULL, NULL);
}
