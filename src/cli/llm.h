/*
 * llm.h - what a language model has to know, in few words.
 */
#ifndef AC_CLI_LLM_H
#define AC_CLI_LLM_H

#include "base/attr.h"
#include "base/buf.h"

#define LLM_MAX 4096	/* what llm_contract() stays under, in bytes */

/* Append the whole contract: files, commands, exit codes, rules. */
void	llm_contract(struct buf *) AC_NONNULL(1);

/* Parts of it: how to use the files of an instance; what keeps one safe. */
void	llm_files(struct buf *) AC_NONNULL(1);
void	llm_rules(struct buf *) AC_NONNULL(1);

#endif
