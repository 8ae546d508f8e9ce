/*
 * box.c - what one key pair says to another and nobody else can read.
 *
 * Ed25519 keys serve as X25519 keys after a map that libsodium knows; the box
 * is its crypto_box: who can make or open it holds one of the two keys.
 *
 * The nonce is made from the sender's secret, the recipient and the text, not
 * from dice: the same text to the same recipient gives the same box, so that
 * a message which is sent again is the same message, and different texts
 * never share a nonce, however bad the machine's dice are.
 */
#include "config.h"

#include "ident/ident.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/err.h"
#include "ident/internal.h"

#define NONCE_LEN	crypto_box_NONCEBYTES
#define LABEL		"AGENTCHAT_ENC1"

/* Both keys as crypto_box wants them; secret is to be wiped. */
static int
convert(const struct ident *me, const unsigned char other[IDENT_KEY_LEN],
    unsigned char pub[crypto_box_PUBLICKEYBYTES],
    unsigned char secret[crypto_box_SECRETKEYBYTES])
{
	if (me->secret == NULL)
		return -ENOKEY;
	/* It refuses points of small order and those off the main subgroup. */
	if (crypto_sign_ed25519_pk_to_curve25519(pub, other) != 0)
		return AC_E_VERIFICATION_FAILED;
	if (crypto_sign_ed25519_sk_to_curve25519(secret, me->secret) != 0)
		return -EIO;
	return 0;
}

static void
make_nonce(unsigned char nonce[NONCE_LEN],
    const unsigned char secret[crypto_box_SECRETKEYBYTES],
    const unsigned char to[IDENT_KEY_LEN], const void *p, size_t len)
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, secret, crypto_box_SECRETKEYBYTES,
	    NONCE_LEN);
	crypto_generichash_update(&st, (const unsigned char *)LABEL,
	    sizeof(LABEL));
	crypto_generichash_update(&st, to, IDENT_KEY_LEN);
	crypto_generichash_update(&st, p, len);
	crypto_generichash_final(&st, nonce, NONCE_LEN);
	sodium_memzero(&st, sizeof(st));
}

static void
put_base64(struct buf *out, const unsigned char *p, size_t len)
{
	size_t need = sodium_base64_ENCODED_LEN(len,
	    sodium_base64_VARIANT_ORIGINAL);
	char *to = buf_reserve(out, need);

	if (to == NULL)
		return;
	sodium_bin2base64(to, need, p, len, sodium_base64_VARIANT_ORIGINAL);
	out->len += need - 1;
}

int
ident_seal(const struct ident *me, const unsigned char to[IDENT_KEY_LEN],
    const void *text, size_t len, char nonce[IDENT_NONCE_MAX],
    struct buf *box)
{
	unsigned char pub[crypto_box_PUBLICKEYBYTES];
	unsigned char secret[crypto_box_SECRETKEYBYTES], raw[NONCE_LEN];
	size_t box_len = len + crypto_box_MACBYTES;
	unsigned char *p;
	int rc = convert(me, to, pub, secret);

	if (rc < 0)
		return rc;
	p = malloc(box_len);
	if (p == NULL) {
		sodium_memzero(secret, sizeof(secret));
		return -ENOMEM;
	}
	make_nonce(raw, secret, to, text, len);
	if (crypto_box_easy(p, text, len, raw, pub, secret) != 0)
		rc = AC_E_VERIFICATION_FAILED;
	sodium_memzero(secret, sizeof(secret));
	if (rc == 0) {
		sodium_bin2base64(nonce, IDENT_NONCE_MAX, raw, sizeof(raw),
		    sodium_base64_VARIANT_ORIGINAL);
		put_base64(box, p, box_len);
		rc = buf_err(box);
	}
	free(p);
	return rc;
}

/* Bytes of the base64 that has this length; 0 for a length that none has. */
static size_t
decoded_len(const char *text, size_t len)
{
	if (len == 0 || len % 4 != 0)
		return 0;
	return len / 4 * 3 - (text[len - 1] == '=' ? 1u : 0u) -
	    (text[len - 2] == '=' ? 1u : 0u);
}

int
ident_open(const struct ident *me, const unsigned char from[IDENT_KEY_LEN],
    const char *nonce, size_t nonce_len, const char *box, size_t box_len,
    struct buf *text)
{
	unsigned char pub[crypto_box_PUBLICKEYBYTES];
	unsigned char secret[crypto_box_SECRETKEYBYTES], n[NONCE_LEN], *raw;
	size_t len = decoded_len(box, box_len), text_len;
	char *out;
	int rc;

	if (len < crypto_box_MACBYTES ||
	    !pem_b64_read(n, sizeof(n), nonce, nonce_len))
		return AC_E_VERIFICATION_FAILED;
	text_len = len - crypto_box_MACBYTES;
	raw = malloc(len);
	out = buf_reserve(text, text_len);
	if (raw == NULL || out == NULL) {
		free(raw);
		return -ENOMEM;
	}
	rc = pem_b64_read(raw, len, box, box_len) ? convert(me, from, pub,
	    secret) : AC_E_VERIFICATION_FAILED;
	if (rc == 0 && crypto_box_open_easy((unsigned char *)out, raw, len, n,
	    pub, secret) != 0)
		rc = AC_E_VERIFICATION_FAILED;
	sodium_memzero(secret, sizeof(secret));
	free(raw);
	if (rc < 0)
		return rc;
	text->len += text_len;
	text->p[text->len] = '\0';
	return 0;
}
