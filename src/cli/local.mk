# Everything but main() is in a library, for the unit tests.
noinst_LTLIBRARIES += libcli.la
libcli_la_SOURCES = \
	%D%/cmd.c %D%/cmd.h \
	%D%/cmd_help.c \
	%D%/cmd_serve.c \
	%D%/opt.c \
	%D%/out.c %D%/out.h \
	%D%/say.c
libcli_la_LIBADD = librelay.la libident.la libwire.la libspool.la libbase.la

bin_PROGRAMS += agentchat
agentchat_SOURCES = %D%/main.c
agentchat_LDADD = libcli.la
