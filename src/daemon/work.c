/*
 * work.c - proposals/ID.json, receipts.jsonl and ratings.json.
 *
 * A deal's file is replaced at each step; it has what an agent wants to know
 * on top, and below that the steps as they were signed:
 *
 *	{"id":...,"status":"accepted","from":...,"to":...,"task":...,
 *	    "verified":true,...,"proposal":{...},"accept":{...}}
 *
 * All of it is written before the message that tells of the step is staged,
 * and so before it is acknowledged: what a crash leaves undone is done when
 * the message comes again.
 */
#include "config.h"

#include "daemon/work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/state.h"
#include "daemon/trust.h"
#include "ident/ident.h"
#include "ledger/ledger.h"
#include "spool/crc32c.h"

#define FILE_MAX	(256 << 10)
#define RECEIPTS_MAX	(256u << 20)
#define FILES_KEPT	10000
#define TRIM_EVERY	100

/* What receipts.jsonl said when it was last read. */
struct deals {
	struct rating_book *book;
	size_t		 used;		/* bytes that are in the book */
	uint32_t	 crc;		/* of them */
	unsigned	 written;	/* files, since the last trim */
};

static const enum wire_field step_fields[] = { WF_PROPOSAL, WF_ACCEPT,
	WF_REJECT, WF_COMPLETE, WF_DISPUTE };
static const enum wire_type step_types[] = { WIRE_PROPOSAL, WIRE_ACCEPT,
	WIRE_REJECT, WIRE_COMPLETE, WIRE_DISPUTE };
#define STEPS	AC_COUNTOF(step_fields)

/* A deal as far as it is known: its steps as objects, empty where not. */
struct deal {
	char		 id[WIRE_REF_MAX + 1];
	struct buf	 step[STEPS];
	int64_t		 expires, created_at, updated_at;	/* 0: unknown */
};

void
work_fini(struct daemon *d)
{
	if (d->deals == NULL)
		return;
	rating_book_free(d->deals->book);
	free(d->deals);
	d->deals = NULL;
}

/* ----------------------------------------------------------- proposals/ */

int
work_file(const char *id, char name[WORK_FILE_MAX])
{
	if (!spool_component_ok(id, strlen(id)))
		return -EINVAL;
	snprintf(name, WORK_FILE_MAX, "%s.json", id);
	return 0;
}

int
work_slurp(const struct spool *sp, const char *id, struct buf *out)
{
	char name[WORK_FILE_MAX];
	int dir, rc = work_file(id, name);

	if (rc == 0)
		rc = spool_subdir(spool_dir(sp), "proposals", false, &dir);
	if (rc < 0)
		return rc;
	rc = spool_slurp(dir, name, FILE_MAX, out);
	close(dir);
	return rc == 0 && out->len == 0 ? -ENOENT : rc;
}

static size_t
index_of(enum wire_type type)
{
	size_t i = 0;

	while (step_types[i] != type)
		i++;
	return i;
}

static void
keep(struct buf *to, const struct wire_value *v)
{
	if (to->len == 0 && v->kind == WIRE_OBJ && v->raw != NULL)
		buf_add(to, v->raw, v->raw_len);
}

/* What the file says, if there is one that can be read. */
static int
load(const struct daemon *d, struct deal *deal)
{
	struct buf file = BUF_INIT;
	struct wire_msg m;
	int rc = work_slurp(d->sp, deal->id, &file);

	wire_msg_init(&m);
	if (rc == 0)
		rc = wire_parse_object(&m, file.p, file.len);
	if (rc == 0) {
		for (size_t i = 0; i < STEPS; i++)
			keep(&deal->step[i], &m.f[step_fields[i]]);
		deal->expires = wire_int(&m, WF_EXPIRES, 0);
		deal->created_at = wire_int(&m, WF_CREATED_AT, 0);
		deal->updated_at = wire_int(&m, WF_UPDATED_AT, 0);
	}
	wire_msg_fini(&m);
	buf_fini(&file);
	/* Made anew from what comes, if an agent has broken it. */
	return rc == -ENOMEM || rc == -EIO ? rc : 0;
}

/*
 * Take up what a message tells. A step that was told before stays as it was:
 * a relay can't take back what it said. True if anything is new.
 */
static int
merge(struct deal *deal, const struct wire_msg *m, bool *changed)
{
	struct buf *own = &deal->step[index_of(m->type)];
	int rc = 0;

	keep(&deal->step[0], &m->f[WF_PROPOSAL]);
	keep(&deal->step[1], &m->f[WF_ACCEPT]);
	*changed = own->len == 0;
	if (*changed)
		rc = step_from_relay(own, m);
	if (rc < 0 || !*changed)
		return rc;
	if (m->type == WIRE_PROPOSAL) {
		deal->expires = wire_int(m, WF_EXPIRES, 0);
		deal->created_at = wire_int(m, WF_CREATED_AT,
		    wire_int(m, WF_TS, 0));
	} else {
		deal->updated_at = wire_int(m, WF_UPDATED_AT,
		    wire_int(m, WF_TS, 0));
	}
	return 0;
}

static enum proposal_status
status_of(const struct deal *deal)
{
	static const enum proposal_status after[STEPS] = { PROPOSAL_PENDING,
	    PROPOSAL_ACCEPTED, PROPOSAL_REJECTED, PROPOSAL_COMPLETED,
	    PROPOSAL_DISPUTED };
	enum proposal_status status = PROPOSAL_NONE;

	for (size_t i = 0; i < STEPS; i++)
		if (deal->step[i].len > 0)
			status = after[i];
	return status;
}

bool
work_is_verified(const struct wire_msg *m, const unsigned char *key)
{
	struct buf object = BUF_INIT;
	struct step s;
	bool good;

	step_init(&s);
	good = step_from_relay(&object, m) == 0 &&
	    step_read(&s, object.p, object.len) == 0 && step_is_good(&s) &&
	    memcmp(s.key, key, IDENT_KEY_LEN) == 0;
	step_fini(&s);
	buf_fini(&object);
	return good;
}

/* And is the key the one that we know the agent by, if we do? */
static bool
is_known(const struct daemon *d, const struct step *s)
{
	const char *from = wire_str(&s->m, WF_FROM);
	const unsigned char *key = d->ident != NULL && daemon_is_me(d, from) ?
	    ident_pub(d->ident) : trust_key(d->trust, from);

	return key == NULL || memcmp(key, s->key, IDENT_KEY_LEN) == 0;
}

/* What the signatures say of a deal. */
struct verdict_on {
	bool	verified;	/* all of them are good */
	bool	strong;		/* and cover everything: see receipt.c */
};

/* The place of the step that this one follows; -1: none. */
static int
follows(size_t i)
{
	return proposal_place(step_types[i]) - 1;
}

static struct verdict_on
judge_deal(const struct daemon *d, const struct deal *deal)
{
	struct verdict_on v = { deal->step[0].len > 0, deal->step[0].len > 0 };
	char hash[2][65] = { "", "" };	/* of PROPOSAL and ACCEPT */
	struct step s;

	for (size_t i = 0; v.verified && i < STEPS; i++) {
		const struct wire_value *prev = &s.m.f[WF_PREV];
		const char *before = follows(i) < 0 ? "" : hash[follows(i)];

		if (deal->step[i].len == 0)
			continue;
		step_init(&s);
		v.verified = step_read(&s, deal->step[i].p,
		    deal->step[i].len) == 0 && step_is_good(&s) &&
		    is_known(d, &s) && (prev->kind != WIRE_STR ||
		    strcmp(prev->s, before) == 0);
		v.strong = v.strong && v.verified && wire_has(&s.m, WF_SIG2) &&
		    (i == 0 || prev->kind == WIRE_STR);
		if (i < AC_COUNTOF(hash))
			memcpy(hash[i], s.hash, sizeof(s.hash));
		step_fini(&s);
	}
	v.strong = v.strong && v.verified;
	return v;
}

/* What an agent wants to know, from the PROPOSAL. */
static void
put_summary(struct buf *b, const struct deal *deal)
{
	static const enum wire_field fields[] = { WF_FROM, WF_TO, WF_TASK,
	    WF_AMOUNT, WF_CURRENCY, WF_PAYMENT_CODE, WF_TERMS, WF_ELO_STAKE };
	const struct buf *p = &deal->step[0];
	struct wire_msg m;

	wire_msg_init(&m);
	if (p->len > 0 && wire_parse_object(&m, p->p, p->len) == 0)
		for (size_t i = 0; i < AC_COUNTOF(fields); i++)
			if (wire_has(&m, fields[i]))
				wire_put_raw(b, fields[i], m.f[fields[i]].raw,
				    m.f[fields[i]].raw_len);
	wire_msg_fini(&m);
}

static void
put_time(struct buf *b, enum wire_field f, int64_t ms)
{
	if (ms > 0)
		wire_put_int(b, f, ms);
}

static int
save(struct daemon *d, const struct deal *deal)
{
	struct verdict_on v = judge_deal(d, deal);
	char name[WORK_FILE_MAX];
	struct buf b = BUF_INIT;
	int dir, rc = work_file(deal->id, name);

	buf_addc(&b, '{');
	wire_puts(&b, WF_ID, deal->id);
	wire_puts(&b, WF_STATUS, proposal_status_name(status_of(deal)));
	put_summary(&b, deal);
	put_time(&b, WF_EXPIRES, deal->expires);
	put_time(&b, WF_CREATED_AT, deal->created_at);
	put_time(&b, WF_UPDATED_AT, deal->updated_at);
	wire_put_bool(&b, WF_VERIFIED, v.verified);
	wire_json_key(&b, "strong");
	buf_adds(&b, v.strong ? "true" : "false");
	for (size_t i = 0; i < STEPS; i++)
		if (deal->step[i].len > 0)
			wire_put_raw(&b, step_fields[i], deal->step[i].p,
			    deal->step[i].len);
	buf_adds(&b, "}\n");
	if (rc == 0)
		rc = buf_err(&b);
	if (rc == 0)
		rc = spool_subdir(spool_dir(d->sp), "proposals", true, &dir);
	if (rc == 0) {
		rc = spool_replace(dir, name, b.p, b.len, true);
		if (rc == 0 && ++d->deals->written % TRIM_EVERY == 0)
			rc = spool_trim_dir(dir, FILES_KEPT);
		close(dir);
	}
	buf_fini(&b);
	return rc;
}

/* ------------------------------------------------------------- receipts */

/* Is there a receipt of this deal among the lines? */
static bool
has_receipt(void *arg, const char *text, size_t len)
{
	const struct deal *deal = arg;
	struct buf key = BUF_INIT;
	bool found;

	buf_adds(&key, "\"proposal_id\":");
	wire_json_str(&key, deal->id, strlen(deal->id));
	buf_addc(&key, ',');
	/* As receipt_make() writes it, outside of any string. */
	found = buf_err(&key) == 0 &&
	    memmem(text, len, key.p, key.len) != NULL;
	buf_fini(&key);
	return found;
}

/* Count what is new in receipts.jsonl; all of it, if it was changed. */
static int
read_receipts(struct daemon *d)
{
	struct deals *deals = d->deals;
	struct buf all = BUF_INIT;
	size_t used;
	int rc = spool_slurp(d->root, "receipts.jsonl", RECEIPTS_MAX, &all);

	if (rc == 0 && all.len == 0)
		rc = -ENOENT;
	if (rc == 0 && (deals->book == NULL || all.len < deals->used ||
	    crc32c(0, all.p, deals->used) != deals->crc)) {
		rating_book_free(deals->book);
		deals->book = NULL;
		deals->used = 0;
		deals->crc = 0;
		rc = rating_book_new(&deals->book, false);
	}
	if (rc == 0) {
		rc = rating_book_add_lines(deals->book, all.p + deals->used,
		    all.len - deals->used, &used);
		deals->crc = crc32c(deals->crc, all.p + deals->used, used);
		deals->used += used;
	}
	buf_fini(&all);
	return rc;
}

static int
write_ratings(struct daemon *d)
{
	struct rating *all = NULL;
	struct buf b = BUF_INIT;
	size_t count;
	int rc = read_receipts(d);

	if (rc == 0)
		rc = rating_book_rate(d->deals->book, &all, &count);
	if (rc == 0) {
		rating_print(&b, all, count);
		rc = buf_err(&b);
	}
	if (rc == 0)
		rc = spool_replace(d->root, "ratings.json", b.p, b.len, false);
	free(all);
	buf_fini(&b);
	return rc;
}

static int
write_receipt(struct daemon *d, struct deal *deal, enum wire_type type)
{
	const struct buf *end = &deal->step[index_of(type)];
	struct buf line = BUF_INIT;
	const char *check = "";
	struct receipt r;
	int rc;

	receipt_make(&line, type, deal->id, &deal->step[0], &deal->step[1],
	    end);
	rc = buf_err(&line);
	if (rc == 0)
		rc = receipt_check(&r, line.p, line.len, &check);
	/* An old relay doesn't tell the keys: then nobody can check it. */
	if (rc != 0 && rc != -ENOMEM && daemon_relay_is_new(d)) {
		log_warn("receipt", "proposal", deal->id, "fails", check, NULL);
		buf_fini(&line);
		return 0;
	}
	if (rc != -ENOMEM)
		rc = spool_append(d->root, "receipts.jsonl", line.p, line.len,
		    RECEIPTS_MAX, has_receipt, deal);
	buf_fini(&line);
	if (rc == -EFBIG) {
		log_error("receipts", "err", ac_strerror(rc), NULL);
		return 0;
	}
	if (rc < 0)
		return rc;
	rc = write_ratings(d);
	if (rc < 0 && !daemon_disk_full(rc) && rc != -ENOMEM) {
		log_warn("ratings", "err", ac_strerror(rc), NULL);
		rc = 0;
	}
	return rc;
}

/* ---------------------------------------------------------------- taking */

/* Are we one of the two that this deal is between? */
static bool
is_ours(const struct daemon *d, const struct deal *deal)
{
	const struct buf *p = &deal->step[0];
	const char *from, *to;
	struct wire_msg m;
	bool ours = false;

	wire_msg_init(&m);
	if (p->len > 0 && wire_parse_object(&m, p->p, p->len) == 0) {
		from = wire_str(&m, WF_FROM);
		to = wire_str(&m, WF_TO);
		ours = (from != NULL && daemon_is_me(d, from)) ||
		    (to != NULL && daemon_is_me(d, to));
	}
	wire_msg_fini(&m);
	return ours;
}

static int
take(struct daemon *d, const struct wire_msg *m, struct deal *deal)
{
	bool over = m->type == WIRE_COMPLETE || m->type == WIRE_DISPUTE;
	bool changed;
	int rc = load(d, deal);

	if (rc == 0)
		rc = merge(deal, m, &changed);
	for (size_t i = 0; rc == 0 && i < STEPS; i++)
		rc = buf_err(&deal->step[i]);
	if (rc < 0 || !is_ours(d, deal))
		return rc;
	/* Of two ends that a relay tells of, the first is the end. */
	if (over && deal->step[3].len > 0 && deal->step[4].len > 0)
		return 0;
	if (changed)
		rc = save(d, deal);
	if (rc == 0 && over && deal->step[1].len > 0)
		rc = write_receipt(d, deal, m->type);
	return rc;
}

int
work_take(struct daemon *d, const struct wire_msg *m)
{
	const char *id = wire_str(m, WF_PROPOSAL_ID);
	char name[WORK_FILE_MAX];
	struct deal deal;
	int rc;

	if (id == NULL && m->type == WIRE_PROPOSAL)
		id = wire_str(m, WF_ID);
	if (id == NULL || strlen(id) > WIRE_REF_MAX || work_file(id, name) < 0)
		return 0;	/* no file for that; the message comes all the same */
	if (d->deals == NULL)
		d->deals = calloc(1, sizeof(*d->deals));
	if (d->deals == NULL)
		return -ENOMEM;
	memset(&deal, 0, sizeof(deal));
	memcpy(deal.id, id, strlen(id) + 1);
	rc = take(d, m, &deal);
	for (size_t i = 0; i < STEPS; i++)
		buf_fini(&deal.step[i]);
	if (rc < 0 && rc != -ENOMEM && rc != -EIO && !daemon_disk_full(rc)) {
		/* proposals/ in the way of somebody's: not worth the mail. */
		log_warn("work", "proposal", id, "err", ac_strerror(rc), NULL);
		rc = 0;
	}
	return rc;
}
