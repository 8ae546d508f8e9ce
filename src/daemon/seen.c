/*
 * seen.c - the newest so many keys that were met: a set that forgets.
 */
#include "config.h"

#include "daemon/seen.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "ident/ident.h"

int
seen_new(struct seen **out, size_t max)
{
	struct seen *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->keys = calloc(max, sizeof(*s->keys));
	if (s->keys == NULL) {
		free(s);
		return -ENOMEM;
	}
	s->max = max;
	map_init(&s->map);
	*out = s;
	return 0;
}

void
seen_free(struct seen *s)
{
	if (s == NULL)
		return;
	map_fini(&s->map);
	free(s->keys);
	free(s);
}

void
seen_key(const struct wire_msg *m, char key[SEEN_KEY_LEN + 1])
{
	const char *id = wire_str(m, WF_MSG_ID);
	const char *from = wire_str(m, WF_FROM);
	const struct wire_value *content = &m->f[WF_CONTENT];
	struct buf b = BUF_INIT;

	if (id != NULL) {
		buf_addf(&b, "id|%s", id);
	} else {
		buf_addf(&b, "msg|%s|%" PRId64 "|", from != NULL ? from : "",
		    wire_int(m, WF_TS, 0));
		if (content->kind == WIRE_STR)
			buf_add(&b, content->s, content->len);
	}
	ident_sha256(b.p != NULL ? b.p : "", b.len, key);
	buf_fini(&b);
}

bool
seen_said_key(const struct wire_msg *m, char key[SEEN_KEY_LEN + 1])
{
	const char *id = wire_str(m, WF_ID), *from = wire_str(m, WF_FROM);
	const char *to = wire_str(m, WF_TO);
	const struct wire_value *content = &m->f[WF_CONTENT];
	struct buf b = BUF_INIT;

	/* What is encrypted for us is known by what its box is bound to. */
	if (id == NULL || from == NULL || to == NULL || wire_has(m, WF_ENC))
		return false;
	/* Agents may use an id again, for something else. */
	buf_addf(&b, "said|%s|%s|%s|", from, to, id);
	if (content->kind == WIRE_STR)
		buf_add(&b, content->s, content->len);
	ident_sha256(b.p != NULL ? b.p : "", b.len, key);
	buf_fini(&b);
	return true;
}

bool
seen_has(const struct seen *s, const char key[SEEN_KEY_LEN + 1])
{
	return map_get(&s->map, key, SEEN_KEY_LEN) != NULL;
}

void
seen_add(struct seen *s, const char key[SEEN_KEY_LEN + 1])
{
	char *slot = s->keys[s->at];

	if (seen_has(s, key))
		return;
	if (s->count == s->max)
		map_del(&s->map, slot, SEEN_KEY_LEN);
	else
		s->count++;
	memcpy(slot, key, SEEN_KEY_LEN + 1);
	if (map_put(&s->map, slot, SEEN_KEY_LEN, slot) < 0)
		return;		/* the slot is overwritten in its turn */
	s->at = (s->at + 1) % s->max;
}

bool
seen_knows(struct seen *s, const struct wire_msg *m, bool once)
{
	char key[SEEN_KEY_LEN + 1];

	seen_key(m, key);
	if (seen_has(s, key))
		return true;
	if (!seen_said_key(m, key) || !seen_has(s, key))
		return false;
	if (once)	/* its slot comes round */
		map_del(&s->map, key, SEEN_KEY_LEN);
	return true;
}
