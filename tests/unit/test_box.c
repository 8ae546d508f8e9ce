/*
 * test_box.c - roots, instances, locks; boxes that agents make and take away;
 * small files.
 */
#include "config.h"

#include "unit.h"
#include "box_util.h"
#include "fault.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static mode_t
mode_of(const struct spot *s, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 0777;
}

static void
remove_dir(const struct spot *s, const char *path)
{
	assert_int_equal(unlinkat(s->fd, path, AT_REMOVEDIR), 0);
}

static void
components_are_plain_names(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", ".x", "a/b", "a b", "a\n", "\xc3\xa9", "a:b"
	};
	char longer[102];

	(void)state;
	for (size_t i = 0; i < AC_COUNTOF(bad); i++)
		assert_false(spool_component_ok(bad[i], strlen(bad[i])));
	assert_false(spool_component_ok("a\0b", 3));
	assert_true(spool_component_ok("#a-Z_0.9=+@", 11));
	memset(longer, 'a', sizeof(longer));
	assert_true(spool_component_ok(longer, 100));
	assert_false(spool_component_ok(longer, 101));
}

static void
box_names_are_narrower_still(void **state)
{
	static const char *const bad[] = {
		"#", "@", "general", "#.", "#a.b", "#a/b", "#a b", "##a",
		"#\xc3\xa9", "@@other", ""
	};
	char longer[70] = "#";

	(void)state;
	for (size_t i = 0; i < AC_COUNTOF(bad); i++)
		assert_false(spool_box_name_ok(bad[i], strlen(bad[i])));
	assert_true(spool_box_name_ok("#a-Z_0", 6));
	assert_true(spool_box_name_ok(SPOOL_OTHER, strlen(SPOOL_OTHER)));
	memset(longer + 1, 'a', 65);
	assert_true(spool_box_name_ok(longer, 65));
	assert_false(spool_box_name_ok(longer, 66));
}

static void
a_root_is_private_and_out_of_git(void **state)
{
	struct spot *s = *state;
	char *path = spot_str("%s/root", s->path), *text;
	int fd;

	assert_int_equal(spool_root(path, false, &fd), -ENOENT);
	assert_int_equal(spool_root(path, true, &fd), 0);
	close(fd);
	assert_int_equal(mode_of(s, "root"), 0700);
	text = spot_text(s, "root/.gitignore", NULL);
	assert_string_equal(text, "*\n");
	free(text);
	spot_put(s, "root/.gitignore", "mine");
	assert_int_equal(setenv("AGENTCHAT_DIR", path, 1), 0);
	assert_int_equal(spool_root(NULL, true, &fd), 0);
	close(fd);
	assert_int_equal(unsetenv("AGENTCHAT_DIR"), 0);
	text = spot_text(s, "root/.gitignore", NULL);
	assert_string_equal(text, "mine");
	free(text);
	for (mode_t m = 0720; m <= 0722; m += 2) {
		assert_int_equal(chmod(path, m), 0);
		assert_int_equal(spool_root(path, true, &fd), -EACCES);
	}
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(spool_root(path, false, &fd), 0);
	close(fd);
	free(path);
}

static void
an_instance_lies_below_its_root(void **state)
{
	static const char *const bad[] = {
		"../x", "a/../b", "/tmp", "", "a//b", ".", "..", "link/x",
		"link"
	};
	struct spot *s = *state;
	struct spool *sp = NULL;

	assert_int_equal(symlinkat("/tmp", s->fd, "link"), 0);
	for (size_t i = 0; i < AC_COUNTOF(bad); i++)
		assert_true(spool_open(&sp, s->fd, bad[i], true) < 0);
	assert_int_equal(spool_open(&sp, s->fd, "daemons/default", false),
	    -ENOENT);
	assert_int_equal(spool_open(&sp, s->fd, "daemons/default", true), 0);
	assert_int_equal(mode_of(s, "daemons"), 0700);
	assert_int_equal(mode_of(s, "daemons/default"), 0700);
	spool_close(sp);
	assert_int_equal(fchmodat(s->fd, "daemons/default", 0770, 0), 0);
	assert_int_equal(spool_open(&sp, s->fd, "daemons/default", true),
	    -EACCES);
}

static void
opening_raises_the_limit_of_files(void **state)
{
	struct spot *s = *state;
	struct rlimit was, rl;
	struct spool *sp;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	rl = was;
	rl.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &rl), 0);
	assert_int_equal(spool_open(&sp, s->fd, "a", true), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &rl), 0);
	assert_true(rl.rlim_cur == rl.rlim_max || rl.rlim_cur >= 4096);
	spool_close(sp);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}

/* ------------------------------------------------------------------ lock */

/*
 * A child that locks the spool, says so and waits to be killed, or lets go
 * when it is told to (its standard input ends).
 */
static pid_t
holder(const struct spot *s, int *go)
{
	int ready[2], stop[2];
	struct spool *sp;
	pid_t pid;
	char c;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(stop[1]);
		if (spool_open(&sp, AT_FDCWD, s->path, false) < 0 ||
		    spool_lock(sp) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		(void)!read(stop[0], &c, 1);
		spool_close(sp);
		_exit(0);
	}
	close(ready[1]);
	close(stop[0]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	*go = stop[1];
	return pid;
}

static void
the_lock_names_its_holder(void **state)
{
	struct spot *s = *state;
	pid_t pid, who = -1;
	char *text, *want;
	int go;

	assert_int_equal(spool_holder(s->fd, &who), 0);
	assert_int_equal(who, 0);
	pid = holder(s, &go);
	assert_int_equal(mode_of(s, "daemon.pid"), 0600);
	assert_int_equal(spool_holder(s->fd, &who), 0);
	assert_int_equal(who, pid);
	text = spot_text(s, "daemon.pid", NULL);
	want = spot_str("%d\n", (int)pid);
	assert_string_equal(text, want);
	free(text);
	free(want);
	assert_int_equal(spool_lock(s->sp), -EBUSY);
	close(go);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(spool_holder(s->fd, &who), 0);
	assert_int_equal(who, 0);
	assert_false(spot_has(s, "daemon.pid"));
	assert_int_equal(spool_lock(s->sp), 0);
	assert_int_equal(spool_lock(s->sp), 0);
}

static void
the_lock_of_the_dead_is_nobodys(void **state)
{
	struct spot *s = *state;
	pid_t pid, who;
	char *mine;
	int go;

	pid = holder(s, &go);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(go);
	assert_true(spot_has(s, "daemon.pid"));
	assert_int_equal(spool_holder(s->fd, &who), 0);
	assert_int_equal(who, 0);
	/* Its pid is somebody else's now. */
	mine = spot_str("%d\n", (int)getpid());
	spot_put(s, "daemon.pid", mine);
	free(mine);
	assert_int_equal(spool_holder(s->fd, &who), 0);
	assert_int_equal(who, 0);
	spot_put(s, ".status.json.new", "half");
	spot_put(s, ".keep", "");
	assert_int_equal(mkdirat(s->fd, "sent", 0700), 0);
	spot_put(s, "sent/.r.json.new", "half");
	assert_int_equal(spool_lock(s->sp), 0);
	assert_false(spot_has(s, ".status.json.new"));
	assert_false(spot_has(s, "sent/.r.json.new"));
	assert_true(spot_has(s, ".keep"));
}

static void
removing_the_pid_file_lets_no_second_one_in(void **state)
{
	struct spot *s = *state;
	pid_t pid;
	int go;

	pid = holder(s, &go);
	assert_int_equal(unlinkat(s->fd, "daemon.pid", 0), 0);
	assert_int_equal(spool_lock(s->sp), -EBUSY);
	close(go);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(spool_lock(s->sp), 0);
}

static void
the_pid_file_is_no_way_out(void **state)
{
	struct spot *s = *state;
	pid_t who;
	char *text;

	spot_put(s, "victim", "precious");
	assert_int_equal(symlinkat("victim", s->fd, "daemon.pid"), 0);
	assert_int_equal(spool_lock(s->sp), -ELOOP);
	assert_int_equal(spool_holder(s->fd, &who), -ELOOP);
	assert_int_equal(unlinkat(s->fd, "daemon.pid", 0), 0);
	assert_int_equal(linkat(s->fd, "victim", s->fd, "daemon.pid", 0), 0);
	assert_int_equal(spool_lock(s->sp), -EINVAL);
	assert_int_equal(unlinkat(s->fd, "daemon.pid", 0), 0);
	assert_int_equal(mkfifoat(s->fd, "daemon.pid", 0600), 0);
	assert_int_equal(spool_lock(s->sp), -EINVAL);
	assert_int_equal(unlinkat(s->fd, "daemon.pid", 0), 0);
	assert_int_equal(spool_lock(s->sp), 0);
	text = spot_text(s, "victim", NULL);
	assert_string_equal(text, "precious");
	free(text);
}

static void
a_full_disk_is_no_reason_not_to_start(void **state)
{
	struct spot *s = *state;

	fault_fail("pwrite", 0, ENOSPC);
	assert_int_equal(spool_lock(s->sp), 0);
	fault_none();
}

/* ----------------------------------------------------------------- boxes */

static void
a_box_has_four_private_folders(void **state)
{
	struct spot *s = *state;
	struct spool_box *box, *again = NULL;
	struct stat a, b;

	assert_int_equal(spool_box(s->sp, "#dev", false, &box), -ENOENT);
	assert_int_equal(spool_box(s->sp, "#../x", true, &box), -EINVAL);
	assert_int_equal(spool_box(s->sp, "dev", true, &box), -EINVAL);
	assert_int_equal(spot_count(s, "."), 0);
	box = spot_box(s, "#dev");
	assert_int_equal(mode_of(s, "#dev"), 0700);
	assert_int_equal(spot_count(s, "#dev"), 4);
	assert_int_equal(mode_of(s, "#dev/out"), 0700);
	assert_string_equal(spool_box_name(box), "#dev");
	assert_int_equal(fstat(spool_box_sub(box, SPOOL_TMP), &a), 0);
	assert_int_equal(fstatat(s->fd, "#dev/tmp", &b, 0), 0);
	assert_true(a.st_ino == b.st_ino);
	assert_int_equal(spool_box(s->sp, "#dev", false, &again), 0);
	assert_ptr_equal(box, again);
	assert_false(spool_box_gone(box));
}

static void
an_agents_mkdir_is_a_box(void **state)
{
	struct spot *s = *state;
	struct spool_box *box;

	assert_int_equal(mkdirat(s->fd, "#dev", 0755), 0);
	spot_put(s, "#dev/.error", "not invited");
	assert_int_equal(spool_box(s->sp, "#dev", false, &box), 0);
	assert_int_equal(spot_count(s, "#dev"), 5);
}

static void
what_an_agent_left_is_no_box_until_it_is_whole(void **state)
{
	struct spot *s = *state;
	struct spool_box *box = spot_box(s, "#dev");

	remove_dir(s, "#dev/out");
	assert_true(spool_box_gone(box));
	spool_box_drop(s->sp, box);
	assert_int_equal(spool_box(s->sp, "#dev", false, &box), -ENOENT);
	spot_reopen(s);
	assert_int_equal(spool_box(s->sp, "#dev", false, &box), -ENOENT);
	assert_int_equal(spot_count(s, "#dev"), 3);
	assert_int_equal(mkdirat(s->fd, "#dev/out", 0700), 0);
	assert_int_equal(spool_box(s->sp, "#dev", false, &box), 0);
	spool_box_drop(s->sp, box);
	remove_dir(s, "#dev/new");
	/* Asked for by somebody: then it is made whole. */
	assert_int_equal(spool_box(s->sp, "#dev", true, &box), 0);
	assert_int_equal(spot_count(s, "#dev"), 4);
}

/* Each step of an rm -r, with the daemon looking after each. */
static void
removing_a_box_meets_nothing_that_came_back(void **state)
{
	static const char *const steps[] = {
		"#dev/tmp", "#dev/new", "#dev/out", "#dev/cur", "#dev"
	};
	struct spot *s = *state;
	struct spool_box *box;

	for (int round = 0; round < 3; round++) {
		box = spot_box(s, "#dev");
		for (size_t i = 0; i < AC_COUNTOF(steps); i++) {
			remove_dir(s, steps[i]);
			if (box != NULL && spool_box_gone(box)) {
				spool_box_drop(s->sp, box);
				box = NULL;
			}
			assert_int_equal(spool_box(s->sp, "#dev", false,
			    &box), -ENOENT);
			box = NULL;
		}
		/* A new directory, though it may well have the old inode. */
		assert_int_equal(mkdirat(s->fd, "#dev", 0700), 0);
		assert_int_equal(spool_box(s->sp, "#dev", false, &box), 0);
		assert_int_equal(spot_count(s, "#dev"), 4);
	}
}

static void
names_that_lead_elsewhere_are_no_boxes(void **state)
{
	struct spot *s = *state;
	struct spool_box *box;
	char *text;

	spot_put(s, "#file", "x");
	assert_int_equal(symlinkat("/tmp", s->fd, "#link"), 0);
	assert_true(spool_box(s->sp, "#file", true, &box) < 0);
	assert_true(spool_box(s->sp, "#link", true, &box) < 0);
	assert_int_equal(mkdirat(s->fd, "#dev", 0700), 0);
	assert_int_equal(symlinkat("/tmp", s->fd, "#dev/new"), 0);
	assert_true(spool_box(s->sp, "#dev", true, &box) < 0);
	text = spot_text(s, "#file", NULL);
	assert_string_equal(text, "x");
	free(text);
}

static int
count_names(void *arg, const char *name)
{
	assert_true(spool_box_name_ok(name, strlen(name)));
	return ++*(int *)arg == 300 ? 9 : 0;
}

static void
strangers_fill_no_more_than_256_directories(void **state)
{
	struct spot *s = *state;
	struct spool_box *box;
	char name[SPOOL_BOX_MAX];
	int n = 0;

	for (int i = 0; i < SPOOL_BOXES_MAX; i++) {
		sprintf(name, "@%08x", i);
		spool_box_drop(s->sp, spot_box(s, name));
	}
	assert_int_equal(spool_box(s->sp, "@onemore", true, &box), -EMFILE);
	assert_int_equal(spool_box(s->sp, "@00000000", true, &box), 0);
	assert_int_equal(spool_box(s->sp, SPOOL_OTHER, true, &box), 0);
	assert_int_equal(spool_box(s->sp, "#channel", true, &box), 0);
	assert_int_equal(mkdirat(s->fd, "@byhand", 0700), 0);
	assert_int_equal(spool_box(s->sp, "@byhand", false, &box), 0);
	spot_put(s, "#file", "");
	assert_int_equal(mkdirat(s->fd, "sent", 0700), 0);
	assert_int_equal(spool_each_box(s->sp, count_names, &n), 0);
	assert_int_equal(n, 259);
	n = 200;
	assert_int_equal(spool_each_box(s->sp, count_names, &n), 9);
}

/* A crash in the midst of it must not look as if the agent had left. */
static void
prepare_mkdir(void *arg)
{
	struct spot *s = arg;

	fault_none();
	spot_reopen(s);
	(void)unlinkat(s->fd, "#dev/new", AT_REMOVEDIR);
	(void)unlinkat(s->fd, "#dev/cur", AT_REMOVEDIR);
	(void)unlinkat(s->fd, "#dev/tmp", AT_REMOVEDIR);
	(void)unlinkat(s->fd, "#dev/out", AT_REMOVEDIR);
	(void)unlinkat(s->fd, "#dev", AT_REMOVEDIR);
	assert_int_equal(mkdirat(s->fd, "#dev", 0700), 0);
}

static int
open_box(void *arg)
{
	struct spot *s = arg;
	struct spool_box *box;

	return spool_box(s->sp, "#dev", false, &box);
}

static void
verify_mkdir(void *arg, bool died)
{
	struct spot *s = arg;

	(void)died;
	spot_reopen(s);
	assert_int_equal(open_box(s), 0);
	assert_int_equal(spot_count(s, "#dev"), 4);
}

static void
a_crash_while_joining_joins(void **state)
{
	fault_each(prepare_mkdir, open_box, verify_mkdir, *state);
}

/* ----------------------------------------------------------- small files */

static void
slurps_regular_files_of_ours_only(void **state)
{
	struct spot *s = *state;
	struct buf b = BUF_INIT;

	buf_adds(&b, "<");
	spot_put(s, "f", "content");
	assert_int_equal(spool_slurp(s->fd, "f", 7, &b), 0);
	assert_string_equal(b.p, "<content");
	assert_int_equal(spool_slurp(s->fd, "f", 6, &b), -EFBIG);
	assert_string_equal(b.p, "<content");
	assert_int_equal(spool_slurp(s->fd, "none", 6, &b), -ENOENT);
	assert_int_equal(spool_slurp(s->fd, "../etc", 6, &b), -EINVAL);
	assert_int_equal(symlinkat("f", s->fd, "link"), 0);
	assert_int_equal(spool_slurp(s->fd, "link", 9, &b), -ELOOP);
	assert_int_equal(mkfifoat(s->fd, "fifo", 0600), 0);
	assert_int_equal(spool_slurp(s->fd, "fifo", 9, &b), -EINVAL);
	assert_int_equal(mkdirat(s->fd, "dir", 0700), 0);
	assert_int_equal(spool_slurp(s->fd, "dir", 9, &b), -EINVAL);
	assert_int_equal(linkat(s->fd, "f", s->fd, "hard", 0), 0);
	assert_int_equal(spool_slurp(s->fd, "hard", 9, &b), -EINVAL);
	assert_string_equal(b.p, "<content");
	if (geteuid() == 0) {
		spot_put(s, "theirs", "x");
		assert_int_equal(fchownat(s->fd, "theirs", 65534, 0, 0), 0);
		assert_int_equal(spool_slurp(s->fd, "theirs", 9, &b),
		    -EINVAL);
	}
	buf_fini(&b);
}

static void
replacing_walks_around_what_is_in_the_way(void **state)
{
	struct spot *s = *state;
	char *text;

	spot_put(s, "victim", "precious");
	assert_int_equal(symlinkat("victim", s->fd, "f"), 0);
	assert_int_equal(symlinkat("victim", s->fd, ".f.new"), 0);
	assert_int_equal(spool_replace(s->fd, "f", "1", 1, false), 0);
	assert_int_equal(mkdirat(s->fd, ".f.new", 0700), 0);
	assert_int_equal(spool_replace(s->fd, "f", "2", 1, false), 0);
	assert_int_equal(mkdirat(s->fd, ".f.new", 0700), 0);
	spot_put(s, ".f.new/x", "not empty");
	assert_int_equal(spool_replace(s->fd, "f", "3", 1, true), 0);
	text = spot_text(s, "f", NULL);
	assert_string_equal(text, "3");
	free(text);
	text = spot_text(s, "victim", NULL);
	assert_string_equal(text, "precious");
	free(text);
	assert_int_equal(spot_count(s, "."), 3);
	assert_int_equal(mode_of(s, "f"), 0600);
	assert_int_equal(spool_replace(s->fd, "../f", "3", 1, true), -EINVAL);
	assert_int_equal(spool_replace(s->fd, "..", "3", 1, true), -EINVAL);
	assert_int_equal(spool_replace(s->fd, "", "3", 1, true), -EINVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, spot_make, spot_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(components_are_plain_names),
		cmocka_unit_test(box_names_are_narrower_still),
		TEST(a_root_is_private_and_out_of_git),
		TEST(an_instance_lies_below_its_root),
		TEST(opening_raises_the_limit_of_files),
		TEST(the_lock_names_its_holder),
		TEST(the_lock_of_the_dead_is_nobodys),
		TEST(removing_the_pid_file_lets_no_second_one_in),
		TEST(the_pid_file_is_no_way_out),
		TEST(a_full_disk_is_no_reason_not_to_start),
		TEST(a_box_has_four_private_folders),
		TEST(an_agents_mkdir_is_a_box),
		TEST(what_an_agent_left_is_no_box_until_it_is_whole),
		TEST(removing_a_box_meets_nothing_that_came_back),
		TEST(names_that_lead_elsewhere_are_no_boxes),
		TEST(strangers_fill_no_more_than_256_directories),
		TEST(a_crash_while_joining_joins),
		TEST(slurps_regular_files_of_ours_only),
		TEST(replacing_walks_around_what_is_in_the_way),
	};

	return cmocka_run_group_tests_name("box", tests, NULL, NULL);
}
