/*
 * test_deliver.c - messages into boxes and out again, with crashes, full
 * disks and strange things in the way.
 */
#include "config.h"

#include "unit.h"
#include "box_util.h"
#include "fault.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rnd.h"

#define NAME "1700000000000.00000001.1f3a9c02"
#define TEXT "{\"content\":\"a message that is long enough to be cut\"}\n"
#define LEN (sizeof(TEXT) - 1)

static int
deliver(struct spool_box *box, const char *name, const char *msg, bool read)
{
	int rc = spool_stage(box, name, msg, strlen(msg), NULL);

	return rc < 0 ? rc : spool_publish(box, name, read);
}

static void
assert_text(const struct spot *s, const char *path, const char *want)
{
	char *text = spot_text(s, path, NULL);

	assert_string_equal(text, want);
	free(text);
}

static void
names_sort_by_arrival(void **state)
{
	char a[SPOOL_NAME_MAX], b[SPOOL_NAME_MAX];

	(void)state;
	assert_int_equal(spool_name(a, 1700000000000, 1, "@1f3a9c02"), 0);
	assert_string_equal(a, NAME);
	assert_int_equal(spool_name(b, 1700000000000, 10, "0"), 0);
	assert_true(strcmp(a, b) < 0);
	assert_int_equal(spool_name(b, 1700000000001, 0, "0"), 0);
	assert_true(strcmp(a, b) < 0);
	assert_int_equal(spool_name(a, -5, 3, "x"), 0);
	assert_string_equal(a, "0000000000000.00000003.x");
	assert_int_equal(spool_name(a, INT64_MAX, UINT64_MAX, "x"), 0);
	assert_string_equal(a, "9999999999999.18446744073709551615.x");
	assert_true(spool_name_seq(a) == UINT64_MAX);
	assert_int_equal(spool_name_seq(NAME), 1);
	assert_int_equal(spool_name_seq("1700000000000.1.x"), 0);
	assert_int_equal(spool_name_seq("170.00000001.x"), 0);
	assert_int_equal(spool_name_seq("1700000000000.00000001."), 0);
	assert_int_equal(spool_name_seq("1700000000000.00000001"), 0);
	assert_int_equal(
	    spool_name_seq("1700000000000.99999999999999999999.x"), 0);
}

static void
names_lead_nowhere_else(void **state)
{
	static const char *const bad[] = {
		"", "@", ".", "..", "@..", "a/b", "../../x", "a\nb", "a b",
		"a\x80", "~\x7f", ".hidden", "%", "*"
	};
	char out[SPOOL_NAME_MAX], longer[140];

	(void)state;
	for (size_t i = 0; i < AC_COUNTOF(bad); i++)
		assert_int_equal(spool_name(out, 1, 1, bad[i]), -EINVAL);
	memset(longer, 'a', sizeof(longer));
	longer[101] = '\0';
	assert_int_equal(spool_name(out, 1, 1, longer), -EINVAL);
	longer[100] = '\0';
	assert_int_equal(spool_name(out, 1, UINT64_MAX, longer), -EINVAL);
}

static void
hostile_names_stay_inside(void **state)
{
	static const char bytes[] = "./#@.~\\\n%a9-_\x01\x80\xff../";
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#general");
	char name[24], file[SPOOL_NAME_MAX];
	size_t taken = 0;

	for (int i = 0; i < 300000; i++) {
		unsigned char r[24];

		rnd_bytes(r, sizeof(r));
		size_t len = r[0] % (sizeof(name) - 1);

		for (size_t j = 0; j < len; j++)
			name[j] = bytes[r[j + 1] % (sizeof(bytes) - 1)];
		name[len] = '\0';
		if (spool_name(file, 1, (uint64_t)i, name) == 0)
			assert_null(strchr(file, '/'));
		/* Raw, as no caller should: it must hold all the same. */
		if (taken < 500 && spool_stage(box, name, "x", 1, NULL) == 0 &&
		    spool_publish(box, name, false) == 0)
			taken++;
		struct spool_box *made;

		if (taken < 500 && spool_box(s->sp, name, false, &made) == 0)
			assert_string_equal(spool_box_name(made), "#general");
	}
	assert_true(taken > 0);
	assert_int_equal(spot_count(s, "."), 1);
	assert_int_equal(spot_count(s, "#general"), 4);
	assert_int_equal(spot_count(s, "#general/tmp"), 0);
	assert_true(spot_count(s, "#general/new") <= taken);
}

static void
delivers_into_new_and_leaves_no_tmp(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#general");

	assert_int_equal(spool_stage(box, NAME, TEXT, LEN, NULL), 0);
	assert_int_equal(spot_count(s, "#general/new"), 0);
	assert_int_equal(spool_sync(s->sp), 0);
	assert_int_equal(spool_publish(box, NAME, false), 0);
	assert_text(s, "#general/new/" NAME, TEXT);
	assert_int_equal(spot_count(s, "#general/tmp"), 0);
}

static void
own_messages_are_read_already(void **state)
{
	struct spot *s = *state;

	assert_int_equal(deliver(spot_box(s, "#g"), NAME, TEXT, true), 0);
	assert_text(s, "#g/cur/" NAME, TEXT);
	assert_int_equal(spot_count(s, "#g/new"), 0);
}

static void
the_same_message_twice_is_one_file(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");

	assert_int_equal(deliver(box, NAME, TEXT, false), 0);
	assert_int_equal(spool_stage(box, NAME, "other", 5, NULL), -EEXIST);
	assert_int_equal(spool_publish(box, NAME, false), 0);
	assert_int_equal(spool_mark_read(box, NAME), 0);
	assert_int_equal(spool_stage(box, NAME, "other", 5, NULL), -EEXIST);
	assert_int_equal(spool_publish(box, NAME, false), 0);
	assert_text(s, "#g/cur/" NAME, TEXT);
	assert_int_equal(spot_count(s, "#g/new"), 0);
	assert_int_equal(spool_publish(box, "never", false), -ENOENT);
}

static void
publishing_never_overwrites(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");

	for (int link = 0; link < 2; link++) {
		assert_int_equal(spool_stage(box, NAME, TEXT, LEN, NULL), 0);
		spot_put(s, "#g/new/" NAME, "the agent's");
		if (link)
			fault_fail("renameat2", 0, EINVAL);
		assert_int_equal(spool_publish(box, NAME, false), 0);
		fault_none();
		assert_text(s, "#g/new/" NAME, "the agent's");
		assert_int_equal(spot_count(s, "#g/tmp"), 0);
		assert_int_equal(unlinkat(s->fd, "#g/new/" NAME, 0), 0);
	}
}

static void
what_was_read_does_not_come_back(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");

	/* As whoever died before it could take it out of tmp/ leaves it. */
	spot_put(s, "#g/tmp/" NAME, TEXT);
	spot_put(s, "#g/cur/" NAME, TEXT);
	assert_int_equal(spool_publish(box, NAME, false), 0);
	assert_int_equal(spot_count(s, "#g/new"), 0);
	assert_int_equal(spot_count(s, "#g/tmp"), 0);
}

static void
works_without_rename_noreplace(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");

	assert_int_equal(spool_stage(box, NAME, TEXT, LEN, NULL), 0);
	fault_fail("renameat2", 0, EINVAL);
	assert_int_equal(spool_publish(box, NAME, false), 0);
	assert_int_equal(spool_mark_read(box, NAME), 0);
	fault_none();
	assert_text(s, "#g/cur/" NAME, TEXT);
	assert_int_equal(spot_count(s, "#g/tmp"), 0);
	assert_int_equal(spot_count(s, "#g/new"), 0);
}

static void
staging_again_keeps_what_is_whole(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");
	struct stat a, b;

	assert_int_equal(spool_stage(box, NAME, TEXT, LEN, NULL), 0);
	assert_int_equal(fstatat(s->fd, "#g/tmp/" NAME, &a, 0), 0);
	assert_int_equal(spool_stage(box, NAME, TEXT, LEN, NULL), 0);
	assert_int_equal(fstatat(s->fd, "#g/tmp/" NAME, &b, 0), 0);
	assert_true(a.st_ino == b.st_ino);
	spot_put(s, "#g/tmp/" NAME, "half");
	assert_int_equal(spool_stage(box, NAME, TEXT, LEN, NULL), 0);
	assert_text(s, "#g/tmp/" NAME, TEXT);
	assert_int_equal(spot_count(s, "#g/tmp"), 1);
}

static void
refuses_what_is_no_message(void **state)
{
	struct spool_box *box = spot_box(*state, "#g");
	char *big = calloc(1, SPOOL_MSG_MAX + 1);

	assert_non_null(big);
	assert_int_equal(spool_stage(box, NAME, "", 0, NULL), -EINVAL);
	assert_int_equal(spool_stage(box, NAME, big, SPOOL_MSG_MAX + 1, NULL),
	    -EINVAL);
	assert_int_equal(spool_stage(box, NAME, big, SPOOL_MSG_MAX, NULL), 0);
	assert_int_equal(spool_stage(box, "../x", "x", 1, NULL), -EINVAL);
	assert_int_equal(spool_publish(box, "../x", false), -EINVAL);
	assert_int_equal(spool_mark_read(box, "../x"), -EINVAL);
	free(big);
}

/* Things that an agent, or somebody else, may have put where we write. */
static const char *const things[] = {
	"symlink", "dangling", "hardlink", "fifo", "dir", "device"
};

static bool
put_thing(const struct spot *s, const char *thing, const char *path)
{
	spot_put(s, "victim", "precious");
	if (strcmp(thing, "symlink") == 0)
		return symlinkat("/etc/hostname", s->fd, path) == 0;
	if (strcmp(thing, "dangling") == 0)
		return symlinkat("../../escaped", s->fd, path) == 0;
	if (strcmp(thing, "hardlink") == 0)
		return linkat(s->fd, "victim", s->fd, path, 0) == 0;
	if (strcmp(thing, "fifo") == 0)
		return mkfifoat(s->fd, path, 0600) == 0;
	if (strcmp(thing, "dir") == 0)
		return mkdirat(s->fd, path, 0700) == 0;
	return mknodat(s->fd, path, S_IFCHR | 0600, makedev(1, 3)) == 0;
}

static void
strange_things_in_tmp_do_no_harm(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");

	for (size_t i = 0; i < AC_COUNTOF(things); i++) {
		int rc;

		if (!put_thing(s, things[i], "#g/tmp/" NAME))
			continue;
		rc = spool_stage(box, NAME, TEXT, LEN, NULL);
		if (strcmp(things[i], "dir") == 0) {
			assert_int_equal(rc, -EISDIR);
			assert_int_equal(unlinkat(s->fd, "#g/tmp/" NAME,
			    AT_REMOVEDIR), 0);
		} else {
			assert_int_equal(rc, 0);
			assert_text(s, "#g/tmp/" NAME, TEXT);
			assert_int_equal(unlinkat(s->fd, "#g/tmp/" NAME, 0),
			    0);
		}
		assert_text(s, "victim", "precious");
		assert_false(spot_has(s, "escaped"));
		assert_int_equal(spot_count(s, "#g/tmp"), 0);
	}
}

static void
a_full_disk_leaves_nothing_behind(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");

	fault_fail("write", 0, ENOSPC);
	assert_int_equal(spool_stage(box, NAME, TEXT, LEN, NULL), -ENOSPC);
	fault_none();
	assert_int_equal(spot_count(s, "#g/tmp"), 0);
	fault_fail("openat", 0, EDQUOT);
	assert_int_equal(spool_stage(box, NAME, TEXT, LEN, NULL), -EDQUOT);
	fault_none();
	assert_int_equal(deliver(box, NAME, TEXT, false), 0);
}

static void
short_writes_and_interruptions_are_ordinary(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");

	fault_short(3);
	assert_int_equal(deliver(box, NAME, TEXT, false), 0);
	assert_int_equal(spool_replace(s->fd, "f", TEXT, LEN, true), 0);
	assert_text(s, "f", TEXT);
	fault_fail("write", 1, EINTR);
	assert_int_equal(spool_replace(s->fd, "f", "1", 1, true), 0);
	fault_fail("openat", 1, EINTR);
	assert_int_equal(spool_replace(s->fd, "f", "2", 1, true), 0);
	fault_none();
	assert_text(s, "#g/new/" NAME, TEXT);
	assert_text(s, "f", "2");
}

static void
a_failing_sync_is_reported(void **state)
{
	struct spot *s = *state;

	assert_int_equal(spool_replace(s->fd, "f", "old", 3, true), 0);
	fault_fail("fsync", 1, EIO);
	assert_int_equal(spool_replace(s->fd, "f", "new", 3, true), -EIO);
	fault_none();
	assert_text(s, "f", "old");
	assert_false(spot_has(s, ".f.new"));
}

static void
a_staged_file_is_held_for_its_sync(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");
	int fd[2];

	assert_int_equal(spool_stage(box, NAME, TEXT, LEN, &fd[0]), 0);
	assert_true(fd[0] >= 0);
	assert_int_equal(spool_stage(box, "b", TEXT, LEN, &fd[1]), 0);
	assert_int_equal(spool_sync_files(fd, 2), 0);
	fault_fail("sync_file_range", 4, EIO);
	assert_int_equal(spool_sync_files(fd, 2), -EIO);
	fault_none();
	close(fd[0]);
	close(fd[1]);
	/* There already, or not at all: nothing to hold. */
	assert_int_equal(spool_stage(box, NAME, TEXT, LEN, &fd[0]), 0);
	assert_int_equal(fd[0], -1);
	assert_int_equal(spool_publish(box, NAME, false), 0);
	assert_int_equal(spool_stage(box, NAME, TEXT, LEN, &fd[0]), -EEXIST);
	assert_int_equal(fd[0], -1);
	fault_fail("write", 1, ENOSPC);
	assert_int_equal(spool_stage(box, "c", TEXT, LEN, &fd[0]), -ENOSPC);
	fault_none();
	assert_int_equal(fd[0], -1);
	assert_false(spot_has(s, "#g/tmp/c"));
}

static void
a_move_is_planned_and_then_done(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");
	struct spool_move move;

	assert_int_equal(spool_stage(box, NAME, TEXT, LEN, NULL), 0);
	assert_true(spool_move_plan(box, NAME, false, &move));
	assert_true(spot_has(s, "#g/tmp/" NAME));
	assert_int_equal(spool_move(&move, NAME, 1), 0);
	assert_text(s, "#g/new/" NAME, TEXT);
	/* Known from here on, wherever the agent has put it. */
	assert_false(spool_move_plan(box, NAME, false, &move));
	assert_int_equal(spool_stage(box, NAME, TEXT, LEN, NULL), -EEXIST);
	/* Our own goes to cur/. */
	assert_int_equal(spool_stage(box, "b", TEXT, LEN, NULL), 0);
	assert_true(spool_move_plan(box, "b", true, &move));
	assert_int_equal(spool_move(&move, "b", 1), 0);
	assert_text(s, "#g/cur/b", TEXT);
}

static void
what_a_move_cant_do_is_published(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");
	struct spool_move move;

	assert_int_equal(spool_stage(box, "c", TEXT, LEN, NULL), 0);
	assert_true(spool_move_plan(box, "c", false, &move));
	spot_put(s, "#g/new/c", "the agent's");
	assert_int_equal(spool_move(&move, "c", 1), -EEXIST);
	assert_int_equal(spool_publish(box, "c", false), 0);
	assert_text(s, "#g/new/c", "the agent's");
	assert_false(spot_has(s, "#g/tmp/c"));

	assert_int_equal(spool_stage(box, "d", TEXT, LEN, NULL), 0);
	assert_true(spool_move_plan(box, "d", false, &move));
	fault_fail("renameat2", 1, ENOSPC);
	assert_int_equal(spool_move(&move, "d", 1), -ENOSPC);
	fault_none();
	assert_int_equal(spool_publish(box, "d", false), 0);
	assert_text(s, "#g/new/d", TEXT);
	assert_false(spool_move_plan(box, "../e", false, &move));
}

static void
a_move_looks_whether_the_box_is_there(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");
	static const char *const names[] = { "a", "b", "c" };
	struct spool_move move[3];

	for (int i = 0; i < 3; i++) {
		assert_int_equal(spool_stage(box, names[i], TEXT, LEN, NULL),
		    0);
		assert_true(spool_move_plan(box, names[i], false, &move[i]));
	}
	assert_int_equal(spool_move(&move[0], "a", 1), 0);
	assert_int_equal(unlinkat(s->fd, "#g/cur", AT_REMOVEDIR), 0);
	assert_int_equal(spool_move(&move[1], "b", 1), 0);
	assert_int_equal(spool_move(&move[2], "c", 2), -ESTALE);
	assert_int_equal(spool_publish(box, "c", false), -ESTALE);
	assert_false(spool_move_plan(box, "d", false, &move[0]));
	assert_int_equal(spot_count(s, "#g/new"), 2);
}

static void
a_file_is_extended_only_where_it_ends(void **state)
{
	struct spot *s = *state;

	assert_int_equal(spool_extend(s->fd, "f", 0, "x", 1), -ESTALE);
	spot_put(s, "f", "abc");
	assert_int_equal(spool_extend(s->fd, "f", 2, "x", 1), -ESTALE);
	assert_int_equal(spool_extend(s->fd, "f", 4, "x", 1), -ESTALE);
	assert_int_equal(spool_extend(s->fd, "f", 3, "def", 3), 0);
	assert_text(s, "f", "abcdef");
	fault_fail("fdatasync", 1, EIO);
	assert_int_equal(spool_extend(s->fd, "f", 6, "g", 1), -EIO);
	fault_fail("pwrite", 1, ENOSPC);
	assert_int_equal(spool_extend(s->fd, "f", 7, "h", 1), -ENOSPC);
	fault_short(1);
	assert_int_equal(spool_extend(s->fd, "f", 7, "hij", 3), 0);
	fault_none();
	assert_text(s, "f", "abcdefghij");
	assert_int_equal(symlinkat("f", s->fd, "l"), 0);
	assert_int_equal(spool_extend(s->fd, "l", 10, "x", 1), -ESTALE);
	assert_int_equal(mkfifoat(s->fd, "p", 0600), 0);
	assert_int_equal(spool_extend(s->fd, "p", 0, "x", 1), -ESTALE);
}

static void
a_box_that_is_gone_is_stale(void **state)
{
	static const char *const subs[] = { "new", "cur", "tmp", "out" };
	struct spot *s = *state;
	struct spool_box *box;
	char *path;

	for (size_t i = 0; i < AC_COUNTOF(subs); i++) {
		box = spot_box(s, "#g");
		assert_int_equal(spool_stage(box, NAME, TEXT, LEN, NULL), 0);
		path = spot_str("#g/%s", subs[i]);
		assert_int_equal(renameat(s->fd, path, s->fd, "aside"), 0);
		assert_true(spool_box_gone(box));
		assert_int_equal(spool_stage(box, "b", TEXT, LEN, NULL),
		    -ESTALE);
		assert_int_equal(spool_publish(box, NAME, false), -ESTALE);
		/* A folder of that name is not yet the one that we hold. */
		assert_int_equal(mkdirat(s->fd, path, 0700), 0);
		assert_true(spool_box_gone(box));
		assert_int_equal(unlinkat(s->fd, path, AT_REMOVEDIR), 0);
		assert_int_equal(renameat(s->fd, "aside", s->fd, path), 0);
		assert_false(spool_box_gone(box));
		assert_int_equal(spool_publish(box, NAME, false), 0);
		free(path);
		assert_int_equal(unlinkat(s->fd, "#g/new/" NAME, 0), 0);
	}
}

/* In a flood one look serves for many, until the next glance. */
static void
a_glance_serves_until_the_next(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");

	spool_glance(s->sp);
	assert_int_equal(spool_stage(box, NAME, TEXT, LEN, NULL), 0);
	assert_int_equal(renameat(s->fd, "#g/new", s->fd, "aside"), 0);
	assert_true(spool_box_gone(box));
	assert_int_equal(spool_stage(box, "b", TEXT, LEN, NULL), 0);
	spool_glance(s->sp);
	assert_int_equal(spool_stage(box, "c", TEXT, LEN, NULL), -ESTALE);
	assert_int_equal(spool_publish(box, NAME, false), -ESTALE);
	assert_int_equal(renameat(s->fd, "aside", s->fd, "#g/new"), 0);
	assert_int_equal(spool_publish(box, NAME, false), 0);
	assert_int_equal(spool_publish(box, "b", false), 0);
	assert_int_equal(spot_count(s, "#g/new"), 2);
	/* Removed, it is noticed all the same. */
	assert_int_equal(spool_stage(box, "d", TEXT, LEN, NULL), 0);
	assert_int_equal(unlinkat(s->fd, "#g/new/" NAME, 0), 0);
	assert_int_equal(unlinkat(s->fd, "#g/new/b", 0), 0);
	assert_int_equal(unlinkat(s->fd, "#g/new", AT_REMOVEDIR), 0);
	assert_int_equal(spool_publish(box, "d", false), -ESTALE);
	assert_int_equal(spool_stage(box, "e", TEXT, LEN, NULL), -ESTALE);
}

/* Quiet: long enough unchanged that looking at its time is enough. */
static void
a_quiet_box_is_known_to_be_gone_at_once(void **state)
{
	static const char *const subs[] = { "new", "cur", "tmp", "out" };
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");

	for (size_t i = 0; i < AC_COUNTOF(subs); i++) {
		char *path = spot_str("#g/%s", subs[i]);
		struct stat st;

		assert_int_equal(fstatat(s->fd, "#g", &st, 0), 0);
		while (clock_wall_ms() - (int64_t)st.st_ctim.tv_sec * 1000 -
		    st.st_ctim.tv_nsec / 1000000 < 50)
			assert_int_equal(spool_stage(box, NAME, TEXT, LEN, NULL),
			    0);
		assert_int_equal(spool_stage(box, NAME, TEXT, LEN, NULL), 0);
		assert_int_equal(renameat(s->fd, path, s->fd, "aside"), 0);
		assert_int_equal(spool_stage(box, "b", TEXT, LEN, NULL),
		    -ESTALE);
		assert_int_equal(spool_publish(box, NAME, false), -ESTALE);
		assert_int_equal(spool_publish(box, NAME, false), -ESTALE);
		assert_int_equal(renameat(s->fd, "aside", s->fd, path), 0);
		free(path);
	}
	assert_int_equal(spool_publish(box, NAME, false), 0);
}

static void
a_box_swapped_away_takes_nothing_from_the_new_one(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");

	assert_int_equal(spool_stage(box, NAME, TEXT, LEN, NULL), 0);
	assert_int_equal(renameat(s->fd, "#g", s->fd, "old"), 0);
	assert_int_equal(symlinkat("/tmp", s->fd, "#g"), 0);
	assert_int_equal(spool_publish(box, NAME, false), -ESTALE);
	assert_int_equal(spool_stage(box, "b", TEXT, LEN, NULL), -ESTALE);
	assert_int_equal(spot_count(s, "old/new"), 0);
	spool_box_drop(s->sp, box);
	/* ELOOP or ENOTDIR, as the kernel likes. */
	assert_true(spool_box(s->sp, "#g", true, &box) < 0);
}

/* --------------------------------------------------------- after a crash */

struct recovery {
	char	seen[8][SPOOL_NAME_MAX];
	int	n;
	int	verdict;
};

static int
on_staged(void *arg, struct spool_box *box, const char *name, const char *msg,
    size_t len)
{
	struct recovery *r = arg;

	assert_non_null(box);
	assert_non_null(msg);
	assert_true(len > 0);
	assert_true(r->n < 8);
	strcpy(r->seen[r->n++], name);
	return r->verdict;
}

static void
recovery_walks_staged_files_in_order(void **state)
{
	static const char *const names[] = {
		"1700000000000.00000003.b", "1700000000000.00000001.c",
		"1700000000000.00000002.a"
	};
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");
	struct recovery r = { .verdict = 1 };

	for (int i = 0; i < 3; i++)
		assert_int_equal(spool_stage(box, names[i], TEXT, LEN, NULL),
		    0);
	assert_int_equal(spool_recover(box, on_staged, &r), 0);
	assert_int_equal(r.n, 3);
	assert_string_equal(r.seen[0], names[1]);
	assert_string_equal(r.seen[1], names[2]);
	assert_string_equal(r.seen[2], names[0]);
	assert_int_equal(spot_count(s, "#g/new"), 3);
	assert_int_equal(spot_count(s, "#g/tmp"), 0);

	assert_int_equal(spool_stage(box, "later", TEXT, LEN, NULL), 0);
	r = (struct recovery){ .verdict = 0 };
	assert_int_equal(spool_recover(box, on_staged, &r), 0);
	assert_int_equal(r.n, 1);
	assert_int_equal(spot_count(s, "#g/new"), 3);
	assert_int_equal(spot_count(s, "#g/tmp"), 0);

	assert_int_equal(spool_stage(box, "echo", TEXT, LEN, NULL), 0);
	r = (struct recovery){ .verdict = 2 };
	assert_int_equal(spool_recover(box, on_staged, &r), 0);
	assert_text(s, "#g/cur/echo", TEXT);

	assert_int_equal(spool_stage(box, "stop", TEXT, LEN, NULL), 0);
	r = (struct recovery){ .verdict = -EIO };
	assert_int_equal(spool_recover(box, on_staged, &r), -EIO);
	assert_int_equal(spot_count(s, "#g/tmp"), 1);
}

static void
recovery_sweeps_strange_files(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");
	struct recovery r = { .verdict = 1 };
	char *path;

	for (size_t i = 0; i < AC_COUNTOF(things); i++) {
		path = spot_str("#g/tmp/%s", things[i]);
		(void)put_thing(s, things[i], path);
		free(path);
	}
	spot_put(s, "#g/tmp/.x.new", "left over");
	spot_put(s, "#g/tmp/empty", "");
	spot_put(s, "#g/tmp/a b", "no name of ours");
	assert_int_equal(spool_recover(box, on_staged, &r), 0);
	assert_int_equal(r.n, 0);
	assert_int_equal(spot_count(s, "#g/tmp"), 0);
	assert_int_equal(spot_count(s, "#g/new"), 0);
	assert_text(s, "victim", "precious");
}

static void
prepare_box(void *arg)
{
	struct spot *s = arg;

	fault_none();
	spot_reopen(s);
	(void)spot_box(s, "#g");
	(void)unlinkat(s->fd, "#g/new/" NAME, 0);
}

static int
deliver_once(void *arg)
{
	struct spot *s = arg;
	struct spool_box *box = spot_box(s, "#g");
	int rc = spool_stage(box, NAME, TEXT, LEN, NULL);

	if (rc == 0)
		rc = spool_sync(s->sp);
	return rc == 0 ? spool_publish(box, NAME, false) : rc;
}

static void
verify_delivery(void *arg, bool died)
{
	struct spot *s = arg;
	struct recovery r = { .verdict = 0 };
	struct spool_box *box;

	spot_reopen(s);
	box = spot_box(s, "#g");
	/* What is in new/ is whole before anybody has mended anything. */
	if (spot_has(s, "#g/new/" NAME))
		assert_text(s, "#g/new/" NAME, TEXT);
	else
		assert_true(died);
	assert_int_equal(spool_recover(box, on_staged, &r), 0);
	assert_int_equal(spot_count(s, "#g/tmp"), 0);
	/* The relay sends it again: then it is there, once. */
	if (!spot_has(s, "#g/new/" NAME))
		assert_int_equal(deliver(box, NAME, TEXT, false), 0);
	assert_int_equal(spool_stage(box, NAME, TEXT, LEN, NULL), -EEXIST);
	assert_text(s, "#g/new/" NAME, TEXT);
	assert_int_equal(spot_count(s, "#g/new"), 1);
}

static void
a_crash_at_any_call_loses_and_doubles_nothing(void **state)
{
	fault_each(prepare_box, deliver_once, verify_delivery, *state);
}

static int
deliver_by_link(void *arg)
{
	struct spot *s = arg;
	struct spool_box *box = spot_box(s, "#g");

	/* As on a file system that knows no RENAME_NOREPLACE. */
	if (spool_stage(box, NAME, TEXT, LEN, NULL) < 0)
		return -1;
	return linkat(s->fd, "#g/tmp/" NAME, s->fd, "#g/new/" NAME, 0);
}

static void
a_crash_between_link_and_unlink_is_mended(void **state)
{
	struct spot *s = *state;
	struct recovery r = { .verdict = 1 };

	assert_int_equal(deliver_by_link(s), 0);
	spot_reopen(s);
	assert_int_equal(spool_recover(spot_box(s, "#g"), on_staged, &r), 0);
	assert_int_equal(r.n, 0);
	assert_int_equal(spot_count(s, "#g/tmp"), 0);
	assert_text(s, "#g/new/" NAME, TEXT);
}

static void
prepare_replace(void *arg)
{
	struct spot *s = arg;

	fault_none();
	(void)unlinkat(s->fd, ".f.new", 0);
	assert_int_equal(spool_replace(s->fd, "f", "old", 3, true), 0);
}

static int
replace_once(void *arg)
{
	struct spot *s = arg;

	return spool_replace(s->fd, "f", TEXT, LEN, true);
}

static void
verify_replace(void *arg, bool died)
{
	struct spot *s = arg;
	char *text = spot_text(s, "f", NULL);

	assert_true(strcmp(text, TEXT) == 0 ||
	    (died && strcmp(text, "old") == 0));
	free(text);
	assert_int_equal(spool_replace(s->fd, "f", "next", 4, true), 0);
	assert_text(s, "f", "next");
	assert_false(spot_has(s, ".f.new"));
}

static void
a_replaced_file_is_the_old_or_the_new_one(void **state)
{
	fault_each(prepare_replace, replace_once, verify_replace, *state);
}

/* ------------------------------------------------------------------ take */

struct walk {
	struct buf	text;
	int		n, stop_at;
};

static int
on_message(void *arg, const char *name, const char *msg, size_t len)
{
	struct walk *w = arg;

	assert_non_null(name);
	buf_add(&w->text, msg, len);
	return ++w->n == w->stop_at ? 7 : 0;
}

static void
fill(struct spot *s, struct spool_box *box, int from, int to)
{
	char name[SPOOL_NAME_MAX], *msg;

	(void)s;
	for (int i = from; i < to; i++) {
		msg = spot_str("%d\n", i);
		assert_int_equal(spool_name(name, 1700000000000,
		    (uint64_t)i, "x"), 0);
		assert_int_equal(deliver(box, name, msg, false), 0);
		free(msg);
	}
}

static void
walks_in_order_and_skips_what_is_strange(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");
	struct walk w = { .text = BUF_INIT };
	char *path;
	size_t n;

	fill(s, box, 1, 6);
	for (size_t i = 0; i < AC_COUNTOF(things); i++) {
		path = spot_str("#g/new/0%s", things[i]);
		if (strcmp(things[i], "hardlink") != 0)
			(void)put_thing(s, things[i], path);
		free(path);
	}
	spot_put(s, "#g/new/.hidden", "no");
	assert_int_equal(spool_count(box, SPOOL_NEW, &n), 0);
	assert_int_equal(n, 5);
	assert_int_equal(spool_walk(box, SPOOL_NEW, false, 0, on_message, &w),
	    0);
	assert_string_equal(w.text.p, "1\n2\n3\n4\n5\n");
	buf_clear(&w.text);
	assert_int_equal(spool_walk(box, SPOOL_NEW, true, 2, on_message, &w),
	    0);
	assert_string_equal(w.text.p, "5\n4\n");
	w.stop_at = ++w.n + 1;
	assert_int_equal(spool_walk(box, SPOOL_NEW, true, 0, on_message, &w),
	    7);
	buf_fini(&w.text);
}

static void
marking_read_is_a_rename_that_anybody_may_have_done(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");

	assert_int_equal(deliver(box, NAME, TEXT, false), 0);
	assert_int_equal(spool_mark_read(box, NAME), 0);
	assert_int_equal(spool_mark_read(box, NAME), 0);
	assert_text(s, "#g/cur/" NAME, TEXT);
	spot_put(s, "#g/new/" NAME, "again");
	assert_int_equal(spool_mark_read(box, NAME), 0);
	assert_text(s, "#g/cur/" NAME, TEXT);
	assert_int_equal(spot_count(s, "#g/new"), 0);
}

/* archive/ has one file, named by a day that may change under us. */
static char *
archived(struct spot *s)
{
	struct buf all = BUF_INIT;
	char *command = spot_str("cat %s/archive/*.jsonl", s->path);
	FILE *f = popen(command, "r");

	assert_non_null(f);
	for (int c; (c = getc(f)) != EOF;)
		buf_addc(&all, (char)c);
	assert_int_equal(pclose(f), 0);
	free(command);
	assert_int_equal(buf_err(&all), 0);
	return all.p != NULL ? all.p : strdup("");
}

static void
trimming_archives_what_was_not_read(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");
	uint64_t n = 5;
	char *text;

	fill(s, box, 1, 8);
	spot_put(s, "#g/new/1700000000000.00000002.x", "{\n \"two\": 2\n}");
	for (int i = 0; i < 4; i++)
		assert_int_equal(spool_mark_read(box,
		    (const char *[]){ "1700000000000.00000007.x",
		    "1700000000000.00000006.x", "1700000000000.00000005.x",
		    "nobody" }[i]), 0);
	assert_int_equal(spool_trim(s->sp, box, 2, 1, &n), 0);
	assert_int_equal(n, 8);
	assert_int_equal(spot_count(s, "#g/cur"), 2);
	assert_false(spot_has(s, "#g/cur/1700000000000.00000005.x"));
	assert_int_equal(spot_count(s, "#g/new"), 1);
	assert_true(spot_has(s, "#g/new/1700000000000.00000004.x"));
	text = archived(s);
	assert_string_equal(text, "1\n{  \"two\": 2 }\n3\n");
	free(text);
}

static void
trimming_leaves_what_it_cannot_archive(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");
	uint64_t n = 0;
	int fd;

	fill(s, box, 1, 4);
	fd = openat(s->fd, "#g/new/0big", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SPOOL_MSG_MAX + 1), 0);
	close(fd);
	assert_int_equal(spool_trim(s->sp, box, 0, 2, &n), 0);
	assert_int_equal(n, 1);
	assert_true(spot_has(s, "#g/new/0big"));
	assert_int_equal(spot_count(s, "#g/new"), 3);
}

static void
prepare_trim(void *arg)
{
	struct spot *s = arg;

	fault_none();
	spool_close(s->sp);
	fault_dir_remove(s->fd, s->path);
	s->fd = fault_dir(s->path);
	assert_int_equal(spool_open(&s->sp, AT_FDCWD, s->path, true), 0);
	fill(s, spot_box(s, "#g"), 1, 4);
}

static int
trim_once(void *arg)
{
	struct spot *s = arg;
	uint64_t n = 0;

	return spool_trim(s->sp, spot_box(s, "#g"), 1, 1, &n);
}

static void
verify_trim(void *arg, bool died)
{
	struct spot *s = arg;
	char *text, *p;
	int seen = 0;

	(void)died;
	spot_reopen(s);
	assert_int_equal(trim_once(s), 0);
	assert_int_equal(spot_count(s, "#g/new"), 1);
	text = archived(s);
	/* Each is there, and nothing but whole lines and torn copies. */
	for (p = text; (p = strstr(p, "1\n2\n")) != NULL; p++)
		seen++;
	assert_true(seen >= 1);
	free(text);
}

static void
a_crash_while_archiving_loses_nothing(void **state)
{
	fault_each(prepare_trim, trim_once, verify_trim, *state);
}

static void
a_full_disk_keeps_what_could_not_be_archived(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#g");
	uint64_t n = 0;

	fill(s, box, 1, 4);
	fault_fail("pwrite", 0, ENOSPC);
	assert_int_equal(spool_trim(s->sp, box, 1, 1, &n), -ENOSPC);
	fault_fail("fsync", 0, EIO);
	assert_int_equal(spool_trim(s->sp, box, 1, 1, &n), -EIO);
	fault_none();
	assert_int_equal(n, 0);
	assert_int_equal(spot_count(s, "#g/new"), 3);
	assert_int_equal(spool_trim(s->sp, box, 1, 1, &n), 0);
	assert_int_equal(n, 2);
}

static void
receipts_are_kept_by_age_not_by_name(void **state)
{
	struct spot *s = *state;
	struct timespec at[2] = { { 0, 0 }, { 0, 0 } };

	spot_put(s, "z", "oldest");
	spot_put(s, "a", "newest");
	spot_put(s, "m", "middle");
	at[1].tv_sec = 100;
	assert_int_equal(utimensat(s->fd, "z", at, 0), 0);
	at[1].tv_sec = 200;
	assert_int_equal(utimensat(s->fd, "m", at, 0), 0);
	assert_int_equal(spool_trim_dir(s->fd, 3), 0);
	assert_int_equal(spot_count(s, "."), 3);
	assert_int_equal(spool_trim_dir(s->fd, 1), 0);
	assert_int_equal(spot_count(s, "."), 1);
	assert_true(spot_has(s, "a"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, spot_make, spot_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_sort_by_arrival),
		cmocka_unit_test(names_lead_nowhere_else),
		TEST(hostile_names_stay_inside),
		TEST(delivers_into_new_and_leaves_no_tmp),
		TEST(own_messages_are_read_already),
		TEST(the_same_message_twice_is_one_file),
		TEST(publishing_never_overwrites),
		TEST(what_was_read_does_not_come_back),
		TEST(works_without_rename_noreplace),
		TEST(staging_again_keeps_what_is_whole),
		TEST(refuses_what_is_no_message),
		TEST(strange_things_in_tmp_do_no_harm),
		TEST(a_full_disk_leaves_nothing_behind),
		TEST(short_writes_and_interruptions_are_ordinary),
		TEST(a_failing_sync_is_reported),
		TEST(a_staged_file_is_held_for_its_sync),
		TEST(a_move_is_planned_and_then_done),
		TEST(what_a_move_cant_do_is_published),
		TEST(a_move_looks_whether_the_box_is_there),
		TEST(a_file_is_extended_only_where_it_ends),
		TEST(a_box_that_is_gone_is_stale),
		TEST(a_box_swapped_away_takes_nothing_from_the_new_one),
		TEST(a_glance_serves_until_the_next),
		TEST(a_quiet_box_is_known_to_be_gone_at_once),
		TEST(recovery_walks_staged_files_in_order),
		TEST(recovery_sweeps_strange_files),
		TEST(a_crash_at_any_call_loses_and_doubles_nothing),
		TEST(a_crash_between_link_and_unlink_is_mended),
		TEST(a_replaced_file_is_the_old_or_the_new_one),
		TEST(walks_in_order_and_skips_what_is_strange),
		TEST(marking_read_is_a_rename_that_anybody_may_have_done),
		TEST(trimming_archives_what_was_not_read),
		TEST(trimming_leaves_what_it_cannot_archive),
		TEST(a_crash_while_archiving_loses_nothing),
		TEST(a_full_disk_keeps_what_could_not_be_archived),
		TEST(receipts_are_kept_by_age_not_by_name),
	};

	return cmocka_run_group_tests_name("deliver", tests, NULL, NULL);
}
