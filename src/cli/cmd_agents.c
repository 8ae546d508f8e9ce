/*
 * cmd_agents.c - agentchat agents [server] #channel: who is there.
 */
#include "config.h"

#include "cli/cmd.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "cli/inst.h"
#include "cli/out.h"
#include "cli/remote.h"

#define ROSTER_MAX	(4 << 20)

static const struct cmd_opt agents_opts[] = {
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
	const char	*channel;
};

/* name may be empty: not every relay tells them. */
static void
print_agent(struct listing *l, const char *id, size_t id_len,
    const char *name, size_t name_len)
{
	if (l->json) {
		buf_adds(&l->out, "{\"agent\":");
		wire_json_str(&l->out, id, id_len);
		if (name_len > 0) {
			buf_adds(&l->out, ",\"name\":");
			wire_json_str(&l->out, name, name_len);
		}
		buf_adds(&l->out, "}\n");
		return;
	}
	out_text(&l->out, id, id_len);
	if (name_len > 0) {
		buf_addc(&l->out, ' ');
		out_text(&l->out, name, name_len);
	}
	buf_addc(&l->out, '\n');
}

static int
take_agents(void *arg, const struct wire_msg *m, const char *text, size_t len)
{
	struct listing *l = arg;
	const char *channel = wire_str(m, WF_CHANNEL), *key;
	struct wire_value id, name;
	const void *at = NULL;

	(void)text;
	(void)len;
	if (m->type != WIRE_AGENTS || channel == NULL ||
	    strcmp(channel, l->channel) != 0)
		return 0;
	while (wire_each(&m->f[WF_LIST], &at, &key, &id)) {
		if (id.kind != WIRE_STR)
			continue;
		name.kind = WIRE_ABSENT;
		if (wire_has(m, WF_NAMES))
			name = wire_member(&m->f[WF_NAMES], id.s);
		if (name.kind != WIRE_STR)
			name = (struct wire_value){ .s = "" };
		print_agent(l, id.s, id.len, name.s, name.len);
	}
	return 1;
}

static int
list_remote(const struct cmd_line *cl, struct listing *l)
{
	struct buf b = BUF_INIT;
	struct remote r;
	int code;

	wire_begin(&b, WIRE_LIST_AGENTS);
	wire_puts(&b, WF_CHANNEL, l->channel);
	wire_end(&b);
	code = remote_open(&r, cl, false);
	if (code == EXIT_OK)
		code = remote_ask(&r, &b, take_agents, l);
	remote_close(&r);
	buf_fini(&b);
	return code;
}

/* The roster as the daemon keeps it: "@id name" lines. */
static void
print_roster(struct listing *l, const char *p, size_t len)
{
	while (len > 0) {
		const char *nl = memchr(p, '\n', len);
		size_t line = nl != NULL ? (size_t)(nl - p) : len;
		const char *space = memchr(p, ' ', line);
		size_t id = space != NULL ? (size_t)(space - p) : line;
		size_t name = id + (space != NULL);

		if (line > 0 && wire_utf8_ok(p, line))
			print_agent(l, p, id, p + name, line - name);
		line += nl != NULL;
		p += line;
		len -= line;
	}
}

static int
list_local(const struct cmd_line *cl, struct listing *l)
{
	struct buf roster = BUF_INIT;
	struct spool_box *box;
	struct inst in;
	int rc, code = inst_open(&in, cl, false);

	if (code != EXIT_OK) {
		inst_close(&in);
		return code;
	}
	rc = spool_box(in.sp, l->channel, false, &box);
	if (rc == 0)
		rc = spool_slurp(spool_box_dir(box), "agents", ROSTER_MAX,
		    &roster);
	if (rc == 0)
		rc = buf_err(&roster);
	if (rc == 0 && roster.len > 0)
		print_roster(l, roster.p, roster.len);
	else if (rc == -ENOENT)
		code = cmd_fail(cl->cmd, EXIT_NOT_FOUND, "daemon '%s' is not "
		    "in %s ('agentchat channels' lists where it is)", in.name,
		    l->channel);
	else if (rc < 0)
		code = cmd_fail(cl->cmd, cmd_code(rc), "%s: %s", l->channel,
		    ac_strerror(rc));
	buf_fini(&roster);
	inst_close(&in);
	return code;
}

static int
agents_run(const struct cmd *cmd, int argc, char **argv)
{
	struct listing l = { .out = BUF_INIT };
	struct cmd_line cl;
	int code;

	cmd_line_init(&cl, cmd, argc, argv);
	while (cmd_getopt(&cl) != -1)
		;
	l.json = cl.json;
	l.channel = cl.argv[0];
	if (!wire_channel_ok(l.channel, strlen(l.channel)))
		return cmd_usage(cmd, "'%s' is no channel: '#general' is "
		    "(quote the '#' from the shell)", l.channel);
	code = cl.server != NULL ? list_remote(&cl, &l) : list_local(&cl, &l);
	if (code == EXIT_OK)
		code = out_put(&l.out);
	buf_fini(&l.out);
	return code;
}

const struct cmd cmd_agents = {
	.name = "agents",
	.args = "[server] '#channel'",
	.summary = "List the agents in a channel",
	.opts = agents_opts,
	.server = CMD_MAY_SERVER,
	.min_args = 1, .max_args = 1,
	.run = agents_run,
};
