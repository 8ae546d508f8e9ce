noinst_LTLIBRARIES += libledger.la
libledger_la_SOURCES = \
	%D%/elo.c \
	%D%/ledger.h \
	%D%/proposal.c \
	%D%/rating.c \
	%D%/receipt.c \
	%D%/step.c
libledger_la_LIBADD = -lm
