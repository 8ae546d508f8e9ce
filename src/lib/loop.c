/*
 * loop.c - one event loop on libwebsockets, with our own descriptors in it.
 *
 * A watched descriptor is a "raw file" connection of libwebsockets, which owns
 * and closes the descriptor: so it gets a duplicate. Such a connection can't
 * be ended from within its own callback; loop_unwatch() cuts the tie at once
 * and leaves the rest to the next turn of the loop.
 */
#include "config.h"

#include "lib/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "lib/conn.h"

#define FDS_MAX		256	/* connections and watches of one loop */
#define IO_CHUNK	65536	/* bytes read or written at once */
#define HANDSHAKE_S	10	/* for each step of one */

struct loop {
	struct lws_context	*cx;
	struct lws_vhost	*vh;
	struct lws_protocols	 protocols[3];
	bool			 stop;
};

struct watch {
	struct lws	*wsi;
	loop_fd_fn	*fn;
	void		*arg;
};

struct loop_timer {
	lws_sorted_usec_list_t	 sul;	/* first: timer_fired() casts */
	struct loop		*loop;
	loop_timer_fn		*fn;
	void			*arg;
	bool			 on;
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
		if (w != NULL)
			w->wsi = NULL;
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
make_vhost(struct loop *l, const char *ca_file)
{
	struct lws_context_creation_info info;

	memset(&info, 0, sizeof(info));
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.protocols = l->protocols;
	info.vhost_name = "agentchat";
	info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
	if (ca_file != NULL) {
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
loop_new(struct loop **out, const char *ca_file)
{
	struct lws_context_creation_info info;
	struct loop *l = calloc(1, sizeof(*l));

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
	lws_set_log_level(LLL_ERR, log_nowhere);
	memset(&info, 0, sizeof(info));
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
	    LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
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
	l->vh = make_vhost(l, ca_file);
	if (l->vh == NULL) {
		loop_free(l);
		return ca_file != NULL ? -EINVAL : -ENOMEM;
	}
	*out = l;
	return 0;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	lws_context_destroy(l->cx);
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
	while (!l->stop)
		if (lws_service(l->cx, 0) < 0)
			return -EIO;
	return 0;
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
	lws_cancel_service(l->cx);
}

/* ------------------------------------------------------------ descriptors */

int
loop_watch(struct loop *l, int fd, loop_fd_fn *fn, void *arg, void **id)
{
	struct watch *w = calloc(1, sizeof(*w));
	lws_sock_file_fd_type desc;
	int rc;

	if (w == NULL)
		return -ENOMEM;
	desc.filefd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (desc.filefd == -1) {
		rc = -errno;
		free(w);
		return rc;
	}
	w->fn = fn;
	w->arg = arg;
	w->wsi = lws_adopt_descriptor_vhost(l->vh, LWS_ADOPT_RAW_FILE_DESC,
	    desc, l->protocols[0].name, NULL);
	if (w->wsi == NULL) {
		close(desc.filefd);
		free(w);
		return -ENOMEM;
	}
	lws_set_opaque_user_data(w->wsi, w);
	*id = w;
	return 0;
}

void
loop_unwatch(struct loop *l, void *id)
{
	struct watch *w = id;

	(void)l;
	if (w->wsi != NULL) {
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
	*out = t;
	return 0;
}

void
loop_timer_set(struct loop_timer *t, int64_t ms)
{
	t->on = true;
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
	if (t == NULL)
		return;
	loop_timer_off(t);
	free(t);
}
