/*
 * access.c - who may come in: the operator's lists, and ADMIN_*.
 *
 * Two files in the relay's spool, "allow" and "ban": an agent's id or key (44
 * characters of base64) per line; blank lines and lines that start with '#'
 * or ';' are comments. They are read at start, on SIGHUP and when they have
 * changed. A list that can't be read keeps the one before: an operator's typo
 * must not open the door.
 *
 * With an allow list, who isn't on it is refused, and who claims to be has to
 * prove its key before WELCOME. A ban ends the sessions that it names.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define LIST_MAX (1 << 20)	/* bytes of a list */
#define ADMIN_KEY_MAX 4096

/* A list as text: entries are NUL-terminated, in a map by themselves. */
struct access_list {
	const char	*file;
	bool		 there;
	struct buf	 text;
	struct map	 entries;
	struct stat	 st;
};

struct access {
	struct access_list allow, ban;
	char		 admin_hash[65];	/* of the admin key; "" without */
};

static void
list_fini(struct access_list *l)
{
	map_fini(&l->entries);
	buf_fini(&l->text);
	l->there = false;
}

static bool
entry_ok(const char *s)
{
	unsigned char key[IDENT_KEY_LEN];

	return wire_agent_id_ok(s, strlen(s)) ||
	    ident_key_parse(key, s, strlen(s)) == 0;
}

/* One line, cut out and trimmed; 0, or -EINVAL for what is no entry. */
static int
add_line(struct access_list *l, char *s)
{
	size_t n = strcspn(s, " \t\r;#");

	s[n] = '\0';
	if (n == 0)
		return 0;
	if (!entry_ok(s))
		return -EINVAL;
	return map_put(&l->entries, s, n, s);
}

static int
parse(struct access_list *l)
{
	char *at = l->text.p, *line;
	int rc = 0;

	/* The lines' ends become NULs first: entries point into the text. */
	while (rc == 0 && (line = strsep(&at, "\n")) != NULL)
		rc = add_line(l, line + strspn(line, " \t"));
	return rc;
}

static int
list_read(struct relay *r, const char *file, struct access_list *l)
{
	int rc;

	*l = (struct access_list){ .file = file };
	map_init(&l->entries);
	if (fstatat(spool_dir(r->spool), file, &l->st,
	    AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 : -errno;
	rc = spool_slurp(spool_dir(r->spool), file, LIST_MAX, &l->text);
	if (rc == 0 && l->text.len > 0 &&
	    memchr(l->text.p, '\0', l->text.len) != NULL)
		rc = -EINVAL;
	if (rc == 0 && l->text.len > 0)
		rc = parse(l);
	l->there = true;
	if (rc < 0)
		list_fini(l);
	return rc;
}

static int
list_load(struct relay *r, struct access_list *l)
{
	struct access_list fresh;
	char num[LOG_NUM_MAX];
	int rc = list_read(r, l->file, &fresh);

	if (rc < 0) {
		log_error("access", "list", l->file, "err", rc == -EINVAL ?
		    "a line is neither an @id nor a base64 key" :
		    ac_strerror(rc), "does", "keeps the list it has", NULL);
		l->st = fresh.st;	/* complained about once */
		return rc;
	}
	list_fini(l);
	*l = fresh;
	log_info("access", "list", l->file, "entries", log_num(num,
	    (long long)l->entries.count), NULL);
	return 0;
}

static bool
list_has(const struct access_list *l, const struct peer *p)
{
	char key[IDENT_B64_MAX];

	if (map_get(&l->entries, p->id, p->id_len) != NULL)
		return true;
	if (!p->has_key)
		return false;
	ident_key_b64(p->key, key);
	return map_get(&l->entries, key, strlen(key)) != NULL;
}

int
access_check(const struct peer *p)
{
	const struct access *a = p->relay->access;

	if (list_has(&a->ban, p))
		return AC_E_BANNED;
	if (a->allow.there && !(p->has_key && list_has(&a->allow, p)))
		return AC_E_NOT_ALLOWED;
	return 0;
}

bool
access_wants_proof(const struct relay *r)
{
	return r->conf.require_verified || r->access->allow.there;
}

static void
throw_out(struct peer *p, int rc)
{
	struct relay *r = p->relay;

	peer_leave_all(p);
	wire_begin(&r->json, rc == AC_E_BANNED ? WIRE_BANNED : WIRE_KICKED);
	wire_puts(&r->json, WF_REASON, ac_strerror(rc));
	wire_end(&r->json);
	peer_reply(p);
	peer_error_re(p, rc, NULL, "");
	peer_close(p, 1008, rc == AC_E_BANNED ? "banned" : "not allowed");
}

/* Sessions that the lists no longer let in. */
static void
enforce(struct relay *r)
{
	struct peer *p;
	int rc;

	LIST_FOREACH(p, &r->peers, all) {
		if (p->state != PEER_KNOWN && p->state != PEER_HELD)
			continue;
		rc = access_check(p);
		if (rc == 0 && r->access->allow.there &&
		    p->state == PEER_KNOWN && !p->verified)
			rc = AC_E_NOT_ALLOWED;
		if (rc < 0)
			throw_out(p, rc);
	}
}

void
access_reload(struct relay *r)
{
	list_load(r, &r->access->allow);
	list_load(r, &r->access->ban);
	enforce(r);
}

static bool
changed(const struct relay *r, const struct access_list *l)
{
	struct stat st;

	if (fstatat(spool_dir(r->spool), l->file, &st,
	    AT_SYMLINK_NOFOLLOW) == -1)
		return l->there || l->st.st_ino != 0;
	return st.st_ino != l->st.st_ino || st.st_size != l->st.st_size ||
	    st.st_mtim.tv_sec != l->st.st_mtim.tv_sec ||
	    st.st_mtim.tv_nsec != l->st.st_mtim.tv_nsec;
}

void
access_tick(struct relay *r)
{
	if (changed(r, &r->access->allow) || changed(r, &r->access->ban))
		access_reload(r);
}

/* Anywhere on the machine: spool_slurp() reads within the spool only. */
static int
slurp_key(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char *p = buf_reserve(out, ADMIN_KEY_MAX);
	ssize_t n = -1;
	int rc = 0;

	if (fd == -1)
		return -errno;
	if (p == NULL) {
		rc = -ENOMEM;
	} else {
		do
			n = read(fd, p, ADMIN_KEY_MAX);
		while (n == -1 && errno == EINTR);
		rc = n == -1 ? -errno : 0;
	}
	close(fd);
	if (rc == 0)
		out->len += (size_t)n;
	return rc;
}

static int
read_admin_key(struct access *a, const char *path)
{
	struct buf key = BUF_INIT;
	int rc = slurp_key(path, &key);

	while (rc == 0 && key.len > 0 && (key.p[key.len - 1] == '\n' ||
	    key.p[key.len - 1] == '\r'))
		key.len--;
	if (rc == 0 && key.len < 16)
		rc = -EINVAL;
	if (rc == 0)
		ident_sha256(key.p, key.len, a->admin_hash);
	if (key.p != NULL)
		explicit_bzero(key.p, key.cap);
	buf_fini(&key);
	return rc;
}

int
access_open(struct relay *r)
{
	struct access *a = calloc(1, sizeof(*a));
	int rc;

	if (a == NULL)
		return -ENOMEM;
	r->access = a;
	a->allow.file = "allow";
	a->ban.file = "ban";
	map_init(&a->allow.entries);
	map_init(&a->ban.entries);
	if (r->conf.admin_key_file != NULL) {
		rc = read_admin_key(a, r->conf.admin_key_file);
		if (rc < 0)
			return rc;
	}
	/* At start there is no list to keep: a broken one must not pass. */
	rc = list_load(r, &a->allow);
	return rc < 0 ? rc : list_load(r, &a->ban);
}

void
access_close(struct relay *r)
{
	if (r->access == NULL)
		return;
	list_fini(&r->access->allow);
	list_fini(&r->access->ban);
	free(r->access);
	r->access = NULL;
}

/* ---- ADMIN_*: the same lists, from afar */

static int
check_admin(struct peer *p, const struct wire_msg *m)
{
	const struct wire_value *key = &m->f[WF_ADMIN_KEY];
	const char *want = p->relay->access->admin_hash;
	unsigned char diff = 0;
	char got[65];

	if (want[0] == '\0')
		return refuse(p, AC_E_NOT_ALLOWED,
		    "This relay has no --admin-key-file.");
	/* Hashes, compared to the end: time tells nothing of the key. */
	ident_sha256(key->s, key->len, got);
	for (size_t i = 0; i < sizeof(got); i++)
		diff |= (unsigned char)(got[i] ^ want[i]);
	if (diff == 0)
		return 0;
	log_warn("admin", "agent", p->id, "address", p->address, "err",
	    "wrong key", NULL);
	return refuse(p, AC_E_NOT_ALLOWED, "The admin key is wrong.");
}

static void
admin_result(struct peer *p, const char *action, const char *id)
{
	struct buf *b = &p->relay->json;

	log_info("admin", "agent", p->id, "action", action, "target", id,
	    NULL);
	wire_begin(b, WIRE_ADMIN_RESULT);
	wire_puts(b, WF_ACTION, action);
	wire_put_bool(b, WF_SUCCESS, true);
	wire_puts(b, WF_AGENT_ID, id);
	wire_end(b);
	peer_reply(p);
}

/* The id as it is listed: clients write it with and without '@'. */
static int
target_id(struct peer *p, const struct wire_msg *m, char id[IDENT_ID_MAX])
{
	const struct wire_value *v = &m->f[WF_AGENT_ID];
	size_t at = v->s[0] == '@' ? 0 : 1;

	id[0] = '@';
	if (v->len + at >= IDENT_ID_MAX)
		return AC_E_AGENT_NOT_FOUND;
	memcpy(id + at, v->s, v->len + 1);
	if (!wire_agent_id_ok(id, strlen(id)))
		return refuse(p, AC_E_AGENT_NOT_FOUND,
		    "agent_id is not an agent's id.");
	return 0;
}

int
on_admin_kick(struct peer *p, const struct wire_msg *m)
{
	struct relay *r = p->relay;
	const char *reason = wire_str(m, WF_REASON);
	char id[IDENT_ID_MAX];
	struct peer *target;
	int rc = check_admin(p, m);

	if (rc == 0)
		rc = target_id(p, m, id);
	if (rc < 0)
		return rc;
	target = map_get(&r->online, id, strlen(id));
	if (target == NULL)
		return AC_E_AGENT_NOT_FOUND;
	turn_commit(r);
	peer_leave_all(target);
	wire_begin(&r->json, WIRE_KICKED);
	wire_puts(&r->json, WF_REASON, reason != NULL ? reason :
	    "The operator has ended your session.");
	wire_end(&r->json);
	peer_reply(target);
	peer_close(target, 1008, "kicked by the operator");
	if (target != p)
		admin_result(p, "kick", id);
	return 0;
}

/* Rewrite the ban file with the id added or without its lines. */
static int
edit_bans(struct relay *r, const char *id, bool add)
{
	struct buf old = BUF_INIT, out = BUF_INIT;
	char *at, *line;
	int rc = spool_slurp(spool_dir(r->spool), "ban", LIST_MAX, &old);

	if (rc == -ENOENT)
		rc = 0;
	for (at = old.p; rc == 0 && at != NULL &&
	    (line = strsep(&at, "\n")) != NULL;) {
		size_t skip = strspn(line, " \t"), n;

		n = strcspn(line + skip, " \t\r;#");
		if (n == strlen(id) && memcmp(line + skip, id, n) == 0)
			continue;
		if (at == NULL && line[0] == '\0')
			break;
		buf_adds(&out, line);
		buf_addc(&out, '\n');
	}
	if (add)
		buf_addf(&out, "%s\n", id);
	if (rc == 0)
		rc = buf_err(&out);
	if (rc == 0)
		rc = spool_replace(spool_dir(r->spool), "ban",
		    out.p != NULL ? out.p : "", out.len, true);
	buf_fini(&old);
	buf_fini(&out);
	return rc;
}

static int
change_ban(struct peer *p, const struct wire_msg *m, bool add)
{
	struct relay *r = p->relay;
	char id[IDENT_ID_MAX];
	int rc = check_admin(p, m);

	if (rc == 0)
		rc = target_id(p, m, id);
	if (rc < 0)
		return rc;
	turn_commit(r);
	if (edit_bans(r, id, add) < 0)
		return refuse(p, AC_E_RATE_LIMITED, "The ban list can't be "
		    "written: look at the relay's log.");
	admin_result(p, add ? "ban" : "unban", id);
	access_reload(r);
	return 0;
}

int
on_admin_ban(struct peer *p, const struct wire_msg *m)
{
	return change_ban(p, m, true);
}

int
on_admin_unban(struct peer *p, const struct wire_msg *m)
{
	return change_ban(p, m, false);
}
