# The real programs, real sockets and real files, with an independent client
# (Python's) on the other side. One file of tests is one test of `make check`.
SYSTEM_TESTS = \
	%D%/test_daemon_cli.py \
	%D%/test_access.py \
	%D%/test_cli_outcomes.py \
	%D%/test_cli_table.py \
	%D%/test_completion.py \
	%D%/test_connect.py \
	%D%/test_commands.py \
	%D%/test_deploy.py \
	%D%/test_doctor.py \
	%D%/test_daemon_crash.py \
	%D%/test_daemon_relays.py \
	%D%/test_faults.py \
	%D%/test_files.py \
	%D%/test_health.py \
	%D%/test_hostile.py \
	%D%/test_identity.py \
	%D%/test_idle.py \
	%D%/test_journal.py \
	%D%/test_library.py \
	%D%/test_limits.py \
	%D%/test_metrics.py \
	%D%/test_notify.py \
	%D%/test_operator.py \
	%D%/test_promises.py \
	%D%/test_protocol.py \
	%D%/test_ratings.py \
	%D%/test_readme.py \
	%D%/test_restart.py \
	%D%/test_sandbox.py \
	%D%/test_setup.py \
	%D%/test_sessions.py \
	%D%/test_trust.py \
	%D%/test_valgrind.py \
	%D%/test_work.py
TESTS += $(SYSTEM_TESTS)
TEST_EXTENSIONS = .py
PY_LOG_COMPILER = env AGENTCHAT=$(abs_top_builddir)/agentchat \
	PYTHON=$(PYTEST_PYTHON) $(SHELL) $(top_srcdir)/%D%/run
dist_noinst_SCRIPTS += %D%/run
EXTRA_DIST += $(SYSTEM_TESTS) %D%/harness.py %D%/conftest.py %D%/pytest.ini
EXTRA_DIST += %D%/confine.py %D%/fake_akt.py %D%/fakerelay.py
EXTRA_DIST += %D%/work.py %D%/library.c

check_PROGRAMS += %D%/elo
tests_system_elo_SOURCES = %D%/elo.c
tests_system_elo_LDADD = libledger.la libident.la libwire.la libbase.la
