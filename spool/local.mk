noinst_LTLIBRARIES += libspool.la
libspool_la_SOURCES = \
	%D%/fs.c \
	%D%/internal.h \
	%D%/spool.h
