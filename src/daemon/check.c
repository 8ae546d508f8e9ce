/*
 * check.c - an instance looked at from outside: agentchat doctor.
 *
 * Files first, then what is in them; views last, as they are made from the
 * rest. A daemon that is running changes things meanwhile: what is gone when
 * it is looked at was right, and its views aren't compared.
 */
#include "config.h"

#include "daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/check_int.h"
#include "daemon/cursor.h"
#include "daemon/digest.h"
#include "daemon/roster.h"
#include "daemon/status.h"
#include "daemon/trust.h"
#include "wire/limits.h"

#define SMALL_MAX	(1 << 20)	/* bytes of a file that isn't a message */

struct look {
	struct check	*c;
	struct spool	*sp;
	struct daemon_counts *n;
	struct wire_msg	 msg;
	struct spool_box **boxes;	/* whole ones */
	size_t		 nboxes, cap;
	size_t		 roster_bad;	/* lines */
	struct map	 roster;
	uint64_t	 next_id;	/* of the queue; 0: unknown */
	size_t		 ahead;		/* receipts of items to come */
	int		 dir;		/* being looked at */
};

/* -------------------------------------------------------------- contents */

static const char *
is_message(void *arg, const char *name, const char *text, size_t len)
{
	struct look *l = arg;

	(void)name;
	if (len == 0)
		return "It is empty: no message.";
	if (text[len - 1] != '\n' || memchr(text, '\n', len - 1) != NULL)
		return "It is not one whole line: no message.";
	return wire_parse_object(&l->msg, text, len - 1) < 0 ?
	    "It is no JSON object: no message." : NULL;
}

static const char *
is_object(void *arg, const char *name, const char *text, size_t len)
{
	struct look *l = arg;

	(void)name;
	while (len > 0 && text[len - 1] == '\n')
		len--;
	return wire_parse_object(&l->msg, text, len) < 0 ?
	    "It is no JSON object." : NULL;
}

/* "<target>.<name>.<queue id>.json" */
static uint64_t
receipt_id(const char *name)
{
	size_t len = strlen(name), at;

	if (len < 6 || strcmp(name + len - 5, ".json") != 0)
		return 0;
	for (at = len - 5; at > 0 && name[at - 1] >= '0' &&
	    name[at - 1] <= '9'; at--)
		;
	return strtoull(name + at, NULL, 10);
}

static const char *
is_receipt(void *arg, const char *name, const char *text, size_t len)
{
	struct look *l = arg;

	if (l->next_id > 0 && receipt_id(name) >= l->next_id)
		l->ahead++;
	return is_object(arg, name, text, len);
}

/* failed/: any text, and beside it why. */
static const char *
is_failed(void *arg, const char *name, const char *text, size_t len)
{
	static const char suffix[] = ".reason";
	size_t n = strlen(name), part = sizeof(suffix) - 1;
	struct look *l = arg;
	struct stat st;
	char other[NAME_MAX + 1];

	(void)text;
	if (n > part && strcmp(name + n - part, suffix) == 0) {
		snprintf(other, sizeof(other), "%.*s", (int)(n - part), name);
		if (fstatat(l->dir, other, &st, AT_SYMLINK_NOFOLLOW) == -1)
			return "It is the reason of a message that isn't here "
			    "any more.";
		return len == 0 ? "It is empty: no reason." : NULL;
	}
	l->n->failed++;
	if (snprintf(other, sizeof(other), "%s%s", name, suffix) <
	    (int)sizeof(other) &&
	    fstatat(l->dir, other, &st, AT_SYMLINK_NOFOLLOW) == -1)
		check_tell(l->c, CHECK_NOTE, "reason", name, "Read it, and "
		    "append it to outbox.jsonl to try again.",
		    "It failed, and the file that says why is gone.");
	return NULL;
}

static bool
is_line(void *arg, const char *line, size_t len)
{
	struct look *l = arg;

	return wire_parse_object(&l->msg, line, len) == 0;
}

static const char *
is_archive(void *arg, const char *name, const char *text, size_t len)
{
	struct look *l = arg;
	struct check_lines n;
	char path[NAME_MAX + sizeof("archive/")];

	(void)text;
	(void)len;
	if (check_lines(l->dir, name, is_line, l, &n) < 0)
		return NULL;
	snprintf(path, sizeof(path), "archive/%s", name);
	if (n.bad > 0 || n.torn > 0)
		check_tell(l->c, CHECK_WRONG, "lines", path, "Take out what "
		    "is no line of JSON; the others are good.",
		    "%zu of its %zu lines are no messages%s.", n.bad,
		    n.bad + n.good, n.torn > 0 ? ", and its end is torn" : "");
	return NULL;
}

/* A directory of the instance whose files are all alike. */
static int
look_at(struct look *l, const char *name, size_t max, check_content_fn *fn,
    size_t *good)
{
	int rc = check_dir(l->c, spool_dir(l->sp), name, &l->dir);

	if (rc == 1) {
		rc = check_each(l->c, l->dir, name, max, fn, l, good);
		close(l->dir);
	}
	return rc == -ENOENT ? 0 : rc;
}

/* There may lie anything. */
static int
count_quarantine(struct look *l)
{
	int dir, rc = check_dir(l->c, spool_dir(l->sp), CHECK_QUARANTINE,
	    &dir);

	if (rc == 1) {
		rc = check_count(dir, &l->n->quarantined);
		close(dir);
	}
	return rc == -ENOENT ? 0 : rc;
}

/* ------------------------------------------------------ the daemon's memory */

/* Keep the lines of a damaged cursor that are good. */
static int
salvage_cursor(struct look *l, const struct buf *text)
{
	struct buf out = BUF_INIT;
	struct cursor cur;
	int rc = check_aside(l->c, spool_dir(l->sp), "cursor");

	cursor_init(&cur);
	if (text->len > 0)
		cursor_salvage(&cur, text->p, text->len);
	cursor_print(&cur, true, &out);
	if (rc >= 0)
		rc = buf_err(&out);
	if (rc >= 0)
		rc = spool_replace(spool_dir(l->sp), "cursor", out.p, out.len,
		    true);
	cursor_fini(&cur);
	buf_fini(&out);
	return rc < 0 ? rc : 0;
}

static int
look_cursor(struct look *l)
{
	static const char what[] = "It is damaged: the daemon won't start.";
	int dir = spool_dir(l->sp), rc;
	struct buf text = BUF_INIT;
	struct cursor cur;

	rc = check_file(l->c, dir, "cursor", false);
	if (rc != 1)
		return rc == -ENOENT ? 0 : rc;
	rc = spool_slurp(dir, "cursor", SMALL_MAX, &text);
	if (rc == -ENOENT || rc == -ENOMEM) {
		buf_fini(&text);
		return rc == -ENOENT ? 0 : rc;
	}
	cursor_init(&cur);
	if (rc < 0 || cursor_parse(&cur, text.p != NULL ? text.p : "",
	    text.len) < 0) {
		rc = 0;
		if (l->c->repair)
			rc = salvage_cursor(l, &text);
		if (l->c->repair && rc == 0)
			check_tell(l->c, CHECK_MENDED, "cursor", "cursor",
			    "Its good lines were kept; of the other channels "
			    "the newest messages may come again.", "%s", what);
		else
			check_tell(l->c, CHECK_WRONG, "cursor", "cursor",
			    "--repair keeps its good lines; of the other "
			    "channels the newest messages may come again.",
			    "%s", what);
	}
	cursor_fini(&cur);
	buf_fini(&text);
	return rc;
}

static int
look_known(struct look *l)
{
	struct trust *t;
	unsigned line = 0;
	int rc = check_file(l->c, spool_dir(l->sp), "known_agents", false);

	if (rc != 1)
		return rc == -ENOENT ? 0 : rc;
	rc = trust_open(&t, spool_dir(l->sp), &line);
	if (rc == 0)
		trust_free(t);
	else if (rc == -EINVAL && line > 0)
		check_tell(l->c, CHECK_WRONG, "known_agents", "known_agents",
		    "Mend that line or take it out: whose key is whose is "
		    "not for doctor to guess.", "Line %u is not \"@id key "
		    "name time\": the daemon won't start.", line);
	return rc == -ENOMEM ? rc : 0;
}

static int
look_queue(struct look *l)
{
	static const char cure[] = "--repair keeps what can be read; the "
	    "damaged file stays in queue/ as *.damaged.";
	struct spool_queue_look q;
	int dir, rc = check_dir(l->c, spool_dir(l->sp), "queue", &dir);

	if (rc != 1)
		return rc == -ENOENT ? 0 : rc;
	close(dir);
	rc = spool_queue_look(l->sp, &q);
	if (rc == -ENOENT || rc == -ENOMEM)
		return rc == -ENOENT ? 0 : rc;
	l->next_id = q.next_id;
	l->n->waiting = q.waiting;
	if (rc < 0)
		check_tell(l->c, CHECK_WRONG, "queue", "queue", rc == -ENOTSUP ?
		    "Use the later version of agentchat that wrote it." :
		    "Look at its files.", "It can't be read: %s.",
		    ac_strerror(rc));
	if (q.journal.cut > 0)
		check_tell(l->c, CHECK_NOTE, "tail", "queue",
		    "The daemon cuts it off when it starts; what was in it "
		    "was not taken yet.", "Its end was being written when "
		    "the daemon or the machine stopped (%" PRIu64 " bytes).",
		    q.journal.cut);
	if (rc < 0 || !q.journal.damaged)
		return 0;
	rc = l->c->repair ? spool_queue_repair(l->sp) : -EUCLEAN;
	check_tell(l->c, rc == 0 ? CHECK_MENDED : CHECK_WRONG, "queue",
	    "queue", rc == 0 ? "What can be read was kept; the damaged file "
	    "is in queue/ as *.damaged." : cure, "It is damaged at position %"
	    PRIu64 ", %" PRIu64 " bytes %s: what waits to be sent may not be "
	    "all there.", q.journal.damaged_at, q.journal.lost,
	    q.journal.gone ? "are gone" : "can't be read");
	return 0;
}

/* ----------------------------------------------------------------- boxes */

static bool
is_member(void *arg, const char *line, size_t len)
{
	char id[WIRE_AGENT_MAX + 1], name[WIRE_NAME_MAX + 1] = "";
	const char *space = memchr(line, ' ', len);
	size_t n = space != NULL ? (size_t)(space - line) : len;
	struct look *l = arg;

	if (n >= sizeof(id) || !wire_agent_id_ok(line, n) ||
	    (space != NULL && !wire_agent_name_ok(space + 1, len - n - 1)))
		return false;
	memcpy(id, line, n);
	id[n] = '\0';
	if (space != NULL)
		snprintf(name, sizeof(name), "%.*s", (int)(len - n - 1),
		    space + 1);
	roster_add(&l->roster, id, space != NULL ? name : NULL);
	return true;
}

static int
look_roster(struct look *l, int dir, const char *path)
{
	struct check_lines n;
	int rc = check_file(l->c, dir, path, false);

	if (rc != 1)
		return rc == -ENOENT ? 0 : rc;
	map_init(&l->roster);
	rc = check_lines(dir, "agents", is_member, l, &n);
	if (rc == 0 && (n.bad > 0 || n.torn > 0)) {
		if (l->c->repair)
			rc = roster_write(&l->roster, dir);
		check_tell(l->c, l->c->repair && rc == 0 ? CHECK_MENDED :
		    CHECK_WRONG, "roster", path, l->c->repair && rc == 0 ?
		    "Its good lines were kept; the relay says the rest." :
		    "--repair keeps its good lines; the relay says the rest.",
		    "%zu lines are not \"@id name\".", n.bad + (n.torn > 0));
	}
	roster_fini(&l->roster);
	return rc == -EFBIG ? 0 : rc;
}

static int
add_box(struct look *l, const char *name)
{
	struct spool_box *box, **v;
	int rc = spool_box(l->sp, name, false, &box);

	if (rc < 0)
		return rc == -ENOMEM ? rc : 0;
	if (l->nboxes == l->cap) {
		l->cap = l->cap != 0 ? 2 * l->cap : 16;
		v = reallocarray(l->boxes, l->cap, sizeof(*v));
		if (v == NULL)
			return -ENOMEM;
		l->boxes = v;
	}
	l->boxes[l->nboxes++] = box;
	return 0;
}

/* new/ or cur/, and tmp/ and out/ as directories. 1: it is there and ours. */
static int
look_sub(struct look *l, int box, const char *name, const char *sub,
    size_t *messages)
{
	char path[SPOOL_BOX_MAX + 8];
	int fd, rc;

	snprintf(path, sizeof(path), "%s/%s", name, sub);
	rc = check_dir(l->c, box, path, &fd);
	if (rc != 1)
		return rc == -ENOENT ? 0 : rc;
	rc = messages == NULL ? 0 : check_each(l->c, fd, path, SPOOL_MSG_MAX,
	    is_message, l, messages);
	close(fd);
	return rc < 0 ? rc : 1;
}

static void
tell_error(struct look *l, int dir, const char *name)
{
	struct buf b = BUF_INIT;

	if (spool_slurp(dir, ".error", SMALL_MAX, &b) == 0 && b.len > 0)
		check_tell(l->c, CHECK_NOTE, "refused", name, "",
		    "The relay doesn't let the agent in: %.*s",
		    (int)strcspn(b.p, "\n"), b.p);
	buf_fini(&b);
}

static int
look_box(void *arg, const char *name)
{
	static const char *const sub[] = { "new", "cur", "tmp", "out" };
	struct look *l = arg;
	size_t *count[] = { &l->n->unread, &l->n->read, NULL, NULL };
	char path[SPOOL_BOX_MAX + 16];
	int dir, whole = 0, rc = check_dir(l->c, spool_dir(l->sp), name, &dir);

	if (rc != 1)
		return rc == -ENOENT ? 0 : rc;
	l->n->boxes++;
	for (int i = 0; rc >= 0 && i < 4; i++) {
		rc = look_sub(l, dir, name, sub[i], count[i]);
		whole += rc == 1;
	}
	if (rc >= 0)
		rc = whole == 4 ? add_box(l, name) : 0;
	if (rc == 0 && whole > 0 && whole < 4)
		check_tell(l->c, CHECK_NOTE, "left", name, "mkdir what is "
		    "missing to join again, or remove the directory.",
		    "It was left: it has only some of new/ cur/ tmp/ out/.");
	if (rc == 0 && *name == '#') {
		snprintf(path, sizeof(path), "%s/agents", name);
		rc = look_roster(l, dir, path);
	}
	if (rc == 0) {
		tell_error(l, dir, name);
		snprintf(path, sizeof(path), "%s/inbox.jsonl", name);
		rc = check_ring(l->c, dir, path, l->boxes + l->nboxes -
		    (whole == 4 && l->nboxes > 0), whole == 4 &&
		    l->nboxes > 0, &l->msg);
	}
	close(dir);
	return rc;
}

static int
look_misnamed(void *arg, const char *name)
{
	struct look *l = arg;

	check_tell(l->c, CHECK_NOTE, "name", name, "Rename it: letters, "
	    "digits, '_' and '-' behind its '#' or '@'.",
	    "No channel or agent can have this name.");
	return 0;
}

/* ----------------------------------------------------------------- views */

static void
copy_text(const struct wire_msg *m, const char *key, char *out, size_t size)
{
	struct wire_value v = wire_find(m, key);

	snprintf(out, size, "%s", v.kind == WIRE_STR ? v.s : "");
}

static uint64_t
copy_num(const struct wire_msg *m, const char *key)
{
	struct wire_value v = wire_find(m, key);

	return v.kind == WIRE_NUM && v.num >= 0 && v.num < 9e15 ?
	    (uint64_t)v.num : 0;
}

/* What it said last, ended. */
static int
rewrite_status(struct look *l)
{
	char server[256], id[64], name[64], since[CLOCK_ISO_MAX];
	const struct wire_msg *m = &l->msg;
	struct buf b = BUF_INIT;
	struct status st = {
		.state = "stopped", .server = server, .agent_id = id,
		.name = name, .since = since, .unread = l->n->unread,
		.queued = l->n->waiting, .sent = copy_num(m, "sent"),
		.failed = copy_num(m, "failed"),
		.archived = copy_num(m, "archived"),
		.dropped = copy_num(m, "dropped"),
		.pid = (pid_t)copy_num(m, "pid")
	};
	int rc;

	copy_text(m, "server", server, sizeof(server));
	copy_text(m, "agent_id", id, sizeof(id));
	copy_text(m, "name", name, sizeof(name));
	clock_iso(clock_wall_ms(), since);
	status_print(&st, &b);
	rc = buf_err(&b);
	if (rc == 0)
		rc = spool_replace(spool_dir(l->sp), "status.json", b.p,
		    b.len, false);
	buf_fini(&b);
	return rc;
}

static int
look_status(struct look *l, bool running)
{
	int dir = spool_dir(l->sp), rc;
	struct buf b = BUF_INIT;
	const char *what = NULL;
	char state[24] = "";

	rc = check_file(l->c, dir, "status.json", false);
	if (rc != 1)
		return rc == -ENOENT ? 0 : rc;
	rc = spool_slurp(dir, "status.json", SMALL_MAX, &b);
	while (b.len > 0 && b.p[b.len - 1] == '\n')
		b.len--;
	if (rc == 0)
		rc = wire_parse_object(&l->msg, b.p != NULL ? b.p : "", b.len);
	if (rc == 0)
		copy_text(&l->msg, "state", state, sizeof(state));
	if (rc == -ENOENT || rc == -ENOMEM)
		rc = rc == -ENOENT ? 0 : rc;
	else if (rc < 0)
		what = "It is no JSON object.";
	else if (!running && strcmp(state, "stopped") != 0)
		what = "It says that the daemon runs, and it doesn't.";
	if (what != NULL) {
		rc = l->c->repair ? rewrite_status(l) : 0;
		check_tell(l->c, l->c->repair && rc == 0 ? CHECK_MENDED :
		    CHECK_WRONG, "status", "status.json", l->c->repair &&
		    rc == 0 ? "It was made anew." : "The daemon makes it anew "
		    "when it starts; --repair does it now.", "%s", what);
	}
	buf_fini(&b);
	return rc;
}

static int
look_unread(struct look *l)
{
	int dir = spool_dir(l->sp), rc;
	struct buf is = BUF_INIT, ought = BUF_INIT;
	struct digest *g;

	rc = check_file(l->c, dir, "unread.md", false);
	if (rc != 1)
		return rc == -ENOENT ? 0 : rc;
	rc = digest_new(&g);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < l->nboxes; i++)
		digest_add_box(g, l->boxes[i]);
	digest_print(g, l->n->unread, &ought);
	digest_free(g);
	rc = buf_err(&ought);
	if (rc == 0 && (spool_slurp(dir, "unread.md", SMALL_MAX, &is) < 0 ||
	    is.len != ought.len || memcmp(is.p, ought.p, is.len) != 0)) {
		if (l->c->repair)
			rc = spool_replace(dir, "unread.md", ought.p,
			    ought.len, false);
		check_tell(l->c, CHECK_NOTE, "unread", "unread.md",
		    l->c->repair ? "It was made anew." : "The daemon makes it "
		    "anew when it starts; --repair does it now.",
		    "It doesn't show what is in new/.");
	}
	buf_fini(&is);
	buf_fini(&ought);
	return rc;
}

/* ------------------------------------------------------------- all of it */

/* Files that stand alone. */
static int
look_files(struct look *l, bool running)
{
	static const struct {
		const char *name;
		bool secret;
	} files[] = {
		{ "identity.json", true }, { "enc_seen", false },
		{ "README", false }, { "daemon.log", false }
	};
	int dir = spool_dir(l->sp), rc = 0;
	struct stat st;

	for (size_t i = 0; rc >= 0 && i < sizeof(files) / sizeof(*files); i++) {
		rc = check_file(l->c, dir, files[i].name, files[i].secret);
		if (rc == -ENOENT)
			rc = 0;
	}
	if (rc >= 0)
		rc = check_file(l->c, dir, "outbox.jsonl", false);
	if (rc == -ENOENT)
		rc = 0;
	/* A daemon that runs is at it just now. */
	if (rc >= 0 && !running && fstatat(dir, ".outbox.retired", &st,
	    AT_SYMLINK_NOFOLLOW) == 0)
		check_tell(l->c, CHECK_NOTE, "outbox", ".outbox.retired", "",
		    "An outbox that was being emptied: the daemon goes on with "
		    "it when it starts.");
	return rc < 0 ? rc : 0;
}

static int
look_all(struct look *l, bool running)
{
	size_t unused = 0;
	int rc = look_files(l, running);

	if (rc == 0)
		rc = look_cursor(l);
	if (rc == 0)
		rc = look_known(l);
	if (rc == 0)
		rc = look_queue(l);
	if (rc == 0)
		rc = check_links(l->c, spool_dir(l->sp), "#@");
	if (rc == 0)
		rc = spool_each_box(l->sp, look_box, l);
	if (rc == 0)
		rc = spool_each_misnamed(l->sp, look_misnamed, l);
	if (rc == 0)
		rc = check_ring(l->c, spool_dir(l->sp), "inbox.jsonl",
		    l->boxes, l->nboxes, &l->msg);
	if (rc == 0)
		rc = look_at(l, "sent", SMALL_MAX, is_receipt, &l->n->sent);
	if (rc == 0)
		rc = look_at(l, "failed", SPOOL_MSG_MAX, is_failed, &unused);
	if (rc == 0)
		rc = look_at(l, "proposals", SMALL_MAX, is_object, &unused);
	if (rc == 0)
		rc = look_at(l, "archive", CHECK_LINES_MAX, is_archive,
		    &unused);
	if (rc == 0)
		rc = count_quarantine(l);
	if (rc == 0)
		rc = look_status(l, running);
	if (rc == 0 && !running)
		rc = look_unread(l);
	if (rc == 0 && l->ahead > 0)
		check_tell(l->c, CHECK_NOTE, "receipts", "sent", "If the queue "
		    "was put back from an older copy, look that nothing goes "
		    "out twice.", "%zu receipts are of items that the queue "
		    "has never had.", l->ahead);
	return rc;
}

int
daemon_check(const char *root, const char *instance, struct check *c,
    struct daemon_counts *counts)
{
	struct look l = { .c = c, .n = counts };
	bool running = false;
	char path[sizeof("daemons/") + DAEMON_NAME_MAX];
	int fd, rc = daemon_dir(root, instance, &c->dir);

	*counts = (struct daemon_counts){ 0 };
	if (rc < 0)
		return rc;
	rc = check_dir(c, c->dir, ".", &fd);
	if (rc != 1) {
		close(c->dir);
		return rc;	/* told: spool_open() would refuse it */
	}
	close(fd);
	snprintf(path, sizeof(path), "daemons/%s", instance);
	rc = spool_root(root, false, &fd);
	if (rc == 0) {
		rc = spool_open(&l.sp, fd, path, false);
		close(fd);
	}
	wire_msg_init(&l.msg);
	if (rc == 0)
		rc = check_holder(c, l.sp, "daemon", &running);
	if (rc == 0)
		rc = look_all(&l, running);
	wire_msg_fini(&l.msg);
	free(l.boxes);
	spool_close(l.sp);
	close(c->dir);
	return rc;
}
