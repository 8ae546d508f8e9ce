dist_man_MANS += \
	%D%/man/agentchat.1 \
	%D%/man/agentchat-channels.1 \
	%D%/man/agentchat-connect.1 \
	%D%/man/agentchat-daemon.1 \
	%D%/man/agentchat-deploy.1 \
	%D%/man/agentchat-doctor.1 \
	%D%/man/agentchat-health.1 \
	%D%/man/agentchat-identity.1 \
	%D%/man/agentchat-read.1 \
	%D%/man/agentchat-receipts.1 \
	%D%/man/agentchat-send.1 \
	%D%/man/agentchat-serve.1 \
	%D%/man/agentchat-setup.1 \
	%D%/man/agentchat-verify.1 \
	%D%/man/agentchat-work.1 \
	%D%/man/agentchat-deploy.yaml.5 \
	%D%/man/agentchat-spool.5 \
	%D%/man/agentchat-protocol.7 \
	%D%/man/libagentchat.3
dist_doc_DATA = %D%/NEWS
EXTRA_DIST += %D%/HACKING.md
