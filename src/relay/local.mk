noinst_LTLIBRARIES += librelay.la
librelay_la_SOURCES = \
	%D%/access.c \
	%D%/agent.c %D%/agent.h \
	%D%/auth.c \
	%D%/chan.c %D%/chan.h \
	%D%/check.c \
	%D%/clean.c \
	%D%/dedupe.c %D%/dedupe.h \
	%D%/dispatch.c \
	%D%/history.c \
	%D%/http.c \
	%D%/internal.h \
	%D%/listen.c %D%/listen.h \
	%D%/loop.c %D%/loop.h \
	%D%/mailbox.c \
	%D%/mem.c %D%/mem.h \
	%D%/metrics.c \
	%D%/on_channel.c \
	%D%/on_msg.c \
	%D%/on_presence.c \
	%D%/on_session.c \
	%D%/on_verify.c \
	%D%/on_work.c \
	%D%/operator.c \
	%D%/peer.c %D%/peer.h \
	%D%/rate.c \
	%D%/rec.c %D%/rec.h \
	%D%/record.c \
	%D%/relay.c %D%/relay.h \
	%D%/reputation.c \
	%D%/restore.c \
	%D%/store.c %D%/store.h \
	%D%/tls.c \
	%D%/turn.c %D%/turn.h \
	%D%/view.c \
	%D%/work.c %D%/work.h
librelay_la_LIBADD = $(LWS_LIBS) $(UV_LIBS) $(SSL_LIBS)
