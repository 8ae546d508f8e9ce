/*
 * on_channel.c - JOIN, LEAVE, CREATE_CHANNEL, INVITE and the lists.
 *
 * To an outsider a private channel is a name that is taken: NOT_INVITED on
 * JOIN, CHANNEL_EXISTS on CREATE_CHANNEL, CHANNEL_NOT_FOUND for all else.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
check_name(struct peer *p, const struct wire_value *name)
{
	if (wire_channel_ok(name->s, name->len))
		return 0;
	return refuse(p, AC_E_INVALID_NAME, "A channel is '#' and 1 to 31 "
	    "letters, digits, '_' and '-'.");
}

/* The channel a message names, if this peer may know of it. */
static int
visible(struct peer *p, const struct wire_msg *m, struct chan **out)
{
	const struct wire_value *name = &m->f[WF_CHANNEL];
	struct chan *c;
	int rc = check_name(p, name);

	if (rc < 0)
		return rc;
	c = chan_find(p->relay, name->s, name->len);
	if (c == NULL || !chan_visible(c, p))
		return AC_E_CHANNEL_NOT_FOUND;
	*out = c;
	return 0;
}

static void
send_joined(struct peer *p, struct chan *c)
{
	struct buf *b = &p->relay->json;

	wire_begin(b, WIRE_JOINED);
	wire_put_str(b, WF_CHANNEL, c->name, c->name_len);
	chan_put_members(p->relay, c, WF_AGENTS);
	wire_put_int(b, WF_SEQ, (int64_t)c->seq);
	wire_end(b);
	peer_reply(p);
}

static void
send_gap(struct peer *p, const struct chan *c, uint64_t from, uint64_t to)
{
	struct buf *b = &p->relay->json;

	wire_begin(b, WIRE_GAP);
	wire_put_str(b, WF_CHANNEL, c->name, c->name_len);
	if (from != 0) {
		wire_put_int(b, WF_GAP_FROM, (int64_t)from);
		wire_put_int(b, WF_GAP_TO, (int64_t)to);
	} else {
		wire_puts(b, WF_EPOCH, p->relay->epoch);
	}
	wire_end(b);
	peer_reply(p);
}

/* From where a member wants the past, and what of it is gone. */
static void
begin_replay(struct member *m, const struct wire_msg *msg, bool again)
{
	struct chan *c = m->chan;
	struct relay *r = m->peer->relay;
	int64_t since = wire_int(msg, WF_SINCE, -1);
	const char *epoch = wire_str(msg, WF_EPOCH);
	uint64_t first = history_first(c), next;

	if (since < 0) {
		if (again)
			return;
		next = c->seq + 1 - (uint64_t)r->conf.replay;
		if (c->seq < (uint64_t)r->conf.replay || next < first)
			next = first;
	} else if ((epoch != NULL && strcmp(epoch, r->epoch) != 0) ||
	    (uint64_t)since > c->seq) {
		/* Another numbering: all there is, known by its msg_id. */
		send_gap(m->peer, c, 0, 0);
		next = first;
	} else {
		next = (uint64_t)since + 1;
		if (next < first) {
			send_gap(m->peer, c, next, first - 1);
			next = first;
		}
	}
	if (next > c->seq)
		return;
	m->next_seq = next;
	m->replay_to = c->seq;
	history_pump(m);
}

static int
enter(struct peer *p, struct chan *c, const struct wire_msg *m)
{
	struct relay *r = p->relay;
	struct member *member;

	if (p->chans >= CHANNELS_PER_PEER)
		return refuse(p, AC_E_NOT_ALLOWED, "A session may be in %d "
		    "channels: LEAVE one first.", CHANNELS_PER_PEER);
	turn_commit(r);
	if (chan_add(c, p, &member) < 0)
		return refuse(p, AC_E_RATE_LIMITED,
		    "The relay is out of memory.");
	send_joined(p, c);
	wire_begin(&r->json, WIRE_AGENT_JOINED);
	wire_put_str(&r->json, WF_CHANNEL, c->name, c->name_len);
	wire_put_str(&r->json, WF_AGENT, p->id, p->id_len);
	wire_puts(&r->json, WF_NAME, p->name);
	wire_end(&r->json);
	chan_tell(r, c, p);
	begin_replay(member, m, false);
	return 0;
}

int
on_join(struct peer *p, const struct wire_msg *m)
{
	const struct wire_value *name = &m->f[WF_CHANNEL];
	struct member *member;
	struct chan *c;
	int rc;

	/* An agent that comes back joins everything at once. */
	if (p->joins++ >= FREE_JOINS) {
		rc = charge(p, 1);
		if (rc < 0)
			return rc;
	}
	rc = check_name(p, name);
	if (rc < 0)
		return rc;
	c = chan_find(p->relay, name->s, name->len);
	if (c == NULL)
		return AC_E_CHANNEL_NOT_FOUND;
	member = chan_member(c, p);
	if (member != NULL) {
		turn_commit(p->relay);
		send_joined(p, c);
		begin_replay(member, m, true);
		return 0;
	}
	if (!chan_invited(c, p))
		return AC_E_NOT_INVITED;
	return enter(p, c, m);
}

int
on_leave(struct peer *p, const struct wire_msg *m)
{
	struct relay *r = p->relay;
	struct member *member;
	struct chan *c;
	int rc = visible(p, m, &c);

	if (rc < 0)
		return rc;
	member = chan_member(c, p);
	if (member == NULL)
		return refuse(p, AC_E_INVALID_MSG, "You are not in %s.",
		    c->name);
	turn_commit(r);
	chan_remove(member);
	wire_begin(&r->json, WIRE_LEFT);
	wire_put_str(&r->json, WF_CHANNEL, c->name, c->name_len);
	wire_put_str(&r->json, WF_AGENT, p->id, p->id_len);
	wire_end(&r->json);
	peer_reply(p);
	wire_begin(&r->json, WIRE_AGENT_LEFT);
	wire_put_str(&r->json, WF_CHANNEL, c->name, c->name_len);
	wire_put_str(&r->json, WF_AGENT, p->id, p->id_len);
	wire_end(&r->json);
	chan_tell(r, c, NULL);
	return 0;
}

/* Let who in, and remember it if it is an agent: a session ends anyway. */
static int
let_in(struct relay *r, struct chan *c, const char *who)
{
	if (chan_invite(c, who) < 0)
		return -ENOMEM;
	if (who[0] != '@')
		return 0;
	buf_clear(&r->rec);
	rec_put_str(&r->rec, c->name, c->name_len);
	rec_put_str(&r->rec, who, strlen(who));
	return turn_record(r, STORE_INVITE, NULL);
}

int
on_create_channel(struct peer *p, const struct wire_msg *m)
{
	const struct wire_value *name = &m->f[WF_CHANNEL];
	struct relay *r = p->relay;
	char who[IDENT_ID_MAX];
	struct chan *c;
	int rc = check_name(p, name);

	if (rc < 0)
		return rc;
	if (chan_find(r, name->s, name->len) != NULL)
		return AC_E_CHANNEL_EXISTS;
	if (p->chans >= CHANNELS_PER_PEER || r->chans.count >= CHANNELS_MAX)
		return refuse(p, AC_E_NOT_ALLOWED, "There are too many "
		    "channels: use one that exists.");
	turn_commit(r);
	rc = chan_new(r, name->s, name->len, m->f[WF_INVITE_ONLY].b, &c);
	if (rc < 0)
		return AC_E_RATE_LIMITED;
	if (p->agent != NULL)
		snprintf(who, sizeof(who), "%s", p->id);
	else
		invite_serial(p, who);
	if (c->invite_only)
		rc = chan_invite(c, who);
	if (rc == 0)
		rc = record_chan(r, c);
	if (turn_commit(r) < 0 || rc < 0) {
		map_del(&r->chans, c->name, c->name_len);
		chan_free(c);
		return refuse(p, AC_E_RATE_LIMITED, "The relay's disk is full "
		    "or failing: try again later.");
	}
	return enter(p, c, m);
}

/* The invitation as the invited agent sees it: a message from the inviter. */
static int
tell_invited(struct peer *p, const struct chan *c, const char *to)
{
	char text[128];
	struct wire_value content = { .kind = WIRE_STR };
	struct buf raw = BUF_INIT;
	int rc;

	snprintf(text, sizeof(text), "You are invited to %s. JOIN it to come "
	    "in.", c->name);
	wire_json_str(&raw, text, strlen(text));
	rc = buf_err(&raw);
	if (rc == 0) {
		content.s = text;
		content.len = strlen(text);
		content.raw = raw.p;
		content.raw_len = raw.len;
		rc = send_dm(p, to, strlen(to), &content, NULL);
	}
	buf_fini(&raw);
	return rc;
}

int
on_invite(struct peer *p, const struct wire_msg *m)
{
	const struct wire_value *who = &m->f[WF_AGENT];
	struct relay *r = p->relay;
	char id[IDENT_ID_MAX], entry[IDENT_ID_MAX];
	struct peer *target;
	struct chan *c;
	int rc = visible(p, m, &c);

	if (rc < 0)
		return rc;
	if (chan_member(c, p) == NULL)
		return refuse(p, AC_E_NOT_INVITED,
		    "Only a member may invite: JOIN %s first.", c->name);
	/* Old clients leave the '@' out. */
	snprintf(id, sizeof(id), "%s%s", who->s[0] == '@' ? "" : "@", who->s);
	if (!wire_agent_id_ok(id, strlen(id)))
		return AC_E_AGENT_NOT_FOUND;
	target = map_get(&r->online, id, strlen(id));
	if (agent_by_id(r, id, strlen(id)) != NULL)
		snprintf(entry, sizeof(entry), "%s", id);
	else if (target != NULL && target->state == PEER_KNOWN)
		invite_serial(target, entry);
	else
		return AC_E_AGENT_NOT_FOUND;
	rc = c->invite_only ? let_in(r, c, entry) : 0;
	if (rc < 0)
		return refuse(p, AC_E_RATE_LIMITED,
		    "The relay is out of memory.");
	return tell_invited(p, c, id);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp((*(struct chan *const *)a)->name,
	    (*(struct chan *const *)b)->name);
}

int
on_list_channels(struct peer *p, const struct wire_msg *m)
{
	struct relay *r = p->relay;
	struct buf *b = &r->json;
	struct chan **all, *c;
	size_t at = 0, n = 0;

	(void)m;
	turn_commit(r);
	all = calloc(r->chans.count + 1, sizeof(*all));
	if (all == NULL)
		return refuse(p, AC_E_RATE_LIMITED,
		    "The relay is out of memory.");
	while ((c = map_next(&r->chans, &at)) != NULL)
		if (chan_visible(c, p))
			all[n++] = c;
	qsort(all, n, sizeof(*all), by_name);
	wire_begin(b, WIRE_CHANNELS);
	wire_put_raw(b, WF_LIST, "[", 1);
	for (size_t i = 0; i < n; i++) {
		wire_json_sep(b);
		buf_addc(b, '{');
		wire_json_key(b, "name");
		wire_json_str(b, all[i]->name, all[i]->name_len);
		wire_json_key(b, "agents");
		wire_json_num(b, (double)all[i]->count);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
	wire_end(b);
	free(all);
	peer_reply(p);
	return 0;
}

int
on_list_agents(struct peer *p, const struct wire_msg *m)
{
	struct relay *r = p->relay;
	struct chan *c;
	int rc = visible(p, m, &c);

	if (rc < 0)
		return rc;
	turn_commit(r);
	wire_begin(&r->json, WIRE_AGENTS);
	wire_put_str(&r->json, WF_CHANNEL, c->name, c->name_len);
	chan_put_members(r, c, WF_LIST);
	reputation_put_members(r, c);
	wire_end(&r->json);
	peer_reply(p);
	return 0;
}
