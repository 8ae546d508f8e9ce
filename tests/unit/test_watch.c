/*
 * test_watch.c - hints, and what must raise none.
 */
#include "config.h"

#include "unit.h"
#include "box_util.h"
#include "fault.h"

#include <sys/inotify.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WANTS (SPOOL_HINT_INSTANCE | SPOOL_HINT_OUTBOX | SPOOL_HINT_DROP | \
	SPOOL_HINT_BOX | SPOOL_HINT_RECEIPT | SPOOL_HINT_NEW | \
	SPOOL_HINT_READ)

/* Set by a test to have a watch of its own refused. */
static int refuse_watch;

int __real_inotify_add_watch(int fd, const char *path, uint32_t mask);
int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask);
int
__wrap_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	if (refuse_watch == 0)
		return __real_inotify_add_watch(fd, path, mask);
	errno = refuse_watch;
	return -1;
}

struct heard {
	unsigned	 hints;
	int		 calls;
	struct spool_box *box;		/* of the last */
	struct spool	*drop_in;	/* drop the box that a hint is about */
};

static void
on_hint(void *arg, enum spool_hint hint, struct spool_box *box)
{
	struct heard *h = arg;

	h->hints |= (unsigned)hint;
	h->calls++;
	h->box = box;
	if (h->drop_in != NULL && box != NULL)
		spool_box_drop(h->drop_in, box);
}

static struct heard
listen_to(struct spool_watch *w)
{
	struct heard h = { 0 };

	assert_int_equal(spool_watch_read(w, on_hint, &h), 0);
	return h;
}

static struct spool_watch *
watch_of(struct spot *s)
{
	struct spool_watch *w = NULL;

	assert_int_equal(spool_watch_open(&w, s->sp, WANTS, false), 0);
	assert_null(spool_watch_trouble(w));
	assert_true(spool_watch_fd(w) >= 0);
	return w;
}

static void
append_to(const struct spot *s, const char *path, const char *text)
{
	int fd = openat(s->fd, path,
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
boxes_made_and_removed_are_the_instances(void **state)
{
	struct spot *s = *state;
	struct spool_watch *w = watch_of(s);

	assert_int_equal(listen_to(w).calls, 0);
	assert_int_equal(mkdirat(s->fd, "#dev", 0700), 0);
	assert_int_equal(listen_to(w).hints, SPOOL_HINT_INSTANCE);
	assert_int_equal(listen_to(w).calls, 0);
	assert_int_equal(renameat(s->fd, "#dev", s->fd, "aside"), 0);
	assert_int_equal(listen_to(w).hints, SPOOL_HINT_INSTANCE);
	assert_int_equal(renameat(s->fd, "aside", s->fd, "#dev"), 0);
	assert_int_equal(listen_to(w).hints, SPOOL_HINT_INSTANCE);
	assert_int_equal(unlinkat(s->fd, "#dev", AT_REMOVEDIR), 0);
	assert_int_equal(listen_to(w).hints, SPOOL_HINT_INSTANCE);
	assert_int_equal(mkdirat(s->fd, "proposals", 0700), 0);
	assert_int_equal(listen_to(w).calls, 0);
	spool_watch_close(w);
}

static void
the_outbox_is_followed_through_replacement(void **state)
{
	struct spot *s = *state;
	struct spool_watch *w = watch_of(s);

	append_to(s, "outbox.jsonl", "1\n");
	assert_int_equal(listen_to(w).hints, SPOOL_HINT_OUTBOX);
	append_to(s, "outbox.jsonl", "2\n");
	assert_int_equal(listen_to(w).hints, SPOOL_HINT_OUTBOX);
	/* Retired, as intake does it; somebody still has the old one open. */
	int old = openat(s->fd, "outbox.jsonl", O_WRONLY | O_APPEND);

	spot_put(s, ".outbox.retired", "");
	assert_int_equal(renameat2(s->fd, "outbox.jsonl", s->fd,
	    ".outbox.retired", RENAME_EXCHANGE), 0);
	assert_int_equal(listen_to(w).hints, SPOOL_HINT_OUTBOX);
	append_to(s, "outbox.jsonl", "3\n");
	assert_int_equal(listen_to(w).hints, SPOOL_HINT_OUTBOX);
	assert_int_equal(write(old, "4\n", 2), 2);
	assert_int_equal(listen_to(w).hints, SPOOL_HINT_OUTBOX);
	close(old);
	(void)listen_to(w);
	assert_int_equal(unlinkat(s->fd, ".outbox.retired", 0), 0);
	(void)listen_to(w);
	for (int i = 0; i < 5; i++) {
		spot_put(s, "another", "");
		assert_int_equal(renameat(s->fd, "another", s->fd,
		    "outbox.jsonl"), 0);
		assert_int_equal(listen_to(w).hints, SPOOL_HINT_OUTBOX);
		append_to(s, "outbox.jsonl", "5\n");
		assert_int_equal(listen_to(w).hints, SPOOL_HINT_OUTBOX);
	}
	spool_watch_close(w);
}

static void
files_dropped_are_one_hint_each_box(void **state)
{
	struct spot *s = *state;
	struct spool_watch *w = watch_of(s);
	struct spool_box *box = spot_box(s, "#dev");
	struct heard h;

	(void)listen_to(w);
	assert_int_equal(spool_watch_box(w, box), 0);
	assert_int_equal(spool_watch_box(w, box), 0);
	for (int i = 0; i < 50; i++) {
		char *path = spot_str("#dev/out/%d", i);

		spot_put(s, path, "hi");
		free(path);
	}
	h = listen_to(w);
	assert_int_equal(h.calls, 1);
	assert_int_equal(h.hints, SPOOL_HINT_DROP);
	assert_ptr_equal(h.box, box);
	spot_put(s, "#dev/out/.being-written", "hi");
	assert_int_equal(listen_to(w).calls, 0);
	assert_int_equal(renameat(s->fd, "#dev/out/.being-written", s->fd,
	    "#dev/out/written"), 0);
	assert_int_equal(listen_to(w).hints, SPOOL_HINT_DROP);
	spool_watch_close(w);
}

static void
a_box_that_loses_a_folder_says_so(void **state)
{
	static const char *const subs[] = { "new", "cur", "tmp", "out" };
	struct spot *s = *state;
	struct spool_watch *w = watch_of(s);
	struct spool_box *box;
	struct heard h;

	for (size_t i = 0; i < AC_COUNTOF(subs); i++) {
		char *path = spot_str("#dev/%s", subs[i]);

		box = spot_box(s, "#dev");
		assert_int_equal(spool_watch_box(w, box), 0);
		(void)listen_to(w);
		assert_int_equal(unlinkat(s->fd, path, AT_REMOVEDIR), 0);
		h = listen_to(w);
		assert_int_equal(h.hints, SPOOL_HINT_BOX);
		assert_ptr_equal(h.box, box);
		spool_box_drop(s->sp, box);
		free(path);
	}
	box = spot_box(s, "#dev");
	assert_int_equal(spool_watch_box(w, box), 0);
	(void)listen_to(w);
	assert_int_equal(renameat(s->fd, "#dev", s->fd, "#moved"), 0);
	assert_int_equal(listen_to(w).hints,
	    SPOOL_HINT_BOX | SPOOL_HINT_INSTANCE);
	spool_watch_close(w);
}

static void
a_hint_may_drop_its_box(void **state)
{
	struct spot *s = *state;
	struct spool_watch *w = watch_of(s);
	struct heard h = { .drop_in = s->sp };

	for (int i = 0; i < 3; i++) {
		char *name = spot_str("#b%d", i);
		char *file = spot_str("%s/out/x", name);
		char *cur = spot_str("%s/cur", name);

		assert_int_equal(spool_watch_box(w, spot_box(s, name)), 0);
		spot_put(s, file, "hi");
		assert_int_equal(unlinkat(s->fd, cur, AT_REMOVEDIR), 0);
		free(name);
		free(file);
		free(cur);
	}
	/* Two hints were due for each, but its first one drops it. */
	assert_int_equal(spool_watch_read(w, on_hint, &h), 0);
	assert_int_equal(h.calls, 4);
	assert_int_equal(listen_to(w).calls, 0);
	spool_watch_close(w);
}

static void
waiting_readers_hear_of_messages_and_receipts(void **state)
{
	struct spot *s = *state;
	struct spool_watch *w = watch_of(s);
	struct spool_box *box = spot_box(s, "#dev");
	struct heard h;
	int sent;

	(void)listen_to(w);
	assert_int_equal(spool_watch_box(w, box), 0);
	assert_int_equal(spool_stage(box, "m", "x\n", 2, NULL), 0);
	assert_int_equal(listen_to(w).calls, 0);
	assert_int_equal(spool_publish(box, "m", false), 0);
	h = listen_to(w);
	assert_int_equal(h.hints, SPOOL_HINT_NEW);
	assert_ptr_equal(h.box, box);
	assert_int_equal(unlinkat(spool_box_sub(box, SPOOL_NEW), "m", 0), 0);
	assert_int_equal(listen_to(w).hints, SPOOL_HINT_READ);
	assert_int_equal(spool_subdir(s->fd, "sent", false, &sent), 0);
	assert_int_equal(spool_replace(sent, "r.json", "{}", 2, false), 0);
	assert_int_equal(listen_to(w).hints, SPOOL_HINT_RECEIPT);
	close(sent);
	assert_int_equal(spool_subdir(s->fd, "failed", false, &sent), 0);
	assert_int_equal(spool_replace(sent, "r.json", "{}", 2, false), 0);
	assert_int_equal(listen_to(w).hints, SPOOL_HINT_RECEIPT);
	close(sent);
	spool_watch_close(w);
}

static void
our_own_writing_raises_no_hint(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#dev");
	struct spool_ring *ring, *main_ring;
	struct spool_watch *w;
	char line[40];

	assert_int_equal(spool_watch_open(&w, s->sp, SPOOL_HINT_INSTANCE |
	    SPOOL_HINT_OUTBOX | SPOOL_HINT_DROP | SPOOL_HINT_BOX |
	    SPOOL_HINT_READ, false), 0);
	assert_int_equal(spool_watch_box(w, box), 0);
	assert_int_equal(spool_ring_box(box, &ring), 0);
	assert_int_equal(spool_ring_main(s->sp, &main_ring), 0);
	assert_int_equal(spool_lock(s->sp), 0);
	for (int i = 0; i < 2500; i++) {
		sprintf(line, "{\"n\":%d}", i);
		assert_int_equal(spool_ring_add(ring, line, strlen(line)), 0);
		assert_int_equal(spool_ring_flush(ring), 0);
		assert_int_equal(spool_ring_add(main_ring, line,
		    strlen(line)), 0);
		assert_int_equal(spool_ring_flush(main_ring), 0);
	}
	for (int i = 0; i < 20; i++)
		assert_int_equal(spool_replace(s->fd, "status.json", "{}", 2,
		    false), 0);
	assert_int_equal(spool_replace(spool_box_dir(box), "agents", "x", 1,
	    false), 0);
	assert_int_equal(spool_stage(box, "m", "x\n", 2, NULL), 0);
	assert_int_equal(spool_publish(box, "m", false), 0);
	assert_int_equal(listen_to(w).calls, 0);
	/* A reader's does. */
	assert_int_equal(spool_mark_read(box, "m"), 0);
	assert_int_equal(listen_to(w).hints, SPOOL_HINT_READ);
	spool_watch_close(w);
}

static void
an_overflow_is_a_hint_to_look_everywhere(void **state)
{
	struct spot *s = *state;
	struct spool_watch *w = watch_of(s);
	struct spool_box *box = spot_box(s, "#dev");
	FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
	long most = 16384;
	struct heard h;

	if (f != NULL) {
		if (fscanf(f, "%ld", &most) != 1)
			most = 16384;
		fclose(f);
	}
	if (most > 200000)
		skip();
	assert_int_equal(spool_watch_box(w, box), 0);
	(void)listen_to(w);
	/* Two names in turn: the kernel folds only equal neighbours. */
	spot_put(s, "#dev/out/a", "");
	spot_put(s, "#dev/out/b", "");
	for (long i = 0; i < most; i++) {
		const char *path = i % 2 == 0 ? "#dev/out/a" : "#dev/out/b";

		close(openat(s->fd, path, O_WRONLY | O_CLOEXEC));
	}
	/* And this one nobody will be told of. */
	append_to(s, "outbox.jsonl", "1\n");
	h = listen_to(w);
	assert_int_equal(h.hints, SPOOL_HINT_ALL);
	assert_int_equal(h.calls, 1);
	assert_null(h.box);
	assert_int_equal(listen_to(w).calls, 0);
	append_to(s, "outbox.jsonl", "2\n");
	assert_int_equal(listen_to(w).hints, SPOOL_HINT_OUTBOX);
	spool_watch_close(w);
}

static void
polling_hints_at_everything_every_time(void **state)
{
	struct spot *s = *state;
	struct spool_watch *w;

	assert_int_equal(spool_watch_open(&w, s->sp, WANTS, true), 0);
	assert_int_equal(spool_watch_fd(w), -1);
	assert_null(spool_watch_trouble(w));
	assert_int_equal(spool_watch_box(w, spot_box(s, "#dev")), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(listen_to(w).hints, SPOOL_HINT_ALL);
		assert_int_equal(listen_to(w).calls, 1);
	}
	spool_watch_close(w);
}

static void
without_watches_it_polls_and_names_the_cure(void **state)
{
	struct spot *s = *state;
	struct spool_watch *w;

	refuse_watch = ENOSPC;
	assert_int_equal(spool_watch_open(&w, s->sp, WANTS, false), 0);
	refuse_watch = 0;
	assert_int_equal(spool_watch_fd(w), -1);
	assert_non_null(strstr(spool_watch_trouble(w), "max_user_watches"));
	assert_int_equal(listen_to(w).hints, SPOOL_HINT_ALL);
	spool_watch_close(w);
}

static void
when_watches_run_out_the_rest_stay_useful(void **state)
{
	struct spot *s = *state;
	struct spool_watch *w = watch_of(s);
	struct spool_box *first = spot_box(s, "#first");

	assert_int_equal(spool_watch_box(w, first), 0);
	refuse_watch = ENOSPC;
	assert_int_equal(spool_watch_box(w, spot_box(s, "#second")), 0);
	refuse_watch = 0;
	assert_non_null(strstr(spool_watch_trouble(w), "max_user_watches"));
	assert_true(spool_watch_fd(w) >= 0);
	(void)listen_to(w);
	spot_put(s, "#first/out/x", "hi");
	assert_int_equal(listen_to(w).hints, SPOOL_HINT_DROP);
	/* A timer's call: nothing was heard, which says nothing now. */
	assert_int_equal(listen_to(w).hints, SPOOL_HINT_ALL);
	spool_watch_close(w);
}

static void
a_spool_has_one_watch_and_may_close_before_it(void **state)
{
	struct spot *s = *state;
	struct spool_watch *w = watch_of(s), *second;
	struct spool_box *box = spot_box(s, "#dev");
	struct heard h = { 0 };

	assert_int_equal(spool_watch_open(&second, s->sp, WANTS, false),
	    -EBUSY);
	assert_int_equal(spool_watch_box(w, box), 0);
	spot_put(s, "#dev/out/x", "hi");
	spool_close(s->sp);
	s->sp = NULL;
	assert_int_equal(spool_watch_read(w, on_hint, &h), -EBADF);
	assert_int_equal(h.calls, 0);
	spool_watch_close(w);
}

static void
the_descriptor_is_readable_when_there_is_something(void **state)
{
	struct spot *s = *state;
	struct spool_watch *w = watch_of(s);
	struct pollfd p = { .fd = spool_watch_fd(w), .events = POLLIN };

	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(mkdirat(s->fd, "#dev", 0700), 0);
	assert_int_equal(poll(&p, 1, 0), 1);
	(void)listen_to(w);
	assert_int_equal(poll(&p, 1, 0), 0);
	spool_watch_close(w);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, spot_make, spot_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(boxes_made_and_removed_are_the_instances),
		TEST(the_outbox_is_followed_through_replacement),
		TEST(files_dropped_are_one_hint_each_box),
		TEST(a_box_that_loses_a_folder_says_so),
		TEST(a_hint_may_drop_its_box),
		TEST(waiting_readers_hear_of_messages_and_receipts),
		TEST(our_own_writing_raises_no_hint),
		TEST(an_overflow_is_a_hint_to_look_everywhere),
		TEST(polling_hints_at_everything_every_time),
		TEST(without_watches_it_polls_and_names_the_cure),
		TEST(when_watches_run_out_the_rest_stay_useful),
		TEST(a_spool_has_one_watch_and_may_close_before_it),
		TEST(the_descriptor_is_readable_when_there_is_something),
	};

	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
