/*
 * daemons.c - a daemon seen from outside: is it there, what does it say,
 * stop it.
 */
#include "config.h"

#include "lib/daemons.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "spool/spool.h"
#include "wire/msg.h"

#define STATUS_MAX 65536
#define LOOK_MS 20

bool
daemon_name_ok(const char *name)
{
	return wire_agent_name_ok(name, strlen(name));
}

static int
open_daemons(const char *root, int *fd)
{
	int root_fd, rc = spool_root(root, false, &root_fd);

	if (rc < 0)
		return rc;
	rc = spool_subdir(root_fd, "daemons", false, fd);
	close(root_fd);
	return rc;
}

int
daemon_dir(const char *root, const char *instance, int *fd)
{
	int daemons, rc;

	if (!daemon_name_ok(instance))
		return -ENOENT;
	rc = open_daemons(root, &daemons);
	if (rc < 0)
		return rc;
	rc = spool_subdir(daemons, instance, false, fd);
	close(daemons);
	return rc;
}

void
daemon_status_fini(struct daemon_status *st)
{
	buf_fini(&st->json);
}

/* Is a pid file there? A daemon that ends as it should removes it. */
static bool
has_pid_file(int dir)
{
	struct stat st;

	return fstatat(dir, "daemon.pid", &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int
holder(int dir, pid_t *pid)
{
	int rc = spool_holder(dir, pid);

	if (rc == -EAGAIN) {
		*pid = -1;	/* it runs, in another pid namespace */
		return 0;
	}
	return rc;
}

int
daemon_status(const char *root, const char *instance, struct daemon_status *st)
{
	int dir, rc;

	memset(st, 0, sizeof(*st));
	buf_init(&st->json);
	rc = daemon_dir(root, instance, &dir);
	if (rc < 0)
		return rc;
	snprintf(st->name, sizeof(st->name), "%s", instance);
	rc = holder(dir, &st->pid);
	if (rc == 0) {
		st->crashed = st->pid == 0 && has_pid_file(dir);
		/* Without status.json it never came so far. */
		if (spool_slurp(dir, "status.json", STATUS_MAX,
		    &st->json) < 0)
			buf_clear(&st->json);
	}
	close(dir);
	return rc;
}

void
daemon_status_facts(const struct daemon_status *st, struct wire_msg *f)
{
	wire_msg_init(f);
	if (st->json.len > 0 &&
	    wire_parse_object(f, st->json.p, st->json.len) < 0)
		wire_msg_reset(f);
}

const char *
daemon_status_word(const struct daemon_status *st, const struct wire_msg *f)
{
	struct wire_value v = wire_find(f, "state");

	if (st->pid == 0)
		return st->crashed ? "crashed" : "stopped";
	return v.kind == WIRE_STR && v.len > 0 ? v.s : "starting";
}

/* What of status.json is handed on; the state is ours to say. */
static const char *const handed_on[] = { "server", "agent_id", "name", "since",
    "unread", "queued", "sent", "failed", "archived", "dropped", "error" };

void
daemon_status_json(const struct daemon_status *st, struct buf *b)
{
	struct wire_msg f;
	const char *word;

	daemon_status_facts(st, &f);
	word = daemon_status_word(st, &f);
	buf_adds(b, "{\"instance\":");
	wire_json_str(b, st->name, strlen(st->name));
	buf_addf(b, ",\"running\":%s", st->pid != 0 ? "true" : "false");
	if (st->pid > 0)
		buf_addf(b, ",\"pid\":%ld", (long)st->pid);
	buf_adds(b, ",\"state\":");
	wire_json_str(b, word, strlen(word));
	for (size_t i = 0; i < AC_COUNTOF(handed_on); i++) {
		struct wire_value v = wire_find(&f, handed_on[i]);

		if (v.kind == WIRE_ABSENT)
			continue;
		wire_json_key(b, handed_on[i]);
		buf_add(b, v.raw, v.raw_len);
	}
	buf_adds(b, "}\n");
	wire_msg_fini(&f);
}

static int
is_instance(const struct dirent *de)
{
	return daemon_name_ok(de->d_name);
}

int
daemon_list(const char *root, daemon_list_fn *fn, void *arg)
{
	struct dirent **all;
	struct daemon_status st;
	int daemons, n, rc;

	rc = open_daemons(root, &daemons);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	n = scandirat(daemons, ".", &all, is_instance, alphasort);
	rc = n == -1 ? -errno : 0;
	close(daemons);
	for (int i = 0; i < n; i++) {
		if (rc == 0) {
			rc = daemon_status(root, all[i]->d_name, &st);
			if (rc == 0)
				rc = fn(arg, &st);
			else if (rc == -ENOENT || rc == -ENOTDIR ||
			    rc == -ELOOP)
				rc = 0;	/* no instance, or gone meanwhile */
			daemon_status_fini(&st);
		}
		free(all[i]);
	}
	if (n != -1)
		free(all);
	return rc;
}

int
daemon_stop(const char *root, const char *instance, int64_t timeout_ms)
{
	const struct timespec look = { .tv_nsec = LOOK_MS * 1000000 };
	int64_t deadline = clock_mono_ms() + timeout_ms;
	pid_t pid, now;
	int dir, rc;

	rc = daemon_dir(root, instance, &dir);
	if (rc < 0)
		return rc;
	rc = holder(dir, &pid);
	if (rc == 0 && pid == 0)
		rc = -ESRCH;
	if (rc == 0 && pid == -1)
		rc = -EPERM;	/* not ours to reach */
	if (rc == 0 && kill(pid, SIGTERM) == -1)
		rc = -errno;
	while (rc == 0) {
		rc = holder(dir, &now);
		if (rc < 0 || now != pid)
			break;
		if (clock_mono_ms() >= deadline)
			rc = -ETIMEDOUT;
		else
			nanosleep(&look, NULL);
	}
	close(dir);
	return rc;
}
