noinst_LTLIBRARIES += libident.la
libident_la_SOURCES = \
	%D%/auth.c \
	%D%/box.c \
	%D%/chain.c \
	%D%/file.c \
	%D%/ident.h \
	%D%/internal.h \
	%D%/key.c \
	%D%/lock.c \
	%D%/pem.c \
	%D%/sign.c
libident_la_LIBADD = $(SODIUM_LIBS)
