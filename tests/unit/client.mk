check_PROGRAMS += %D%/test_lib
TESTS += %D%/test_lib
tests_unit_test_lib_SOURCES = %D%/test_lib.c %D%/unit.h \
	src/lib/backoff.c src/lib/url.c
tests_unit_test_lib_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_lib_LDADD = libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test_daemon
TESTS += %D%/test_daemon
tests_unit_test_daemon_SOURCES = %D%/test_daemon.c %D%/unit.h
tests_unit_test_daemon_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_daemon_LDADD = libdaemon.la liblib.la libledger.la libident.la libwire.la \
	libspool.la libbase.la $(CMOCKA_LIBS)
