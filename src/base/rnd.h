/*
 * rnd.h - random bytes from the kernel.
 */
#ifndef AC_BASE_RND_H
#define AC_BASE_RND_H

#include <stddef.h>

#include "base/attr.h"

/* Fill p. Aborts where the kernel has no entropy: nothing is safe without. */
void	rnd_bytes(void *p, size_t len) AC_NONNULL(1);

/* n unbiased characters of [a-z0-9] and a NUL: out holds n + 1. */
void	rnd_name(char *out, size_t n) AC_NONNULL(1);

#endif
