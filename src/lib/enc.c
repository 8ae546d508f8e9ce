/*
 * enc.c - direct messages that the relay can't read.
 *
 * Such a MSG has enc {v:1,nonce,box}, and as content a notice for who can't
 * open it. The box (ident/box.c) holds one JSON object
 *
 *	{"from","to","id","ts","content","in_reply_to"?,"sig"}
 *
 * and spaces up to a multiple of 64 bytes, so that its length tells less.
 * from, to, id and ts are those of the MSG: a box that is put into another
 * MSG, or sent on by its recipient, opens but doesn't fit. sig is the same
 * signature that the message would carry in the clear, so it can be kept with
 * the content and checked by anybody later. That the box is new is for the
 * receiver to know: by its from and id.
 */
#include "config.h"

#include "lib/client.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "ident/ident.h"

#define ENC_VERSION	1
#define PAD_TO		64
#define NOTICE		"(encrypted message: only the daemon of who it is " \
	"for can open it)"

static int
sign_content(const struct ident *me, const struct client_letter *l,
    char sig[IDENT_SIG_MAX])
{
	struct buf text = BUF_INIT;
	int rc;

	wire_sign_msg(&text, l->to, l->content, l->len, l->ts_ms);
	rc = buf_err(&text);
	if (rc == 0)
		rc = ident_sign(me, text.p, text.len, sig);
	buf_fini(&text);
	return rc;
}

static int
put_inner(struct buf *b, const struct ident *me, const struct client_letter *l)
{
	char sig[IDENT_SIG_MAX];
	int rc = sign_content(me, l, sig);

	if (rc < 0)
		return rc;
	buf_addc(b, '{');
	wire_puts(b, WF_FROM, l->from);
	wire_puts(b, WF_TO, l->to);
	wire_puts(b, WF_ID, l->id);
	wire_put_int(b, WF_TS, l->ts_ms);
	wire_put_str(b, WF_CONTENT, l->content, l->len);
	if (l->in_reply_to != NULL)
		wire_puts(b, WF_IN_REPLY_TO, l->in_reply_to);
	wire_puts(b, WF_SIG, sig);
	wire_end(b);
	while (buf_err(b) == 0 && b->len % PAD_TO != 0)
		buf_addc(b, ' ');
	return buf_err(b);
}

static void
put_enc(struct buf *out, const char *nonce, const struct buf *box)
{
	wire_put_raw(out, WF_ENC, "{", 1);
	wire_json_key(out, "v");
	wire_json_int(out, ENC_VERSION);
	wire_json_key(out, "nonce");
	wire_json_str(out, nonce, strlen(nonce));
	wire_json_key(out, "box");
	wire_json_str(out, box->p, box->len);
	buf_addc(out, '}');
}

int
client_make_enc(struct buf *out, const struct ident *me,
    const struct client_letter *l, const unsigned char *key)
{
	struct buf inner = BUF_INIT, box = BUF_INIT;
	char nonce[IDENT_NONCE_MAX];
	int rc = put_inner(&inner, me, l);

	if (rc == 0)
		rc = ident_seal(me, key, inner.p, inner.len, nonce, &box);
	if (rc == 0)
		rc = client_make_msg_at(out, me, l->to, NOTICE,
		    sizeof(NOTICE) - 1, l->id, NULL, l->ts_ms);
	if (rc == 0) {
		out->len--;	/* the brace: one more member */
		put_enc(out, nonce, &box);
		wire_end(out);
		rc = buf_err(out);
	}
	if (inner.p != NULL)
		explicit_bzero(inner.p, inner.cap);
	buf_fini(&inner);
	buf_fini(&box);
	return rc;
}

static bool
same(const struct wire_msg *a, const struct wire_msg *b, enum wire_field f)
{
	const char *x = wire_str(a, f), *y = wire_str(b, f);

	return x != NULL && y != NULL && strcmp(x, y) == 0;
}

/* Does what was in the box belong to the MSG around it, and who signed it? */
static int
check_inner(const struct wire_msg *m, const struct wire_msg *inner,
    const unsigned char *signer)
{
	const struct wire_value *content = &inner->f[WF_CONTENT];
	const struct wire_value *sig = &inner->f[WF_SIG];
	int64_t ts = wire_int(inner, WF_TS, -1);
	struct buf text = BUF_INIT;
	int rc;

	if (!same(m, inner, WF_FROM) || !same(m, inner, WF_TO) ||
	    !same(m, inner, WF_ID) || ts < 0 ||
	    ts != wire_int(m, WF_SENT_TS, -1) ||
	    content->kind != WIRE_STR || sig->kind != WIRE_STR)
		return AC_E_VERIFICATION_FAILED;
	wire_sign_msg(&text, wire_str(inner, WF_TO), content->s, content->len,
	    ts);
	rc = buf_err(&text);
	if (rc == 0)
		rc = ident_verify(signer, text.p, text.len, sig->s, sig->len);
	buf_fini(&text);
	return rc;
}

int
client_open_enc(const struct wire_msg *m, const struct ident *me,
    const unsigned char *other, bool own, struct buf *text,
    struct wire_msg *inner)
{
	struct wire_value v = wire_member(&m->f[WF_ENC], "v");
	struct wire_value nonce = wire_member(&m->f[WF_ENC], "nonce");
	struct wire_value box = wire_member(&m->f[WF_ENC], "box");
	int rc;

	if (v.kind != WIRE_NUM || v.num != ENC_VERSION)
		return -EOPNOTSUPP;
	if (nonce.kind != WIRE_STR || box.kind != WIRE_STR)
		return AC_E_VERIFICATION_FAILED;
	buf_clear(text);
	rc = ident_open(me, other, nonce.s, nonce.len, box.s, box.len, text);
	if (rc == 0)
		rc = wire_parse_object(inner, text->p, text->len);
	if (rc == AC_E_INVALID_MSG)
		rc = AC_E_VERIFICATION_FAILED;
	return rc < 0 ? rc : check_inner(m, inner, own ? ident_pub(me) :
	    other);
}
