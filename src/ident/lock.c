/*
 * lock.c - a private key under a passphrase.
 *
 *	"kdf":"argon2id","kdf_ops":4,"kdf_mem":67108864,"kdf_salt":"...",
 *	"privkey_box":"..."
 *
 * The box is crypto_secretbox (nonce, authenticator, ciphertext) over the 32
 * bytes of the seed; its key is Argon2id of the passphrase. The public key
 * needs no protection in the file: another one does not fit the seed.
 */
#include "config.h"

#include "ident/ident.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "ident/internal.h"

#define NONCE_LEN	crypto_secretbox_NONCEBYTES

/*
 * RFC 9106's choice where memory is short, with one pass more: a tenth of a
 * second, and 64 MiB, which the smallest machine of an agent has.
 */
#define OPS		4
#define MEM		(UINT64_C(64) << 20)

/* A file that costs more to open is refused: it would stop the machine. */
#define OPS_MAX		64
#define MEM_MAX		(UINT64_C(1) << 30)

_Static_assert(sizeof(((struct lock *)0)->salt) == crypto_pwhash_SALTBYTES,
    "salt");
_Static_assert(sizeof(((struct lock *)0)->box) ==
    crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + SEED_LEN, "box");

static int
derive(const struct lock *lock, const char *pass, size_t len,
    unsigned char key[crypto_secretbox_KEYBYTES])
{
	/* It fails for want of memory only: the bounds were checked. */
	return crypto_pwhash(key, crypto_secretbox_KEYBYTES, pass, len,
	    lock->salt, lock->ops, (size_t)lock->mem,
	    crypto_pwhash_ALG_ARGON2ID13) == 0 ? 0 : -ENOMEM;
}

int
ident_lock(struct ident *id, const char *pass, size_t len)
{
	struct lock lock = { .on = true, .ops = OPS, .mem = MEM };
	unsigned char key[crypto_secretbox_KEYBYTES];
	int rc;

	if (id->secret == NULL)
		return -ENOKEY;
	if (len == 0)
		return -EINVAL;
	randombytes_buf(lock.salt, sizeof(lock.salt));
	randombytes_buf(lock.box, NONCE_LEN);
	rc = derive(&lock, pass, len, key);
	if (rc == 0) {
		/* libsodium's secret key starts with the seed. */
		crypto_secretbox_easy(lock.box + NONCE_LEN, id->secret,
		    SEED_LEN, lock.box, key);
		id->lock = lock;
	}
	sodium_memzero(key, sizeof(key));
	return rc;
}

bool
ident_locked(const struct ident *id)
{
	return id->lock.on;
}

int
lock_open(struct ident *id, const char *pass, size_t len)
{
	unsigned char key[crypto_secretbox_KEYBYTES], seed[SEED_LEN];
	unsigned char pub[IDENT_KEY_LEN];
	int rc;

	rc = derive(&id->lock, pass, len, key);
	if (rc == 0 && crypto_secretbox_open_easy(seed,
	    id->lock.box + NONCE_LEN, sizeof(id->lock.box) - NONCE_LEN,
	    id->lock.box, key) != 0)
		rc = -EKEYREJECTED;
	if (rc == 0) {
		memcpy(pub, id->pub, sizeof(pub));
		rc = key_from_seed(id, seed);
		if (rc == 0 && memcmp(pub, id->pub, sizeof(pub)) != 0)
			rc = -EINVAL;
	}
	sodium_memzero(key, sizeof(key));
	sodium_memzero(seed, sizeof(seed));
	return rc;
}

void
lock_print(const struct lock *lock, struct buf *out)
{
	char b64[128];

	wire_json_key(out, "kdf");
	wire_json_str(out, "argon2id", 8);
	wire_json_key(out, "kdf_ops");
	wire_json_int(out, (int64_t)lock->ops);
	wire_json_key(out, "kdf_mem");
	wire_json_int(out, (int64_t)lock->mem);
	sodium_bin2base64(b64, sizeof(b64), lock->salt, sizeof(lock->salt),
	    sodium_base64_VARIANT_ORIGINAL);
	wire_json_key(out, "kdf_salt");
	wire_json_str(out, b64, strlen(b64));
	sodium_bin2base64(b64, sizeof(b64), lock->box, sizeof(lock->box),
	    sodium_base64_VARIANT_ORIGINAL);
	wire_json_key(out, "privkey_box");
	wire_json_str(out, b64, strlen(b64));
}

static bool
read_cost(const struct wire_msg *m, const char *key, uint64_t min,
    uint64_t max, uint64_t *out)
{
	struct wire_value v = wire_find(m, key);

	if (v.kind != WIRE_NUM || !(v.num >= (double)min) ||
	    v.num > (double)max || v.num != (double)(uint64_t)v.num)
		return false;
	*out = (uint64_t)v.num;
	return true;
}

int
lock_read(struct lock *lock, const struct wire_msg *m)
{
	struct wire_value kdf = wire_find(m, "kdf");
	struct wire_value salt = wire_find(m, "kdf_salt");
	struct wire_value box = wire_find(m, "privkey_box");

	if (kdf.kind != WIRE_STR || strcmp(kdf.s, "argon2id") != 0 ||
	    salt.kind != WIRE_STR || box.kind != WIRE_STR ||
	    !read_cost(m, "kdf_ops", crypto_pwhash_OPSLIMIT_MIN, OPS_MAX,
	    &lock->ops) ||
	    !read_cost(m, "kdf_mem", crypto_pwhash_MEMLIMIT_MIN, MEM_MAX,
	    &lock->mem) ||
	    !pem_b64_read(lock->salt, sizeof(lock->salt), salt.s, salt.len) ||
	    !pem_b64_read(lock->box, sizeof(lock->box), box.s, box.len))
		return -EINVAL;
	lock->on = true;
	return 0;
}
