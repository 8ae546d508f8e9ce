/*
 * parse.c - from bytes to a message.
 *
 * The scanner (scan.c) proves that the text is JSON as we want it and reads
 * everything flat; so a MSG is done without another pass or allocation. Only
 * the lists and objects that a message of this type has are given to cJSON,
 * each by itself, for wire_each() to walk. Nothing that the scanner would
 * refuse ever reaches cJSON, which takes invalid UTF-8, doubled keys, NULs and
 * infinite numbers, and before 1.7.18 reads past a text that ends in a comma.
 */
#include "config.h"

#include "wire/msg.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "wire/scan.h"
#include "wire/table.h"

#define EXACT_MAX	9007199254740992.0	/* 2^53 */

struct doc {
	struct scan	 scan;
	unsigned	 set_count;
	enum wire_field	 set[WIRE_FIELD_COUNT];	/* what a reset clears */
	size_t		 at[WIRE_FIELD_COUNT];	/* member's index + 1; or 0 */
	cJSON		*unfolded;	/* by wire_unfold(), the last */
	char		 why[128];
};

void
wire_msg_init(struct wire_msg *m)
{
	memset(m, 0, sizeof(*m));
}

/* The few fields that are set, not all that there are: this is every parse. */
static void
clear_fields(struct wire_msg *m)
{
	struct doc *doc = m->doc;

	for (unsigned i = 0; i < doc->set_count; i++) {
		struct wire_value *v = &m->f[doc->set[i]];

		/* Callers look at the trees; we made them. */
		cJSON_Delete((cJSON *)v->node);
		*v = (struct wire_value){ .kind = WIRE_ABSENT };
	}
	doc->set_count = 0;
}

void
wire_msg_reset(struct wire_msg *m)
{
	struct doc *doc = m->doc;

	m->type = WIRE_NONE;
	m->why = NULL;
	m->json = false;
	if (doc == NULL)
		return;
	clear_fields(m);
	cJSON_Delete(doc->unfolded);
	doc->unfolded = NULL;
	scan_reset(&doc->scan);
}

void
wire_msg_fini(struct wire_msg *m)
{
	struct doc *doc = m->doc;

	wire_msg_reset(m);
	if (doc != NULL)
		scan_fini(&doc->scan);
	free(doc);
	m->doc = NULL;
}

/* As deep as the scanner allows. */
static void
wipe_tree(const cJSON *node)
{
	for (; node != NULL; node = node->next) {
		if (node->valuestring != NULL)
			explicit_bzero(node->valuestring,
			    strlen(node->valuestring));
		wipe_tree(node->child);
	}
}

void
wire_msg_wipe(struct wire_msg *m)
{
	struct doc *doc = m->doc;

	if (doc == NULL)
		return;
	for (unsigned i = 0; i < doc->set_count; i++)
		wipe_tree(m->f[doc->set[i]].node);
	wipe_tree(doc->unfolded);
	if (doc->scan.copy != NULL)
		explicit_bzero(doc->scan.copy, doc->scan.copy_cap);
	wire_msg_fini(m);
}

static int
prepare(struct wire_msg *m)
{
	wire_msg_reset(m);
	if (m->doc == NULL)
		m->doc = calloc(1, sizeof(struct doc));
	return m->doc != NULL ? 0 : -ENOMEM;
}

static enum wire_kind
kind_of(const struct scan_member *mem)
{
	switch (mem->kind) {
	case SCAN_NULL:
		return WIRE_ABSENT;
	case SCAN_FALSE:
	case SCAN_TRUE:
		return WIRE_BOOL;
	case SCAN_NUM:
		return WIRE_NUM;
	case SCAN_STR:
		return WIRE_STR;
	case SCAN_LIST:
		return WIRE_LIST;
	case SCAN_OBJ:
		return WIRE_OBJ;
	}
	return WIRE_ABSENT;
}

/* The member that a field comes from; NULL if absent or null. */
static const struct scan_member *
member_of(const struct doc *doc, enum wire_field f)
{
	const struct scan_member *mem;

	if (doc->at[f] == 0)
		return NULL;
	mem = &doc->scan.member[doc->at[f] - 1];
	return mem->kind != SCAN_NULL ? mem : NULL;
}

/* Scan, and note which member is which field. */
static int
read_members(struct wire_msg *m, const char *text, size_t len,
    const struct scan_limits *limits)
{
	struct doc *doc = m->doc;
	int rc = scan_object(&doc->scan, text, len, limits);

	m->why = doc->scan.why;
	if (rc < 0)
		return rc;
	m->json = true;
	memset(doc->at, 0, sizeof(doc->at));
	for (size_t i = 0; i < doc->scan.count; i++) {
		const struct scan_str *key = &doc->scan.member[i].key;
		enum wire_field f = wire_field_find(key->s, key->len);

		if (f == WIRE_FIELD_COUNT)
			continue;
		doc->at[f] = i + 1;
		f = wire_field_twin(f);
		if (f != WIRE_FIELD_COUNT)
			doc->at[f] = i + 1;
	}
	return 0;
}

/* A member as callers see it; what is in a list or object is not read yet. */
static struct wire_value
value_of_member(const struct scan_member *mem)
{
	struct wire_value v = {
		.kind = kind_of(mem),
		.raw = mem->raw,
		.raw_len = mem->raw_len,
	};

	if (v.kind == WIRE_STR) {
		v.s = mem->str.s;
		v.len = mem->str.len;
	} else if (v.kind == WIRE_NUM) {
		v.num = mem->num;
	} else {
		v.b = mem->kind == SCAN_TRUE;
	}
	return v;
}

static int
set_field(struct wire_msg *m, enum wire_field f, const struct scan_member *mem)
{
	struct doc *doc = m->doc;
	struct wire_value *v = &m->f[f];

	doc->set[doc->set_count++] = f;
	*v = value_of_member(mem);
	if (v->kind != WIRE_LIST && v->kind != WIRE_OBJ)
		return 0;
	/* The scanner took it, so what can fail is memory. */
	v->node = cJSON_ParseWithLengthOpts(mem->raw, mem->raw_len, NULL,
	    false);
	return v->node != NULL ? 0 : -ENOMEM;
}

/* One sentence about a field, put together from the table. */
static int AC_PRINTF(2, 3)
refuse(struct wire_msg *m, const char *fmt, ...)
{
	struct doc *doc = m->doc;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(doc->why, sizeof(doc->why), fmt, ap);
	va_end(ap);
	m->why = doc->why;
	return AC_E_INVALID_MSG;
}

static bool
fits(const struct scan_member *mem, struct wire_bound bound)
{
	size_t len;

	if (mem->kind != SCAN_STR || bound.max == 0)
		return true;
	len = mem->str.len;
	if (len > bound.max && bound.utf16)
		len = wire_utf16_len(mem->str.s, len);
	return len <= bound.max;
}

static int
apply_rule(struct wire_msg *m, const struct wire_rule *rule,
    enum wire_side side)
{
	enum wire_field f = rule->field;
	enum wire_kind kind = wire_field_kind(f);
	const struct scan_member *mem = member_of(m->doc, f);
	struct wire_bound bound = wire_field_bound(f, side);
	/* Other relays' idea of what we can do without doesn't matter. */
	bool lenient = side == WIRE_FROM_RELAY && !rule->required;

	if (mem == NULL)
		return !rule->required ? 0 : refuse(m,
		    "%s needs \"%s\": %s.", wire_type_name(m->type),
		    wire_field_name(f), wire_kind_name(kind));
	if (kind_of(mem) != kind)
		return lenient ? 0 : refuse(m, "\"%s\" of %s must be %s.",
		    wire_field_name(f), wire_type_name(m->type),
		    wire_kind_name(kind));
	if (!fits(mem, bound))
		return lenient ? 0 : refuse(m,
		    "\"%s\" of %s may have %zu %s at most.",
		    wire_field_name(f), wire_type_name(m->type), bound.max,
		    bound.utf16 ? "characters" : "bytes");
	return set_field(m, f, mem);
}

static int
apply_table(struct wire_msg *m, enum wire_side side)
{
	const struct scan_member *type = member_of(m->doc, WF_TYPE);
	const struct wire_rule *rule;
	int rc;

	if (type == NULL || type->kind != SCAN_STR)
		return refuse(m, "A message needs \"type\": a string, "
		    "for example \"MSG\".");
	m->type = wire_type_find(type->str.s, type->str.len);
	rule = wire_rules(m->type, side);
	if (rule == NULL) {
		m->type = WIRE_NONE;
		return refuse(m, "There is no message of this type: "
		    "see agentchat-protocol(7) for those there are.");
	}
	rc = set_field(m, WF_TYPE, type);
	for (; rc == 0 && rule->field != WIRE_RULES_END; rule++)
		rc = apply_rule(m, rule, side);
	return rc;
}

int
wire_parse(struct wire_msg *m, const char *text, size_t len,
    enum wire_side side)
{
	const struct scan_member *id;
	int rc = prepare(m);

	if (rc == 0)
		rc = read_members(m, text, len, side == WIRE_FROM_CLIENT ?
		    &scan_client : &scan_relay);
	if (rc < 0)
		return rc;
	rc = apply_table(m, side);
	if (rc == 0)
		return 0;

	clear_fields(m);
	id = member_of(m->doc, WF_ID);
	if (id != NULL && id->kind == SCAN_STR &&
	    fits(id, wire_field_bound(WF_ID, side)))
		set_field(m, WF_ID, id);
	return rc;
}

int
wire_parse_object(struct wire_msg *m, const char *text, size_t len)
{
	int rc = prepare(m);

	if (rc == 0)
		rc = read_members(m, text, len, &scan_relay);
	if (rc < 0)
		return rc;
	for (enum wire_field f = 0; f < WIRE_FIELD_COUNT; f++) {
		const struct scan_member *mem = member_of(m->doc, f);

		if (mem == NULL || kind_of(mem) != wire_field_kind(f))
			continue;
		rc = set_field(m, f, mem);
		if (rc < 0) {
			clear_fields(m);
			return rc;
		}
	}
	if (wire_has(m, WF_TYPE))
		m->type = wire_type_find(m->f[WF_TYPE].s, m->f[WF_TYPE].len);
	return 0;
}

int64_t
wire_int(const struct wire_msg *m, enum wire_field f, int64_t fallback)
{
	double num = m->f[f].num;

	if (m->f[f].kind != WIRE_NUM || !(num >= 0 && num <= EXACT_MAX))
		return fallback;
	return num == (double)(int64_t)num ? (int64_t)num : fallback;
}

static struct wire_value
value_of(const cJSON *item)
{
	struct wire_value v = { .kind = WIRE_ABSENT };

	if (cJSON_IsString(item)) {
		v.kind = WIRE_STR;
		v.s = item->valuestring;
		v.len = strlen(v.s);
	} else if (cJSON_IsNumber(item)) {
		v.kind = WIRE_NUM;
		v.num = item->valuedouble;
	} else if (cJSON_IsBool(item)) {
		v.kind = WIRE_BOOL;
		v.b = cJSON_IsTrue(item);
	} else if (cJSON_IsArray(item) || cJSON_IsObject(item)) {
		v.kind = cJSON_IsArray(item) ? WIRE_LIST : WIRE_OBJ;
		v.node = item;
	}
	return v;
}

bool
wire_each(const struct wire_value *v, const void **at, const char **key,
    struct wire_value *item)
{
	const cJSON *node = *at;

	if (v->node == NULL)
		return false;
	node = node == NULL ? ((const cJSON *)v->node)->child : node->next;
	if (node == NULL)
		return false;
	*at = node;
	*key = node->string != NULL ? node->string : "";
	*item = value_of(node);
	return true;
}

struct wire_value
wire_member(const struct wire_value *v, const char *key)
{
	if (v->kind != WIRE_OBJ)
		return (struct wire_value){ .kind = WIRE_ABSENT };
	return value_of(cJSON_GetObjectItemCaseSensitive(v->node, key));
}

struct wire_value
wire_find(const struct wire_msg *m, const char *key)
{
	const struct doc *doc = m->doc;
	size_t len = strlen(key);

	for (size_t i = 0; doc != NULL && i < doc->scan.count; i++) {
		const struct scan_member *mem = &doc->scan.member[i];

		if (mem->key.len == len && memcmp(mem->key.s, key, len) == 0)
			return value_of_member(mem);
	}
	return (struct wire_value){ .kind = WIRE_ABSENT };
}

const struct scan *
scan_of(const struct wire_msg *m)
{
	const struct doc *doc = m->doc;

	return &doc->scan;
}

int
wire_unfold(struct wire_msg *m, struct wire_value *v)
{
	struct doc *doc = m->doc;

	if (doc == NULL || v->raw == NULL ||
	    (v->kind != WIRE_LIST && v->kind != WIRE_OBJ))
		return -EINVAL;
	cJSON_Delete(doc->unfolded);
	doc->unfolded = cJSON_ParseWithLengthOpts(v->raw, v->raw_len, NULL,
	    false);
	v->node = doc->unfolded;
	return v->node != NULL ? 0 : -ENOMEM;
}
