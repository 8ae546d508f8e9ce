check_PROGRAMS += %D%/test_wire_parse
TESTS += %D%/test_wire_parse
tests_unit_test_wire_parse_SOURCES = %D%/test_wire_parse.c %D%/unit.h
tests_unit_test_wire_parse_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_wire_parse_LDADD = libwire.la libbase.la $(CMOCKA_LIBS)
