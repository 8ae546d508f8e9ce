# ident_vectors.h is data: Node, which made it, need not be there.
EXTRA_DIST += %D%/ident_vectors.js

check_PROGRAMS += %D%/test_ident
TESTS += %D%/test_ident
tests_unit_test_ident_SOURCES = %D%/test_ident.c %D%/ident_vectors.h \
	%D%/unit.h
tests_unit_test_ident_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ident_LDADD = libident.la libwire.la libbase.la \
	$(CMOCKA_LIBS) $(SODIUM_LIBS)

check_PROGRAMS += %D%/test_ident_file
TESTS += %D%/test_ident_file
tests_unit_test_ident_file_SOURCES = %D%/test_ident_file.c \
	%D%/ident_vectors.h $(SOURCES_FAULT)
tests_unit_test_ident_file_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ident_file_LDFLAGS = $(LDFLAGS_FAULT) \
	-Wl,--wrap=free,--wrap=realloc
tests_unit_test_ident_file_LDADD = libident.la libwire.la libbase.la \
	$(CMOCKA_LIBS) \
	$(SODIUM_LIBS) $(CJSON_LIBS)
