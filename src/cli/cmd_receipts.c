/*
 * cmd_receipts.c - agentchat receipts: what is left of completed and disputed
 * work, and whether it holds.
 */
#include "config.h"

#include "cli/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/in.h"
#include "cli/out.h"
#include "cli/yaml.h"
#include "ident/ident.h"
#include "ledger/ledger.h"

enum { OPT_FILE = OPT_OWN };

#define RECEIPTS	"receipts.jsonl"
#define FILE_MAX	(256u << 20)
#define SUMS_MAX	64

static const struct cmd_opt receipts_opts[] = {
	{ 'f', "format", "FORMAT", "of export: json or yaml [json]" },
	{ 'i', "identity", "FILE", "only this agent's" },
	{ OPT_FILE, "file", "FILE", "receipts [DIR/receipts.jsonl]" },
	CMD_OPT_DIR,
	CMD_OPT_END
};

/* A sum per currency. */
struct sum {
	char	 currency[WIRE_WORD_MAX + 1];
	double	 amount;
};

struct job {
	const struct cmd *cmd;
	bool		 yaml;
	bool		 only;		/* this agent's: */
	struct in_agent	 agent;
	struct buf	 out;
	size_t		 lines, strong, weak, bad, disputes;
	struct sum	 sum[SUMS_MAX];
	size_t		 sums;
	void		(*each)(struct job *, const char *line, size_t len,
			    const struct receipt *, int rc, const char *check);
};

static bool
concerns(const struct job *j, const char *agent)
{
	return strcmp(agent, j->agent.id) == 0 ||
	    strcmp(agent, j->agent.long_id) == 0;
}

/* ---------------------------------------------------------- the commands */

static void
put_when(struct buf *b, int64_t ms)
{
	char when[CLOCK_ISO_MAX];

	if (ms <= 0) {
		out_cell(b, "-", 19);
		return;
	}
	clock_iso(ms, when);
	when[19] = '\0';
	buf_adds(b, when);
}

static void
list_each(struct job *j, const char *line, size_t len,
    const struct receipt *r, int rc, const char *check)
{
	struct buf *b = &j->out;

	(void)line;
	(void)len;
	if (rc < 0) {
		buf_addf(b, "line %zu: no good receipt (%s)\n", j->lines,
		    check);
		return;
	}
	put_when(b, r->ts);
	buf_adds(b, r->type == WIRE_COMPLETE ? "  completed  " :
	    "  disputed   ");
	out_text(b, r->id, strlen(r->id));
	buf_addf(b, "  %s -> %s", r->from, r->to);
	if (r->type == WIRE_DISPUTE)
		buf_addf(b, "  by %s", r->by);
	if (r->amount > 0) {
		buf_adds(b, "  ");
		wire_json_num(b, r->amount);
		buf_addc(b, ' ');
		out_text(b, r->currency, strlen(r->currency));
	}
	buf_adds(b, r->strong ? "\n" : "  (weak)\n");
}

static void
verify_each(struct job *j, const char *line, size_t len,
    const struct receipt *r, int rc, const char *check)
{
	(void)line;
	(void)len;
	if (rc < 0) {
		buf_addf(&j->out, "line %zu: FAILED: %s\n", j->lines, check);
		return;
	}
	buf_addf(&j->out, "line %zu: %s: ", j->lines,
	    r->strong ? "strong" : "weak");
	out_text(&j->out, r->id, strlen(r->id));
	buf_addc(&j->out, '\n');
}

static void
export_each(struct job *j, const char *line, size_t len,
    const struct receipt *r, int rc, const char *check)
{
	(void)r;
	(void)rc;
	(void)check;
	if (j->yaml) {
		if (yaml_item(&j->out, line, len) < 0)
			cmd_say(j->cmd, "line %zu is left out: it is no JSON "
			    "object", j->lines);
		return;
	}
	buf_adds(&j->out, j->out.len == 0 ? "[\n" : ",\n");
	buf_add(&j->out, line, len);
}

static void
summary_each(struct job *j, const char *line, size_t len,
    const struct receipt *r, int rc, const char *check)
{
	size_t i = 0;

	(void)line;
	(void)len;
	(void)check;
	if (rc < 0 || r->type != WIRE_COMPLETE || !(r->amount > 0))
		return;
	while (i < j->sums && strcmp(j->sum[i].currency, r->currency) != 0)
		i++;
	if (i == SUMS_MAX)
		return;
	if (i == j->sums) {
		memcpy(j->sum[i].currency, r->currency, sizeof(r->currency));
		j->sums++;
	}
	j->sum[i].amount += r->amount;
}

static void
summarize(struct job *j)
{
	struct buf *b = &j->out;
	size_t good = j->strong + j->weak;

	buf_addf(b, "completed  %zu\ndisputed   %zu\nstrong     %zu\n"
	    "weak       %zu\n", good - j->disputes, j->disputes, j->strong,
	    j->weak);
	if (j->bad > 0)
		buf_addf(b, "not good   %zu\n", j->bad);
	for (size_t i = 0; i < j->sums; i++) {
		buf_adds(b, "total      ");
		wire_json_num(b, j->sum[i].amount);
		buf_addc(b, ' ');
		out_text(b, j->sum[i].currency, strlen(j->sum[i].currency));
		buf_addc(b, '\n');
	}
}

/* ---------------------------------------------------------------- reading */

static int
one_line(struct job *j, const char *line, size_t len)
{
	const char *check = "";
	struct receipt r;
	int rc;

	j->lines++;
	if (len == 0)
		return 0;
	rc = receipt_check(&r, line, len, &check);
	if (rc == -ENOMEM)
		return rc;
	if (j->only && (rc < 0 || (!concerns(j, r.from) &&
	    !concerns(j, r.to))))
		return 0;
	if (rc < 0)
		j->bad++;
	else if (r.strong)
		j->strong++;
	else
		j->weak++;
	j->disputes += rc == 0 && r.type == WIRE_DISPUTE;
	j->each(j, line, len, &r, rc, check);
	return buf_err(&j->out);
}

static int
all_lines(struct job *j, const struct buf *text)
{
	const char *p = text->p, *end = p + text->len, *nl;
	int rc = 0;

	for (; rc == 0 && p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL)
			nl = end;
		rc = one_line(j, p, (size_t)(nl - p));
	}
	return rc;
}

static int
read_file(const struct cmd_line *cl, const char *path, struct buf *out)
{
	int rc = in_file(cl, path, RECEIPTS, FILE_MAX, out);

	if (rc == -ENOENT && path == NULL)
		return EXIT_OK;		/* none yet */
	if (rc < 0)
		return cmd_fail(cl->cmd, rc == -ENOENT ? EXIT_NOT_FOUND :
		    cmd_code(rc), "%s: %s", path != NULL ? path : RECEIPTS,
		    ac_strerror(rc));
	return EXIT_OK;
}

static int
finish(struct job *j, const char *verb)
{
	int code;

	if (strcmp(verb, "export") == 0 && !j->yaml)
		buf_adds(&j->out, j->out.len == 0 ? "[]\n" : "\n]\n");
	if (strcmp(verb, "export") == 0 && j->yaml && j->out.len == 0)
		buf_adds(&j->out, "[]\n");
	if (strcmp(verb, "summary") == 0)
		summarize(j);
	code = out_put(&j->out);
	if (code == EXIT_OK && strcmp(verb, "verify") == 0 && j->bad > 0)
		code = EXIT_FAILED;
	return code;
}

static int
receipts_do(const struct cmd_line *cl, struct job *j, const char *verb,
    const char *file)
{
	struct buf text = BUF_INIT;
	int code, rc;

	if (strcmp(verb, "list") == 0)
		j->each = list_each;
	else if (strcmp(verb, "export") == 0)
		j->each = export_each;
	else if (strcmp(verb, "summary") == 0)
		j->each = summary_each;
	else if (strcmp(verb, "verify") == 0)
		j->each = verify_each;
	else
		return cmd_usage(cl->cmd, "'%s'? It is list, export, summary "
		    "or verify", verb);
	if (ident_init() < 0)
		return cmd_fail(cl->cmd, EXIT_FAILED,
		    "the cryptographic library fails");
	j->only = cl->identity != NULL;
	code = j->only ? in_agent(cl, &j->agent) : EXIT_OK;
	if (code == EXIT_OK)
		code = read_file(cl, file, &text);
	rc = code == EXIT_OK && text.len > 0 ? all_lines(j, &text) : 0;
	if (rc < 0)
		code = cmd_fail(cl->cmd, EXIT_FAILED, "%s", ac_strerror(rc));
	buf_fini(&text);
	return code == EXIT_OK ? finish(j, verb) : code;
}

static int
receipts_run(const struct cmd *cmd, int argc, char **argv)
{
	struct job j = { .cmd = cmd, .out = BUF_INIT };
	const char *file = NULL;
	struct cmd_line cl;
	int c, code;

	cmd_line_init(&cl, cmd, argc, argv);
	while ((c = cmd_getopt(&cl)) != -1)
		switch (c) {
		case 'f':
			j.yaml = strcmp(cl.arg, "yaml") == 0;
			if (!j.yaml && strcmp(cl.arg, "json") != 0)
				return cmd_usage(cmd,
				    "--format is json or yaml");
			break;
		case OPT_FILE:
			file = cl.arg;
			break;
		}
	if (cl.argc > 1)
		file = cl.argv[1];
	code = receipts_do(&cl, &j, cl.argv[0], file);
	buf_fini(&j.out);
	return code;
}

const struct cmd cmd_receipts = {
	.name = "receipts",
	.args = "list|export|summary|verify [file]",
	.summary = "Show and check receipts of work",
	.about = "verify needs nothing but the file: it ends with 1 if a "
	    "receipt doesn't hold, and\nnames the check that failed.",
	.opts = receipts_opts,
	.min_args = 1, .max_args = 2,
	.run = receipts_run,
};
