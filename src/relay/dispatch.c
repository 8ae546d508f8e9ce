/*
 * dispatch.c - from bytes to a handler, and back to an ERROR.
 *
 * Who may send what, and what it costs, is in one table. Only this file
 * replies ERROR to what a client sent.
 */
#include "config.h"

#include "relay/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ANY	(1u << PEER_NEW | 1u << PEER_HELD | 1u << PEER_KNOWN)
#define KNOWN	(1u << PEER_KNOWN)
#define PROVING	(1u << PEER_HELD | 1u << PEER_KNOWN)

/*
 * cost in tokens of the session's bucket. Free is what a client must be able
 * to say at any time, and IDENTIFY, which works once. The first joins are
 * free too (on_join).
 */
static const struct handler {
	unsigned	 states;
	double		 cost;
	enum mem_use	 grows;		/* what it may make the relay keep */
	handler_fn	*run;
} handlers[WIRE_TYPE_COUNT] = {
	[WIRE_IDENTIFY]		= { ANY, 0, MEM_LIVE, on_identify },
	[WIRE_VERIFY_IDENTITY]	= { PROVING, 0, MEM_NOTHING,
				    on_verify_identity },
	[WIRE_PING]		= { ANY, 0, MEM_NOTHING, on_ping },
	[WIRE_ACK]		= { KNOWN, 0, MEM_NOTHING, on_ack },
	[WIRE_JOIN]		= { KNOWN, 0, MEM_LIVE, on_join },
	[WIRE_LEAVE]		= { KNOWN, 1, MEM_NOTHING, on_leave },
	[WIRE_CREATE_CHANNEL]	= { KNOWN, 1, MEM_STATE, on_create_channel },
	[WIRE_INVITE]		= { KNOWN, 1, MEM_STATE, on_invite },
	[WIRE_LIST_CHANNELS]	= { KNOWN, 1, MEM_NOTHING, on_list_channels },
	[WIRE_LIST_AGENTS]	= { KNOWN, 1, MEM_NOTHING, on_list_agents },
	[WIRE_MSG]		= { KNOWN, 1, MEM_LIVE, on_msg },
	[WIRE_PROPOSAL]		= { KNOWN, 1, MEM_LIVE, on_proposal },
	[WIRE_ACCEPT]		= { KNOWN, 1, MEM_LIVE, on_step },
	[WIRE_REJECT]		= { KNOWN, 1, MEM_LIVE, on_step },
	[WIRE_COMPLETE]		= { KNOWN, 1, MEM_LIVE, on_step },
	[WIRE_DISPUTE]		= { KNOWN, 1, MEM_LIVE, on_step },
	[WIRE_GET_PROPOSAL]	= { KNOWN, 1, MEM_NOTHING, on_get_proposal },
	[WIRE_VERIFY_REQUEST]	= { KNOWN, 1, MEM_LIVE, on_verify_request },
	[WIRE_VERIFY_RESPONSE]	= { KNOWN, 0, MEM_NOTHING, on_verify_response },
	[WIRE_ADMIN_KICK]	= { KNOWN, 1, MEM_NOTHING, on_admin_kick },
	[WIRE_ADMIN_BAN]	= { KNOWN, 1, MEM_NOTHING, on_admin_ban },
	[WIRE_ADMIN_UNBAN]	= { KNOWN, 1, MEM_NOTHING, on_admin_unban },
	[WIRE_SET_PRESENCE]	= { KNOWN, 0.1, MEM_NOTHING, on_set_presence },
	[WIRE_SET_NICK]		= { KNOWN, 1, MEM_NOTHING, on_set_nick },
	[WIRE_TYPING]		= { KNOWN, 0.5, MEM_NOTHING, on_typing },
	[WIRE_GET_RATING]	= { KNOWN, 1, MEM_NOTHING, on_get_rating },
	[WIRE_LEADERBOARD]	= { KNOWN, 1, MEM_NOTHING, on_leaderboard },
};

int
refuse(struct peer *p, int code, const char *fmt, ...)
{
	struct buf *b = &p->relay->scratch;
	va_list ap;
	char text[256];

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_clear(b);
	buf_adds(b, text);
	p->relay->msg.why = buf_err(b) == 0 ? b->p : NULL;
	return code;
}

int
charge(struct peer *p, double cost)
{
	if (bucket_take(&p->bucket, &p->relay->conf, cost))
		return 0;
	return AC_E_RATE_LIMITED;
}

static int
run(struct peer *p, const struct wire_msg *m)
{
	const struct handler *h = &handlers[m->type];
	int rc;

	if (h->run == NULL)
		return refuse(p, AC_E_INVALID_MSG,
		    "%s is not something that this relay takes.",
		    wire_type_name(m->type));
	if ((h->states & 1u << p->state) == 0)
		return AC_E_AUTH_REQUIRED;
	rc = charge(p, h->cost);
	if (rc == 0 && !mem_has_room(h->grows))
		rc = refuse(p, AC_E_RATE_LIMITED, MEM_FULL);
	return rc < 0 ? rc : h->run(p, m);
}

/* One message, parsed or not: answer it. */
static void
handle(struct peer *p, const char *text, size_t len, int parsed)
{
	struct wire_msg *m = &p->relay->msg;
	int rc;

	p->relay->metrics.received++;
	if (parsed < 0) {
		if (!wire_utf8_ok(text, len)) {
			p->relay->metrics.drops[DROP_PROTOCOL]++;
			peer_close(p, 1007, "This is not UTF-8.");
			return;
		}
		/* Nonsense isn't free either, or a flood of it would be. */
		rc = charge(p, 1);
		if (rc < 0)
			m->why = NULL;
		else
			rc = ac_errword(parsed) != NULL ? parsed :
			    AC_E_RATE_LIMITED;
	} else {
		m->why = NULL;
		rc = run(p, m);
	}
	if (rc < 0)
		peer_error(p, rc, m->why);
}

static bool
blank(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r'))
		p++;
	return p == end;
}

void
dispatch(struct peer *p, const char *text, size_t len)
{
	struct wire_msg *m = &p->relay->msg;
	const char *end = text + len, *nl;
	size_t portion = mem_portion();
	int rc;

	/* A turn that reads from thousands is written in portions. */
	if (p->relay->shared[SHARE_MSG].len > portion ||
	    p->relay->shared[SHARE_TELL].len > portion ||
	    p->relay->shared[SHARE_REPLY].len > portion)
		turn_end(p->relay);
	rc = wire_parse(m, text, len, WIRE_FROM_CLIENT);
	if (rc == 0 || memchr(text, '\n', len) == NULL) {
		handle(p, text, len, rc);
		return;
	}
	/* Not one object: then one a line. */
	for (; text < end && p->state != PEER_CLOSING; text = nl + 1) {
		nl = memchr(text, '\n', (size_t)(end - text));
		if (nl == NULL)
			nl = end;
		if (blank(text, nl))
			continue;
		handle(p, text, (size_t)(nl - text), wire_parse(m, text,
		    (size_t)(nl - text), WIRE_FROM_CLIENT));
	}
}
