/*
 * proof.c - one agent's proof to another, through the relay: VERIFY_REQUEST
 * and what answers it.
 */
#include "config.h"

#include "lib/proof.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/rnd.h"
#include "ident/ident.h"
#include "lib/client.h"

#define NONCE_MIN	16
#define NONCE_MAX	128

static bool
nonce_ok(const char *s)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/=_-";
	size_t len = strlen(s);

	return len >= NONCE_MIN && len <= NONCE_MAX &&
	    strspn(s, alphabet) == len;
}

int
proof_answer(struct buf *out, const struct ident *me, const struct wire_msg *m)
{
	const char *request = wire_str(m, WF_REQUEST_ID);
	const char *nonce = wire_str(m, WF_NONCE);
	char sig[IDENT_SIG_MAX];
	int rc;

	if (me == NULL || request == NULL || nonce == NULL ||
	    !wire_has(m, WF_FROM))
		return -ENOMSG;
	if (!nonce_ok(nonce))
		return AC_E_INVALID_MSG;
	rc = ident_sign(me, nonce, strlen(nonce), sig);
	if (rc < 0)
		return rc;
	wire_begin(out, WIRE_VERIFY_RESPONSE);
	wire_puts(out, WF_REQUEST_ID, request);
	wire_puts(out, WF_NONCE, nonce);
	wire_puts(out, WF_SIG, sig);
	wire_end(out);
	return buf_err(out);
}

int
client_make_verify(struct buf *out, const char *target, const char *id,
    char nonce[CLIENT_NONCE_MAX])
{
	rnd_name(nonce, CLIENT_NONCE_MAX - 1);
	wire_begin(out, WIRE_VERIFY_REQUEST);
	wire_puts(out, WF_TARGET, target);
	wire_puts(out, WF_NONCE, nonce);
	wire_puts(out, WF_ID, id);
	wire_end(out);
	return buf_err(out);
}

int
client_check_verify(const struct wire_msg *m, const char *target,
    const char *nonce, unsigned char *key)
{
	const struct wire_value *pub = &m->f[WF_PUBKEY];
	const struct wire_value *sig = &m->f[WF_SIG];
	const char *agent = wire_str(m, WF_AGENT);
	const char *theirs = wire_str(m, WF_NONCE);

	if (agent == NULL || strcmp(agent, target) != 0 ||
	    pub->kind != WIRE_STR ||
	    ident_key_parse(key, pub->s, pub->len) < 0 ||
	    !ident_key_fits(key, target))
		return AC_E_VERIFICATION_FAILED;
	if (sig->kind != WIRE_STR)
		return 1;
	if ((theirs != NULL && strcmp(theirs, nonce) != 0) ||
	    ident_verify(key, nonce, strlen(nonce), sig->s, sig->len) != 0)
		return AC_E_VERIFICATION_FAILED;
	return 0;
}
