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

#define BOOT_MAX 40

struct replay {
	struct relay	*r;
	char		 boot[BOOT_MAX];	/* of the last epoch */
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
replay_epoch(struct replay *x, struct rec *rec)
{
	int rc = copy_str(rec, x->r->epoch, sizeof(x->r->epoch));

	return rc < 0 ? rc : copy_str(rec, x->boot, sizeof(x->boot));
}

static int
replay_agent(struct relay *r, struct rec *rec)
{
	char id[IDENT_ID_MAX];
	const char *key;
	struct agent *a;
	int rc = copy_str(rec, id, sizeof(id));

	if (rc < 0)
		return rc;
	key = rec_bytes(rec, IDENT_KEY_LEN);
	if (key == NULL)
		return -EUCLEAN;
	rc = agent_new(r, id, strlen(id), (const unsigned char *)key, &a);
	return rc == -EEXIST ? 0 : rc;
}

static int
replay_chan(struct relay *r, struct rec *rec)
{
	char name[WIRE_CHANNEL_MAX + 1];
	struct chan *c;
	bool invite_only;
	int rc = copy_str(rec, name, sizeof(name));

	if (rc < 0)
		return rc;
	invite_only = rec_u8(rec) != 0;
	rc = chan_new(r, name, strlen(name), invite_only, &c);
	return rc == -EEXIST ? 0 : rc;
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

static int
replay_bound(struct relay *r, struct rec *rec)
{
	char id[IDENT_ID_MAX];
	struct agent *a;
	int rc = copy_str(rec, id, sizeof(id));

	a = rc == 0 ? agent_by_id(r, id, strlen(id)) : NULL;
	if (a != NULL)
		a->bound = true;
	return rc;
}

/* What both kinds of message leave behind: a number, an id that was used. */
static int
replay_sent(struct relay *r, const struct rec_head *h, uint64_t pos)
{
	struct agent *a = agent_by_id(r, h->from, h->from_len);
	struct dedupe *d = a != NULL ? &a->dedupe : NULL;

	if (h->number > r->number)
		r->number = h->number;
	if (h->from_len == strlen(RELAY_SERVER_ID) &&
	    memcmp(h->from, RELAY_SERVER_ID, h->from_len) == 0)
		d = &r->said;
	if (d == NULL || h->id_len == 0 || (h->flags & REC_VERIFIED) == 0)
		return 0;
	return dedupe_add(d, dedupe_hash(0, h->id, h->id_len), pos);
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
		rc = replay_epoch(x, &rec);
		break;
	case STORE_STOP:
		break;
	case STORE_AGENT:
		rc = replay_agent(x->r, &rec);
		break;
	case STORE_CHAN:
		rc = replay_chan(x->r, &rec);
		break;
	case STORE_INVITE:
		rc = replay_invite(x->r, &rec);
		break;
	case STORE_ACK:
		rc = replay_ack(x->r, &rec);
		break;
	case STORE_BOUND:
		rc = replay_bound(x->r, &rec);
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
boot_id(char out[BOOT_MAX])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (f == NULL || fgets(out, BOOT_MAX, f) == NULL)
		rnd_name(out, BOOT_MAX - 1);
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
	char boot[BOOT_MAX];

	boot_id(boot);
	if (r->epoch[0] != '\0' && !repaired &&
	    (x->clean || strcmp(boot, x->boot) == 0))
		return 0;
	rnd_name(r->epoch, 8);
	buf_clear(&r->rec);
	rec_put_str(&r->rec, r->epoch, strlen(r->epoch));
	rec_put_str(&r->rec, boot, strlen(boot));
	return turn_record(r, STORE_EPOCH);
}

static int
default_channel(struct relay *r, const char *name)
{
	struct chan *c;
	int rc = chan_new(r, name, strlen(name), false, &c);

	if (rc < 0)
		return rc == -EEXIST ? 0 : rc;
	buf_clear(&r->rec);
	rec_put_str(&r->rec, name, strlen(name));
	rec_put_u8(&r->rec, 0);
	return turn_record(r, STORE_CHAN);
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
	rc = store_open(&r->store, dir, r->conf.sync, r->conf.repair, replay,
	    &x, &report);
	close(dir);
	if (rc < 0)
		return explain(rc, &report, why);
	log_info("journal", "records", log_num(records,
	    (long long)report.records), "cut", log_num(cut,
	    (long long)report.cut), NULL);
	rc = begin_epoch(r, &x, report.damaged_at != 0);
	if (rc == 0)
		rc = default_channel(r, "#general");
	if (rc == 0)
		rc = default_channel(r, "#agents");
	if (rc == 0)
		rc = turn_commit(r);
	return rc < 0 ? explain(rc, &report, why) : 0;
}
