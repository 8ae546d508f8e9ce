# Directories, delivery, rings and watches. The fault injection, with its
# flags, is the journal's (spoolout.mk).
SOURCES_BOX = %D%/box_util.c %D%/box_util.h $(SOURCES_FAULT)

check_PROGRAMS += %D%/test_deliver
TESTS += %D%/test_deliver
tests_unit_test_deliver_SOURCES = %D%/test_deliver.c $(SOURCES_BOX)
tests_unit_test_deliver_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_deliver_LDFLAGS = $(LDFLAGS_FAULT)
tests_unit_test_deliver_LDADD = libspool.la libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test_ring
TESTS += %D%/test_ring
tests_unit_test_ring_SOURCES = %D%/test_ring.c $(SOURCES_BOX)
tests_unit_test_ring_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ring_LDFLAGS = $(LDFLAGS_FAULT)
tests_unit_test_ring_LDADD = libspool.la libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test_box
TESTS += %D%/test_box
tests_unit_test_box_SOURCES = %D%/test_box.c $(SOURCES_BOX)
tests_unit_test_box_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_box_LDFLAGS = $(LDFLAGS_FAULT)
tests_unit_test_box_LDADD = libspool.la libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += %D%/test_watch
TESTS += %D%/test_watch
tests_unit_test_watch_SOURCES = %D%/test_watch.c $(SOURCES_BOX)
tests_unit_test_watch_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_watch_LDFLAGS = $(LDFLAGS_FAULT) \
	-Wl,--wrap=inotify_add_watch
tests_unit_test_watch_LDADD = libspool.la libbase.la $(CMOCKA_LIBS)
