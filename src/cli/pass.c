/*
 * pass.c - a passphrase, from the terminal or a descriptor.
 *
 * Never from the command line or the environment, which others can see. While
 * the terminal doesn't echo, the signals that end or stop a program are held
 * back and only let in while we wait: so the terminal is always set right
 * before they do their work.
 */
#include "config.h"

#include "cli/pass.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/err.h"
#include "ident/ident.h"

static const int held[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

struct hold {
	sigset_t	 mask;		/* as it was */
	struct sigaction act[AC_COUNTOF(held)];
};

/* Which of them came. */
static volatile sig_atomic_t caught;

static void
note(int sig)
{
	caught = sig;
}

static void
hold_signals(struct hold *h)
{
	struct sigaction act = { .sa_handler = note };
	sigset_t set;

	sigemptyset(&set);
	sigemptyset(&act.sa_mask);
	for (size_t i = 0; i < AC_COUNTOF(held); i++)
		sigaddset(&set, held[i]);
	sigprocmask(SIG_BLOCK, &set, &h->mask);
	caught = 0;
	for (size_t i = 0; i < AC_COUNTOF(held); i++) {
		sigaction(held[i], NULL, &h->act[i]);
		if (h->act[i].sa_handler != SIG_IGN)
			sigaction(held[i], &act, NULL);
	}
}

/* What came does its work now, with the terminal as it was. */
static void
let_signals_go(const struct hold *h)
{
	for (size_t i = 0; i < AC_COUNTOF(held); i++)
		sigaction(held[i], &h->act[i], NULL);
	if (caught != 0)
		raise(caught);
	sigprocmask(SIG_SETMASK, &h->mask, NULL);
}

/* One line; -EINTR: a signal; -ENODATA: the end; -EFBIG: it's longer. */
static int
read_typed(struct pass *p, int tty, const sigset_t *mask)
{
	struct pollfd pfd = { .fd = tty, .events = POLLIN };
	ssize_t n;

	if (ppoll(&pfd, 1, NULL, mask) == -1)
		return -errno;
	n = read(tty, p->text, sizeof(p->text));
	if (n == -1)
		return -errno;
	if (n == 0)
		return -ENODATA;
	p->len = (size_t)n;
	if (p->text[n - 1] == '\n')
		p->len--;
	else if (p->len == sizeof(p->text))
		return -EFBIG;
	return 0;
}

static int
ask(struct pass *p, int tty, const char *prompt)
{
	struct termios was, quiet;
	struct hold hold;
	int rc;

	if (tcgetattr(tty, &was) == -1)
		return -errno;
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK);
	quiet.c_lflag |= ICANON | ECHONL;
	do {
		hold_signals(&hold);
		rc = tcsetattr(tty, TCSAFLUSH, &quiet) == -1 ? -errno : 0;
		if (rc == 0 && write(tty, prompt, strlen(prompt)) == -1)
			rc = -errno;
		if (rc == 0)
			rc = read_typed(p, tty, &hold.mask);
		(void)tcsetattr(tty, TCSAFLUSH, &was);
		let_signals_go(&hold);
	} while (rc == -EINTR);		/* stopped, and continued */
	return rc;
}

/* Byte by byte: what is behind the line is somebody else's. */
static int
read_line(struct pass *p, int fd)
{
	ssize_t n;
	char c;

	for (p->len = 0;;) {
		n = read(fd, &c, 1);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -errno;
		if (n == 0 || c == '\n')
			return 0;
		if (p->len == sizeof(p->text))
			return -EFBIG;
		p->text[p->len++] = c;
	}
}

static int
from_terminal(struct pass *p, const struct cmd *cmd, const char *prompt,
    bool twice)
{
	struct pass again = { .len = 0 };
	bool same = true;
	int tty, rc;

	tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (tty == -1)
		return cmd_fail(cmd, EXIT_FAILED, "there is no terminal to ask "
		    "for the passphrase: use --passphrase-fd");
	rc = ask(p, tty, prompt);
	if (rc == 0 && twice && p->len > 0) {
		rc = ask(&again, tty, "Once more: ");
		same = again.len == p->len &&
		    memcmp(again.text, p->text, p->len) == 0;
		pass_wipe(&again);
	}
	close(tty);
	if (rc < 0)
		return cmd_fail(cmd, EXIT_FAILED, "no passphrase: %s",
		    rc == -ENODATA ? "end of input" : ac_strerror(rc));
	if (!same)
		return cmd_fail(cmd, EXIT_FAILED, "the two differ");
	return EXIT_OK;
}

int
pass_read(struct pass *p, const struct cmd *cmd, int fd, const char *prompt,
    bool twice)
{
	int code = EXIT_OK, rc;

	p->len = 0;
	if (fd == -1) {
		code = from_terminal(p, cmd, prompt, twice);
	} else {
		rc = read_line(p, fd);
		if (rc < 0)
			code = cmd_fail(cmd, EXIT_FAILED,
			    "passphrase from descriptor %d: %s", fd,
			    ac_strerror(rc));
	}
	if (code == EXIT_OK && p->len == 0)
		code = cmd_fail(cmd, EXIT_FAILED, "the passphrase is empty");
	return code;
}

void
pass_wipe(struct pass *p)
{
	explicit_bzero(p, sizeof(*p));
}

int
pass_fail(const struct cmd *cmd, const char *path, int rc)
{
	switch (-rc) {
	case ENOENT:
		return cmd_fail(cmd, EXIT_NOT_FOUND, "there is no %s: "
		    "'agentchat identity --generate' makes one", path);
	case EACCES:
		return cmd_fail(cmd, EXIT_FAILED, "%s is not only yours: it "
		    "must belong to you, with mode 600", path);
	case ELOOP:
		return cmd_fail(cmd, EXIT_FAILED, "%s is a symbolic link: "
		    "name the file itself", path);
	case EINVAL:
		return cmd_fail(cmd, EXIT_FAILED, "%s is not an identity, or "
		    "its two keys don't belong together", path);
	case ENOKEY:
		return cmd_fail(cmd, EXIT_FAILED, "%s is locked: it needs its "
		    "passphrase", path);
	case EKEYREJECTED:
		return cmd_fail(cmd, EXIT_FAILED, "this is not the passphrase "
		    "of %s", path);
	case EKEYREVOKED:
		return cmd_fail(cmd, EXIT_FAILED, "the key in %s is revoked: "
		    "generate a new one", path);
	case EEXIST:
		return cmd_fail(cmd, EXIT_FAILED, "%s is there already: "
		    "--force replaces it, and its key is lost", path);
	default:
		return cmd_fail(cmd, cmd_code(rc), "%s: %s", path,
		    ac_strerror(rc));
	}
}
