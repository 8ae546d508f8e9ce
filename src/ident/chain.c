/*
 * chain.c - which key followed which, and that the last is revoked.
 *
 *	"chain":[{"type":"AGENTCHAT_ROTATE","n":0,"prev":"<base64 key>",
 *	    "next":"<base64 key>","ts":1706889600000,
 *	    "sig":"<by prev>","next_sig":"<by next>"},...],
 *	"revoked":{"type":"AGENTCHAT_REVOKE","key":"<base64 key>",
 *	    "ts":1706889600000,"reason":"...","sig":"<by key>"}
 *
 * What is signed is the canonical JSON of the object without its signatures;
 * an object with any other member is refused, so all of it is signed. The new
 * key signs too: nobody can declare another's key to be his successor. Links
 * are numbered from 0, and each starts where the one before ended, so none can
 * be left out; the last ends at the file's own key.
 */
#include "config.h"

#include "ident/ident.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ident/internal.h"

#define ROTATE	"AGENTCHAT_ROTATE"
#define REVOKE	"AGENTCHAT_REVOKE"

/* ---- texts */

static void
put_str(struct buf *b, const char *key, const char *value)
{
	wire_json_key(b, key);
	wire_json_str(b, value, strlen(value));
}

static void
put_key(struct buf *b, const char *name, const unsigned char *key)
{
	char b64[IDENT_B64_MAX];

	ident_key_b64(key, b64);
	put_str(b, name, b64);
}

/* Up to the signatures; the brace is left open. */
static void
print_link(struct buf *b, const struct link *l, size_t n)
{
	buf_addc(b, '{');
	put_str(b, "type", ROTATE);
	wire_json_key(b, "n");
	wire_json_int(b, (int64_t)n);
	put_key(b, "prev", l->prev);
	put_key(b, "next", l->next);
	wire_json_key(b, "ts");
	wire_json_int(b, l->ts_ms);
}

static void
print_revocation(struct buf *b, const struct ident *id)
{
	buf_addc(b, '{');
	put_str(b, "type", REVOKE);
	put_key(b, "key", id->pub);
	wire_json_key(b, "ts");
	wire_json_int(b, id->revoked.ts_ms);
	put_str(b, "reason", id->revoked.reason);
}

/* What is signed of the object that stands, still open, in b. */
static int
canon(struct buf *b, struct buf *text)
{
	int rc;

	buf_addc(b, '}');
	rc = buf_err(b);
	if (rc == 0)
		rc = wire_canon(text, b->p, b->len);
	buf_fini(b);
	return rc;
}

static int
link_text(const struct link *l, size_t n, struct buf *text)
{
	struct buf b = BUF_INIT;

	print_link(&b, l, n);
	return canon(&b, text);
}

static int
revocation_text(const struct ident *id, struct buf *text)
{
	struct buf b = BUF_INIT;

	print_revocation(&b, id);
	return canon(&b, text);
}

void
chain_print(const struct ident *id, struct buf *b)
{
	if (id->chain_len > 0) {
		wire_json_key(b, "chain");
		buf_addc(b, '[');
		for (size_t i = 0; i < id->chain_len; i++) {
			wire_json_sep(b);
			print_link(b, &id->chain[i], i);
			put_str(b, "sig", id->chain[i].sig);
			put_str(b, "next_sig", id->chain[i].next_sig);
			buf_addc(b, '}');
		}
		buf_addc(b, ']');
	}
	if (id->revoked.ts_ms != 0) {
		wire_json_key(b, "revoked");
		print_revocation(b, id);
		put_str(b, "sig", id->revoked.sig);
		buf_addc(b, '}');
	}
}

/* ---- reading them */

static bool
str_is(const struct wire_value *v, const char *s)
{
	return v->kind == WIRE_STR && strcmp(v->s, s) == 0;
}

static bool
get_key(const struct wire_value *v, unsigned char key[IDENT_KEY_LEN])
{
	return v->kind == WIRE_STR && v->len == KEY_B64_LEN &&
	    ident_key_parse(key, v->s, v->len) == 0;
}

static bool
get_str(const struct wire_value *v, char *out, size_t size)
{
	if (v->kind != WIRE_STR || v->len >= size)
		return false;
	memcpy(out, v->s, v->len + 1);
	return true;
}

static bool
get_ts(const struct wire_value *v, int64_t *ts)
{
	/* What a JavaScript date may be. */
	if (v->kind != WIRE_NUM || !(v->num >= 1 && v->num <= 8.64e15) ||
	    v->num != (double)(int64_t)v->num)
		return false;
	*ts = (int64_t)v->num;
	return true;
}

/* The JSON reader refuses doubled names: so a count finds what's missing. */
static bool
read_link(struct link *l, size_t n, const struct wire_value *obj)
{
	const void *at = NULL;
	struct wire_value v;
	const char *name;
	int members = 0;
	bool ok = obj->kind == WIRE_OBJ;

	for (; ok && wire_each(obj, &at, &name, &v); members++)
		if (strcmp(name, "type") == 0)
			ok = str_is(&v, ROTATE);
		else if (strcmp(name, "n") == 0)
			ok = v.kind == WIRE_NUM && v.num == (double)n;
		else if (strcmp(name, "prev") == 0)
			ok = get_key(&v, l->prev);
		else if (strcmp(name, "next") == 0)
			ok = get_key(&v, l->next);
		else if (strcmp(name, "ts") == 0)
			ok = get_ts(&v, &l->ts_ms);
		else if (strcmp(name, "sig") == 0)
			ok = get_str(&v, l->sig, sizeof(l->sig));
		else if (strcmp(name, "next_sig") == 0)
			ok = get_str(&v, l->next_sig, sizeof(l->next_sig));
		else
			ok = false;
	return ok && members == 7;
}

static bool
read_revocation(struct ident *id, const struct wire_value *obj)
{
	struct revocation *r = &id->revoked;
	unsigned char key[IDENT_KEY_LEN];
	const void *at = NULL;
	struct wire_value v;
	const char *name;
	int members = 0;
	bool ok = obj->kind == WIRE_OBJ;

	for (; ok && wire_each(obj, &at, &name, &v); members++)
		if (strcmp(name, "type") == 0)
			ok = str_is(&v, REVOKE);
		else if (strcmp(name, "key") == 0)
			ok = get_key(&v, key) &&
			    memcmp(key, id->pub, sizeof(key)) == 0;
		else if (strcmp(name, "ts") == 0)
			ok = get_ts(&v, &r->ts_ms);
		else if (strcmp(name, "reason") == 0)
			ok = get_str(&v, r->reason, sizeof(r->reason));
		else if (strcmp(name, "sig") == 0)
			ok = get_str(&v, r->sig, sizeof(r->sig));
		else
			ok = false;
	return ok && members == 5;
}

static int
read_chain(struct ident *id, const struct wire_value *list)
{
	const void *at = NULL;
	struct wire_value v;
	const char *name;

	id->chain = calloc(IDENT_LINKS_MAX, sizeof(*id->chain));
	if (id->chain == NULL)
		return -ENOMEM;
	for (; wire_each(list, &at, &name, &v); id->chain_len++)
		if (id->chain_len == IDENT_LINKS_MAX ||
		    !read_link(&id->chain[id->chain_len], id->chain_len, &v))
			return -EINVAL;
	return 0;
}

int
chain_read(struct ident *id, struct wire_msg *m)
{
	struct wire_value v = wire_find(m, "chain");
	int rc = 0;

	if (v.kind != WIRE_ABSENT) {
		rc = v.kind == WIRE_LIST ? wire_unfold(m, &v) : -EINVAL;
		if (rc == 0)
			rc = read_chain(id, &v);
	}
	v = wire_find(m, "revoked");
	if (rc == 0 && v.kind != WIRE_ABSENT) {
		rc = v.kind == WIRE_OBJ ? wire_unfold(m, &v) : -EINVAL;
		if (rc == 0 && !read_revocation(id, &v))
			rc = -EINVAL;
	}
	return rc;
}

/* ---- making and checking them */

/* A fresh pair as successor of old, both of which sign the last link. */
static int
add_link(struct ident *id, const struct ident *old)
{
	struct link *l;
	struct buf text = BUF_INIT;
	int rc;

	id->chain = calloc(IDENT_LINKS_MAX, sizeof(*id->chain));
	if (id->chain == NULL)
		return -ENOMEM;
	if (old->chain_len > 0)
		memcpy(id->chain, old->chain,
		    old->chain_len * sizeof(*id->chain));
	id->chain_len = old->chain_len + 1;
	l = &id->chain[old->chain_len];
	memcpy(l->prev, old->pub, sizeof(l->prev));
	memcpy(l->next, id->pub, sizeof(l->next));
	l->ts_ms = clock_wall_ms();

	rc = link_text(l, old->chain_len, &text);
	if (rc == 0)
		rc = ident_sign(old, text.p, text.len, l->sig);
	if (rc == 0)
		rc = ident_sign(id, text.p, text.len, l->next_sig);
	buf_fini(&text);
	return rc;
}

int
ident_rotate(struct ident **out, const struct ident *old)
{
	struct ident *id;
	size_t at;
	int rc;

	*out = NULL;
	if (old->secret == NULL)
		return -ENOKEY;
	if (old->revoked.ts_ms != 0)
		return -EKEYREVOKED;
	if (old->chain_len >= IDENT_LINKS_MAX)
		return -E2BIG;
	rc = ident_chain_verify(old, &at);
	if (rc == 0)
		rc = ident_generate(&id, old->name);
	if (rc < 0)
		return rc;
	rc = add_link(id, old);
	if (rc < 0) {
		ident_free(id);
		return rc;
	}
	*out = id;
	return 0;
}

int
ident_revoke(struct ident *id, const char *reason)
{
	struct revocation r = { .ts_ms = 0 };
	size_t len = strlen(reason), at;
	struct buf text = BUF_INIT;
	int rc;

	if (id->secret == NULL)
		return -ENOKEY;
	if (id->revoked.ts_ms != 0)
		return -EKEYREVOKED;
	if (len >= sizeof(r.reason) || !wire_utf8_ok(reason, len))
		return -EINVAL;
	rc = ident_chain_verify(id, &at);
	if (rc < 0)
		return rc;
	memcpy(r.reason, reason, len + 1);
	r.ts_ms = clock_wall_ms();
	id->revoked = r;
	rc = revocation_text(id, &text);
	if (rc == 0)
		rc = ident_sign(id, text.p, text.len, id->revoked.sig);
	buf_fini(&text);
	if (rc < 0)
		id->revoked.ts_ms = 0;
	return rc;
}

static int
check_sig(const unsigned char *key, const struct buf *text, const char *sig)
{
	return ident_verify(key, text->p, text->len, sig, strlen(sig));
}

static int
check_link(const struct ident *id, size_t i)
{
	const struct link *l = &id->chain[i];
	const unsigned char *next = i + 1 < id->chain_len ?
	    id->chain[i + 1].prev : id->pub;
	struct buf text = BUF_INIT;
	int rc;

	if (memcmp(l->next, next, IDENT_KEY_LEN) != 0)
		return AC_E_VERIFICATION_FAILED;
	rc = link_text(l, i, &text);
	if (rc == 0)
		rc = check_sig(l->prev, &text, l->sig);
	if (rc == 0)
		rc = check_sig(l->next, &text, l->next_sig);
	buf_fini(&text);
	return rc;
}

int
ident_chain_verify(const struct ident *id, size_t *at)
{
	struct buf text = BUF_INIT;
	int rc = 0;

	for (*at = 0; *at < id->chain_len; ++*at) {
		rc = check_link(id, *at);
		if (rc < 0)
			return rc;
	}
	if (id->revoked.ts_ms == 0)
		return 0;
	rc = revocation_text(id, &text);
	if (rc == 0)
		rc = check_sig(id->pub, &text, id->revoked.sig);
	buf_fini(&text);
	return rc;
}

size_t
ident_chain_len(const struct ident *id)
{
	return id->chain_len;
}

const unsigned char *
ident_chain_link(const struct ident *id, size_t i, int64_t *ts_ms)
{
	*ts_ms = id->chain[i].ts_ms;
	return id->chain[i].prev;
}

int64_t
ident_revoked(const struct ident *id, const char **reason)
{
	*reason = id->revoked.reason;
	return id->revoked.ts_ms;
}
