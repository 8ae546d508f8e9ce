check_PROGRAMS += %D%/test_deploy
TESTS += %D%/test_deploy
tests_unit_test_deploy_SOURCES = %D%/test_deploy.c %D%/unit.h
tests_unit_test_deploy_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_deploy_LDADD = libdeploy.la libwire.la libspool.la libbase.la \
	$(CMOCKA_LIBS)
