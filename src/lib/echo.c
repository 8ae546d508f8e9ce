/*
 * echo.c - has a relay taken our message?
 */
#include "config.h"

#include "lib/echo.h"

#include <string.h>

#include "lib/client.h"

void
echo_init(struct echo *e, const struct client_info *info)
{
	buf_init(&e->text);
	e->me = info->agent_id;
	e->wants_stored = info->caps_stored;
	e->back = false;
	e->j = e->stored = -1;
}

/* Our message coming back? Old relays don't return ids: then by content. */
static bool
is_echo(const struct echo *e, const struct wire_msg *m)
{
	const struct wire_value *content = &m->f[WF_CONTENT];
	const char *from = wire_str(m, WF_FROM), *id = wire_str(m, WF_ID);
	const char *to = wire_str(m, WF_TO);

	if (m->type != WIRE_MSG || from == NULL || strcmp(from, e->me) != 0 ||
	    m->f[WF_REPLAY].b)
		return false;
	if (id != NULL)
		return strcmp(id, e->id) == 0;
	return to != NULL && strcmp(to, e->to) == 0 &&
	    content->kind == WIRE_STR && content->len == e->len &&
	    memcmp(content->s, e->content, content->len) == 0;
}

int
echo_accept(void *arg, const struct wire_msg *m, const char *text, size_t len)
{
	const char *re = wire_str(m, WF_RE);
	struct echo *e = arg;
	bool ours = true;

	if (m->type == WIRE_ERROR && re != NULL && strcmp(re, e->id) != 0)
		return CALL_PASS;
	if (m->type == WIRE_STORED)
		e->stored = wire_int(m, WF_J, -1);
	else if (!e->back && is_echo(e, m)) {
		e->back = true;
		e->j = wire_int(m, WF_J, -1);
		buf_add(&e->text, text, len);
	} else
		ours = false;
	if (e->back && (!e->wants_stored || e->j < 0 || e->stored >= e->j))
		return 1;
	return ours ? CALL_TAKEN : 0;
}
