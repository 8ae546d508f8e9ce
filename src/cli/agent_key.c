/*
 * agent_key.c - another agent's key, asked for through the relay.
 */
#include "config.h"

#include "cli/agent_key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cli/inst.h"
#include "lib/client.h"

struct question {
	const char	*agent;
	char		 nonce[CLIENT_NONCE_MAX];
	struct agent_key *answer;
	char		 why[256];	/* of VERIFY_FAILED */
};

static int
take_answer(void *arg, const struct wire_msg *m, const char *text, size_t len)
{
	const char *target = wire_str(m, WF_TARGET);
	const char *reason = wire_str(m, WF_REASON);
	struct question *q = arg;
	int rc;

	(void)text;
	(void)len;
	if (m->type == WIRE_VERIFY_FAILED && (target == NULL ||
	    strcmp(target, q->agent) == 0)) {
		strncpy(q->why, reason != NULL ? reason : "It gave no proof.",
		    sizeof(q->why) - 1);
		return 1;
	}
	if (m->type != WIRE_VERIFY_SUCCESS)
		return 0;
	rc = client_check_verify(m, q->agent, q->nonce, q->answer->key);
	q->answer->proved = rc == 0;
	return rc < 0 ? rc : 1;
}

static int
compare(const struct cmd_line *cl, const char *agent, struct agent_key *a)
{
	const char *instance = inst_name(cl);
	unsigned char known[DAEMON_KEY_LEN];
	int rc = daemon_known_key(cl->dir, instance, agent, known);

	a->known = KNOWN_NOT;
	if (rc == 0)
		a->known = memcmp(known, a->key, sizeof(known)) == 0 ?
		    KNOWN_SAME : KNOWN_OTHER;
	else if (rc != -ENOENT)
		return cmd_fail(cl->cmd, EXIT_FAILED,
		    "known_agents of '%s': %s", instance, ac_strerror(rc));
	return EXIT_OK;
}

int
agent_key_ask(struct remote *r, const struct cmd_line *cl, const char *agent,
    struct agent_key *answer)
{
	struct question q = { .agent = agent, .answer = answer };
	struct buf b = BUF_INIT;
	int code;

	memset(answer, 0, sizeof(*answer));
	/* A failed append shows in the buf. */
	(void)!client_make_verify(&b, agent, "verify", q.nonce);
	code = remote_ask(r, &b, take_answer, &q);
	buf_fini(&b);
	if (code == EXIT_OK && q.why[0] != '\0')
		code = cmd_fail(r->cmd, EXIT_REFUSED, "%s: %s", agent, q.why);
	return code == EXIT_OK ? compare(cl, agent, answer) : code;
}
