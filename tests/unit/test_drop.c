/*
 * test_drop.c - files in out/ are queued once each.
 */
#include "config.h"

#include "outq.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/internal.h"

#define OUT "#general/out/"

static struct spool_box *
box(struct outq *o)
{
	struct spool_box *b;

	assert_int_equal(spool_box(o->sp, "#general", true, &b), 0);
	return b;
}

/* A file in out/, with a modification time of its own, long ago. */
static void
drop(struct outq *o, const char *name, const char *text, time_t mtime)
{
	struct timespec ts[2] = { { mtime, 0 }, { mtime, 0 } };
	char path[300];

	snprintf(path, sizeof(path), OUT "%s", name);
	outq_append(o, path, text);
	assert_int_equal(utimensat(o->root, path, ts, 0), 0);
}

static int
take(struct outq *o, size_t max, bool *busy)
{
	return spool_intake_drop(o->q, box(o), max, busy);
}

static size_t
files_in(struct outq *o, const char *dir)
{
	struct spool_names list;
	size_t n;
	int fd = openat(o->root, dir, O_RDONLY | O_DIRECTORY);

	if (fd == -1)
		return 0;
	assert_int_equal(fs_list(fd, FS_FILES, &list), 0);
	n = list.n;
	spool_names_fini(&list);
	close(fd);
	return n;
}

static void
assert_next(struct outq *o, uint64_t *id, const char *name, const char *body)
{
	const struct spool_item *it = spool_queue_next(o->q, *id);
	struct buf b = BUF_INIT;

	assert_non_null(it);
	assert_string_equal(it->target, "#general");
	assert_string_equal(it->name, name);
	assert_int_equal(spool_queue_read(o->q, it, &b), 0);
	assert_int_equal(b.len, strlen(body));
	assert_int_equal(it->len, b.len);
	if (b.len > 0)
		assert_string_equal(b.p, body);
	buf_fini(&b);
	*id = it->id;
}

static void
reopen(struct outq *o)
{
	outq_close(o);
	assert_int_equal(outq_open(o), 0);
}

/* --------------------------------------------------------------- ordinary */

static void
takes_files_oldest_first(void **state)
{
	struct outq *o = *state;
	uint64_t id = 0;
	bool busy;

	(void)box(o);
	drop(o, "c", "third\n", 300);
	drop(o, "b", "first\n", 100);
	drop(o, "a", "second\n", 100);
	drop(o, ".hidden", "not yet\n", 50);
	assert_int_equal(take(o, 0, &busy), 0);
	assert_false(busy);
	assert_int_equal(spool_queue_count(o->q), 3);
	assert_next(o, &id, "a", "second\n");
	assert_next(o, &id, "b", "first\n");
	assert_next(o, &id, "c", "third\n");
	assert_int_equal(files_in(o, OUT), 0);
	assert_true(outq_exists(o, OUT ".hidden"));
}

static void
takes_at_most_what_it_is_told(void **state)
{
	struct outq *o = *state;
	bool busy;

	(void)box(o);
	for (int i = 0; i < 5; i++)
		drop(o, (char[]){ (char)('a' + i), 0 }, "x", 100 + i);
	assert_int_equal(take(o, 2, &busy), 1);
	assert_int_equal(spool_queue_count(o->q), 2);
	assert_int_equal(take(o, 2, &busy), 1);
	assert_int_equal(take(o, 2, &busy), 0);
	assert_int_equal(spool_queue_count(o->q), 5);
}

static void
keeps_a_claimed_file_until_it_is_synced(void **state)
{
	struct outq *o = *state;
	bool busy;

	(void)box(o);
	drop(o, "x", "hello\n", 100);
	assert_int_equal(take(o, 0, &busy), 0);
	assert_int_equal(take(o, 0, &busy), 0);
	assert_int_equal(files_in(o, "queue"), 2);
	assert_false(spool_queue_synced(o->q, 1));
	assert_int_equal(outq_sync(o), 0);
	assert_true(spool_queue_synced(o->q, 1));
	assert_int_equal(files_in(o, "queue"), 1);
}

static void
names_are_made_fit_for_receipts(void **state)
{
	struct outq *o = *state;
	const struct spool_item *it;
	char name[256];
	bool busy;

	(void)box(o);
	memset(name, 'n', 200);
	name[200] = '\0';
	memcpy(name, "-a b\n\xff.json.", 12);
	drop(o, name, "x", 100);
	assert_int_equal(take(o, 0, &busy), 0);
	it = spool_queue_next(o->q, 0);
	assert_non_null(it);
	assert_int_equal(strlen(it->name), 100);
	assert_memory_equal(it->name, "-a_b__.json.nnn", 15);
	reopen(o);
	assert_int_equal(spool_queue_count(o->q), 1);
}

static void
a_file_open_for_writing_is_left(void **state)
{
	struct outq *o = *state;
	uint64_t id = 0;
	bool busy;
	int fd;

	(void)box(o);
	drop(o, "x", "half ", 100);
	fd = openat(o->root, OUT "x", O_WRONLY | O_APPEND);
	assert_int_equal(take(o, 0, &busy), 0);
	assert_true(busy);
	assert_int_equal(spool_queue_count(o->q), 0);
	assert_int_equal(write(fd, "whole\n", 6), 6);
	close(fd);
	assert_int_equal(take(o, 0, &busy), 0);
	assert_false(busy);
	assert_next(o, &id, "x", "half whole\n");
}

static void
an_empty_file_is_given_a_second(void **state)
{
	struct outq *o = *state;
	struct timespec ts[2] = { { 100, 0 }, { 100, 0 } };
	uint64_t id = 0;
	bool busy;

	(void)box(o);
	outq_append(o, OUT "x", "");
	assert_int_equal(take(o, 0, &busy), 0);
	assert_true(busy);
	assert_int_equal(utimensat(o->root, OUT "x", ts, 0), 0);
	assert_int_equal(take(o, 0, &busy), 0);
	assert_false(busy);
	assert_next(o, &id, "x", "");
}

static void
what_is_written_after_the_claim_is_another_message(void **state)
{
	struct outq *o = *state;
	uint64_t id = 0;
	bool busy;
	int fd;

	(void)box(o);
	drop(o, "x", "one\n", 100);
	drop(o, "y", "other\n", 101);
	assert_int_equal(take(o, 0, &busy), 0);
	fd = openat(o->root, "queue/claim.0000000000000001.#general.x",
	    O_WRONLY | O_APPEND);
	assert_true(fd >= 0);
	assert_int_equal(outq_sync(o), 0);
	assert_int_equal(files_in(o, "queue"), 2);
	assert_int_equal(write(fd, "two\n", 4), 4);
	close(fd);
	assert_int_equal(take(o, 0, &busy), 0);
	assert_int_equal(outq_sync(o), 0);
	assert_int_equal(files_in(o, "queue"), 1);
	assert_int_equal(spool_queue_count(o->q), 3);
	assert_next(o, &id, "x", "one\n");
	assert_next(o, &id, "y", "other\n");
	assert_next(o, &id, "x", "one\ntwo\n");
}

static void
what_is_too_long_goes_to_failed_with_a_reason(void **state)
{
	struct outq *o = *state;
	char *text = malloc(SPOOL_MSG_MAX + 2);
	struct buf b = BUF_INIT;
	struct stat st;
	bool busy;
	int dir;

	assert_non_null(text);
	memset(text, 'x', SPOOL_MSG_MAX + 1);
	text[SPOOL_MSG_MAX + 1] = '\0';
	(void)box(o);
	drop(o, "big", text, 100);
	text[SPOOL_MSG_MAX] = '\0';
	drop(o, "fits", text, 200);
	assert_int_equal(take(o, 0, &busy), 0);
	assert_int_equal(spool_queue_count(o->q), 1);
	assert_int_equal(spool_queue_next(o->q, 0)->len, SPOOL_MSG_MAX);
	assert_int_equal(fstatat(o->root, "failed/#general.big.1", &st, 0), 0);
	assert_int_equal(st.st_size, SPOOL_MSG_MAX + 1);
	dir = openat(o->root, "failed", O_RDONLY | O_DIRECTORY);
	assert_int_equal(spool_slurp(dir, "#general.big.1.reason", 1000, &b),
	    0);
	close(dir);
	assert_non_null(strstr(b.p, "longer than 1 MiB"));
	reopen(o);
	assert_int_equal(spool_queue_next(o->q, 0)->id, 2);
	assert_int_equal(spool_queue_count(o->q), 1);
	buf_fini(&b);
	free(text);
}

static void
strange_things_are_left_alone_and_reported_once(void **state)
{
	struct outq *o = *state;
	bool busy;

	(void)box(o);
	assert_int_equal(symlinkat("/etc/passwd", o->root, OUT "link"), 0);
	drop(o, "fine", "fine\n", 100);
	drop(o, "more", "more\n", 100);
	assert_int_equal(take(o, 1, &busy), 1);
	assert_int_equal(take(o, 1, &busy), -ELOOP);
	assert_string_equal(spool_intake_odd(o->q), "link");
	assert_int_equal(spool_queue_count(o->q), 2);
	assert_int_equal(take(o, 0, &busy), 0);
	assert_int_equal(mkfifoat(o->root, OUT "fifo", 0600), 0);
	assert_int_equal(take(o, 0, &busy), -EINVAL);
	outq_append(o, "mine", "secret\n");
	assert_int_equal(linkat(o->root, "mine", o->root, OUT "hard", 0), 0);
	assert_int_equal(take(o, 0, &busy), -EMLINK);
	/* One at each look. */
	assert_int_equal(mkdirat(o->root, OUT "dir", 0700), 0);
	assert_int_equal(mkdirat(o->root, OUT "dir2", 0700), 0);
	assert_int_equal(take(o, 0, &busy), -EINVAL);
	assert_int_equal(take(o, 0, &busy), -EINVAL);
	assert_int_equal(take(o, 0, &busy), 0);
	assert_false(busy);
	assert_int_equal(spool_queue_count(o->q), 2);
	assert_true(outq_exists(o, OUT "link"));
	assert_true(outq_exists(o, OUT "dir"));
	/* A link that is made and then unlinked elsewhere is a fine drop. */
	assert_int_equal(unlinkat(o->root, "mine", 0), 0);
	assert_int_equal(take(o, 0, &busy), 0);
	assert_int_equal(spool_queue_count(o->q), 3);
}

static void
a_full_disk_keeps_claims_for_later(void **state)
{
	struct outq *o = *state;
	uint64_t id = 0;
	bool busy;

	(void)box(o);
	drop(o, "a", "1\n", 100);
	drop(o, "b", "2\n", 101);
	fault_fail("pwrite", 0, ENOSPC);
	assert_int_equal(take(o, 0, &busy), -EAGAIN);
	assert_int_equal(spool_queue_count(o->q), 0);
	drop(o, "c", "3\n", 102);
	assert_int_equal(take(o, 0, &busy), -EAGAIN);
	fault_none();
	assert_int_equal(spool_queue_add(o->q, "#x", "by-hand", "4", 1), 0);
	assert_int_equal(take(o, 0, &busy), 0);
	assert_int_equal(spool_queue_count(o->q), 4);
	assert_next(o, &id, "a", "1\n");
	assert_next(o, &id, "b", "2\n");
	reopen(o);
	assert_int_equal(spool_queue_count(o->q), 4);
	assert_int_equal(files_in(o, "queue"), 1);
	assert_int_equal(files_in(o, OUT), 0);
}

static void
a_checkpoint_does_not_count_claims_that_are_not_queued(void **state)
{
	struct outq *o = *state;
	static char body[700000];
	uint64_t id = 0;
	bool busy;

	(void)box(o);
	memset(body, 'x', sizeof(body));
	for (int i = 0; i < 2; i++)
		assert_int_equal(spool_queue_add(o->q, "#x", "n", body,
		    sizeof(body)), 0);
	drop(o, "a", "1\n", 100);
	fault_fail("pwrite", 0, ENOSPC);
	assert_int_equal(take(o, 0, &busy), -EAGAIN);
	fault_none();
	assert_int_equal(spool_queue_done(o->q, 1), 0);
	assert_int_equal(spool_queue_done(o->q, 2), 0);
	assert_true(o->q->check_pos > 2 * sizeof(body));
	reopen(o);
	assert_int_equal(spool_queue_count(o->q), 1);
	assert_next(o, &id, "a", "1\n");
	assert_int_equal(id, 3);
}

static void
a_claim_that_can_not_be_read_does_not_stop_the_queue(void **state)
{
	struct outq *o = *state;
	uint64_t id = 0;
	bool busy;

	(void)box(o);
	drop(o, "a", "1\n", 100);
	fault_fail("pwrite", 0, ENOSPC);
	assert_int_equal(take(o, 0, &busy), -EAGAIN);
	fault_none();
	assert_int_equal(linkat(o->root,
	    "queue/claim.0000000000000001.#general.a", o->root, "mine", 0),
	    0);
	drop(o, "b", "2\n", 100);
	assert_int_equal(take(o, 0, &busy), 0);
	assert_next(o, &id, "b", "2\n");
	assert_int_equal(id, 2);
	assert_true(outq_exists(o, "failed/#general.a.1"));
	assert_true(outq_exists(o, "failed/#general.a.1.reason"));
}

/* ------------------------------------------------------------------- death */

static void
prepare(void *arg)
{
	struct outq *o = arg;

	outq_fresh(o);
	assert_int_equal(outq_open(o), 0);
	(void)box(o);
	drop(o, "a", "1", 100);
	drop(o, "b", "2", 101);
	drop(o, "c", "3", 102);
	outq_append(o, "outbox.jsonl", "line\n");
	outq_close(o);
}

static int
step(void *arg)
{
	struct outq *o = arg;
	struct spool_box *b;
	int again, rc;
	bool busy;

	rc = outq_open(o);
	if (rc == 0)
		rc = spool_box(o->sp, "#general", false, &b);
	for (int i = 0; rc >= 0 && i < 4; i++) {
		rc = spool_intake_drop(o->q, b, 2, &busy);
		if (rc >= 0)
			rc = outq_turn(o, &again);
	}
	outq_close(o);
	return rc;
}

static void
verify(void *arg, bool died)
{
	struct outq *o = arg;
	static const char *const bodies[] = { "1", "2", "3", "line" };
	struct sent s;
	bool busy;

	outq_revive(o, died);
	assert_int_equal(take(o, 0, &busy), 0);
	assert_false(busy);
	outq_drain(o);
	assert_int_equal(files_in(o, OUT), 0);
	assert_int_equal(files_in(o, "queue"), 1);
	outq_sent(o, &s);
	assert_int_equal(s.n, AC_COUNTOF(bodies));
	for (size_t b = 0; b < AC_COUNTOF(bodies); b++) {
		size_t found = 0;

		for (size_t i = 0; i < s.n; i++)
			found += strcmp(s.item[i].body, bodies[b]) == 0;
		assert_int_equal(found, 1);
	}
	outq_sent_free(&s);
}

static void
survives_death_at_every_call(void **state)
{
	fault_each(prepare, step, verify, *state);
}

static void
survives_a_power_cut_at_every_call(void **state)
{
	struct outq *o = *state;

	o->cut = true;
	fault_each(prepare, step, verify, o);
}

static void
sends_once_whatever_call_fails(void **state)
{
	static const char *const calls[] = { "openat", "pwrite", "renameat",
	    "renameat2", "unlinkat", "ftruncate" };
	struct outq *o = *state;

	for (size_t c = 0; c < AC_COUNTOF(calls); c++) {
		for (int nth = 1; nth < 30; nth++) {
			prepare(o);
			fault_fail(calls[c], nth, ENOSPC);
			(void)step(o);
			fault_none();
			verify(o, true);
		}
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, outq_setup, outq_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(takes_files_oldest_first),
		T(takes_at_most_what_it_is_told),
		T(keeps_a_claimed_file_until_it_is_synced),
		T(names_are_made_fit_for_receipts),
		T(a_file_open_for_writing_is_left),
		T(an_empty_file_is_given_a_second),
		T(what_is_written_after_the_claim_is_another_message),
		T(what_is_too_long_goes_to_failed_with_a_reason),
		T(strange_things_are_left_alone_and_reported_once),
		T(a_full_disk_keeps_claims_for_later),
		T(a_checkpoint_does_not_count_claims_that_are_not_queued),
		T(a_claim_that_can_not_be_read_does_not_stop_the_queue),
		T(survives_death_at_every_call),
		T(survives_a_power_cut_at_every_call),
		T(sends_once_whatever_call_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
