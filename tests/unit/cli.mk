check_PROGRAMS += %D%/test_cli
TESTS += %D%/test_cli
tests_unit_test_cli_SOURCES = %D%/test_cli.c %D%/unit.h
tests_unit_test_cli_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_cli_LDADD = libcli.la $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test_follow
TESTS += %D%/test_follow
tests_unit_test_follow_SOURCES = %D%/test_follow.c %D%/unit.h
tests_unit_test_follow_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_follow_LDADD = libcli.la $(CMOCKA_LIBS)
