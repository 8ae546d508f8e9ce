WIRE_TESTS = %D%/test_wire_alloc %D%/test_wire_emit %D%/test_wire_parse
check_PROGRAMS += $(WIRE_TESTS)
TESTS += $(WIRE_TESTS)
tests_unit_test_wire_alloc_SOURCES = %D%/test_wire_alloc.c %D%/unit.h
tests_unit_test_wire_alloc_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_wire_alloc_LDADD = libwire.la libbase.la $(CJSON_LIBS) \
	$(CMOCKA_LIBS)
tests_unit_test_wire_alloc_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=calloc,--wrap=realloc,--wrap=reallocarray
tests_unit_test_wire_parse_SOURCES = %D%/test_wire_parse.c %D%/unit.h
tests_unit_test_wire_parse_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_wire_parse_LDADD = libwire.la libbase.la $(CMOCKA_LIBS)
tests_unit_test_wire_emit_SOURCES = %D%/test_wire_emit.c %D%/unit.h
tests_unit_test_wire_emit_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_wire_emit_LDADD = libwire.la libbase.la $(CMOCKA_LIBS)
EXTRA_DIST += \
	%D%/wire_vectors/canon \
	%D%/wire_vectors/make.js \
	%D%/wire_vectors/numbers \
	%D%/wire_vectors/strings
