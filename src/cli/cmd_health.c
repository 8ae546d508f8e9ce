/*
 * cmd_health.c - agentchat health [server]: for the probes of containers.
 */
#include "config.h"

#include "cli/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/conf.h"
#include "base/err.h"
#include "cli/out.h"
#include "lib/client.h"

#define TIMEOUT_MS 3000

static const struct cmd_opt health_opts[] = {
	CMD_OPT_TIMEOUT("how long the answer may take [3s]"),
	CMD_OPT_CA,
	CMD_OPT_JSON,
	CMD_OPT_END
};

/* The relay that this container most probably is. */
static int
own_url(const struct cmd *cmd, char url[40])
{
	const char *text = getenv("PORT");
	int64_t port = 6667;

	if (text != NULL && *text != '\0' &&
	    conf_int(text, 1, 65535, &port) < 0)
		return cmd_usage(cmd, "PORT=%s in the environment is no port",
		    text);
	snprintf(url, 40, "ws://127.0.0.1:%d", (int)port);
	return EXIT_OK;
}

static int
judge(const struct cmd_line *cl, int status, struct buf *body)
{
	struct wire_value well;
	struct wire_msg m;
	int code = EXIT_OK;

	wire_msg_init(&m);
	if (wire_parse_object(&m, body->p != NULL ? body->p : "",
	    body->len) < 0) {
		code = cmd_fail(cl->cmd, EXIT_FAILED, "this is no relay: it "
		    "answers HTTP %d, and no JSON", status);
	} else {
		well = m.f[WF_STATUS];
		if (status != 200 || well.kind != WIRE_STR ||
		    strcmp(well.s, "ok") != 0)
			code = cmd_fail(cl->cmd, EXIT_FAILED, "not well: %s "
			    "(HTTP %d)", well.kind == WIRE_STR ? well.s :
			    "no status", status);
		else if (cl->json)
			code = out_put(body);
	}
	wire_msg_fini(&m);
	return code;
}

static int
health_run(const struct cmd *self, int argc, char **argv)
{
	char url[40], why[CLIENT_WHY_MAX];
	struct buf body = BUF_INIT;
	struct cmd_line cl;
	int code = EXIT_OK, rc;

	cmd_line_init(&cl, self, argc, argv);
	while (cmd_getopt(&cl) != -1)
		;
	if (cl.server == NULL)
		code = own_url(self, url);
	if (code != EXIT_OK)
		return code;
	rc = client_health(cl.server != NULL ? cl.server : url, cl.ca,
	    cl.timeout_ms >= 0 ? cl.timeout_ms : TIMEOUT_MS, &body, why);
	code = rc < 0 ? cmd_fail(self, cmd_code(rc), "%s", why) :
	    judge(&cl, rc, &body);
	buf_fini(&body);
	return code;
}

const struct cmd cmd_health = {
	.name = "health",
	.args = "[server]",
	.summary = "Ask a relay whether it is well",
	.with = "deploy",
	.about = "Exits 0 if it is. Opens no session; made for the probes of "
	    "containers.",
	.opts = health_opts,
	.server = CMD_MAY_SERVER,
	.run = health_run,
};
