/*
 * inst.h - the local daemon's instance, for commands that work through it.
 */
#ifndef AC_CLI_INST_H
#define AC_CLI_INST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/cmd.h"
#include "spool/spool.h"

struct inst {
	const char	*name;		/* borrowed */
	struct spool	*sp;
	pid_t		 pid;		/* 0: no daemon is running; -1: one
					   is, in another pid namespace */
};

/* -I, else $AGENTCHAT_INSTANCE, else "default". */
const char *inst_name(const struct cmd_line *) AC_NONNULL(1);

/*
 * Open the instance that the line names. Returns an exit code, having said
 * why: EXIT_NOT_FOUND if there is none, or if running is asked for and no
 * daemon runs. To be closed in any case.
 */
int	inst_open(struct inst *, const struct cmd_line *, bool running)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
void	inst_close(struct inst *) AC_NONNULL(1);

/*
 * The agent id that the instance's daemon has now, "" if none is known;
 * and its state and error as status.json says, for people.
 */
struct inst_view {
	char	 agent_id[40];
	char	 state[24];
	char	 error[256];
};
void	inst_view(const struct inst *, struct inst_view *) AC_NONNULL(1, 2);

/* The boxes of the instance, sorted by name. */
struct inst_boxes {
	struct spool_box **v;
	size_t		 len;
};
int	inst_boxes(struct inst *, struct inst_boxes *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
void	inst_boxes_fini(struct inst_boxes *) AC_NONNULL(1);

#endif
