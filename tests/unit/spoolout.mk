# The journal, the outgoing queue and its intake.
SOURCES_FAULT = %D%/fault.c %D%/fault.h %D%/unit.h
LDFLAGS_FAULT = $(AM_LDFLAGS) -Wl,--wrap=openat,--wrap=syscall \
	-Wl,--wrap=write,--wrap=pwrite \
	-Wl,--wrap=ftruncate,--wrap=fsync,--wrap=fdatasync \
	-Wl,--wrap=mkdirat,--wrap=linkat,--wrap=syncfs \
	-Wl,--wrap=sync_file_range \
	-Wl,--wrap=fallocate \
	-Wl,--wrap=unlinkat,--wrap=renameat,--wrap=renameat2

check_PROGRAMS += %D%/test_journal
TESTS += %D%/test_journal
tests_unit_test_journal_SOURCES = %D%/test_journal.c $(SOURCES_FAULT)
tests_unit_test_journal_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_journal_LDFLAGS = $(LDFLAGS_FAULT)
tests_unit_test_journal_LDADD = libspool.la libbase.la $(CMOCKA_LIBS)

SOURCES_OUTQ = %D%/outq.c %D%/outq.h $(SOURCES_FAULT)

check_PROGRAMS += %D%/test_outbox
TESTS += %D%/test_outbox
tests_unit_test_outbox_SOURCES = %D%/test_outbox.c $(SOURCES_OUTQ)
tests_unit_test_outbox_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_outbox_LDFLAGS = $(LDFLAGS_FAULT)
tests_unit_test_outbox_LDADD = libspool.la libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test_queue
TESTS += %D%/test_queue
tests_unit_test_queue_SOURCES = %D%/test_queue.c $(SOURCES_OUTQ)
tests_unit_test_queue_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_LDFLAGS = $(LDFLAGS_FAULT)
tests_unit_test_queue_LDADD = libspool.la libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test_drop
TESTS += %D%/test_drop
tests_unit_test_drop_SOURCES = %D%/test_drop.c $(SOURCES_OUTQ)
tests_unit_test_drop_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_drop_LDFLAGS = $(LDFLAGS_FAULT)
tests_unit_test_drop_LDADD = libspool.la libbase.la $(CMOCKA_LIBS)
