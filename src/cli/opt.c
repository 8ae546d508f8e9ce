/*
 * opt.c - a command's line, read by the options it declares.
 */
#include "config.h"

#include "cli/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "cli/out.h"

#define OPTS_MAX 48	/* of one command; the table's test counts them */

void
cmd_line_init(struct cmd_line *cl, const struct cmd *cmd, int argc,
    char **argv)
{
	memset(cl, 0, sizeof(*cl));
	cl->cmd = cmd;
	cl->argc = argc;
	cl->argv = argv;
	cl->timeout_ms = -1;
	cl->pass_fd = -1;
	optind = 0;	/* glibc and the BSDs: begin anew */
}

/* What getopt_long() wants, made from what the command declares. */
static void
make_tables(const struct cmd *cmd, struct option longs[OPTS_MAX + 2],
    char shorts[2 * OPTS_MAX + 4])
{
	bool own_h = false;
	size_t n = 0;
	char *s = shorts;

	*s++ = ':';
	for (const struct cmd_opt *o = cmd->opts;
	    o != NULL && o->c != 0 && n < OPTS_MAX; o++) {
		longs[n++] = (struct option){ o->name,
		    o->arg != NULL ? required_argument : no_argument, NULL,
		    o->c };
		if (o->c >= OPT_HELP)
			continue;
		own_h |= o->c == 'h';
		*s++ = (char)o->c;
		if (o->arg != NULL)
			*s++ = ':';
	}
	longs[n++] = (struct option){ "help", no_argument, NULL, OPT_HELP };
	longs[n] = (struct option){ NULL, 0, NULL, 0 };
	if (!own_h)
		*s++ = 'h';
	*s = '\0';
}

static const struct cmd_opt *
declared(const struct cmd *cmd, int c)
{
	for (const struct cmd_opt *o = cmd->opts; o != NULL && o->c != 0; o++)
		if (o->c == c)
			return o;
	return NULL;
}

static void
show_help(const struct cmd *cmd)
{
	struct buf b = BUF_INIT;
	int code;

	cmd_help_one(&b, cmd);
	code = out_put(&b);
	buf_fini(&b);
	exit(code);
}

/* -t is short for --timeout but where the command says otherwise. */
static bool
is_timeout(const struct cmd *cmd)
{
	const struct cmd_opt *o = cmd->opts;

	while (o->c != 't')
		o++;
	return strcmp(o->name, "timeout") == 0;
}

/* Keep a shared option; false: it is the command's own. */
static bool
keep_shared(struct cmd_line *cl, int c)
{
	switch (c) {
	case OPT_DIR:
		cl->dir = cl->arg;
		break;
	case 'I':
		cl->instance = cl->arg;
		break;
	case 'i':
		cl->identity = cl->arg;
		break;
	case 'n':
		cl->name = cl->arg;
		break;
	case OPT_CA:
		cl->ca = cl->arg;
		break;
	case OPT_JSON:
		cl->json = true;
		break;
	case OPT_EPHEMERAL:
		cl->ephemeral = true;
		break;
	case OPT_PASS_FD:
		cl->pass_fd = (int)cmd_int(cl, 0, INT_MAX);
		break;
	case 't':
		if (!is_timeout(cl->cmd))
			return false;
		cl->timeout_ms = cmd_span(cl, 0, INT64_C(1) << 40);
		break;
	default:
		return false;
	}
	return true;
}

/* All options are read: what remains are operands. */
static void
take_operands(struct cmd_line *cl)
{
	const struct cmd *cmd = cl->cmd;

	cl->argc -= optind;
	cl->argv += optind;
	if (cmd->server != CMD_NO_SERVER && cl->argc > 0 &&
	    strstr(cl->argv[0], "://") != NULL) {
		cl->server = cl->argv[0];
		cl->argc--;
		cl->argv++;
	}
	if (cmd->server == CMD_MUST_SERVER && cl->server == NULL) {
		if (cl->argc > 0)
			exit(cmd_usage(cmd, "'%s' is no relay: "
			    "ws://HOST[:PORT] or wss://... is", cl->argv[0]));
		exit(cmd_usage(cmd, "which relay? ws://HOST[:PORT] "
		    "or wss://..."));
	}
	if (cl->argc < cmd->min_args)
		exit(cmd_usage(cmd, "something is missing"));
	if (cmd->max_args >= 0 && cl->argc > cmd->max_args)
		exit(cmd_usage(cmd, "'%s' is too much",
		    cl->argv[cmd->max_args]));
}

int
cmd_getopt(struct cmd_line *cl)
{
	struct option longs[OPTS_MAX + 2];
	char shorts[2 * OPTS_MAX + 4];
	const struct cmd_opt *o;
	int c, at;

	make_tables(cl->cmd, longs, shorts);
	for (;;) {
		at = optind > 0 ? optind : 1;
		c = getopt_long(cl->argc, cl->argv, shorts, longs, NULL);
		cl->arg = optarg;
		if (c == -1) {
			take_operands(cl);
			cmd_line_here(cl);
			return -1;
		}
		if (c == OPT_HELP ||
		    (c == 'h' && declared(cl->cmd, 'h') == NULL))
			show_help(cl->cmd);
		if (c == ':')
			exit(cmd_usage(cl->cmd, "%s wants an argument",
			    cl->argv[optind - 1]));
		if (c == '?' && optopt > 0 && optopt < OPT_HELP &&
		    declared(cl->cmd, optopt) == NULL)
			exit(cmd_usage(cl->cmd, "no option -%c", optopt));
		if (c == '?')	/* unknown, ambiguous, or --flag=value */
			exit(cmd_usage(cl->cmd, "no option %s",
			    cl->argv[optind > at ? optind - 1 : at]));
		o = declared(cl->cmd, c);
		cl->opt = o != NULL ? o->name : NULL;
		if (!keep_shared(cl, c))
			return c;
	}
}

/* Say what is wrong with the argument of the option just read, and exit. */
static void
bad_argument(const struct cmd_line *cl, int rc, const char *what)
{
	const char *opt = cl->opt != NULL ? cl->opt : "";

	if (rc == -ERANGE)
		exit(cmd_usage(cl->cmd, "--%s %s is out of range", opt,
		    cl->arg));
	exit(cmd_usage(cl->cmd, "--%s: '%s' is no %s", opt, cl->arg, what));
}

int64_t
cmd_int(const struct cmd_line *cl, int64_t min, int64_t max)
{
	int64_t n = 0;
	int rc = conf_int(cl->arg, min, max, &n);

	if (rc < 0)
		bad_argument(cl, rc, "number");
	return n;
}

int64_t
cmd_size(const struct cmd_line *cl, int64_t min, int64_t max)
{
	int64_t n = 0;
	int rc = conf_size(cl->arg, min, max, &n);

	if (rc < 0)
		bad_argument(cl, rc, "size: 512, 64k, 1M");
	return n;
}

int64_t
cmd_span(const struct cmd_line *cl, int64_t min, int64_t max)
{
	int64_t n = 0;
	int rc = conf_span_ms(cl->arg, min, max, &n);

	if (rc < 0)
		bad_argument(cl, rc, "span: 250ms, 30s, 5m");
	return n;
}

double
cmd_double(const struct cmd_line *cl, double min, double max)
{
	double d = 0;
	int rc = conf_double(cl->arg, min, max, &d);

	if (rc < 0)
		bad_argument(cl, rc, "number");
	return d;
}
