/*
 * test_ring.c - what a reader of a ring sees, at any instant; and what
 * crashes, full disks and agents do to one.
 */
#include "config.h"

#include "unit.h"
#include "box_util.h"
#include "fault.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RING "inbox.jsonl"

static struct spool_ring *
ring_of(struct spot *s)
{
	struct spool_ring *r = NULL;

	assert_int_equal(spool_ring_open(&r, s->fd, RING), 0);
	return r;
}

/* Line number n, len bytes without newline: {"n":12,"t":"xxx"} */
static size_t
print_line(char *out, long n, size_t len)
{
	int at = sprintf(out, "{\"n\":%ld,\"t\":\"", n);

	assert_true(len >= (size_t)at + 2);
	memset(out + at, 'x', len - (size_t)at - 2);
	memcpy(out + len - 2, "\"}", 2);
	return len;
}

static void
add(struct spool_ring *r, long n, size_t len)
{
	char *line = malloc(len);

	assert_non_null(line);
	assert_int_equal(spool_ring_add(r, line, print_line(line, n, len)), 0);
	free(line);
}

struct seen {
	long	first, last;
	size_t	lines, padded;
};

/*
 * Is it a ring? Whole lines of ours, the numbers rising by one, at most 1000.
 * A reader process calls it too, so it says false rather than failing.
 */
static bool
is_ring(const char *p, size_t len, struct seen *seen)
{
	const char *end = p + len, *nl, *e;

	*seen = (struct seen){ .first = -1, .last = -1 };
	for (; p < end; p = nl + 1) {
		char *after;
		long n;

		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL || nl - p < 14 ||
		    memcmp(p, "{\"n\":", 5) != 0)
			return false;
		n = strtol(p + 5, &after, 10);
		if (memcmp(after, ",\"t\":\"", 6) != 0)
			return false;
		for (e = after + 6; *e == 'x'; e++)
			;
		if (e + 2 > nl || memcmp(e, "\"}", 2) != 0)
			return false;
		for (e += 2; e < nl; e++)
			if (*e != ' ')
				return false;
		if (seen->lines > 0 && n != seen->last + 1)
			return false;
		if (seen->lines++ == 0)
			seen->first = n;
		seen->last = n;
		seen->padded += nl[-1] == ' ';
	}
	return seen->lines <= SPOOL_RING_LINES;
}

static struct seen
look(const struct spot *s)
{
	struct seen seen;
	size_t len;
	char *text = spot_text(s, RING, &len);

	assert_true(is_ring(text, len, &seen));
	free(text);
	return seen;
}

static void
appends_what_is_flushed(void **state)
{
	struct spot *s = *state;
	struct spool_ring *r = ring_of(s);
	struct buf last = BUF_INIT;
	char line[64];
	size_t len;

	assert_int_equal(spool_ring_last(r, &last), 0);
	assert_int_equal(last.len, 0);
	assert_false(spool_ring_has(r, "x", 1));
	assert_int_equal(spool_ring_flush(r), 0);
	assert_false(spot_has(s, RING));
	for (long i = 0; i < 5; i++)
		add(r, i, 40);
	len = print_line(line, 4, 40);
	assert_true(spool_ring_has(r, line, len));
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(look(s).lines, 5);
	assert_true(spool_ring_has(r, line, len));
	assert_false(spool_ring_has(r, line, len - 1));
	assert_int_equal(spool_ring_last(r, &last), 0);
	assert_memory_equal(last.p, line, len);
	assert_int_equal(last.len, len);
	buf_fini(&last);
	spool_ring_close(r);
}

static void
refuses_what_is_no_line(void **state)
{
	struct spool_ring *r = ring_of(*state);
	char *big = malloc(SPOOL_MSG_MAX);

	assert_non_null(big);
	memset(big, 'x', SPOOL_MSG_MAX);
	assert_int_equal(spool_ring_add(r, "", 0), -EINVAL);
	assert_int_equal(spool_ring_add(r, "  ", 2), -EINVAL);
	assert_int_equal(spool_ring_add(r, "a\nb", 3), -EINVAL);
	assert_int_equal(spool_ring_add(r, "a\0b", 3), -EINVAL);
	assert_int_equal(spool_ring_add(r, big, SPOOL_MSG_MAX), -EMSGSIZE);
	assert_int_equal(spool_ring_add(r, big, SPOOL_MSG_MAX - 1), 0);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_true(spool_ring_has(r, big, SPOOL_MSG_MAX - 1));
	free(big);
	spool_ring_close(r);
}

static void
no_appended_line_crosses_a_page(void **state)
{
	struct spot *s = *state;
	struct spool_ring *r = ring_of(s);
	struct stat was, is;
	size_t appended = 0, len;

	add(r, 0, 50);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(fstatat(s->fd, RING, &was, 0), 0);
	for (long i = 1; i < 3000; i++) {
		char *text;

		add(r, i, 50 + (size_t)(i * 7919 % 900));
		assert_int_equal(spool_ring_flush(r), 0);
		assert_int_equal(fstatat(s->fd, RING, &is, 0), 0);
		if (is.st_ino == was.st_ino) {
			/* From there to the end: one write, seen by pages. */
			appended++;
			text = spot_text(s, RING, &len);
			for (off_t at = was.st_size / 4096 * 4096 + 4096;
			    at <= is.st_size; at += 4096)
				assert_int_equal(text[at - 1], '\n');
			free(text);
		}
		was = is;
	}
	assert_true(look(s).padded > 0);
	/* Anew at the cuts, and while it learns: not more. */
	assert_in_range(appended, 2950, 3000);
	spool_ring_close(r);
}

static void
a_batch_is_one_write(void **state)
{
	struct spot *s = *state;
	struct spool_ring *r = ring_of(s);
	size_t len;
	char *text;

	add(r, 0, 100);
	assert_int_equal(spool_ring_flush(r), 0);
	for (long i = 1; i < 500; i++)
		add(r, i, 100 + (size_t)(i * 31 % 1500));
	fault_none();
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(fault_count(), 1);
	assert_int_equal(look(s).lines, 500);
	text = spot_text(s, RING, &len);
	for (size_t at = 4096; at <= len; at += 4096)
		assert_int_equal(text[at - 1], '\n');
	free(text);
	spool_ring_close(r);
}

static void
a_thousand_lines_are_the_most(void **state)
{
	struct spot *s = *state;
	struct spool_ring *r = ring_of(s);
	long last = 0;

	for (; last < 1000; last++)
		add(r, last, 30);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(look(s).lines, 1000);
	add(r, last++, 30);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(look(s).lines, 500);
	assert_int_equal(look(s).last, 1000);
	/* More at once than there is room for. */
	for (; last < 6000; last++)
		add(r, last, 30);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_in_range(look(s).lines, 500, 1000);
	assert_int_equal(look(s).last, 5999);
	spool_ring_close(r);
}

static void
long_lines_shorten_the_ring_only_if_all_are(void **state)
{
	struct spot *s = *state;
	struct spool_ring *r = ring_of(s);
	struct stat st;
	long n = 0;

	for (; n < 900; n++) {
		add(r, n, n % 100 == 99 ? 9000 : 1000);
		assert_int_equal(spool_ring_flush(r), 0);
	}
	assert_int_equal(look(s).first, 0);
	for (; n < 1900; n++) {
		add(r, n, 9000);
		assert_int_equal(spool_ring_flush(r), 0);
	}
	assert_int_equal(look(s).last, 1899);
	assert_in_range(look(s).lines, 25, 40);
	assert_int_equal(fstatat(s->fd, RING, &st, 0), 0);
	assert_in_range(st.st_size, 0, 300 << 10);
	for (; n < 2700; n++) {
		add(r, n, 100);
		assert_int_equal(spool_ring_flush(r), 0);
	}
	assert_in_range(look(s).lines, 800, 1000);
	spool_ring_close(r);
}

/* The reader's half: 0 if all that it saw was well. */
static int
read_until(const struct spot *s, int stop)
{
	struct seen seen = { .last = -1 }, before = seen;
	size_t size = 8 << 20, len = 0, looks = 0;
	char *text = malloc(size), c;
	bool ok = text != NULL;
	ssize_t n;
	int fd;

	(void)fcntl(stop, F_SETFL, O_NONBLOCK);
	while (ok && read(stop, &c, 1) != 0) {
		fd = openat(s->fd, RING, O_RDONLY | O_CLOEXEC);
		if (fd == -1)
			continue;
		for (len = 0; (n = read(fd, text + len, size - len)) > 0;)
			len += (size_t)n;
		close(fd);
		ok = is_ring(text, len, &seen) && seen.last >= before.last &&
		    seen.first >= before.first;
		before = seen;
		looks++;
	}
	if (!ok)
		fprintf(stderr, "look %zu: %ld..%ld, %zu lines of %zu bytes\n",
		    looks, seen.first, seen.last, seen.lines, len);
	free(text);
	return ok && looks > 10 ? 0 : 1;
}

static void
a_reader_sees_whole_lines_at_every_instant(void **state)
{
	struct spot *s = *state;
	struct spool_ring *r = ring_of(s);
	int stop[2], status;
	unsigned seed = 1;
	pid_t pid;

	assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(stop[1]);
		_exit(read_until(s, stop[0]));
	}
	close(stop[0]);
	for (long i = 0; i < 20000; i++) {
		size_t len = 20 + (size_t)rand_r(&seed) % 300;

		if (rand_r(&seed) % 16 == 0)
			len = 20 + (size_t)rand_r(&seed) % 5980;
		add(r, i, len);
		if (rand_r(&seed) % 4 != 0)
			assert_int_equal(spool_ring_flush(r), 0);
	}
	assert_int_equal(spool_ring_flush(r), 0);
	close(stop[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(look(s).last, 19999);
	spool_ring_close(r);
}

/* ----------------------------------------------------- mended when opened */

static void
goes_on_where_it_was(void **state)
{
	struct spot *s = *state;
	struct spool_ring *r = ring_of(s);
	struct stat a, b;

	for (long i = 0; i < 40; i++)
		add(r, i, 200);
	assert_int_equal(spool_ring_flush(r), 0);
	spool_ring_close(r);
	assert_int_equal(fstatat(s->fd, RING, &a, 0), 0);
	r = ring_of(s);
	add(r, 40, 20);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(look(s).lines, 41);
	assert_int_equal(fstatat(s->fd, RING, &b, 0), 0);
	assert_true(a.st_ino == b.st_ino);
	spool_ring_close(r);
}

static void
an_unclean_end_is_mended(void **state)
{
	static const char good[] = "{\"n\":1,\"t\":\"xx\"}\n";
	struct spot *s = *state;
	struct buf b = BUF_INIT;
	int fd;

	for (int kind = 0; kind < 4; kind++) {
		struct spool_ring *r;
		size_t want = 1;

		buf_clear(&b);
		if (kind == 0) {
			buf_addf(&b, "%s{\"n\":2,\"t", good);
		} else if (kind == 1) {
			buf_addf(&b, "\n\n%s", good);
		} else if (kind == 2) {
			buf_adds(&b, good);
			buf_add(&b, "\0\0\0\0\n", 5);
		} else {
			for (int i = 0; i < 1500; i++)
				buf_addf(&b, "{\"n\":%d,\"t\":\"xx\"}\n", i);
			want = 500;
		}
		fd = openat(s->fd, RING, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_int_equal(write(fd, b.p, b.len), b.len);
		close(fd);
		r = ring_of(s);
		assert_int_equal(look(s).lines, want);
		add(r, look(s).last + 1, 20);
		assert_int_equal(spool_ring_flush(r), 0);
		assert_int_equal(look(s).lines, want + 1);
		spool_ring_close(r);
		assert_int_equal(unlinkat(s->fd, RING, 0), 0);
	}
	buf_fini(&b);
}

static void
strange_things_in_its_place_are_replaced(void **state)
{
	struct spot *s = *state;
	struct spool_ring *r = NULL;
	char *text;

	for (int kind = 0; kind < 3; kind++) {
		spot_put(s, "victim", "{\"n\":6,\"t\":\"x\"}\n");
		if (kind == 0)
			assert_int_equal(symlinkat("victim", s->fd, RING), 0);
		else if (kind == 1)
			assert_int_equal(linkat(s->fd, "victim", s->fd, RING,
			    0), 0);
		else
			assert_int_equal(mkfifoat(s->fd, RING, 0600), 0);
		r = ring_of(s);
		add(r, 7, 30);
		assert_int_equal(spool_ring_flush(r), 0);
		assert_int_equal(look(s).last, 7);
		spool_ring_close(r);
		text = spot_text(s, "victim", NULL);
		assert_string_equal(text, "{\"n\":6,\"t\":\"x\"}\n");
		free(text);
		assert_int_equal(unlinkat(s->fd, RING, 0), 0);
	}
	assert_int_equal(mkdirat(s->fd, RING, 0700), 0);
	assert_true(spool_ring_open(&r, s->fd, RING) < 0);
}

static void
what_an_agent_does_to_it_is_noticed(void **state)
{
	struct spot *s = *state;
	struct spool_ring *r = ring_of(s);
	int fd;

	add(r, 0, 30);
	assert_int_equal(spool_ring_flush(r), 0);

	assert_int_equal(unlinkat(s->fd, RING, 0), 0);
	add(r, 1, 30);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(look(s).lines, 1);

	spot_put(s, "other", "{\"n\":1,\"t\":\"of another\"");
	spot_put(s, "other", "{\"n\":1,\"t\":\"xxxxxxx\"}\n{\"n\":2,\"t");
	assert_int_equal(renameat(s->fd, "other", s->fd, RING), 0);
	add(r, 2, 30);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(look(s).lines, 2);

	spot_put(s, RING, "");
	add(r, 3, 30);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(look(s).lines, 1);

	spot_put(s, RING, "{\"n\":4,\"t\":"
	    "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}\n");
	add(r, 5, 30);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(look(s).lines, 2);

	assert_int_equal(linkat(s->fd, RING, s->fd, "copy", 0), 0);
	add(r, 6, 30);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(look(s).lines, 3);
	assert_int_equal(renameat(s->fd, "copy", s->fd, RING), 0);
	assert_int_equal(look(s).lines, 2);

	/* A hole as large as files get is not to be read in one piece. */
	spot_put(s, RING, "");
	fd = openat(s->fd, RING, O_WRONLY);
	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
	close(fd);
	add(r, 7, 30);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(look(s).lines, 1);
	spool_ring_close(r);
}

static void
a_box_that_is_gone_gets_no_new_ring(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");
	struct spool_ring *r = NULL, *again = NULL;

	assert_int_equal(spool_ring_box(box, &r), 0);
	assert_int_equal(spool_ring_box(box, &again), 0);
	assert_ptr_equal(r, again);
	add(r, 0, 30);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_true(spot_has(s, "#g/" RING));
	assert_int_equal(unlinkat(s->fd, "#g/" RING, 0), 0);
	assert_int_equal(unlinkat(s->fd, "#g/cur", AT_REMOVEDIR), 0);
	add(r, 1, 30);
	assert_int_equal(spool_ring_flush(r), -ESTALE);
	assert_false(spot_has(s, "#g/" RING));
	assert_int_equal(spool_ring_main(s->sp, &r), 0);
	add(r, 0, 30);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(look(s).lines, 1);
}

/* ------------------------------------------------------------- full disks */

static void
a_full_disk_keeps_the_newest_for_later(void **state)
{
	struct spot *s = *state;
	struct spool_ring *r = ring_of(s);
	long i = 0;

	add(r, i++, 30);
	assert_int_equal(spool_ring_flush(r), 0);
	fault_fail_all(ENOSPC);
	for (; i < 10; i++)
		add(r, i, 30);
	assert_int_equal(spool_ring_flush(r), -ENOSPC);
	fault_none();
	assert_int_equal(look(s).lines, 1);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(look(s).lines, 10);

	fault_fail_all(ENOSPC);
	for (; i < 5000; i++) {
		add(r, i, 30);
		if (i % 3 == 0)
			assert_int_equal(spool_ring_flush(r), -ENOSPC);
	}
	fault_none();
	assert_int_equal(look(s).last, 9);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(look(s).lines, 500);
	assert_int_equal(look(s).last, 4999);
	assert_int_equal(spot_count(s, "."), 1);
	spool_ring_close(r);
}

static void
a_short_write_leaves_no_part_of_a_line(void **state)
{
	struct spot *s = *state;
	struct spool_ring *r = ring_of(s);
	long i = 0;

	add(r, i++, 30);
	assert_int_equal(spool_ring_flush(r), 0);
	fault_short(100);
	for (; i < 50; i++)
		add(r, i, 30);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(look(s).lines, 50);
	fault_short(7);
	for (; i < 60; i++)
		add(r, i, 30);
	assert_int_equal(spool_ring_flush(r), 0);
	fault_none();
	assert_int_equal(look(s).lines, 60);
	spool_ring_close(r);
}

/* ---------------------------------------------------------------- crashes */

struct crash {
	struct spot	*s;
	long		 n;		/* lines before */
	bool		 cut;		/* does it cut? */
	size_t		 len;		/* of the lines added */
};

static void
prepare_ring(void *arg)
{
	struct crash *c = arg;
	struct spool_ring *r;

	fault_none();
	(void)unlinkat(c->s->fd, RING, 0);
	r = ring_of(c->s);
	for (long i = 0; i < c->n; i++)
		add(r, i, 30);
	assert_int_equal(spool_ring_flush(r), 0);
	spool_ring_close(r);
}

static int
write_ring(void *arg)
{
	struct crash *c = arg;
	struct spool_ring *r = ring_of(c->s);
	int rc;

	for (long i = c->n; i < c->n + 10; i++)
		add(r, i, c->len);
	rc = spool_ring_flush(r);
	spool_ring_close(r);
	return rc;
}

static void
verify_ring(void *arg, bool died)
{
	struct crash *c = arg;
	struct spool_ring *r = ring_of(c->s);
	struct seen seen = look(c->s);

	assert_in_range(seen.last, c->n - 1, c->n + 9);
	if (!died)
		assert_int_equal(seen.last, c->n + 9);
	if (!c->cut)
		assert_int_equal(seen.first, 0);
	else
		assert_true(seen.lines == 1000 || seen.lines == 500);
	add(r, seen.last + 1, 30);
	assert_int_equal(spool_ring_flush(r), 0);
	assert_int_equal(look(c->s).last, seen.last + 1);
	spool_ring_close(r);
	assert_true(spot_count(c->s, ".") <= 2);
}

static void
a_crash_at_any_call_leaves_whole_lines(void **state)
{
	struct crash append = { *state, 20, false, 30 };
	struct crash cut = { *state, 1000, true, 30 };
	struct crash swap = { *state, 20, false, 5000 };

	fault_each(prepare_ring, write_ring, verify_ring, &append);
	fault_each(prepare_ring, write_ring, verify_ring, &cut);
	fault_each(prepare_ring, write_ring, verify_ring, &swap);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, spot_make, spot_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(appends_what_is_flushed),
		TEST(refuses_what_is_no_line),
		TEST(no_appended_line_crosses_a_page),
		TEST(a_batch_is_one_write),
		TEST(a_thousand_lines_are_the_most),
		TEST(long_lines_shorten_the_ring_only_if_all_are),
		TEST(a_reader_sees_whole_lines_at_every_instant),
		TEST(goes_on_where_it_was),
		TEST(an_unclean_end_is_mended),
		TEST(strange_things_in_its_place_are_replaced),
		TEST(what_an_agent_does_to_it_is_noticed),
		TEST(a_box_that_is_gone_gets_no_new_ring),
		TEST(a_full_disk_keeps_the_newest_for_later),
		TEST(a_short_write_leaves_no_part_of_a_line),
		TEST(a_crash_at_any_call_leaves_whole_lines),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
