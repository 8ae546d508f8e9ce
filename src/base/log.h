/*
 * log.h - one JSON object per line on standard error.
 *
 *	log_warn("mailbox", "agent", id, "err", ac_strerror(rc), NULL);
 *	{"ts":"2026-02-02T12:34:56.789Z","level":"warn","event":"mailbox",
 *	    "agent":"@1f3a9c02","err":"No space left on device"}
 *
 * Keys and values are strings, in pairs, ended by NULL; a NULL value is
 * printed as null. Foreign bytes are escaped. Never a key, never the body of
 * a message. Only floors 4 and up call this; those below return.
 */
#ifndef AC_BASE_LOG_H
#define AC_BASE_LOG_H

#include "base/attr.h"

#define AC_SENTINEL __attribute__((sentinel))

void	log_info(const char *event, ...) AC_NONNULL(1) AC_SENTINEL;
void	log_warn(const char *event, ...) AC_NONNULL(1) AC_SENTINEL;
void	log_error(const char *event, ...) AC_NONNULL(1) AC_SENTINEL;

/* A number as a log value: into out, which is returned. */
#define LOG_NUM_MAX 24
const char *log_num(char out[LOG_NUM_MAX], long long) AC_NONNULL(1);

#endif
