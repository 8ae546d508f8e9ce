# Everything but main() is in a library, for the unit tests.
noinst_LTLIBRARIES += libcli.la
libcli_la_SOURCES = \
	%D%/agent_key.c %D%/agent_key.h \
	%D%/answer.c %D%/answer.h \
	%D%/background.c %D%/background.h \
	%D%/cmd.c %D%/cmd.h \
	%D%/cmd_accept.c \
	%D%/cmd_agents.c \
	%D%/cmd_channels.c \
	%D%/cmd_complete.c \
	%D%/cmd_connect.c \
	%D%/cmd_create.c \
	%D%/cmd_daemon.c \
	%D%/cmd_deploy.c \
	%D%/cmd_health.c \
	%D%/cmd_dispute.c \
	%D%/cmd_doctor.c \
	%D%/cmd_help.c \
	%D%/cmd_identity.c \
	%D%/cmd_invite.c \
	%D%/cmd_listen.c \
	%D%/cmd_propose.c \
	%D%/cmd_ratings.c \
	%D%/cmd_read.c \
	%D%/cmd_receipts.c \
	%D%/cmd_reject.c \
	%D%/cmd_reply.c \
	%D%/cmd_send.c \
	%D%/cmd_serve.c \
	%D%/cmd_setup.c \
	%D%/cmd_status.c \
	%D%/cmd_verify.c \
	%D%/cmd_wait.c \
	%D%/deal.c %D%/deal.h \
	%D%/chat.h %D%/chat_hear.c %D%/chat_rooms.c %D%/chat_say.c \
	%D%/complete.c %D%/complete.h \
	%D%/deploy_akash.c %D%/deploy_akash.h \
	%D%/drop.c %D%/drop.h \
	%D%/eyes.c %D%/eyes.h \
	%D%/follow.c %D%/follow.h \
	%D%/help.c \
	%D%/hook.c %D%/hook.h \
	%D%/identity.h %D%/identity_chain.c \
	%D%/here.c \
	%D%/llm.c %D%/llm.h \
	%D%/in.c %D%/in.h \
	%D%/inst.c %D%/inst.h \
	%D%/letter.c %D%/letter.h \
	%D%/line.c %D%/line.h \
	%D%/opt.c \
	%D%/out.c %D%/out.h \
	%D%/pass.c %D%/pass.h \
	%D%/remote.c %D%/remote.h \
	%D%/say.c \
	%D%/send_remote.c \
	%D%/setup.h %D%/setup_file.c %D%/setup_hooks.c %D%/setup_note.c \
	%D%/show.c %D%/show.h \
	%D%/state.c %D%/state.h \
	%D%/tty.c %D%/tty.h \
	%D%/yaml.c %D%/yaml.h
libcli_la_CFLAGS = $(AM_CFLAGS) $(EDIT_CFLAGS)
libcli_la_LIBADD = $(EDIT_LIBS) librelay.la libdaemon.la libdeploy.la liblib.la libledger.la libident.la libwire.la \
	libspool.la libbase.la

# The program three times: small as it is called, whole as that calls it, and
# what of it stays, relay and daemon (front.c). The linker leaves out of the
# small ones what nothing in them refers to.
bin_PROGRAMS += agentchat
agentchat_SOURCES = %D%/front.c
agentchat_CPPFLAGS = $(AM_CPPFLAGS) -DBINDIR='"$(bindir)"' \
	-DPKGLIBEXECDIR='"$(pkglibexecdir)"'
agentchat_LDFLAGS = $(AM_LDFLAGS) -Wl,--as-needed
agentchat_LDADD = libcli.la

pkglibexec_PROGRAMS = %D%/agentchat %D%/agentchatd
src_cli_agentchat_SOURCES = %D%/main.c
src_cli_agentchat_LDADD = libcli.la
src_cli_agentchatd_SOURCES = %D%/resident.c
src_cli_agentchatd_LDFLAGS = $(AM_LDFLAGS) -Wl,--as-needed
src_cli_agentchatd_LDADD = libcli.la

# The program prints its own completions; one built for another machine can't
# be run here, and is installed without.
if !CROSS
bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
fishcompletiondir = $(datadir)/fish/vendor_completions.d
nodist_bashcompletion_DATA = completions/agentchat
nodist_zshcompletion_DATA = completions/_agentchat
nodist_fishcompletion_DATA = completions/agentchat.fish
BOTH = agentchat$(EXEEXT) %D%/agentchat$(EXEEXT)
COMPLETE = $(MKDIR_P) completions && ./agentchat$(EXEEXT) help --completions

completions/agentchat: $(BOTH)
	$(AM_V_GEN)$(COMPLETE) bash > $@.tmp && mv $@.tmp $@
completions/_agentchat: $(BOTH)
	$(AM_V_GEN)$(COMPLETE) zsh > $@.tmp && mv $@.tmp $@
completions/agentchat.fish: $(BOTH)
	$(AM_V_GEN)$(COMPLETE) fish > $@.tmp && mv $@.tmp $@
CLEANFILES += completions/agentchat completions/_agentchat \
	completions/agentchat.fish
endif
