/*
 * background.c - start a daemon that outlives the command.
 *
 * Two pipes lead from the child. In one the daemon says that it is connected;
 * in the other the child says why it ends. Both close when it dies, however it
 * dies, so that the parent never waits for nobody.
 */
#include "config.h"

#include "cli/background.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "cli/out.h"
#include "spool/spool.h"
#include "wire/msg.h"

#define LINE_MAX_LEN	4096

/* The child, for the signal handler of the waiting parent. */
static volatile sig_atomic_t child_pid;

static void
pass_on(int sig)
{
	(void)sig;
	if (child_pid > 0)
		kill((pid_t)child_pid, SIGTERM);
}

/* daemon.log, appended to; the directories are made on the way. */
static int
open_log(const struct daemon_conf *conf, int *log)
{
	int root, daemons = -1, dir = -1, rc;

	rc = spool_root(conf->root, true, &root);
	if (rc < 0)
		return rc;
	rc = spool_subdir(root, "daemons", true, &daemons);
	if (rc == 0)
		rc = spool_subdir(daemons, conf->instance, true, &dir);
	if (rc == 0) {
		*log = openat(dir, "daemon.log", O_WRONLY | O_APPEND |
		    O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
		rc = *log == -1 ? -errno : 0;
	}
	if (dir != -1)
		close(dir);
	if (daemons != -1)
		close(daemons);
	close(root);
	return rc;
}

static int
take_standard(int log)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null == -1 || dup2(null, STDIN_FILENO) == -1 ||
	    dup2(log, STDOUT_FILENO) == -1 || dup2(log, STDERR_FILENO) == -1)
		return -errno;
	close(null);
	close(log);
	return 0;
}

static void
close_from(unsigned first, unsigned last)
{
	if (first > last)
		return;
#ifdef HAVE_CLOSE_RANGE
	if (close_range(first, last, 0) == 0)
		return;
#endif
	if (last > (unsigned)sysconf(_SC_OPEN_MAX))
		last = (unsigned)sysconf(_SC_OPEN_MAX);
	for (unsigned fd = first; fd <= last; fd++)
		close((int)fd);
}

/*
 * What else the command was started with is not the daemon's: whoever reads
 * from a pipe of which it holds the other end would wait for ever.
 */
static void
close_others(int a, int b)
{
	unsigned low = (unsigned)(a < b ? a : b);
	unsigned high = (unsigned)(a < b ? b : a);

	close_from(STDERR_FILENO + 1, low - 1);
	close_from(low + 1, high - 1);
	close_from(high + 1, ~0U);
}

static void
say_to(int fd, const char *text)
{
	size_t len = strlen(text);

	/* Whole in one write; a parent that is gone needs no answer. */
	(void)!write(fd, text, len < LINE_MAX_LEN ? len : LINE_MAX_LEN);
}

/* The child's life. Returns its exit code. */
static int
be_daemon(const struct daemon_conf *given, int log, int ready, int why_fd)
{
	struct daemon_conf conf = *given;
	char *why = NULL;
	int rc;

	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	conf.ready_fd = ready;
	if (setsid() == -1)
		rc = -errno;
	else
		rc = take_standard(log);
	close_others(ready, why_fd);
	if (rc == 0)
		rc = daemon_run(&conf, &why);
	if (rc < 0)
		say_to(why_fd, why != NULL ? why : ac_strerror(rc));
	free(why);
	return cmd_code(rc);
}

/* Everything until the other end is closed, or a whole line. */
static void
hear_out(int fd, struct buf *out)
{
	for (;;) {
		char *p = buf_reserve(out, LINE_MAX_LEN);
		ssize_t n = p != NULL ? read(fd, p, LINE_MAX_LEN) : 0;

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0 || out->len > LINE_MAX_LEN)
			return;
		out->len += (size_t)n;
		out->p[out->len] = '\0';
		if (memchr(out->p, '\n', out->len) != NULL)
			return;
	}
}

enum outcome {
	ENDED,		/* it said nothing: it never came to connecting */
	NOT_CONNECTED,
	CONNECTED
};

static enum outcome
parse_outcome(const struct buf *line, struct buf *agent)
{
	enum outcome outcome = ENDED;
	struct wire_msg m;

	wire_msg_init(&m);
	if (line->len > 0 && wire_parse_object(&m, line->p, line->len) == 0) {
		struct wire_value state = wire_find(&m, "state");

		outcome = state.kind == WIRE_STR &&
		    strcmp(state.s, "connected") == 0 ? CONNECTED :
		    NOT_CONNECTED;
		if (wire_has(&m, WF_AGENT_ID))
			buf_adds(agent, wire_str(&m, WF_AGENT_ID));
	}
	wire_msg_fini(&m);
	return outcome;
}

static int
report_connected(const struct cmd_line *cl, const struct daemon_conf *conf,
    pid_t pid, const struct buf *line, const struct buf *agent)
{
	struct buf b = BUF_INIT;
	int code;

	if (cl->json)
		buf_add(&b, line->p, strcspn(line->p, "\n"));
	else {
		buf_addf(&b, "daemon '%s' (pid %ld) is connected to ",
		    conf->instance, (long)pid);
		out_text(&b, conf->server, strlen(conf->server));
		if (agent->len > 0) {
			buf_adds(&b, " as ");
			out_text(&b, agent->p, agent->len);
		}
	}
	buf_addc(&b, '\n');
	code = out_put(&b);
	buf_fini(&b);
	return code;
}

/* It isn't connected: wait for its end, and hand on what it said. */
static int
report_failed(const struct cmd_line *cl, pid_t pid, int why_fd,
    enum outcome outcome)
{
	struct buf why = BUF_INIT;
	int status, code;

	hear_out(why_fd, &why);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
	/* Whatever it was that kept it from connecting, it may work later. */
	if (code == EXIT_OK ||
	    (outcome == NOT_CONNECTED && code != EXIT_REFUSED))
		code = EXIT_TRY_AGAIN;
	if (WIFSIGNALED(status))
		cmd_fail(cl->cmd, 0, "the daemon died of signal %d: see "
		    "daemon.log", WTERMSIG(status));
	else
		cmd_fail(cl->cmd, 0, "%s", why.len > 0 ? why.p :
		    "the daemon ended before it was connected");
	buf_fini(&why);
	return code;
}

static int
await_ready(const struct cmd_line *cl, const struct daemon_conf *conf,
    pid_t pid, int ready, int why_fd)
{
	struct buf line = BUF_INIT, agent = BUF_INIT;
	enum outcome outcome;
	int code;

	hear_out(ready, &line);
	outcome = parse_outcome(&line, &agent);
	if (outcome == CONNECTED)
		code = report_connected(cl, conf, pid, &line, &agent);
	else
		code = report_failed(cl, pid, why_fd, outcome);
	buf_fini(&line);
	buf_fini(&agent);
	return code;
}

static void
close_pair(int fd[2])
{
	if (fd[0] != -1)
		close(fd[0]);
	if (fd[1] != -1)
		close(fd[1]);
}

int
background_start(const struct cmd_line *cl, const struct daemon_conf *conf)
{
	int ready[2] = { -1, -1 }, why[2] = { -1, -1 }, log = -1, code;
	struct sigaction sa = { .sa_handler = pass_on };
	int rc = open_log(conf, &log);
	pid_t pid = -1;

	if (rc == -ENOENT || rc == -EACCES || rc == -ENOTDIR)
		return cmd_fail(cl->cmd, EXIT_FAILED, "can't make or use the "
		    "directory of '%s': %s", conf->instance, ac_strerror(rc));
	if (rc < 0)
		return cmd_fail(cl->cmd, cmd_code(rc), "daemon '%s': %s",
		    conf->instance, ac_strerror(rc));
	if (pipe2(ready, O_CLOEXEC) == -1 || pipe2(why, O_CLOEXEC) == -1 ||
	    (pid = fork()) == -1)
		rc = -errno;
	if (pid == 0) {
		close(ready[0]);
		close(why[0]);
		code = be_daemon(conf, log, ready[1], why[1]);
		exit(code);
	}
	close(log);
	if (rc < 0) {
		close_pair(ready);
		close_pair(why);
		return cmd_fail(cl->cmd, cmd_code(rc), "%s", ac_strerror(rc));
	}
	/* Interrupted while it waits, the command leaves nothing behind. */
	child_pid = pid;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	close(ready[1]);
	close(why[1]);
	ready[1] = why[1] = -1;
	code = await_ready(cl, conf, pid, ready[0], why[0]);
	close_pair(ready);
	close_pair(why);
	return code;
}
