# ident_vectors.h is data: Node, which made it, need not be there.
EXTRA_DIST += %D%/ident_vectors.js

check_PROGRAMS += %D%/test_ident
TESTS += %D%/test_ident
tests_unit_test_ident_SOURCES = %D%/test_ident.c %D%/ident_vectors.h \
	%D%/unit.h
tests_unit_test_ident_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ident_LDADD = libident.la $(CMOCKA_LIBS) $(SODIUM_LIBS)
