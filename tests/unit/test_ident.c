/*
 * test_ident.c - keys, their texts and ids, signatures.
 */
#include "config.h"

#include "unit.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ident/internal.h"
#include "ident_vectors.h"

#define MUTATIONS 10000

static struct ident *
from_vector(const struct vector *v)
{
	unsigned char seed[SEED_LEN];
	struct ident *id;

	assert_int_equal(key_new(&id), 0);
	assert_int_equal(pem_private_read(seed, v->seed, strlen(v->seed)), 0);
	assert_int_equal(key_from_seed(id, seed), 0);
	return id;
}

static int
parse(unsigned char key[IDENT_KEY_LEN], const char *text)
{
	return ident_key_parse(key, text, strlen(text));
}

static void
to_b64(const void *raw, size_t len, char *out, size_t max)
{
	sodium_bin2base64(out, max, raw, len, sodium_base64_VARIANT_ORIGINAL);
}

/* ---- against another implementation */

static void
names_keys_as_node_does(void **state)
{
	unsigned char key[IDENT_KEY_LEN];
	char pem[IDENT_PEM_MAX], b64[IDENT_B64_MAX], id[IDENT_ID_MAX];

	(void)state;
	for (size_t i = 0; i < AC_COUNTOF(vectors); i++) {
		const struct vector *v = &vectors[i];

		assert_int_equal(parse(key, v->pem), 0);
		ident_key_pem(key, pem);
		assert_string_equal(pem, v->pem);
		ident_key_b64(key, b64);
		assert_string_equal(b64, v->pub);
		ident_key_id(key, 16, id);
		assert_int_equal(id[0], '@');
		assert_string_equal(id + 1, v->id);
		ident_key_id(key, 8, id);
		assert_int_equal(strlen(id), 9);
		assert_memory_equal(id + 1, v->id, 8);
	}
}

static void
signs_as_node_does(void **state)
{
	char sig[IDENT_SIG_MAX], pem[PRIV_PEM_MAX];
	unsigned char seed[SEED_LEN];

	(void)state;
	for (size_t i = 0; i < AC_COUNTOF(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct ident *id = from_vector(v);

		assert_int_equal(ident_sign(id, v->text, strlen(v->text), sig),
		    0);
		assert_string_equal(sig, v->sig);
		assert_int_equal(ident_verify(ident_pub(id), v->text,
		    strlen(v->text), v->sig, strlen(v->sig)), 0);

		assert_int_equal(pem_private_read(seed, v->priv_pem,
		    strlen(v->priv_pem)), 0);
		pem_private(seed, pem);
		assert_string_equal(pem, v->priv_pem);
		ident_free(id);
	}
}

/* ---- texts of keys */

static void
reads_pem_however_its_lines_break(void **state)
{
	static const char *const forms[] = {
		"-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----",
		"-----BEGIN PUBLIC KEY-----\r\n%s\r\n"
		    "-----END PUBLIC KEY-----\r\n",
		"-----BEGIN PUBLIC KEY-----%s-----END PUBLIC KEY-----",
		"\n\n-----BEGIN PUBLIC KEY-----\n\n%s\n"
		    "-----END PUBLIC KEY-----\n\n\n",
	};
	const struct vector *v = &vectors[0];
	unsigned char key[IDENT_KEY_LEN];
	char text[256], body[61], b64[IDENT_B64_MAX];

	(void)state;
	memcpy(body, v->pem + 27, 60);
	body[60] = '\0';
	for (size_t i = 0; i < AC_COUNTOF(forms); i++) {
		snprintf(text, sizeof(text), forms[i], body);
		assert_int_equal(parse(key, text), 0);
		ident_key_b64(key, b64);
		assert_string_equal(b64, v->pub);
	}
	/* In the middle of the base64, too. */
	snprintf(text, sizeof(text), "-----BEGIN PUBLIC KEY-----\n%.20s\r\n%s"
	    "\n-----END PUBLIC KEY-----\n", body, body + 20);
	assert_int_equal(parse(key, text), 0);
	ident_key_b64(key, b64);
	assert_string_equal(b64, v->pub);
}

static void
refuses_what_is_no_ed25519_key(void **state)
{
	static const char *const bad[] = {
		"", "\n", "=", "AAAA", "not a key",
		"-----BEGIN PUBLIC KEY-----",
		"-----BEGIN PUBLIC KEY-----END PUBLIC KEY-----",
		"-----BEGIN PUBLIC KEY----------END PUBLIC KEY-----",
		"-----BEGIN PUBLIC KEY-----\n\n-----END PUBLIC KEY-----\n",
		/* X25519, the neighbour of Ed25519 by one in its OID */
		"-----BEGIN PUBLIC KEY-----\n"
		"MCowBQYDK2VuAyEAuPq+zZLZAjv1Im9fLUSxsylEk2QV0bsLvMvbO/K1M+Q=\n"
		"-----END PUBLIC KEY-----\n",
		/* P-256 */
		"-----BEGIN PUBLIC KEY-----\n"
		"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEGJrV3HU6SV4H/2DbKbDIQPmsGtYt\n"
		"vGFZmuM9xMzMH9pC6lHT5pSrKHJDTkfQ7UQ2PKu1wu3wzXwaV1gCjMDtGQ==\n"
		"-----END PUBLIC KEY-----\n",
		/* the right key, with something around it */
		" uPq+zZLZAjv1Im9fLUSxsylEk2QV0bsLvMvbO/K1M+Q=",
		"uPq+zZLZAjv1Im9fLUSxsylEk2QV0bsLvMvbO/K1M+Q=\n",
		"uPq+zZLZAjv1Im9fLUSxsylEk2QV0bsLvMvbO/K1M+Q",
		"uPq+zZLZAjv1Im9fLUSxsylEk2QV0bsLvMvbO/K1M+Q==",
		/* bits behind its end; the other alphabet */
		"uPq+zZLZAjv1Im9fLUSxsylEk2QV0bsLvMvbO/K1M+R=",
		"uPq-zZLZAjv1Im9fLUSxsylEk2QV0bsLvMvbO_K1M-Q=",
		"-----BEGIN PUBLIC KEY-----\n"
		"MCowBQYDK2VwAyEAuPq+zZLZAjv1Im9fLUSxsylEk2QV0bsLvMvbO/K1M+Q=\n"
		"-----END PUBLIC KEY-----\njunk",
		"junk\n-----BEGIN PUBLIC KEY-----\n"
		"MCowBQYDK2VwAyEAuPq+zZLZAjv1Im9fLUSxsylEk2QV0bsLvMvbO/K1M+Q=\n"
		"-----END PUBLIC KEY-----\n",
		"-----BEGIN PUBLIC KEY-----\n"
		"MCowBQYDK2VwAyEAuPq+zZLZAjv1Im9fLUSxsylEk2QV0bsLvMvbO/K1M+Q=\n"
		"MCowBQYDK2VwAyEAuPq+zZLZAjv1Im9fLUSxsylEk2QV0bsLvMvbO/K1M+Q=\n"
		"-----END PUBLIC KEY-----\n",
	};
	unsigned char key[IDENT_KEY_LEN];

	(void)state;
	for (size_t i = 0; i < AC_COUNTOF(bad); i++)
		assert_int_equal(parse(key, bad[i]), -EINVAL);
	/* A private key is not shown to the world by mistake. */
	assert_int_equal(parse(key, vectors[0].priv_pem), -EINVAL);
	/* A NUL inside ends nothing. */
	assert_int_equal(ident_key_parse(key, vectors[0].pub, 45), -EINVAL);
}

static void
pair_of(const unsigned char seed[SEED_LEN], unsigned char key[IDENT_KEY_LEN],
    unsigned char secret[SECRET_LEN])
{
	crypto_sign_seed_keypair(key, secret, seed);
}

/* All y below 2^255 of points with an order of 8 or less, and their twins. */
static const char *const small_order[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

static void
small_point(size_t i, bool sign, unsigned char out[IDENT_KEY_LEN])
{
	assert_int_equal(sodium_hex2bin(out, IDENT_KEY_LEN, small_order[i], 64,
	    NULL, NULL, NULL), 0);
	if (sign)
		out[31] |= 0x80;
}

static void
refuses_points_that_are_no_keys(void **state)
{
	unsigned char p[IDENT_KEY_LEN], eight[IDENT_KEY_LEN];
	unsigned char key[IDENT_KEY_LEN], seed[SEED_LEN] = { 7 };
	unsigned char secret[SECRET_LEN];
	char b64[IDENT_B64_MAX], pem[IDENT_PEM_MAX];
	int refused = 0;

	(void)state;
	for (size_t i = 0; i < 2 * AC_COUNTOF(small_order); i++) {
		small_point(i / 2, i % 2 != 0, p);
		to_b64(p, sizeof(p), b64, sizeof(b64));
		assert_int_equal(parse(key, b64), -EINVAL);
		ident_key_pem(p, pem);
		assert_int_equal(parse(key, pem), -EINVAL);
	}
	/* Not reduced: the same y has another spelling below 2^255 - 19. */
	for (int low = 0xed; low <= 0xff; low++) {
		memset(p, 0xff, sizeof(p));
		p[0] = (unsigned char)low;
		p[31] = 0x7f;
		to_b64(p, sizeof(p), b64, sizeof(b64));
		assert_int_equal(parse(key, b64), -EINVAL);
	}
	/* Half of all y are on no point. */
	for (int y = 2; y < 34; y++) {
		memset(p, 0, sizeof(p));
		p[0] = (unsigned char)y;
		to_b64(p, sizeof(p), b64, sizeof(b64));
		refused += parse(key, b64) == -EINVAL;
	}
	assert_in_range(refused, 16, 32);
	/* A good point plus one of order 8: large order, wrong group. */
	pair_of(seed, p, secret);
	to_b64(p, sizeof(p), b64, sizeof(b64));
	assert_int_equal(parse(key, b64), 0);
	small_point(2, false, eight);
	assert_int_equal(crypto_core_ed25519_add(p, p, eight), 0);
	to_b64(p, sizeof(p), b64, sizeof(b64));
	assert_int_equal(parse(key, b64), -EINVAL);
}

/* One to three bytes changed, cut out or put in; never the same text. */
static size_t
mutate(char *text, size_t len, size_t max)
{
	int times = 1 + (int)randombytes_uniform(3);

	while (times-- > 0 && len > 1) {
		size_t at = randombytes_uniform((uint32_t)len);
		unsigned how = randombytes_uniform(4);

		if (how == 0 && len < max) {
			memmove(text + at + 1, text + at, len - at);
			text[at] = (char)randombytes_uniform(256);
			len++;
		} else if (how == 1) {
			memmove(text + at, text + at + 1, len - at - 1);
			len--;
		} else if (how == 2) {
			text[at] ^= (char)(1 << randombytes_uniform(8));
		} else {
			text[at] = "ABCabc019+/=-\n\r "
			    [randombytes_uniform(16)];
		}
	}
	return len;
}

static size_t
without_breaks(char *out, const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		if (text[i] != '\n' && text[i] != '\r')
			out[n++] = text[i];
	return n;
}

/* What remains of good is the base64: another key, or the same text. */
static void
no_mutation_of(const char *good)
{
	unsigned char want[IDENT_KEY_LEN], key[IDENT_KEY_LEN];
	char text[256], a[256], b[256];
	size_t good_len = strlen(good), len, refused = 0;

	assert_int_equal(parse(want, good), 0);
	for (int i = 0; i < MUTATIONS; i++) {
		memcpy(text, good, good_len);
		len = mutate(text, good_len, sizeof(text));
		if (ident_key_parse(key, text, len) < 0) {
			refused++;
			continue;
		}
		if (memcmp(key, want, sizeof(key)) != 0)
			continue;
		len = without_breaks(a, text, len);
		assert_int_equal(len, without_breaks(b, good, good_len));
		assert_memory_equal(a, b, len);
	}
	assert_true(refused > MUTATIONS * 3 / 4);
}

static void
no_mutated_text_names_the_same_key(void **state)
{
	(void)state;
	no_mutation_of(vectors[1].pem);
	no_mutation_of(vectors[1].pub);
}

static void
reads_private_keys_in_four_forms(void **state)
{
	const struct vector *v = &vectors[2];
	unsigned char seed[SEED_LEN], want[SEED_LEN], key[IDENT_KEY_LEN];
	unsigned char secret[SECRET_LEN];
	char b64[96];

	(void)state;
	assert_int_equal(pem_private_read(want, v->seed, strlen(v->seed)), 0);
	assert_int_equal(pem_private_read(seed, v->priv_pem,
	    strlen(v->priv_pem)), 0);
	assert_memory_equal(seed, want, SEED_LEN);
	/* the PEM's DER alone */
	assert_int_equal(pem_private_read(seed, v->priv_pem + 28, 64), 0);
	assert_memory_equal(seed, want, SEED_LEN);
	pair_of(want, key, secret);
	to_b64(secret, sizeof(secret), b64, sizeof(b64));
	assert_int_equal(pem_private_read(seed, b64, strlen(b64)), 0);
	assert_memory_equal(seed, want, SEED_LEN);
	/* with the public half of another */
	secret[SEED_LEN] ^= 1;
	to_b64(secret, sizeof(secret), b64, sizeof(b64));
	assert_int_equal(pem_private_read(seed, b64, strlen(b64)), -EINVAL);
	assert_int_equal(pem_private_read(seed, v->pem, strlen(v->pem)),
	    -EINVAL);
	/* and public keys, where a file has them without the lines */
	assert_int_equal(pem_public_read(key, v->pem + 27, 60), 0);
	assert_int_equal(pem_public_read(key, v->pem, strlen(v->pem)), 0);
	assert_int_equal(pem_public_read(key, v->pub, strlen(v->pub)), 0);
	assert_int_equal(pem_public_read(key, v->pub, 43), -EINVAL);
}

/* ---- signatures */

static int
check(const unsigned char *key, const char *text, const unsigned char raw[64])
{
	char sig[IDENT_SIG_MAX];

	to_b64(raw, SIG_LEN, sig, sizeof(sig));
	return ident_verify(key, text, strlen(text), sig, strlen(sig));
}

static void
no_mutated_signature_is_good(void **state)
{
	const struct vector *v = &vectors[3];
	struct ident *id = from_vector(v);
	size_t good_len = strlen(v->sig), len;
	char sig[128];

	(void)state;
	for (int i = 0; i < MUTATIONS; i++) {
		memcpy(sig, v->sig, good_len);
		len = mutate(sig, good_len, sizeof(sig));
		if (len == good_len && memcmp(sig, v->sig, len) == 0)
			continue;
		assert_int_equal(ident_verify(ident_pub(id), v->text,
		    strlen(v->text), sig, len), AC_E_VERIFICATION_FAILED);
	}
	ident_free(id);
}

/* A proof over nearly the nonce, and over nearly the challenge's id. */
static void
no_proof_of_a_mutated_nonce_is_good(void **state)
{
	static const char nonce[] = "5f2b8c1d9e0a47368b1c2d3e4f506172";
	static const char id[] = "chal0123456789abcdefghij";
	struct buf right = BUF_INIT, wrong = BUF_INIT;
	char mutated[2][64], sig[IDENT_SIG_MAX];
	struct ident *me;

	(void)state;
	assert_int_equal(ident_generate(&me, "me"), 0);
	ident_auth_text(&right, nonce, id, 1706889600000);
	for (int i = 0; i < MUTATIONS; i++) {
		size_t len, which = (size_t)i % 2;

		strcpy(mutated[0], nonce);
		strcpy(mutated[1], id);
		len = mutate(mutated[which], strlen(mutated[which]), 63);
		mutated[which][len] = '\0';
		if (strcmp(mutated[0], nonce) == 0 &&
		    strcmp(mutated[1], id) == 0)
			continue;
		buf_clear(&wrong);
		ident_auth_text(&wrong, mutated[0], mutated[1], 1706889600000);
		assert_int_equal(ident_sign(me, wrong.p, wrong.len, sig), 0);
		assert_int_equal(ident_verify(ident_pub(me), right.p,
		    right.len, sig, strlen(sig)), AC_E_VERIFICATION_FAILED);
	}
	buf_fini(&right);
	buf_fini(&wrong);
	ident_free(me);
}

static void
every_flipped_bit_of_a_signature_is_seen(void **state)
{
	const struct vector *v = &vectors[2];
	struct ident *id = from_vector(v);
	unsigned char raw[SIG_LEN];

	(void)state;
	assert_true(pem_b64_read(raw, SIG_LEN, v->sig, strlen(v->sig)));
	assert_int_equal(check(id->pub, v->text, raw), 0);
	for (size_t bit = 0; bit < 8 * SIG_LEN; bit++) {
		raw[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_int_equal(check(id->pub, v->text, raw),
		    AC_E_VERIFICATION_FAILED);
		raw[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	ident_free(id);
}

static void
another_spelling_of_a_signature_is_refused(void **state)
{
	const struct vector *v = &vectors[1];
	struct ident *id = from_vector(v);
	char sig[128];
	size_t n = strlen(v->text);

	(void)state;
	/* ...Dg== has four bits behind its end */
	strcpy(sig, v->sig);
	sig[85]++;
	assert_int_equal(ident_verify(id->pub, v->text, n, sig, 88),
	    AC_E_VERIFICATION_FAILED);
	assert_int_equal(ident_verify(id->pub, v->text, n, v->sig, 86),
	    AC_E_VERIFICATION_FAILED);
	assert_int_equal(ident_verify(id->pub, v->text, n, v->sig, 89),
	    AC_E_VERIFICATION_FAILED);
	/* 'Q' with its high bit */
	strcpy(sig, v->sig);
	sig[0] |= (char)0x80;
	assert_int_equal(ident_verify(id->pub, v->text, n, sig, 88),
	    AC_E_VERIFICATION_FAILED);
	snprintf(sig, sizeof(sig), "%s\n", v->sig);
	assert_int_equal(ident_verify(id->pub, v->text, n, sig, 89),
	    AC_E_VERIFICATION_FAILED);
	snprintf(sig, sizeof(sig), " %s", v->sig);
	assert_int_equal(ident_verify(id->pub, v->text, n, sig, 89),
	    AC_E_VERIFICATION_FAILED);
	ident_free(id);
}

/* S + L satisfies the same equation: anybody could make a second signature. */
static void
s_plus_l_is_refused(void **state)
{
	static const unsigned char order[32] = {
		0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
		0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
		[31] = 0x10
	};
	const struct vector *v = &vectors[1];
	struct ident *id = from_vector(v);
	unsigned char raw[SIG_LEN];

	(void)state;
	assert_true(pem_b64_read(raw, SIG_LEN, v->sig, strlen(v->sig)));
	for (int times = 0; times < 7; times++) {
		sodium_add(raw + 32, order, 32);
		assert_int_equal(check(id->pub, v->text, raw),
		    AC_E_VERIFICATION_FAILED);
	}
	ident_free(id);
}

/* R is the neutral point and S = h * a: the bare equation holds. */
static void
small_order_r_is_refused(void **state)
{
	unsigned char seed[SEED_LEN] = { 1 }, secret[SECRET_LEN], az[64], h[64];
	unsigned char key[IDENT_KEY_LEN], raw[SIG_LEN] = { 1 }, k[32], a[32];
	unsigned char wide[64] = { 0 };
	crypto_hash_sha512_state st;

	(void)state;
	pair_of(seed, key, secret);
	crypto_hash_sha512(az, seed, sizeof(seed));
	az[0] &= 248;
	az[31] = (unsigned char)((az[31] & 63) | 64);
	memcpy(wide, az, 32);
	crypto_core_ed25519_scalar_reduce(a, wide);

	crypto_hash_sha512_init(&st);
	crypto_hash_sha512_update(&st, raw, 32);
	crypto_hash_sha512_update(&st, key, sizeof(key));
	crypto_hash_sha512_update(&st, (const unsigned char *)"hello", 5);
	crypto_hash_sha512_final(&st, h);
	crypto_core_ed25519_scalar_reduce(k, h);
	crypto_core_ed25519_scalar_mul(raw + 32, k, a);

	assert_int_equal(check(key, "hello", raw), AC_E_VERIFICATION_FAILED);
}

/* With the neutral point as key, R neutral and S = 0 sign everything. */
static void
small_order_key_verifies_nothing(void **state)
{
	unsigned char key[IDENT_KEY_LEN], raw[SIG_LEN] = { 0 };

	(void)state;
	for (size_t i = 0; i < 2 * AC_COUNTOF(small_order); i++) {
		small_point(i / 2, i % 2 != 0, key);
		for (size_t j = 0; j < 2 * AC_COUNTOF(small_order); j++) {
			small_point(j / 2, j % 2 != 0, raw);
			assert_int_equal(check(key, "anything", raw),
			    AC_E_VERIFICATION_FAILED);
		}
	}
}

static void
a_signature_fits_one_key_and_one_text(void **state)
{
	struct ident *a, *b;
	char sig[IDENT_SIG_MAX];

	(void)state;
	assert_int_equal(ident_generate(&a, "a"), 0);
	assert_int_equal(ident_generate(&b, "b"), 0);
	assert_int_equal(ident_sign(a, "text", 4, sig), 0);
	assert_int_equal(ident_verify(ident_pub(a), "text", 4, sig, 88), 0);
	assert_int_equal(ident_verify(ident_pub(a), "texts", 5, sig, 88),
	    AC_E_VERIFICATION_FAILED);
	assert_int_equal(ident_verify(ident_pub(a), "text", 3, sig, 88),
	    AC_E_VERIFICATION_FAILED);
	assert_int_equal(ident_verify(ident_pub(b), "text", 4, sig, 88),
	    AC_E_VERIFICATION_FAILED);
	ident_free(a);
	ident_free(b);
	ident_free(NULL);
}

static void
generated_pairs_differ_and_have_a_name_and_a_day(void **state)
{
	char name[64];
	struct ident *a, *b;

	(void)state;
	assert_int_equal(ident_generate(&a, "agent-1"), 0);
	assert_int_equal(ident_generate(&b, "agent-1"), 0);
	assert_memory_not_equal(ident_pub(a), ident_pub(b), IDENT_KEY_LEN);
	assert_string_equal(ident_name(a), "agent-1");
	assert_int_equal(strlen(ident_created(a)), 24);
	ident_free(a);
	ident_free(b);
	memset(name, 'a', sizeof(name));
	name[33] = '\0';
	assert_int_equal(ident_generate(&a, name), -EINVAL);
	assert_null(a);
}

/* ---- proof of possession */

static void
auth_texts_are_those_of_the_protocol(void **state)
{
	struct buf b = BUF_INIT;
	char hex[65];

	(void)state;
	ident_auth_text(&b, "no", "ch", 1706889600000);
	assert_string_equal(b.p, "AGENTCHAT_AUTH|no|ch|1706889600000");
	buf_clear(&b);
	ident_auth2_text(&b, "relay.example:6667", "no", "ch", 12);
	assert_string_equal(b.p,
	    "AGENTCHAT_AUTH2|relay.example:6667|no|ch|12");
	buf_fini(&b);
	ident_sha256("abc", 3, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_keys_as_node_does),
		cmocka_unit_test(signs_as_node_does),
		cmocka_unit_test(reads_pem_however_its_lines_break),
		cmocka_unit_test(refuses_what_is_no_ed25519_key),
		cmocka_unit_test(refuses_points_that_are_no_keys),
		cmocka_unit_test(no_mutated_text_names_the_same_key),
		cmocka_unit_test(reads_private_keys_in_four_forms),
		cmocka_unit_test(no_mutated_signature_is_good),
		cmocka_unit_test(no_proof_of_a_mutated_nonce_is_good),
		cmocka_unit_test(every_flipped_bit_of_a_signature_is_seen),
		cmocka_unit_test(another_spelling_of_a_signature_is_refused),
		cmocka_unit_test(s_plus_l_is_refused),
		cmocka_unit_test(small_order_r_is_refused),
		cmocka_unit_test(small_order_key_verifies_nothing),
		cmocka_unit_test(a_signature_fits_one_key_and_one_text),
		cmocka_unit_test(
		    generated_pairs_differ_and_have_a_name_and_a_day),
		cmocka_unit_test(auth_texts_are_those_of_the_protocol),
	};

	if (ident_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
