/*
 * inst.c - the local daemon's instance.
 */
#include "config.h"

#include "cli/inst.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/daemon.h"
#include "wire/msg.h"

#define DAEMONS		"daemons"	/* in the root: agentchat-spool(5) */
#define STATUS_MAX	(64 << 10)

const char *
inst_name(const struct cmd_line *cl)
{
	const char *env = getenv("AGENTCHAT_INSTANCE");

	if (cl->instance != NULL)
		return cl->instance;
	return env != NULL && *env != '\0' ? env : "default";
}

static int
add_name(void *arg, const struct daemon_status *st)
{
	struct buf *b = arg;

	if (b->len > 0)
		buf_adds(b, ", ");
	buf_adds(b, st->name);
	return 0;
}

/* There is no such instance: which are there, and how is one started? */
static int
no_instance(const struct inst *in, const struct cmd_line *cl)
{
	struct buf names = BUF_INIT;
	int code;

	if (daemon_list(cl->dir, add_name, &names) == 0 && names.len > 0 &&
	    buf_err(&names) == 0)
		code = cmd_fail(cl->cmd, EXIT_NOT_FOUND,
		    "no daemon instance '%s', only %s: choose with -I",
		    in->name, names.p);
	else
		code = cmd_fail(cl->cmd, EXIT_NOT_FOUND, "no daemon instance "
		    "'%s' here: start one with 'agentchat daemon ws://RELAY "
		    "--background'", in->name);
	buf_fini(&names);
	return code;
}

int
inst_open(struct inst *in, const struct cmd_line *cl, bool running)
{
	char path[sizeof(DAEMONS) + 1 + DAEMON_NAME_MAX];
	int root, rc;

	*in = (struct inst){ .name = inst_name(cl) };
	if (!daemon_name_ok(in->name))
		return cmd_usage(cl->cmd, "'%s' is no instance name: "
		    "1 to 32 letters, digits, '_' and '-'", in->name);
	snprintf(path, sizeof(path), DAEMONS "/%s", in->name);
	rc = spool_root(cl->dir, false, &root);
	if (rc == 0) {
		rc = spool_open(&in->sp, root, path, false);
		close(root);
	}
	if (rc == -ENOENT)
		return no_instance(in, cl);
	if (rc == 0)
		rc = spool_holder(spool_dir(in->sp), &in->pid);
	/* Held by somebody whom we can't see: from another container. */
	if (rc == -EAGAIN) {
		in->pid = -1;
		rc = 0;
	}
	if (rc == -EACCES)
		return cmd_fail(cl->cmd, EXIT_FAILED, "daemon instance '%s' "
		    "isn't ours alone: chown it, and chmod go-w its root",
		    in->name);
	if (rc < 0)
		return cmd_fail(cl->cmd, cmd_code(rc), "daemon instance "
		    "'%s': %s", in->name, ac_strerror(rc));
	if (running && in->pid == 0)
		return cmd_fail(cl->cmd, EXIT_NOT_FOUND, "daemon '%s' is not "
		    "running: start it with 'agentchat daemon ws://RELAY "
		    "--name %s --background'", in->name, in->name);
	return EXIT_OK;
}

void
inst_close(struct inst *in)
{
	spool_close(in->sp);
	in->sp = NULL;
}

static void
copy_member(char *out, size_t size, const struct wire_msg *m, const char *key)
{
	struct wire_value v = wire_find(m, key);

	snprintf(out, size, "%s", v.kind == WIRE_STR ? v.s : "");
}

void
inst_view(const struct inst *in, struct inst_view *view)
{
	struct buf b = BUF_INIT;
	struct wire_msg m;

	memset(view, 0, sizeof(*view));
	wire_msg_init(&m);
	if (spool_slurp(spool_dir(in->sp), "status.json", STATUS_MAX,
	    &b) == 0 && b.len > 0 && wire_parse_object(&m, b.p, b.len) == 0) {
		copy_member(view->agent_id, sizeof(view->agent_id), &m,
		    "agent_id");
		copy_member(view->state, sizeof(view->state), &m, "state");
		copy_member(view->error, sizeof(view->error), &m, "error");
	}
	wire_msg_fini(&m);
	buf_fini(&b);
}

static int
by_name(const void *a, const void *b)
{
	struct spool_box *const *x = a, *const *y = b;

	return strcmp(spool_box_name(*x), spool_box_name(*y));
}

struct collect {
	struct inst	*in;
	struct inst_boxes *boxes;
	size_t		 cap;
};

static int
collect_box(void *arg, const char *name)
{
	struct collect *c = arg;
	struct inst_boxes *boxes = c->boxes;
	struct spool_box *box;
	int rc = spool_box(c->in->sp, name, false, &box);

	/* Gone meanwhile, or not a box after all: nothing to read there. */
	if (rc == -ENOENT || rc == -ESTALE || rc == -ENOTDIR || rc == -ELOOP)
		return 0;
	if (rc < 0)
		return rc;
	if (boxes->len == c->cap) {
		size_t cap = c->cap != 0 ? 2 * c->cap : 16;
		struct spool_box **v = reallocarray(boxes->v, cap, sizeof(*v));

		if (v == NULL)
			return -ENOMEM;
		boxes->v = v;
		c->cap = cap;
	}
	boxes->v[boxes->len++] = box;
	return 0;
}

int
inst_boxes(struct inst *in, struct inst_boxes *boxes)
{
	struct collect c = { .in = in, .boxes = boxes };
	int rc;

	*boxes = (struct inst_boxes){ .v = NULL };
	rc = spool_each_box(in->sp, collect_box, &c);
	if (rc < 0) {
		inst_boxes_fini(boxes);
		return rc;
	}
	if (boxes->len > 1)
		qsort(boxes->v, boxes->len, sizeof(boxes->v[0]), by_name);
	return 0;
}

void
inst_boxes_fini(struct inst_boxes *boxes)
{
	free(boxes->v);
	*boxes = (struct inst_boxes){ .v = NULL };
}
