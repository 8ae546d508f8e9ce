/*
 * file.c - an identity as a file.
 *
 *	{"name":"...","pubkey":"<PEM>","privkey":"<PEM>","created":"<ISO>"}
 *
 * as the Node tools write and read it, with lock.c's members in place of
 * privkey, and chain.c's behind. Members that nobody here knows are ignored
 * when it is read, and gone when it is written anew.
 *
 * A path is its owner's own, so directories on the way may be links; the file
 * itself may not: whoever can plant one decides which key is used.
 */
#include "config.h"

#include "ident/ident.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/rnd.h"
#include "ident/internal.h"

#define FILE_MAX (128 << 10)	/* twice what IDENT_LINKS_MAX links take */

/* ---- reading */

struct input {
	char		*text;	/* len bytes, guarded */
	size_t		 len;
	bool		 loose;	/* others may touch it, or it isn't ours */
	struct timespec	 mtime;
};

static int
read_all(int fd, struct input *in, size_t size)
{
	ssize_t n;

	in->text = sodium_malloc(size);
	if (in->text == NULL)
		return -ENOMEM;
	while (in->len < size) {
		n = read(fd, in->text + in->len, size - in->len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -errno;
		if (n == 0)
			break;
		in->len += (size_t)n;
	}
	return 0;
}

static int
read_file(int dir, const char *path, bool strict, struct input *in)
{
	struct stat st;
	int fd, rc = 0;

	/* A FIFO in its place can't hang us. */
	do {
		fd = openat(dir, path,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	} while (fd == -1 && errno == EINTR);
	if (fd == -1)
		return errno == ENXIO ? -EINVAL :
		    errno == EMLINK ? -ELOOP : -errno;	/* as FreeBSD says */
	if (fstat(fd, &st) == -1)
		rc = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_size < 2 ||
	    st.st_size > FILE_MAX)
		rc = -EINVAL;
	if (rc == 0) {
		in->mtime = st.st_mtim;
		in->loose = st.st_uid != geteuid() ||
		    (st.st_mode & (S_IRWXG | S_IRWXO)) != 0;
		rc = in->loose && strict ? -EACCES :
		    read_all(fd, in, (size_t)st.st_size);
	}
	close(fd);
	return rc;
}

/* A member by either of its names. */
static struct wire_value
find(const struct wire_msg *m, const char *name, const char *later)
{
	struct wire_value v = wire_find(m, name);

	return v.kind != WIRE_ABSENT ? v : wire_find(m, later);
}

static void
read_labels(struct ident *id, const struct wire_msg *m, const struct input *in)
{
	struct wire_value v = wire_find(m, "name");
	char agent[IDENT_ID_MAX];

	if (v.kind == WIRE_STR && wire_agent_name_ok(v.s, v.len)) {
		memcpy(id->name, v.s, v.len + 1);
	} else {
		/* The key is what counts: it gets a name of its own. */
		ident_key_id(id->pub, 8, agent);
		snprintf(id->name, sizeof(id->name), "agent-%s", agent + 1);
	}
	v = find(m, "created", "createdAt");
	if (v.kind == WIRE_STR && v.len < sizeof(id->created))
		memcpy(id->created, v.s, v.len + 1);
	else
		clock_iso((int64_t)in->mtime.tv_sec * 1000 +
		    in->mtime.tv_nsec / 1000000, id->created);
}

static int
read_private(struct ident *id, const struct wire_value *v)
{
	unsigned char seed[SEED_LEN], pub[IDENT_KEY_LEN];
	int rc;

	if (v->kind != WIRE_STR)
		return -EINVAL;
	memcpy(pub, id->pub, sizeof(pub));
	rc = pem_private_read(seed, v->s, v->len);
	if (rc == 0)
		rc = key_from_seed(id, seed);
	if (rc == 0 && memcmp(pub, id->pub, sizeof(pub)) != 0)
		rc = -EINVAL;
	sodium_memzero(seed, sizeof(seed));
	return rc;
}

/* The private half: as it stands there, or out of its box, or not at all. */
static int
read_secret(struct ident *id, const struct wire_msg *m, bool loose,
    unsigned flags, const char *pass, size_t pass_len)
{
	struct wire_value priv = find(m, "privkey", "privateKey");
	bool box = wire_find(m, "privkey_box").kind != WIRE_ABSENT;
	bool may_lack = (flags & IDENT_PUBLIC) != 0;
	int rc;

	if (priv.kind == WIRE_ABSENT && !box)
		return may_lack ? 0 : -EINVAL;
	if (loose)
		return -EACCES;
	if (priv.kind != WIRE_ABSENT)
		return box ? -EINVAL : read_private(id, &priv);
	rc = lock_read(&id->lock, m);
	if (rc < 0)
		return rc;
	if (pass == NULL)
		return may_lack ? 0 : -ENOKEY;
	return lock_open(id, pass, pass_len);
}

static int
read_ident(struct ident *id, struct wire_msg *m, const struct input *in,
    unsigned flags, const char *pass, size_t pass_len)
{
	struct wire_value v;
	int rc;

	rc = wire_parse_object(m, in->text, in->len);
	if (rc < 0)
		return rc == -ENOMEM ? rc : -EINVAL;
	v = find(m, "pubkey", "publicKey");
	if (v.kind != WIRE_STR || pem_public_read(id->pub, v.s, v.len) < 0)
		return -EINVAL;
	read_labels(id, m, in);
	rc = chain_read(id, m);
	if (rc == 0)
		rc = read_secret(id, m, in->loose, flags, pass, pass_len);
	if (rc == 0 && id->revoked.ts_ms != 0 && (flags & IDENT_REVOKED) == 0)
		rc = -EKEYREVOKED;
	return rc;
}

int
ident_load_pass(struct ident **out, int dir, const char *path, unsigned flags,
    const char *pass, size_t pass_len)
{
	struct input in = { .text = NULL };
	struct wire_msg m;
	struct ident *id;
	int rc;

	*out = NULL;
	rc = key_new(&id);
	if (rc < 0)
		return rc;
	wire_msg_init(&m);
	rc = read_file(dir, path, (flags & IDENT_PUBLIC) == 0, &in);
	if (rc == 0)
		rc = read_ident(id, &m, &in, flags, pass, pass_len);
	wire_msg_wipe(&m);
	sodium_free(in.text);
	if (rc < 0) {
		ident_free(id);
		return rc;
	}
	*out = id;
	return 0;
}

int
ident_load(struct ident **out, int dir, const char *path)
{
	return ident_load_pass(out, dir, path, 0, NULL, 0);
}

/* ---- writing */

static void
put(struct buf *b, const char *key, const char *value)
{
	wire_json_key(b, key);
	wire_json_str(b, value, strlen(value));
}

/* A line for each of the members that people look at. */
static void
print_ident(const struct ident *id, struct buf *b)
{
	char pem[IDENT_PEM_MAX], priv[PRIV_PEM_MAX];

	/* All at once: a buf that moves leaves a copy behind. */
	(void)buf_reserve(b, FILE_MAX);
	buf_adds(b, "{\n");
	put(b, "name", id->name);
	ident_key_pem(id->pub, pem);
	buf_adds(b, ",\n");
	put(b, "pubkey", pem);
	buf_adds(b, ",\n");
	if (id->lock.on) {
		lock_print(&id->lock, b);
	} else {
		pem_private(id->secret, priv);	/* which the seed begins */
		put(b, "privkey", priv);
		sodium_memzero(priv, sizeof(priv));
	}
	buf_adds(b, ",\n");
	put(b, "created", id->created);
	chain_print(id, b);
	buf_adds(b, "\n}\n");
}

void
ident_card(const struct ident *id, struct buf *b)
{
	char pem[IDENT_PEM_MAX], agent[IDENT_ID_MAX];

	ident_key_pem(id->pub, pem);
	ident_key_id(id->pub, 8, agent);
	buf_addc(b, '{');
	put(b, "name", id->name);
	put(b, "agent_id", agent);
	put(b, "pubkey", pem);
	put(b, "created", id->created);
	chain_print(id, b);
	buf_addc(b, '}');
}

static int
write_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return fsync(fd) == -1 ? -errno : 0;
}

/* The second name fails where there is a file: the quicker one keeps it. */
static int
give_name(int dir, const char *tmp, const char *name, bool replace)
{
	if (replace)
		return renameat(dir, tmp, dir, name) == -1 ? -errno : 0;
	if (linkat(dir, tmp, dir, name, 0) == 0) {
		unlinkat(dir, tmp, 0);
		return 0;
	}
#ifdef HAVE_RENAMEAT2
	/* A file system without hard links. */
	if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS)
		return renameat2(dir, tmp, dir, name, RENAME_NOREPLACE) == -1 ?
		    -errno : 0;
#endif
	return -errno;
}

static int
write_file(int dir, const char *name, const char *p, size_t len, bool replace)
{
	char tmp[64] = ".identity.";
	int fd, rc;

	/* Nobody else's name: there is no lock on this directory. */
	rnd_name(tmp + strlen(tmp), 16);
	fd = openat(dir, tmp,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return -errno;	/* not ours: nothing to remove */

	rc = write_all(fd, p, len);
	if (close(fd) == -1 && rc == 0 && errno != EINTR)
		rc = -errno;
	if (rc == 0)
		rc = give_name(dir, tmp, name, replace);
	if (rc < 0) {
		unlinkat(dir, tmp, 0);
		return rc;
	}
	/* Some file systems have no notion of syncing a directory. */
	return fsync(dir) == -1 && errno != EINVAL ? -errno : 0;
}

/* The directory that path is in, made if only that is missing. */
static int
open_parent(int dir, const char *path, const char **name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	const char *slash = strrchr(path, '/');
	char *parent;
	int fd, rc = 0;

	*name = slash != NULL ? slash + 1 : path;
	if (**name == '\0' || strcmp(*name, ".") == 0 ||
	    strcmp(*name, "..") == 0)
		return -EISDIR;
	if (slash == NULL)
		parent = strdup(".");
	else	/* "/name" is in "/" */
		parent = strndup(path, slash == path ? 1 :
		    (size_t)(slash - path));
	if (parent == NULL)
		return -ENOMEM;
	fd = openat(dir, parent, flags);
	if (fd == -1 && errno == ENOENT) {
		if (mkdirat(dir, parent, 0700) == -1 && errno != EEXIST)
			rc = -errno;
		else
			fd = openat(dir, parent, flags);
	}
	if (fd == -1 && rc == 0)
		rc = -errno;
	free(parent);
	return rc < 0 ? rc : fd;
}

int
ident_save(const struct ident *id, int dir, const char *path, bool replace)
{
	struct buf b = BUF_INIT;
	const char *name;
	int fd, rc;

	if (id->secret == NULL && !id->lock.on)
		return -ENOKEY;
	fd = open_parent(dir, path, &name);
	if (fd < 0)
		return fd;
	print_ident(id, &b);
	rc = buf_err(&b);
	if (rc == 0)
		rc = write_file(fd, name, b.p, b.len, replace);
	if (b.p != NULL)
		sodium_memzero(b.p, b.cap);
	buf_fini(&b);
	close(fd);
	return rc;
}
