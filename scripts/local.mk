dist_noinst_SCRIPTS = \
	%D%/check-floors \
	%D%/check-image \
	%D%/check-man \
	%D%/check-shell \
	%D%/count-tests \
	%D%/deb \
	%D%/demo \
	%D%/setup \
	%D%/test \
	.ci/run
TESTS += \
	%D%/check-floors \
	%D%/check-man \
	%D%/check-shell
