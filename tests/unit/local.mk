# One cmocka program per module; a folder of the tree has its own list.
UNIT_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
if HAVE_CMOCKA
include tests/unit/base.mk
include tests/unit/cli.mk
include tests/unit/client.mk
include tests/unit/deploy.mk
include tests/unit/spool.mk
include tests/unit/ident.mk
include tests/unit/spoolout.mk
include tests/unit/relay.mk
include tests/unit/wire.mk
endif
