/*
 * loop.c - one event loop on libwebsockets, with our own descriptors in it.
 *
 * A watched descriptor is a "raw file" connection of libwebsockets, which owns
 * and closes the descriptor: so it gets a duplicate. Such a connection can't
 * be ended from within its own callback; loop_unwatch() cuts the tie at once
 * and leaves the rest to the next turn of the loop.
 *
 * In somebody else's loop. libwebsockets, as distributions build it, neither
 * tells the descriptors that it waits for nor when it wants to be called. So
 * those that we know are in a gather (gather.h): what we watch, our timers,
 * and each connection's socket, by its edges, as only libwebsockets knows
 * whether it waits to read or to write. After an edge loop_turn() lets
 * libwebsockets work until nothing is left to do, and looks at the sockets
 * for that. Its own time limits matter only while connecting, when conn.c has
 * a timer that ticks.
 */
#include "config.h"

#include "lib/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "base/clock.h"
#include "lib/conn.h"
#include "lib/gather.h"

#define FDS_MAX		256	/* connections and watches of one loop */
#define IO_CHUNK	65536	/* bytes read or written at once */
#define HANDSHAKE_S	10	/* for each step of one */
#define TURNS_MIN	2	/* the second does what the first put off */
#define TURNS_MAX	32	/* then it's the caller's turn */

struct loop {
	struct lws_context	*cx;
	struct lws_vhost	*vh;
	struct lws_protocols	 protocols[3];
	struct gather		*gather;	/* NULL: nobody asked for it */
	struct loop_socket	*sockets;
	struct loop_timer	*timers;
	loop_after_fn		*after;		/* or NULL */
	void			*after_arg;
	bool			 stop, ending;
};

struct watch {
	struct loop	*loop;
	struct lws	*wsi;
	int		 fd;	/* the duplicate */
	loop_fd_fn	*fn;
	void		*arg;
};

struct loop_timer {
	lws_sorted_usec_list_t	 sul;	/* first: timer_fired() casts */
	struct loop		*loop;
	struct loop_timer	*next;	/* of the loop's */
	loop_timer_fn		*fn;
	void			*arg;
	bool			 on;
	int64_t			 when_ms; /* mono */
};

static int
watch_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
    void *in, size_t len)
{
	struct watch *w;

	(void)user;
	(void)in;
	(void)len;
	switch (reason) {
	case LWS_CALLBACK_RAW_RX_FILE:
		w = lws_get_opaque_user_data(wsi);
		if (w == NULL)
			return -1;	/* unwatched: close */
		w->fn(w->arg);
		break;
	case LWS_CALLBACK_RAW_CLOSE_FILE:
		/* Closed under us (a hang-up, or the loop ends). */
		w = lws_get_opaque_user_data(wsi);
		if (w == NULL)
			break;
		w->wsi = NULL;
		/* Of a hang-up the reader finds the end: it is readable. */
		if (!w->loop->ending)
			w->fn(w->arg);
		break;
	default:
		break;
	}
	return 0;
}

static void
log_nowhere(int level, const char *line)
{
	(void)level;
	(void)line;
}

static struct lws_vhost *
make_vhost(struct loop *l, bool tls, const char *ca_file)
{
	struct lws_context_creation_info info;

	memset(&info, 0, sizeof(info));
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.protocols = l->protocols;
	info.vhost_name = "agentchat";
	if (tls)
		info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
	if (tls && ca_file != NULL) {
		info.options |= LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS;
		info.client_ssl_ca_filepath = ca_file;
	}
	/*
	 * An empty address keeps libwebsockets from taking $http_proxy, which
	 * it would do for a relay on this very machine too.
	 */
	info.http_proxy_address = "";
	info.connect_timeout_secs = 15;
	info.keepalive_timeout = 5;
	return lws_create_vhost(l->cx, &info);
}

int
loop_new(struct loop **out, const char *url, const char *ca_file)
{
	struct lws_context_creation_info info;
	struct loop *l = calloc(1, sizeof(*l));
	struct conn_url to;
	bool tls = conn_url_parse(&to, url) == 0 && to.tls;

	if (l == NULL)
		return -ENOMEM;
	if (ca_file != NULL && access(ca_file, R_OK) == -1) {
		int rc = -errno;

		free(l);
		return rc;
	}
	l->protocols[0].name = "agentchat-fd";
	l->protocols[0].callback = watch_callback;
	l->protocols[1] = conn_protocol;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);	/* a write fails instead */
	lws_set_log_level(LLL_ERR, log_nowhere);
	memset(&info, 0, sizeof(info));
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
	if (tls)
		info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
	info.gid = (gid_t)-1;
	info.uid = (uid_t)-1;
	info.fd_limit_per_thread = FDS_MAX;
	info.pt_serv_buf_size = IO_CHUNK;
	/* For the handshakes; of the context, the vhost's is not looked at. */
	info.timeout_secs = HANDSHAKE_S;
	info.user = l;
	l->cx = lws_create_context(&info);
	if (l->cx == NULL) {
		free(l);
		return -ENOMEM;
	}
	l->vh = make_vhost(l, tls, ca_file);
	if (l->vh == NULL) {
		loop_free(l);
		return tls && ca_file != NULL ? -EINVAL : -ENOMEM;
	}
	*out = l;
	return 0;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	l->ending = true;
	lws_context_destroy(l->cx);
	gather_free(l->gather);
	free(l);
}

struct lws_context *
loop_context(const struct loop *l)
{
	return l->cx;
}

struct lws_vhost *
loop_vhost(const struct loop *l)
{
	return l->vh;
}

int
loop_run(struct loop *l)
{
	l->stop = false;
	while (!l->stop) {
		if (lws_service(l->cx, 0) < 0)
			return -EIO;
		if (l->after != NULL)
			l->after(l->after_arg);
	}
	return 0;
}

void
loop_after(struct loop *l, loop_after_fn *fn, void *arg)
{
	l->after = fn;
	l->after_arg = arg;
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
	lws_cancel_service(l->cx);
}

/* -------------------------------------------------- somebody else's loop */

void
loop_socket_add(struct loop *l, struct loop_socket *s)
{
	s->next = l->sockets;
	l->sockets = s;
}

void
loop_socket_del(struct loop *l, struct loop_socket *s)
{
	struct loop_socket **p = &l->sockets;

	while (*p != NULL && *p != s)
		p = &(*p)->next;
	if (*p != NULL)
		*p = s->next;
}

/*
 * Is there something for libwebsockets to do on a socket? All are gathered on
 * the way: a new connection has a new one.
 */
static bool
sockets_busy(struct loop *l)
{
	bool busy = false;

	for (struct loop_socket *s = l->sockets; s != NULL; s = s->next) {
		struct pollfd p = { .fd = -1 };

		if (s->wsi != NULL)
			p.fd = lws_get_socket_fd(s->wsi);
		if (p.fd == -1)
			continue;
		if (l->gather != NULL)
			(void)!gather_add(l->gather, p.fd, true);
		if (s->in)
			p.events |= POLLIN;
		if (s->out || lws_partial_buffered(s->wsi))
			p.events |= POLLOUT;
		busy |= p.events != 0 && poll(&p, 1, 0) > 0;
	}
	return busy;
}

/* The time until the first timer; -1: none is on. */
static int64_t
next_timer_ms(const struct loop *l)
{
	int64_t now = clock_mono_ms(), first = -1;

	for (struct loop_timer *t = l->timers; t != NULL; t = t->next) {
		int64_t left = t->when_ms > now ? t->when_ms - now : 0;

		if (t->on && (first < 0 || left < first))
			first = left;
	}
	return first;
}

int
loop_turn(struct loop *l)
{
	bool busy = true;

	/* Before the work: what comes meanwhile is told once more. */
	if (l->gather != NULL)
		gather_clear(l->gather);
	for (int n = 0; n < TURNS_MAX && (busy || n < TURNS_MIN); n++) {
		/* -1: don't wait */
		if (lws_service(l->cx, -1) < 0)
			return -EIO;
		busy = sockets_busy(l) ||
		    lws_service_adjust_timeout(l->cx, 1, 0) == 0;
	}
	if (l->gather != NULL)
		gather_arm(l->gather, busy ? 0 : next_timer_ms(l));
	return 0;
}

void
loop_nudge(struct loop *l)
{
	if (l->gather != NULL)
		gather_arm(l->gather, 0);
}

int
loop_fd(struct loop *l, int *fd)
{
	int rc = l->gather != NULL ? 0 : gather_new(&l->gather);

	if (rc < 0)
		return rc;
	*fd = gather_fd(l->gather);
	return 0;
}

/* ------------------------------------------------------------ descriptors */

int
loop_watch(struct loop *l, int fd, loop_fd_fn *fn, void *arg, void **id)
{
	struct watch *w = calloc(1, sizeof(*w));
	lws_sock_file_fd_type desc;
	int rc, flags;

	if (w == NULL)
		return -ENOMEM;
	flags = fcntl(fd, F_GETFL);
	desc.filefd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (desc.filefd == -1) {
		rc = -errno;
		free(w);
		return rc;
	}
	w->loop = l;
	w->fn = fn;
	w->arg = arg;
	w->wsi = lws_adopt_descriptor_vhost(l->vh, LWS_ADOPT_RAW_FILE_DESC,
	    desc, l->protocols[0].name, NULL);
	/*
	 * It has been made non-blocking, for all who have it: a terminal is the
	 * shell's, too. Who reads knows that there is something.
	 */
	if (flags != -1)
		(void)fcntl(fd, F_SETFL, flags);
	if (w->wsi == NULL) {
		close(desc.filefd);
		free(w);
		return -ENOMEM;
	}
	w->fd = desc.filefd;
	lws_set_opaque_user_data(w->wsi, w);
	*id = w;
	/* In vain, it is looked at with the next tick. */
	if (l->gather != NULL)
		(void)!gather_add(l->gather, w->fd, false);
	return 0;
}

void
loop_unwatch(struct loop *l, void *id)
{
	struct watch *w = id;

	if (w->wsi != NULL) {
		if (l->gather != NULL)
			gather_del(l->gather, w->fd);
		lws_set_opaque_user_data(w->wsi, NULL);
		lws_set_timeout(w->wsi, PENDING_TIMEOUT_USER_OK,
		    LWS_TO_KILL_ASYNC);
	}
	free(w);
}

/* ----------------------------------------------------------------- timers */

static void
timer_fired(lws_sorted_usec_list_t *sul)
{
	struct loop_timer *t = (struct loop_timer *)sul;

	t->on = false;
	t->fn(t->arg);
}

int
loop_timer_new(struct loop_timer **out, struct loop *l, loop_timer_fn *fn,
    void *arg)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	t->loop = l;
	t->fn = fn;
	t->arg = arg;
	t->next = l->timers;
	l->timers = t;
	*out = t;
	return 0;
}

void
loop_timer_set(struct loop_timer *t, int64_t ms)
{
	t->on = true;
	t->when_ms = clock_mono_ms() + ms;
	/* Not 0: libwebsockets takes that for "now", within the same sweep. */
	lws_sul_schedule(t->loop->cx, 0, &t->sul, timer_fired,
	    ms > 0 ? (lws_usec_t)ms * LWS_US_PER_MS : 1);
}

void
loop_timer_off(struct loop_timer *t)
{
	if (t->on)
		lws_sul_cancel(&t->sul);
	t->on = false;
}

bool
loop_timer_on(const struct loop_timer *t)
{
	return t->on;
}

void
loop_timer_free(struct loop_timer *t)
{
	struct loop_timer **p;

	if (t == NULL)
		return;
	loop_timer_off(t);
	for (p = &t->loop->timers; *p != t; p = &(*p)->next)
		;
	*p = t->next;
	free(t);
}
