/*
 * test_queue.c - the outgoing queue: ids, order, what stays on disk.
 */
#include "config.h"

#include "outq.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rnd.h"
#include "spool/internal.h"

static void
reopen(struct outq *o)
{
	outq_close(o);
	assert_int_equal(outq_open(o), 0);
}

static void
add(struct outq *o, const char *body)
{
	assert_int_equal(spool_queue_add(o->q, "#general", "n", body,
	    strlen(body)), 0);
}

static void
assert_body(struct outq *o, uint64_t id, const char *body)
{
	const struct spool_item *it = spool_queue_next(o->q, id - 1);
	struct buf b = BUF_INIT;

	assert_non_null(it);
	assert_int_equal(it->id, id);
	assert_int_equal(spool_queue_read(o->q, it, &b), 0);
	assert_int_equal(b.len, strlen(body));
	assert_string_equal(b.p, body);
	buf_fini(&b);
}

/* Bytes of the journal in queue/. */
static uint64_t
disk_len(struct outq *o)
{
	int fd = openat(o->root, "queue", O_RDONLY | O_DIRECTORY);
	struct spool_names list;
	struct stat st;
	uint64_t len = 0;

	assert_true(fd >= 0);
	assert_int_equal(fs_list(fd, FS_FILES, &list), 0);
	for (size_t i = 0; i < list.n; i++) {
		assert_int_equal(fstatat(fd, list.name[i], &st, 0), 0);
		len += (uint64_t)st.st_size;
	}
	spool_names_fini(&list);
	close(fd);
	return len;
}

static void
keeps_items_with_their_names_and_order(void **state)
{
	struct outq *o = *state;
	const struct spool_item *it;
	int64_t queued_ms;
	char nonce[64];

	snprintf(nonce, sizeof(nonce), "%s", spool_queue_nonce(o->q));
	assert_int_equal(strlen(nonce), 16);
	add(o, "one");
	assert_int_equal(spool_queue_add(o->q, "", "outbox", "two", 3), 0);
	assert_int_equal(spool_queue_add(o->q, "@1f3a9c02", "z", "", 0), 0);
	queued_ms = spool_queue_next(o->q, 0)->queued_ms;
	assert_true(queued_ms > 1500000000000);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(spool_queue_nonce(o->q), nonce);
		assert_int_equal(spool_queue_count(o->q), 3);
		it = spool_queue_next(o->q, 0);
		assert_int_equal(it->id, 1);
		assert_string_equal(it->target, "#general");
		assert_string_equal(it->name, "n");
		assert_int_equal(it->queued_ms, queued_ms);
		it = spool_queue_next(o->q, 1);
		assert_int_equal(it->id, 2);
		assert_string_equal(it->target, "");
		assert_string_equal(it->name, "outbox");
		it = spool_queue_next(o->q, 2);
		assert_string_equal(it->target, "@1f3a9c02");
		assert_string_equal(it->name, "z");
		assert_int_equal(it->len, 0);
		assert_null(spool_queue_next(o->q, 3));
		assert_null(spool_queue_next(o->q, UINT64_MAX));
		assert_body(o, 1, "one");
		assert_body(o, 2, "two");
		reopen(o);
	}
}

static void
refuses_what_does_not_fit(void **state)
{
	struct outq *o = *state;
	char name[SPOOL_NAME_MAX + 1];

	memset(name, 'n', sizeof(name));
	name[SPOOL_NAME_MAX] = '\0';
	assert_int_equal(spool_queue_add(o->q, "#g", name, "x", 1), -EINVAL);
	assert_int_equal(spool_queue_add(o->q, name, "n", "x", 1), -EINVAL);
	assert_int_equal(spool_queue_add(o->q, "#g", "n", "x",
	    SPOOL_MSG_MAX + 1), -EMSGSIZE);
	assert_int_equal(spool_queue_count(o->q), 0);
	add(o, "fits");
	assert_body(o, 1, "fits");
}

static void
ids_are_never_used_again(void **state)
{
	struct outq *o = *state;

	add(o, "one");
	add(o, "two");
	assert_int_equal(spool_queue_done(o->q, 2), 0);
	assert_int_equal(spool_queue_done(o->q, 1), 0);
	assert_int_equal(spool_queue_done(o->q, 1), 0);
	assert_int_equal(spool_queue_done(o->q, 77), 0);
	reopen(o);
	assert_int_equal(spool_queue_count(o->q), 0);
	add(o, "three");
	assert_body(o, 3, "three");
}

static void
says_what_is_synced(void **state)
{
	struct outq *o = *state;
	int fd;

	add(o, "one");
	assert_false(spool_queue_synced(o->q, 1));
	assert_int_equal(spool_queue_sync_begin(o->q, &fd), 1);
	add(o, "two");
	assert_int_equal(fdatasync(fd), 0);
	assert_int_equal(spool_queue_sync_end(o->q, 0), 0);
	assert_true(spool_queue_synced(o->q, 1));
	assert_false(spool_queue_synced(o->q, 2));
	reopen(o);
	assert_true(spool_queue_synced(o->q, 2));
	assert_false(spool_queue_synced(o->q, 3));
}

static void
a_failed_sync_is_final(void **state)
{
	struct outq *o = *state;
	int fd;

	add(o, "one");
	assert_int_equal(spool_queue_sync_begin(o->q, &fd), 1);
	assert_int_equal(spool_queue_sync_end(o->q, -EIO), -EIO);
	assert_int_equal(spool_queue_add(o->q, "#g", "n", "x", 1), -EIO);
	assert_int_equal(spool_queue_done(o->q, 1), -EIO);
}

static void
what_is_done_on_a_full_disk_is_done(void **state)
{
	struct outq *o = *state;

	add(o, "one");
	add(o, "two");
	fault_fail("pwrite", 0, ENOSPC);
	assert_int_equal(spool_queue_add(o->q, "#g", "n", "x", 1), -EAGAIN);
	assert_int_equal(spool_queue_done(o->q, 1), 0);
	assert_int_equal(spool_queue_count(o->q), 1);
	fault_none();
	add(o, "three");
	assert_body(o, 3, "three");
	reopen(o);
	assert_int_equal(spool_queue_count(o->q), 2);
	assert_int_equal(spool_queue_next(o->q, 0)->id, 2);
}

/* ------------------------------------------------------------------ size */

static void
any_order_of_adding_and_doing_agrees_with_an_array(void **state)
{
	struct outq *o = *state;
	enum { N = 6000 };
	static bool live[N + 1];
	size_t count = 0;
	uint64_t last = 0;

	memset(live, 0, sizeof(live));
	for (int step = 0; last < N; step++) {
		const struct spool_item *it;
		uint64_t id, want;
		uint16_t r;

		rnd_bytes(&r, sizeof(r));
		if (r % 5 < 3) {
			char body[32];

			snprintf(body, sizeof(body), "%" PRIu64, ++last);
			add(o, body);
			live[last] = true;
			count++;
		} else if (last > 0) {
			id = r % 2 != 0 ? r % last + 1 : last - r % 50 % last;
			assert_int_equal(spool_queue_done(o->q, id), 0);
			count -= live[id];
			live[id] = false;
		}
		if (step % 2000 == 1999)
			reopen(o);
		assert_int_equal(spool_queue_count(o->q), count);
		id = r % (last + 1);
		for (want = id + 1; want <= last && !live[want]; want++)
			;
		it = spool_queue_next(o->q, id);
		assert_int_equal(it != NULL ? it->id : 0,
		    want <= last ? want : 0);
	}
}

/* Add n items of a megabyte, and finish them if done. */
static void
churn(struct outq *o, int n, bool done)
{
	char *body = malloc(SPOOL_MSG_MAX);
	const struct spool_item *it;

	assert_non_null(body);
	memset(body, 'x', SPOOL_MSG_MAX);
	for (int i = 0; i < n; i++) {
		assert_int_equal(spool_queue_add(o->q, "#g", "n", body,
		    SPOOL_MSG_MAX), 0);
		assert_int_equal(outq_sync(o), 0);
		if (!done)
			continue;
		it = spool_queue_next(o->q, 1);
		assert_non_null(it);
		assert_int_equal(spool_queue_done(o->q, it->id), 0);
		assert_int_equal(outq_sync(o), 0);
	}
	free(body);
}

static void
shrinks_when_it_is_empty(void **state)
{
	struct outq *o = *state;

	add(o, "first");
	churn(o, 9, false);
	assert_true(disk_len(o) > 9 * SPOOL_MSG_MAX);
	for (uint64_t id = 1; id <= 10; id++)
		assert_int_equal(spool_queue_done(o->q, id), 0);
	assert_int_equal(outq_sync(o), 0);
	assert_true(disk_len(o) < 128 << 10);	/* with room for more, */
	reopen(o);
	assert_true(disk_len(o) < 1000);	/* which goes at the close */
	add(o, "eleventh");
	assert_body(o, 11, "eleventh");
}

static void
an_old_item_does_not_hold_up_the_rest(void **state)
{
	struct outq *o = *state;
	char nonce[64];

	snprintf(nonce, sizeof(nonce), "%s", spool_queue_nonce(o->q));
	outq_append(o, "outbox.jsonl", "old\n");
	assert_int_equal(spool_intake_outbox(o->q, 1, &(int){ 0 }), 0);
	churn(o, 60, true);
	assert_true(disk_len(o) < 6 * QUEUE_SEG_LEN);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(spool_queue_count(o->q), 1);
		assert_body(o, 1, "old");
		assert_string_equal(spool_queue_nonce(o->q), nonce);
		/* The cursor is still known: it isn't read again. */
		assert_int_equal(spool_intake_outbox(o->q, 1, &(int){ 0 }),
		    0);
		reopen(o);
	}
	add(o, "new");
	assert_body(o, 62, "new");
}

static void
a_hundred_thousand_items_take_little_memory(void **state)
{
	struct outq *o = *state;
	struct buf lines = BUF_INIT;
	int again, rc;

	for (int i = 0; i < 100000; i++)
		buf_addf(&lines, "line %d\n", i);
	outq_append(o, "outbox.jsonl", lines.p);
	do {
		rc = spool_intake_outbox(o->q, 1000, &again);
	} while (rc == 1);
	assert_int_equal(rc, 0);
	assert_int_equal(spool_queue_count(o->q), 100000);
	assert_true(o->q->cap * sizeof(*o->q->e) <= 8 << 20);
	assert_body(o, 77778, "line 77777");
	reopen(o);
	assert_int_equal(spool_queue_count(o->q), 100000);
	assert_body(o, 100000, "line 99999");
	buf_fini(&lines);
}

/* ---------------------------------------------------------- damage, death */

static void
damage_stops_it_until_it_is_repaired(void **state)
{
	struct outq *o = *state;
	int fd;

	for (int i = 0; i < 10; i++)
		add(o, (char[]){ (char)('0' + i), 0 });
	assert_int_equal(outq_sync(o), 0);
	add(o, "behind the mark");
	outq_close(o);
	fd = openat(o->root, "queue/0000000000000000", O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "damage", 6, 300), 6);
	close(fd);
	assert_int_equal(spool_open(&o->sp, AT_FDCWD, o->path, true), 0);
	assert_int_equal(spool_queue_open(&o->q, o->sp), -EUCLEAN);
	assert_int_equal(spool_queue_repair(o->sp), 0);
	spool_close(o->sp);
	assert_int_equal(outq_open(o), 0);
	assert_in_range(spool_queue_count(o->q), 9, 10);
	assert_body(o, 11, "behind the mark");
}

/* What the dying child has reached, in memory that outlives it. */
static struct reached {
	char	nonce[64];
	bool	synced;		/* all six items */
	bool	done[7];	/* begun at least */
}	*reached;

static void
prepare(void *arg)
{
	struct outq *o = arg;

	outq_fresh(o);
	memset(reached, 0, sizeof(*reached));
}

static int
finish(struct outq *o, uint64_t id)
{
	reached->done[id] = true;
	return spool_queue_done(o->q, id);
}

/* Enough for two segments, done but for one in the first; then that too. */
static int
step(void *arg)
{
	struct outq *o = arg;
	static char body[SPOOL_MSG_MAX];
	int rc;

	memset(body, 'x', sizeof(body));
	rc = outq_open(o);
	if (rc == 0)
		snprintf(reached->nonce, sizeof(reached->nonce), "%s",
		    spool_queue_nonce(o->q));
	for (int i = 0; rc == 0 && i < 6; i++)
		rc = spool_queue_add(o->q, "#g", "n", body,
		    i == 0 ? 1 : sizeof(body));
	if (rc == 0)
		rc = outq_sync(o);
	if (rc == 0)
		reached->synced = true;
	for (uint64_t id = 2; rc == 0 && id <= 6; id++)
		rc = finish(o, id);
	if (rc == 0)
		rc = outq_sync(o);
	if (rc == 0)
		rc = finish(o, 1);
	for (int i = 0; rc == 0 && i < 3; i++)
		rc = outq_sync(o);
	outq_close(o);
	return rc;
}

static void
verify(void *arg, bool died)
{
	struct outq *o = arg;
	const struct spool_item *it;
	struct buf b = BUF_INIT;
	uint64_t next;

	outq_revive(o, died);
	if (reached->nonce[0] != '\0')
		assert_string_equal(spool_queue_nonce(o->q), reached->nonce);
	if (!died) {
		assert_int_equal(spool_queue_count(o->q), 0);
		assert_true(disk_len(o) < 1000);
	}
	next = o->q->next_id;
	if (reached->synced)
		assert_int_equal(next, 7);
	for (uint64_t id = 1; id < next; id++) {
		it = spool_queue_next(o->q, id - 1);
		if (reached->done[id] && (it == NULL || it->id != id))
			continue;
		assert_non_null(it);
		assert_int_equal(it->id, id);
		buf_clear(&b);
		assert_int_equal(spool_queue_read(o->q, it, &b), 0);
		assert_int_equal(b.len, id == 1 ? 1 : SPOOL_MSG_MAX);
		assert_int_equal(strspn(b.p, "x"), b.len);
	}
	add(o, "next");
	assert_body(o, next, "next");
	buf_fini(&b);
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

#define T(f) cmocka_unit_test_setup_teardown(f, outq_setup, outq_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(keeps_items_with_their_names_and_order),
		T(refuses_what_does_not_fit),
		T(ids_are_never_used_again),
		T(says_what_is_synced),
		T(a_failed_sync_is_final),
		T(what_is_done_on_a_full_disk_is_done),
		T(any_order_of_adding_and_doing_agrees_with_an_array),
		T(shrinks_when_it_is_empty),
		T(an_old_item_does_not_hold_up_the_rest),
		T(a_hundred_thousand_items_take_little_memory),
		T(damage_stops_it_until_it_is_repaired),
		T(survives_death_at_every_call),
		T(survives_a_power_cut_at_every_call),
	};

	reached = mmap(NULL, sizeof(*reached), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (reached == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
