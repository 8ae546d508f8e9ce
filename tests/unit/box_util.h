/*
 * box_util.h - a spool in a new directory, and looking at it from outside.
 */
#ifndef AC_TESTS_BOX_UTIL_H
#define AC_TESTS_BOX_UTIL_H

#include <stdbool.h>
#include <stddef.h>

#include "spool/spool.h"

struct spot {
	char		 path[64];
	int		 fd;
	struct spool	*sp;
};

/* cmocka's setup and teardown: *state is a struct spot. */
int	spot_make(void **state);
int	spot_remove(void **state);
/* As after a crash and a new start. */
void	spot_reopen(struct spot *);

/* Paths are relative to the spool. */
struct spool_box *spot_box(struct spot *, const char *name);
bool	spot_has(const struct spot *, const char *path);
size_t	spot_count(const struct spot *, const char *path);	/* entries */
void	spot_put(const struct spot *, const char *path, const char *text);
/* The whole file; the caller's to free. */
char	*spot_text(const struct spot *, const char *path, size_t *len);

/* printf to a new string; the caller's to free. */
char	*spot_str(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
