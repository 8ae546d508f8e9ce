/*
 * run.c - how long a program takes from start to exit code.
 *
 *	run N PROGRAM [ARG...]		N times, one after the other
 *
 * In a script, forking an interpreter takes as long as what is measured. What
 * it prints goes nowhere; that it fails once is exit 1.
 */
#include "config.h"

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "bench.h"

extern char **environ;

static void
run_once(char **argv, const posix_spawn_file_actions_t *actions)
{
	int status, rc;
	pid_t pid;

	rc = posix_spawn(&pid, argv[0], actions, NULL, argv, environ);
	if (rc != 0)
		errx(1, "%s: %s", argv[0], strerror(rc));
	if (waitpid(pid, &status, 0) == -1)
		err(1, "waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		errx(1, "%s has failed: %#x", argv[0], (unsigned)status);
}

int
main(int argc, char **argv)
{
	posix_spawn_file_actions_t actions;
	long count = argc > 2 ? atol(argv[1]) : 0;
	int64_t *took;

	if (count <= 0)
		errx(2, "run N PROGRAM [ARG...]");
	took = calloc((size_t)count, sizeof(*took));
	if (took == NULL || posix_spawn_file_actions_init(&actions) != 0 ||
	    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null",
	    O_WRONLY, 0) != 0)
		errx(1, "no memory");
	for (long i = 0; i < count; i++) {
		took[i] = now_ns();
		run_once(argv + 2, &actions);
		took[i] = now_ns() - took[i];
	}
	say_latency("run", took, (size_t)count);
	posix_spawn_file_actions_destroy(&actions);
	free(took);
	return 0;
}
