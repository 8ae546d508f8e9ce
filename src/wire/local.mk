noinst_LTLIBRARIES += libwire.la
libwire_la_SOURCES = \
	%D%/canon.c \
	%D%/check.c \
	%D%/emit.c \
	%D%/limits.h \
	%D%/msg.h \
	%D%/num.c \
	%D%/parse.c \
	%D%/scan.c %D%/scan.h \
	%D%/table.h %D%/types.c \
	%D%/utf8.h
libwire_la_LIBADD = $(CJSON_LIBS)
