noinst_LTLIBRARIES += libdaemon.la
libdaemon_la_SOURCES = \
	%D%/ask.c \
	%D%/batch.c %D%/batch.h \
	%D%/bridge.c \
	%D%/check.c %D%/check_ring.c %D%/check_int.h \
	%D%/collect.c \
	%D%/cursor.c %D%/cursor.h \
	%D%/daemon.h \
	%D%/digest.c %D%/digest.h \
	%D%/item.c %D%/item.h \
	%D%/judge.c \
	%D%/once.c %D%/once.h \
	%D%/sender.c \
	%D%/settle.c \
	%D%/publish.c \
	%D%/quota.c \
	%D%/outcome.c %D%/outcome.h \
	%D%/readme.c \
	%D%/receive.c \
	%D%/recover.c \
	%D%/refused.c \
	%D%/resume.c \
	%D%/room.c \
	%D%/roster.c %D%/roster.h \
	%D%/seen.c %D%/seen.h \
	%D%/start.c \
	%D%/state.h \
	%D%/status.c %D%/status.h \
	%D%/tick.c \
	%D%/trust.c %D%/trust.h \
	%D%/views.c \
	%D%/work.c %D%/work.h \
	%D%/work_sign.c \
	%D%/worker.c %D%/worker.h
