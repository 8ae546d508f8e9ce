/*
 * wallet.c - the file that holds the words which are the money.
 *
 * They are read into memory that isn't swapped where we may say so, go from
 * there into akt's standard input, and are overwritten: never into an argv,
 * an environment, a log or another file.
 */
#include "config.h"

#include "deploy/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/msg.h"

#define STACK_USED	(32 << 10)	/* more than reading a wallet takes */

static int
open_private(const char *path, struct stat *st, char why[DEPLOY_WHY_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd == -1 && errno == ELOOP)
		return why_say(why, -EACCES, "wallet %.300s: a symbolic link "
		    "is refused", path);
	if (fd == -1)
		return why_say(why, -errno, "wallet %.300s: %s", path,
		    strerror(errno));
	if (fstat(fd, st) == -1 || !S_ISREG(st->st_mode)) {
		close(fd);
		return why_say(why, -EACCES, "wallet %.300s: not a regular "
		    "file", path);
	}
	if (st->st_uid != geteuid() || (st->st_mode & 077) != 0) {
		close(fd);
		return why_say(why, -EACCES, "wallet %.300s: others can get at "
		    "it; chmod 600, and it must be yours", path);
	}
	if (st->st_size < 2 || st->st_size > DEPLOY_FILE_MAX) {
		close(fd);
		return why_say(why, -EINVAL, "wallet %.300s: no wallet file",
		    path);
	}
	return fd;
}

static int
read_exactly(int fd, char *to, size_t len)
{
	while (len > 0) {
		ssize_t n = read(fd, to, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -errno;
		if (n == 0)
			return -EIO;
		to += n;
		len -= (size_t)n;
	}
	return 0;
}

/* 12, 15, 18, 21 or 24 words of lower-case letters, one space between. */
static bool
take_mnemonic(struct wallet *w, const struct wire_value *v)
{
	size_t words = 0, at = 0;

	if (v->kind != WIRE_STR || v->len > sizeof(w->mnemonic) - 2)
		return false;
	for (;;) {
		size_t n = strspn(v->s + at, "abcdefghijklmnopqrstuvwxyz");

		if (n < 3 || n > 8)
			return false;
		words++;
		at += n;
		if (v->s[at] == '\0')
			break;
		if (v->s[at++] != ' ')
			return false;
	}
	if (words < 12 || words > 24 || words % 3 != 0)
		return false;
	memcpy(w->mnemonic, v->s, v->len);
	w->mnemonic[v->len] = '\n';
	w->mnemonic[v->len + 1] = '\0';
	return true;
}

static bool
take_address(struct wallet *w, const struct wire_value *v)
{
	static const char bech32[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

	if (v->kind != WIRE_STR || v->len < 20 ||
	    v->len >= sizeof(w->address) ||
	    strncmp(v->s, "akash1", 6) != 0 ||
	    strspn(v->s + 6, bech32) != v->len - 6)
		return false;
	memcpy(w->address, v->s, v->len + 1);
	return true;
}

static int
take(struct wallet *w, const struct wire_msg *m, const char *network,
    char why[DEPLOY_WHY_MAX])
{
	struct wire_value version = wire_find(m, "version"),
	    net = wire_find(m, "network"), address = wire_find(m, "address"),
	    mnemonic = wire_find(m, "mnemonic"),
	    pubkey = wire_find(m, "pubkey"), created = wire_find(m, "created");

	if (version.kind != WIRE_NUM || version.num != 1)
		return why_say(why, -EINVAL, "its version is not 1");
	if (net.kind != WIRE_STR || strcmp(net.s, network) != 0)
		return why_say(why, -EACCES, "it is for network '%.64s', "
		    "not %s", net.kind == WIRE_STR ? net.s : "?", network);
	if (!take_address(w, &address))
		return why_say(why, -EINVAL, "its address is no akash1...");
	/* The address is checked against the key; these are there, or not. */
	if (pubkey.kind != WIRE_STR || created.kind != WIRE_STR)
		return why_say(why, -EINVAL, "its pubkey or created is "
		    "missing");
	if (!take_mnemonic(w, &mnemonic))
		return why_say(why, -EINVAL, "its mnemonic is not 12 to 24 "
		    "words");
	return 0;
}

int
wallet_open(struct wallet *w, const char *path, const char *network,
    char why[DEPLOY_WHY_MAX])
{
	char what[DEPLOY_WHY_MAX] = "no JSON object";
	struct wire_msg m;
	struct stat st;
	char *text;
	size_t len;
	int fd, rc;

	memset(w, 0, sizeof(*w));
	fd = open_private(path, &st, why);
	if (fd < 0)
		return fd;
	len = (size_t)st.st_size;
	text = malloc(len);
	if (text == NULL) {
		close(fd);
		return why_say(why, -ENOMEM, "out of memory");
	}
	/* As far as we may: the limit is small for an ordinary user. */
	mlock(w, sizeof(*w));
	mlock(text, len);
	wire_msg_init(&m);
	rc = read_exactly(fd, text, len);
	close(fd);
	if (rc == 0)
		rc = wire_parse_object(&m, text, len);
	if (rc == 0)
		rc = take(w, &m, network, what);
	wire_msg_wipe(&m);
	explicit_bzero(text, len);
	munlock(text, len);
	free(text);
	if (rc == 0)
		return 0;
	wallet_close(w);
	if (rc < -1000)
		rc = -EINVAL;
	return why_say(why, rc, "wallet %.300s: %.150s", path, what);
}

/*
 * What went through registers stands on the stack too: the dynamic linker
 * saves them there when a function is first called. So overwrite what the
 * calls before this one had of the stack.
 */
static void __attribute__((noinline))
wipe_stack(void)
{
	char used[STACK_USED];

	explicit_bzero(used, sizeof(used));
}

void
wallet_close(struct wallet *w)
{
	explicit_bzero(w, sizeof(*w));
	munlock(w, sizeof(*w));
	wipe_stack();
}
