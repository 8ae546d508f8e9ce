/*
 * sign.c - Ed25519 signatures as base64.
 */
#include "config.h"

#include "ident/ident.h"

#include <errno.h>
#include <sodium.h>

#include "base/err.h"
#include "ident/internal.h"

int
ident_sign(const struct ident *id, const void *p, size_t len,
    char sig[IDENT_SIG_MAX])
{
	unsigned char raw[SIG_LEN];

	if (id->secret == NULL)
		return -ENOKEY;
	if (crypto_sign_detached(raw, NULL, p, len, id->secret) != 0)
		return -EIO;
	sodium_bin2base64(sig, IDENT_SIG_MAX, raw, sizeof(raw),
	    sodium_base64_VARIANT_ORIGINAL);
	return 0;
}

int
ident_verify(const unsigned char key[IDENT_KEY_LEN], const void *p, size_t len,
    const char *sig, size_t sig_len)
{
	unsigned char raw[SIG_LEN];

	/* libsodium refuses S + L and points of small order, key's or R. */
	if (!pem_b64_read(raw, sizeof(raw), sig, sig_len) ||
	    crypto_sign_verify_detached(raw, p, len, key) != 0)
		return AC_E_VERIFICATION_FAILED;
	return 0;
}
