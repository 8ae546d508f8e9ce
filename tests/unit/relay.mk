check_PROGRAMS += %D%/test_relay
TESTS += %D%/test_relay
tests_unit_test_relay_SOURCES = %D%/test_relay.c %D%/unit.h
tests_unit_test_relay_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_relay_LDADD = librelay.la libledger.la libident.la libwire.la libspool.la \
	libbase.la $(CMOCKA_LIBS)
