/*
 * loop.c - the relay's event loop.
 *
 * poll() looks at every connection at every turn: with ten thousand idle ones
 * that is milliseconds. libuv (epoll, kqueue) doesn't. Its support in
 * libwebsockets is a plugin that may not be installed: then the context can't
 * be made with it and is made again with poll.
 *
 * turn_end() runs once a turn: after lws_service() under poll, before and
 * after the wait for events under libuv. And when a sync is due: poll() is
 * waited for behind the timers, and nobody would look at what one began.
 */
#include "config.h"

#include "relay/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libwebsockets.h>
#ifdef HAVE_LIBUV
#include <uv.h>
#endif

#include "base/clock.h"
#include "base/log.h"
#include "relay/internal.h"
#include "relay/listen.h"

#define TICK_US		(1000 * LWS_US_PER_MS)
#define VIEW_US		(100 * LWS_US_PER_MS)
#define FDS_MAX		262144
#define WRITE_MAX	(1 << 20)	/* what one write may take */
#define RX_MAX		65536

struct loop_ctx {
	struct relay	*relay;
	struct lws_context *lws;
	struct lws_vhost *vhost;
	lws_sorted_usec_list_t tick, view, sync;
	int64_t		 sync_ms;	/* when that is, monotonic */
	bool		 stop;
	char		 address[64];
#ifdef HAVE_LIBUV
	bool		 on_uv;
	uv_loop_t	 uv;
	uv_prepare_t	 prepare;
	uv_check_t	 check;
	void		*foreign[1];
#endif
};

/* Set by the handler's pipe before the loop runs; one relay a process. */
static int signal_pipe[2] = { -1, -1 };

static const struct lws_protocols protocols[] = {
	{ WIRE_SUBPROTOCOL, listen_callback, 0, RX_MAX, 0, NULL, WRITE_MAX },
	{ "agentchat", listen_callback, 0, RX_MAX, 0, NULL, WRITE_MAX },
	{ "signal", listen_signal, 0, 0, 0, NULL, 0 },
	{ "watch", listen_watch, 0, 0, 0, NULL, 0 },
	{ NULL, NULL, 0, 0, 0, NULL, 0 }
};

/*
 * peer_tick() pings: libwebsockets keeps its timers in one sorted list, and
 * with ten thousand connections it would spend its time looking for places.
 */
static const lws_retry_bo_t no_liveness = { .secs_since_valid_ping = 0 };

static void
emit(int level, const char *line)
{
	char text[256];
	size_t n = strcspn(line, "\n");

	(void)level;
	snprintf(text, sizeof(text), "%.*s", (int)(n < 255 ? n : 255), line);
	log_warn("libwebsockets", "says", text, NULL);
}

static void
on_signal(int sig)
{
	int saved = errno;
	unsigned char c = (unsigned char)sig;
	ssize_t n = write(signal_pipe[1], &c, 1);

	(void)n;	/* full: signals enough are on their way */
	errno = saved;
}

/* lws owns fd from here on. */
static int
adopt(struct loop_ctx *l, int fd, const char *protocol)
{
	lws_sock_file_fd_type f = { .filefd = fd };

	if (lws_adopt_descriptor_vhost(l->vhost, LWS_ADOPT_RAW_FILE_DESC, f,
	    protocol, NULL) == NULL)
		return -ENOMEM;
	return 0;
}

static int
signals_open(struct loop_ctx *l)
{
	static const int sigs[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal,
	    .sa_flags = SA_RESTART };

	if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) == -1)
		return -errno;
	if (adopt(l, signal_pipe[0], "signal") < 0)
		return -ENOMEM;
	sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < AC_COUNTOF(sigs); i++)
		sigaction(sigs[i], &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);	/* a write fails instead */
	return 0;
}

static int
watch_open(struct loop_ctx *l)
{
	int fd = operator_fd(l->relay);

	if (fd == -1)
		return 0;
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);	/* the watch keeps its own */
	return fd == -1 ? -errno : adopt(l, fd, "watch");
}

static void
signals_close(void)
{
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	if (signal_pipe[1] != -1)
		close(signal_pipe[1]);
	signal_pipe[0] = signal_pipe[1] = -1;
}

static void
on_tick(lws_sorted_usec_list_t *sul)
{
	struct loop_ctx *l = lws_container_of(sul, struct loop_ctx, tick);

	listen_tick(l->relay, clock_mono_ms());
	lws_sul_schedule(l->lws, 0, &l->tick, on_tick, TICK_US);
}

static void
on_view(lws_sorted_usec_list_t *sul)
{
	struct loop_ctx *l = lws_container_of(sul, struct loop_ctx, view);

	view_flush(l->relay);
}

void
loop_view_soon(struct relay *r)
{
	struct loop_ctx *l = r->loop;

	/* Not set yet: nothing runs when nothing happens. */
	if (l != NULL && lws_dll2_is_detached(&l->view.list))
		lws_sul_schedule(l->lws, 0, &l->view, on_view, VIEW_US);
}

static void
on_sync(lws_sorted_usec_list_t *sul)
{
	struct loop_ctx *l = lws_container_of(sul, struct loop_ctx, sync);

	turn_end(l->relay);
}

void
loop_sync_soon(struct relay *r, int64_t ms)
{
	struct loop_ctx *l = r->loop;
	int64_t due = clock_mono_ms() + ms;

	if (l == NULL || (!lws_dll2_is_detached(&l->sync.list) &&
	    l->sync_ms <= due))
		return;
	l->sync_ms = due;
	lws_sul_schedule(l->lws, 0, &l->sync, on_sync, ms * LWS_US_PER_MS);
}

static void
raise_descriptors(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		return;
	rl.rlim_cur = rl.rlim_max < FDS_MAX ? rl.rlim_max : FDS_MAX;
	setrlimit(RLIMIT_NOFILE, &rl);
}

/*
 * Resolve the host and try to bind: libwebsockets would only say that it
 * could not make a context.
 */
static int
try_bind(const struct relay_conf *conf, char address[64], bool *v6, char **why)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE,
	    .ai_socktype = SOCK_STREAM }, *ai;
	char port[8];
	int rc, one = 1, fd;

	snprintf(port, sizeof(port), "%d", conf->port);
	rc = getaddrinfo(conf->host, port, &hints, &ai);
	if (rc != 0) {
		if (asprintf(why, "The address %s is unknown: %s.", conf->host,
		    gai_strerror(rc)) < 0)
			*why = NULL;
		return -EADDRNOTAVAIL;
	}
	*v6 = ai->ai_family == AF_INET6;
	getnameinfo(ai->ai_addr, ai->ai_addrlen, address, 64, NULL, 0,
	    NI_NUMERICHOST);
	fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, 0);
	rc = 0;
	if (fd == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == -1 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) == -1 ||
	    listen(fd, 1) == -1)
		rc = -errno;
	if (fd != -1)
		close(fd);
	freeaddrinfo(ai);
	if (rc < 0 && asprintf(why, "Can't listen on %s port %d: %s.",
	    conf->host, conf->port, strerror(-rc)) < 0)
		*why = NULL;
	return rc;
}

static struct lws_context *
make_context(struct loop_ctx *l, struct lws_context_creation_info *info)
{
	struct lws_context *ctx;

#ifdef HAVE_LIBUV
	if (getenv("AGENTCHAT_POLL") == NULL && uv_loop_init(&l->uv) == 0) {
		l->foreign[0] = &l->uv;
		info->options |= LWS_SERVER_OPTION_LIBUV;
		info->foreign_loops = l->foreign;
		lws_set_log_level(0, NULL);
		ctx = lws_create_context(info);
		lws_set_log_level(LLL_ERR, emit);
		if (ctx != NULL) {
			l->on_uv = true;
			return ctx;
		}
		uv_loop_close(&l->uv);
		info->options &= ~(uint64_t)LWS_SERVER_OPTION_LIBUV;
		info->foreign_loops = NULL;
		log_warn("loop", "kind", "poll", "why", "libwebsockets has no "
		    "libuv plugin here: slower with thousands of connections",
		    NULL);
	}
#endif
	ctx = lws_create_context(info);
	return ctx;
}

#ifdef HAVE_LIBUV
static void
on_prepare(uv_prepare_t *h)
{
	turn_end(h->data);
}

static void
on_check(uv_check_t *h)
{
	turn_end(h->data);
}
#endif

int
loop_open(struct relay *r, char **why)
{
	struct lws_context_creation_info info = { 0 };
	struct loop_ctx *l;
	bool v6;
	int rc;

	if (r->conf.cert != NULL) {
		rc = tls_check(r->conf.cert, r->conf.key, why);
		if (rc < 0)
			return rc;
	}
	raise_descriptors();
	lws_set_log_level(LLL_ERR, emit);
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return -ENOMEM;
	l->relay = r;
	rc = try_bind(&r->conf, l->address, &v6, why);
	if (rc < 0) {
		free(l);
		return rc;
	}
	r->loop = l;
	info.port = r->conf.port;
	if (strcmp(l->address, "0.0.0.0") != 0 && strcmp(l->address, "::") != 0)
		info.iface = l->address;
	if (!v6)
		info.options |= LWS_SERVER_OPTION_DISABLE_IPV6;
	info.protocols = protocols;
	info.gid = (gid_t)-1;
	info.uid = (uid_t)-1;
	info.user = r;
	info.pt_serv_buf_size = 65536;
	info.timeout_secs = 10;		/* for a handshake */
	info.retry_and_idle_policy = &no_liveness;
	info.alpn = "http/1.1";
	if (r->conf.cert != NULL) {
		info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
		info.ssl_cert_filepath = r->conf.cert;
		info.ssl_private_key_filepath = r->conf.key;
	}
	l->lws = make_context(l, &info);
	if (l->lws != NULL)
		l->vhost = lws_get_vhost_by_name(l->lws, "default");
	if (l->vhost == NULL) {
		if (asprintf(why, "libwebsockets can't be set up%s.",
		    r->conf.cert != NULL ? ": check --cert and --key" : "") < 0)
			*why = NULL;
		return -EIO;
	}
#ifdef HAVE_LIBUV
	if (l->on_uv) {
		uv_prepare_init(&l->uv, &l->prepare);
		uv_check_init(&l->uv, &l->check);
		l->prepare.data = l->check.data = r;
		uv_prepare_start(&l->prepare, on_prepare);
		uv_check_start(&l->check, on_check);
	}
#endif
	lws_sul_schedule(l->lws, 0, &l->tick, on_tick, TICK_US);
	if (!TAILQ_EMPTY(&r->views))
		loop_view_soon(r);
	rc = watch_open(l);
	return rc < 0 ? rc : signals_open(l);
}

int
loop_port(const struct relay *r)
{
	return lws_get_vhost_listen_port(r->loop->vhost);
}

const char *
loop_kind(const struct relay *r)
{
#ifdef HAVE_LIBUV
	if (r->loop->on_uv)
		return "libuv";
#endif
	(void)r;
	return "poll";
}

void
loop_new_certificate(struct relay *r)
{
	/* Its result says nothing: tls.c has checked the pair. */
	lws_tls_cert_updated(r->loop->lws, r->conf.cert, r->conf.key, NULL, 0,
	    NULL, 0);
}

void
loop_serve(struct relay *r)
{
	struct loop_ctx *l = r->loop;

#ifdef HAVE_LIBUV
	if (l->on_uv) {
		uv_run(&l->uv, UV_RUN_DEFAULT);
		return;
	}
#endif
	while (!l->stop && lws_service(l->lws, 0) >= 0)
		turn_end(r);
}

void
loop_end(struct relay *r)
{
	r->loop->stop = true;
#ifdef HAVE_LIBUV
	if (r->loop->on_uv)
		uv_stop(&r->loop->uv);
#endif
	lws_cancel_service(r->loop->lws);
}

void
loop_wake(void *relay)
{
	struct relay *r = relay;

	lws_cancel_service(r->loop->lws);
}

void
loop_close(struct relay *r)
{
	struct loop_ctx *l = r->loop;

	if (l == NULL)
		return;
	signals_close();
	if (l->lws != NULL) {
		lws_sul_cancel(&l->tick);
		lws_sul_cancel(&l->view);
		lws_sul_cancel(&l->sync);
		lws_context_destroy(l->lws);
	}
#ifdef HAVE_LIBUV
	if (l->on_uv) {
		/*
		 * lws closes its handles from the loop; what is left of the
		 * context goes with a second call when they are closed.
		 */
		uv_close((uv_handle_t *)&l->prepare, NULL);
		uv_close((uv_handle_t *)&l->check, NULL);
		uv_run(&l->uv, UV_RUN_DEFAULT);
		if (l->lws != NULL)
			lws_context_destroy(l->lws);
		uv_loop_close(&l->uv);
	}
#endif
	free(l);
	r->loop = NULL;
}

/* ---- what listen.c and peer.c need of a socket */

int
listen_write(struct peer *p, const char *frames, size_t len)
{
	/* LWS_WRITE_HTTP: the bytes as they are; the frames are made. */
	return lws_write(p->wsi, (unsigned char *)(uintptr_t)frames, len,
	    LWS_WRITE_HTTP) < (int)len ? -1 : 0;
}

bool
listen_choked(const struct peer *p)
{
	return lws_partial_buffered(p->wsi) != 0;
}

void
listen_want_write(struct peer *p)
{
	lws_callback_on_writable(p->wsi);
}

void
listen_kill(struct peer *p)
{
	lws_set_timeout(p->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
}
