/*
 * attr.h - compiler attributes for public prototypes.
 */
#ifndef AC_BASE_ATTR_H
#define AC_BASE_ATTR_H

#define AC_MUST_CHECK	__attribute__((warn_unused_result))
#define AC_NONNULL(...)	__attribute__((nonnull(__VA_ARGS__)))
#define AC_PRINTF(f, a)	__attribute__((format(printf, f, a)))
#define AC_NORETURN	__attribute__((noreturn))

#define AC_COUNTOF(a)	(sizeof(a) / sizeof((a)[0]))

#endif
