/*
 * object.c - a JSON object that is read by paths.
 */
#include "config.h"

#include "lib/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "lib/agentchat.h"
#include "wire/msg.h"

#define INDEX_DIGITS	9

struct agentchat_object {
	struct buf	 text;
	struct wire_msg	 msg;		/* its doc holds the tree */
	struct wire_value root;
};

int
object_new(struct agentchat_object **out, const char *text, size_t len)
{
	struct agentchat_object *o = calloc(1, sizeof(*o));
	int rc;

	if (o == NULL)
		return -ENOMEM;
	wire_msg_init(&o->msg);
	buf_add(&o->text, text, len);
	rc = buf_err(&o->text);
	/* What nobody vouches for is read by its rules first. */
	if (rc == 0)
		rc = wire_parse_object(&o->msg, o->text.p, o->text.len);
	o->root.kind = WIRE_OBJ;
	o->root.raw = o->text.p;
	o->root.raw_len = o->text.len;
	if (rc == 0)
		rc = wire_unfold(&o->msg, &o->root);
	if (rc < 0) {
		agentchat_object_free(o);
		return rc;
	}
	*out = o;
	return 0;
}

void
agentchat_object_free(struct agentchat_object *o)
{
	if (o == NULL)
		return;
	wire_msg_fini(&o->msg);
	buf_fini(&o->text);
	free(o);
}

/* The item of a list; ABSENT if the name is no index of it. */
static struct wire_value
item_at(const struct wire_value *list, const char *name)
{
	struct wire_value item;
	const void *at = NULL;
	const char *key;
	unsigned long n;

	if (*name == '\0' || strlen(name) > INDEX_DIGITS ||
	    strspn(name, "0123456789") != strlen(name))
		return (struct wire_value){ .kind = WIRE_ABSENT };
	n = strtoul(name, NULL, 10);
	while (wire_each(list, &at, &key, &item))
		if (n-- == 0)
			return item;
	return (struct wire_value){ .kind = WIRE_ABSENT };
}

static struct wire_value
find(const struct agentchat_object *o, const char *path)
{
	struct wire_value v = o->root;
	char name[128];

	for (;;) {
		size_t len = strcspn(path, ".");

		if (len >= sizeof(name))
			return (struct wire_value){ .kind = WIRE_ABSENT };
		memcpy(name, path, len);
		name[len] = '\0';
		v = v.kind == WIRE_LIST ? item_at(&v, name) :
		    wire_member(&v, name);
		if (path[len] == '\0' || v.kind == WIRE_ABSENT)
			return v;
		path += len + 1;
	}
}

const char *
agentchat_object_json(const struct agentchat_object *o, size_t *len)
{
	if (len != NULL)
		*len = o->text.len;
	return o->text.p;
}

const char *
agentchat_object_str(const struct agentchat_object *o, const char *path)
{
	struct wire_value v = find(o, path);

	return v.kind == WIRE_STR ? v.s : NULL;
}

double
agentchat_object_num(const struct agentchat_object *o, const char *path,
    double fallback)
{
	struct wire_value v = find(o, path);

	return v.kind == WIRE_NUM ? v.num : fallback;
}

int64_t
agentchat_object_int(const struct agentchat_object *o, const char *path,
    int64_t fallback)
{
	double num = agentchat_object_num(o, path, -1);

	if (!(num >= 0 && num <= 9007199254740992.0))
		return fallback;
	return num == (double)(int64_t)num ? (int64_t)num : fallback;
}

int
agentchat_object_bool(const struct agentchat_object *o, const char *path)
{
	struct wire_value v = find(o, path);

	return v.kind == WIRE_BOOL && v.b;
}

size_t
agentchat_object_count(const struct agentchat_object *o, const char *path)
{
	struct wire_value v = find(o, path), item;
	const void *at = NULL;
	const char *key;
	size_t n = 0;

	if (v.kind != WIRE_LIST && v.kind != WIRE_OBJ)
		return 0;
	while (wire_each(&v, &at, &key, &item))
		n++;
	return n;
}
