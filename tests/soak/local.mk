# make soak: the long forms of what is promised, and a table. SCALE=0.01 makes
# it short, PARTS="kill-daemon power" picks. tests/system/test_promises.py runs
# the shortest forms in `make check`.
SOAK_FILES = \
	%D%/soak.py \
	%D%/image.py \
	%D%/load.py \
	%D%/part_kill.py \
	%D%/part_net.py \
	%D%/part_power.py \
	%D%/part_relay.py \
	%D%/part_spool.py
EXTRA_DIST += $(SOAK_FILES)

soak: all tests/bench/fan$(EXEEXT)
	env AGENTCHAT=$(abs_top_builddir)/agentchat PYTHONDONTWRITEBYTECODE=1 \
	    $(PYTEST_PYTHON) $(top_srcdir)/%D%/soak.py $(PARTS)
.PHONY: soak
