/*
 * test_base.c - buf, clock, conf, confine, err, map, notify, rnd.
 */
#include "config.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/confine.h"
#include "base/err.h"
#include "base/map.h"
#include "base/notify.h"
#include "base/rnd.h"

static void
buf_grows_and_drops(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_addf(&b, "%d,", i);
	assert_int_equal(buf_err(&b), 0);
	assert_int_equal(b.len, 3890);
	assert_memory_equal(b.p + b.len - 8, "998,999,", 9);
	buf_drop(&b, 3886);
	assert_string_equal(b.p, "999,");
	buf_fini(&b);
}

static void
buf_remembers_that_it_could_not_grow(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	buf_adds(&b, "kept");
	assert_null(buf_reserve(&b, SIZE_MAX - 2));
	buf_adds(&b, "lost");
	assert_int_equal(buf_err(&b), -ENOMEM);
	assert_string_equal(b.p, "kept");
	buf_clear(&b);
	assert_int_equal(buf_err(&b), 0);
	buf_fini(&b);
}

struct entry {
	char	key[16];
};

static void
map_agrees_with_an_array(void **state)
{
	enum { N = 500 };
	static struct entry all[N];
	bool in[N] = { false };
	size_t count = 0;
	struct map m;

	(void)state;
	map_init(&m);
	for (int i = 0; i < N; i++)
		snprintf(all[i].key, sizeof(all[i].key), "#k%d", i);
	for (int step = 0; step < 50000; step++) {
		uint16_t r;

		rnd_bytes(&r, sizeof(r));
		struct entry *e = &all[r % N];
		size_t len = strlen(e->key);

		if (in[r % N]) {
			assert_ptr_equal(map_get(&m, e->key, len), e);
			if (r & 0x8000) {
				assert_ptr_equal(map_del(&m, e->key, len), e);
				in[r % N] = false;
				count--;
			}
		} else {
			assert_null(map_get(&m, e->key, len));
			assert_null(map_del(&m, e->key, len));
			assert_int_equal(map_put(&m, e->key, len, e), 0);
			in[r % N] = true;
			count++;
		}
		assert_int_equal(m.count, count);
	}
	size_t at = 0, seen = 0;
	struct entry *e;

	while ((e = map_next(&m, &at)) != NULL) {
		assert_true(in[e - all]);
		seen++;
	}
	assert_int_equal(seen, count);
	/* Deleted slots are reclaimed: the table stays in proportion. */
	assert_true(m.cap <= 2048);
	map_fini(&m);
}

static void
map_keys_are_bytes_not_strings(void **state)
{
	struct map m;
	int a, b;

	(void)state;
	map_init(&m);
	assert_int_equal(map_put(&m, "a\0b", 3, &a), 0);
	assert_int_equal(map_put(&m, "a\0c", 3, &b), 0);
	assert_ptr_equal(map_get(&m, "a\0b", 3), &a);
	assert_ptr_equal(map_get(&m, "a\0c", 3), &b);
	assert_null(map_get(&m, "a", 1));
	map_fini(&m);
}

static void
conf_takes_units_and_refuses_the_rest(void **state)
{
	int64_t n = -1;
	double d = -1;

	(void)state;
	assert_int_equal(conf_int("6667", 1, 65535, &n), 0);
	assert_int_equal(n, 6667);
	assert_int_equal(conf_int("0", 1, 65535, &n), -ERANGE);
	assert_int_equal(conf_int("99999999999999999999", 1, 9, &n), -ERANGE);
	assert_int_equal(conf_int("", 1, 65535, &n), -EINVAL);
	assert_int_equal(conf_int(" 1", 1, 65535, &n), -EINVAL);
	assert_int_equal(conf_int("+1", 1, 65535, &n), -EINVAL);
	assert_int_equal(conf_int("1x", 1, 65535, &n), -EINVAL);
	assert_int_equal(n, 6667);
	assert_int_equal(conf_size("64k", 0, INT64_MAX, &n), 0);
	assert_int_equal(n, 65536);
	assert_int_equal(conf_size("9223372036854775807G", 0, INT64_MAX, &n),
	    -ERANGE);
	assert_int_equal(conf_span_ms("24h", 0, INT64_MAX, &n), 0);
	assert_int_equal(n, 86400000);
	assert_int_equal(conf_span_ms("250ms", 0, INT64_MAX, &n), 0);
	assert_int_equal(n, 250);
	assert_int_equal(conf_span_ms("60", 0, INT64_MAX, &n), 0);
	assert_int_equal(n, 60000);
	assert_int_equal(conf_double("0.5", 0, 10, &d), 0);
	assert_true(d == 0.5);
	assert_int_equal(conf_double("nan", 0, 10, &d), -EINVAL);
	assert_int_equal(conf_double("1e999", 0, 10, &d), -EINVAL);
	assert_int_equal(conf_double("11", 0, 10, &d), -ERANGE);
}

static void
iso_time_is_javascripts(void **state)
{
	char s[CLOCK_ISO_MAX];

	(void)state;
	clock_iso(1706889600007, s);
	assert_string_equal(s, "2024-02-02T16:00:00.007Z");
}

static void
refusals_have_code_word_and_sentence(void **state)
{
	(void)state;
	assert_int_equal(AC_E_AUTH_REQUIRED, -1001);
	assert_string_equal(ac_errword(AC_E_RATE_LIMITED), "RATE_LIMITED");
	assert_int_equal(ac_errcode("RATE_LIMITED", 12), AC_E_RATE_LIMITED);
	assert_int_equal(ac_errcode("RATE", 4), 0);
	assert_null(ac_errword(-ENOENT));
	assert_string_equal(ac_errtext("NO", "NO: it is."), "it is.");
	assert_string_equal(ac_errtext("NO", "NOT: it is."), "NOT: it is.");
	assert_string_equal(ac_strerror(-ENOENT), strerror(ENOENT));
	for (int rc = -1001; ac_errword(rc) != NULL; rc--) {
		const char *w = ac_errword(rc);

		assert_int_equal(ac_errcode(w, strlen(w)), rc);
		assert_true(strlen(ac_strerror(rc)) > 10);
	}
}

static void
random_names_use_the_whole_set(void **state)
{
	int seen[256] = { 0 }, kinds = 0;
	char name[9];

	(void)state;
	for (int i = 0; i < 2000; i++) {
		rnd_name(name, 8);
		assert_int_equal(strlen(name), 8);
		for (int j = 0; j < 8; j++)
			kinds += seen[(unsigned char)name[j]]++ == 0;
	}
	assert_int_equal(kinds, 36);
}

/* What the manager at fd hears, "" if nothing; datagrams are there at once. */
static const char *
heard(int fd)
{
	static char text[64];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void
only_the_process_that_is_watched_says_that_it_is_alive(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char pid[24], path[sizeof(sun.sun_path)];
	int n, fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	n = snprintf(path, sizeof(path), "@agentchat-test-%d", (int)getpid());
	memcpy(sun.sun_path + 1, path + 1, (size_t)n - 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, (socklen_t)
	    (offsetof(struct sockaddr_un, sun_path) + (size_t)n)), 0);
	setenv("NOTIFY_SOCKET", path, 1);
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
	assert_int_equal(notify_alive(), -1);
	assert_string_equal(heard(fd), "");
	setenv("WATCHDOG_USEC", "1000000", 1);
	assert_int_equal(notify_alive(), 1000);
	assert_string_equal(heard(fd), "WATCHDOG=1");
	snprintf(pid, sizeof(pid), "%d", (int)getppid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(notify_alive(), -1);
	assert_string_equal(heard(fd), "");
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(notify_alive(), 1000);
	assert_string_equal(heard(fd), "WATCHDOG=1");
	assert_int_equal(notify_send("READY=1"), 0);
	assert_string_equal(heard(fd), "READY=1");
	setenv("WATCHDOG_USEC", "60000000", 1);
	assert_int_equal(notify_alive(), 15000);
	assert_string_equal(heard(fd), "WATCHDOG=1");
	close(fd);
	assert_int_equal(notify_send("READY=1"), -ECONNREFUSED);
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_send("READY=1"), 0);
}

static void
a_full_manager_blocks_no_watchdog(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char path[sizeof(sun.sun_path)];
	int n, fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int full = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len;

	(void)state;
	n = snprintf(path, sizeof(path), "@agentchat-full-%d", (int)getpid());
	memcpy(sun.sun_path + 1, path + 1, (size_t)n - 1);
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, len), 0);
	while (sendto(full, "", 1, MSG_DONTWAIT, (struct sockaddr *)&sun,
	    len) == 1)
		;
	assert_int_equal(errno, EAGAIN);
	setenv("NOTIFY_SOCKET", path, 1);
	setenv("WATCHDOG_USEC", "1000000", 1);
	unsetenv("WATCHDOG_PID");
	assert_int_equal(notify_alive(), 1000);
	close(full);
	close(fd);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
}

/* In a child: 0, or the line that isn't as it should be. */
static int
try_confined(int in, int out)
{
	int fd, rc = confine_writes(in);

	if (rc == 0)
		return 77;	/* this kernel can't */
	if (rc != 1)
		return 1;
	fd = openat(in, "a/x", O_WRONLY | O_CREAT, 0600);
	if (fd == -1 || write(fd, "x", 1) != 1 || ftruncate(fd, 0) == -1)
		return 2;
	if (renameat(in, "a/x", in, "b/x") == -1 ||
	    unlinkat(in, "b/x", 0) == -1 || mkdirat(in, "c", 0700) == -1)
		return 3;
	if (openat(out, "made", O_WRONLY | O_CREAT, 0600) != -1 ||
	    errno != EACCES)
		return 4;
	if (openat(out, "there", O_WRONLY | O_APPEND) != -1 ||
	    unlinkat(out, "there", 0) != -1 || mkdirat(out, "d", 0700) != -1)
		return 5;
	if (renameat(out, "there", in, "a/there") != -1)
		return 6;
	return openat(out, "there", O_RDONLY) == -1 ? 7 : 0;
}

static void
the_confined_write_where_they_may_and_read_anywhere(void **state)
{
	char in[] = "/tmp/confine-in-XXXXXX", out[] = "/tmp/confine-out-XXXXXX";
	int fd[2], status;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(in));
	assert_non_null(mkdtemp(out));
	fd[0] = open(in, O_RDONLY | O_DIRECTORY);
	fd[1] = open(out, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mkdirat(fd[0], "a", 0700), 0);
	assert_int_equal(mkdirat(fd[0], "b", 0700), 0);
	close(openat(fd[1], "there", O_WRONLY | O_CREAT, 0600));
	pid = fork();
	if (pid == 0)
		_exit(try_confined(fd[0], fd[1]));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	unlinkat(fd[1], "there", 0);
	for (const char *d = "abc"; *d != '\0'; d++)
		unlinkat(fd[0], (char[]){ *d, '\0' }, AT_REMOVEDIR);
	close(fd[0]);
	close(fd[1]);
	assert_int_equal(rmdir(in), 0);
	assert_int_equal(rmdir(out), 0);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf_grows_and_drops),
		cmocka_unit_test(buf_remembers_that_it_could_not_grow),
		cmocka_unit_test(map_agrees_with_an_array),
		cmocka_unit_test(map_keys_are_bytes_not_strings),
		cmocka_unit_test(conf_takes_units_and_refuses_the_rest),
		cmocka_unit_test(iso_time_is_javascripts),
		cmocka_unit_test(refusals_have_code_word_and_sentence),
		cmocka_unit_test(only_the_process_that_is_watched_says_that_it_is_alive),
		cmocka_unit_test(a_full_manager_blocks_no_watchdog),
		cmocka_unit_test(random_names_use_the_whole_set),
		cmocka_unit_test(the_confined_write_where_they_may_and_read_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
