/*
 * cmd_verify.c - agentchat verify server @agent: let it prove its key.
 */
#include "config.h"

#include "cli/cmd.h"

#include <string.h>

#include "cli/agent_key.h"
#include "cli/out.h"
#include "cli/remote.h"
#include "ident/ident.h"

#define ANSWER_MS 35000	/* the relay gives the agent 30 s */

static const struct cmd_opt verify_opts[] = {
	CMD_OPTS_REMOTE,
	CMD_OPT_INSTANCE,
	CMD_OPT_TIMEOUT("wait so long for the proof [35s]"),
	CMD_OPT_JSON,
	CMD_OPT_DIR,
	CMD_OPT_END
};

static int
print(const struct cmd_line *cl, const char *agent, const struct agent_key *a)
{
	static const char *const known[] = {
		[KNOWN_NOT] = "new", [KNOWN_SAME] = "same",
		[KNOWN_OTHER] = "other"
	};
	char key[IDENT_B64_MAX];
	struct buf b = BUF_INIT;
	int code;

	ident_key_b64(a->key, key);
	if (cl->json) {
		buf_adds(&b, "{\"agent_id\":");
		wire_json_str(&b, agent, strlen(agent));
		wire_puts(&b, WF_PUBKEY, key);
		wire_json_key(&b, "proved");
		buf_adds(&b, a->proved ? "true" : "false");
		wire_json_key(&b, "known");
		wire_json_str(&b, known[a->known], strlen(known[a->known]));
		buf_adds(&b, "}\n");
	} else {
		buf_addf(&b, "%s %s\n", agent, key);
	}
	code = out_put(&b);
	buf_fini(&b);
	return code;
}

/* What was found out, as an exit code, and in words if it isn't good. */
static int
judge(const struct cmd *cmd, const char *agent, const struct agent_key *a)
{
	if (!a->proved)
		return cmd_fail(cmd, EXIT_FAILED, "%s: this relay says that "
		    "the key was proved, but does not show the proof", agent);
	if (a->known == KNOWN_OTHER)
		return cmd_fail(cmd, EXIT_REFUSED, "%s has ANOTHER KEY than "
		    "the one in known_agents: ask its owner which is right",
		    agent);
	return EXIT_OK;
}

static int
verify_run(const struct cmd *cmd, int argc, char **argv)
{
	struct agent_key answer;
	struct cmd_line cl;
	const char *agent;
	struct remote r;
	int code, printed;

	cmd_line_init(&cl, cmd, argc, argv);
	while (cmd_getopt(&cl) != -1)
		;
	agent = cl.argv[0];
	if (!wire_agent_id_ok(agent, strlen(agent)))
		return cmd_usage(cmd, "'%s' is no agent id: '@1f3a9c02' is "
		    "('agentchat agents' lists them)", agent);
	if (cl.timeout_ms < 0)
		cl.timeout_ms = ANSWER_MS;
	code = remote_open(&r, &cl, false);
	if (code == EXIT_OK)
		code = agent_key_ask(&r, &cl, agent, &answer);
	remote_close(&r);
	if (code != EXIT_OK)
		return code;
	printed = print(&cl, agent, &answer);
	code = judge(cmd, agent, &answer);
	return code != EXIT_OK ? code : printed;
}

const struct cmd cmd_verify = {
	.name = "verify",
	.args = "server @agent",
	.summary = "Let an agent prove its key",
	.with = "identity",
	.about = "Prints the agent's id and key. Exit 0: it has the key, and "
	    "the instance knows no\nother of it; 4: it gave no proof, or has "
	    "another key than known_agents says.",
	.opts = verify_opts,
	.server = CMD_MUST_SERVER,
	.min_args = 1, .max_args = 1,
	.run = verify_run,
};
