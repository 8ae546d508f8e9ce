/*
 * tty.c - lines that a person types, or a program writes to us.
 *
 * libedit draws the prompt and the text; it is asked for one key at a time
 * (EL_UNBUFFERED) when the loop says that there is one. To print above, we
 * take its drawing off the screen, which takes knowing in which row of it the
 * cursor is, print, and have it drawn again.
 *
 * Signals don't touch the drawing from their handler: they write their number
 * to a pipe that the loop watches.
 */
#include "config.h"

#include "cli/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/attr.h"
#include "cli/out.h"
#include "lib/loop.h"

#define HISTORY_LINES	500
#define PROMPT_MAX	256
#define STEP		65536
#define KEY_MS		100	/* between the bytes of one key */

struct tty {
	struct loop	*loop;
	const struct tty_ops *ops;
	void		*arg;
	void		*watch;		/* of standard input; NULL: paused */
	struct buf	 text;		/* read, and not yet a line */
	bool		 giving;	/* lines of it are being given */
	bool		 ended;

	/* on a terminal */
	EditLine	*el;		/* NULL: elsewhere */
	History		*history;
	bool		 raw;		/* libedit has drawn, and reads keys */
	void		*sig_watch;
	char		 prompt[PROMPT_MAX];
};

/* Signals that concern a terminal, and what they did before. */
static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT,
    SIGWINCH };
static struct sigaction old_actions[AC_COUNTOF(signals)];
static int sig_pipe[2] = { -1, -1 };

static void
on_signal(int sig)
{
	unsigned char c = (unsigned char)sig;
	int saved = errno;

	(void)!write(sig_pipe[1], &c, 1);
	errno = saved;
}

bool
tty_is_terminal(void)
{
	const char *term = getenv("TERM");

	return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 &&
	    term != NULL && *term != '\0' && strcmp(term, "dumb") != 0;
}

/* ---------------------------------------------------------- the drawing */

static char *
prompt_of(EditLine *el)
{
	void *l = NULL;

	el_get(el, EL_CLIENTDATA, &l);
	return ((struct tty *)l)->prompt;
}

/* Columns that the terminal has. */
static int
columns(void)
{
	struct winsize ws;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0 ?
	    ws.ws_col : 80;
}

/*
 * Move (row, col) over text as the terminal does. Between two \1 nothing is
 * seen; a control character shows as two columns.
 */
static void
advance(const char *s, size_t len, int width, int *row, int *col)
{
	bool hidden = false;
	mbstate_t state;

	memset(&state, 0, sizeof(state));
	while (len > 0) {
		wchar_t wc = 0;
		size_t n = mbrtowc(&wc, s, len, &state);
		int w;

		if (n == 0 || n == (size_t)-1 || n == (size_t)-2) {
			memset(&state, 0, sizeof(state));
			n = 1;
		}
		w = wc == L'\1' ? 0 : wcwidth(wc);
		hidden ^= wc == L'\1';
		s += n;
		len -= n;
		if (hidden)
			continue;
		if (w < 0)
			w = 2;
		if (*col + w > width) {
			++*row;
			*col = 0;
		}
		*col += w;
		if (*col == width) {
			++*row;
			*col = 0;
		}
	}
}

/* Take the drawing off the screen: the cursor is where it began. */
static void
erase(struct tty *l)
{
	const LineInfo *li = el_line(l->el);
	int row = 0, col = 0, width = columns();

	advance(l->prompt, strlen(l->prompt), width, &row, &col);
	advance(li->buffer, (size_t)(li->cursor - li->buffer), width, &row,
	    &col);
	fputc('\r', stdout);
	if (row > 0)
		fprintf(stdout, "\033[%dA", row);
	fputs("\033[J", stdout);
	fflush(stdout);
}

static void
draw(struct tty *l, bool on)
{
	if (l->raw == on)
		return;
	l->raw = on;
	el_set(l->el, EL_UNBUFFERED, (int)on);
}

void
tty_end(struct tty *l)
{
	if (l->ended)
		return;
	l->ended = true;
	if (l->el != NULL && l->raw) {
		erase(l);
		draw(l, false);
	}
	tty_pause(l, true);
	l->ops->end(l->arg);
}

/* ----------------------------------------------------------- a terminal */

/*
 * The line is done. What was typed goes off the screen: whoever takes it shows
 * what has become of it.
 */
static void
give_typed(struct tty *l, const char *text, size_t len)
{
	char *copy = strndup(text, len);
	int row = 0, col = 0, width = columns();
	HistEvent ev;

	advance(l->prompt, strlen(l->prompt), width, &row, &col);
	advance(text, len, width, &row, &col);
	fprintf(stdout, "\r\033[%dA\033[J", row + 1);
	fflush(stdout);
	draw(l, false);
	if (copy != NULL && len > 0) {
		history(l->history, &ev, H_ENTER, copy);
		l->ops->line(l->arg, copy, len);
	}
	free(copy);
	if (!l->ended)
		draw(l, true);
}

/* Is there a key, or has the terminal gone? */
static bool
has_key(void)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
	int n = 0;

	if (poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLIN) != 0 &&
	    ioctl(STDIN_FILENO, FIONREAD, &n) == 0)
		return n > 0;
	return false;
}

/*
 * The next character for libedit. It is only asked when there is one; but an
 * Escape alone begins a key that never comes, and meanwhile the loop stands.
 */
static int
get_char(EditLine *el, wchar_t *out)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
	mbstate_t state;
	ssize_t n;
	char c;

	(void)el;
	memset(&state, 0, sizeof(state));
	for (;;) {
		if (poll(&pfd, 1, KEY_MS) != 1)
			return 0;
		n = read(STDIN_FILENO, &c, 1);
		if (n != 1)
			return (int)n;
		switch (mbrtowc(out, &c, 1, &state)) {
		case (size_t)-2:
			break;
		case (size_t)-1:	/* not of this locale: drop it */
			memset(&state, 0, sizeof(state));
			break;
		default:
			return 1;
		}
	}
}

static void
on_key(void *arg)
{
	struct tty *l = arg;
	const char *text;
	int n = 0;

	if (l->ended)
		return;
	if (!has_key()) {
		tty_end(l);
		return;
	}
	while (!l->ended && l->raw && has_key()) {
		text = el_gets(l->el, &n);
		if (text == NULL || n <= 0)
			continue;
		/* ^D on an empty line comes as that character. */
		if (n == 1 && text[0] == '\004')
			tty_end(l);
		else if (text[n - 1] == '\n' || text[n - 1] == '\r')
			give_typed(l, text, (size_t)n - 1);
	}
}

static unsigned char
on_tab(EditLine *el, int key)
{
	const LineInfo *li = el_line(el);
	struct buf more = BUF_INIT;
	struct tty *l = NULL;
	unsigned char rc = CC_ERROR;

	(void)key;
	el_get(el, EL_CLIENTDATA, &l);
	if (l->ops->complete != NULL)
		l->ops->complete(l->arg, li->buffer,
		    (size_t)(li->cursor - li->buffer), &more);
	if (more.len > 0 && el_insertstr(el, more.p) == 0)
		rc = CC_REFRESH;
	buf_fini(&more);
	return rc;
}

/* Stop as anybody stops for ^Z, with the terminal as it was. */
static void
suspend(struct tty *l)
{
	struct sigaction own;

	erase(l);
	draw(l, false);
	sigaction(SIGTSTP, NULL, &own);
	signal(SIGTSTP, SIG_DFL);
	raise(SIGTSTP);
	sigaction(SIGTSTP, &own, NULL);
	draw(l, true);
}

/* ^C drops what has been typed; where that is nothing, it ends. */
static void
interrupt(struct tty *l)
{
	const LineInfo *li = el_line(l->el);

	if (li->lastchar == li->buffer) {
		tty_end(l);
		return;
	}
	erase(l);
	draw(l, false);
	draw(l, true);
}

static void
on_signals(void *arg)
{
	struct tty *l = arg;
	unsigned char c;

	while (!l->ended && read(sig_pipe[0], &c, 1) == 1) {
		switch (c) {
		case SIGINT:
			interrupt(l);
			break;
		case SIGTSTP:
			suspend(l);
			break;
		case SIGCONT:	/* somebody else's: draw anew */
			draw(l, false);
			draw(l, true);
			break;
		case SIGWINCH:
			erase(l);
			el_resize(l->el);
			el_set(l->el, EL_REFRESH);
			break;
		default:
			tty_end(l);
			break;
		}
	}
}

static int
catch_signals(struct tty *l)
{
	struct sigaction sa = { .sa_handler = on_signal,
	    .sa_flags = SA_RESTART };

	if (pipe2(sig_pipe, O_CLOEXEC | O_NONBLOCK) == -1)
		return -errno;
	sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < AC_COUNTOF(signals); i++)
		sigaction(signals[i], &sa, &old_actions[i]);
	return loop_watch(l->loop, sig_pipe[0], on_signals, l, &l->sig_watch);
}

static void
release_signals(struct tty *l)
{
	if (sig_pipe[0] == -1)
		return;
	for (size_t i = 0; i < AC_COUNTOF(signals); i++)
		sigaction(signals[i], &old_actions[i], NULL);
	if (l->sig_watch != NULL)
		loop_unwatch(l->loop, l->sig_watch);
	close(sig_pipe[0]);
	close(sig_pipe[1]);
	sig_pipe[0] = sig_pipe[1] = -1;
}

static int
open_terminal(struct tty *l)
{
	HistEvent ev;

	/* Without a locale of its own, text is UTF-8 all the same. */
	if (setlocale(LC_CTYPE, "") == NULL || MB_CUR_MAX == 1)
		(void)!setlocale(LC_CTYPE, "C.UTF-8");
	l->el = el_init("agentchat", stdin, stdout, stderr);
	l->history = history_init();
	if (l->el == NULL || l->history == NULL)
		return -ENOMEM;
	history(l->history, &ev, H_SETSIZE, HISTORY_LINES);
	history(l->history, &ev, H_SETUNIQUE, 1);
	el_set(l->el, EL_CLIENTDATA, l);
	el_set(l->el, EL_SIGNAL, 0);
	el_set(l->el, EL_PROMPT_ESC, prompt_of, '\1');
	el_set(l->el, EL_GETCFN, get_char);
	el_set(l->el, EL_EDITOR, "emacs");
	el_set(l->el, EL_HIST, history, l->history);
	el_set(l->el, EL_ADDFN, "complete", "complete a word", on_tab);
	el_set(l->el, EL_BIND, "^I", "complete", NULL);
	el_source(l->el, NULL);
	return catch_signals(l);
}

/* ------------------------------------------------------------ elsewhere */

/* Give the whole lines that are there; what is left is the start of one. */
static void
give_read(struct tty *l, bool all)
{
	size_t at = 0;

	l->giving = true;
	while (at < l->text.len && l->watch != NULL) {
		const char *p = l->text.p + at;
		const char *nl = memchr(p, '\n', l->text.len - at);
		size_t len = nl != NULL ? (size_t)(nl - p) : l->text.len - at;

		if (nl == NULL && !all && len < TTY_LINE_MAX)
			break;
		at += len + (nl != NULL);
		if (len > 0)
			l->ops->line(l->arg, p, len);
	}
	buf_drop(&l->text, at);
	l->giving = false;
}

static void
on_input(void *arg)
{
	struct tty *l = arg;
	char *p = buf_reserve(&l->text, STEP);
	ssize_t n;

	if (p == NULL) {
		tty_end(l);
		return;
	}
	n = read(STDIN_FILENO, p, STEP);
	if (n == -1 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		l->text.len += (size_t)n;
		l->text.p[l->text.len] = '\0';
	}
	give_read(l, n <= 0);
	if (n <= 0 && l->text.len == 0)
		tty_end(l);
}

/* ----------------------------------------------------------------------- */

int
tty_open(struct tty **out, struct loop *loop, const struct tty_ops *ops,
    void *arg)
{
	struct tty *l = calloc(1, sizeof(*l));
	int rc = 0;

	if (l == NULL)
		return -ENOMEM;
	l->loop = loop;
	l->ops = ops;
	l->arg = arg;
	if (tty_is_terminal())
		rc = open_terminal(l);
	if (rc == 0)
		rc = loop_watch(loop, STDIN_FILENO,
		    l->el != NULL ? on_key : on_input, l, &l->watch);
	if (rc < 0) {
		tty_close(l);
		return rc;
	}
	if (l->el != NULL)
		draw(l, true);
	*out = l;
	return 0;
}

void
tty_close(struct tty *l)
{
	if (l == NULL)
		return;
	if (l->el != NULL) {
		if (l->raw) {
			erase(l);
			draw(l, false);
		}
		el_end(l->el);
		release_signals(l);
	}
	if (l->history != NULL)
		history_end(l->history);
	if (l->watch != NULL)
		loop_unwatch(l->loop, l->watch);
	buf_fini(&l->text);
	free(l);
}

void
tty_prompt(struct tty *l, const char *prompt)
{
	if (strcmp(prompt, l->prompt) == 0)
		return;
	if (l->raw)
		erase(l);
	snprintf(l->prompt, sizeof(l->prompt), "%s", prompt);
	if (l->raw)
		el_set(l->el, EL_REFRESH);
}

int
tty_print(struct tty *l, struct buf *b)
{
	int code;

	if (l->raw)
		erase(l);
	code = out_put(b);
	if (l->raw)
		el_set(l->el, EL_REFRESH);
	return code;
}

void
tty_pause(struct tty *l, bool pause)
{
	if (pause && l->watch != NULL) {
		loop_unwatch(l->loop, l->watch);
		l->watch = NULL;
	} else if (!pause && l->watch == NULL && !l->ended) {
		/* Not to be had again: what is written to us ends here. */
		if (loop_watch(l->loop, STDIN_FILENO,
		    l->el != NULL ? on_key : on_input, l, &l->watch) < 0)
			tty_end(l);
		else if (l->el == NULL && !l->giving)
			give_read(l, false);
	}
}
