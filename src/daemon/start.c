/*
 * start.c - a daemon's life: who it is, what it holds, and the end.
 */
#include "config.h"

#include "daemon/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/confine.h"
#include "base/err.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/rnd.h"
#include "daemon/once.h"
#include "daemon/trust.h"
#include "daemon/work.h"
#include "ident/ident.h"

#define GOODBYE_MS	3000
#define LOCK_WAIT_MS	1000
#define LOCK_LOOK_MS	20
#define CURSOR_FILE_MAX	(1 << 20)
#define ONCE_KEPT	8192	/* encrypted messages that are remembered */
#define IDENTITY	"identity.json"

/* The writing end: the only thing that a signal handler may touch. */
static volatile sig_atomic_t signal_fd = -1;

static void
on_signal(int sig)
{
	char c = (char)sig;
	int saved = errno;

	if (signal_fd != -1 && write(signal_fd, &c, 1) == -1)
		errno = saved;	/* full: it was told already */
	errno = saved;
}

void
daemon_fatal(struct daemon *d, int rc, const char *what)
{
	if (d->rc < 0)
		return;
	log_error("fatal", "what", what, "err", ac_strerror(rc), NULL);
	d->rc = rc;
	if (asprintf(&d->why, "%s: %s", what, ac_strerror(rc)) == -1)
		d->why = NULL;
	loop_stop(d->loop);
}

bool
daemon_is_me(const struct daemon *d, const char *id)
{
	return (d->me[0] != '\0' && strcmp(id, d->me) == 0) ||
	    (d->ident != NULL && (strcmp(id, d->key_id) == 0 ||
	    strcmp(id, d->key_id_long) == 0));
}

bool
daemon_disk_full(int rc)
{
	return rc == -ENOSPC || rc == -EDQUOT || rc == -EMFILE ||
	    rc == -ENFILE;
}

bool
daemon_relay_is_new(const struct daemon *d)
{
	return d->info.epoch[0] != '\0';
}

/* -------------------------------------------------------- what it holds */

static int AC_PRINTF(3, 4)
give_up(struct daemon *d, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	free(d->why);
	if (vasprintf(&d->why, fmt, ap) == -1)
		d->why = NULL;
	va_end(ap);
	return rc;
}

static int
open_dirs(struct daemon *d)
{
	int daemons, rc;

	rc = spool_root(d->conf->root, true, &d->root);
	if (rc == -EACCES)
		return give_up(d, rc, "The spool directory isn't ours alone: "
		    "others may write to it.");
	if (rc == 0)
		rc = spool_subdir(d->root, "daemons", true, &daemons);
	if (rc < 0)
		return give_up(d, rc, "Can't open the spool directory: %s.",
		    ac_strerror(rc));
	rc = spool_open(&d->sp, daemons, d->conf->instance, true);
	close(daemons);
	if (rc < 0)
		return give_up(d, rc, "Can't open the instance's directory: "
		    "%s.", ac_strerror(rc));
	rc = spool_lock(d->sp);
	if (rc == -EBUSY)
		return give_up(d, rc, "A daemon of instance '%s' is running "
		    "already.", d->conf->instance);
	if (rc == 0)
		rc = spool_subdir(spool_dir(d->sp), "sent", true,
		    &d->sent_dir);
	if (rc == 0)
		rc = spool_subdir(spool_dir(d->sp), "failed", true,
		    &d->failed_dir);
	return rc < 0 ? give_up(d, rc, "Can't open the instance's directory: "
	    "%s.", ac_strerror(rc)) : 0;
}

static void
made_up_name(const struct daemon *d, char out[DAEMON_NAME_MAX])
{
	char tail[5];

	rnd_name(tail, 4);
	if (strcmp(d->conf->instance, "default") == 0)
		snprintf(out, DAEMON_NAME_MAX, "agent-%s", tail);
	else
		snprintf(out, DAEMON_NAME_MAX, "%s", d->conf->instance);
}

static int
make_identity(struct daemon *d)
{
	char name[DAEMON_NAME_MAX];
	int rc;

	made_up_name(d, name);
	rc = ident_generate(&d->ident, name);
	if (rc == 0)
		rc = ident_save(d->ident, spool_dir(d->sp), IDENTITY, false);
	if (rc == 0)
		log_info("identity_made", "name", name, NULL);
	return rc;
}

static int
load_from(struct daemon *d, int dir, const char *path)
{
	return ident_load_pass(&d->ident, dir, path, 0, d->conf->pass,
	    d->conf->pass_len);
}

/* -i; else the instance's own; else, by default, the commands'; else new. */
static int
load_identity(struct daemon *d)
{
	const char *path = d->conf->identity != NULL ? d->conf->identity :
	    IDENTITY;
	int rc;

	if (d->conf->identity != NULL)
		rc = load_from(d, AT_FDCWD, path);
	else
		rc = load_from(d, spool_dir(d->sp), path);
	if (d->conf->identity == NULL && rc == -ENOENT &&
	    strcmp(d->conf->instance, "default") == 0)
		rc = load_from(d, d->root, path);
	if (d->conf->identity == NULL && rc == -ENOENT)
		rc = make_identity(d);
	if (rc == -EACCES)
		return give_up(d, rc, "Others can read the key in %s: "
		    "chmod 600 it.", path);
	if (rc == -ENOKEY)
		return give_up(d, rc, "The key in %s has a passphrase: give "
		    "it with --passphrase-fd.", path);
	if (rc == -EKEYREJECTED)
		return give_up(d, rc, "This is not the passphrase of the key "
		    "in %s.", path);
	if (rc < 0)
		return give_up(d, rc, "Can't use the identity %s: %s.", path,
		    ac_strerror(rc));
	ident_key_id(ident_pub(d->ident), 8, d->key_id);
	ident_key_id(ident_pub(d->ident), 16, d->key_id_long);
	snprintf(d->name, sizeof(d->name), "%s", ident_name(d->ident));
	return 0;
}

/*
 * A daemon that was killed lets go of its files one by one: it may hold the key
 * for a moment after the instance is free. So don't give up at once.
 */
static int
take_lock(int fd)
{
	const struct timespec pause = { .tv_nsec = LOCK_LOOK_MS * 1000000 };

	for (int left_ms = LOCK_WAIT_MS;; left_ms -= LOCK_LOOK_MS) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK)
			return -errno;
		if (left_ms <= 0)
			return -EBUSY;
		nanosleep(&pause, NULL);
	}
}

/* Two daemons with one key would displace each other at the relay. */
static int
lock_key(struct daemon *d)
{
	char name[64];
	int daemons, rc;

	rc = spool_subdir(d->root, "daemons", false, &daemons);
	if (rc < 0)
		return give_up(d, rc, "Can't open daemons/: %s.",
		    ac_strerror(rc));
	snprintf(name, sizeof(name), ".key-%s", d->key_id_long + 1);
	d->key_lock = openat(daemons, name, O_RDWR | O_CREAT | O_CLOEXEC |
	    O_NOFOLLOW | O_NONBLOCK, 0600);
	rc = d->key_lock == -1 ? -errno : 0;
	close(daemons);
	if (rc == 0)
		rc = take_lock(d->key_lock);
	if (rc == -EBUSY)
		return give_up(d, rc, "Another daemon is running with this "
		    "identity: give this one its own (leave out -i).");
	return rc < 0 ? give_up(d, rc, "Can't lock the identity: %s.",
	    ac_strerror(rc)) : 0;
}

static int
choose_identity(struct daemon *d)
{
	int rc = ident_init();

	if (rc < 0)
		return give_up(d, rc, "The cryptographic library fails.");
	if (d->conf->ephemeral) {
		made_up_name(d, d->name);
		return 0;
	}
	rc = load_identity(d);
	return rc == 0 ? lock_key(d) : rc;
}

/* -------------------------------------------------------------- the end */

static void
stopped(void *arg)
{
	struct daemon *d = arg;

	loop_stop(d->loop);
}

static void
signalled(void *arg)
{
	struct daemon *d = arg;
	char drain[16];

	while (read(d->signal_pipe[0], drain, sizeof(drain)) > 0)
		;
	if (d->stopping || d->client == NULL) {
		loop_stop(d->loop);	/* asked twice */
		return;
	}
	log_info("stopping", NULL);
	notify_send("STOPPING=1");
	d->stopping = true;
	loop_timer_set(d->stop, GOODBYE_MS);
	client_close(d->client);
}

static int
open_loop(struct daemon *d)
{
	struct sigaction sa = { .sa_handler = on_signal,
	    .sa_flags = SA_RESTART };
	int rc = loop_new(&d->loop, d->conf->server, d->conf->ca_file);

	if (rc < 0)
		return give_up(d, rc, d->conf->ca_file != NULL ?
		    "Can't use the CA file: %s." : "Can't make the event "
		    "loop: %s.", ac_strerror(rc));
	rc = tick_init(d);
	if (rc == 0)
		rc = loop_timer_new(&d->views, d->loop, views_refresh, d);
	if (rc == 0)
		rc = loop_timer_new(&d->stop, d->loop, stopped, d);
	if (rc == 0 && pipe2(d->signal_pipe, O_CLOEXEC | O_NONBLOCK) == -1)
		rc = -errno;
	if (rc == 0)
		rc = loop_watch(d->loop, d->signal_pipe[0], signalled, d,
		    &d->signal_id);
	if (rc < 0)
		return give_up(d, rc, "Can't make the event loop: %s.",
		    ac_strerror(rc));
	signal_fd = d->signal_pipe[1];
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGIO, SIG_IGN);		/* of leases: spool asks for it */
	return 0;
}

/* ------------------------------------------------------------- the spool */

static int
load_cursor(struct daemon *d)
{
	struct receiver *rx = &d->rx;
	struct buf b = BUF_INIT;
	int rc = spool_slurp(spool_dir(d->sp), "cursor", CURSOR_FILE_MAX, &b);

	if (rc == 0)
		rc = cursor_parse(&rx->cursor, b.p != NULL ? b.p : "", b.len);
	buf_fini(&b);
	if (rc == -EINVAL)
		return give_up(d, rc, "The file cursor is damaged: 'agentchat "
		    "doctor --repair' keeps its good lines.");
	if (rc < 0 && rc != -ENOENT)
		return give_up(d, rc, "Can't read the cursor: %s.",
		    ac_strerror(rc));
	rx->local = rx->cursor.local;
	rx->mailbox_seq = rx->published = rx->cursor.mailbox.seq;
	memcpy(rx->mailbox_epoch, rx->cursor.mailbox.epoch,
	    sizeof(rx->mailbox_epoch));
	return 0;
}

/* What is remembered of other agents: their keys, and what they encrypted. */
static int
load_memory(struct daemon *d)
{
	const struct cursor_pos *mailbox = &d->rx.cursor.mailbox;
	unsigned line = 0;
	int rc = trust_open(&d->trust, spool_dir(d->sp), &line);

	if (rc == -EINVAL && line > 0)
		return give_up(d, rc, "known_agents, line %u, is not "
		    "\"@id key name time\": mend it or take it out.", line);
	if (rc < 0)
		return give_up(d, rc, "Can't read known_agents: %s.",
		    ac_strerror(rc));
	rc = once_open(&d->rx.once, spool_dir(d->sp), ONCE_KEPT,
	    mailbox->epoch, mailbox->seq);
	return rc < 0 ? give_up(d, rc, "Can't read enc_seen: %s.",
	    ac_strerror(rc)) : 0;
}

static int
recover_boxes(struct daemon *d)
{
	struct peer_box *p;
	struct room *r;
	size_t at = 0;
	int rc = 0;

	while (rc == 0 && (r = map_next(&d->rooms, &at)) != NULL)
		rc = recover_box(d, r->box);
	at = 0;
	while (rc == 0 && (p = map_next(&d->peers, &at)) != NULL)
		rc = recover_box(d, p->box);
	if (rc < 0)
		return give_up(d, rc, "Can't recover the spool: %s.",
		    ac_strerror(rc));
	publish_cursor(d);	/* the local counter may have moved */
	return 0;
}

/* What --channels names, or on the first start the two that always are. */
static int
want_channels(struct daemon *d)
{
	static const char *const first[] = { "#general", "#agents", NULL };
	const char *const *names = d->conf->channels;
	struct room *r;
	int rc = 0;

	if (names == NULL && d->rooms.count == 0)
		names = first;
	for (; names != NULL && *names != NULL && rc == 0; names++)
		rc = room_want(d, *names, true, &r);
	return rc < 0 ? give_up(d, rc, "Can't make the directory of a "
	    "channel: %s.", ac_strerror(rc)) : 0;
}

static int
open_spool(struct daemon *d)
{
	int fd, rc;

	/* There to be appended to, even by who doesn't create files. */
	fd = openat(spool_dir(d->sp), "outbox.jsonl", O_WRONLY | O_CREAT |
	    O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd != -1)
		close(fd);
	rc = sender_init(d);
	if (rc == -EUCLEAN)
		return give_up(d, rc, "The queue of what is to be sent, "
		    "daemons/%s/queue, is damaged: 'agentchat doctor "
		    "--repair' keeps what can be read of it.",
		    d->conf->instance);
	if (rc < 0)
		return give_up(d, rc, "Can't open the queue: %s.",
		    ac_strerror(rc));
	rc = publish_init(d);
	if (rc == 0)
		rc = settle_init(d);
	if (rc < 0)
		return give_up(d, rc, "%s", ac_strerror(rc));
	d->rx.keeps_order = spool_keeps_order(d->sp);
	rc = load_cursor(d);
	if (rc == 0)
		rc = load_memory(d);
	if (rc < 0)
		return rc;
	rc = spool_watch_open(&d->watch, d->sp, SPOOL_HINT_INSTANCE |
	    SPOOL_HINT_OUTBOX | SPOOL_HINT_DROP | SPOOL_HINT_BOX |
	    SPOOL_HINT_READ,
	    d->conf->poll);
	if (rc == 0 && spool_watch_fd(d->watch) != -1)
		rc = loop_watch(d->loop, spool_watch_fd(d->watch),
		    bridge_watch_ready, d, &d->watch_id);
	if (rc < 0)
		return give_up(d, rc, "Can't watch the directory: %s.",
		    ac_strerror(rc));
	bridge_watch_trouble(d);
	/* Watched first, looked at second: so nothing is missed. */
	bridge_open_boxes(d);
	rc = recover_boxes(d);
	return rc == 0 ? want_channels(d) : rc;
}

static int
open_client(struct daemon *d)
{
	struct client_conf conf = { .url = d->conf->server, .name = d->name,
	    .ident = d->ident, .retry = true };
	int rc = client_new(&d->client, d->loop, &conf, &bridge_ops, d);

	return rc < 0 ? give_up(d, rc, "%s: %s", d->conf->server,
	    rc == -EINVAL ? "not the address of a relay (ws://HOST:PORT)." :
	    ac_strerror(rc)) : 0;
}

/* ------------------------------------------------------------------ run */

static void
say_goodbye(struct daemon *d)
{
	d->ended = true;
	d->connected = false;
	d->rx.cursor.renew = true;	/* what lies there for long: in full */
	publish_cursor(d);
	if (d->rc == 0 && publish_drain(d) < 0)
		log_warn("stop", "drained", "no", NULL);
	if (d->rc == 0)
		settle_drain(d);
	snprintf(d->error, sizeof(d->error), "%s", d->why != NULL ? d->why :
	    "");
	views_refresh(d);
	views_write(d);
}

static void
close_fd(int fd)
{
	if (fd != -1)
		close(fd);
}

static void
fini(struct daemon *d)
{
	struct peer_box *p;
	size_t at = 0;

	signal_fd = -1;
	client_free(d->client);
	settle_fini(d);
	publish_fini(d);
	receive_fini(d);
	trust_free(d->trust);
	once_free(d->rx.once);
	sender_fini(d);
	room_fini_all(d);
	work_fini(d);
	while ((p = map_next(&d->peers, &at)) != NULL)
		free(p);
	map_fini(&d->peers);
	if (d->watch_id != NULL)
		loop_unwatch(d->loop, d->watch_id);
	if (d->signal_id != NULL)
		loop_unwatch(d->loop, d->signal_id);
	if (d->watch != NULL)
		spool_watch_close(d->watch);
	tick_fini(d);
	loop_timer_free(d->views);
	loop_timer_free(d->stop);
	loop_free(d->loop);
	/* The instance last: who finds it free may start. */
	close_fd(d->key_lock);
	spool_close(d->sp);
	ident_free(d->ident);
	close_fd(d->signal_pipe[0]);
	close_fd(d->signal_pipe[1]);
	close_fd(d->sent_dir);
	close_fd(d->failed_dir);
	close_fd(d->root);
}

/* Before the first thread: a thread that runs already would stay free. */
static void
confine(const struct daemon *d)
{
	int rc = confine_writes(d->root);

	if (rc < 0)
		log_warn("confine", "err", ac_strerror(rc), NULL);
	else
		log_info("confined", "writes", rc == 1 ? "spool" : "anywhere",
		    NULL);
}

static int
setup(struct daemon *d)
{
	int rc = open_dirs(d);

	if (rc == 0)
		rc = choose_identity(d);
	if (rc == 0)
		rc = open_loop(d);
	if (rc == 0) {
		confine(d);
		rc = open_spool(d);
	}
	if (rc == 0)
		rc = open_client(d);
	return rc;
}

static int
run(struct daemon *d)
{
	int rc;

	readme_write(d);
	if (views_probe(d) < 0)
		log_warn("status", "spare", "no", NULL);
	d->unread_dirty = true;
	views_count(d);
	views_write(d);
	views_touch(d);
	bridge_scan(d);
	/* The files work from here on, whether the relay is there or not. */
	rc = notify_send("READY=1");
	if (rc < 0)
		log_warn("notify", "err", ac_strerror(rc), NULL);
	tick_start(d);
	rc = loop_run(d->loop);
	if (rc < 0 && d->rc == 0)
		d->rc = give_up(d, rc, "The event loop broke.");
	say_goodbye(d);
	return d->rc;
}

int
daemon_run(const struct daemon_conf *conf, char **why)
{
	struct daemon *d;
	int rc;

	*why = NULL;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return -ENOMEM;
	d->conf = conf;
	d->root = d->key_lock = d->sent_dir = d->failed_dir = -1;
	d->signal_pipe[0] = d->signal_pipe[1] = -1;
	d->ready_fd = conf->ready_fd;
	map_init(&d->rooms);
	map_init(&d->peers);
	rc = daemon_name_ok(conf->instance) ? setup(d) : give_up(d, -EINVAL,
	    "An instance's name is 1 to 32 letters, digits, '_' and '-'.");
	if (rc == 0)
		rc = run(d);
	*why = d->why;
	fini(d);
	free(d);
	return rc;
}
