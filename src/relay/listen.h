/*
 * listen.h - libwebsockets' callbacks; only loop.c needs them.
 */
#ifndef AC_RELAY_LISTEN_H
#define AC_RELAY_LISTEN_H

#include <stdint.h>

struct lws;
struct relay;
enum lws_callback_reasons;

/* Their last but one parameter is what libwebsockets calls "in". */
int	listen_callback(struct lws *, enum lws_callback_reasons, void *user,
	    void *in, size_t len);
int	listen_signal(struct lws *, enum lws_callback_reasons, void *user,
	    void *in, size_t len);
int	listen_watch(struct lws *, enum lws_callback_reasons, void *user,
	    void *in, size_t len);
/* http.c: a request that asks for no upgrade; 0, or -1 to hang up. */
int	http_request(struct lws *, const struct relay *, const char *path);
/* Once a second. */
void	listen_tick(struct relay *, int64_t now_ms);

#endif
