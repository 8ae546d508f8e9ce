noinst_LTLIBRARIES += libspool.la
libspool_la_SOURCES = \
	%D%/box.c \
	%D%/crc32c.c %D%/crc32c.h \
	%D%/deliver.c \
	%D%/fs.c \
	%D%/internal.h \
	%D%/journal.c %D%/journal.h %D%/journal_int.h \
	%D%/lock.c \
	%D%/replay.c \
	%D%/ring.c \
	%D%/spool.h \
	%D%/take.c \
	%D%/watch.c
libspool_la_LIBADD = libbase.la
