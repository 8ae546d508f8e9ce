/*
 * agent_key.h - another agent's key, asked for through the relay.
 */
#ifndef AC_CLI_AGENT_KEY_H
#define AC_CLI_AGENT_KEY_H

#include <stdbool.h>

#include "cli/cmd.h"
#include "cli/remote.h"
#include "daemon/daemon.h"

enum known { KNOWN_NOT, KNOWN_SAME, KNOWN_OTHER };

struct agent_key {
	unsigned char	key[DAEMON_KEY_LEN];
	bool		proved;		/* to us; false: the relay says so */
	enum known	known;		/* as what the instance has noted? */
};

/*
 * Ask the agent to prove its key, and compare it with the known_agents of the
 * instance that the line names. Returns an exit code, having said why.
 */
int	agent_key_ask(struct remote *, const struct cmd_line *,
	    const char *agent, struct agent_key *)
	    AC_NONNULL(1, 2, 3, 4) AC_MUST_CHECK;

#endif
