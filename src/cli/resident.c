/*
 * resident.c - the program that stays: relay and daemon, without the terminal
 * and the YAML that other commands want. Each library costs a process memory
 * for as long as it runs, and hosts run many daemons.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/out.h"

extern const struct cmd cmd_daemon, cmd_serve;

int
main(int argc, char **argv)
{
	static const struct cmd *const table[] = { &cmd_daemon, &cmd_serve };

	if (out_init() == -1)
		return EXIT_FAILED;
	for (size_t i = 0; argc > 1 && i < AC_COUNTOF(table); i++)
		if (strcmp(table[i]->name, argv[1]) == 0)
			return table[i]->run(table[i], argc - 1, argv + 1);
	fputs("agentchatd: not to be run by itself: run agentchat serve or "
	    "agentchat daemon\n", stderr);
	return EXIT_USAGE;
}
