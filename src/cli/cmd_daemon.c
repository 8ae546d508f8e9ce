/*
 * cmd_daemon.c - agentchat daemon server: keep a connection and a spool; and
 * ask about the daemons that there are, or stop them.
 */
#include "config.h"

#include "cli/cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "cli/background.h"
#include "cli/inst.h"
#include "cli/out.h"
#include "cli/pass.h"
#include "cli/state.h"
#include "daemon/daemon.h"
#include "lib/client.h"
#include "wire/limits.h"
#include "wire/msg.h"

enum { OPT_POLL = OPT_OWN, OPT_MAX_SPOOL, OPT_STOP, OPT_STOP_ALL };

#define CHANNELS_MAX	100	/* what a relay lets one session join */
#define STOP_MS		30000
#define SPOOL_MAX	(INT64_C(1) << 30)
#define SPOOL_LEAST	(1 << 20)

static const struct cmd_opt daemon_opts[] = {
	{ 'n', "name", "INSTANCE", "instance name [default]" },
	{ 'i', "identity", "FILE", "key to use [the instance's own]" },
	CMD_OPT_PASS_FD,
	CMD_OPT_EPHEMERAL,
	{ 'c', "channels", "LIST",
	    "join these, a,b or repeated [general,agents]" },
	{ 'b', "background", NULL, "return when it is connected" },
	{ OPT_MAX_SPOOL, "max-spool", "SIZE",
	    "the instance's most; 0: no limit [1G]" },
	{ OPT_POLL, "poll", NULL, "look instead of using inotify" },
	CMD_OPT_CA,
	{ 's', "status", NULL, "show what the daemon is doing" },
	{ 'l', "list", NULL, "list all instances" },
	{ OPT_STOP, "stop", NULL, "stop the daemon" },
	{ OPT_STOP_ALL, "stop-all", NULL, "stop all that run" },
	CMD_OPT_JSON,
	CMD_OPT_DIR,
	CMD_OPT_END
};

struct channels {
	char		*v[CHANNELS_MAX + 1];
	size_t		 len;
};

static void
channels_fini(struct channels *ch)
{
	for (size_t i = 0; i < ch->len; i++)
		free(ch->v[i]);
}

/* One name of a list; the '#', which shells take for a comment, may miss. */
static void
add_channel(const struct cmd_line *cl, struct channels *ch, const char *name,
    size_t len)
{
	char text[WIRE_CHANNEL_MAX + 2];
	size_t hash = len > 0 && name[0] == '#' ? 0 : 1;

	if (len == 0)
		return;
	if (len + hash < sizeof(text)) {
		text[0] = '#';
		memcpy(text + hash, name, len);
		text[len + hash] = '\0';
		if (wire_channel_ok(text, len + hash)) {
			if (ch->len == CHANNELS_MAX)
				exit(cmd_usage(cl->cmd,
				    "more than %d channels", CHANNELS_MAX));
			ch->v[ch->len] = strdup(text);
			if (ch->v[ch->len] == NULL)
				exit(cmd_fail(cl->cmd, EXIT_TRY_AGAIN,
				    "out of memory"));
			ch->len++;
			return;
		}
	}
	exit(cmd_usage(cl->cmd, "'%.*s' is no channel: 1 to 31 letters, "
	    "digits, '_' and '-' are", (int)len, name));
}

/*
 * Operands behind the relay, as listen has them; and so "-c '#a' '#b'" too,
 * which the Node program takes, means both. A stray word is no channel.
 */
static int
add_operands(const struct cmd_line *cl, struct channels *ch)
{
	for (int i = 0; i < cl->argc; i++) {
		if (cl->argv[i][0] != '#')
			return cmd_usage(cl->cmd, "'%s' is no channel: "
			    "'#general' is (quote the '#' from the shell)",
			    cl->argv[i]);
		add_channel(cl, ch, cl->argv[i], strlen(cl->argv[i]));
	}
	return EXIT_OK;
}

static void
add_channels(const struct cmd_line *cl, struct channels *ch)
{
	const char *p = cl->arg;

	for (;;) {
		size_t len = strcspn(p, ",");

		add_channel(cl, ch, p, len);
		if (p[len] == '\0')
			return;
		p += len + 1;
	}
}

/* ------------------------------------------------------------ to manage */

struct all {
	const struct cmd_line *cl;
	struct buf	 b;
	bool		 any;
	int		 code;
};

static int
list_one(void *arg, const struct daemon_status *st)
{
	struct all *a = arg;

	a->any = true;
	if (a->cl->json)
		daemon_status_json(st, &a->b);
	else
		state_row(&a->b, st);
	return 0;
}

static int
list_all(const struct cmd_line *cl)
{
	struct all a = { .cl = cl, .b = BUF_INIT };
	int code, rc = daemon_list(cl->dir, list_one, &a);

	if (rc < 0 && rc != -ENOENT)
		code = cmd_fail(cl->cmd, cmd_code(rc), "%s", ac_strerror(rc));
	else
		code = out_put(&a.b);
	if (code == EXIT_OK && !a.any && !cl->json)
		cmd_say(cl->cmd, "no instances here");
	buf_fini(&a.b);
	return code;
}

static int
stop_one(const struct cmd_line *cl, const char *name)
{
	int rc = daemon_stop(cl->dir, name, STOP_MS);

	if (rc == 0)
		return EXIT_OK;
	if (rc == -ESRCH || rc == -ENOENT)
		return cmd_fail(cl->cmd, EXIT_NOT_FOUND,
		    "daemon '%s' is not running", name);
	if (rc == -ETIMEDOUT)
		return cmd_fail(cl->cmd, EXIT_TIMEOUT,
		    "daemon '%s' has not ended yet", name);
	return cmd_fail(cl->cmd, cmd_code(rc), "daemon '%s': %s", name,
	    ac_strerror(rc));
}

static int
stop_listed(void *arg, const struct daemon_status *st)
{
	struct all *a = arg;
	int code;

	if (st->pid == 0)
		return 0;
	code = stop_one(a->cl, st->name);
	/* One that ended by itself meanwhile is stopped as well. */
	if (code != EXIT_NOT_FOUND && a->code == EXIT_OK)
		a->code = code;
	if (code == EXIT_OK) {
		a->any = true;
		cmd_say(a->cl->cmd, "stopped '%s'", st->name);
	}
	return 0;
}

static int
stop_all(const struct cmd_line *cl)
{
	struct all a = { .cl = cl };
	int rc = daemon_list(cl->dir, stop_listed, &a);

	if (rc < 0 && rc != -ENOENT)
		return cmd_fail(cl->cmd, cmd_code(rc), "%s", ac_strerror(rc));
	if (!a.any && a.code == EXIT_OK)
		cmd_say(cl->cmd, "none is running");
	return a.code;
}

/* --------------------------------------------------------------- to run */

static int
start_foreground(const struct cmd_line *cl, struct daemon_conf *conf,
    struct pass *pass)
{
	char *why = NULL;
	int code = EXIT_OK, rc = daemon_run(conf, &why);

	/* The key is locked, as only who has found it can know. */
	if (rc == -ENOKEY && conf->pass == NULL && isatty(STDIN_FILENO)) {
		code = pass_read(pass, cl->cmd, -1, "Passphrase: ", false);
		free(why);
		why = NULL;
		if (code != EXIT_OK)
			return code;
		conf->pass = pass->text;
		conf->pass_len = pass->len;
		rc = daemon_run(conf, &why);
	}
	if (rc < 0)
		code = cmd_fail(cl->cmd, cmd_code(rc), "%s",
		    why != NULL ? why : ac_strerror(rc));
	free(why);
	return code;
}

static int
is_channel(void *arg, const char *name)
{
	(void)arg;
	return name[0] == '#';
}

/* Is the instance in a channel already? Then it was told once which. */
static bool
has_channels(const struct cmd_line *cl, const char *instance)
{
	struct daemon_status st = { .json = BUF_INIT };
	struct cmd_line named = *cl;
	struct inst in;
	bool any;

	named.instance = instance;
	if (daemon_status(cl->dir, instance, &st) < 0)
		return false;
	daemon_status_fini(&st);
	any = inst_open(&in, &named, false) == EXIT_OK &&
	    spool_each_box(in.sp, is_channel, NULL) == 1;
	inst_close(&in);
	return any;
}

static int
start(const struct cmd_line *cl, struct daemon_conf *conf,
    struct channels *ch, bool background)
{
	static const char *const usual[] = { "#general", "#agents" };
	struct pass pass = { .len = 0 };
	int code;

	if (cl->server == NULL)
		return cmd_usage(cl->cmd,
		    "which relay? ws://HOST[:PORT] or wss://...");
	if (client_url_ok(cl->server) < 0)
		return cmd_usage(cl->cmd, "'%s' is no relay: "
		    "ws://HOST[:PORT] or wss://... is", cl->server);
	if (cl->ephemeral && cl->identity != NULL)
		return cmd_usage(cl->cmd,
		    "--identity and --ephemeral contradict each other");
	code = add_operands(cl, ch);
	if (code != EXIT_OK)
		return code;
	if (ch->len == 0 && !has_channels(cl, conf->instance))
		for (size_t i = 0; i < AC_COUNTOF(usual); i++)
			add_channel(cl, ch, usual[i], strlen(usual[i]));
	conf->server = cl->server;
	conf->root = cl->dir;
	conf->identity = cl->identity;
	conf->ca_file = cl->ca;
	conf->channels = (const char *const *)ch->v;
	conf->ephemeral = cl->ephemeral;
	conf->ready_fd = -1;
	if (cl->pass_fd != -1) {
		code = pass_read(&pass, cl->cmd, cl->pass_fd, "", false);
		conf->pass = pass.text;
		conf->pass_len = pass.len;
	}
	if (code == EXIT_OK)
		code = background ? background_start(cl, conf) :
		    start_foreground(cl, conf, &pass);
	pass_wipe(&pass);
	return code;
}

static int
daemon_cmd_run(const struct cmd *cmd, int argc, char **argv)
{
	struct channels ch = { .len = 0 };
	struct daemon_conf conf = { .instance = "default",
	    .max_spool = SPOOL_MAX };
	bool background = false;
	struct cmd_line cl;
	int c, what = 0, code;

	cmd_line_init(&cl, cmd, argc, argv);
	while ((c = cmd_getopt(&cl)) != -1)
		switch (c) {
		case 'c':
			add_channels(&cl, &ch);
			break;
		case 'b':
			background = true;
			break;
		case OPT_MAX_SPOOL:
			conf.max_spool = (uint64_t)cmd_size(&cl, 0,
			    INT64_C(1) << 50);
			if (conf.max_spool > 0 && conf.max_spool < SPOOL_LEAST)
				exit(cmd_usage(cmd, "--max-spool is 0 or at "
				    "least 1M"));
			break;
		case OPT_POLL:
			conf.poll = true;
			break;
		default:
			if (what != 0 && what != c)
				exit(cmd_usage(cmd, "one at a time of "
				    "--status, --list, --stop, --stop-all"));
			what = c;
		}
	if (cl.name != NULL)
		conf.instance = cl.name;
	if (!daemon_name_ok(conf.instance))
		code = cmd_usage(cmd, "'%s' is no instance name: 1 to 32 "
		    "letters, digits, '_' and '-' are", conf.instance);
	else if (what != 0 && cl.argc > 0)
		code = cmd_usage(cmd, "'%s' is too much", cl.argv[0]);
	else if (what == 's')
		code = state_report(&cl, conf.instance);
	else if (what == 'l')
		code = list_all(&cl);
	else if (what == OPT_STOP)
		code = stop_one(&cl, conf.instance);
	else if (what == OPT_STOP_ALL)
		code = stop_all(&cl);
	else
		code = start(&cl, &conf, &ch, background);
	channels_fini(&ch);
	return code;
}

const struct cmd cmd_daemon = {
	.name = "daemon",
	.args = "[server] [#channel ...]",
	.summary = "Keep a connection to a relay and a spool of files",
	.about = "In the foreground it tries for ever; with -b it returns 0 "
	    "once connected, or 75\nif it could not connect, with nothing left "
	    "running. --status, --list, --stop\nand --stop-all need no server.",
	.opts = daemon_opts,
	.server = CMD_MAY_SERVER,
	.min_args = 0, .max_args = -1,
	.run = daemon_cmd_run,
};
