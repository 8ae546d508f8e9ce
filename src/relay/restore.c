/*
 * restore.c - the relay's state out of its store.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rnd.h"

/* Numbers lost with an unsynced tail are not given again. */
#define NUMBER_JUMP (1ull << 32)

struct replay {
	struct relay	*r;
	bool		 clean;		/* the last record was a STOP */
};

static int
copy_str(struct rec *rec, char *out, size_t cap)
{
	uint8_t len;
	const char *s = rec_str(rec, &len);

	if (s == NULL || len >= cap)
		return -EUCLEAN;
	memcpy(out, s, len);
	out[len] = '\0';
	return 0;
}

static int
replay_epoch(struct relay *r, struct rec *rec, uint64_t pos)
{
	uint64_t number;
	int rc = copy_str(rec, r->epoch, sizeof(r->epoch));

	if (rc == 0)
		rc = copy_str(rec, r->boot, sizeof(r->boot));
	if (rc == 0)
		rc = copy_str(rec, r->spool_id, sizeof(r->spool_id));
	number = rec_u64(rec);
	if (number > r->number)
		r->number = number;
	r->epoch_pos = pos;
	return rc;
}

static int
replay_known(struct agent *a, struct rec *rec)
{
	uint64_t count = rec_u64(rec);
	struct known k;
	int rc = 0;

	dedupe_fini(&a->dedupe);
	while (rc == 0 && count-- > 0 && !rec->bad) {
		uint64_t hash = rec_u64(rec);

		k.body = rec_u64(rec);
		k.j = rec_u64(rec);
		k.seq = rec_u64(rec);
		k.number = rec_u64(rec);
		k.ts = (int64_t)rec_u64(rec);
		rc = dedupe_add(&a->dedupe, hash, &k);
	}
	return rc;
}

static int
replay_agent(struct relay *r, struct rec *rec, uint64_t pos)
{
	char id[IDENT_ID_MAX];
	const unsigned char *key;
	struct agent *a;
	uint64_t seq;
	int rc = copy_str(rec, id, sizeof(id));

	key = (const unsigned char *)rec_bytes(rec, IDENT_KEY_LEN);
	if (rc < 0 || key == NULL)
		return -EUCLEAN;
	a = agent_by_key(r, key);
	if (a == NULL) {
		rc = agent_new(r, id, strlen(id), key, &a);
		if (rc < 0)
			return rc == -EEXIST ? -EUCLEAN : rc;
	}
	a->pos = pos;
	a->bound = rec_u8(rec) != 0;
	seq = rec_u64(rec);
	if (seq > a->mailbox_seq)
		a->mailbox_seq = seq;
	a->mailbox_ts = (int64_t)rec_u64(rec);
	return replay_known(a, rec);
}

static int
replay_chan(struct relay *r, struct rec *rec, uint64_t pos)
{
	char name[WIRE_CHANNEL_MAX + 1], who[IDENT_ID_MAX];
	bool invite_only;
	struct chan *c;
	uint64_t seq, count;
	int rc = copy_str(rec, name, sizeof(name));

	invite_only = rec_u8(rec) != 0;
	if (rc < 0 || rec->bad)
		return -EUCLEAN;
	c = chan_find(r, name, strlen(name));
	if (c == NULL) {
		rc = chan_new(r, name, strlen(name), invite_only, &c);
		if (rc < 0)
			return rc;
	}
	c->state_pos = pos;
	c->invite_only = invite_only;
	seq = rec_u64(rec);
	if (seq > c->seq) {
		c->seq = seq;
		c->depth = 0;
	}
	c->ts = (int64_t)rec_u64(rec);
	for (count = rec_u64(rec); rc == 0 && count > 0 && !rec->bad;
	    count--) {
		rc = copy_str(rec, who, sizeof(who));
		if (rc == 0)
			rc = chan_invite(c, who);
	}
	return rc;
}

static int
replay_invite(struct relay *r, struct rec *rec)
{
	char name[WIRE_CHANNEL_MAX + 1], who[IDENT_ID_MAX];
	struct chan *c;
	int rc = copy_str(rec, name, sizeof(name));

	if (rc == 0)
		rc = copy_str(rec, who, sizeof(who));
	if (rc < 0)
		return rc;
	c = chan_find(r, name, strlen(name));
	return c != NULL ? chan_invite(c, who) : 0;
}

static int
replay_ack(struct relay *r, struct rec *rec)
{
	char id[IDENT_ID_MAX];
	struct agent *a;
	int rc = copy_str(rec, id, sizeof(id));

	if (rc < 0)
		return rc;
	a = agent_by_id(r, id, strlen(id));
	if (a != NULL)
		mailbox_ack(a, rec_u64(rec));
	return 0;
}

/* What both kinds of message leave behind: a number, an id that was used. */
static int
replay_sent(struct relay *r, const struct rec_head *h, uint64_t pos)
{
	struct agent *a = agent_by_id(r, h->from, h->from_len);
	struct dedupe *d = a != NULL ? &a->dedupe : NULL;
	struct known k = { h->hash, pos + 1, h->seq, h->number, h->ts };

	if (h->number > r->number)
		r->number = h->number;
	if (h->from_len == strlen(RELAY_SERVER_ID) &&
	    memcmp(h->from, RELAY_SERVER_ID, h->from_len) == 0)
		d = &r->said;
	if (d == NULL || h->id_len == 0 || (h->flags & REC_VERIFIED) == 0)
		return 0;
	return dedupe_add(d, dedupe_hash(0, h->id, h->id_len), &k);
}

static int
replay_msg(struct relay *r, const struct rec_head *h, uint64_t pos)
{
	struct chan *c = chan_find(r, h->to, h->to_len);
	int rc;

	if (c == NULL) {
		rc = chan_new(r, h->to, h->to_len, false, &c);
		if (rc < 0)
			return rc;
	}
	if (h->seq <= c->seq)
		return history_place(c, &r->conf, h->seq, pos);
	if (h->seq != c->seq + 1) {
		/* A part of the journal is gone: history begins here. */
		c->depth = 0;
		c->seq = h->seq - 1;
	}
	rc = history_add(c, &r->conf, pos);
	if (rc < 0)
		return rc;
	c->ts = h->ts;
	return replay_sent(r, h, pos);
}

static int
replay_dm(struct relay *r, const struct rec_head *h, uint64_t pos)
{
	struct agent *a = agent_by_id(r, h->to, h->to_len);
	int rc;

	if (a != NULL && h->seq != 0 && h->seq <= a->mailbox_seq)
		return mailbox_place(a, h->seq, pos, h->from, h->from_len,
		    h->json_len);
	if (a != NULL && h->seq != 0) {
		rc = mailbox_add(a, h->seq, pos, h->from, h->from_len,
		    h->json_len);
		if (rc < 0)
			return rc;
		a->mailbox_ts = h->ts;
	}
	return replay_sent(r, h, pos);
}

static int
replay(void *arg, enum store_type type, uint64_t pos, const void *body,
    size_t len)
{
	struct replay *x = arg;
	struct rec rec = { body, len, 0 };
	struct rec_head head;
	int rc = 0;

	x->clean = type == STORE_STOP;
	switch (type) {
	case STORE_EPOCH:
		rc = replay_epoch(x->r, &rec, pos);
		break;
	case STORE_STOP:
		break;
	case STORE_AGENT:
		rc = replay_agent(x->r, &rec, pos);
		break;
	case STORE_CHAN:
		rc = replay_chan(x->r, &rec, pos);
		break;
	case STORE_INVITE:
		rc = replay_invite(x->r, &rec);
		break;
	case STORE_ACK:
		rc = replay_ack(x->r, &rec);
		break;
	case STORE_WORK:
		rc = work_replay(x->r, pos, body, len);
		break;
	case STORE_RATED:
	case STORE_PAIR:
		rc = reputation_replay(x->r, type, &rec, pos);
		break;
	case STORE_MSG:
	case STORE_DM:
		rc = rec_head(&head, body, len);
		if (rc == 0 && type == STORE_MSG)
			rc = replay_msg(x->r, &head, pos);
		else if (rc == 0)
			rc = replay_dm(x->r, &head, pos);
		break;
	default:
		rc = -ENOTSUP;	/* written by a later version */
	}
	return rec.bad ? -EUCLEAN : rc;
}

/* Changes when the machine starts; where it can't be known, always. */
static void
boot_id(char *out, size_t cap)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (f == NULL || fgets(out, (int)cap, f) == NULL)
		rnd_name(out, cap - 1);
	if (f != NULL)
		fclose(f);
	out[strcspn(out, "\n")] = '\0';
}

/*
 * Without a clean stop, records that were written but not synced survive a
 * kill, not a power cut. After a cut some that members have seen may be gone,
 * and their numbers would be given again: then the numbering gets a new name.
 */
static int
begin_epoch(struct relay *r, const struct replay *x, bool repaired)
{
	char boot[sizeof(r->boot)];

	boot_id(boot, sizeof(boot));
	if (r->epoch[0] != '\0' && !repaired &&
	    (x->clean || strcmp(boot, r->boot) == 0))
		return 0;
	rnd_name(r->epoch, 8);
	memcpy(r->boot, boot, sizeof(boot));
	if (r->spool_id[0] == '\0')
		memcpy(r->spool_id, r->epoch, sizeof(r->epoch));
	else
		r->number += NUMBER_JUMP;
	return record_epoch(r);
}

static int
default_channel(struct relay *r, const char *name)
{
	struct chan *c;
	int rc = chan_new(r, name, strlen(name), false, &c);

	if (rc < 0)
		return rc == -EEXIST ? 0 : rc;
	return record_chan(r, c);
}

static int
explain(int rc, const struct store_report *report, char **why)
{
	int n;

	if (rc == -EUCLEAN)
		n = asprintf(why, "The journal is damaged at position %"
		    PRIu64 ". Start once with --repair to keep what can be "
		    "read; the damaged part is moved aside.",
		    report->damaged_at);
	else if (rc == -ENOTSUP)
		n = asprintf(why, "The journal was written by a later version "
		    "of agentchat: use that one.");
	else
		n = asprintf(why, "The journal can't be opened: %s.",
		    ac_strerror(rc));
	if (n < 0)
		*why = NULL;
	return rc;
}

int
restore(struct relay *r, char **why)
{
	struct replay x = { .r = r };
	struct store_report report = { 0 };
	char records[LOG_NUM_MAX], cut[LOG_NUM_MAX];
	int dir, rc;

	rc = spool_subdir(spool_dir(r->spool), "journal", true, &dir);
	if (rc < 0)
		return explain(rc, &report, why);
	rc = store_open(&r->store, dir, &r->conf, replay, &x, &report);
	close(dir);
	if (rc < 0)
		return explain(rc, &report, why);
	log_info("journal", "records", log_num(records,
	    (long long)report.records), "cut", log_num(cut,
	    (long long)report.cut), NULL);
	rc = begin_epoch(r, &x, report.damaged);
	if (rc == 0)
		rc = default_channel(r, "#general");
	if (rc == 0)
		rc = default_channel(r, "#agents");
	if (rc == 0)
		rc = turn_commit(r);
	if (rc == 0)
		rc = store_synced(r->store, &r->stored);
	return rc < 0 ? explain(rc, &report, why) : 0;
}
