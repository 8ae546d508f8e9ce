/*
 * chat_hear.c - what the relay sends, as lines.
 *
 * On a terminal what is said in the current room is shown, and what is said
 * elsewhere is counted and kept until one goes there. Elsewhere all is
 * printed as it comes. Whatever comes from others is escaped.
 */
#include "config.h"

#include "cli/chat.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/out.h"
#include "cli/show.h"

#define DIM	"\033[2m"
#define MARK	"\033[1;33m"
#define PLAIN	"\033[0m"

static void
put_time(const struct chat *c, struct buf *b, int64_t ts_ms)
{
	time_t t = (time_t)(ts_ms / 1000);
	struct tm tm;
	char text[16];

	if (localtime_r(&t, &tm) == NULL ||
	    strftime(text, sizeof(text), "%H:%M ", &tm) == 0)
		strcpy(text, "--:-- ");
	if (c->colour)
		buf_adds(b, DIM);
	buf_adds(b, text);
	if (c->colour)
		buf_adds(b, PLAIN);
}

/* Is our name or id in the text? */
static bool
mentions_me(const struct chat *c, const char *text)
{
	return (c->me[0] != '\0' && strstr(text, c->me) != NULL) ||
	    (c->my_name[0] != '\0' && strcasestr(text, c->my_name) != NULL);
}

/* Keep a line for when somebody comes to the room; the oldest go. */
static void
keep(struct room *r, const char *line, size_t len)
{
	if (r->kept.len + len > CHAT_KEPT_MAX) {
		size_t half = r->kept.len / 2;
		const char *nl = memchr(r->kept.p + half, '\n',
		    r->kept.len - half);

		buf_drop(&r->kept, nl != NULL ? (size_t)(nl - r->kept.p) + 1 :
		    r->kept.len);
	}
	buf_add(&r->kept, line, len);
	if (buf_err(&r->kept) < 0)
		buf_clear(&r->kept);
}

void
chat_show_kept(struct chat *c, const struct room *r, unsigned n)
{
	struct buf b = BUF_INIT;
	size_t at = r->kept.len;

	while (at > 0) {
		if (r->kept.p[at - 1] == '\n' && n-- == 0)
			break;
		at--;
	}
	if (r->kept.len > at)
		buf_add(&b, r->kept.p + at, r->kept.len - at);
	chat_print(c, &b);
	buf_fini(&b);
}

/* Where the message belongs: its channel, or the agent we speak with. */
static const char *
room_of(const struct chat *c, const struct wire_msg *m)
{
	const char *from = wire_str(m, WF_FROM), *to = wire_str(m, WF_TO);

	if (to == NULL || from == NULL)
		return NULL;
	return to[0] == '#' || strcmp(from, c->me) == 0 ? to : from;
}

/* Seen before: replayed at a JOIN after a reconnect. */
static bool
is_old(struct chat *c, struct room *r, const struct wire_msg *m)
{
	int64_t seq = wire_int(m, WF_SEQ, -1);

	(void)c;
	if (seq < 0 || r->name[0] != '#')
		return false;
	if (seq <= r->seq)
		return true;
	r->seq = seq;
	return false;
}

static void
put_said(struct chat *c, struct buf *b, const char *room,
    const struct wire_msg *m, bool mention)
{
	const struct wire_value *content = &m->f[WF_CONTENT];
	bool replay = m->f[WF_REPLAY].b;

	put_time(c, b, wire_int(m, WF_TS, clock_wall_ms()));
	if (!c->terminal) {
		out_text(b, room, strlen(room));
		buf_addc(b, ' ');
	}
	chat_put_agent(c, b, wire_str(m, WF_FROM));
	if (replay)
		buf_adds(b, " (earlier)");
	if (m->type != WIRE_MSG) {
		const char *id = wire_str(m, WF_PROPOSAL_ID);

		buf_addf(b, " %s ", wire_type_name(m->type));
		if (id != NULL)
			out_text(b, id, strlen(id));
		content = &m->f[WF_TASK];
	}
	buf_adds(b, ": ");
	if (c->colour && (mention || replay))
		buf_adds(b, mention ? MARK : DIM);
	if (content->kind == WIRE_STR)
		out_text(b, content->s, content->len);
	if (c->colour && (mention || replay))
		buf_adds(b, PLAIN);
	buf_addc(b, '\n');
}

/* Once it is shown or kept, the mailbox may forget it. */
static void
acknowledge(struct chat *c, const struct wire_msg *m)
{
	struct buf b = BUF_INIT;

	if (remote_make_ack(&b, m, client_info(c->client)))
		chat_tell(c, &b);
	buf_fini(&b);
}

static void
on_said(struct chat *c, const struct wire_msg *m)
{
	const char *name = room_of(c, m), *from = wire_str(m, WF_FROM);
	bool own = from != NULL && strcmp(from, c->me) == 0, mention;
	struct buf b = BUF_INIT;
	struct room *r;

	if (name == NULL || (r = chat_room_make(c, name)) == NULL) {
		chat_note(c, "too much is going on: a message of %s was not "
		    "shown", from != NULL ? from : "nobody");
		return;
	}
	if (wire_has(m, WF_FROM_NAME))
		chat_learn(c, from, wire_str(m, WF_FROM_NAME));
	if (is_old(c, r, m))
		return;
	mention = !own && m->type == WIRE_MSG &&
	    wire_str(m, WF_CONTENT) != NULL &&
	    mentions_me(c, wire_str(m, WF_CONTENT));
	put_said(c, &b, name, m, mention);
	keep(r, b.p != NULL ? b.p : "", b.len);
	if (c->now == NULL)
		c->now = r;
	if (!c->terminal || r == c->now) {
		chat_print(c, &b);
	} else if (!own && !m->f[WF_REPLAY].b) {
		r->unread++;
		r->mentions += mention;
	}
	buf_fini(&b);
	chat_prompt(c);
	acknowledge(c, m);
}

/* The members of a list, as they are shown; learns names on the way. */
static void
put_members(struct chat *c, struct buf *b, const struct wire_msg *m,
    enum wire_field list)
{
	struct wire_value item;
	const void *at = NULL;
	const char *key;

	if (wire_has(m, WF_NAMES))
		while (wire_each(&m->f[WF_NAMES], &at, &key, &item))
			if (item.kind == WIRE_STR)
				chat_learn(c, key, item.s);
	at = NULL;
	while (wire_has(m, list) && wire_each(&m->f[list], &at, &key, &item))
		if (item.kind == WIRE_STR) {
			buf_addc(b, ' ');
			chat_put_agent(c, b, item.s);
		}
}

static void
on_joined(struct chat *c, const struct wire_msg *m)
{
	const char *channel = wire_str(m, WF_CHANNEL);
	struct room *r = channel != NULL ? chat_room_make(c, channel) : NULL;
	struct buf b = BUF_INIT;
	bool again;

	if (r == NULL)
		return;
	again = r->wanted && r->seq >= 0;
	r->in = r->wanted = true;
	c->asked = false;
	buf_adds(&b, again ? "* back in " : "* joined ");
	out_text(&b, channel, strlen(channel));
	buf_adds(&b, ":");
	put_members(c, &b, m, WF_AGENTS);
	buf_addc(&b, '\n');
	if (again)
		buf_clear(&b);	/* the prompt says it */
	chat_print(c, &b);
	buf_fini(&b);
	if (c->now == NULL)
		c->now = r;
	chat_prompt(c);
	chat_pump(c);		/* what waited for it */
	chat_settle(c);
}

static void
on_presence(struct chat *c, const struct wire_msg *m)
{
	const char *channel = wire_str(m, WF_CHANNEL);
	const char *agent = wire_str(m, WF_AGENT);
	struct buf b = BUF_INIT;

	if (channel == NULL || agent == NULL || strcmp(agent, c->me) == 0)
		return;
	chat_learn(c, agent, wire_str(m, WF_NAME));
	if (c->terminal && (c->now == NULL ||
	    strcmp(c->now->name, channel) != 0))
		return;
	buf_adds(&b, "* ");
	chat_put_agent(c, &b, agent);
	buf_adds(&b, m->type == WIRE_AGENT_JOINED ? " joined " : " left ");
	out_text(&b, channel, strlen(channel));
	buf_addc(&b, '\n');
	chat_print(c, &b);
	buf_fini(&b);
}

static void
on_left(struct chat *c, const struct wire_msg *m)
{
	const char *channel = wire_str(m, WF_CHANNEL);
	struct room *r = channel != NULL ? chat_room(c, channel) : NULL;

	if (r == NULL)
		return;
	chat_note(c, "left %s", channel);
	chat_room_drop(c, r);
	c->asked = false;
	chat_settle(c);
}

static void
on_list(struct chat *c, const struct wire_msg *m)
{
	struct wire_value item;
	struct buf b = BUF_INIT;
	const void *at = NULL;
	const char *key;

	if (m->type == WIRE_AGENTS) {
		const char *channel = wire_str(m, WF_CHANNEL);

		buf_adds(&b, "* in ");
		out_text(&b, channel != NULL ? channel : "?",
		    channel != NULL ? strlen(channel) : 1);
		buf_addc(&b, ':');
		put_members(c, &b, m, WF_LIST);
		buf_addc(&b, '\n');
	}
	while (m->type == WIRE_CHANNELS && wire_has(m, WF_LIST) &&
	    wire_each(&m->f[WF_LIST], &at, &key, &item)) {
		struct wire_value name = wire_member(&item, "name");
		struct wire_value n = wire_member(&item, "agents");

		if (name.kind != WIRE_STR)
			continue;
		buf_adds(&b, "* ");
		out_text(&b, name.s, name.len);
		if (n.kind == WIRE_NUM)
			buf_addf(&b, " (%.0f)", n.num);
		buf_addc(&b, '\n');
	}
	chat_print(c, &b);
	buf_fini(&b);
}

void
chat_hear(struct chat *c, const struct wire_msg *m)
{
	switch (m->type) {
	case WIRE_JOINED:
		on_joined(c, m);
		break;
	case WIRE_LEFT:
		on_left(c, m);
		break;
	case WIRE_AGENT_JOINED:
	case WIRE_AGENT_LEFT:
		on_presence(c, m);
		break;
	case WIRE_AGENTS:
	case WIRE_CHANNELS:
		on_list(c, m);
		break;
	case WIRE_NICK_CHANGED:
		if (wire_str(m, WF_AGENT_ID) != NULL)
			chat_learn(c, wire_str(m, WF_AGENT_ID),
			    wire_str(m, WF_NEW_NICK));
		break;
	case WIRE_GAP:
		chat_note(c, "some messages are missing here");
		break;
	case WIRE_ERROR:
		if (chat_refused(c, m))
			break;
		chat_refuse(c, "%s: %s", wire_str(m, WF_CODE) != NULL ?
		    wire_str(m, WF_CODE) : "refused",
		    wire_str(m, WF_MESSAGE) != NULL ?
		    wire_str(m, WF_MESSAGE) : "");
		c->asked = false;
		chat_settle(c);
		break;
	default:
		if (!show_is_message(m->type))
			break;
		on_said(c, m);
		(void)chat_confirmed(c, m);
		chat_pump(c);
		break;
	}
}
