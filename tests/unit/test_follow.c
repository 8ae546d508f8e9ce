/*
 * test_follow.c - a reader of the ring that gives each line once.
 */
#include "config.h"

#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/follow.h"
#include "spool/spool.h"

struct world {
	char	 path[64];
	int	 dir;
	int	 expect;	/* number of the next line */
	int	 stop_at;	/* -1: never */
	bool	 missed;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	snprintf(w->path, sizeof(w->path), "/tmp/test_follow.XXXXXX");
	assert_non_null(mkdtemp(w->path));
	w->dir = open(w->path, O_RDONLY | O_DIRECTORY);
	assert_true(w->dir >= 0);
	w->stop_at = -1;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;
	char cmd[96];

	close(w->dir);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", w->path);
	assert_int_equal(system(cmd), 0);
	free(w);
	return 0;
}

static void
add(struct spool_ring *r, int n)
{
	char line[400];
	int len = snprintf(line, sizeof(line), "{\"n\":%d,\"pad\":\"%*s\"}", n,
	    n % 300, "");

	assert_int_equal(spool_ring_add(r, line, (size_t)len), 0);
}

static int
take(void *arg, const char *line, size_t len)
{
	struct world *w = arg;
	int n = -1;

	assert_int_equal(line[len - 1], '}');
	assert_int_equal(sscanf(line, "{\"n\":%d,", &n), 1);
	assert_int_equal(n, w->expect);
	w->expect++;
	return n == w->stop_at ? 1 : 0;
}

/* There may be a hole; behind it they go on. */
static int
take_any(void *arg, const char *line, size_t len)
{
	struct world *w = arg;
	int n = -1;

	(void)len;
	assert_int_equal(sscanf(line, "{\"n\":%d,", &n), 1);
	assert_true(n >= w->expect);
	w->expect = n + 1;
	return 0;
}

static void
every_line_is_given_once_however_often_the_ring_is_cut(void **state)
{
	struct world *w = *state;
	struct spool_ring *r;
	struct follow *f;
	int n = 0;

	assert_int_equal(follow_open(&f, w->dir, "ring", false), 0);
	assert_int_equal(spool_ring_open(&r, w->dir, "ring"), 0);
	for (int round = 0; round < 200; round++) {
		for (int i = round * 7 % 190; i >= 0; i--)
			add(r, n++);
		assert_int_equal(spool_ring_flush(r), 0);
		if (round % 2 == 0)
			continue;	/* read two flushes at once */
		assert_int_equal(follow_read(f, take, w, &w->missed), 0);
		assert_int_equal(w->expect, n);
	}
	assert_true(n > 15 * SPOOL_RING_LINES);
	assert_false(w->missed);
	follow_close(f);
	spool_ring_close(r);
}

static void
what_was_there_before_is_given_only_if_asked_for(void **state)
{
	struct world *w = *state;
	struct spool_ring *r;
	struct follow *f;

	assert_int_equal(spool_ring_open(&r, w->dir, "ring"), 0);
	for (int n = 0; n < 10; n++)
		add(r, n);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(follow_open(&f, w->dir, "ring", true), 0);
	assert_int_equal(follow_read(f, take, w, &w->missed), 0);
	assert_int_equal(w->expect, 10);
	follow_close(f);

	assert_int_equal(follow_open(&f, w->dir, "ring", false), 0);
	assert_int_equal(follow_read(f, take, w, &w->missed), 0);
	assert_int_equal(w->expect, 10);
	add(r, 10);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(follow_read(f, take, w, &w->missed), 0);
	assert_int_equal(w->expect, 11);
	follow_close(f);
	spool_ring_close(r);
}

static void
a_reader_that_stops_goes_on_behind_the_line_it_took(void **state)
{
	struct world *w = *state;
	struct spool_ring *r;
	struct follow *f;

	assert_int_equal(follow_open(&f, w->dir, "ring", false), 0);
	assert_int_equal(spool_ring_open(&r, w->dir, "ring"), 0);
	for (int n = 0; n < 10; n++)
		add(r, n);
	assert_int_equal(spool_ring_flush(r), 0);
	w->stop_at = 4;
	assert_int_equal(follow_read(f, take, w, &w->missed), 1);
	assert_int_equal(w->expect, 5);
	assert_int_equal(follow_read(f, take, w, &w->missed), 0);
	assert_int_equal(w->expect, 10);
	follow_close(f);
	spool_ring_close(r);
}

static void
more_than_the_ring_holds_is_told(void **state)
{
	struct world *w = *state;
	struct spool_ring *r;
	struct follow *f;

	assert_int_equal(follow_open(&f, w->dir, "ring", false), 0);
	assert_int_equal(spool_ring_open(&r, w->dir, "ring"), 0);
	add(r, 0);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(follow_read(f, take, w, &w->missed), 0);
	for (int n = 1; n < 5 * SPOOL_RING_LINES; n++) {
		add(r, n);
		if (n % 100 == 0)
			assert_int_equal(spool_ring_flush(r), 0);
	}
	assert_int_equal(spool_ring_flush(r), 0);
	assert_false(w->missed);
	assert_int_equal(follow_read(f, take_any, w, &w->missed), 0);
	assert_true(w->missed);
	assert_int_equal(w->expect, 5 * SPOOL_RING_LINES);
	follow_close(f);
	spool_ring_close(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(every_line_is_given_once_however_often_the_ring_is_cut),
		TEST(what_was_there_before_is_given_only_if_asked_for),
		TEST(a_reader_that_stops_goes_on_behind_the_line_it_took),
		TEST(more_than_the_ring_holds_is_told),
	};

	return cmocka_run_group_tests_name("follow", tests, NULL, NULL);
}
