/*
 * cmd_serve.c - agentchat serve: the relay.
 */
#include "config.h"

#include "cli/cmd.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "relay/relay.h"

enum {
	OPT_RATE = OPT_OWN, OPT_BURST, OPT_BUFFER, OPT_HISTORY, OPT_SEGMENT,
	OPT_MAX_SPOOL, OPT_MAX_MEMORY, OPT_QUEUE_MAX, OPT_CONTENT_MAX,
	OPT_FRAME_MAX, OPT_MAX_CONNECTIONS, OPT_MAX_PER_ADDRESS,
	OPT_MAX_UNIDENTIFIED, OPT_SYNC, OPT_SPOOL, OPT_PUBLIC_NAME,
	OPT_REQUIRE_BOUND, OPT_CERT, OPT_KEY, OPT_REQUIRE_VERIFIED,
	OPT_LOG_MESSAGES, OPT_REPAIR, OPT_ADMIN_KEY, OPT_REPUTATION,
	OPT_IDLE_PING
};

#define PUBLIC_NAMES_MAX 16
#define SIZE_LIMIT	(INT64_C(1) << 40)
#define SPOOL_LEAST	(1 << 20)
#define MEMORY_LEAST	(32 << 20)

static const struct cmd_opt serve_opts[] = {
	{ 'p', "port", "PORT", "port to listen on [$PORT, 6667]; 0: any" },
	{ 'h', "host", "ADDR", "address to bind [$HOST, 0.0.0.0]" },
	{ 'H', "bind", "ADDR", "the same" },
	{ 'n', "name", "NAME", "the relay's name [$SERVER_NAME, host name]" },
	{ OPT_RATE, "rate", "N", "messages per second and session [1]" },
	{ OPT_BURST, "rate-burst", "N", "messages at once [10]" },
	{ OPT_BUFFER, "buffer-size", "N", "messages replayed at JOIN [20]" },
	{ OPT_HISTORY, "history", "N", "messages kept per channel [20000]" },
	{ OPT_SEGMENT, "journal-segment", "SIZE",
	    "length of a journal file [64M]" },
	{ OPT_MAX_SPOOL, "max-spool", "SIZE",
	    "the journal's most; 0: no limit [4G]" },
	{ OPT_MAX_MEMORY, "max-memory", "SIZE",
	    "the relay's most; 0: no limit [1G]" },
	{ OPT_SYNC, "sync", "HOW", "to disk: group, interval, never [group]" },
	{ OPT_SPOOL, "spool", "DIR", "the relay's files [<root>/relay]" },
	CMD_OPT_DIR,
	{ OPT_REPAIR, "repair", NULL, "start although the journal is damaged" },
	{ OPT_QUEUE_MAX, "queue-max", "SIZE", "waiting for one peer [1M]" },
	{ OPT_CONTENT_MAX, "content-max", "N",
	    "longest message, UTF-16 units [4096]" },
	{ OPT_FRAME_MAX, "frame-max", "SIZE", "longest frame [64k]" },
	{ OPT_MAX_CONNECTIONS, "max-connections", "N",
	    "[what file descriptors allow]" },
	{ OPT_MAX_PER_ADDRESS, "max-per-address", "N", "[no limit]" },
	{ OPT_MAX_UNIDENTIFIED, "max-unidentified", "N",
	    "silent ones per address [16]" },
	{ OPT_IDLE_PING, "idle-ping", "TIME",
	    "silence before a ping, and to answer it [25s]" },
	{ OPT_REQUIRE_VERIFIED, "require-verified", NULL,
	    "only agents that prove their key" },
	{ OPT_PUBLIC_NAME, "public-name", "HOST:PORT",
	    "what clients dial; repeatable" },
	{ OPT_REQUIRE_BOUND, "require-bound", NULL,
	    "proofs must give one of these names" },
	{ OPT_ADMIN_KEY, "admin-key-file", "FILE",
	    "who has its word may kick and ban" },
	{ OPT_CERT, "cert", "FILE", "serve wss://: certificate chain, PEM" },
	{ OPT_KEY, "key", "FILE", "and its key, PEM" },
	{ OPT_REPUTATION, "reputation", NULL,
	    "rate agents by the work completed here" },
	{ OPT_LOG_MESSAGES, "log-messages", NULL,
	    "message bodies into the log too" },
	CMD_OPT_END
};

/* The environment fills in what the line leaves open. */
static int
from_environment(const struct cmd *cmd, struct relay_conf *conf)
{
	const char *port = getenv("PORT");
	int64_t n;

	if (conf->host == NULL)
		conf->host = getenv("HOST");
	if (conf->host == NULL || *conf->host == '\0')
		conf->host = "0.0.0.0";
	if (conf->name == NULL)
		conf->name = getenv("SERVER_NAME");
	if (conf->port >= 0)
		return EXIT_OK;
	conf->port = 6667;
	if (port == NULL || *port == '\0')
		return EXIT_OK;
	if (conf_int(port, 0, 65535, &n) < 0)
		return cmd_usage(cmd, "PORT=%s in the environment is no port",
		    port);
	conf->port = (int)n;
	return EXIT_OK;
}

static enum relay_sync
parse_sync(const struct cmd_line *cl)
{
	if (strcmp(cl->arg, "group") == 0)
		return RELAY_SYNC_GROUP;
	if (strcmp(cl->arg, "interval") == 0)
		return RELAY_SYNC_INTERVAL;
	if (strcmp(cl->arg, "never") == 0)
		return RELAY_SYNC_NEVER;
	exit(cmd_usage(cl->cmd, "--sync is group, interval or never"));
}

/* One option into the settings; true if it was a number or a size. */
static bool
parse_limit(const struct cmd_line *cl, int c, struct relay_conf *conf)
{
	switch (c) {
	case OPT_RATE:
		conf->rate = cmd_double(cl, 0.001, 1e9);
		return true;
	case OPT_BURST:
		conf->burst = cmd_double(cl, 1, 1e9);
		return true;
	case OPT_BUFFER:
		conf->replay = cmd_int(cl, 0, INT_MAX);
		return true;
	case OPT_HISTORY:
		conf->history = cmd_int(cl, 0, INT_MAX);
		return true;
	case OPT_SEGMENT:
		conf->segment_len = cmd_size(cl, 64 << 10, INT64_C(1) << 40);
		return true;
	case OPT_MAX_SPOOL:
		conf->max_spool = cmd_size(cl, 0, SIZE_LIMIT);
		if (conf->max_spool > 0 && conf->max_spool < SPOOL_LEAST)
			exit(cmd_usage(cl->cmd, "--max-spool is 0 or at "
			    "least 1M"));
		return true;
	case OPT_MAX_MEMORY:
		conf->max_memory = cmd_size(cl, 0, SIZE_LIMIT);
		if (conf->max_memory > 0 && conf->max_memory < MEMORY_LEAST)
			exit(cmd_usage(cl->cmd, "--max-memory is 0 or at "
			    "least 32M"));
		return true;
	case OPT_QUEUE_MAX:
		conf->queue_max = cmd_size(cl, 1 << 16, SIZE_LIMIT);
		return true;
	case OPT_CONTENT_MAX:
		conf->content_max = cmd_int(cl, 1, 1 << 20);
		return true;
	case OPT_FRAME_MAX:
		conf->frame_max = cmd_size(cl, 1024, 16 << 20);
		return true;
	case OPT_MAX_CONNECTIONS:
		conf->max_connections = cmd_int(cl, 0, INT_MAX);
		return true;
	case OPT_MAX_PER_ADDRESS:
		conf->max_per_address = cmd_int(cl, 0, INT_MAX);
		return true;
	case OPT_MAX_UNIDENTIFIED:
		conf->max_unidentified = cmd_int(cl, 0, INT_MAX);
		return true;
	case OPT_IDLE_PING:
		conf->idle_ping_ms = cmd_span(cl, 2000, 3600000);
		return true;
	default:
		return false;
	}
}

static void
parse(struct cmd_line *cl, struct relay_conf *conf,
    const char *names[PUBLIC_NAMES_MAX + 1])
{
	size_t names_len = 0;
	int c;

	while ((c = cmd_getopt(cl)) != -1) {
		if (parse_limit(cl, c, conf))
			continue;
		switch (c) {
		case 'p':
			conf->port = (int)cmd_int(cl, 0, 65535);
			break;
		case 'h':
		case 'H':
			conf->host = cl->arg;
			break;
		case OPT_SYNC:
			conf->sync = parse_sync(cl);
			break;
		case OPT_SPOOL:
			conf->spool = cl->arg;
			break;
		case OPT_REPAIR:
			conf->repair = true;
			break;
		case OPT_REQUIRE_VERIFIED:
			conf->require_verified = true;
			break;
		case OPT_REPUTATION:
			conf->reputation = true;
			break;
		case OPT_LOG_MESSAGES:
			conf->log_messages = true;
			break;
		case OPT_ADMIN_KEY:
			conf->admin_key_file = cl->arg;
			break;
		case OPT_CERT:
			conf->cert = cl->arg;
			break;
		case OPT_KEY:
			conf->key = cl->arg;
			break;
		case OPT_REQUIRE_BOUND:
			conf->require_bound = true;
			break;
		case OPT_PUBLIC_NAME:
			if (names_len == PUBLIC_NAMES_MAX)
				exit(cmd_usage(cl->cmd, "at most %d times "
				    "--public-name", PUBLIC_NAMES_MAX));
			names[names_len++] = cl->arg;
			break;
		}
	}
	if (names_len > 0)
		conf->public_names = names;
	conf->root = cl->dir;
	conf->name = cl->name;
}

static int
serve_run(const struct cmd *cmd, int argc, char **argv)
{
	const char *names[PUBLIC_NAMES_MAX + 1] = { NULL };
	char host[HOST_NAME_MAX + 1] = "";
	struct relay_conf conf;
	struct cmd_line cl;
	char *why = NULL;
	int rc;

	relay_conf_init(&conf);
	conf.host = NULL;
	conf.port = -1;
	cmd_line_init(&cl, cmd, argc, argv);
	parse(&cl, &conf, names);
	if ((conf.cert == NULL) != (conf.key == NULL))
		return cmd_usage(cmd, "--cert and --key go together");
	if (conf.require_bound && conf.public_names == NULL)
		return cmd_usage(cmd, "--require-bound needs the relay's names: "
		    "give --public-name HOST:PORT");
	rc = from_environment(cmd, &conf);
	if (rc != EXIT_OK)
		return rc;
	if (conf.name == NULL || *conf.name == '\0') {
		if (gethostname(host, sizeof(host) - 1) == -1 || *host == '\0')
			strcpy(host, "agentchat");
		conf.name = host;
	}
	rc = relay_run(&conf, &why);
	if (rc < 0)
		cmd_fail(cmd, 0, "%s", why != NULL ? why : strerror(-rc));
	free(why);
	return cmd_code(rc);
}

const struct cmd cmd_serve = {
	.name = "serve",
	.args = "",
	.summary = "Run a relay",
	.about = "Listens for agents until SIGTERM, and then says goodbye to "
	    "them and ends.\nOne line on standard output says where it "
	    "listens; the log, JSON lines, goes\nto standard error.",
	.opts = serve_opts,
	.run = serve_run,
};
