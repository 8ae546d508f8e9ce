/*
 * sender.c - from the queue to the relay, and from its answer to a receipt.
 *
 * Items are sent in the order of the queue, each only after it is durable
 * there, and each with an id by which a relay knows it when it is sent again.
 *
 * Confirmation. A relay with cap `stored` echoes a MSG with its journal
 * position j, and says STORED{j} when that is on its disk: then the receipt is
 * written; up to 64 messages may be on the way. Any other relay gets one at a
 * time, which its echo confirms. Everything that isn't a MSG goes alone too,
 * with a PING behind it: the PONG says that no ERROR came before it. So it is
 * with a DM at a relay that echoes none.
 *
 * What isn't confirmed when a connection ends is sent again, in order.
 */
#include "config.h"

#include "daemon/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/outcome.h"
#include "ledger/ledger.h"

#define ANSWER_MS	60000	/* of the relay; then we connect anew */
#define FULL_MS		50	/* the connection's queue is full */
#define REPLY_MAX	65536
#define TRIM_EVERY	100	/* receipts */
#define RECEIPTS_KEPT	1000

/* -------------------------------------------------------------- receipts */

static void
outcome_of(const struct flight *f, struct outcome *r)
{
	*r = (struct outcome){
		.target = f->target, .name = f->name, .queue_id = f->qid,
		.id = f->id, .queued_ms = f->queued_ms, .ts = f->ts,
		.seq = f->seq, .msg_id = f->msg_id,
	};
}

/* Take a flight out of the list; the others keep their order. */
static void
land(struct daemon *d, struct flight *f)
{
	struct outgoing *tx = &d->tx;
	size_t i = (size_t)(f - tx->flight);

	memmove(f, f + 1, (tx->count - i - 1) * sizeof(*f));
	tx->count--;
}

static void
trim(struct daemon *d)
{
	int rc, rc2;

	if (++d->tx.receipts < TRIM_EVERY)
		return;
	d->tx.receipts = 0;
	rc = spool_trim_dir(d->sent_dir, RECEIPTS_KEPT);
	/* Two files each. */
	rc2 = spool_trim_dir(d->failed_dir, 2 * RECEIPTS_KEPT);
	if (rc < 0 || rc2 < 0)
		log_warn("trim", "err", ac_strerror(rc < 0 ? rc : rc2), NULL);
}

/* The receipt couldn't be written: the item stays, and is sent again. */
static void
unwritten(struct daemon *d, int rc)
{
	if (daemon_disk_full(rc)) {
		publish_disk_full(d, rc);
		return;
	}
	log_error("receipt", "err", ac_strerror(rc), NULL);
	if (rc == -EIO)
		daemon_fatal(d, rc, "receipt");
}

static void
confirm(struct daemon *d, struct flight *f)
{
	struct outcome r;
	int rc;

	outcome_of(f, &r);
	if (d->tx.reply.len > 0 && f->type != WIRE_MSG) {
		r.reply = d->tx.reply.p;
		r.reply_len = d->tx.reply.len;
	}
	rc = outcome_sent(d->sent_dir, &r);
	if (rc < 0) {
		unwritten(d, rc);
		return;
	}
	settle_done(d, f->qid);
	d->sent++;
	land(d, f);
	trim(d);
	views_touch(d);
}

static void
fail(struct daemon *d, const struct outcome *r, const char *body, size_t len,
    const char *why)
{
	int rc = outcome_failed(d->failed_dir, r, body, len, why);

	if (rc < 0) {
		unwritten(d, rc);
		return;
	}
	log_info("not_sent", "target", r->target, "file", r->name, NULL);
	settle_done(d, r->queue_id);
	d->failed++;
	trim(d);
	views_touch(d);
}

static const struct spool_item *
item_of(struct daemon *d, uint64_t qid)
{
	const struct spool_item *q = spool_queue_next(d->tx.queue, qid - 1);

	return q != NULL && q->id == qid ? q : NULL;
}

static void
fail_flight(struct daemon *d, struct flight *f, const char *why)
{
	const struct spool_item *q = item_of(d, f->qid);
	struct outcome r;
	int rc = -ENOENT;

	outcome_of(f, &r);
	buf_clear(&d->tx.body);
	if (q != NULL)
		rc = spool_queue_read(d->tx.queue, q, &d->tx.body);
	fail(d, &r, rc == 0 && d->tx.body.p != NULL ? d->tx.body.p : "",
	    rc == 0 ? d->tx.body.len : 0, why);
	if (settle_is_done(d, f->qid))
		land(d, f);
}

/* --------------------------------------------------------------- sending */

static bool
one_at_a_time(const struct daemon *d)
{
	return !d->info.caps_stored;
}

static int
send_ping(struct daemon *d)
{
	static const char ping[] = "{\"type\":\"PING\"}";
	int rc = client_send(d->client, ping, sizeof(ping) - 1);

	if (rc == 0)
		d->tx.pings++;
	return rc;
}

/* Read the item again and send it. 0, -EINVAL (item.why), or not now. */
static int
transmit(struct daemon *d, const struct spool_item *q, uint64_t *ping)
{
	struct outgoing *tx = &d->tx;
	struct item_conf conf = { .ident = d->ident,
	    .nonce = spool_queue_nonce(tx->queue),
	    .content_max = d->info.content_max,
	    .frame_max = d->info.frame_max, .from = d->me,
	    .enc = d->info.caps_enc, .key = ask_key, .key_arg = d,
	    .sp = d->sp };
	int rc;

	rc = item_read(&tx->item, q, tx->body.p != NULL ? tx->body.p : "",
	    tx->body.len, &conf);
	if (rc < 0)
		return rc;
	if (tx->item.type == WIRE_MSG && !room_settled(d, tx->item.target))
		return -EAGAIN;
	/* A line of another kind waits until it is alone. */
	if (tx->item.type != WIRE_MSG && tx->count > 0 &&
	    tx->flight[0].qid != q->id)
		return -EAGAIN;
	rc = client_send(d->client, tx->item.json.p, tx->item.json.len);
	if (rc == 0 && (tx->item.type != WIRE_MSG || one_at_a_time(d))) {
		rc = send_ping(d);
		*ping = tx->pings;
	}
	return rc;
}

static void
take_off(struct daemon *d, const struct spool_item *q, uint64_t ping)
{
	struct outgoing *tx = &d->tx;
	struct flight *f = &tx->flight[tx->count++];

	memset(f, 0, sizeof(*f));
	f->qid = q->id;
	f->type = tx->item.type;
	f->ping = ping;
	f->queued_ms = q->queued_ms;
	f->sent_ms = clock_mono_ms();
	snprintf(f->id, sizeof(f->id), "%s", tx->item.id);
	snprintf(f->target, sizeof(f->target), "%s", tx->item.target);
	snprintf(f->name, sizeof(f->name), "%s", q->name);
	memcpy(f->content_key, tx->item.content_key, sizeof(f->content_key));
	buf_clear(&tx->reply);
}

/* The next item to send: one that was refused for its rate, or a new one. */
static const struct spool_item *
choose(struct daemon *d, struct flight **again)
{
	struct outgoing *tx = &d->tx;
	const struct spool_item *q;
	size_t most = one_at_a_time(d) ? 1 : FLIGHTS_MAX;

	*again = NULL;
	for (size_t i = 0; i < tx->count; i++) {
		if (tx->flight[i].again) {
			*again = &tx->flight[i];
			return item_of(d, tx->flight[i].qid);
		}
	}
	if (tx->count >= most || (tx->count > 0 &&
	    tx->flight[0].type != WIRE_MSG))
		return NULL;
	do {
		q = spool_queue_next(tx->queue, tx->upto);
		if (q == NULL || !spool_queue_synced(tx->queue, q->id))
			return NULL;
		if (settle_is_done(d, q->id))
			tx->upto = q->id;
	} while (tx->upto == q->id);
	return q;
}

static void
refuse_item(struct daemon *d, const struct spool_item *q)
{
	struct outcome r = { .target = d->tx.item.target, .name = q->name,
	    .queue_id = q->id, .id = d->tx.item.id,
	    .queued_ms = q->queued_ms };
	uint64_t qid = q->id;

	fail(d, &r, d->tx.body.p != NULL ? d->tx.body.p : "", d->tx.body.len,
	    d->tx.item.why);
	if (settle_is_done(d, qid))
		d->tx.upto = qid;
}

/* One item: true if the next may be tried. */
static bool
send_next(struct daemon *d)
{
	struct outgoing *tx = &d->tx;
	struct flight *again;
	const struct spool_item *q = choose(d, &again);
	int64_t now = clock_mono_ms(), wait_ms;
	uint64_t ping = 0;
	int rc;

	if (q == NULL)
		return false;
	wait_ms = pace_wait_ms(&tx->pace, now);
	if (wait_ms > 0) {
		loop_timer_set(tx->pump, wait_ms);
		return false;
	}
	buf_clear(&tx->body);
	rc = spool_queue_read(tx->queue, q, &tx->body);
	if (rc == 0)
		rc = transmit(d, q, &ping);
	if (rc == -EINVAL) {
		refuse_item(d, q);
		return !d->full;
	}
	if (rc < 0) {
		if (rc == -ENOBUFS)
			loop_timer_set(tx->pump, FULL_MS);
		else if (rc != -EAGAIN && rc != -ENOTCONN)
			log_warn("send", "err", ac_strerror(rc), NULL);
		return false;
	}
	pace_take(&tx->pace, now);
	if (again != NULL) {
		again->again = false;
		again->ping = ping;
		again->sent_ms = now;
	} else {
		tx->upto = q->id;
		take_off(d, q, ping);
	}
	return true;
}

static bool
may_send(const struct daemon *d)
{
	/* At an old relay an ERROR has no name: one question at a time. */
	return d->connected && !d->full && !d->stopping &&
	    (daemon_relay_is_new(d) || d->rooms_asked == 0);
}

void
sender_pump(struct daemon *d)
{
	if (!may_send(d))
		return;
	/* What channels need goes first: messages may be for them. */
	room_pump(d);
	while (send_next(d))
		;
}

static void
pump_again(void *arg)
{
	sender_pump(arg);
}

/* --------------------------------------------------------- confirmations */

static bool
echo_matches(const struct flight *f, const struct wire_msg *m)
{
	const char *id = wire_str(m, WF_ID), *to = wire_str(m, WF_TO);
	const struct wire_value *content = &m->f[WF_CONTENT];
	char key[65];

	if (id != NULL)
		return strcmp(id, f->id) == 0;
	/* An old relay: ours is the only one on the way. */
	if (to == NULL || strcmp(to, f->target) != 0)
		return false;
	item_content_key(content->s, content->len, key);
	return strcmp(key, f->content_key) == 0;
}

static void
on_echo(struct daemon *d, const struct wire_msg *m)
{
	struct outgoing *tx = &d->tx;
	const char *msg_id = wire_str(m, WF_MSG_ID);
	struct flight *f;
	size_t i;

	if (m->f[WF_REPLAY].b && wire_str(m, WF_ID) == NULL)
		return;		/* an older one that said the same */
	for (i = 0; i < tx->count; i++)
		if (tx->flight[i].type == WIRE_MSG &&
		    echo_matches(&tx->flight[i], m))
			break;
	if (i == tx->count)
		return;
	f = &tx->flight[i];
	f->ts = wire_int(m, WF_TS, 0);
	f->seq = (uint64_t)wire_int(m, WF_SEQ, 0);
	f->j = (uint64_t)wire_int(m, WF_J, 0);
	f->again = false;
	snprintf(f->msg_id, sizeof(f->msg_id), "%s",
	    msg_id != NULL ? msg_id : "");
	if (!d->info.caps_stored || (f->j != 0 && f->j <= tx->stored)) {
		confirm(d, f);
		sender_pump(d);
	}
}

static void
on_stored(struct daemon *d, const struct wire_msg *m)
{
	struct outgoing *tx = &d->tx;
	uint64_t j = (uint64_t)wire_int(m, WF_J, 0);
	size_t i = 0, before;

	if (j > tx->stored)
		tx->stored = j;
	while (i < tx->count) {
		before = tx->count;
		if (tx->flight[i].j != 0 && tx->flight[i].j <= tx->stored)
			confirm(d, &tx->flight[i]);
		if (tx->count == before)
			i++;
	}
	sender_pump(d);
}

/* What answers a line of this type, if all goes well; NONE: only the PONG. */
static enum wire_type
answer_type(enum wire_type line)
{
	switch (line) {
	case WIRE_JOIN:
	case WIRE_CREATE_CHANNEL:
		return WIRE_JOINED;
	case WIRE_LEAVE:
		return WIRE_LEFT;
	case WIRE_LIST_CHANNELS:
		return WIRE_CHANNELS;
	case WIRE_LIST_AGENTS:
		return WIRE_AGENTS;
	case WIRE_GET_RATING:
		return WIRE_RATING;
	case WIRE_VERIFY_REQUEST:
	case WIRE_LEADERBOARD:
	case WIRE_PROPOSAL:
	case WIRE_ACCEPT:
	case WIRE_REJECT:
	case WIRE_COMPLETE:
	case WIRE_DISPUTE:
		return line;
	case WIRE_ADMIN_KICK:
	case WIRE_ADMIN_BAN:
	case WIRE_ADMIN_UNBAN:
		return WIRE_ADMIN_RESULT;
	default:
		return WIRE_NONE;
	}
}

/* The line in flight, which is alone; or NULL. */
static struct flight *
line_in_flight(struct daemon *d)
{
	struct outgoing *tx = &d->tx;

	return tx->count > 0 && tx->flight[0].type != WIRE_MSG ?
	    &tx->flight[0] : NULL;
}

static void
on_pong(struct daemon *d)
{
	struct outgoing *tx = &d->tx;
	struct flight *f = &tx->flight[0];
	struct room *room;

	tx->pongs++;
	if (tx->count == 0 || f->ping == 0 || f->ping > tx->pongs || f->again)
		return;
	/* A channel echoes: without that, who knows whether it was heard? */
	if (f->type == WIRE_MSG && f->target[0] == '#')
		return;
	if (f->type == WIRE_LEAVE &&
	    (room = room_find(d, f->target)) != NULL) {
		/* Without out/ it is no box, now and after a restart. */
		unlinkat(spool_box_dir(room->box), "out", AT_REMOVEDIR);
		room_leave(d, room, false);
	}
	/* An old relay may not echo a DM; but it didn't refuse it. */
	confirm(d, f);
	sender_pump(d);
}

void
sender_message(struct daemon *d, const struct wire_msg *m, const char *text,
    size_t len)
{
	struct flight *f = line_in_flight(d);
	const char *from = wire_str(m, WF_FROM);

	if (f != NULL && m->type == answer_type(f->type) &&
	    (proposal_place(m->type) < 0 || from == NULL ||
	    daemon_is_me(d, from)) &&
	    d->tx.reply.len == 0 && len <= REPLY_MAX) {
		buf_add(&d->tx.reply, text, len);
		for (size_t i = 0; i < d->tx.reply.len; i++)
			if (d->tx.reply.p[i] == '\n')
				d->tx.reply.p[i] = ' ';
		if (buf_err(&d->tx.reply) < 0)
			buf_clear(&d->tx.reply);
	}
	if (m->type == WIRE_MSG && from != NULL && daemon_is_me(d, from))
		on_echo(d, m);
	else if (m->type == WIRE_STORED)
		on_stored(d, m);
	else if (m->type == WIRE_PONG)
		on_pong(d);
}

static struct flight *
blamed(struct daemon *d, const struct wire_msg *m)
{
	struct outgoing *tx = &d->tx;
	const char *re = wire_str(m, WF_RE);

	/* An old relay names nothing, but there is only one to be meant. */
	if (re == NULL)
		return tx->count > 0 && !daemon_relay_is_new(d) ?
		    &tx->flight[0] : NULL;
	for (size_t i = 0; i < tx->count; i++)
		if (strcmp(tx->flight[i].id, re) == 0)
			return &tx->flight[i];
	return NULL;
}

void
sender_error(struct daemon *d, const struct wire_msg *m)
{
	const char *word = wire_str(m, WF_CODE);
	const char *text = wire_str(m, WF_MESSAGE);
	int code = word != NULL ? ac_errcode(word, strlen(word)) : 0;
	struct flight *f = blamed(d, m);
	char why[512];

	if (f == NULL || (text != NULL &&
	    strncmp(text, "Disconnected", 12) == 0)) {
		log_warn("relay_error", "code", word, "message", text, NULL);
		return;
	}
	if (code == AC_E_RATE_LIMITED) {
		pace_refused(&d->tx.pace, f->sent_ms,
		    wire_int(m, WF_RETRY_MS, 0), clock_mono_ms());
		f->again = true;
	} else {
		if (word == NULL)
			word = "ERROR";
		snprintf(why, sizeof(why), "%s: %s", word, text != NULL ?
		    ac_errtext(word, text) : code != 0 ? ac_strerror(code) :
		    "The relay refuses.");
		fail_flight(d, f, why);
	}
	sender_pump(d);
}

bool
sender_waits(const struct daemon *d)
{
	return !daemon_relay_is_new(d) && d->tx.count > 0;
}

bool
sender_take_token(struct daemon *d)
{
	return pace_take(&d->tx.pace, clock_mono_ms());
}

bool
sender_asks(const struct daemon *d, enum wire_type type, const char *channel)
{
	const struct flight *f = &d->tx.flight[0];

	return d->tx.count > 0 && f->type == type &&
	    strcmp(f->target, channel) == 0;
}

/* ---------------------------------------------------------- coming, going */

void
sender_session(struct daemon *d)
{
	struct outgoing *tx = &d->tx;

	pace_init(&tx->pace, d->info.rate, d->info.burst, clock_mono_ms());
	tx->pings = tx->pongs = tx->stored = 0;
	sender_pump(d);
}

void
sender_offline(struct daemon *d)
{
	ask_offline(d);
	d->tx.count = 0;
	d->tx.upto = 0;		/* what is done already is skipped */
}

/* When the relay has had its time to confirm. */
static int64_t
answer_due(const struct daemon *d)
{
	const struct flight *f = &d->tx.flight[0];

	return d->connected && d->tx.count > 0 && !f->again && !d->full ?
	    f->sent_ms + ANSWER_MS : INT64_MAX;
}

int64_t
sender_due(struct daemon *d, int64_t now)
{
	int64_t ask = ask_due(d), answer = answer_due(d);
	struct flight *again;

	/* What can't be sent yet, and not only for its rate, is tried again. */
	if (may_send(d) && !loop_timer_on(d->tx.pump) &&
	    choose(d, &again) != NULL)
		return now;
	return ask < answer ? ask : answer;
}

void
sender_tick(struct daemon *d)
{
	ask_tick(d);
	if (clock_mono_ms() >= answer_due(d))
		client_reset(d->client, -ETIMEDOUT,
		    "The relay does not confirm what we sent.");
	sender_pump(d);
}

int
sender_init(struct daemon *d)
{
	struct outgoing *tx = &d->tx;
	int rc;

	item_init(&tx->item);
	rc = spool_queue_open(&tx->queue, d->sp);
	if (rc == 0)
		rc = refused_settle(d);
	if (rc == 0)
		rc = loop_timer_new(&tx->pump, d->loop, pump_again, d);
	return rc == 0 ? collect_init(d) : rc;
}

void
sender_fini(struct daemon *d)
{
	struct outgoing *tx = &d->tx;

	collect_fini(d);
	loop_timer_free(tx->pump);
	if (tx->queue != NULL)
		spool_queue_close(tx->queue);
	item_fini(&tx->item);
	buf_fini(&tx->body);
	buf_fini(&tx->reply);
}
