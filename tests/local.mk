include tests/unit/local.mk
include tests/system/local.mk
include tests/bench/local.mk
include tests/fuzz/local.mk
include tests/soak/local.mk

# All tests again with AddressSanitizer and UBSan, in a build of their own. A
# source tree that is built in itself can't be built elsewhere: then a copy.
.PHONY: check-asan
check-asan:
	@src=$(abs_top_srcdir); \
	if test -e $$src/config.status; then \
		$(MAKE) distdir distdir=check-asan-src >/dev/null || exit 1; \
		src=$(abs_top_builddir)/check-asan-src; \
	fi; \
	$(MKDIR_P) check-asan && cd check-asan && \
	{ test -e config.status || \
	    $$src/configure -q --enable-asan CC='$(CC)'; } && \
	$(MAKE) check

clean-local: clean-check-asan
clean-check-asan:
	@chmod -R u+w check-asan-src 2>/dev/null; \
	rm -rf check-asan check-asan-src
