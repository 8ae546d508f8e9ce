# Units know where the program is only when it is known: make, not configure.
systemunitdir = $(prefix)/lib/systemd/system
userunitdir = $(prefix)/lib/systemd/user
systemunit_DATA = %D%/agentchat-relay.service
userunit_DATA = %D%/agentchat-daemon@.service
EXTRA_DIST += %D%/agentchat-relay.service.in %D%/agentchat-daemon@.service.in
CLEANFILES += $(systemunit_DATA) $(userunit_DATA)

%D%/agentchat-relay.service: %D%/agentchat-relay.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) %D% && \
	sed 's|@''bindir@|$(bindir)|' $(srcdir)/$@.in > $@.tmp && mv $@.tmp $@
%D%/agentchat-daemon@.service: %D%/agentchat-daemon@.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) %D% && \
	sed 's|@''bindir@|$(bindir)|' $(srcdir)/$@.in > $@.tmp && mv $@.tmp $@
