/*
 * pem.c - keys as text.
 *
 * An Ed25519 key has a DER of fixed length and a fixed beginning, so there is
 * no ASN.1 to parse: what is not that beginning and 32 bytes is no such key.
 */
#include "config.h"

#include "ident/ident.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "ident/internal.h"

#define DER_MAX 48		/* PKCS8 */
#define B64_MAX 64		/* of that: one line of PEM, no rest */

struct form {
	const char	*begin, *end;	/* the lines around the base64 */
	size_t		 prefix_len;
	unsigned char	 prefix[16];	/* DER before the key's 32 bytes */
};

/* RFC 8410: SubjectPublicKeyInfo and PrivateKeyInfo of id-Ed25519. */
static const struct form spki = {
	"-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----", 12,
	{ 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21,
	  0x00 }
};
static const struct form pkcs8 = {
	"-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", 16,
	{ 0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65,
	  0x70, 0x04, 0x22, 0x04, 0x20 }
};

bool
pem_b64_read(unsigned char *out, size_t out_len, const char *text, size_t len)
{
	size_t n;

	/* libsodium takes 0xaf for '/' where char is signed. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] > 0x7f)
			return false;
	/*
	 * The length says how much padding there is; libsodium refuses bits
	 * behind the end, so that each key has one spelling.
	 */
	return len == (out_len + 2) / 3 * 4 &&
	    sodium_base642bin(out, out_len, text, len, NULL, &n, NULL,
	    sodium_base64_VARIANT_ORIGINAL) == 0 && n == out_len;
}

static void
armour(const struct form *form, const unsigned char raw[32], char *out,
    size_t out_max)
{
	unsigned char der[DER_MAX];
	char b64[B64_MAX + 1];

	memcpy(der, form->prefix, form->prefix_len);
	memcpy(der + form->prefix_len, raw, 32);
	sodium_bin2base64(b64, sizeof(b64), der, form->prefix_len + 32,
	    sodium_base64_VARIANT_ORIGINAL);
	snprintf(out, out_max, "%s\n%s\n%s\n", form->begin, b64, form->end);
	sodium_memzero(der, sizeof(der));
	sodium_memzero(b64, sizeof(b64));
}

static bool
is_break(char c)
{
	return c == '\n' || c == '\r';
}

/* The bytes between the lines, line breaks left out; false if it is no PEM. */
static bool
disarm(const struct form *form, const char *text, size_t len,
    char b64[B64_MAX], size_t *b64_len)
{
	size_t begin = strlen(form->begin), end = strlen(form->end), n = 0;

	while (len > 0 && is_break(*text))
		text++, len--;
	while (len > 0 && is_break(text[len - 1]))
		len--;
	if (len < begin + end || memcmp(text, form->begin, begin) != 0 ||
	    memcmp(text + len - end, form->end, end) != 0)
		return false;
	for (size_t i = begin; i < len - end; i++) {
		if (is_break(text[i]))
			continue;
		if (n == B64_MAX)
			return false;
		b64[n++] = text[i];
	}
	*b64_len = n;
	return true;
}

static bool
read_der(const struct form *form, const char *b64, size_t len,
    unsigned char raw[32])
{
	unsigned char der[DER_MAX];
	bool ok;

	ok = pem_b64_read(der, form->prefix_len + 32, b64, len) &&
	    memcmp(der, form->prefix, form->prefix_len) == 0;
	if (ok)
		memcpy(raw, der + form->prefix_len, 32);
	sodium_memzero(der, sizeof(der));
	return ok;
}

static bool
read_pem(const struct form *form, const char *text, size_t len,
    unsigned char raw[32])
{
	char b64[B64_MAX];
	size_t n;
	bool ok;

	ok = disarm(form, text, len, b64, &n) && read_der(form, b64, n, raw);
	sodium_memzero(b64, sizeof(b64));
	return ok;
}

/*
 * Canonical, on the curve, in the main subgroup. A point outside of it signs
 * ambiguously: some verifiers take what others refuse.
 */
static int
check_point(const unsigned char raw[32], unsigned char key[IDENT_KEY_LEN])
{
	if (crypto_core_ed25519_is_valid_point(raw) != 1)
		return -EINVAL;
	memcpy(key, raw, IDENT_KEY_LEN);
	return 0;
}

int
ident_key_parse(unsigned char key[IDENT_KEY_LEN], const char *text, size_t len)
{
	unsigned char raw[32];

	if (!pem_b64_read(raw, sizeof(raw), text, len) &&
	    !read_pem(&spki, text, len, raw))
		return -EINVAL;
	return check_point(raw, key);
}

int
pem_public_read(unsigned char key[IDENT_KEY_LEN], const char *text, size_t len)
{
	unsigned char raw[32];

	if (read_der(&spki, text, len, raw))
		return check_point(raw, key);
	return ident_key_parse(key, text, len);
}

/* Seed and public key in a row, and they belong together. */
static bool
read_both(unsigned char seed[SEED_LEN], const char *text, size_t len)
{
	unsigned char both[SECRET_LEN], secret[SECRET_LEN];
	unsigned char key[IDENT_KEY_LEN];
	bool ok = pem_b64_read(both, sizeof(both), text, len);

	if (ok) {
		memcpy(seed, both, SEED_LEN);
		crypto_sign_seed_keypair(key, secret, seed);
		ok = memcmp(key, both + SEED_LEN, sizeof(key)) == 0;
	}
	sodium_memzero(both, sizeof(both));
	sodium_memzero(secret, sizeof(secret));
	return ok;
}

int
pem_private_read(unsigned char seed[SEED_LEN], const char *text, size_t len)
{
	if (pem_b64_read(seed, SEED_LEN, text, len) ||
	    read_both(seed, text, len) ||
	    read_pem(&pkcs8, text, len, seed) ||
	    read_der(&pkcs8, text, len, seed))
		return 0;
	return -EINVAL;
}

void
pem_private(const unsigned char seed[SEED_LEN], char out[PRIV_PEM_MAX])
{
	armour(&pkcs8, seed, out, PRIV_PEM_MAX);
}

void
ident_key_pem(const unsigned char key[IDENT_KEY_LEN], char out[IDENT_PEM_MAX])
{
	armour(&spki, key, out, IDENT_PEM_MAX);
}

void
ident_key_b64(const unsigned char key[IDENT_KEY_LEN], char out[IDENT_B64_MAX])
{
	sodium_bin2base64(out, IDENT_B64_MAX, key, IDENT_KEY_LEN,
	    sodium_base64_VARIANT_ORIGINAL);
}

void
ident_key_id(const unsigned char key[IDENT_KEY_LEN], int digits,
    char out[IDENT_ID_MAX])
{
	char pem[IDENT_PEM_MAX], hex[65];

	ident_key_pem(key, pem);
	ident_sha256(pem, strlen(pem), hex);
	snprintf(out, IDENT_ID_MAX, "@%.*s", digits == 16 ? 16 : 8, hex);
}

bool
ident_key_fits(const unsigned char key[IDENT_KEY_LEN], const char *id)
{
	char own[IDENT_ID_MAX];

	ident_key_id(key, 8, own);
	if (strcmp(id, own) == 0)
		return true;
	ident_key_id(key, 16, own);
	return strcmp(id, own) == 0;
}
