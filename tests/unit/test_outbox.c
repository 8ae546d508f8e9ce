/*
 * test_outbox.c - lines of outbox.jsonl are queued once each.
 */
#include "config.h"

#include "outq.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define OUTBOX	"outbox.jsonl"
#define RETIRED	".outbox.retired"

static off_t
size_of(const struct outq *o, const char *file)
{
	struct stat st;

	assert_int_equal(fstatat(o->root, file, &st, 0), 0);
	return st.st_size;
}

static void
reopen(struct outq *o)
{
	outq_close(o);
	assert_int_equal(outq_open(o), 0);
}

/* Intake alone, as it is before anything is retired. */
static void
take(struct outq *o)
{
	int again;

	assert_int_equal(spool_intake_outbox(o->q, 0, &again), 0);
}

static void
overwrite(struct outq *o, const char *text)
{
	int fd = openat(o->root, OUTBOX, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* As most editors save: another file, renamed over the old one. */
static void
save(struct outq *o, const char *text)
{
	outq_append(o, "edited", text);
	assert_int_equal(renameat(o->root, "edited", o->root, OUTBOX), 0);
}

static int
truncate_to(struct outq *o, const char *file, off_t len)
{
	int fd = openat(o->root, file, O_WRONLY | O_CLOEXEC), rc;

	assert_int_not_equal(fd, -1);
	rc = ftruncate(fd, len);
	close(fd);
	return rc;
}

/* ---------------------------------------------------------------- ordinary */

static void
queues_each_line_and_empties_the_file(void **state)
{
	struct outq *o = *state;

	outq_append(o, OUTBOX, "one\ntwo\n\n  \t\nthree\n");
	outq_drain(o);
	outq_assert_sent(o, "one", "two", "three", NULL);
	assert_int_equal(size_of(o, OUTBOX), 0);
	assert_false(outq_exists(o, RETIRED));
	outq_append(o, OUTBOX, "four\n");
	outq_drain(o);
	reopen(o);
	outq_drain(o);
	outq_assert_sent(o, "one", "two", "three", "four", NULL);
}

static void
does_nothing_without_a_file(void **state)
{
	struct outq *o = *state;
	int again;

	assert_int_equal(spool_intake_outbox(o->q, 10, &again), 0);
	assert_int_equal(again, -1);
	assert_int_equal(spool_queue_count(o->q), 0);
}

static void
takes_at_most_what_it_is_told(void **state)
{
	struct outq *o = *state;
	int again;

	outq_append(o, OUTBOX, "1\n2\n3\n4\n5\n");
	assert_int_equal(spool_intake_outbox(o->q, 2, &again), 1);
	assert_int_equal(spool_queue_count(o->q), 2);
	assert_int_equal(spool_intake_outbox(o->q, 2, &again), 1);
	assert_int_equal(spool_intake_outbox(o->q, 2, &again), 0);
	assert_int_equal(spool_queue_count(o->q), 5);
}

static void
remembers_where_it_was(void **state)
{
	struct outq *o = *state;

	outq_append(o, OUTBOX, "1\n2\n");
	take(o);
	reopen(o);
	take(o);
	assert_int_equal(spool_queue_count(o->q), 2);
	outq_append(o, OUTBOX, "3\n");
	reopen(o);
	outq_drain(o);
	outq_assert_sent(o, "1", "2", "3", NULL);
}

static void
waits_for_the_end_of_a_line(void **state)
{
	struct outq *o = *state;
	int again;

	outq_append(o, OUTBOX, "whole\nhal");
	assert_int_equal(spool_intake_outbox(o->q, 0, &again), 0);
	assert_int_equal(spool_queue_count(o->q), 1);
	assert_true(again > 0 && again <= 60000);
	outq_now += 59000;
	assert_int_equal(spool_intake_outbox(o->q, 0, &again), 0);
	assert_int_equal(spool_queue_count(o->q), 1);
	outq_append(o, OUTBOX, "f");
	assert_int_equal(spool_intake_outbox(o->q, 0, &again), 0);
	outq_now += 59000;
	assert_int_equal(spool_intake_outbox(o->q, 0, &again), 0);
	assert_int_equal(spool_queue_count(o->q), 1);
	outq_append(o, OUTBOX, "!\n");
	outq_drain(o);
	outq_assert_sent(o, "whole", "half!", NULL);
}

static void
gives_up_on_a_line_after_a_minute(void **state)
{
	struct outq *o = *state;
	struct sent s;
	int again;

	outq_append(o, OUTBOX, "torso");
	take(o);
	outq_now += 60000;
	assert_int_equal(spool_intake_outbox(o->q, 0, &again), 0);
	outq_drain(o);
	outq_sent(o, &s);
	assert_int_equal(s.n, 1);
	assert_string_equal(s.item[0].name, "outbox.broken");
	assert_string_equal(s.item[0].body, "torso");
	assert_int_equal(size_of(o, OUTBOX), 0);
	outq_sent_free(&s);
}

static void
a_line_of_the_longest_is_whole_and_a_longer_one_is_broken(void **state)
{
	struct outq *o = *state;
	char *text = malloc(SPOOL_MSG_MAX + 3);
	const struct spool_item *it;

	assert_non_null(text);
	memset(text, 'x', SPOOL_MSG_MAX + 1);
	strcpy(text + SPOOL_MSG_MAX, "\n");
	outq_append(o, OUTBOX, text);
	take(o);
	it = spool_queue_next(o->q, 0);
	assert_non_null(it);
	assert_string_equal(it->name, "outbox");
	assert_int_equal(it->len, SPOOL_MSG_MAX);
	strcpy(text + SPOOL_MSG_MAX, "y\n");
	outq_append(o, OUTBOX, text);
	outq_append(o, OUTBOX, "next\n");
	take(o);
	it = spool_queue_next(o->q, 1);
	assert_non_null(it);
	assert_string_equal(it->name, "outbox.broken");
	assert_int_equal(it->len, SPOOL_MSG_MAX);
	it = spool_queue_next(o->q, 2);
	assert_string_equal(it->name, "outbox");
	assert_int_equal(it->len, 1);
	it = spool_queue_next(o->q, 3);
	assert_int_equal(it->len, 4);
	free(text);
}

/* ---------------------------------------------------- files that are others */

static void
reads_a_file_that_was_truncated_from_its_start(void **state)
{
	struct outq *o = *state;

	outq_append(o, OUTBOX, "one\ntwo\n");
	take(o);
	overwrite(o, "x\n");
	take(o);
	overwrite(o, "other\nlines, more of them\nthan there were\n");
	take(o);
	reopen(o);
	overwrite(o, "now\nafter\na\nrestart\nwith as many lines as that\n");
	outq_drain(o);
	outq_assert_sent(o, "one", "two", "x", "other", "lines, more of them",
	    "than there were", "now", "after", "a", "restart",
	    "with as many lines as that", NULL);
}

/* As if the cursors had been kept before the machine was started. */
static void
reboot(struct outq *o)
{
	memset(o->q->boot, 'x', QUEUE_BOOT);
	assert_int_equal(queue_checkpoint(o->q), 0);
	reopen(o);
}

static void
a_power_cut_that_takes_the_end_of_the_file_sends_nothing_twice(void **state)
{
	struct outq *o = *state;

	outq_append(o, OUTBOX, "one\ntwo\nthree\nfour\n");
	take(o);
	/* Gone: "four" and half of "three". */
	assert_int_equal(truncate_to(o, OUTBOX, 10), 0);
	reboot(o);
	take(o);
	outq_append(o, OUTBOX, "five\n");
	outq_drain(o);
	outq_assert_sent(o, "one", "two", "three", "four", "five", NULL);
}

/* The second cut takes more of the file than the first has left unsynced. */
static void
two_power_cuts_in_a_row_send_nothing_twice(void **state)
{
	struct outq *o = *state;

	outq_append(o, OUTBOX, "one\ntwo\nthree\n");
	take(o);
	assert_int_equal(truncate_to(o, OUTBOX, 8), 0);
	reboot(o);
	outq_append(o, OUTBOX, "four\n");
	take(o);
	outq_append(o, OUTBOX, "five\n");
	take(o);
	assert_int_equal(truncate_to(o, OUTBOX, 4), 0);
	reboot(o);
	outq_append(o, OUTBOX, "six\n");
	outq_drain(o);
	outq_assert_sent(o, "one", "two", "three", "four", "five", "six", NULL);
}

static void
nuls_that_a_power_cut_left_are_no_part_of_a_line(void **state)
{
	struct outq *o = *state;

	outq_append(o, OUTBOX, "one\ntwo\nthree\n");
	take(o);
	assert_int_equal(truncate_to(o, OUTBOX, 8), 0);
	assert_int_equal(truncate_to(o, OUTBOX, 14), 0);
	outq_append(o, OUTBOX, "four\n");
	reboot(o);
	outq_drain(o);
	outq_assert_sent(o, "one", "two", "three", "four", NULL);
}

static void
nuls_within_a_line_part_what_is_torn_from_what_is_whole(void **state)
{
	static const char text[] = "two, tor\0\0\0\0three\n\0\0\nfour\n";
	struct outq *o = *state;

	outq_append(o, OUTBOX, "one\n");
	take(o);
	fault_append(o->root, OUTBOX, text, sizeof(text) - 1);
	outq_drain(o);
	outq_assert_sent(o, "one", "two, tor", "three", "four", NULL);
}

static void
in_the_same_boot_a_shorter_file_is_another(void **state)
{
	struct outq *o = *state;

	outq_append(o, OUTBOX, "one\ntwo\n");
	take(o);
	assert_int_equal(truncate_to(o, OUTBOX, 4), 0);
	reopen(o);
	outq_drain(o);
	outq_assert_sent(o, "one", "two", "one", NULL);
	/* And after a boot, if nothing of it is known. */
	outq_append(o, OUTBOX, "three\n");
	take(o);
	overwrite(o, "4\n");
	reboot(o);
	outq_drain(o);
	outq_assert_sent(o, "one", "two", "one", "three", "4", NULL);
}

static void
an_emptied_file_is_not_the_same_when_it_is_filled_again(void **state)
{
	struct outq *o = *state;

	outq_append(o, OUTBOX, "again\n");
	take(o);
	overwrite(o, "");
	take(o);
	reopen(o);
	outq_append(o, OUTBOX, "again\n");
	outq_drain(o);
	outq_assert_sent(o, "again", "again", NULL);
}

static void
goes_on_in_a_file_that_an_editor_saved(void **state)
{
	struct outq *o = *state;

	outq_append(o, OUTBOX, "one\ntwo\n");
	take(o);
	save(o, "one\ntwo\nthree\n");
	take(o);
	overwrite(o, "one\ntwo\nthree\nfour\n");
	take(o);
	reopen(o);
	save(o, "one\ntwo\nthree\nfour\nfive\n");
	outq_drain(o);
	outq_assert_sent(o, "one", "two", "three", "four", "five", NULL);
}

static void
reads_a_file_that_was_made_anew(void **state)
{
	struct outq *o = *state;
	int fd;

	outq_append(o, OUTBOX, "one\n");
	take(o);
	assert_int_equal(unlinkat(o->root, OUTBOX, 0), 0);
	take(o);
	outq_append(o, OUTBOX, "one\n");
	take(o);
	assert_int_equal(unlinkat(o->root, OUTBOX, 0), 0);
	take(o);
	take(o);
	reopen(o);
	outq_append(o, OUTBOX, "one\n");
	take(o);
	fd = openat(o->root, OUTBOX, O_WRONLY | O_APPEND);
	assert_int_equal(unlinkat(o->root, OUTBOX, 0), 0);
	take(o);
	assert_int_equal(write(fd, "two\n", 4), 4);
	close(fd);
	take(o);
	outq_append(o, OUTBOX, "two\n");
	take(o);
	outq_append(o, OUTBOX, "three\n");
	/* Unread when it goes: still there for who has it open. */
	assert_int_equal(unlinkat(o->root, OUTBOX, 0), 0);
	outq_append(o, OUTBOX, "four\n");
	outq_drain(o);
	outq_assert_sent(o, "one", "one", "one", "two", "two", "three",
	    "four", NULL);
}

static void
a_change_far_from_the_end_of_a_long_file_is_found_at_start(void **state)
{
	struct outq *o = *state;
	size_t len = 300000, lines = len / 100;
	char *text = malloc(len + 1);
	int fd;

	assert_non_null(text);
	for (size_t i = 0; i < lines; i++)
		sprintf(text + i * 100, "%098zu.\n", i);
	outq_append(o, OUTBOX, text);
	take(o);
	assert_int_equal(spool_queue_count(o->q), lines);
	outq_append(o, OUTBOX, "one more\n");
	take(o);
	assert_int_equal(spool_queue_count(o->q), lines + 1);
	/* The last bytes before the cursor count while we run. */
	memset(text + len - 50, 'y', 10);
	overwrite(o, text);
	take(o);
	assert_int_equal(spool_queue_count(o->q), 2 * lines + 1);
	outq_close(o);
	fd = openat(o->root, OUTBOX, O_WRONLY);
	assert_int_equal(pwrite(fd, "changed", 7, 5), 7);
	close(fd);
	assert_int_equal(outq_open(o), 0);
	take(o);
	assert_int_equal(spool_queue_count(o->q), 3 * lines + 1);
	free(text);
}

static void
refuses_what_is_no_file_of_ours(void **state)
{
	struct outq *o = *state;
	int again;

	assert_int_equal(symlinkat("/etc/passwd", o->root, OUTBOX), 0);
	assert_int_equal(spool_intake_outbox(o->q, 0, &again), -ELOOP);
	unlinkat(o->root, OUTBOX, 0);
	assert_int_equal(mkfifoat(o->root, OUTBOX, 0600), 0);
	assert_int_equal(spool_intake_outbox(o->q, 0, &again), -EINVAL);
	unlinkat(o->root, OUTBOX, 0);
	assert_int_equal(mkdirat(o->root, OUTBOX, 0700), 0);
	assert_int_equal(spool_intake_outbox(o->q, 0, &again), -EINVAL);
	unlinkat(o->root, OUTBOX, AT_REMOVEDIR);
	outq_append(o, "mine", "secret\n");
	assert_int_equal(linkat(o->root, "mine", o->root, OUTBOX, 0), 0);
	assert_int_equal(spool_intake_outbox(o->q, 0, &again), -EMLINK);
	assert_int_equal(spool_queue_count(o->q), 0);
	unlinkat(o->root, OUTBOX, 0);
	outq_append(o, OUTBOX, "fine\n");
	outq_drain(o);
	outq_assert_sent(o, "fine", NULL);
}

/* ---------------------------------------------------------------- retiring */

/* Turns until the file has another name. */
static void
until_retired(struct outq *o)
{
	int again;

	for (int turn = 0; turn < 100 && !outq_exists(o, RETIRED); turn++) {
		assert_int_equal(outq_turn(o, &again), 0);
		assert_true(again > 0);
		outq_now += again;
	}
	assert_true(outq_exists(o, RETIRED));
	assert_int_equal(size_of(o, OUTBOX), 0);
}

static void
who_keeps_the_file_open_is_heard_for_ever(void **state)
{
	struct outq *o = *state;
	int fd = openat(o->root, OUTBOX, O_WRONLY | O_CREAT | O_APPEND, 0600);
	int again;

	assert_int_equal(write(fd, "one\n", 4), 4);
	until_retired(o);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(outq_turn(o, &again), 0);
		assert_true(again > 0 && again <= 1000);
		outq_now += again;
	}
	assert_true(outq_exists(o, RETIRED));
	outq_append(o, OUTBOX, "new\n");
	assert_int_equal(write(fd, "old\n", 4), 4);
	assert_int_equal(outq_turn(o, &again), 0);
	outq_assert_sent(o, "one", "old", "new", NULL);
	reopen(o);
	assert_int_equal(write(fd, "older\n", 6), 6);
	assert_int_equal(outq_turn(o, &again), 0);
	close(fd);
	outq_drain(o);
	assert_false(outq_exists(o, RETIRED));
	assert_int_equal(size_of(o, OUTBOX), 0);
	outq_assert_sent(o, "one", "old", "new", "older", NULL);
}

static void
who_comes_during_the_quarantine_is_heard(void **state)
{
	struct outq *o = *state;
	int again, fd;
	sigset_t urg, was, now;

	/* Nor does the lease that he breaks reach us as a signal. */
	sigemptyset(&urg);
	sigaddset(&urg, SIGURG);
	sigaddset(&urg, SIGIO);
	sigprocmask(SIG_BLOCK, &urg, &was);
	outq_append(o, OUTBOX, "one\n");
	until_retired(o);
	assert_int_equal(outq_turn(o, &again), 0);
	outq_now += 500;
	assert_int_equal(outq_turn(o, &again), 0);
	assert_true(o->q->tail[ROLE_RETIRED].leased);
	fd = openat(o->root, RETIRED, O_WRONLY | O_APPEND | O_NONBLOCK);
	assert_int_equal(fd, -1);
	assert_int_equal(errno, EWOULDBLOCK);
	outq_now += 600;
	assert_int_equal(outq_turn(o, &again), 0);
	assert_true(outq_exists(o, RETIRED));
	assert_false(o->q->tail[ROLE_RETIRED].leased);
	fd = openat(o->root, RETIRED, O_WRONLY | O_APPEND | O_NONBLOCK);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "late\n", 5), 5);
	close(fd);
	sigpending(&now);
	assert_false(sigismember(&now, SIGURG));
	assert_false(sigismember(&now, SIGIO));
	sigprocmask(SIG_SETMASK, &was, NULL);
	outq_drain(o);
	assert_false(outq_exists(o, RETIRED));
	outq_assert_sent(o, "one", "late", NULL);
}

static void
nothing_is_retired_or_removed_before_it_is_synced(void **state)
{
	struct outq *o = *state;

	outq_append(o, OUTBOX, "one\n");
	for (int i = 0; i < 20; i++) {
		take(o);
		outq_now += 1000;
	}
	assert_false(outq_exists(o, RETIRED));
	assert_int_equal(outq_sync(o), 0);
	for (int i = 0; i < 20; i++) {
		take(o);
		outq_now += 1000;
		assert_true(outq_exists(o, RETIRED));
	}
	outq_drain(o);
	assert_false(outq_exists(o, RETIRED));
	outq_assert_sent(o, "one", NULL);
}

static void
without_leases_it_waits_longer(void **state)
{
	struct outq *o = *state;
	int again, fd;

	outq_append(o, OUTBOX, "one\n");
	until_retired(o);
	o->q->tail[ROLE_RETIRED].no_lease = true;
	fd = openat(o->root, RETIRED, O_WRONLY | O_APPEND);
	outq_now += 9000;
	assert_int_equal(outq_turn(o, &again), 0);
	assert_int_equal(write(fd, "late\n", 5), 5);
	close(fd);
	outq_now += 9000;
	assert_int_equal(outq_turn(o, &again), 0);
	assert_true(outq_exists(o, RETIRED));
	outq_now += 10000;
	assert_int_equal(outq_turn(o, &again), 0);
	assert_int_equal(outq_turn(o, &again), 0);
	assert_false(outq_exists(o, RETIRED));
	outq_assert_sent(o, "one", "late", NULL);
}

static void
the_same_line_in_the_next_file_is_another_message(void **state)
{
	struct outq *o = *state;

	for (int i = 0; i < 6; i++) {
		outq_append(o, OUTBOX, "same\n");
		if (i % 2 == 0)
			outq_drain(o);
		else
			until_retired(o);
		if (i % 3 == 0)
			reopen(o);
	}
	outq_drain(o);
	outq_assert_sent(o, "same", "same", "same", "same", "same", "same",
	    NULL);
}

static void
a_full_disk_loses_nothing_and_sends_nothing_twice(void **state)
{
	struct outq *o = *state;
	int again;

	outq_append(o, OUTBOX, "1\n2\n");
	take(o);
	outq_append(o, OUTBOX, "3\n");
	fault_fail("pwrite", 0, ENOSPC);
	assert_int_equal(spool_intake_outbox(o->q, 0, &again), -EAGAIN);
	assert_true(again > 0);
	assert_int_equal(spool_queue_count(o->q), 2);
	overwrite(o, "new 1\nnew 2\n");
	fault_fail("pwrite", 0, ENOSPC);
	assert_int_equal(spool_intake_outbox(o->q, 0, &again), -EAGAIN);
	fault_none();
	outq_append(o, OUTBOX, "new 3\n");
	outq_drain(o);
	outq_assert_sent(o, "1", "2", "new 1", "new 2", "new 3", NULL);
}

/* ------------------------------------------------------------ death, crowds */

static void
prepare(void *arg)
{
	struct outq *o = arg;

	outq_fresh(o);
	outq_append(o, OUTBOX, "1\n2\n3\n");
}

/* Three lines, retired; two more before that is over, retired too. */
static int
step(void *arg)
{
	struct outq *o = arg;
	int again, rc;

	rc = outq_open(o);
	if (rc == 0)
		rc = outq_turn(o, &again);
	for (int turn = 0; rc >= 0 && turn < 40; turn++) {
		if (turn == 6)
			outq_append(o, OUTBOX, "4\n5\n");
		outq_now += 150;
		rc = outq_turn(o, &again);
	}
	outq_close(o);
	return rc;
}

static void
verify(void *arg, bool died)
{
	struct outq *o = arg;
	struct sent s;

	outq_revive(o, died);
	outq_drain(o);
	outq_sent(o, &s);
	assert_true(died ? s.n == 3 || s.n == 4 || s.n == 5 : s.n == 5);
	for (size_t i = 0; i < s.n; i++)
		assert_int_equal(atoi(s.item[i].body), i + 1);
	outq_sent_free(&s);
	assert_int_equal(size_of(o, OUTBOX), 0);
	assert_false(outq_exists(o, RETIRED));
	outq_append(o, OUTBOX, "1\n");
	outq_drain(o);
	assert_int_equal(spool_queue_count(o->q), 0);
	outq_sent(o, &s);
	assert_string_equal(s.item[s.n - 1].body, "1");
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
	static const char *const calls[] = { "openat", "pwrite", "renameat2",
	    "unlinkat", "ftruncate" };
	struct outq *o = *state;

	for (size_t c = 0; c < AC_COUNTOF(calls); c++) {
		for (int nth = 1; nth < 40; nth++) {
			prepare(o);
			fault_fail(calls[c], nth, ENOSPC);
			(void)step(o);
			fault_none();
			verify(o, true);
		}
	}
}

#define WRITERS	6
#define LINES	2000

/* echo >> outbox.jsonl, many times. */
static void
write_lines(const struct outq *o, int writer)
{
	char line[64];

	for (int i = 0; i < LINES; i++) {
		int fd = openat(o->root, OUTBOX,
		    O_WRONLY | O_CREAT | O_APPEND, 0600);
		int len = snprintf(line, sizeof(line), "%d %d\n", writer, i);

		if (fd == -1 || write(fd, line, (size_t)len) != len)
			_exit(1);
		close(fd);
	}
	_exit(0);
}

static int64_t
real_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A daemon that never ends, with a clock that goes faster than real time. */
static void
run_daemon(struct outq *o)
{
	int again;

	if (outq_open(o) != 0)
		_exit(1);
	o->q->idle_ms = 0;
	for (;;) {
		outq_now += 150;
		if (outq_turn(o, &again) < 0)
			_exit(1);
	}
}

static void
assert_all_lines(const struct outq *o)
{
	static int next[WRITERS];
	struct sent s;

	memset(next, 0, sizeof(next));
	outq_sent(o, &s);
	assert_int_equal(s.n, WRITERS * LINES);
	for (size_t i = 0; i < s.n; i++) {
		int writer, n;

		assert_int_equal(sscanf(s.item[i].body, "%d %d", &writer, &n),
		    2);
		assert_in_range(writer, 0, WRITERS - 1);
		assert_int_equal(n, next[writer]);
		next[writer]++;
	}
	outq_sent_free(&s);
}

static void
start_writers(const struct outq *o, pid_t pid[WRITERS])
{
	for (int w = 0; w < WRITERS; w++) {
		pid[w] = fork();
		assert_true(pid[w] >= 0);
		if (pid[w] == 0)
			write_lines(o, w);
	}
}

static int
count_running(pid_t pid[WRITERS])
{
	int running = 0, status;

	for (int w = 0; w < WRITERS; w++) {
		if (pid[w] == 0)
			continue;
		if (waitpid(pid[w], &status, WNOHANG) == 0) {
			running++;
			continue;
		}
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		pid[w] = 0;
	}
	return running;
}

static void
many_writers_lose_nothing_while_it_is_drained_and_retired(void **state)
{
	struct outq *o = *state;
	pid_t pid[WRITERS];
	int again;

	o->q->idle_ms = 0;	/* while they are at it */
	start_writers(o, pid);
	while (count_running(pid) > 0) {
		outq_now += 150;
		assert_true(outq_turn(o, &again) >= 0);
	}
	outq_drain(o);
	assert_all_lines(o);
	assert_false(outq_exists(o, RETIRED));
	assert_int_equal(size_of(o, OUTBOX), 0);
}

static void
a_daemon_killed_again_and_again_sends_each_line_once(void **state)
{
	struct outq *o = *state;
	pid_t pid[WRITERS], daemon;
	struct timespec ts = { 0 };
	unsigned seed = 12345;
	int64_t until;
	int status, rounds = 0;

	outq_close(o);
	start_writers(o, pid);
	for (bool last = false; !last; rounds++) {
		last = count_running(pid) == 0 && rounds >= 50;
		daemon = fork();
		assert_true(daemon >= 0);
		if (daemon == 0)
			run_daemon(o);
		until = real_ms() + rand_r(&seed) % 20;
		ts.tv_nsec = rand_r(&seed) % 1000000;
		do
			nanosleep(&ts, NULL);
		while (real_ms() < until);
		kill(daemon, SIGKILL);
		assert_int_equal(waitpid(daemon, &status, 0), daemon);
		assert_true(WIFSIGNALED(status));
	}
	assert_int_equal(outq_open(o), 0);
	outq_drain(o);
	assert_all_lines(o);
}

#define T(f) cmocka_unit_test_setup_teardown(f, outq_setup, outq_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(queues_each_line_and_empties_the_file),
		T(does_nothing_without_a_file),
		T(takes_at_most_what_it_is_told),
		T(remembers_where_it_was),
		T(waits_for_the_end_of_a_line),
		T(gives_up_on_a_line_after_a_minute),
		T(a_line_of_the_longest_is_whole_and_a_longer_one_is_broken),
		T(reads_a_file_that_was_truncated_from_its_start),
		T(a_power_cut_that_takes_the_end_of_the_file_sends_nothing_twice),
		T(two_power_cuts_in_a_row_send_nothing_twice),
		T(nuls_that_a_power_cut_left_are_no_part_of_a_line),
		T(nuls_within_a_line_part_what_is_torn_from_what_is_whole),
		T(in_the_same_boot_a_shorter_file_is_another),
		T(an_emptied_file_is_not_the_same_when_it_is_filled_again),
		T(goes_on_in_a_file_that_an_editor_saved),
		T(reads_a_file_that_was_made_anew),
		T(a_change_far_from_the_end_of_a_long_file_is_found_at_start),
		T(refuses_what_is_no_file_of_ours),
		T(who_keeps_the_file_open_is_heard_for_ever),
		T(who_comes_during_the_quarantine_is_heard),
		T(nothing_is_retired_or_removed_before_it_is_synced),
		T(without_leases_it_waits_longer),
		T(the_same_line_in_the_next_file_is_another_message),
		T(a_full_disk_loses_nothing_and_sends_nothing_twice),
		T(survives_death_at_every_call),
		T(survives_a_power_cut_at_every_call),
		T(sends_once_whatever_call_fails),
		T(many_writers_lose_nothing_while_it_is_drained_and_retired),
		T(a_daemon_killed_again_and_again_sends_each_line_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
