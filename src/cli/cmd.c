/*
 * cmd.c - the table of commands, and the overview made from it.
 */
#include "config.h"

#include "cli/cmd.h"

#include <string.h>

#include "base/buf.h"

/*
 * Every command once, in the order of help. A row wants cmd_NAME.c, an .Ic
 * entry in a manual page, and completions follow; tests check all of it.
 */
#define COMMANDS(X) \
	X(serve) X(connect) X(daemon) X(status) \
	X(send) X(reply) X(read) X(wait) X(listen) \
	X(channels) X(agents) X(create) X(invite) \
	X(propose) X(accept) X(reject) X(complete) X(dispute) \
	X(receipts) X(ratings) \
	X(identity) X(verify) X(deploy) X(health) X(doctor) \
	X(setup) X(help)

#define DECLARE(name) extern const struct cmd cmd_##name;
COMMANDS(DECLARE)
#undef DECLARE

const struct cmd *const cmd_table[] = {
#define ROW(name) &cmd_##name,
	COMMANDS(ROW)
#undef ROW
	NULL
};

const struct cmd *
cmd_find(const char *name)
{
	for (const struct cmd *const *c = cmd_table; *c != NULL; c++)
		if (strcmp((*c)->name, name) == 0)
			return *c;
	return NULL;
}

/*
 * Edits between two words: one inserted, removed, replaced or swapped with
 * its neighbour counts 1. Words of up to 15 letters; longer are far apart.
 */
static unsigned
distance(const char *a, const char *b)
{
	unsigned d[17][17];
	size_t n = strlen(a), m = strlen(b);

	if (n > 15 || m > 15)
		return 99;
	for (size_t i = 0; i <= n; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++)
		for (size_t j = 1; j <= m; j++) {
			unsigned best = d[i - 1][j - 1];

			best += a[i - 1] != b[j - 1];
			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	return d[n][m];
}

const struct cmd *
cmd_nearest(const char *name)
{
	const struct cmd *best = NULL;
	unsigned least = 3;
	size_t len = strlen(name);

	for (const struct cmd *const *c = cmd_table; *c != NULL; c++) {
		unsigned d = distance(name, (*c)->name);

		/* "chan" means channels, however much is missing. */
		if (len >= 2 && strncmp(name, (*c)->name, len) == 0)
			d = 1;
		/* Half the word must be right: "x" is not like "read". */
		if (d < least && 2 * d <= strlen((*c)->name)) {
			least = d;
			best = *c;
		}
	}
	return best;
}

void
cmd_help_all(struct buf *b)
{
	/* A screen is 24 lines: a family of commands shares one. */
	buf_adds(b, "Usage: agentchat COMMAND [options] [operands]\n\n");
	for (const struct cmd *const *c = cmd_table; *c != NULL; c++) {
		const char *sep = "; then ";

		if ((*c)->with != NULL)
			continue;
		buf_addf(b, "  %-10s %s", (*c)->name, (*c)->summary);
		for (const struct cmd *const *o = cmd_table; *o != NULL; o++)
			if ((*o)->with != NULL &&
			    strcmp((*o)->with, (*c)->name) == 0) {
				buf_addf(b, "%s%s", sep, (*o)->name);
				sep = ", ";
			}
		buf_addc(b, '\n');
	}
	buf_adds(b, "\nA first operand with \"://\" in it is a relay; without "
	    "one a command works\nthrough the local daemon's files. "
	    "'agentchat help COMMAND' says more.\n");
}
