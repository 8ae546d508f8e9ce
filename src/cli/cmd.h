/*
 * cmd.h - a command of the program: one file, one exported constant.
 *
 * cmd.c lists the names once; declarations, table, help and completions
 * expand from it. A command's run() reads its line so:
 *
 *	struct cmd_line cl;
 *
 *	cmd_line_init(&cl, cmd, argc, argv);
 *	while ((c = cmd_getopt(&cl)) != -1)
 *		switch (c) {
 *		case 'm':
 *			max = cmd_int(&cl, 1, INT_MAX);
 *			break;
 *		}
 *	... cl.server, cl.argc, cl.argv: the operands ...
 */
#ifndef AC_CLI_CMD_H
#define AC_CLI_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct buf;

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
	int		 c;	/* short letter; a number >= 256: none */
	const char	*name;	/* long name */
	const char	*arg;	/* what it takes, in capitals; NULL: nothing */
	const char	*help;	/* one line */
};

/* Does a first operand with "://" in it name a relay? */
enum cmd_server { CMD_NO_SERVER, CMD_MAY_SERVER, CMD_MUST_SERVER };

struct cmd {
	const char	*name;
	const char	*args;	/* synopsis of the operands */
	const char	*summary; /* one line for help */
	const char	*with;	/* the command whose line in the overview names
				   this one too, or NULL: it has its own */
	const char	*about;	/* more for `help NAME`, or NULL */
	const struct cmd_opt *opts; /* ended by c == 0; NULL: none */
	enum cmd_server	 server;
	int		 min_args, max_args; /* operands without the server;
						max -1: any number */
	int		(*run)(const struct cmd *, int argc, char **argv);
};

/* ----------------------------------------------------------------- opt.c */

/*
 * Options that mean the same wherever they are. cmd_getopt() keeps them in
 * the cmd_line itself, for the commands that list them.
 */
enum {
	OPT_HELP = 256,
	OPT_DIR,
	OPT_CA,
	OPT_JSON,
	OPT_EPHEMERAL,
	OPT_PASS_FD,
	OPT_OWN = 512		/* a command's own numbers start here */
};

#define CMD_OPT_DIR	{ OPT_DIR, "dir", "DIR", \
	"root of the spools [$AGENTCHAT_DIR, ./.agentchat]" }
#define CMD_OPT_INSTANCE { 'I', "instance", "INSTANCE", \
	"daemon instance [$AGENTCHAT_INSTANCE, default]" }
#define CMD_OPT_IDENTITY { 'i', "identity", "FILE", \
	"key to connect with [DIR/identity.json if there]" }
#define CMD_OPT_EPHEMERAL { OPT_EPHEMERAL, "ephemeral", NULL, \
	"connect without a key" }
#define CMD_OPT_NAME	{ 'n', "name", "NAME", "agent name to connect with" }
#define CMD_OPT_CA	{ OPT_CA, "ca", "FILE", \
	"PEM of the authorities to trust for wss://" }
#define CMD_OPT_JSON	{ OPT_JSON, "json", NULL, "print JSON, for programs" }
#define CMD_OPT_TIMEOUT(what) { 't', "timeout", "SPAN", what }
#define CMD_OPT_PASS_FD	{ OPT_PASS_FD, "passphrase-fd", "N", \
	"read the key's passphrase from descriptor N" }
#define CMD_OPT_END	{ 0, NULL, NULL, NULL }

struct cmd_line {
	const struct cmd *cmd;
	int		 argc;		/* after the end: operands only */
	char		**argv;
	const char	*arg;		/* of the option just returned */
	const char	*opt;		/* its long name */
	const char	*server;	/* after the end; NULL: none given */
	/* Shared options; NULL, false or -1 where not given. */
	const char	*dir, *instance, *identity, *name, *ca;
	bool		 json, ephemeral;
	int64_t		 timeout_ms;
	int		 pass_fd;	/* -1: ask on the terminal */
	char		 here[4096];	/* what dir, instance may point into */
};

void	cmd_line_init(struct cmd_line *, const struct cmd *, int argc,
	    char **argv) AC_NONNULL(1, 2, 4);

/*
 * Started inside a root of spools, a command means that one, and inside an
 * instance that instance: fill in dir and instance where neither the line
 * nor the environment says anything else. Part of cmd_getopt()'s end.
 */
void	cmd_line_here(struct cmd_line *) AC_NONNULL(1);

/*
 * The next option of the command's own; -1 at the end, and then the server
 * has been taken off the operands and their number is right. Doesn't return
 * for --help (exit 0) and for a line that is wrong (exit 2, said why).
 */
int	cmd_getopt(struct cmd_line *) AC_NONNULL(1);

/* The option's argument as a number: see conf.h. Wrong: exit 2, said why. */
int64_t	cmd_int(const struct cmd_line *, int64_t min, int64_t max)
	    AC_NONNULL(1);
int64_t	cmd_size(const struct cmd_line *, int64_t min, int64_t max)
	    AC_NONNULL(1);
int64_t	cmd_span(const struct cmd_line *, int64_t min, int64_t max)
	    AC_NONNULL(1);
double	cmd_double(const struct cmd_line *, double min, double max)
	    AC_NONNULL(1);

/* ----------------------------------------------------------------- cmd.c */

/* The table: all commands, in the order of help, ended by NULL. */
extern const struct cmd *const cmd_table[];

const struct cmd *cmd_find(const char *name) AC_NONNULL(1);
/* The command that name was probably meant to be, or NULL. */
const struct cmd *cmd_nearest(const char *name) AC_NONNULL(1);

/* Append the overview, or the help of one command. */
void	cmd_help_all(struct buf *) AC_NONNULL(1);
void	cmd_help_one(struct buf *, const struct cmd *) AC_NONNULL(1, 2);

/* ----------------------------------------------------------------- say.c */

/*
 * One line for people on standard error, "agentchat NAME: ..."; foreign bytes
 * in it are escaped. Returns code, so that a command can end with it.
 *
 *	cmd_fail	it went wrong
 *	cmd_usage	the line was wrong; says where help is: EXIT_USAGE
 *	cmd_say		just tell
 */
int	cmd_fail(const struct cmd *, int code, const char *fmt, ...)
	    AC_NONNULL(1, 3) AC_PRINTF(3, 4);
int	cmd_usage(const struct cmd *, const char *fmt, ...)
	    AC_NONNULL(1, 2) AC_PRINTF(2, 3);
void	cmd_say(const struct cmd *, const char *fmt, ...)
	    AC_NONNULL(1, 2) AC_PRINTF(2, 3);

/* The exit code that fits an error of the floors below; 0 for 0. */
int	cmd_code(int rc);

#endif
