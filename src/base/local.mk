noinst_LTLIBRARIES += libbase.la
libbase_la_SOURCES = \
	%D%/attr.h \
	%D%/buf.c %D%/buf.h \
	%D%/clock.c %D%/clock.h \
	%D%/conf.c %D%/conf.h \
	%D%/confine.c %D%/confine.h \
	%D%/err.c %D%/err.h \
	%D%/le.h \
	%D%/log.c %D%/log.h \
	%D%/map.c %D%/map.h \
	%D%/notify.c %D%/notify.h \
	%D%/rnd.c %D%/rnd.h
