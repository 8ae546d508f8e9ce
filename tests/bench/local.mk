# make bench: what it costs, on this machine. ROUNDS=1 and BENCH="-s 0.1 fan"
# make it short; make check only builds it. RESULTS.md is the reference run,
# and bench-plots draws its curves anew.
ROUNDS = 5
check_PROGRAMS += %D%/parts %D%/fan %D%/run
tests_bench_parts_SOURCES = %D%/parts.c %D%/bench.h
tests_bench_parts_LDADD = libwire.la libspool.la libbase.la
tests_bench_fan_SOURCES = %D%/fan.c %D%/bench.h
tests_bench_run_SOURCES = %D%/run.c %D%/bench.h
EXTRA_DIST += \
	%D%/RESULTS.md \
	%D%/bench.py \
	%D%/fan.gp %D%/fan.svg %D%/fan.tsv \
	%D%/idle.gp %D%/idle.svg %D%/idle.tsv

RUN_BENCH = env AGENTCHAT=$(abs_top_builddir)/agentchat \
	BENCH_BIN=$(abs_top_builddir)/%D% PYTHONDONTWRITEBYTECODE=1 \
	$(PYTEST_PYTHON) $(top_srcdir)/%D%/bench.py -n $(ROUNDS)
bench: all %D%/parts %D%/fan %D%/run
	$(RUN_BENCH) $(BENCH)
bench-plots: all %D%/parts %D%/fan %D%/run
	$(RUN_BENCH) -w $(top_srcdir)/%D%
	cd $(top_srcdir)/%D% && gnuplot fan.gp && gnuplot idle.gp
.PHONY: bench bench-plots
