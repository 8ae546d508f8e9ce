check_PROGRAMS += %D%/test_base
TESTS += %D%/test_base
tests_unit_test_base_SOURCES = %D%/test_base.c %D%/unit.h
tests_unit_test_base_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_base_LDADD = libbase.la $(CMOCKA_LIBS)
