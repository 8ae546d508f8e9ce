check_PROGRAMS += %D%/test_wire_parse %D%/test_wire_emit
TESTS += %D%/test_wire_parse %D%/test_wire_emit
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
