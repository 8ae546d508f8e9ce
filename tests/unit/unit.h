/*
 * unit.h - cmocka with the headers that it forgets to include itself.
 */
#ifndef AC_TESTS_UNIT_H
#define AC_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
