/*
 * cmd.h - a command of the program: one file, one exported constant.
 *
 * cmd.c lists the names once; declarations, table, help and completions
 * expand from it.
 */
#ifndef AC_CLI_CMD_H
#define AC_CLI_CMD_H

#include <stdbool.h>

#include "base/attr.h"

/* Exit codes, part of the contract: agentchat(1). */
enum {
	EXIT_OK		= 0,
	EXIT_FAILED	= 1,
	EXIT_USAGE	= 2,
	EXIT_NOT_FOUND	= 3,	/* or not running */
	EXIT_REFUSED	= 4,	/* by the relay */
	EXIT_TIMEOUT	= 5,
	EXIT_TRY_AGAIN	= 75	/* no relay, disk full, ... */
};

struct cmd_opt {
	int		 c;	/* short letter, or a number >= 256 without one */
	const char	*name;	/* long name */
	const char	*arg;	/* what it takes, in capitals; NULL: nothing */
	const char	*help;	/* one line */
};

struct cmd {
	const char	*name;
	const char	*args;	/* synopsis of the operands */
	const char	*summary; /* one line for help */
	const struct cmd_opt *opts; /* ended by c == 0; NULL: none */
	int		 min_args, max_args; /* operands; max -1: any number */
	int		(*run)(const struct cmd *, int argc, char **argv);
};

#endif
