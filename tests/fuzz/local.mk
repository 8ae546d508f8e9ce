# Fuzz targets: fuzz_X.c has a corpus of its own in corpus/X. Configured with
# CC=clang --enable-fuzz --enable-asan they are libFuzzer programs, and make
# fuzz runs each for FUZZ_SECONDS; else make check runs each over its corpus.
FUZZ_SECONDS = 60
FUZZ_TARGETS = \
	%D%/fuzz_ident_key \
	%D%/fuzz_wire_canon \
	%D%/fuzz_wire_copy \
	%D%/fuzz_wire_parse
EXTRA_DIST += %D%/corpus %D%/json.dict %D%/replay.c

if FUZZ
FUZZ_MAIN = %D%/fuzz.h
LINK_FUZZ = $(AM_LDFLAGS) -fsanitize=fuzzer
else
FUZZ_MAIN = %D%/fuzz.h %D%/replay.c
LINK_FUZZ = $(AM_LDFLAGS)
TESTS += $(FUZZ_TARGETS)
endif
check_PROGRAMS += $(FUZZ_TARGETS)

tests_fuzz_fuzz_ident_key_SOURCES = %D%/fuzz_ident_key.c $(FUZZ_MAIN)
tests_fuzz_fuzz_ident_key_LDADD = libident.la libwire.la libbase.la
tests_fuzz_fuzz_ident_key_LDFLAGS = $(LINK_FUZZ)
tests_fuzz_fuzz_wire_canon_SOURCES = %D%/fuzz_wire_canon.c $(FUZZ_MAIN)
tests_fuzz_fuzz_wire_canon_LDADD = libwire.la libbase.la
tests_fuzz_fuzz_wire_canon_LDFLAGS = $(LINK_FUZZ)
tests_fuzz_fuzz_wire_copy_SOURCES = %D%/fuzz_wire_copy.c $(FUZZ_MAIN)
tests_fuzz_fuzz_wire_copy_LDADD = libwire.la libbase.la
tests_fuzz_fuzz_wire_copy_LDFLAGS = $(LINK_FUZZ)
tests_fuzz_fuzz_wire_parse_SOURCES = %D%/fuzz_wire_parse.c $(FUZZ_MAIN)
tests_fuzz_fuzz_wire_parse_LDADD = libwire.la libbase.la
tests_fuzz_fuzz_wire_parse_LDFLAGS = $(LINK_FUZZ)

# What is found new stays in fuzz-found/, beside crash-* files.
.PHONY: fuzz
if FUZZ
fuzz: $(FUZZ_TARGETS)
	@for t in $(FUZZ_TARGETS); do \
		n=$${t##*/fuzz_}; \
		mkdir -p fuzz-found/$$n && echo "fuzz: $$n" && \
		./$$t -max_total_time=$(FUZZ_SECONDS) -max_len=16384 \
		    -timeout=10 -print_final_stats=1 -verbosity=0 \
		    -dict=$(srcdir)/%D%/json.dict fuzz-found/$$n \
		    $(srcdir)/%D%/corpus/$$n || exit 1; \
	done
else
fuzz:
	@echo "fuzz: configure with CC=clang --enable-fuzz --enable-asan" >&2
	@exit 1
endif
