/*
 * resume.c - which message of a channel comes next.
 *
 * A room's `have` is the seq of the last message staged, in the numbering
 * `epoch`. JOIN asks for what comes after it. A gap is asked for again, once;
 * what then is still missing is marked in the rings. When the relay has begun
 * a new numbering it sends all that it holds, and what is there already is
 * known by its msg_id (seen). A relay without numbers sends its newest
 * messages at every JOIN: the same way out.
 *
 * After a new numbering there may be some that the relay has lost and we have:
 * a power cut took what it had passed on and not yet stored. Their senders
 * will say them again, and the relay takes them for new ones; the newest that
 * the box had from before are known by what their senders call them (before).
 * That is for as long as the daemon runs: one that starts again later doesn't
 * know that the numbering was new.
 *
 * A message is never taken twice, but an agent may have deleted what the
 * relay sends again; so what the ring remembers counts, not only what new/
 * and cur/ hold.
 */
#include "config.h"

#include "daemon/state.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define ANSWER_MS	30000	/* to a JOIN that asks again */
#define BEFORE_FILES	1000	/* as SEEN_FILES, of those from before */
#define BEFORE_MAX	4000

static void
remember(struct room *r)
{
	if (r->seen == NULL && seen_new(&r->seen, SEEN_MAX) == 0)
		receive_remember(r->box, r->seen, SEEN_FILES);
}

static void
remember_before(struct room *r)
{
	seen_free(r->before);
	r->before = NULL;
	if (seen_new(&r->before, BEFORE_MAX) == 0)
		receive_remember(r->box, r->before, BEFORE_FILES);
}

/* Put the room's position into the file before anything of it is staged. */
static void
commit(struct daemon *d, struct room *r)
{
	int rc = cursor_set(&d->rx.cursor, r->name, r->epoch, r->have);

	if (rc < 0)
		daemon_fatal(d, rc, "cursor");
	publish_cursor(d);
	if (publish_drain(d) < 0)
		log_warn("epoch", "channel", r->name, "committed", "not yet",
		    NULL);
}

/* A line of our own in the rings: messages from..to are lost to us. */
static void
mark_gap(struct daemon *d, struct room *r, uint64_t from, uint64_t to)
{
	struct buf b = BUF_INIT;
	struct wire_msg m;

	log_warn("gap", "channel", r->name, NULL);
	wire_begin(&b, WIRE_GAP);
	wire_puts(&b, WF_CHANNEL, r->name);
	wire_put_int(&b, WF_GAP_FROM, (int64_t)from);
	wire_put_int(&b, WF_GAP_TO, (int64_t)to);
	wire_end(&b);
	wire_msg_init(&m);
	if (buf_err(&b) == 0 && wire_parse_object(&m, b.p, b.len) == 0)
		receive_event(d, r, &m);
	wire_msg_fini(&m);
	buf_fini(&b);
}

void
resume_enter(struct daemon *d, struct room *r, uint64_t top)
{
	r->top = top;
	r->asked_again = false;
	if (*d->info.epoch == '\0') {
		remember(r);
		return;
	}
	if (strcmp(r->epoch, d->info.epoch) != 0) {
		if (publish_drain(d) < 0)
			log_warn("epoch", "drained", "no", NULL);
		memcpy(r->epoch, d->info.epoch, sizeof(r->epoch));
		r->have = 0;
		r->any = true;
		if (r->known)
			remember_before(r);
		if (r->known || top == 0) {
			r->known = true;
			commit(d, r);
		}
	} else if (r->known && top < r->have) {
		log_error("seq_backwards", "channel", r->name, NULL);
		mark_gap(d, r, top + 1, r->have);
		r->have = top;
		commit(d, r);
	}
	if (r->known && r->have == 0 && top > 0)
		remember(r);
	else if (!r->known && top == 0) {
		r->known = true;
		commit(d, r);
	}
}

static void
ask_again(struct daemon *d, struct room *r)
{
	log_info("gap_asked", "channel", r->name, NULL);
	if (room_ask(d, r, WIRE_JOIN) < 0)
		return;
	r->asked_again = true;
	r->since_ms = clock_mono_ms();
}

/* seq is above have: is it the next one? */
static bool
admits_new(struct daemon *d, struct room *r, uint64_t seq, bool replay)
{
	if (seq == r->have + 1 || r->any)
		return true;
	if (!r->asked_again) {
		ask_again(d, r);
		return false;
	}
	/* Live ones may come before the answer; they are in it too. */
	if (!replay && clock_mono_ms() - r->since_ms < ANSWER_MS)
		return false;
	mark_gap(d, r, r->have + 1, seq - 1);
	return true;
}

/*
 * A replay: is it in the box, or was it before all that is? The relay sends
 * what it holds, and that may go back to before we came.
 */
static bool
known_by_content(struct room *r, const struct wire_msg *m)
{
	if (r->seen == NULL)
		return false;
	if (wire_has(m, WF_SEQ) && wire_int(m, WF_TS, INT64_MAX) <
	    r->seen->oldest_ts)
		return true;
	return seen_knows(r->seen, m, false);
}

enum take
resume_admits(struct daemon *d, struct room *r, const struct wire_msg *m,
    bool own)
{
	bool replay = m->f[WF_REPLAY].b;
	int64_t seq = wire_int(m, WF_SEQ, 0);

	if (r->state != ROOM_IN)
		return TAKE_NOTHING;	/* JOIN will bring it */
	if (!wire_has(m, WF_SEQ))
		return replay && known_by_content(r, m) ? TAKE_NOTHING :
		    TAKE_ALL;
	if (seq <= 0 || *r->epoch == '\0') {
		client_reset(d->client, -EPROTO,
		    "The relay's message numbers are absurd.");
		return TAKE_NOTHING;
	}
	if (own && (uint64_t)seq != r->have + 1 && !replay)
		return TAKE_NOTHING;	/* a resend: told its old number */
	if ((uint64_t)seq <= r->have) {
		if (!replay && !r->asked_again)
			client_reset(d->client, -EPROTO,
			    "The relay's message numbers go backwards.");
		return TAKE_NOTHING;
	}
	if (!admits_new(d, r, (uint64_t)seq, replay))
		return TAKE_NOTHING;
	if ((replay && known_by_content(r, m)) ||
	    (r->before != NULL && seen_knows(r->before, m, true)))
		return TAKE_NUMBER;
	if (!replay) {
		seen_free(r->seen);	/* all that is old has come */
		r->seen = NULL;
	}
	return TAKE_ALL;
}

void
resume_took(struct room *r, const struct wire_msg *m)
{
	char key[SEEN_KEY_LEN + 1];

	if (wire_has(m, WF_SEQ)) {
		r->have = (uint64_t)wire_int(m, WF_SEQ, 0);
		r->known = true;
		r->any = r->asked_again = false;
	} else if (r->seen != NULL) {
		seen_key(m, key);
		seen_add(r->seen, key);
	}
}
