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

struct word {
	const char	*s;
	size_t		 len;		/* 0: not told */
};

static void
print_json(struct buf *b, const char *key, const struct word *w)
{
	if (w->len == 0)
		return;
	buf_addf(b, "%s\"%s\":", b->p[b->len - 1] == '{' ? "" : ",", key);
	wire_json_str(b, w->s, w->len);
}

/* Not every relay tells names and presence. */
static void
print_agent(struct listing *l, const struct word *id, const struct word *name,
    const struct word *presence)
{
	if (l->json) {
		buf_addc(&l->out, '{');
		if (buf_err(&l->out) < 0)
			return;
		print_json(&l->out, "agent", id);
		print_json(&l->out, "name", name);
		print_json(&l->out, "presence", presence);
		buf_adds(&l->out, "}\n");
		return;
	}
	out_text(&l->out, id->s, id->len);
	if (name->len > 0 || presence->len > 0)
		buf_addc(&l->out, ' ');
	if (name->len > 0)
		out_text(&l->out, name->s, name->len);
	else if (presence->len > 0)
		buf_addc(&l->out, '-');
	if (presence->len > 0) {
		buf_addc(&l->out, ' ');
		out_text(&l->out, presence->s, presence->len);
	}
	buf_addc(&l->out, '\n');
}

/* What an object of strings by id says of this one. */
static struct word
said_of(const struct wire_msg *m, enum wire_field f, const char *id)
{
	struct wire_value v = { .kind = WIRE_ABSENT };

	if (wire_has(m, f))
		v = wire_member(&m->f[f], id);
	return v.kind == WIRE_STR ? (struct word){ v.s, v.len } :
	    (struct word){ "", 0 };
}

static int
take_agents(void *arg, const struct wire_msg *m, const char *text, size_t len)
{
	struct listing *l = arg;
	const char *channel = wire_str(m, WF_CHANNEL), *key;
	struct word name, presence;
	struct wire_value id;
	const void *at = NULL;

	(void)text;
	(void)len;
	if (m->type != WIRE_AGENTS || channel == NULL ||
	    strcmp(channel, l->channel) != 0)
		return 0;
	while (wire_each(&m->f[WF_LIST], &at, &key, &id)) {
		if (id.kind != WIRE_STR)
			continue;
		name = said_of(m, WF_NAMES, id.s);
		presence = said_of(m, WF_PRESENCES, id.s);
		print_agent(l, &(struct word){ id.s, id.len }, &name,
		    &presence);
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

/* Up to the next space; *p is behind it then. */
static struct word
next_word(const char **p, const char *end)
{
	const char *from = *p, *space = memchr(from, ' ', (size_t)(end - from));

	*p = space != NULL ? space + 1 : end;
	return (struct word){ from, (size_t)((space != NULL ? space : end) -
	    from) };
}

/* The roster as the daemon keeps it: lines "@id name presence". */
static void
print_roster(struct listing *l, const char *p, size_t len)
{
	while (len > 0) {
		const char *nl = memchr(p, '\n', len), *at = p;
		size_t line = nl != NULL ? (size_t)(nl - p) : len;
		struct word id = next_word(&at, p + line);
		struct word name = next_word(&at, p + line);
		struct word presence = next_word(&at, p + line);

		if (name.len == 1 && *name.s == '-' && presence.len > 0)
			name.len = 0;
		if (line > 0 && wire_utf8_ok(p, line))
			print_agent(l, &id, &name, &presence);
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
