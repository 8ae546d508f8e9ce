/*
 * test_wire_alloc.c - every allocation of wire fails once, ours by the
 * linker's --wrap and cJSON's by its hooks: -ENOMEM, nothing lost, and the
 * next message is read as if nothing had been.
 */
#include "config.h"

#include "unit.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "wire/msg.h"

void	*__real_calloc(size_t, size_t);
void	*__real_realloc(void *, size_t);
void	*__real_reallocarray(void *, size_t, size_t);
void	*__wrap_calloc(size_t, size_t);
void	*__wrap_realloc(void *, size_t);
void	*__wrap_reallocarray(void *, size_t, size_t);

static int countdown;	/* the allocation that fails; 0: none */

static bool
fails(void)
{
	return countdown > 0 && --countdown == 0;
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

void *
__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

static void *
cjson_malloc(size_t size)
{
	return fails() ? NULL : malloc(size);
}

static const char joined[] = "{\"type\":\"JOINED\",\"channel\":\"#a\","
    "\"agents\":[\"@a\",\"@b\"],\"names\":{\"@a\":\"x\",\"@b\":\"y\"},"
    "\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,"
    "\"i\":1,\"j\":1,\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1,"
    "\"q\":1,\"r\":1,\"s\":1,\"t\":1,\"u\":1,\"v\":1,\"w\":1,\"x\":1,"
    "\"y\":1,\"z\":1,\"aa\":1,\"bb\":1,\"cc\":1,\"dd\":1}";

/* Run step with allocation 1, 2, ... failing until none is left to fail. */
static void
fail_each(int (*step)(void), int at_least)
{
	int n = 0, rc;

	do {
		countdown = ++n;
		rc = step();
		assert_true(rc == 0 || rc == -ENOMEM);
		/* Where it failed it said so; where not, it had none left. */
		assert_int_equal(countdown == 0, rc == -ENOMEM);
		countdown = 0;
	} while (rc != 0);
	assert_true(n > at_least);
}

static int
parse_twice(void)
{
	struct wire_msg m;
	int rc;

	wire_msg_init(&m);
	rc = wire_parse(&m, joined, sizeof(joined) - 1, WIRE_FROM_RELAY);
	if (rc < 0) {
		countdown = 0;
		for (int f = 0; f < WIRE_FIELD_COUNT; f++)
			assert_false(wire_has(&m, f));
		assert_int_equal(wire_parse(&m, joined, sizeof(joined) - 1,
		    WIRE_FROM_RELAY), 0);
	}
	assert_int_equal(m.type, WIRE_JOINED);
	assert_string_equal(wire_member(&m.f[WF_NAMES], "@b").s, "y");
	wire_msg_fini(&m);
	return rc;
}

static int
parse_object(void)
{
	struct wire_msg m;
	int rc;

	wire_msg_init(&m);
	rc = wire_parse_object(&m, joined, sizeof(joined) - 1);
	for (int f = 0; rc < 0 && f < WIRE_FIELD_COUNT; f++)
		assert_false(wire_has(&m, f));
	wire_msg_fini(&m);
	return rc;
}

static int
canon(void)
{
	struct buf b = BUF_INIT;
	int rc = wire_canon(&b, joined, sizeof(joined) - 1);

	buf_fini(&b);
	return rc;
}

static int
copy(void)
{
	struct buf b = BUF_INIT;
	int rc = wire_copy_without(&b, joined, sizeof(joined) - 1, NULL, 0);

	buf_fini(&b);
	return rc;
}

static void
parsing_survives_each_failed_allocation(void **state)
{
	(void)state;
	fail_each(parse_twice, 15);
}

static void
reading_an_object_survives_each_failed_allocation(void **state)
{
	(void)state;
	fail_each(parse_object, 15);
}

static void
canon_survives_each_failed_allocation(void **state)
{
	(void)state;
	fail_each(canon, 80);
}

static void
copying_survives_each_failed_allocation(void **state)
{
	(void)state;
	fail_each(copy, 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsing_survives_each_failed_allocation),
		cmocka_unit_test(
		    reading_an_object_survives_each_failed_allocation),
		cmocka_unit_test(canon_survives_each_failed_allocation),
		cmocka_unit_test(copying_survives_each_failed_allocation),
	};
	cJSON_Hooks hooks = { cjson_malloc, free };

	cJSON_InitHooks(&hooks);
	return cmocka_run_group_tests_name("wire/alloc", tests, NULL, NULL);
}
