/*
 * request.c - what is asked of a relay, for the public library.
 */
#include "config.h"

#include "lib/agentchat.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/rnd.h"
#include "lib/echo.h"
#include "lib/identity.h"
#include "lib/object.h"
#include "lib/session_int.h"
#include "wire/limits.h"

#define ID_LEN	16	/* of a message's own id */

_Static_assert(AGENTCHAT_ID_MAX > ID_LEN, "room for an id");

static int
bad_channel(struct agentchat *ac)
{
	return session_fail(ac, AC_E_INVALID_NAME,
	    "This is no channel: '#general' is.");
}

static bool
channel_ok(const char *channel)
{
	return wire_channel_ok(channel, strlen(channel));
}

static void
begin(struct agentchat *ac, enum wire_type type, const char *channel)
{
	buf_clear(&ac->out);
	wire_begin(&ac->out, type);
	if (channel != NULL)
		wire_puts(&ac->out, WF_CHANNEL, channel);
}

int
agentchat_join(struct agentchat *ac, const char *channel, int timeout_ms)
{
	struct session_want want = { WIRE_JOINED, channel, NULL };

	if (!channel_ok(channel))
		return bad_channel(ac);
	begin(ac, WIRE_JOIN, channel);
	wire_end(&ac->out);
	return session_ask(ac, session_accept, &want, timeout_ms);
}

int
agentchat_leave(struct agentchat *ac, const char *channel, int timeout_ms)
{
	struct session_want want = { WIRE_LEFT, channel, NULL };

	if (!channel_ok(channel))
		return bad_channel(ac);
	begin(ac, WIRE_LEAVE, channel);
	wire_end(&ac->out);
	return session_ask(ac, session_accept, &want, timeout_ms);
}

int
agentchat_create(struct agentchat *ac, const char *channel, int invite_only,
    int timeout_ms)
{
	struct session_want want = { WIRE_JOINED, channel, NULL };

	if (!channel_ok(channel))
		return bad_channel(ac);
	begin(ac, WIRE_CREATE_CHANNEL, channel);
	wire_put_bool(&ac->out, WF_INVITE_ONLY, invite_only != 0);
	wire_end(&ac->out);
	return session_ask(ac, session_accept, &want, timeout_ms);
}

/*
 * The relay says nothing to an INVITE that it took. It answers in order, so a
 * PONG to the PING behind it, with no ERROR before, says it for it.
 */
int
agentchat_invite(struct agentchat *ac, const char *channel, const char *agent,
    int timeout_ms)
{
	struct session_want want = { WIRE_PONG, NULL, NULL };
	int rc;

	if (!channel_ok(channel))
		return bad_channel(ac);
	if (!wire_agent_id_ok(agent, strlen(agent)))
		return session_fail(ac, -EINVAL,
		    "This is no agent: '@1f3a9c02' is.");
	begin(ac, WIRE_INVITE, channel);
	wire_puts(&ac->out, WF_AGENT, agent);
	wire_end(&ac->out);
	rc = session_ask(ac, session_accept, &want, 0);
	if (rc < 0 || timeout_ms == 0)
		return rc;
	begin(ac, WIRE_PING, NULL);
	wire_end(&ac->out);
	return session_ask(ac, session_accept, &want, timeout_ms);
}

/* -------------------------------------------------------------- messages */

static int
check(struct agentchat *ac, const char *to, const char *text, size_t len)
{
	int64_t max = call_info(ac->call)->content_max;

	if (!channel_ok(to) && !wire_agent_id_ok(to, strlen(to)))
		return session_fail(ac, -EINVAL, "This is no target: "
		    "'#general' or '@1f3a9c02' is.");
	if (len == 0 || !wire_utf8_ok(text, len))
		return session_fail(ac, -EINVAL,
		    "The text is empty, or not UTF-8.");
	if (max > 0 && wire_utf16_len(text, len) > (size_t)max)
		return session_fail(ac, -EMSGSIZE,
		    "The text is longer than this relay takes.");
	return 0;
}

int
agentchat_send(struct agentchat *ac, const char *to, const char *text,
    const char *in_reply_to, char id[AGENTCHAT_ID_MAX], int timeout_ms)
{
	char own[AGENTCHAT_ID_MAX];
	struct echo e = { .id = own, .to = to, .content = text,
	    .len = strlen(text) };
	int rc = session_ready(ac);

	if (rc == 0)
		rc = check(ac, to, text, e.len);
	if (rc < 0)
		return rc;
	rnd_name(own, ID_LEN);
	if (id != NULL)
		memcpy(id, own, ID_LEN + 1);
	echo_init(&e, call_info(ac->call));
	buf_clear(&ac->out);
	rc = client_make_msg(&ac->out, ac->identity != NULL ?
	    identity_ident(ac->identity) : NULL, to, text, e.len, own,
	    in_reply_to);
	if (rc == 0)
		rc = session_ask(ac, echo_accept, &e, timeout_ms);
	buf_fini(&e.text);
	return rc;
}

int
agentchat_dm(struct agentchat *ac, const char *agent, const char *text,
    int timeout_ms)
{
	char to[WIRE_AGENT_MAX + 1];
	int n = snprintf(to, sizeof(to), "%s%s", *agent == '@' ? "" : "@",
	    agent);

	if (n < 0 || (size_t)n >= sizeof(to))
		return session_fail(ac, -EINVAL,
		    "This is no agent: '@1f3a9c02' is.");
	return agentchat_send(ac, to, text, NULL, NULL, timeout_ms);
}

int
agentchat_raw(struct agentchat *ac, const char *json)
{
	struct wire_msg m;
	int rc;

	wire_msg_init(&m);
	rc = wire_parse(&m, json, strlen(json), WIRE_FROM_CLIENT);
	if (rc < 0) {
		session_fail(ac, rc, m.why != NULL ? m.why : ac_strerror(rc));
	} else {
		/* As one line, whatever it was. */
		buf_clear(&ac->out);
		rc = wire_copy_without(&ac->out, json, strlen(json), NULL, 0);
		wire_end(&ac->out);
	}
	wire_msg_fini(&m);
	return rc < 0 ? rc : session_ask(ac, session_accept, NULL, 0);
}

/* ----------------------------------------------------------------- lists */

static int
ask_list(struct agentchat *ac, enum wire_type type, const char *channel,
    struct agentchat_object **answer, int timeout_ms)
{
	struct buf text = BUF_INIT;
	struct session_want want = { type, channel, &text };
	int rc = session_ask(ac, session_accept, &want, timeout_ms);

	if (rc == 0)
		rc = buf_err(&text);
	if (answer != NULL)
		*answer = NULL;
	if (rc == 0 && answer != NULL && text.len > 0)
		rc = object_new(answer, text.p, text.len);
	buf_fini(&text);
	return rc;
}

int
agentchat_channels(struct agentchat *ac, struct agentchat_object **answer,
    int timeout_ms)
{
	begin(ac, WIRE_LIST_CHANNELS, NULL);
	wire_end(&ac->out);
	return ask_list(ac, WIRE_CHANNELS, NULL, answer, timeout_ms);
}

int
agentchat_agents(struct agentchat *ac, const char *channel,
    struct agentchat_object **answer, int timeout_ms)
{
	if (!channel_ok(channel))
		return bad_channel(ac);
	begin(ac, WIRE_LIST_AGENTS, channel);
	wire_end(&ac->out);
	return ask_list(ac, WIRE_AGENTS, channel, answer, timeout_ms);
}
