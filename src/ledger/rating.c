/*
 * rating.c - what a pile of receipts says about agents.
 *
 * The order in which deals are rated matters, so it must not depend on who
 * saw which first: it is that of their time, then of their id.
 */
#include "config.h"

#include "ledger/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* What of a receipt is needed to rate it. */
struct deal {
	char		*key;		/* what makes it this deal */
	size_t		 key_len;
	bool		 dispute, strong;
	char		 from[WIRE_AGENT_MAX + 1], to[WIRE_AGENT_MAX + 1];
	char		 by[WIRE_AGENT_MAX + 1];
	double		 amount;
	int64_t		 ts;
};

struct rating_book {
	bool		 strong_only;
	struct map	 known;		/* deals by key */
};

int
rating_book_new(struct rating_book **out, bool strong_only)
{
	struct rating_book *b = calloc(1, sizeof(*b));

	*out = b;
	if (b == NULL)
		return -ENOMEM;
	b->strong_only = strong_only;
	map_init(&b->known);
	return 0;
}

static void
deal_free(struct deal *d)
{
	free(d->key);
	free(d);
}

void
rating_book_free(struct rating_book *b)
{
	struct deal *d;
	size_t at = 0;

	if (b == NULL)
		return;
	while ((d = map_next(&b->known, &at)) != NULL)
		deal_free(d);
	map_fini(&b->known);
	free(b);
}

size_t
rating_book_count(const struct rating_book *b)
{
	return b->known.count;
}

/*
 * Parties are part of it: else whoever makes up a receipt with the id of
 * somebody else's deal would keep that from being counted.
 */
static char *
deal_key(const struct receipt *r)
{
	struct buf b = BUF_INIT;

	buf_addf(&b, "%s %s %s", r->from, r->to, r->id);
	if (buf_err(&b) < 0) {
		buf_fini(&b);
		return NULL;
	}
	return b.p;
}

/* Of two that tell of one deal, which counts? Whichever came first. */
static bool
is_better(const struct receipt *r, const struct deal *d)
{
	if (r->strong != d->strong)
		return r->strong;
	if (r->ts != d->ts)
		return r->ts < d->ts;
	if ((r->type == WIRE_DISPUTE) != d->dispute)
		return d->dispute;
	return strcmp(r->by, d->by) < 0;
}

static void
deal_fill(struct deal *d, const struct receipt *r)
{
	d->dispute = r->type == WIRE_DISPUTE;
	d->strong = r->strong;
	memcpy(d->from, r->from, sizeof(d->from));
	memcpy(d->to, r->to, sizeof(d->to));
	memcpy(d->by, r->by, sizeof(d->by));
	d->amount = r->amount;
	d->ts = r->ts;
}

int
rating_book_put(struct rating_book *b, const struct receipt *r)
{
	char *key = deal_key(r);
	struct deal *d;
	int rc;

	if (key == NULL)
		return -ENOMEM;
	d = map_get(&b->known, key, strlen(key));
	if (d != NULL || (b->strong_only && !r->strong)) {
		free(key);
		if (d == NULL || !is_better(r, d))
			return 0;
		deal_fill(d, r);
		return 1;
	}
	d = calloc(1, sizeof(*d));
	if (d == NULL) {
		free(key);
		return -ENOMEM;
	}
	d->key = key;
	d->key_len = strlen(key);
	deal_fill(d, r);
	rc = map_put(&b->known, d->key, d->key_len, d);
	if (rc < 0) {
		deal_free(d);
		return rc;
	}
	return 1;
}

int
rating_book_add(struct rating_book *b, const char *line, size_t len)
{
	struct receipt r;
	const char *check;
	int rc = receipt_check(&r, line, len, &check);

	if (rc == 0)
		return rating_book_put(b, &r);
	return rc == -ENOMEM ? rc : 0;
}

int
rating_book_add_lines(struct rating_book *b, const char *text, size_t len,
    size_t *used)
{
	const char *p = text, *end = text + len, *nl;
	int rc = 0;

	for (; rc >= 0 && p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL)
			break;
		rc = rating_book_add(b, p, (size_t)(nl - p));
	}
	*used = (size_t)(p - text);
	return rc < 0 ? rc : 0;
}

static int
by_time(const void *x, const void *y)
{
	const struct deal *a = *(const struct deal *const *)x;
	const struct deal *b = *(const struct deal *const *)y;

	if (a->ts != b->ts)
		return a->ts < b->ts ? -1 : 1;
	return strcmp(a->key, b->key);
}

/* Best first; then by id, so that the order is one. */
static int
by_rating(const void *x, const void *y)
{
	const struct rating *a = x, *b = y;

	if (a->elo.rating != b->elo.rating)
		return a->elo.rating > b->elo.rating ? -1 : 1;
	return strcmp(a->agent, b->agent);
}

void
rating_sort(struct rating *all, size_t count)
{
	if (count > 1)
		qsort(all, count, sizeof(*all), by_rating);
}

/* The agent's row, made if need be. all has room. */
static int
row_of(struct map *rows, struct rating *all, size_t *count, const char *agent,
    struct rating **out)
{
	struct rating *r = map_get(rows, agent, strlen(agent));

	if (r == NULL) {
		r = &all[*count];
		memset(r, 0, sizeof(*r));
		memcpy(r->agent, agent, strlen(agent) + 1);
		r->elo.rating = ELO_START;
		if (map_put(rows, r->agent, strlen(r->agent), r) < 0)
			return -ENOMEM;
		++*count;
	}
	*out = r;
	return 0;
}

static int
rate_deal(struct map *rows, struct rating *all, size_t *count,
    const struct deal *d)
{
	struct rating *from, *to;
	int rc = row_of(rows, all, count, d->from, &from);

	if (rc == 0)
		rc = row_of(rows, all, count, d->to, &to);
	if (rc < 0)
		return rc;
	if (!d->dispute)
		elo_rate(&from->elo, &to->elo, ELO_DONE, d->amount, 1);
	else if (strcmp(d->by, d->from) == 0)
		elo_rate(&to->elo, &from->elo, ELO_FAULT, d->amount, 1);
	else if (strcmp(d->by, d->to) == 0)
		elo_rate(&from->elo, &to->elo, ELO_FAULT, d->amount, 1);
	else
		elo_rate(&from->elo, &to->elo, ELO_FAULT_BOTH, d->amount, 1);
	from->updated = to->updated = d->ts;
	return 0;
}

int
rating_book_rate(const struct rating_book *b, struct rating **out,
    size_t *count)
{
	size_t n = b->known.count, i = 0, at = 0;
	struct deal **deals = calloc(n + 1, sizeof(*deals)), *d;
	struct rating *all = calloc(2 * n + 1, sizeof(*all));
	struct map rows;
	int rc = deals == NULL || all == NULL ? -ENOMEM : 0;

	*out = NULL;
	*count = 0;
	map_init(&rows);
	while (rc == 0 && (d = map_next(&b->known, &at)) != NULL)
		deals[i++] = d;
	if (rc == 0)
		qsort(deals, n, sizeof(*deals), by_time);
	for (i = 0; rc == 0 && i < n; i++)
		rc = rate_deal(&rows, all, count, deals[i]);
	map_fini(&rows);
	free(deals);
	if (rc < 0) {
		free(all);
		return rc;
	}
	rating_sort(all, *count);
	*out = all;
	return 0;
}

void
rating_print(struct buf *b, const struct rating *all, size_t count)
{
	char when[CLOCK_ISO_MAX];

	buf_addc(b, '{');
	for (size_t i = 0; i < count; i++) {
		wire_json_sep(b);
		buf_adds(b, "\n  ");
		wire_json_str(b, all[i].agent, strlen(all[i].agent));
		buf_addf(b, ": {\"rating\": %lld, \"transactions\": %u",
		    (long long)all[i].elo.rating, all[i].elo.transactions);
		if (all[i].updated > 0) {
			clock_iso(all[i].updated, when);
			buf_addf(b, ", \"updated\": \"%s\"", when);
		}
		buf_addc(b, '}');
	}
	buf_adds(b, count > 0 ? "\n}\n" : "}\n");
}
