check_PROGRAMS += %D%/test_lib
TESTS += %D%/test_lib
tests_unit_test_lib_SOURCES = %D%/test_lib.c %D%/unit.h \
	src/lib/backoff.c src/lib/url.c
tests_unit_test_lib_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_lib_LDADD = libbase.la $(CMOCKA_LIBS)
