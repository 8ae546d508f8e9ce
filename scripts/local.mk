dist_noinst_SCRIPTS = %D%/check-floors
TESTS += %D%/check-floors
