/*
 * test_deploy.c - values of settings, what is made of them, and running a
 * program: by what it says, how it ends, and what it was given.
 */
#include "config.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "deploy/akt.h"
#include "deploy/deploy.h"
#include "deploy/internal.h"

static int
set(struct deploy_conf *conf, const char *key, const char *value)
{
	char why[DEPLOY_WHY_MAX] = "";
	int rc = deploy_conf_set(conf, key, value, why);

	assert_true(rc == 0 || why[0] != '\0');
	return rc;
}

static void
assert_text(void (*put)(struct buf *, int64_t), int64_t n, const char *want)
{
	struct buf b = BUF_INIT;

	put(&b, n);
	assert_int_equal(buf_err(&b), 0);
	assert_string_equal(b.p, want);
	buf_fini(&b);
}

static void
sizes_come_back_as_they_were_written(void **state)
{
	static const struct { const char *text; int64_t bytes; } sizes[] = {
		{ "16Mi", INT64_C(16) << 20 }, { "512Mi", INT64_C(512) << 20 },
		{ "1Gi", INT64_C(1) << 30 }, { "32Ti", INT64_C(32) << 40 },
		{ "16385Ki", INT64_C(16385) << 10 },
	};
	static const char *const wrong[] = { "", "Mi", "512", "512M", "512MB",
	    "512mi", "-1Gi", "+1Gi", " 1Gi", "1 Gi", "1Gi ", "0Gi", "15Mi",
	    "33Ti", "9999999999Ki", "0x10Mi", "1.5Gi", "1e3Mi", "1Pi" };
	struct deploy_conf conf;

	(void)state;
	deploy_conf_init(&conf);
	for (size_t i = 0; i < AC_COUNTOF(sizes); i++) {
		assert_int_equal(set(&conf, "resources.memory", sizes[i].text),
		    0);
		assert_int_equal(conf.memory, sizes[i].bytes);
		assert_text(put_bytes, conf.memory, sizes[i].text);
	}
	for (size_t i = 0; i < AC_COUNTOF(wrong); i++) {
		assert_int_equal(set(&conf, "resources.memory", wrong[i]),
		    -EINVAL);
		assert_int_equal(conf.memory, INT64_C(16385) << 10);
	}
}

static void
cores_and_prices_are_exact(void **state)
{
	static const char *const wrong_cpu[] = { "", ".5", "5.", "0.009",
	    "256.001", "0.0001", "m", "9m", "256001m", "1.5m", "-1", "1e1",
	    "1,5", "9999999999999", "0x1" };
	static const char *const wrong_price[] = { "", "0", "0.0000001",
	    "1000001", "-1", "1e3", ".1", "1.", "nan", "inf" };
	struct deploy_conf conf;

	(void)state;
	deploy_conf_init(&conf);
	assert_int_equal(set(&conf, "resources.cpu", "0.5"), 0);
	assert_int_equal(conf.cpu_milli, 500);
	assert_int_equal(set(&conf, "resources.cpu", "10m"), 0);
	assert_text(put_milli, conf.cpu_milli, "0.01");
	assert_int_equal(set(&conf, "resources.cpu", "256"), 0);
	assert_text(put_milli, conf.cpu_milli, "256");
	for (size_t i = 0; i < AC_COUNTOF(wrong_cpu); i++)
		assert_int_equal(set(&conf, "resources.cpu", wrong_cpu[i]),
		    -EINVAL);
	assert_int_equal(set(&conf, "max_price", "0.1"), 0);
	assert_int_equal(conf.price_micro, 100000);
	assert_int_equal(set(&conf, "max_price", "12345.678901"), 0);
	assert_text(put_micro, conf.price_micro, "12345.678901");
	for (size_t i = 0; i < AC_COUNTOF(wrong_price); i++)
		assert_int_equal(set(&conf, "max_price", wrong_price[i]),
		    -EINVAL);
}

static void
spans_are_written_in_their_largest_unit(void **state)
{
	(void)state;
	assert_text(put_span, INT64_C(86400000), "24h");
	assert_text(put_span, INT64_C(7) * 86400000, "7d");
	assert_text(put_span, INT64_C(5400000), "90m");
	assert_text(put_span, INT64_C(600001), "600001ms");
}

static void
the_ceiling_is_price_times_blocks_and_never_less_than_the_chain_takes(
    void **state)
{
	struct deploy_conf conf;

	(void)state;
	deploy_conf_init(&conf);
	assert_int_equal(deploy_ceiling(&conf), 1440000);
	assert_int_equal(set(&conf, "duration", "10m"), 0);
	assert_int_equal(deploy_ceiling(&conf), 500000);
	assert_int_equal(set(&conf, "max_price", "1000000"), 0);
	assert_int_equal(set(&conf, "duration", "365d"), 0);
	assert_int_equal(set(&conf, "count", "16"), 0);
	assert_int_equal(deploy_ceiling(&conf),
	    INT64_C(1000000) * 16 * (365 * 14400));
	assert_int_equal(set(&conf, "deposit", "1"), 0);
	assert_int_equal(deploy_ceiling(&conf), 1);
}

static void
an_image_without_a_tag_of_its_own_floats(void **state)
{
	static const struct { const char *image; bool floats; } images[] = {
		{ "a", true }, { "a:latest", true }, { "r:5000/a", true },
		{ "r:5000/a:latest", true }, { "a:1", false },
		{ "a:latest-1", false }, { "r:5000/a:1", false },
		{ "a@sha256:00000000000000000000000000000000"
		    "00000000000000000000000000000000", false },
	};
	struct deploy_conf conf;

	(void)state;
	deploy_conf_init(&conf);
	for (size_t i = 0; i < AC_COUNTOF(images); i++) {
		assert_int_equal(set(&conf, "image", images[i].image), 0);
		assert_int_equal(deploy_image_floats(&conf), images[i].floats);
	}
}

static void
every_byte_of_a_file_may_be_cut_off_or_changed(void **state)
{
	static const char text[] = "provider: akash\nresources:\n  cpu: 0.5\n"
	    "tls:\n  cert: 'a'\n  key: \"b\"\nname: x\n";
	char copy[sizeof(text)], why[DEPLOY_WHY_MAX];
	struct deploy_conf conf;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++) {
		deploy_conf_init(&conf);
		why[0] = '\0';
		if (deploy_conf_parse(&conf, "f", text, i, why) < 0)
			assert_true(strncmp(why, "f:", 2) == 0);
		for (int byte = 0; byte < 256 && i < sizeof(text) - 1;
		    byte++) {
			memcpy(copy, text, sizeof(text));
			copy[i] = (char)byte;
			deploy_conf_init(&conf);
			if (deploy_conf_parse(&conf, "f", copy,
			    sizeof(text) - 1, why) < 0)
				assert_true(strncmp(why, "f:", 2) == 0);
		}
	}
}

/* --------------------------------------------------------------- akt_run */

struct heard {
	struct buf	 out;
	size_t		 lines;
};

static void
hear(void *arg, const char *line, size_t len)
{
	struct heard *h = arg;

	buf_add(&h->out, line, len);
	buf_addc(&h->out, '|');
	h->lines++;
}

/* What a shell script says on its standard output; its akt_run() result. */
static int
run(const char *script, const char *input, int64_t timeout_ms, struct heard *h)
{
	const char *const args[] = { "-c", script, NULL };
	const struct akt_run r = {
		.program = "/bin/sh", .args = args, .home = "/a/home",
		.input = input, .input_len = input != NULL ? strlen(input) : 0,
		.timeout_ms = timeout_ms, .out = hear, .arg = h,
	};

	buf_clear(&h->out);
	h->lines = 0;
	return akt_run(&r);
}

static void
a_programs_lines_and_exit_are_heard(void **state)
{
	struct heard h = { .out = BUF_INIT };

	(void)state;
	assert_int_equal(run("echo a; printf 'b\\n\\nc'; exit 7", NULL, 60000,
	    &h), 7);
	assert_string_equal(h.out.p, "a|b|c|");
	assert_int_equal(run("kill -9 $$", NULL, 60000, &h), 128 + 9);
	assert_int_equal(run("cat", "in\nput", 60000, &h), 0);
	assert_string_equal(h.out.p, "in|put|");
	assert_int_equal(run("exec <&-; exit 3", "never read", 60000, &h), 3);
	assert_int_equal(run("echo to stderr >&2", NULL, 60000, &h), 0);
	assert_int_equal(h.lines, 0);
	buf_fini(&h.out);
}

static void
much_goes_in_and_out_at_once(void **state)
{
	struct heard h = { .out = BUF_INIT };
	size_t len = 1 << 20;
	char *input = malloc(len + 1);

	(void)state;
	assert_non_null(input);
	for (size_t i = 0; i < len; i++)
		input[i] = i % 64 == 63 ? '\n' : 'x';
	input[len] = '\0';
	assert_int_equal(run("cat", input, 60000, &h), 0);
	assert_int_equal(h.lines, len / 64);
	assert_int_equal(h.out.len, len);
	free(input);
	buf_fini(&h.out);
}

static void
its_environment_has_our_home_and_no_other_akt_variable(void **state)
{
	struct heard h = { .out = BUF_INIT };

	(void)state;
	setenv("AKT_NODE", "evil", 1);
	setenv("AKT_HOME", "elsewhere", 1);
	assert_int_equal(run("env | grep ^AKT_ | sort", NULL, 60000, &h), 0);
	assert_string_equal(h.out.p, "AKT_HOME=/a/home|");
	unsetenv("AKT_NODE");
	unsetenv("AKT_HOME");
	buf_fini(&h.out);
}

static void
it_is_interrupted_when_its_time_is_over_and_may_say_a_last_word(void **state)
{
	struct heard h = { .out = BUF_INIT };

	(void)state;
	assert_int_equal(run("trap 'echo bye; exit 0' INT; echo up; "
	    "while :; do sleep 0.05; done", NULL, 500, &h), -ETIMEDOUT);
	assert_string_equal(h.out.p, "up|bye|");
	buf_fini(&h.out);
}

static void
what_it_leaves_running_is_not_waited_for(void **state)
{
	struct heard h = { .out = BUF_INIT };
	int64_t start = clock_mono_ms();

	(void)state;
	assert_int_equal(run("sleep 300 & echo $!", NULL, 60000, &h), 0);
	assert_true(clock_mono_ms() - start < 60000);
	kill((pid_t)atoi(h.out.p), SIGKILL);
	buf_fini(&h.out);
}

static void
a_line_without_end_is_refused(void **state)
{
	struct heard h = { .out = BUF_INIT };

	(void)state;
	assert_int_equal(run("echo a; exec head -c 3000000 /dev/zero", NULL,
	    60000, &h), -EMSGSIZE);
	assert_true(strncmp(h.out.p, "a|", 2) == 0);
	buf_fini(&h.out);
}

static void
a_pending_signal_keeps_it_from_starting(void **state)
{
	struct heard h = { .out = BUF_INIT };
	sigset_t set_, old;

	(void)state;
	sigemptyset(&set_);
	sigaddset(&set_, SIGTERM);
	sigprocmask(SIG_BLOCK, &set_, &old);
	raise(SIGTERM);
	assert_int_equal(run("echo no", NULL, 60000, &h), -EINTR);
	assert_int_equal(h.lines, 0);
	signal(SIGTERM, SIG_IGN);	/* which discards it */
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGTERM, SIG_DFL);
	buf_fini(&h.out);
}

static void
a_program_is_found_where_path_has_it(void **state)
{
	char *old = strdup(getenv("PATH")), *found;

	(void)state;
	assert_non_null(old);
	setenv("PATH", "/nowhere:/etc:/bin", 1);
	found = akt_find("sh");
	assert_string_equal(found, "/bin/sh");
	free(found);
	assert_null(akt_find("group"));	/* /etc/group: no program */
	assert_null(akt_find("/etc"));
	setenv("PATH", old, 1);
	free(old);
}

/* --------------------------------------------------------------- records */

static int
count(void *arg, const struct deploy_record *rec)
{
	uint64_t **at = arg;

	*(*at)++ = rec->dseq;
	return 0;
}

static void
records_come_back_oldest_first(void **state)
{
	char path[] = "/tmp/agentchat-deploy-XXXXXX";
	struct deploy_record rec = { .network = "sandbox", .state = "active",
	    .image = "a/b:1", .uri = "x\"y\n", .expires_ms = -1,
	    .deposit = -1 }, back;
	uint64_t seen[4] = { 0 }, *at = seen;
	size_t bad = 0;
	int dir;

	(void)state;
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY);
	assert_true(dir >= 0);
	rec.dseq = UINT64_MAX;
	rec.created_ms = 2;
	assert_int_equal(record_write(dir, &rec), 0);
	rec.dseq = 7;
	rec.created_ms = 1;
	assert_int_equal(record_write(dir, &rec), 0);
	assert_int_equal(record_read(dir, "sandbox", UINT64_MAX, &back), 0);
	assert_true(back.dseq == UINT64_MAX);
	assert_string_equal(back.uri, rec.uri);
	assert_int_equal(record_read(dir, "mainnet", 7, &back), -ENOENT);
	assert_int_equal(mkdirat(dir, "akash-sandbox-8.json", 0700), 0);
	assert_int_equal(record_each(dir, count, &at, &bad), 0);
	assert_int_equal(at - seen, 2);
	assert_int_equal(seen[0], 7);
	assert_int_equal(bad, 1);
	unlinkat(dir, "akash-sandbox-8.json", AT_REMOVEDIR);
	unlinkat(dir, "akash-sandbox-7.json", 0);
	unlinkat(dir, "akash-sandbox-18446744073709551615.json", 0);
	assert_int_equal(rmdir(path), 0);
	close(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_come_back_as_they_were_written),
		cmocka_unit_test(cores_and_prices_are_exact),
		cmocka_unit_test(spans_are_written_in_their_largest_unit),
		cmocka_unit_test(
		    the_ceiling_is_price_times_blocks_and_never_less_than_the_chain_takes),
		cmocka_unit_test(an_image_without_a_tag_of_its_own_floats),
		cmocka_unit_test(every_byte_of_a_file_may_be_cut_off_or_changed),
		cmocka_unit_test(a_programs_lines_and_exit_are_heard),
		cmocka_unit_test(much_goes_in_and_out_at_once),
		cmocka_unit_test(
		    its_environment_has_our_home_and_no_other_akt_variable),
		cmocka_unit_test(
		    it_is_interrupted_when_its_time_is_over_and_may_say_a_last_word),
		cmocka_unit_test(what_it_leaves_running_is_not_waited_for),
		cmocka_unit_test(a_line_without_end_is_refused),
		cmocka_unit_test(a_pending_signal_keeps_it_from_starting),
		cmocka_unit_test(a_program_is_found_where_path_has_it),
		cmocka_unit_test(records_come_back_oldest_first),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("deploy", tests, NULL, NULL);
}
