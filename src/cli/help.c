/*
 * help.c - the help of one command.
 *
 * Without the table of all of them: see front.c.
 */
#include "config.h"

#include "cli/cmd.h"

#include <stdio.h>

#include "base/buf.h"

/* One option's row: "-i, --identity FILE  what it does". */
static void
help_option(struct buf *b, const struct cmd_opt *o)
{
	char left[64];
	int n;

	if (o->c < OPT_HELP)
		n = snprintf(left, sizeof(left), "-%c, --%s", o->c, o->name);
	else
		n = snprintf(left, sizeof(left), "    --%s", o->name);
	if (o->arg != NULL)
		snprintf(left + n, sizeof(left) - (size_t)n, " %s", o->arg);
	buf_addf(b, "  %-27s %s\n", left, o->help);
}

void
cmd_help_one(struct buf *b, const struct cmd *cmd)
{
	static const struct cmd_opt help = { 'h', "help", NULL,
	    "show this" }, long_help = { OPT_HELP, "help", NULL, "show this" };
	bool own_h = false;

	buf_addf(b, "Usage: agentchat %s%s%s%s\n\n%s.\n", cmd->name,
	    cmd->opts != NULL ? " [options]" : "",
	    *cmd->args != '\0' ? " " : "", cmd->args, cmd->summary);
	if (cmd->about != NULL)
		buf_addf(b, "\n%s\n", cmd->about);
	buf_adds(b, "\n");
	for (const struct cmd_opt *o = cmd->opts; o != NULL && o->c != 0; o++) {
		own_h |= o->c == 'h';
		help_option(b, o);
	}
	help_option(b, own_h ? &long_help : &help);
}
