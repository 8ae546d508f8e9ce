/*
 * peer.c - a session: what it still has to be sent, and how it ends.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define TOO_SLOW	"You read too slowly: connect again, and JOIN with since."
#define NO_MEMORY	"The relay is out of memory."
#define BUSY_BYTES	(256u << 10)	/* between two looks */
#define LWS_BYTES	(4 << 10)	/* per connection, about */
#define LWS_TLS_BYTES	(48 << 10)
#define RETRY_MS	1000	/* when to try a full relay again */

/*
 * A quiet peer is looked at twice, then pinged, and after two more looks it is
 * taken for dead. All wait equally long, so the list is in order. While much
 * goes to a peer its looks don't count: the kernel takes megabytes before we
 * see that it reads slowly, and the ping stands behind them. If it reads
 * nothing, the queue tells.
 */
static void
look_later(struct peer *p, int64_t now_ms)
{
	p->look_ms = now_ms + p->relay->conf.idle_ping_ms / 2;
	TAILQ_INSERT_TAIL(&p->relay->looks, p, looks);
}

/* With what libwebsockets has for it. */
static int64_t
peer_bytes(const struct relay *r)
{
	return (int64_t)sizeof(struct peer) + MEM_ALLOC + MEM_SLOT +
	    (r->conf.cert != NULL ? LWS_TLS_BYTES : LWS_BYTES);
}

/* Tell mem.c how much the queue takes, here and in libwebsockets. */
static void
count_own(struct peer *p)
{
	mem_grow((int64_t)(p->q.own.cap - p->q.counted));
	p->q.counted = p->q.own.cap;
}

static void
free_own(struct peer *p)
{
	buf_fini(&p->q.own);
	count_own(p);
}

static void
hold(struct peer *p, size_t len)
{
	mem_grow((int64_t)(len - p->q.held));
	p->q.held = len;
}

static void
set_slow(struct peer *p, bool slow)
{
	if (!slow)
		hold(p, 0);
	if (slow == (p->slow_ms != 0))
		return;
	if (slow)
		TAILQ_INSERT_TAIL(&p->relay->slow, p, slows);
	else
		TAILQ_REMOVE(&p->relay->slow, p, slows);
	p->slow_ms = slow ? clock_mono_ms() : 0;
}

struct peer *
peer_new(struct relay *r, struct lws *wsi)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->relay = r;
	p->wsi = wsi;
	p->serial = ++r->serials;
	LIST_INIT(&p->in);
	bucket_init(&p->bucket, &r->conf);
	LIST_INSERT_HEAD(&r->peers, p, all);
	look_later(p, clock_mono_ms());
	r->npeers++;
	mem_grow(peer_bytes(r));
	r->metrics.connections++;
	peer_set_state(p, PEER_NEW);
	return p;
}

void
peer_set_state(struct peer *p, enum peer_state state)
{
	struct relay *r = p->relay;

	if (p->is_waiting)
		TAILQ_REMOVE(&r->waiting, p, waiting);
	p->is_waiting = state != PEER_KNOWN;
	if (p->is_waiting)
		TAILQ_INSERT_TAIL(&r->waiting, p, waiting);
	if (state == PEER_KNOWN && p->is_unidentified) {
		p->is_unidentified = false;
		address_count(r, p->address, 0, -1);
	}
	p->state = state;
	p->since_ms = clock_mono_ms();
}

void
peer_leave_all(struct peer *p)
{
	struct relay *r = p->relay;
	struct member *m;

	turn_commit(r);
	while ((m = LIST_FIRST(&p->in)) != NULL) {
		struct chan *c = m->chan;

		chan_remove(m);
		wire_begin(&r->json, WIRE_AGENT_LEFT);
		wire_put_str(&r->json, WF_CHANNEL, c->name, c->name_len);
		wire_put_str(&r->json, WF_AGENT, p->id, p->id_len);
		wire_end(&r->json);
		chan_tell(r, c, NULL);
	}
	if (p->id_len != 0 && map_get(&r->online, p->id, p->id_len) == p)
		map_del(&r->online, p->id, p->id_len);
}

void
peer_gone(struct peer *p)
{
	struct relay *r = p->relay;

	peer_leave_all(p);
	if (p->is_waiting)
		TAILQ_REMOVE(&r->waiting, p, waiting);
	if (p->dirty)
		TAILQ_REMOVE(&r->dirty, p, dirties);
	if (p->unstored != 0)
		TAILQ_REMOVE(&r->unstored, p, unstoreds);
	set_slow(p, false);
	TAILQ_REMOVE(&r->looks, p, looks);
	LIST_REMOVE(p, all);
	r->npeers--;
	auth_fini(p);
	dedupe_fini(&p->dedupe);
	peer_forget_input(p);
	free_own(p);
	mem_grow(-peer_bytes(r));
	free(p);
}

void
peer_forget_input(struct peer *p)
{
	mem_grow(-(int64_t)p->in_buf.cap);
	buf_fini(&p->in_buf);
}

size_t
peer_queued(const struct peer *p)
{
	return p->q.len;
}

size_t
peer_frame_header(unsigned char out[10], size_t len)
{
	out[0] = 0x81;		/* whole text message */
	if (len < 126) {
		out[1] = (unsigned char)len;
		return 2;
	}
	if (len < 65536) {
		out[1] = 126;
		out[2] = (unsigned char)(len >> 8);
		out[3] = (unsigned char)len;
		return 4;
	}
	out[1] = 127;
	for (int i = 0; i < 8; i++)
		out[2 + i] = (unsigned char)((uint64_t)len >> (56 - 8 * i));
	return 10;
}

size_t
peer_share(struct relay *r, enum share share, const char *json, size_t len,
    size_t *frame_len)
{
	struct buf *b = &r->shared[share];
	size_t off = b->len;
	unsigned char head[10];

	buf_add(b, head, peer_frame_header(head, len));
	buf_add(b, json, len);
	*frame_len = b->len - off;
	return off;
}

/* End it for a fault, and count that. */
static void
drop(struct peer *p, enum drop reason, uint16_t code, const char *why)
{
	if (p->state == PEER_CLOSING)
		return;
	p->relay->metrics.drops[reason]++;
	peer_drop(p, code, why);
}

/* A message was queued: see to it that it is sent, or that it isn't. */
static void
queued(struct peer *p, size_t len)
{
	struct relay *r = p->relay;

	r->metrics.sent++;
	p->q.len += len;
	count_own(p);
	if (!p->dirty) {
		p->dirty = true;
		TAILQ_INSERT_TAIL(&r->dirty, p, dirties);
	}
	if (p->q.len > (size_t)r->conf.queue_max)
		drop(p, DROP_SLOW, 1008, TOO_SLOW);
}

/* Copy the shared parts: they won't be there in the next turn. */
static int
keep(struct peer *p)
{
	for (unsigned i = 0; i < p->q.nparts; i++) {
		const struct sendq_part *part = &p->q.parts[i];

		buf_add(&p->q.own, p->relay->shared[part->share].p + part->off,
		    part->len);
	}
	p->q.nparts = 0;
	count_own(p);
	if (buf_err(&p->q.own) == 0)
		return 0;
	drop(p, DROP_MEMORY, 1011, NO_MEMORY);
	return -ENOMEM;
}

void
peer_put_shared(struct peer *p, enum share share, size_t off, size_t len)
{
	struct sendq *q = &p->q;
	struct sendq_part *last;

	if (p->state == PEER_CLOSING)
		return;
	last = q->nparts > 0 ? &q->parts[q->nparts - 1] : NULL;
	if (last != NULL && last->share == share &&
	    last->off + last->len == off) {
		last->len += (uint32_t)len;
	} else {
		if (q->nparts == SENDQ_PARTS && keep(p) < 0)
			return;
		q->parts[q->nparts++] = (struct sendq_part){ (uint32_t)off,
		    (uint32_t)len, share };
	}
	queued(p, len);
}

void
peer_put(struct peer *p, const char *json, size_t len)
{
	size_t off, frame_len;

	if (p->state == PEER_CLOSING)
		return;
	off = peer_share(p->relay, SHARE_REPLY, json, len, &frame_len);
	if (buf_err(&p->relay->shared[SHARE_REPLY]) == 0)
		peer_put_shared(p, SHARE_REPLY, off, frame_len);
	else
		drop(p, DROP_MEMORY, 1011, NO_MEMORY);
}

void
peer_reply(struct peer *p)
{
	struct buf *b = &p->relay->json;

	if (buf_err(b) == 0)
		peer_put(p, b->p, b->len);
	else
		drop(p, DROP_MEMORY, 1011, NO_MEMORY);
	buf_clear(b);
}

void
peer_reply_own(struct peer *p)
{
	struct buf *b = &p->relay->json;
	unsigned char head[10];
	size_t n;

	if (p->state != PEER_CLOSING && keep(p) == 0) {
		n = peer_frame_header(head, b->len);
		buf_add(&p->q.own, head, n);
		buf_add(&p->q.own, b->p, b->len);
		if (buf_err(b) == 0 && buf_err(&p->q.own) == 0) {
			p->relay->metrics.deliveries++;
			queued(p, n + b->len);
		} else {
			drop(p, DROP_MEMORY, 1011, NO_MEMORY);
		}
	}
	buf_clear(b);
}

void
peer_error_re(struct peer *p, int rc, const char *text, const char *re)
{
	struct buf *b = &p->relay->json;
	const char *word = ac_errword(rc);

	p->relay->metrics.refusals[word != NULL ? -1000 - rc :
	    AC_ORD_RATE_LIMITED]++;
	buf_clear(b);
	wire_begin(b, WIRE_ERROR);
	wire_puts(b, WF_CODE, word != NULL ? word : "RATE_LIMITED");
	wire_puts(b, WF_MESSAGE, text != NULL ? text : ac_strerror(rc));
	if (re[0] != '\0')
		wire_puts(b, WF_RE, re);
	/* It isn't the peer's rate, or there would be nothing to say of it. */
	if (rc == AC_E_RATE_LIMITED && text != NULL)
		wire_put_int(b, WF_RETRY_MS, RETRY_MS);
	wire_end(b);
	peer_reply(p);
}

void
peer_error(struct peer *p, int rc, const char *text)
{
	const char *re = wire_str(&p->relay->msg, WF_ID);

	peer_error_re(p, rc, text, re != NULL ? re : "");
}

static void
log_close(const struct peer *p, uint16_t code, const char *why)
{
	char num[LOG_NUM_MAX];

	log_info("close", "agent", p->id, "address", p->address, "code",
	    log_num(num, code), "why", why, NULL);
}

/*
 * The close frame, behind what is queued. We write it ourselves as we do all
 * frames: libwebsockets as Debian builds it (4.1.6, _DEBUG, libuv) closes
 * twice in a row, as a test, and so never sends its own.
 */
static void
put_close_frame(struct peer *p, uint16_t code, const char *why)
{
	size_t len = strlen(why);
	unsigned char head[4];

	if (keep(p) < 0)
		return;
	if (len > 123)
		len = 123;	/* a control frame takes 125 bytes */
	head[0] = 0x88;
	head[1] = (unsigned char)(2 + len);
	head[2] = (unsigned char)(code >> 8);
	head[3] = (unsigned char)code;
	buf_add(&p->q.own, head, sizeof(head));
	buf_add(&p->q.own, why, len);
	p->q.len += sizeof(head) + len;
	if (buf_err(&p->q.own) < 0) {
		free_own(p);	/* then without: the timer ends it */
		p->q.len = 0;
	}
	count_own(p);
}

void
peer_close(struct peer *p, uint16_t code, const char *why)
{
	if (p->state == PEER_CLOSING)
		return;
	log_close(p, code, why);
	put_close_frame(p, code, why);
	if (p->state == PEER_CLOSING)
		return;		/* no memory for it: dropped meanwhile */
	peer_set_state(p, PEER_CLOSING);
	listen_want_write(p);
}

void
peer_drop(struct peer *p, uint16_t code, const char *why)
{
	/* Nobody reads it: don't keep it. */
	free_own(p);
	p->q.nparts = 0;
	p->q.len = 0;
	peer_close(p, code, why);
}

/* Without cap ack, a letter is with its reader when the kernel has it. */
static void
letters_drained(struct peer *p)
{
	if (p->cap_ack || p->letters == 0 || p->agent == NULL)
		return;
	agent_ack(p->relay, p->agent, p->letters);
}

/* All that waits in one run of bytes; NULL: no memory, the peer is dropped. */
static const char *
gather(struct peer *p)
{
	struct sendq *q = &p->q;
	struct relay *r = p->relay;
	const struct sendq_part *part = &q->parts[0];

	if (q->own.len == 0 && q->nparts == 1)
		return r->shared[part->share].p + part->off;
	if (q->own.len != 0)
		return keep(p) == 0 ? q->own.p : NULL;
	buf_clear(&r->flush);
	for (; part < &q->parts[q->nparts]; part++)
		buf_add(&r->flush, r->shared[part->share].p + part->off,
		    part->len);
	if (buf_err(&r->flush) == 0)
		return r->flush.p;
	drop(p, DROP_MEMORY, 1011, NO_MEMORY);
	return NULL;
}

/* Memory is full: end those that let the most of it wait for them. */
static void
relieve(struct relay *r)
{
	struct peer *p, *worst;

	while (!mem_has_room(MEM_LIVE)) {
		worst = NULL;
		TAILQ_FOREACH(p, &r->slow, slows)
			if (worst == NULL || p->q.own.cap + p->q.held >
			    worst->q.own.cap + worst->q.held)
				worst = p;
		if (worst == NULL)
			return;
		drop(worst, DROP_MEMORY, 1008, TOO_SLOW);
		/* It won't read the reason; libwebsockets lets go of it. */
		free_own(worst);
		worst->q.len = 0;
		set_slow(worst, false);
		listen_kill(worst);
	}
}

void
peer_flush(struct peer *p)
{
	struct sendq *q = &p->q;
	const char *bytes;
	size_t len;
	int rc;

	if (q->len == 0)
		return;
	if (listen_choked(p)) {
		if (keep(p) == 0)
			listen_want_write(p);
		relieve(p->relay);
		return;
	}
	bytes = gather(p);
	if (bytes == NULL)
		return;
	rc = listen_write(p, bytes, q->len);
	len = q->len;
	p->written += len;
	free_own(p);
	q->nparts = 0;
	q->len = 0;
	if (rc < 0) {
		listen_kill(p);
		return;
	}
	if (listen_choked(p)) {
		listen_want_write(p);
		set_slow(p, true);
		hold(p, p->q.held + len);
		relieve(p->relay);
		return;
	}
	set_slow(p, false);
	letters_drained(p);
	if (p->behind)
		listen_want_write(p);
}

void
peer_writable(struct peer *p)
{
	p->silent = 0;		/* it takes what we send */
	peer_flush(p);
	if (listen_choked(p))
		return;
	set_slow(p, false);
	/*
	 * Closing: it has our close frame, and its own will end it, or the
	 * timer. What still comes from it is read and forgotten: unread bytes
	 * would make the kernel send a reset, which overtakes the frame.
	 */
	if (p->state != PEER_CLOSING && p->behind)
		history_pump_peer(p);
}

static void
ping(struct peer *p)
{
	/* libwebsockets doesn't tell of an answer with nothing in it. */
	static const char frame[] = { (char)0x89, 1, '.' };

	if (keep(p) < 0)
		return;
	buf_add(&p->q.own, frame, sizeof(frame));
	if (buf_err(&p->q.own) < 0)
		drop(p, DROP_MEMORY, 1011, NO_MEMORY);
	else
		queued(p, sizeof(frame));
}

static void
look(struct peer *p, int64_t now_ms)
{
	bool busy = p->written >= BUSY_BYTES;

	TAILQ_REMOVE(&p->relay->looks, p, looks);
	look_later(p, now_ms);
	p->written = 0;
	if (p->state == PEER_CLOSING || busy)
		return;		/* closing, it has a timer of its own */
	if (++p->silent == 2)
		ping(p);
	else if (p->silent >= 4)
		drop(p, DROP_DEAD, 1011, "No answer to a ping.");
}

void
peer_tick(struct relay *r, int64_t now_ms)
{
	struct peer *p, *next;

	while ((p = TAILQ_FIRST(&r->looks)) != NULL && p->look_ms <= now_ms)
		look(p, now_ms);
	for (p = TAILQ_FIRST(&r->waiting); p != NULL; p = next) {
		int64_t waited = now_ms - p->since_ms;

		next = TAILQ_NEXT(p, waiting);
		if (p->state == PEER_NEW && waited >= IDENTIFY_MS) {
			drop(p, DROP_SILENT, 1008, "No IDENTIFY came in 10 s.");
		} else if (p->state == PEER_HELD && waited >= HELD_MS) {
			peer_error_re(p, AC_E_AUTH_REQUIRED, "This id is in "
			    "use: prove that you hold its key.", "");
			peer_close(p, 1008, "The key was not proved in time.");
		} else if (p->state == PEER_CLOSING && waited >= CLOSE_MS) {
			listen_kill(p);
		}
	}
	TAILQ_FOREACH(p, &r->slow, slows)
		if (now_ms - p->slow_ms >= SLOW_MS &&
		    peer_queued(p) > SLOW_BYTES)
			drop(p, DROP_SLOW, 1008, TOO_SLOW);
}
