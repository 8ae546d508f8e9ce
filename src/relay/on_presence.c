/*
 * on_presence.c - who is there and how: SET_PRESENCE, SET_NICK, TYPING.
 *
 * None of it is kept. Each peer that shares a channel is told once, however
 * many channels they share.
 */
#include "config.h"

#include "relay/internal.h"

#include <string.h>

#include "base/clock.h"

#define NICK_MAX	24
#define NICK_MS		30000
#define STATUS_TEXT_MAX	100

static const char *const presences[] = {
	"online", "away", "busy", "offline", "listening", NULL
};

/* relay->json to all who share a channel with p, then cleared. */
static void
tell_neighbours(struct peer *p)
{
	struct relay *r = p->relay;
	uint64_t mark = ++r->marks;
	struct member *m;
	size_t off, len;

	p->mark = mark;
	off = peer_share(r, SHARE_TELL, r->json.p, r->json.len, &len);
	if (buf_err(&r->json) == 0 && buf_err(&r->shared[SHARE_TELL]) == 0)
		LIST_FOREACH(m, &p->in, of_peer)
			for (size_t i = 0; i < m->chan->count; i++) {
				struct peer *other = m->chan->members[i]->peer;

				if (other->mark == mark)
					continue;
				other->mark = mark;
				peer_put_shared(other, SHARE_TELL, off, len);
			}
	buf_clear(&r->json);
}

/* What the channels' lists say of p is no longer so. */
static void
unlist_all(struct peer *p)
{
	struct member *m;

	LIST_FOREACH(m, &p->in, of_peer)
		chan_unlist(m->chan);
}

int
on_set_presence(struct peer *p, const struct wire_msg *m)
{
	const struct wire_value *text = &m->f[WF_STATUS_TEXT];
	struct buf *b = &p->relay->json;
	const char *status = wire_str(m, WF_STATUS), *now;
	int i = 0;

	while (presences[i] != NULL && strcmp(presences[i], status) != 0)
		i++;
	if (presences[i] == NULL)
		return refuse(p, AC_E_INVALID_MSG, "status is online, away, "
		    "busy, offline or listening.");
	if (text->kind == WIRE_STR &&
	    wire_utf16_len(text->s, text->len) > STATUS_TEXT_MAX)
		return refuse(p, AC_E_INVALID_MSG,
		    "status_text is at most %d characters.", STATUS_TEXT_MAX);
	turn_commit(p->relay);
	now = i > 0 ? presences[i] : NULL;	/* online is not worth a word */
	if (now != p->presence)
		unlist_all(p);
	p->presence = now;
	wire_begin(b, WIRE_PRESENCE_CHANGED);
	wire_put_str(b, WF_AGENT_ID, p->id, p->id_len);
	wire_puts(b, WF_NAME, p->name);
	wire_puts(b, WF_PRESENCE, presences[i]);
	if (text->kind == WIRE_STR)
		wire_put_str(b, WF_STATUS_TEXT, text->s, text->len);
	wire_end(b);
	tell_neighbours(p);
	return 0;
}

int
on_set_nick(struct peer *p, const struct wire_msg *m)
{
	const struct wire_value *nick = &m->f[WF_NICK];
	struct buf *b = &p->relay->json;
	int64_t now = clock_mono_ms();

	if (nick->len > NICK_MAX || !wire_agent_name_ok(nick->s, nick->len))
		return refuse(p, AC_E_INVALID_NAME, "A nick is 1 to %d "
		    "letters, digits, '_' and '-'.", NICK_MAX);
	if (p->nick_ms != 0 && now - p->nick_ms < NICK_MS)
		return refuse(p, AC_E_INVALID_MSG,
		    "A nick can be changed every 30 s.");
	turn_commit(p->relay);
	p->nick_ms = now;
	wire_begin(b, WIRE_NICK_CHANGED);
	wire_put_str(b, WF_AGENT_ID, p->id, p->id_len);
	wire_puts(b, WF_OLD_NICK, p->name);
	wire_put_str(b, WF_NEW_NICK, nick->s, nick->len);
	wire_end(b);
	memcpy(p->name, nick->s, nick->len + 1);
	unlist_all(p);
	peer_put(p, b->p, b->len);
	tell_neighbours(p);
	return 0;
}

int
on_typing(struct peer *p, const struct wire_msg *m)
{
	const struct wire_value *name = &m->f[WF_CHANNEL];
	struct relay *r = p->relay;
	struct chan *c = chan_find(r, name->s, name->len);

	if (c == NULL || chan_member(c, p) == NULL)
		return AC_E_CHANNEL_NOT_FOUND;
	turn_commit(r);
	wire_begin(&r->json, WIRE_TYPING);
	wire_put_str(&r->json, WF_FROM, p->id, p->id_len);
	wire_puts(&r->json, WF_FROM_NAME, p->name);
	wire_put_str(&r->json, WF_CHANNEL, c->name, c->name_len);
	wire_end(&r->json);
	chan_tell(r, c, p);
	return 0;
}
