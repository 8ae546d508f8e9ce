noinst_LTLIBRARIES += librelay.la
librelay_la_SOURCES = \
	%D%/access.c \
	%D%/agent.c \
	%D%/auth.c \
	%D%/chan.c \
	%D%/check.c \
	%D%/clean.c \
	%D%/dedupe.c \
	%D%/dispatch.c \
	%D%/history.c \
	%D%/http.c \
	%D%/internal.h \
	%D%/listen.c %D%/listen.h \
	%D%/loop.c %D%/loop.h \
	%D%/mailbox.c \
	%D%/mem.c \
	%D%/metrics.c \
	%D%/on_channel.c \
	%D%/on_msg.c \
	%D%/on_presence.c \
	%D%/on_session.c \
	%D%/on_verify.c \
	%D%/on_work.c \
	%D%/operator.c \
	%D%/peer.c \
	%D%/rate.c \
	%D%/rec.c %D%/rec.h \
	%D%/record.c \
	%D%/relay.c %D%/relay.h \
	%D%/reputation.c \
	%D%/restore.c \
	%D%/store.c %D%/store.h \
	%D%/tls.c \
	%D%/turn.c \
	%D%/view.c \
	%D%/work.c
librelay_la_LIBADD = $(LWS_LIBS) $(UV_LIBS) $(SSL_LIBS)
