noinst_LTLIBRARIES += libspool.la
libspool_la_SOURCES = \
	%D%/crc32c.c %D%/crc32c.h \
	%D%/fs.c \
	%D%/internal.h \
	%D%/journal.c %D%/journal.h %D%/journal_int.h \
	%D%/replay.c \
	%D%/spool.h
libspool_la_LIBADD = libbase.la
