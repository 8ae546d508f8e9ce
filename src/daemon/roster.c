/*
 * roster.c - who is in a channel.
 */
#include "config.h"

#include "daemon/roster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "spool/spool.h"
#include "wire/limits.h"

#define MEMBERS_MAX 10000	/* a relay that invents agents */

struct member {
	char	id[WIRE_AGENT_MAX + 1];
	char	name[WIRE_NAME_MAX + 1];	/* "" if unknown */
	const char *presence;			/* static; NULL: online */
};

/* Any other word would be a stranger's, in a file that is read as words. */
static const char *const presences[] = { "away", "busy", "offline",
	"listening" };

void
roster_fini(struct map *map)
{
	struct member *m;
	size_t at = 0;

	while ((m = map_next(map, &at)) != NULL)
		free(m);
	map_fini(map);
}

static void
set_name(struct member *m, const char *name)
{
	if (name != NULL && wire_agent_name_ok(name, strlen(name)))
		memcpy(m->name, name, strlen(name) + 1);
}

void
roster_add(struct map *map, const char *id, const char *name)
{
	size_t len = id != NULL ? strlen(id) : 0;
	struct member *m;

	if (len == 0 || len > WIRE_AGENT_MAX || !wire_agent_id_ok(id, len))
		return;
	m = map_get(map, id, len);
	if (m == NULL) {
		if (map->count >= MEMBERS_MAX)
			return;
		m = calloc(1, sizeof(*m));
		if (m == NULL)
			return;		/* a view: it heals with JOINED */
		memcpy(m->id, id, len + 1);
		if (map_put(map, m->id, len, m) < 0) {
			free(m);
			return;
		}
	}
	set_name(m, name);
}

void
roster_del(struct map *map, const char *id)
{
	if (id != NULL)
		free(map_del(map, id, strlen(id)));
}

bool
roster_rename(struct map *map, const char *id, const char *name)
{
	struct member *m = id != NULL ? map_get(map, id, strlen(id)) : NULL;

	if (m != NULL)
		set_name(m, name);
	return m != NULL;
}

bool
roster_presence(struct map *map, const char *id, const char *presence)
{
	struct member *m = id != NULL ? map_get(map, id, strlen(id)) : NULL;
	const char *now = NULL;

	for (size_t i = 0; i < AC_COUNTOF(presences) && presence != NULL; i++)
		if (strcmp(presences[i], presence) == 0)
			now = presences[i];
	if (m == NULL || m->presence == now)
		return false;
	m->presence = now;
	return true;
}

void
roster_fill(struct map *map, const struct wire_msg *joined)
{
	struct wire_value item;
	const void *at = NULL;
	const char *key;

	roster_fini(map);
	if (wire_has(joined, WF_AGENTS))
		while (wire_each(&joined->f[WF_AGENTS], &at, &key, &item))
			if (item.kind == WIRE_STR)
				roster_add(map, item.s, NULL);
	at = NULL;
	if (wire_has(joined, WF_NAMES))
		while (wire_each(&joined->f[WF_NAMES], &at, &key, &item))
			if (item.kind == WIRE_STR)
				roster_rename(map, key, item.s);
	at = NULL;
	if (wire_has(joined, WF_PRESENCES))
		while (wire_each(&joined->f[WF_PRESENCES], &at, &key, &item))
			if (item.kind == WIRE_STR)
				roster_presence(map, key, item.s);
}

static int
by_id(const void *a, const void *b)
{
	const struct member *const *x = a, *const *y = b;

	return strcmp((*x)->id, (*y)->id);
}

/* Without a name "-" stands for it where something follows. */
static void
print_member(struct buf *b, const struct member *m)
{
	buf_adds(b, m->id);
	if (*m->name != '\0' || m->presence != NULL)
		buf_addf(b, " %s", *m->name != '\0' ? m->name : "-");
	if (m->presence != NULL)
		buf_addf(b, " %s", m->presence);
	buf_addc(b, '\n');
}

int
roster_write(const struct map *map, int dir)
{
	const struct member **all = calloc(map->count + 1, sizeof(*all)), *m;
	struct buf b = BUF_INIT;
	size_t at = 0, n = 0;
	int rc;

	if (all == NULL)
		return -ENOMEM;
	while ((m = map_next(map, &at)) != NULL)
		all[n++] = m;
	qsort(all, n, sizeof(*all), by_id);
	for (size_t i = 0; i < n; i++)
		print_member(&b, all[i]);
	rc = buf_err(&b);
	if (rc == 0)
		rc = spool_replace(dir, "agents", b.p != NULL ? b.p : "",
		    b.len, false);
	buf_fini(&b);
	free(all);
	return rc;
}
