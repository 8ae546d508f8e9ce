/*
 * conf.h - settings from text: numbers with bounds, sizes, spans.
 */
#ifndef AC_BASE_CONF_H
#define AC_BASE_CONF_H

#include <stdint.h>

#include "base/attr.h"

/*
 * Parse a whole string: "10", sizes as "512", "64k", "1M", "2G" (powers of
 * 1024), spans as "250ms", "30s", "5m", "24h", "7d" (a bare number: seconds).
 *
 * Returns 0; -EINVAL if it is none; -ERANGE outside min .. max. *out is
 * written on success only.
 */
int	conf_int(const char *, int64_t min, int64_t max, int64_t *out)
	    AC_NONNULL(1, 4) AC_MUST_CHECK;
int	conf_double(const char *, double min, double max, double *out)
	    AC_NONNULL(1, 4) AC_MUST_CHECK;
int	conf_size(const char *, int64_t min, int64_t max, int64_t *out)
	    AC_NONNULL(1, 4) AC_MUST_CHECK;
int	conf_span_ms(const char *, int64_t min, int64_t max, int64_t *out)
	    AC_NONNULL(1, 4) AC_MUST_CHECK;

#endif
