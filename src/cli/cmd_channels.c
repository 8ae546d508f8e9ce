/*
 * cmd_channels.c - agentchat channels [server]: the relay's public channels,
 * or those that the daemon is in.
 */
#include "config.h"

#include "cli/cmd.h"

#include <string.h>

#include "base/err.h"
#include "cli/inst.h"
#include "cli/out.h"
#include "cli/remote.h"

#define ROSTER_MAX	(4 << 20)
#define REASON_MAX	4096

static const struct cmd_opt channels_opts[] = {
	CMD_OPT_JSON,
	CMD_OPT_INSTANCE,
	CMD_OPTS_REMOTE,
	CMD_OPT_TIMEOUT("wait so long for the relay [10s]"),
	CMD_OPT_DIR,
	CMD_OPT_END
};

struct listing {
	struct buf	 out;
	bool		 json;
};

static void
print_remote(struct listing *l, const char *name, size_t len, double agents)
{
	size_t at = l->out.len;

	if (l->json) {
		buf_adds(&l->out, "{\"name\":");
		wire_json_str(&l->out, name, len);
		buf_adds(&l->out, ",\"agents\":");
		wire_json_num(&l->out, agents);
		buf_adds(&l->out, "}\n");
		return;
	}
	out_cell(&l->out, name, 32);
	if (l->out.len > at)
		buf_addf(&l->out, " %.0f agent%s\n", agents,
		    agents == 1 ? "" : "s");
}

static int
take_channels(void *arg, const struct wire_msg *m, const char *text,
    size_t len)
{
	struct listing *l = arg;
	struct wire_value item, name, agents;
	const void *at = NULL;
	const char *key;

	(void)text;
	(void)len;
	if (m->type != WIRE_CHANNELS)
		return 0;
	while (wire_each(&m->f[WF_LIST], &at, &key, &item)) {
		if (item.kind != WIRE_OBJ)
			continue;
		name = wire_member(&item, "name");
		agents = wire_member(&item, "agents");
		if (name.kind == WIRE_STR)
			print_remote(l, name.s, name.len,
			    agents.kind == WIRE_NUM ? agents.num : 0);
	}
	return 1;
}

static int
list_remote(const struct cmd_line *cl, struct listing *l)
{
	struct buf b = BUF_INIT;
	struct remote r;
	int code;

	wire_begin(&b, WIRE_LIST_CHANNELS);
	wire_end(&b);
	code = remote_open(&r, cl, false);
	if (code == EXIT_OK)
		code = remote_ask(&r, &b, take_channels, l);
	remote_close(&r);
	buf_fini(&b);
	return code;
}

static size_t
count_lines(const struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->len; i++)
		n += b->p[i] == '\n';
	return n;
}

/* One box as a row: its roster counted, what is unread, why it isn't in. */
static int
print_box(struct listing *l, struct spool_box *box)
{
	struct buf roster = BUF_INIT, error = BUF_INIT;
	const char *name = spool_box_name(box);
	size_t unread = 0, agents;
	int rc = spool_count(box, SPOOL_NEW, &unread);

	if (rc < 0)
		return rc;
	(void)!spool_slurp(spool_box_dir(box), "agents", ROSTER_MAX, &roster);
	(void)!spool_slurp(spool_box_dir(box), ".error", REASON_MAX, &error);
	agents = count_lines(&roster);
	while (error.len > 0 && error.p[error.len - 1] == '\n')
		error.p[--error.len] = '\0';
	if (l->json) {
		buf_adds(&l->out, "{\"name\":");
		wire_json_str(&l->out, name, strlen(name));
		buf_addf(&l->out, ",\"agents\":%zu,\"unread\":%zu", agents,
		    unread);
		if (error.len > 0 && wire_utf8_ok(error.p, error.len)) {
			buf_adds(&l->out, ",\"error\":");
			wire_json_str(&l->out, error.p, error.len);
		}
		buf_adds(&l->out, "}\n");
	} else {
		out_cell(&l->out, name, 32);
		buf_addf(&l->out, " %zu agent%s, %zu unread", agents,
		    agents == 1 ? "" : "s", unread);
		if (error.len > 0) {
			buf_adds(&l->out, " - ");
			out_text(&l->out, error.p, error.len);
		}
		buf_addc(&l->out, '\n');
	}
	buf_fini(&roster);
	buf_fini(&error);
	return 0;
}

static int
list_local(const struct cmd_line *cl, struct listing *l)
{
	struct inst_boxes boxes;
	struct inst in;
	int rc, code = inst_open(&in, cl, false);

	if (code != EXIT_OK) {
		inst_close(&in);
		return code;
	}
	rc = inst_boxes(&in, &boxes);
	for (size_t i = 0; rc == 0 && i < boxes.len; i++)
		if (spool_box_name(boxes.v[i])[0] == '#')
			rc = print_box(l, boxes.v[i]);
	inst_boxes_fini(&boxes);
	inst_close(&in);
	if (rc < 0)
		return cmd_fail(cl->cmd, cmd_code(rc), "%s", ac_strerror(rc));
	return EXIT_OK;
}

static int
channels_run(const struct cmd *cmd, int argc, char **argv)
{
	struct listing l = { .out = BUF_INIT };
	struct cmd_line cl;
	int code;

	cmd_line_init(&cl, cmd, argc, argv);
	while (cmd_getopt(&cl) != -1)
		;
	l.json = cl.json;
	code = cl.server != NULL ? list_remote(&cl, &l) : list_local(&cl, &l);
	if (code == EXIT_OK)
		code = out_put(&l.out);
	buf_fini(&l.out);
	return code;
}

const struct cmd cmd_channels = {
	.name = "channels",
	.args = "[server]",
	.summary = "List channels: the relay's, or those the daemon is in",
	.opts = channels_opts,
	.server = CMD_MAY_SERVER,
	.run = channels_run,
};
