/*
 * manage.c - daemons of this machine, for the public library.
 */
#include "config.h"

#include "lib/agentchat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/daemons.h"
#include "lib/object.h"
#include "spool/spool.h"

static const char *
named(const char *instance)
{
	return instance != NULL ? instance : "default";
}

int
agentchat_daemon_path(const char *root, const char *instance,
    const char *file, char *path, size_t size)
{
	int n;

	if (root == NULL)
		root = spool_root_path();
	if (!daemon_name_ok(named(instance)) ||
	    (file != NULL && !spool_component_ok(file, strlen(file))))
		return -EINVAL;
	n = snprintf(path, size, "%s/daemons/%s%s%s", root, named(instance),
	    file != NULL ? "/" : "", file != NULL ? file : "");
	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	return n;
}

int
agentchat_daemon_running(const char *root, const char *instance)
{
	struct daemon_status st = { .json = BUF_INIT };
	int rc = daemon_status(root, named(instance), &st);

	daemon_status_fini(&st);
	if (rc == -ENOENT)
		return 0;
	return rc < 0 ? rc : st.pid != 0;
}

int
agentchat_daemon_status(const char *root, const char *instance,
    struct agentchat_object **out)
{
	struct daemon_status st = { .json = BUF_INIT };
	struct buf b = BUF_INIT;
	int rc = daemon_status(root, named(instance), &st);

	if (rc == 0) {
		daemon_status_json(&st, &b);
		rc = buf_err(&b);
	}
	if (rc == 0)
		rc = object_new(out, b.p, b.len - 1);	/* no newline */
	daemon_status_fini(&st);
	buf_fini(&b);
	return rc;
}

static int
add_status(void *arg, const struct daemon_status *st)
{
	struct buf *b = arg;

	wire_json_sep(b);
	daemon_status_json(st, b);
	if (b->len > 0 && b->p[b->len - 1] == '\n')
		b->p[--b->len] = '\0';
	return buf_err(b);
}

int
agentchat_daemon_list(const char *root, struct agentchat_object **out)
{
	struct buf b = BUF_INIT;
	int rc;

	buf_adds(&b, "{\"list\":[");
	rc = daemon_list(root, add_status, &b);
	buf_adds(&b, "]}");
	if (rc == 0)
		rc = buf_err(&b);
	if (rc == 0)
		rc = object_new(out, b.p, b.len);
	buf_fini(&b);
	return rc;
}

int
agentchat_daemon_stop(const char *root, const char *instance, int timeout_ms)
{
	return daemon_stop(root, named(instance), timeout_ms >= 0 ?
	    timeout_ms : INT64_C(1) << 40);
}

struct stopping {
	const char	*root;
	int		 timeout_ms;
	int		 stopped, rc;
};

static int
stop_one(void *arg, const struct daemon_status *st)
{
	struct stopping *s = arg;
	int rc;

	if (st->pid == 0)
		return 0;
	rc = agentchat_daemon_stop(s->root, st->name, s->timeout_ms);
	if (rc == 0)
		s->stopped++;
	/* One that ended by itself meanwhile is as good as stopped. */
	else if (rc != -ESRCH && rc != -ENOENT && s->rc == 0)
		s->rc = rc;
	return 0;
}

int
agentchat_daemon_stop_all(const char *root, int timeout_ms)
{
	struct stopping s = { .root = root, .timeout_ms = timeout_ms };
	int rc = daemon_list(root, stop_one, &s);

	if (rc == 0)
		rc = s.rc;
	return rc < 0 ? rc : s.stopped;
}
