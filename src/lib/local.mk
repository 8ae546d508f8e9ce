noinst_LTLIBRARIES += liblib.la
liblib_la_SOURCES = \
	%D%/backoff.c %D%/backoff.h \
	%D%/call.c \
	%D%/client.h \
	%D%/conn.c %D%/conn.h \
	%D%/daemons.c %D%/daemons.h \
	%D%/deal.c %D%/deal.h \
	%D%/enc.c \
	%D%/loop.c %D%/loop.h \
	%D%/probe.c \
	%D%/reason.c %D%/reason.h \
	%D%/resolve.c %D%/resolve.h \
	%D%/proof.c %D%/proof.h \
	%D%/session.c \
	%D%/url.c
liblib_la_LIBADD = $(LWS_LIBS) $(SSL_LIBS)
