/*
 * loop.h - the relay's event loop: libwebsockets on libuv where that is there,
 * else on poll(). Types of both stay in the .c files.
 */
#ifndef AC_RELAY_LOOP_H
#define AC_RELAY_LOOP_H

#include "base/attr.h"

struct relay;

/*
 * Bind and listen. -EADDRINUSE, -EADDRNOTAVAIL, ... with *why, a sentence,
 * freed by the caller. What happens is reported through listen.c.
 */
int	loop_open(struct relay *, char **why) AC_NONNULL(1, 2) AC_MUST_CHECK;
int	loop_port(const struct relay *) AC_NONNULL(1);	/* that it listens on */
const char *loop_kind(const struct relay *) AC_NONNULL(1);	/* "libuv" */
/* Load the certificate files again, for new connections. */
void	loop_new_certificate(struct relay *) AC_NONNULL(1);
/* Until loop_end(). */
void	loop_serve(struct relay *) AC_NONNULL(1);
void	loop_end(struct relay *) AC_NONNULL(1);
/* From any thread: listen.c's wake comes on the loop's. */
void	loop_wake(void *relay) AC_NONNULL(1);
void	loop_close(struct relay *) AC_NONNULL(1);

#endif
