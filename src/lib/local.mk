noinst_LTLIBRARIES += liblib.la
liblib_la_SOURCES = \
	%D%/backoff.c %D%/backoff.h \
	%D%/call.c \
	%D%/client.h \
	%D%/conn.c %D%/conn.h \
	%D%/daemons.c %D%/daemons.h \
	%D%/deal.c %D%/deal.h \
	%D%/echo.c %D%/echo.h \
	%D%/enc.c \
	%D%/gather.c %D%/gather.h \
	%D%/loop.c %D%/loop.h \
	%D%/pace.c %D%/pace.h \
	%D%/probe.c \
	%D%/reason.c %D%/reason.h \
	%D%/resolve.c %D%/resolve.h \
	%D%/proof.c %D%/proof.h \
	%D%/session.c \
	%D%/url.c
liblib_la_LIBADD = $(LWS_LIBS) $(SSL_LIBS) $(EPOLL_LIBS)

# The public library: everything above and below, and nothing visible but what
# agentchat.h declares. A new function is a new line of libagentchat.map, under
# the version that it comes with. Version-info: doc/HACKING.md.
lib_LTLIBRARIES += libagentchat.la
libagentchat_la_SOURCES = \
	%D%/agentchat.c %D%/agentchat.h \
	%D%/identity.c %D%/identity.h \
	%D%/manage.c \
	%D%/object.c %D%/object.h \
	%D%/request.c \
	%D%/session_int.h \
	%D%/work.c
libagentchat_la_LIBADD = liblib.la libledger.la libident.la libwire.la \
	libspool.la libbase.la
libagentchat_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined \
	-Wl,--version-script=$(srcdir)/%D%/libagentchat.map
EXTRA_libagentchat_la_DEPENDENCIES = %D%/libagentchat.map
include_HEADERS += %D%/agentchat.h
pkgconfigdir = $(libdir)/pkgconfig
nodist_pkgconfig_DATA = %D%/agentchat.pc
EXTRA_DIST += %D%/libagentchat.map %D%/agentchat.pc.in
