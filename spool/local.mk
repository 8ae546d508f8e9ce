noinst_LTLIBRARIES += libspool.la
libspool_la_SOURCES = \
	%D%/append.c \
	%D%/box.c \
	%D%/check.c %D%/check.h \
	%D%/crc32c.c %D%/crc32c.h \
	%D%/deliver.c \
	%D%/drop.c \
	%D%/fs.c \
	%D%/internal.h \
	%D%/journal.c %D%/journal.h %D%/journal_int.h \
	%D%/lease.c \
	%D%/lock.c \
	%D%/outbox.c %D%/outbox_int.h \
	%D%/outbox_file.c \
	%D%/outbox_retire.c \
	%D%/queue.c %D%/queue_int.h \
	%D%/queue_items.c \
	%D%/queue_open.c \
	%D%/replay.c \
	%D%/ring.c \
	%D%/spool.h \
	%D%/take.c \
	%D%/usage.c \
	%D%/watch.c
