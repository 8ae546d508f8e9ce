noinst_LTLIBRARIES += libident.la
libident_la_SOURCES = \
	%D%/auth.c \
	%D%/ident.h \
	%D%/internal.h \
	%D%/key.c \
	%D%/pem.c \
	%D%/sign.c
libident_la_LIBADD = libbase.la $(SODIUM_LIBS)
