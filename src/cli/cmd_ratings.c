/*
 * cmd_ratings.c - agentchat ratings: what receipts say about agents.
 */
#include "config.h"

#include "cli/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/err.h"
#include "cli/in.h"
#include "cli/out.h"
#include "ledger/ledger.h"
#include "spool/spool.h"

enum { OPT_FILE = OPT_OWN, OPT_RECEIPTS, OPT_STRONG };

#define RATINGS		"ratings.json"
#define RECEIPTS	"receipts.jsonl"
#define FILE_MAX	(256u << 20)
#define LEADERS		10

static const struct cmd_opt ratings_opts[] = {
	{ 'e', "export", NULL, "print all as JSON" },
	{ 'r', "recalculate", NULL, "from the receipts, into the file" },
	{ 'l', "leaderboard", NULL, "only the best [10]" },
	{ 's', "stats", NULL, "figures about all" },
	{ OPT_FILE, "file", "FILE", "ratings [DIR/ratings.json]" },
	{ OPT_RECEIPTS, "receipts", "FILE",
	    "-r from these [DIR/receipts.jsonl]" },
	{ OPT_STRONG, "strong", NULL, "-r without weak receipts" },
	{ 'i', "identity", "FILE", "only the agent with this key" },
	CMD_OPT_DIR,
	CMD_OPT_END
};

struct job {
	const struct cmd_line *cl;
	const char	*file, *receipts;
	bool		 export, recalculate, leaderboard, stats, strong;
	size_t		 leaders;
	struct rating	*all;
	size_t		 count;
	struct buf	 raw;		/* the file, if it was read */
	struct buf	 out;
};

static int
complain(const struct job *j, const char *what, int rc)
{
	return cmd_fail(j->cl->cmd, rc == -ENOENT ? EXIT_NOT_FOUND :
	    cmd_code(rc), "%s: %s", what, ac_strerror(rc));
}

/* The directory and the name of the ratings, which are to be written there. */
static int
locate(const struct job *j, int *dir, const char **name, char copy[4096])
{
	char *slash;

	*name = RATINGS;
	if (j->file == NULL)
		return spool_root(j->cl->dir, false, dir);
	if (strlen(j->file) >= 4096)
		return -ENAMETOOLONG;
	memcpy(copy, j->file, strlen(j->file) + 1);
	slash = strrchr(copy, '/');
	*name = slash != NULL ? slash + 1 : copy;
	if (slash != NULL)
		*slash = '\0';
	*dir = open(slash == NULL ? "." : slash == copy ? "/" : copy,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *dir == -1 ? -errno : 0;
}

/* --------------------------------------------------------------- from what */

static bool
read_one(const char *agent, const struct wire_value *v, struct rating *r)
{
	struct wire_value rating = wire_member(v, "rating");
	struct wire_value transactions = wire_member(v, "transactions");

	memset(r, 0, sizeof(*r));
	if (strlen(agent) >= sizeof(r->agent) || rating.kind != WIRE_NUM ||
	    !(rating.num >= 0 && rating.num < 1e9) ||
	    transactions.kind != WIRE_NUM || !(transactions.num >= 0 &&
	    transactions.num < 4e9))
		return false;
	memcpy(r->agent, agent, strlen(agent) + 1);
	r->elo.transactions = (unsigned)transactions.num;
	r->elo.rating = (int64_t)rating.num;
	return true;
}

/* ratings.json, as it stands. It may have more members than a message may. */
static int
parse_file(struct job *j, const struct buf *text)
{
	struct buf whole = BUF_INIT;
	const void *at = NULL;
	struct wire_value v, item;
	struct wire_msg m;
	const char *agent;
	size_t cap = 0;
	int rc;

	buf_adds(&whole, "{\"all\":");
	buf_add(&whole, text->p, text->len);
	buf_addc(&whole, '}');
	wire_msg_init(&m);
	rc = buf_err(&whole);
	if (rc == 0)
		rc = wire_parse_object(&m, whole.p, whole.len);
	if (rc == 0) {
		v = wire_find(&m, "all");
		rc = v.kind == WIRE_OBJ ? wire_unfold(&m, &v) : -EINVAL;
	}
	while (rc == 0 && wire_each(&v, &at, &agent, &item)) {
		if (j->count == cap) {
			struct rating *more;

			cap = cap != 0 ? 2 * cap : 64;
			more = reallocarray(j->all, cap, sizeof(*more));
			if (more == NULL) {
				rc = -ENOMEM;
				break;
			}
			j->all = more;
		}
		if (read_one(agent, &item, &j->all[j->count]))
			j->count++;
	}
	wire_msg_fini(&m);
	buf_fini(&whole);
	rating_sort(j->all, j->count);
	return rc;
}

static int
from_file(struct job *j)
{
	int rc = in_file(j->cl, j->file, RATINGS, FILE_MAX, &j->raw);
	int code = EXIT_OK;

	if (rc == 0 && j->raw.len > 0)
		rc = parse_file(j, &j->raw);
	if (rc == -ENOENT && j->file == NULL)
		rc = 0;			/* none yet */
	if (rc == AC_E_INVALID_MSG || rc == -EINVAL)
		code = cmd_fail(j->cl->cmd, EXIT_FAILED, "%s: these are no "
		    "ratings: make them anew with -r", j->file != NULL ?
		    j->file : RATINGS);
	else if (rc < 0)
		code = complain(j, j->file != NULL ? j->file : RATINGS, rc);
	return code;
}

static int
save(struct job *j)
{
	struct buf b = BUF_INIT;
	const char *name;
	char copy[4096];
	int dir, rc = locate(j, &dir, &name, copy);

	if (rc < 0)
		return rc;
	rating_print(&b, j->all, j->count);
	rc = buf_err(&b);
	if (rc == 0)
		rc = spool_replace(dir, name, b.p, b.len, true);
	close(dir);
	buf_fini(&b);
	return rc;
}

static int
from_receipts(struct job *j)
{
	struct rating_book *book = NULL;
	struct buf text = BUF_INIT;
	size_t used = 0;
	int rc = in_file(j->cl, j->receipts, RECEIPTS, FILE_MAX, &text);
	int code = EXIT_OK;

	if (rc == -ENOENT && j->receipts == NULL)
		rc = 0;			/* none yet */
	if (rc < 0)
		code = complain(j, j->receipts != NULL ? j->receipts :
		    RECEIPTS, rc);
	if (code == EXIT_OK) {
		rc = rating_book_new(&book, j->strong);
		if (rc == 0 && text.len > 0) {
			/* The last line may want its newline. */
			buf_addc(&text, '\n');
			rc = buf_err(&text);
		}
		if (rc == 0 && text.len > 0)
			rc = rating_book_add_lines(book, text.p, text.len,
			    &used);
		if (rc == 0)
			rc = rating_book_rate(book, &j->all, &j->count);
		if (rc == 0)
			rc = save(j);
		if (rc < 0)
			code = complain(j, j->file != NULL ? j->file :
			    RATINGS, rc);
	}
	rating_book_free(book);
	buf_fini(&text);
	return code;
}

/* ---------------------------------------------------------------- printing */

static void
print_row(struct job *j, const struct rating *r)
{
	char text[80];

	out_cell(&j->out, r->agent, 20);
	snprintf(text, sizeof(text), "%6lld  %u\n", (long long)r->elo.rating,
	    r->elo.transactions);
	buf_adds(&j->out, text);
}

static void
print_stats(struct job *j)
{
	double sum = 0;
	unsigned long transactions = 0;

	for (size_t i = 0; i < j->count; i++) {
		sum += (double)j->all[i].elo.rating;
		transactions += j->all[i].elo.transactions;
	}
	buf_addf(&j->out, "agents        %zu\ntransactions  %lu\n", j->count,
	    transactions / 2);
	if (j->count > 0)
		buf_addf(&j->out, "highest       %lld\naverage       %.1f\n"
		    "lowest        %lld\n", (long long)j->all[0].elo.rating,
		    sum / (double)j->count,
		    (long long)j->all[j->count - 1].elo.rating);
}

static void
print_agent(struct job *j, const char *agent)
{
	struct rating fresh = { .elo = { ELO_START, 0 } };

	for (size_t i = 0; i < j->count; i++)
		if (strcmp(j->all[i].agent, agent) == 0) {
			print_row(j, &j->all[i]);
			return;
		}
	snprintf(fresh.agent, sizeof(fresh.agent), "%s", agent);
	print_row(j, &fresh);
}

static int
print(struct job *j, const char *agent)
{
	size_t n = j->count;

	if (j->export && j->raw.len > 0) {
		buf_add(&j->out, j->raw.p, j->raw.len);
	} else if (j->export) {
		rating_print(&j->out, j->all, j->count);
	} else if (j->stats) {
		print_stats(j);
	} else if (agent != NULL) {
		print_agent(j, agent);
	} else {
		if (j->leaderboard && n > j->leaders)
			n = j->leaders;
		for (size_t i = 0; i < n; i++)
			print_row(j, &j->all[i]);
	}
	return out_put(&j->out);
}

/* Who has this key? The long id only if there is a rating of it. */
static int
agent_of(const struct job *j, struct in_agent *a)
{
	int code = in_agent(j->cl, a);

	for (size_t i = 0; code == EXIT_OK && i < j->count; i++)
		if (strcmp(j->all[i].agent, a->long_id) == 0)
			memcpy(a->id, a->long_id, sizeof(a->id));
	return code;
}

static int
ratings_do(struct job *j)
{
	const struct cmd_line *cl = j->cl;
	const char *agent = cl->argc > 0 ? cl->argv[0] : NULL;
	struct in_agent a;
	int64_t n;
	int code;

	if (agent != NULL && j->leaderboard) {
		if (conf_int(agent, 1, 1000000, &n) < 0)
			return cmd_usage(cl->cmd, "how many? '%s' is no number",
			    agent);
		j->leaders = (size_t)n;
		agent = NULL;
	}
	if (agent != NULL && !wire_agent_id_ok(agent, strlen(agent)))
		return cmd_usage(cl->cmd, "'%s' is no agent id: '@1f3a9c02' "
		    "is", agent);
	if (agent != NULL && cl->identity != NULL)
		return cmd_usage(cl->cmd, "an agent or its key, not both");
	if ((j->receipts != NULL || j->strong) && !j->recalculate)
		return cmd_usage(cl->cmd,
		    "--receipts and --strong are for -r");
	if (ident_init() < 0)
		return cmd_fail(cl->cmd, EXIT_FAILED,
		    "the cryptographic library fails");
	code = j->recalculate ? from_receipts(j) : from_file(j);
	if (code == EXIT_OK && cl->identity != NULL) {
		code = agent_of(j, &a);
		agent = a.id;
	}
	return code == EXIT_OK ? print(j, agent) : code;
}

static int
ratings_run(const struct cmd *cmd, int argc, char **argv)
{
	struct job j = { .leaders = LEADERS, .raw = BUF_INIT,
	    .out = BUF_INIT };
	struct cmd_line cl;
	int c, code;

	cmd_line_init(&cl, cmd, argc, argv);
	while ((c = cmd_getopt(&cl)) != -1)
		switch (c) {
		case 'e':
			j.export = true;
			break;
		case 'r':
			j.recalculate = true;
			break;
		case 'l':
			j.leaderboard = true;
			break;
		case 's':
			j.stats = true;
			break;
		case OPT_FILE:
			j.file = cl.arg;
			break;
		case OPT_RECEIPTS:
			j.receipts = cl.arg;
			break;
		case OPT_STRONG:
			j.strong = true;
			break;
		}
	j.cl = &cl;
	code = ratings_do(&j);
	free(j.all);
	buf_fini(&j.raw);
	buf_fini(&j.out);
	return code;
}

const struct cmd cmd_ratings = {
	.name = "ratings",
	.args = "[@agent | n]",
	.summary = "Show what receipts say about agents",
	.about = "An agent nobody has worked with has 1200.",
	.opts = ratings_opts,
	.min_args = 0, .max_args = 1,
	.run = ratings_run,
};
