/*
 * trust.c - whose key is whose: the file known_agents.
 *
 * The daemon appends, people edit: whenever the file isn't the one that was
 * read or written last, it is read again. One that can't be read keeps what is
 * known, and nothing is added to it.
 */
#include "config.h"

#include "daemon/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "daemon/daemon.h"
#include "ident/ident.h"
#include "lib/client.h"
#include "spool/spool.h"
#include "wire/limits.h"
#include "wire/msg.h"

#define FILE_NAME	"known_agents"
#define KNOWN_MAX	10000		/* a relay that invents agents */
#define FILE_MAX	(4 << 20)

struct known {
	char		id[WIRE_AGENT_MAX + 1];
	unsigned char	key[IDENT_KEY_LEN];
};

struct trust {
	int		 dir;
	struct map	 known;		/* by id */
	struct stat	 st;		/* of the file as we know it */
	bool		 there;
	bool		 broken;	/* can't be read: complained about */
	bool		 full;		/* the same */
};

static void
forget_all(struct map *map)
{
	struct known *k;
	size_t at = 0;

	while ((k = map_next(map, &at)) != NULL)
		free(k);
	map_fini(map);
}

static int
add(struct map *map, const char *id, const unsigned char *key)
{
	struct known *k;
	int rc;

	if (map_get(map, id, strlen(id)) != NULL)
		return 0;	/* who was there first */
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return -ENOMEM;
	memcpy(k->id, id, strlen(id) + 1);
	memcpy(k->key, key, sizeof(k->key));
	rc = map_put(map, k->id, strlen(k->id), k);
	if (rc < 0)
		free(k);
	return rc;
}

/* One line, NUL-terminated: 0 also for a blank one or a comment. */
static int
read_line(struct map *map, char *line)
{
	unsigned char key[IDENT_KEY_LEN];
	char *id = strsep(&line, " \t\r"), *text;

	if (*id == '\0' || *id == '#')
		return 0;
	text = line != NULL ? strsep(&line, " \t\r") : NULL;
	if (text == NULL || !wire_agent_id_ok(id, strlen(id)) ||
	    strlen(id) > WIRE_AGENT_MAX ||
	    ident_key_parse(key, text, strlen(text)) < 0 ||
	    !ident_key_fits(key, id))
		return -EINVAL;
	return add(map, id, key);
}

static int
parse(struct map *map, char *text, size_t len, unsigned *line)
{
	char *at = text, *one;
	int rc = 0;

	*line = 0;
	if (memchr(text, '\0', len) != NULL)
		return -EINVAL;
	/* A last line without newline was cut off by a crash, or ours. */
	while (rc == 0 && (one = strsep(&at, "\n")) != NULL) {
		++*line;
		rc = read_line(map, one);
		if (rc == -EINVAL && at == NULL)
			rc = 0;
	}
	return rc;
}

static int
load(struct trust *t, unsigned *line)
{
	struct map fresh;
	struct buf text = BUF_INIT;
	struct stat st;
	int rc = 0;

	*line = 0;
	memset(&st, 0, sizeof(st));
	map_init(&fresh);
	if (fstatat(t->dir, FILE_NAME, &st, AT_SYMLINK_NOFOLLOW) == -1)
		rc = -errno;
	if (rc == 0)
		rc = spool_slurp(t->dir, FILE_NAME, FILE_MAX, &text);
	if (rc == 0 && text.len > 0)
		rc = parse(&fresh, text.p, text.len, line);
	buf_fini(&text);
	t->there = rc != -ENOENT;
	t->st = st;
	if (rc < 0 && rc != -ENOENT) {
		forget_all(&fresh);
		t->broken = true;
		return rc;
	}
	t->broken = t->full = false;
	forget_all(&t->known);
	t->known = fresh;
	return 0;
}

static bool
changed(const struct trust *t)
{
	struct stat st;

	if (fstatat(t->dir, FILE_NAME, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return t->there;
	return !t->there || st.st_ino != t->st.st_ino ||
	    st.st_size != t->st.st_size ||
	    st.st_mtim.tv_sec != t->st.st_mtim.tv_sec ||
	    st.st_mtim.tv_nsec != t->st.st_mtim.tv_nsec;
}

static void
refresh(struct trust *t)
{
	char num[LOG_NUM_MAX];
	unsigned line;
	int rc;

	if (!changed(t))
		return;
	rc = load(t, &line);
	if (rc < 0)
		log_error("known_agents", "err", rc == -EINVAL ?
		    "a line is not \"@id key name time\"" : ac_strerror(rc),
		    "line", log_num(num, line), "does",
		    "keeps what it knew, and notes nobody", NULL);
}

const unsigned char *
trust_key(struct trust *t, const char *id)
{
	const struct known *k;

	refresh(t);
	k = map_get(&t->known, id, strlen(id));
	return k != NULL ? k->key : NULL;
}

/* At the end of the file, on a line of its own. */
static int
append(struct trust *t, const struct buf *line)
{
	int fd = openat(t->dir, FILE_NAME, O_RDWR | O_APPEND | O_CREAT |
	    O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat st;
	char last = '\n';
	int rc = 0;

	if (fd == -1)
		return -errno;
	if (fstat(fd, &st) == -1)
		rc = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_nlink > 1)
		rc = -EINVAL;
	else if (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1)
		rc = -EIO;
	if (rc == 0 && last != '\n' && write(fd, "\n", 1) != 1)
		rc = -EIO;
	if (rc == 0) {
		ssize_t n = write(fd, line->p, line->len);

		if (n == -1)
			rc = -errno;
		else if ((size_t)n != line->len)
			rc = -ENOSPC;
	}
	if (rc == 0 && fstat(fd, &st) == 0) {
		t->st = st;
		t->there = true;
	}
	close(fd);
	return rc;
}

static int
note(struct trust *t, const char *id, const unsigned char *key,
    const char *name)
{
	char text[IDENT_B64_MAX], when[CLOCK_ISO_MAX];
	struct buf line = BUF_INIT;
	int rc;

	if (t->broken)
		return -EINVAL;
	if (t->known.count >= KNOWN_MAX)
		return -E2BIG;
	if (name == NULL || !wire_agent_name_ok(name, strlen(name)))
		name = "-";
	ident_key_b64(key, text);
	clock_iso(clock_wall_ms(), when);
	buf_addf(&line, "%s %s %s %s\n", id, text, name, when);
	rc = buf_err(&line);
	if (rc == 0)
		rc = append(t, &line);
	if (rc == 0)
		rc = add(&t->known, id, key);
	buf_fini(&line);
	return rc;
}

enum trust_word
trust_meet(struct trust *t, const char *id, const unsigned char *key,
    const char *name)
{
	const unsigned char *owner = trust_key(t, id);
	int rc;

	if (owner != NULL)
		return memcmp(owner, key, IDENT_KEY_LEN) == 0 ? TRUST_OWNS :
		    TRUST_OTHER;
	if (strlen(id) > WIRE_AGENT_MAX)
		return TRUST_ROOMLESS;
	rc = note(t, id, key, name);
	if (rc == 0) {
		log_info("known_agents", "agent", id, "does",
		    "notes its key", NULL);
		return TRUST_NEW;
	}
	if (!t->full)
		log_warn("known_agents", "agent", id, "noted", "no", "err",
		    ac_strerror(rc), NULL);
	t->full = true;
	return TRUST_ROOMLESS;
}

int
trust_open(struct trust **out, int dir, unsigned *line)
{
	struct trust *t = calloc(1, sizeof(*t));
	int rc;

	if (t == NULL)
		return -ENOMEM;
	t->dir = dir;
	map_init(&t->known);
	rc = load(t, line);
	if (rc < 0) {
		trust_free(t);
		return rc;
	}
	*out = t;
	return 0;
}

void
trust_free(struct trust *t)
{
	if (t == NULL)
		return;
	forget_all(&t->known);
	free(t);
}

int
daemon_known_key(const char *root, const char *instance, const char *id,
    unsigned char key[DAEMON_KEY_LEN])
{
	const unsigned char *known;
	struct trust *t;
	unsigned line;
	int dir, rc = daemon_dir(root, instance, &dir);

	if (rc < 0)
		return rc;
	rc = trust_open(&t, dir, &line);
	if (rc == 0) {
		known = trust_key(t, id);
		if (known != NULL)
			memcpy(key, known, DAEMON_KEY_LEN);
		else
			rc = -ENOENT;
		trust_free(t);
	}
	close(dir);
	return rc;
}
