/*
 * yaml.c - JSON as YAML. Strings stay in the quotes that JSON gives them,
 * which YAML reads alike: so nothing in them can be taken for anything else.
 */
#include "config.h"

#include "cli/yaml.h"

#include <string.h>

#include "base/err.h"
#include "wire/msg.h"

static void	put_members(struct buf *, const struct wire_value *, int depth);

static void
indent(struct buf *b, int depth)
{
	for (int i = 0; i < depth; i++)
		buf_adds(b, "  ");
}

static void
put_value(struct buf *b, const struct wire_value *v, int depth)
{
	switch (v->kind) {
	case WIRE_STR:
		buf_addc(b, ' ');
		wire_json_str(b, v->s, v->len);
		break;
	case WIRE_NUM:
		buf_addc(b, ' ');
		wire_json_num(b, v->num);
		break;
	case WIRE_BOOL:
		buf_adds(b, v->b ? " true" : " false");
		break;
	case WIRE_ABSENT:
		buf_adds(b, " null");
		break;
	case WIRE_LIST:
	case WIRE_OBJ:
		buf_addc(b, '\n');
		put_members(b, v, depth + 1);
		return;
	}
	buf_addc(b, '\n');
}

static void
put_members(struct buf *b, const struct wire_value *v, int depth)
{
	const void *at = NULL;
	struct wire_value item;
	const char *key;

	while (wire_each(v, &at, &key, &item)) {
		indent(b, depth);
		if (v->kind == WIRE_LIST) {
			buf_addc(b, '-');
		} else {
			wire_json_str(b, key, strlen(key));
			buf_addc(b, ':');
		}
		put_value(b, &item, depth);
	}
}

int
yaml_item(struct buf *b, const char *json, size_t len)
{
	static const char wrap[] = "{\"item\":";
	struct buf whole = BUF_INIT;
	struct wire_value v;
	struct wire_msg m;
	int rc;

	/* As a member of something it can be walked. */
	buf_adds(&whole, wrap);
	buf_add(&whole, json, len);
	buf_addc(&whole, '}');
	wire_msg_init(&m);
	rc = buf_err(&whole);
	if (rc == 0)
		rc = wire_parse_object(&m, whole.p, whole.len);
	if (rc == 0) {
		v = wire_find(&m, "item");
		rc = v.kind == WIRE_OBJ ? wire_unfold(&m, &v) : AC_E_INVALID_MSG;
	}
	if (rc == 0) {
		buf_adds(b, "-\n");
		put_members(b, &v, 1);
		rc = buf_err(b);
	}
	wire_msg_fini(&m);
	buf_fini(&whole);
	return rc;
}
