/*
 * test_ident_file.c - identities in files: formats, permissions, passphrases,
 * the chain of keys, and what stays behind in memory.
 */
#include "config.h"

#include "unit.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "fault.h"
#include "ident/internal.h"
#include "ident_vectors.h"

#define FILE_NAME "identity.json"

struct spot {
	char	path[64];
	int	fd;
};

static int
setup(void **state)
{
	struct spot *s = malloc(sizeof(*s));

	assert_non_null(s);
	fault_none();
	s->fd = fault_dir(s->path);
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	struct spot *s = *state;

	fault_none();
	fault_dir_remove(s->fd, s->path);
	free(s);
	return 0;
}

static void
put_text(const struct spot *s, const char *name, const char *text, mode_t mode)
{
	size_t len = strlen(text);
	int fd;

	unlinkat(s->fd, name, 0);
	fd = openat(s->fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static size_t
get_text(const struct spot *s, const char *name, char *out, size_t size)
{
	int fd = openat(s->fd, name, O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, out, size - 1);
	assert_true(n >= 0);
	out[n] = '\0';
	close(fd);
	return (size_t)n;
}

static int
load_text(const struct spot *s, const char *text, struct ident **id)
{
	put_text(s, FILE_NAME, text, 0600);
	return ident_load(id, s->fd, FILE_NAME);
}

static size_t
entries(const struct spot *s)
{
	DIR *d = opendir(s->path);
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;	/* . and .. */
}

static void
assert_same(const struct ident *a, const struct ident *b)
{
	assert_memory_equal(a->pub, b->pub, sizeof(a->pub));
	assert_memory_equal(a->secret, b->secret, SECRET_LEN);
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->created, b->created);
}

static void
to_b64(const void *raw, size_t len, char *out, size_t max)
{
	sodium_bin2base64(out, max, raw, len, sodium_base64_VARIANT_ORIGINAL);
}

static struct ident *
make(void)
{
	struct ident *id;

	assert_int_equal(ident_generate(&id, "agent-1"), 0);
	return id;
}

/* ---- formats */

static void
saves_what_it_loads(void **state)
{
	struct spot *s = *state;
	struct ident *a = make(), *b;
	struct stat st;

	assert_int_equal(ident_save(a, s->fd, FILE_NAME, false), 0);
	assert_int_equal(fstatat(s->fd, FILE_NAME, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(entries(s), 1);
	assert_int_equal(ident_load(&b, s->fd, FILE_NAME), 0);
	assert_same(a, b);
	assert_false(ident_locked(b));
	ident_free(a);
	ident_free(b);
}

static void
makes_its_directory_and_no_more(void **state)
{
	struct spot *s = *state;
	struct ident *a = make(), *b;
	struct stat st;

	assert_int_equal(ident_save(a, s->fd, "sub/id.json", false), 0);
	assert_int_equal(fstatat(s->fd, "sub", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(ident_load(&b, s->fd, "sub/id.json"), 0);
	assert_same(a, b);
	assert_int_equal(ident_save(a, s->fd, "no/such/id.json", false),
	    -ENOENT);
	assert_int_equal(ident_save(a, s->fd, "sub/", false), -EISDIR);
	assert_int_equal(ident_save(a, s->fd, "..", false), -EISDIR);
	assert_int_equal(ident_save(a, s->fd, "sub", true), -EISDIR);
	assert_int_equal(unlinkat(s->fd, "sub/id.json", 0), 0);
	assert_int_equal(unlinkat(s->fd, "sub", AT_REMOVEDIR), 0);
	assert_int_equal(entries(s), 0);
	ident_free(a);
	ident_free(b);
}

static void
append_json(struct buf *b, const char *key, const char *value)
{
	wire_json_key(b, key);
	wire_json_str(b, value, strlen(value));
}

/* {"name":"node",K1:V1,K2:V2,"created":...} */
static char *
file_text(const char *k1, const char *v1, const char *k2, const char *v2)
{
	struct buf b = BUF_INIT;

	buf_addc(&b, '{');
	append_json(&b, "name", "node");
	append_json(&b, k1, v1);
	append_json(&b, k2, v2);
	append_json(&b, "created", "2026-02-02T12:34:56.789Z");
	append_json(&b, "agentId", "of no importance");
	buf_adds(&b, ",\"more\":{\"x\":[1,null]}}");
	assert_int_equal(buf_err(&b), 0);
	return b.p;
}

static void
reads_every_form_of_keys(void **state)
{
	const struct vector *v = &vectors[4];
	char spki[61], pkcs8[65], both[96];
	unsigned char raw[SECRET_LEN], seed[SEED_LEN];
	const struct {
		const char *k1, *v1, *k2, *v2;
	} forms[] = {
		{ "pubkey", v->pem, "privkey", v->priv_pem },
		{ "pubkey", v->pub, "privkey", v->seed },
		{ "pubkey", v->pub, "privkey", both },
		{ "pubkey", spki, "privkey", pkcs8 },
		{ "publicKey", v->pem, "privateKey", v->priv_pem },
		{ "publicKey", v->pub, "privateKey", both },
	};
	struct spot *s = *state;
	struct ident *id;

	snprintf(spki, sizeof(spki), "%.60s", v->pem + 27);
	snprintf(pkcs8, sizeof(pkcs8), "%.64s", v->priv_pem + 28);
	assert_int_equal(pem_private_read(seed, v->seed, strlen(v->seed)), 0);
	memcpy(raw, seed, SEED_LEN);
	assert_int_equal(ident_key_parse(raw + SEED_LEN, v->pub, 44), 0);
	to_b64(raw, sizeof(raw), both, sizeof(both));

	for (size_t i = 0; i < AC_COUNTOF(forms); i++) {
		char *text = file_text(forms[i].k1, forms[i].v1, forms[i].k2,
		    forms[i].v2);
		char sig[IDENT_SIG_MAX];

		assert_int_equal(load_text(s, text, &id), 0);
		assert_string_equal(ident_name(id), "node");
		assert_string_equal(ident_created(id),
		    "2026-02-02T12:34:56.789Z");
		assert_int_equal(ident_sign(id, v->text, strlen(v->text),
		    sig), 0);
		assert_string_equal(sig, v->sig);
		ident_free(id);
		free(text);
	}
}

static void
writes_pem_that_node_reads(void **state)
{
	const struct vector *v = &vectors[0];
	char *text = file_text("pubkey", v->pub, "privkey", v->seed);
	char out[2048];
	struct wire_msg m;
	struct spot *s = *state;
	struct ident *id;
	size_t len;

	assert_int_equal(load_text(s, text, &id), 0);
	assert_int_equal(ident_save(id, s->fd, FILE_NAME, true), 0);
	len = get_text(s, FILE_NAME, out, sizeof(out));
	wire_msg_init(&m);
	assert_int_equal(wire_parse_object(&m, out, len), 0);
	assert_string_equal(wire_find(&m, "name").s, "node");
	assert_string_equal(wire_find(&m, "pubkey").s, v->pem);
	assert_string_equal(wire_find(&m, "privkey").s, v->priv_pem);
	assert_string_equal(wire_find(&m, "created").s,
	    "2026-02-02T12:34:56.789Z");
	assert_int_equal(wire_find(&m, "chain").kind, WIRE_ABSENT);
	wire_msg_fini(&m);
	ident_free(id);
	free(text);
}

static void
a_key_without_labels_gets_some(void **state)
{
	struct spot *s = *state;
	struct ident *id;
	char text[512];

	snprintf(text, sizeof(text), "{\"name\":\"no good name\","
	    "\"publicKey\":\"%s\",\"privateKey\":\"%s\"}", vectors[0].pub,
	    vectors[0].seed);
	assert_int_equal(load_text(s, text, &id), 0);
	assert_string_equal(ident_name(id), "agent-36c24a09");
	assert_int_equal(strlen(ident_created(id)), 24);
	ident_free(id);
}

static void
refuses_what_is_no_identity(void **state)
{
	const struct vector *v = &vectors[0], *w = &vectors[1];
	static const char *const bad[] = {
		"", "{", "{}", "[]", "null", "not json", "{\"name\":\"a\"}",
		"{\"pubkey\":5,\"privkey\":6}",
	};
	const struct {
		const char *k1, *v1, *k2, *v2;
	} pairs[] = {
		{ "pubkey", v->pub, "privkey", w->seed },
		{ "pubkey", v->pem, "privkey", w->priv_pem },
		{ "pubkey", v->priv_pem, "privkey", v->priv_pem },
		{ "pubkey", v->pub, "privkey", v->pem },
		{ "pubkey", v->pub, "privkey", "" },
		{ "pubkey", "", "privkey", v->seed },
		{ "pubkey", v->pub, "privkez", v->seed },
		{ "pubkey", v->pub, "privkey_box", v->seed },
	};
	struct spot *s = *state;
	struct ident *id;

	for (size_t i = 0; i < AC_COUNTOF(bad); i++) {
		assert_int_equal(load_text(s, bad[i], &id), -EINVAL);
		assert_null(id);
	}
	for (size_t i = 0; i < AC_COUNTOF(pairs); i++) {
		char *text = file_text(pairs[i].k1, pairs[i].v1, pairs[i].k2,
		    pairs[i].v2);

		assert_int_equal(load_text(s, text, &id), -EINVAL);
		free(text);
	}
	/* One of each is what there may be. */
	{
		char *text = file_text("pubkey", v->pub, "privkey", v->seed);

		assert_int_equal(load_text(s, text, &id), 0);
		ident_free(id);
		text[strlen(text) - 1] = ',';
		text = realloc(text, 2048);
		assert_non_null(text);
		strcat(text, "\"privkey\":\"\"}");
		assert_int_equal(load_text(s, text, &id), -EINVAL);
		free(text);
	}
	assert_int_equal(ident_load(&id, s->fd, "absent.json"), -ENOENT);
}

static void
refuses_a_file_that_is_too_long(void **state)
{
	enum { LEN = 200000 };
	char *text = malloc(LEN + 1), *good;
	struct spot *s = *state;
	struct ident *id;

	assert_non_null(text);
	good = file_text("pubkey", vectors[0].pub, "privkey", vectors[0].seed);
	memset(text, ' ', LEN);
	memcpy(text, good, strlen(good));
	text[LEN] = '\0';
	assert_int_equal(load_text(s, text, &id), -EINVAL);
	text[100000] = '\0';
	assert_int_equal(load_text(s, text, &id), 0);
	ident_free(id);
	free(good);
	free(text);
}

/* ---- who may touch the file */

static void
refuses_files_that_others_may_touch(void **state)
{
	static const mode_t bad[] = { 0640, 0604, 0620, 0602, 0610, 0601, 0666 };
	struct spot *s = *state;
	struct ident *a = make(), *b;

	assert_int_equal(ident_save(a, s->fd, FILE_NAME, false), 0);
	for (size_t i = 0; i < AC_COUNTOF(bad); i++) {
		assert_int_equal(fchmodat(s->fd, FILE_NAME, bad[i], 0), 0);
		assert_int_equal(ident_load(&b, s->fd, FILE_NAME), -EACCES);
		assert_null(b);
		/* Not even for its public half, while the other is there. */
		assert_int_equal(ident_load_pass(&b, s->fd, FILE_NAME,
		    IDENT_PUBLIC, NULL, 0), -EACCES);
	}
	assert_int_equal(fchmodat(s->fd, FILE_NAME, 0400, 0), 0);
	assert_int_equal(ident_load(&b, s->fd, FILE_NAME), 0);
	ident_free(b);
	if (geteuid() == 0) {
		assert_int_equal(fchownat(s->fd, FILE_NAME, 12345,
		    (gid_t)-1, 0), 0);
		assert_int_equal(ident_load(&b, s->fd, FILE_NAME), -EACCES);
	}
	ident_free(a);
}

static void
refuses_what_is_no_regular_file(void **state)
{
	struct spot *s = *state;
	struct ident *a = make(), *b;

	assert_int_equal(ident_save(a, s->fd, "real", false), 0);
	assert_int_equal(symlinkat("real", s->fd, "link"), 0);
	assert_int_equal(ident_load(&b, s->fd, "link"), -ELOOP);
	assert_int_equal(mkfifoat(s->fd, "fifo", 0600), 0);
	assert_int_equal(ident_load(&b, s->fd, "fifo"), -EINVAL);
	assert_int_equal(mkdirat(s->fd, "dir", 0700), 0);
	assert_int_equal(ident_load(&b, s->fd, "dir"), -EINVAL);
	assert_int_equal(unlinkat(s->fd, "dir", AT_REMOVEDIR), 0);
	ident_free(a);
}

/* ---- writing */

static void
never_overwrites_unless_told_to(void **state)
{
	struct spot *s = *state;
	struct ident *a = make(), *b = make(), *c;

	assert_int_equal(ident_save(a, s->fd, FILE_NAME, false), 0);
	assert_int_equal(ident_save(b, s->fd, FILE_NAME, false), -EEXIST);
	assert_int_equal(ident_load(&c, s->fd, FILE_NAME), 0);
	assert_same(a, c);
	ident_free(c);
	assert_int_equal(entries(s), 1);
	assert_int_equal(ident_save(b, s->fd, FILE_NAME, true), 0);
	assert_int_equal(ident_load(&c, s->fd, FILE_NAME), 0);
	assert_same(b, c);
	ident_free(c);
	/* A link that dangles is a name that is taken; replacing takes it. */
	assert_int_equal(symlinkat("nowhere", s->fd, "link"), 0);
	assert_int_equal(ident_save(a, s->fd, "link", false), -EEXIST);
	assert_int_equal(ident_save(a, s->fd, "link", true), 0);
	assert_int_equal(ident_load(&c, s->fd, "link"), 0);
	ident_free(c);
	assert_int_equal(entries(s), 2);
	ident_free(a);
	ident_free(b);
}

static void
of_many_writers_one_wins(void **state)
{
	enum { WRITERS = 8 };
	struct spot *s = *state;
	unsigned char pub[IDENT_KEY_LEN];
	int pipes[2], status, won = 0;
	struct ident *id;
	pid_t pid[WRITERS];

	assert_int_equal(pipe(pipes), 0);
	for (int i = 0; i < WRITERS; i++) {
		pid[i] = fork();
		if (pid[i] != 0)
			continue;
		id = make();
		switch (ident_save(id, s->fd, FILE_NAME, false)) {
		case 0:
			_exit(write(pipes[1], id->pub, sizeof(pub)) ==
			    sizeof(pub) ? 0 : 2);
		case -EEXIST:
			_exit(1);
		}
		_exit(2);
	}
	for (int i = 0; i < WRITERS; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		won += WEXITSTATUS(status) == 0;
	}
	assert_int_equal(won, 1);
	assert_int_equal(read(pipes[0], pub, sizeof(pub)), sizeof(pub));
	assert_int_equal(ident_load(&id, s->fd, FILE_NAME), 0);
	assert_memory_equal(id->pub, pub, sizeof(pub));
	assert_int_equal(entries(s), 1);
	ident_free(id);
	close(pipes[0]);
	close(pipes[1]);
}

static void
a_failed_save_leaves_the_old_file_and_nothing_else(void **state)
{
	static const char *const calls[] = { "openat", "write", "fsync",
	    "renameat" };
	struct spot *s = *state;
	struct ident *a = make(), *b = make(), *c;

	assert_int_equal(ident_save(a, s->fd, FILE_NAME, false), 0);
	for (size_t i = 0; i < AC_COUNTOF(calls); i++) {
		/* The first openat is of the directory. */
		fault_fail(calls[i], i == 0 ? 2 : 1, ENOSPC);
		assert_int_equal(ident_save(b, s->fd, FILE_NAME, true),
		    -ENOSPC);
		fault_none();
		assert_int_equal(entries(s), 1);
		assert_int_equal(ident_load(&c, s->fd, FILE_NAME), 0);
		assert_same(a, c);
		ident_free(c);
	}
	fault_short(7);
	assert_int_equal(ident_save(b, s->fd, FILE_NAME, true), 0);
	fault_none();
	assert_int_equal(ident_load(&c, s->fd, FILE_NAME), 0);
	assert_same(b, c);
	ident_free(c);
	ident_free(a);
	ident_free(b);
}

struct crash {
	struct spot	*s;
	struct ident	*old, *new;
};

static void
crash_prepare(void *arg)
{
	struct crash *c = arg;

	assert_int_equal(ident_save(c->old, c->s->fd, FILE_NAME, true), 0);
}

static int
crash_step(void *arg)
{
	struct crash *c = arg;

	return ident_save(c->new, c->s->fd, FILE_NAME, true);
}

static void
crash_verify(void *arg, bool died)
{
	struct crash *c = arg;
	struct ident *id;

	assert_int_equal(ident_load(&id, c->s->fd, FILE_NAME), 0);
	if (!died || memcmp(id->pub, c->new->pub, IDENT_KEY_LEN) == 0)
		assert_same(id, c->new);
	else
		assert_same(id, c->old);
	ident_free(id);
}

static void
a_crash_leaves_one_key_or_the_other(void **state)
{
	struct crash c = { *state, make(), make() };

	fault_each(crash_prepare, crash_step, crash_verify, &c);
	ident_free(c.old);
	ident_free(c.new);
}

/* ---- passphrases */

static void
a_locked_key_wants_its_passphrase(void **state)
{
	static const char pass[] = "correct horse \xc3\xa9";
	struct spot *s = *state;
	struct ident *a = make(), *b;
	char text[2048], sig[IDENT_SIG_MAX], pem[PRIV_PEM_MAX];

	assert_int_equal(ident_lock(a, "", 0), -EINVAL);
	assert_int_equal(ident_lock(a, pass, strlen(pass)), 0);
	assert_true(ident_locked(a));
	assert_int_equal(ident_save(a, s->fd, FILE_NAME, false), 0);
	get_text(s, FILE_NAME, text, sizeof(text));
	assert_null(strstr(text, "PRIVATE"));
	pem_private(a->secret, pem);
	pem[28 + 60] = '\0';
	assert_null(strstr(text, pem + 28 + 22));

	assert_int_equal(ident_load(&b, s->fd, FILE_NAME), -ENOKEY);
	assert_null(b);
	assert_int_equal(ident_load_pass(&b, s->fd, FILE_NAME, 0, "wrong", 5),
	    -EKEYREJECTED);
	assert_int_equal(ident_load_pass(&b, s->fd, FILE_NAME, 0, pass,
	    strlen(pass) - 1), -EKEYREJECTED);
	assert_int_equal(ident_load_pass(&b, s->fd, FILE_NAME, 0, pass,
	    strlen(pass)), 0);
	assert_same(a, b);
	assert_true(ident_locked(b));
	/* It stays locked, under the same words. */
	assert_int_equal(ident_save(b, s->fd, FILE_NAME, true), 0);
	ident_free(b);
	assert_int_equal(ident_load_pass(&b, s->fd, FILE_NAME, 0, pass,
	    strlen(pass)), 0);
	assert_same(a, b);
	ident_free(b);
	/* Who only looks needs none, and can't sign. */
	assert_int_equal(ident_load_pass(&b, s->fd, FILE_NAME, IDENT_PUBLIC,
	    NULL, 0), 0);
	assert_memory_equal(a->pub, b->pub, IDENT_KEY_LEN);
	assert_int_equal(ident_sign(b, "x", 1, sig), -ENOKEY);
	assert_int_equal(ident_lock(b, "x", 1), -ENOKEY);
	ident_free(b);
	ident_free(a);
}

/* The text of a locked file with one member's value replaced. */
static void
with_value(char out[2048], const char *text, const char *key, const char *value)
{
	const char *at = strstr(text, key), *end;

	assert_non_null(at);
	at += strlen(key);
	end = at + strcspn(at, ",}\n");
	snprintf(out, 2048, "%.*s%s%s", (int)(at - text), text, value, end);
}

static void
refuses_locks_that_are_broken_or_too_dear(void **state)
{
	static const struct {
		const char *key, *value;
	} bad[] = {
		{ "\"kdf\":", "\"scrypt\"" },
		{ "\"kdf\":", "null" },
		{ "\"kdf_ops\":", "0" },
		{ "\"kdf_ops\":", "1.5" },
		{ "\"kdf_ops\":", "-4" },
		{ "\"kdf_ops\":", "1000000" },
		{ "\"kdf_ops\":", "1e300" },
		{ "\"kdf_ops\":", "\"4\"" },
		{ "\"kdf_mem\":", "1" },
		{ "\"kdf_mem\":", "1e12" },
		{ "\"kdf_salt\":", "\"AAAA\"" },
		{ "\"kdf_salt\":", "7" },
		{ "\"privkey_box\":", "\"AAAA\"" },
		{ "\"privkey_box\":", "{}" },
	};
	struct spot *s = *state;
	struct ident *a = make(), *b;
	char text[2048], changed[2048];

	assert_int_equal(ident_lock(a, "x", 1), 0);
	assert_int_equal(ident_save(a, s->fd, FILE_NAME, false), 0);
	get_text(s, FILE_NAME, text, sizeof(text));
	for (size_t i = 0; i < AC_COUNTOF(bad); i++) {
		with_value(changed, text, bad[i].key, bad[i].value);
		put_text(s, FILE_NAME, changed, 0600);
		assert_int_equal(ident_load_pass(&b, s->fd, FILE_NAME, 0, "x",
		    1), -EINVAL);
	}
	/* Another's key in front of the box. */
	snprintf(changed, sizeof(changed), "\"%s\"", vectors[0].pub);
	with_value(changed, text, "\"pubkey\":", changed);
	put_text(s, FILE_NAME, changed, 0600);
	assert_int_equal(ident_load_pass(&b, s->fd, FILE_NAME, 0, "x", 1),
	    -EINVAL);
	ident_free(a);
}

/* ---- the chain */

/* An identity with that many keys behind it. */
static struct ident *
rotated(int times)
{
	struct ident *id = make(), *next;

	while (times-- > 0) {
		assert_int_equal(ident_rotate(&next, id), 0);
		ident_free(id);
		id = next;
	}
	return id;
}

static void
a_chain_leads_from_the_first_key_to_the_last(void **state)
{
	struct spot *s = *state;
	struct ident *first = make(), *second, *third, *loaded;
	int64_t ts;
	size_t at;

	assert_int_equal(ident_chain_verify(first, &at), 0);
	assert_int_equal(ident_chain_len(first), 0);
	assert_int_equal(ident_rotate(&second, first), 0);
	assert_int_equal(ident_rotate(&third, second), 0);
	assert_string_equal(ident_name(third), ident_name(first));
	assert_int_equal(ident_chain_verify(third, &at), 0);
	assert_int_equal(ident_save(third, s->fd, FILE_NAME, false), 0);
	assert_int_equal(ident_load(&loaded, s->fd, FILE_NAME), 0);
	assert_same(third, loaded);
	assert_int_equal(ident_chain_len(loaded), 2);
	assert_int_equal(ident_chain_verify(loaded, &at), 0);
	assert_memory_equal(ident_chain_link(loaded, 0, &ts), first->pub,
	    IDENT_KEY_LEN);
	assert_true(ts > 0);
	assert_memory_equal(ident_chain_link(loaded, 1, &ts), second->pub,
	    IDENT_KEY_LEN);
	ident_free(first);
	ident_free(second);
	ident_free(third);
	ident_free(loaded);
}

static void
a_chain_has_an_end(void **state)
{
	struct spot *s = *state;
	struct ident *id = rotated(IDENT_LINKS_MAX), *next;
	size_t at;

	assert_int_equal(ident_rotate(&next, id), -E2BIG);
	assert_int_equal(ident_save(id, s->fd, FILE_NAME, false), 0);
	assert_int_equal(ident_load(&next, s->fd, FILE_NAME), 0);
	assert_int_equal(ident_chain_verify(next, &at), 0);
	ident_free(id);
	ident_free(next);
}

static int
load_public(const struct spot *s, struct ident **id)
{
	return ident_load_pass(id, s->fd, "card.json",
	    IDENT_PUBLIC | IDENT_REVOKED, NULL, 0);
}

static int
load_card(const struct spot *s, const char *text, struct ident **id)
{
	put_text(s, "card.json", text, 0644);
	return load_public(s, id);
}

/* Change the file's byte at p; is what it says then still believed? */
static bool
believes(const struct spot *s, int fd, const char *text, const char *p, char c)
{
	struct ident *id;
	size_t at;
	bool yes;

	assert_int_equal(pwrite(fd, &c, 1, p - text), 1);
	if (load_public(s, &id) < 0)
		return false;
	yes = ident_chain_verify(id, &at) == 0;
	ident_free(id);
	return yes;
}

/* Neither flipped bits nor another byte in any place of the history. */
static void
every_byte_of_the_history_is_signed(void **state)
{
	static const char with[] = "A1}\"";
	struct spot *s = *state;
	struct ident *id = rotated(1), *read;
	struct buf card = BUF_INIT;
	const char *chain, *revoked;
	size_t at, tried = 0;
	int fd;

	assert_int_equal(ident_revoke(id, "lost \"it\" \xe2\x80\xa8"), 0);
	ident_card(id, &card);
	assert_int_equal(load_card(s, card.p, &read), 0);
	assert_int_equal(ident_chain_verify(read, &at), 0);
	ident_free(read);
	chain = strstr(card.p, "\"chain\":");
	revoked = strstr(card.p, "\"revoked\":");
	assert_true(chain != NULL && revoked != NULL);

	fd = openat(s->fd, "card.json", O_WRONLY);
	assert_true(fd >= 0);
	/* Members' own names excepted: of another name, they are no history. */
	for (const char *p = chain + 8; p[1] != '\0'; p++) {
		if (p == revoked)
			p += 10;
		for (unsigned i = 0; i < 8 + sizeof(with) - 1; i++) {
			char c = i < 8 ? (char)(*p ^ 1 << i) : with[i - 8];

			if (c == *p)
				continue;
			tried++;
			if (believes(s, fd, card.p, p, c))
				fail_msg("'%c' -> '%c' at %td of %s", *p, c,
				    p - chain, chain);
		}
		assert_int_equal(pwrite(fd, p, 1, p - card.p), 1);
	}
	assert_true(tried > 5000);
	assert_true(believes(s, fd, card.p, card.p, '{'));
	close(fd);
	buf_fini(&card);
	ident_free(id);
}

static void
links_are_not_left_out_swapped_or_borrowed(void **state)
{
	struct ident *id = rotated(3), *other = make(), *next;
	struct link saved[3], *l = id->chain;
	size_t at;

	(void)state;
	memcpy(saved, l, sizeof(saved));
	/* the first one gone */
	memmove(l, l + 1, 2 * sizeof(*l));
	id->chain_len = 2;
	assert_int_equal(ident_chain_verify(id, &at),
	    AC_E_VERIFICATION_FAILED);
	assert_int_equal(at, 0);
	/* the last one gone */
	memcpy(l, saved, sizeof(saved));
	assert_int_equal(ident_chain_verify(id, &at),
	    AC_E_VERIFICATION_FAILED);
	assert_int_equal(at, 1);
	assert_int_equal(ident_rotate(&next, id), AC_E_VERIFICATION_FAILED);
	/* one in the middle gone */
	memcpy(l + 1, saved + 2, sizeof(*l));
	assert_int_equal(ident_chain_verify(id, &at),
	    AC_E_VERIFICATION_FAILED);
	/* two swapped */
	id->chain_len = 3;
	memcpy(l + 2, saved + 1, sizeof(*l));
	assert_int_equal(ident_chain_verify(id, &at),
	    AC_E_VERIFICATION_FAILED);
	memcpy(l, saved, sizeof(saved));
	assert_int_equal(ident_chain_verify(id, &at), 0);
	/* somebody else's key as successor, without its signature */
	memcpy(l[2].next, other->pub, IDENT_KEY_LEN);
	memcpy(id->pub, other->pub, IDENT_KEY_LEN);
	assert_int_equal(ident_chain_verify(id, &at),
	    AC_E_VERIFICATION_FAILED);
	assert_int_equal(at, 2);
	ident_free(id);
	ident_free(other);
}

static void
a_chain_has_its_shape(void **state)
{
	static const char *const bad[] = {
		"5", "{}", "\"\"", "[1]", "[{}]", "[[]]",
		"[{\"type\":\"AGENTCHAT_ROTATE\"}]",
	};
	struct spot *s = *state;
	struct ident *id;
	char text[512];

	for (size_t i = 0; i < AC_COUNTOF(bad); i++) {
		for (int j = 0; j < 2; j++) {
			/* As a revocation an empty object is as wrong. */
			snprintf(text, sizeof(text),
			    "{\"pubkey\":\"%s\",\"%s\":%s}", vectors[0].pub,
			    j == 0 ? "chain" : "revoked", bad[i]);
			assert_int_equal(load_card(s, text, &id), -EINVAL);
		}
	}
	snprintf(text, sizeof(text), "{\"pubkey\":\"%s\",\"chain\":[],"
	    "\"revoked\":null}", vectors[0].pub);
	assert_int_equal(load_card(s, text, &id), 0);
	ident_free(id);
}

static void
a_revoked_key_is_not_used_any_more(void **state)
{
	struct spot *s = *state;
	struct ident *id = rotated(1), *read, *next;
	const char *reason;
	char longest[IDENT_REASON_MAX + 1];
	size_t at;

	memset(longest, 'x', sizeof(longest));
	longest[IDENT_REASON_MAX] = '\0';
	assert_int_equal(ident_revoke(id, longest), -EINVAL);
	assert_int_equal(ident_revoke(id, "\xff"), -EINVAL);
	assert_int_equal(ident_revoked(id, &reason), 0);
	longest[IDENT_REASON_MAX - 1] = '\0';
	assert_int_equal(ident_revoke(id, longest), 0);
	assert_int_equal(ident_revoke(id, "again"), -EKEYREVOKED);
	assert_int_equal(ident_rotate(&next, id), -EKEYREVOKED);
	assert_int_equal(ident_chain_verify(id, &at), 0);
	assert_int_equal(ident_save(id, s->fd, FILE_NAME, false), 0);
	assert_int_equal(ident_load(&read, s->fd, FILE_NAME), -EKEYREVOKED);
	assert_int_equal(ident_load_pass(&read, s->fd, FILE_NAME,
	    IDENT_REVOKED, NULL, 0), 0);
	assert_true(ident_revoked(read, &reason) > 0);
	assert_string_equal(reason, longest);
	assert_int_equal(ident_chain_verify(read, &at), 0);
	/* Another's revocation does not fit. */
	read->pub[0] ^= 1;
	assert_int_equal(ident_chain_verify(read, &at),
	    AC_E_VERIFICATION_FAILED);
	ident_free(read);
	ident_free(id);
}

static void
a_card_is_for_everybody(void **state)
{
	struct spot *s = *state;
	struct ident *id = rotated(1), *read;
	struct buf card = BUF_INIT;
	size_t at;

	assert_int_equal(ident_lock(id, "x", 1), 0);
	ident_card(id, &card);
	assert_null(strstr(card.p, "priv"));
	assert_null(strstr(card.p, "PRIVATE"));
	assert_int_equal(load_card(s, card.p, &read), 0);
	assert_int_equal(ident_chain_verify(read, &at), 0);
	assert_int_equal(ident_save(read, s->fd, FILE_NAME, false), -ENOKEY);
	assert_int_equal(ident_revoke(read, ""), -ENOKEY);
	ident_free(read);
	/* and nothing to be somebody with */
	put_text(s, FILE_NAME, card.p, 0600);
	assert_int_equal(ident_load(&read, s->fd, FILE_NAME), -EINVAL);
	buf_fini(&card);
	ident_free(id);
}

/* ---- memory: what is given back holds no secret */

static struct {
	bool		 on;
	size_t		 frees, leaks;
	char		 needle[3][16];
} watch;

void	__real_free(void *);
void	__wrap_free(void *);
void	*__wrap_realloc(void *, size_t);
void	*__real_realloc(void *, size_t);

void
__wrap_free(void *p)
{
	if (watch.on && p != NULL) {
		watch.frees++;
		for (size_t i = 0; i < AC_COUNTOF(watch.needle); i++)
			if (memmem(p, malloc_usable_size(p), watch.needle[i],
			    sizeof(watch.needle[i])) != NULL)
				watch.leaks++;
	}
	__real_free(p);
}

/* Always somewhere else, so that what it leaves behind is seen. */
void *
__wrap_realloc(void *p, size_t size)
{
	void *q;

	if (!watch.on || p == NULL)
		return __real_realloc(p, size);
	q = malloc(size);
	if (q != NULL) {
		size_t old = malloc_usable_size(p);

		memcpy(q, p, old < size ? old : size);
		__wrap_free(p);
	}
	return q;
}

static void
watch_for(const struct ident *id)
{
	cJSON_Hooks hooks = { .malloc_fn = malloc, .free_fn = __wrap_free };
	char pem[PRIV_PEM_MAX], b64[48];

	memcpy(watch.needle[0], id->secret + 8, 16);
	pem_private(id->secret, pem);
	memcpy(watch.needle[1], pem + 28 + 32, 16);
	to_b64(id->secret, SEED_LEN, b64, sizeof(b64));
	memcpy(watch.needle[2], b64 + 8, 16);
	sodium_memzero(pem, sizeof(pem));
	cJSON_InitHooks(&hooks);
	watch.frees = watch.leaks = 0;
	watch.on = true;
}

static size_t
watch_ends(void)
{
	watch.on = false;
	cJSON_InitHooks(NULL);
	assert_true(watch.frees > 0);
	return watch.leaks;
}

static void
freed_memory_holds_no_secret(void **state)
{
	struct spot *s = *state;
	struct ident *a = rotated(2), *b = NULL, *c = NULL;
	char *text;
	int rc;

	watch_for(a);
	rc = ident_save(a, s->fd, FILE_NAME, false);
	if (rc == 0)
		rc = ident_load(&b, s->fd, FILE_NAME);
	if (rc == 0)
		rc = ident_lock(b, "x", 1);
	if (rc == 0)
		rc = ident_save(b, s->fd, FILE_NAME, true);
	if (rc == 0)
		rc = ident_load_pass(&c, s->fd, FILE_NAME, 0, "x", 1);
	ident_free(a);
	ident_free(b);
	ident_free(c);
	assert_int_equal(watch_ends(), 0);
	assert_int_equal(rc, 0);

	/* Also where it fails: behind the keys the file is broken. */
	a = make();
	text = file_text("pubkey", vectors[0].pub, "privkey", vectors[0].seed);
	assert_int_equal(load_text(s, text, &b), 0);
	free(text);
	text = file_text("pubkey", vectors[1].pub, "privkey", vectors[0].seed);
	put_text(s, FILE_NAME, text, 0600);
	free(text);
	watch_for(b);
	rc = ident_load(&c, s->fd, FILE_NAME);
	assert_int_equal(watch_ends(), 0);
	assert_int_equal(rc, -EINVAL);
	ident_free(a);
	ident_free(b);
}

/* The watch sees what it is to see. */
static void
the_watch_can_bark(void **state)
{
	struct ident *a = make();
	void *p = malloc(256);

	(void)state;
	assert_non_null(p);
	watch_for(a);
	memcpy((char *)p + 100, a->secret, SEED_LEN);
	__asm__ volatile("" : : "r"(p) : "memory");	/* keep that store */
	free(p);
	assert_int_equal(watch_ends(), 1);
	ident_free(a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(saves_what_it_loads),
		TEST(makes_its_directory_and_no_more),
		TEST(reads_every_form_of_keys),
		TEST(writes_pem_that_node_reads),
		TEST(a_key_without_labels_gets_some),
		TEST(refuses_what_is_no_identity),
		TEST(refuses_a_file_that_is_too_long),
		TEST(refuses_files_that_others_may_touch),
		TEST(refuses_what_is_no_regular_file),
		TEST(never_overwrites_unless_told_to),
		TEST(of_many_writers_one_wins),
		TEST(a_failed_save_leaves_the_old_file_and_nothing_else),
		TEST(a_crash_leaves_one_key_or_the_other),
		TEST(a_locked_key_wants_its_passphrase),
		TEST(refuses_locks_that_are_broken_or_too_dear),
		TEST(a_chain_leads_from_the_first_key_to_the_last),
		TEST(a_chain_has_an_end),
		TEST(every_byte_of_the_history_is_signed),
		TEST(links_are_not_left_out_swapped_or_borrowed),
		TEST(a_chain_has_its_shape),
		TEST(a_revoked_key_is_not_used_any_more),
		TEST(a_card_is_for_everybody),
		TEST(freed_memory_holds_no_secret),
		TEST(the_watch_can_bark),
	};

	if (ident_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
