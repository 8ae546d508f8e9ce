/*
 * akt.c - run akt, Akash's own program, and hear what it says.
 */
#include "config.h"

#include "deploy/akt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

#define GRACE_MS	10000	/* from being told to stop to being killed */
#define AFTER_MS	1000	/* for what a grandchild still holds open */
#define LOOK_MS		100	/* how often signals and the child are seen */
#define READS_MAX	16	/* at once, of a stream: one may never dry up */

extern char **environ;

struct stream {
	int		 fd;	/* -1: at its end */
	struct buf	 text;	/* the line that is coming in */
	akt_line_fn	*fn;
};

struct child {
	const struct akt_run *run;
	pid_t		 pid;
	bool		 ended;	/* and not reaped: its number stays taken */
	int		 in;	/* its standard input, or -1 */
	size_t		 in_at;
	struct stream	 out, err;
	int64_t		 until;	/* mono: when patience ends next */
	int		 rc;	/* why it was told to stop; 0: it wasn't */
	bool		 killed;
};

/* ---------------------------------------------------------------- start */

static bool
runnable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	    access(path, X_OK) == 0;
}

char *
akt_find(const char *name)
{
	const char *path = getenv("PATH"), *end;
	struct buf b = BUF_INIT;

	if (strchr(name, '/') != NULL)
		return runnable(name) ? strdup(name) : NULL;
	if (path == NULL)
		path = "/usr/local/bin:/usr/bin:/bin";
	for (;; path = end + 1) {
		end = strchrnul(path, ':');
		buf_clear(&b);
		if (end > path)
			buf_add(&b, path, (size_t)(end - path));
		else
			buf_addc(&b, '.');
		buf_addc(&b, '/');
		buf_adds(&b, name);
		if (buf_err(&b) == 0 && runnable(b.p))
			return b.p;	/* malloc()ed, like all of a buf */
		if (*end == '\0')
			break;
	}
	buf_fini(&b);
	return NULL;
}

/* Our environment without AKT_*, then AKT_HOME. Only the array is new. */
static char **
make_environment(char *home)
{
	size_t n = 0, kept = 0;
	char **env;

	while (environ[n] != NULL)
		n++;
	env = calloc(n + 2, sizeof(*env));
	if (env == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "AKT_", 4) != 0)
			env[kept++] = environ[i];
	env[kept] = home;
	return env;
}

static char **
make_argv(const struct akt_run *run)
{
	size_t n = 0;
	char **argv;

	while (run->args[n] != NULL)
		n++;
	argv = calloc(n + 2, sizeof(*argv));
	if (argv == NULL)
		return NULL;
	/* exec takes char *const and changes nothing. */
	argv[0] = (char *)(uintptr_t)"akt";
	for (size_t i = 0; i < n; i++)
		argv[i + 1] = (char *)(uintptr_t)run->args[i];
	return argv;
}

static int
set_attributes(posix_spawnattr_t *attr)
{
	sigset_t mask, defaults;
	int rc;

	/* What we block and ignore is our own affair. */
	sigprocmask(SIG_SETMASK, NULL, &mask);
	sigdelset(&mask, SIGINT);
	sigdelset(&mask, SIGTERM);
	sigdelset(&mask, SIGHUP);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGINT);
	rc = posix_spawnattr_setsigmask(attr, &mask);
	if (rc == 0)
		rc = posix_spawnattr_setsigdefault(attr, &defaults);
	if (rc == 0)
		rc = posix_spawnattr_setpgroup(attr, 0);
	if (rc == 0)
		rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP |
		    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	return rc;
}

static int
spawn(struct child *c, const int theirs[3], char *home)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	char **argv = make_argv(c->run), **env = make_environment(home);
	int rc = ENOMEM;

	if (argv == NULL || env == NULL)
		goto no_memory;
	rc = posix_spawn_file_actions_init(&actions);
	if (rc != 0)
		goto no_memory;
	rc = posix_spawnattr_init(&attr);
	if (rc != 0)
		goto no_attr;
	for (int fd = 0; fd < 3 && rc == 0; fd++)
		rc = posix_spawn_file_actions_adddup2(&actions, theirs[fd], fd);
	if (rc == 0 && c->run->lock != 0)
		rc = posix_spawn_file_actions_adddup2(&actions, c->run->lock,
		    STDERR_FILENO + 1);
	if (rc == 0)
		rc = set_attributes(&attr);
	if (rc == 0)
		rc = posix_spawn(&c->pid, c->run->program, &actions, &attr,
		    argv, env);
	posix_spawnattr_destroy(&attr);
no_attr:
	posix_spawn_file_actions_destroy(&actions);
no_memory:
	free(argv);
	free(env);
	return -rc;
}

static void
close_fd(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

/* Our end waits for nobody; theirs is an ordinary one. */
static int
make_pipe(int *ours, int *theirs, bool to_child)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) == -1)
		return -errno;
	*ours = fd[to_child];
	*theirs = fd[!to_child];
	return fcntl(*ours, F_SETFL, O_NONBLOCK) == -1 ? -errno : 0;
}

/* Where nobody listens nothing comes in: it might be a secret, repeated. */
static int
make_stream(struct stream *s, int *theirs)
{
	if (s->fn != NULL)
		return make_pipe(&s->fd, theirs, false);
	*theirs = open("/dev/null", O_WRONLY | O_CLOEXEC);
	return *theirs == -1 ? -errno : 0;
}

static int
start(struct child *c)
{
	struct buf home = BUF_INIT;
	int theirs[3] = { -1, -1, -1 };
	int rc;

	buf_adds(&home, "AKT_HOME=");
	buf_adds(&home, c->run->home);
	rc = buf_err(&home);
	if (rc == 0)
		rc = make_pipe(&c->in, &theirs[0], true);
	if (rc == 0)
		rc = make_stream(&c->out, &theirs[1]);
	if (rc == 0)
		rc = make_stream(&c->err, &theirs[2]);
	if (rc == 0)
		rc = spawn(c, theirs, home.p);
	for (int i = 0; i < 3; i++)
		close_fd(&theirs[i]);
	buf_fini(&home);
	return rc;
}

/* ------------------------------------------------------------------ run */

static void
feed(struct child *c)
{
	const struct akt_run *run = c->run;
	ssize_t n;

	while (c->in_at < run->input_len) {
		n = write(c->in, run->input + c->in_at,
		    run->input_len - c->in_at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return;
		if (n == -1)
			break;		/* it doesn't want it */
		c->in_at += (size_t)n;
	}
	close_fd(&c->in);
}

static void
give_line(struct stream *s, void *arg, const char *line, size_t len)
{
	if (len > 0)
		s->fn(arg, line, len);
}

/* Hand over whole lines; at the end of the stream, what is left too. */
static void
split(struct stream *s, void *arg, bool at_end)
{
	size_t from = 0;
	char *nl;

	while (from < s->text.len && (nl = memchr(s->text.p + from, '\n',
	    s->text.len - from)) != NULL) {
		size_t to = (size_t)(nl - s->text.p);

		give_line(s, arg, s->text.p + from, to - from);
		from = to + 1;
	}
	buf_drop(&s->text, from);
	if (at_end && s->text.len > 0) {
		give_line(s, arg, s->text.p, s->text.len);
		buf_clear(&s->text);
	}
}

static int
hear(struct stream *s, void *arg)
{
	char chunk[16384];
	ssize_t n;

	for (int i = 0; i < READS_MAX; i++) {
		n = read(s->fd, chunk, sizeof(chunk));
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0) {
			split(s, arg, true);
			close_fd(&s->fd);
			return 0;
		}
		buf_add(&s->text, chunk, (size_t)n);
		if (buf_err(&s->text) < 0)
			return -ENOMEM;
		split(s, arg, false);
		if (s->text.len > AKT_LINE_MAX)
			return -EMSGSIZE;
	}
	return 0;
}

/* Tell it to stop; the second time, make it. */
static void
stop(struct child *c, int rc)
{
	if (c->rc == 0)
		c->rc = rc;
	else
		c->killed = true;
	if (!c->ended)
		kill(-c->pid, c->killed ? SIGKILL : SIGINT);
	c->until = clock_mono_ms() + (c->killed ? AFTER_MS : GRACE_MS);
}

static bool
signal_pending(void)
{
	sigset_t set;

	if (sigpending(&set) == -1)
		return false;
	return sigismember(&set, SIGINT) == 1 ||
	    sigismember(&set, SIGTERM) == 1 || sigismember(&set, SIGHUP) == 1;
}

static void
look(struct child *c)
{
	siginfo_t info = { .si_pid = 0 };

	if (c->ended || waitid(P_PID, (id_t)c->pid, &info,
	    WEXITED | WNOHANG | WNOWAIT) == -1 || info.si_pid == 0)
		return;
	c->ended = true;
	close_fd(&c->in);
	c->until = clock_mono_ms() + AFTER_MS;
}

/* One round; false: it is over. */
static bool
turn(struct child *c)
{
	struct pollfd p[3] = {
		{ .fd = c->out.fd, .events = POLLIN },
		{ .fd = c->err.fd, .events = POLLIN },
		{ .fd = c->in, .events = POLLOUT },
	};
	int rc = 0;

	poll(p, 3, LOOK_MS);
	if (p[2].revents != 0)
		feed(c);
	if (p[0].revents != 0)
		rc = hear(&c->out, c->run->arg);
	if (rc == 0 && p[1].revents != 0)
		rc = hear(&c->err, c->run->arg);
	if (rc < 0 && c->rc == 0)
		stop(c, rc);
	else if (c->rc == 0 && !c->run->deaf && signal_pending())
		stop(c, -EINTR);
	look(c);
	if (c->ended && c->out.fd == -1 && c->err.fd == -1)
		return false;
	if (clock_mono_ms() < c->until)
		return true;
	if (c->ended)
		return false;	/* somebody else keeps its output open */
	stop(c, -ETIMEDOUT);
	return true;
}

/* It has ended. */
static int
collect(const struct child *c)
{
	int status = 0;

	/* What it left of its group goes with it if it was told to stop. */
	if (c->rc != 0)
		kill(-c->pid, SIGKILL);
	while (waitpid(c->pid, &status, 0) == -1 && errno == EINTR)
		;
	if (c->rc < 0)
		return c->rc;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status);
}

int
akt_run(const struct akt_run *run)
{
	struct child c = {
		.run = run, .in = -1,
		.out = { .fd = -1, .fn = run->out },
		.err = { .fd = -1, .fn = run->err },
	};
	int rc;

	if (!run->deaf && signal_pending())
		return -EINTR;
	rc = start(&c);
	c.until = clock_mono_ms() + run->timeout_ms;
	if (rc == 0)
		while (turn(&c))
			;
	split(&c.out, run->arg, true);
	close_fd(&c.in);
	close_fd(&c.out.fd);
	close_fd(&c.err.fd);
	buf_fini(&c.out.text);
	buf_fini(&c.err.text);
	return rc < 0 ? rc : collect(&c);
}
