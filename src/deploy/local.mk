noinst_LTLIBRARIES += libdeploy.la
libdeploy_la_SOURCES = \
	%D%/akash.c \
	%D%/akt.c %D%/akt.h \
	%D%/ask.c \
	%D%/config.c \
	%D%/deploy.h \
	%D%/docker.c \
	%D%/files.c \
	%D%/flow.c \
	%D%/home.c \
	%D%/internal.h \
	%D%/record.c \
	%D%/sdl.c \
	%D%/value.c \
	%D%/wallet.c \
	%D%/work.h
libdeploy_la_CFLAGS = $(AM_CFLAGS) $(YAML_CFLAGS)
libdeploy_la_LIBADD = $(YAML_LIBS)
# What a person copies: made by this code, and a test checks that it is so.
EXTRA_DIST += \
	deploy/akash/akash-sdl.yaml deploy/akash/deploy.yaml \
	deploy/docker/.dockerignore deploy/docker/Dockerfile \
	deploy/docker/deploy.yaml deploy/docker/docker-compose.yml
