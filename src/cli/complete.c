/*
 * complete.c - completion scripts made from the table, and the words that
 * they ask for: `agentchat help --words KIND`.
 *
 * What an option's argument is, its name in help says (FILE, INSTANCE, ...);
 * what operands are, the synopsis. The scripts know that much; channels and
 * agents they get from the program, which knows where the spool is.
 */
#include "config.h"

#include "cli/complete.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "cli/inst.h"
#include "daemon/daemon.h"
#include "wire/msg.h"

#define ROSTER_MAX	(1 << 20)

/* The kind of words that an argument is one of; "none" if anything goes. */
static const char *
kind_of(const char *arg)
{
	static const struct { const char *arg, *kind; } kinds[] = {
		{ "FILE", "files" }, { "DIR", "dirs" },
		{ "INSTANCE", "instances" }, { "AGENT", "agents" },
		{ "BOX", "boxes" }, { "LIST", "channels" },
	};

	for (size_t i = 0; i < AC_COUNTOF(kinds); i++)
		if (strcmp(kinds[i].arg, arg) == 0)
			return kinds[i].kind;
	return "none";
}

static const char *
operand_kind(const struct cmd *cmd)
{
	if (strstr(cmd->args, "[command]") != NULL)
		return "commands";
	if (strstr(cmd->args, "target") != NULL ||
	    strstr(cmd->args, "@agent") != NULL)
		return "boxes";
	return strstr(cmd->args, "#channel") != NULL ? "channels" : "none";
}

/* fn for every option, --help too; -h is help where it is nothing else. */
static void
each_option(struct buf *b, const struct cmd *cmd,
    void (*fn)(struct buf *, const struct cmd *, const struct cmd_opt *))
{
	struct cmd_opt help = { 'h', "help", NULL, "show this" };

	for (const struct cmd_opt *o = cmd->opts; o != NULL && o->c != 0; o++) {
		if (o->c == 'h')
			help.c = OPT_HELP;
		fn(b, cmd, o);
	}
	fn(b, cmd, &help);
}

/* Text inside single quotes, for any of the three shells. */
static void
quoted(struct buf *b, const char *text, const char *escape)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			buf_adds(b, escape);
		else
			buf_addc(b, *text);
	}
}

/* ------------------------------------------------------------------ bash */

/*
 * '@', '=' and ':' break bash's words, so the word is taken from the line
 * itself. '#' would begin a comment: offered with a backslash, unless
 * the word is quoted already.
 */
static const char bash_head[] =
"# agentchat(1) completion for bash; made by agentchat help --completions\n"
"_agentchat_words() {\n"
"	local kind=$1 cur=$2 quote='' word\n"
"	case $cur in\n"
"	[\\'\\\"]*) quote=${cur:0:1} cur=${cur:1} ;;\n"
"	\\\\*) cur=${cur:1} ;;\n"
"	esac\n"
"	while IFS=$'\\t' read -r word _; do\n"
"		[[ $word == \"$cur\"* ]] || continue\n"
"		if [[ $word == '#'* && -z $quote ]]; then\n"
"			word=\"\\\\$word\"\n"
"		fi\n"
"		COMPREPLY+=(\"$word\")\n"
"	done < <(\"${COMP_WORDS[0]/#\\~\\//$HOME/}\" help --words \"$kind\" \\\n"
"	    \"${where[@]}\" 2>/dev/null)\n"
"}\n"
"\n"
"_agentchat() {\n"
"	local line=${COMP_LINE:0:COMP_POINT} flags='' takes='' operands=none\n"
"	local cur last='' kind='' i value word\n"
"	local -a where=()\n"
"\n"
"	COMPREPLY=()\n"
"	cur=${line##*[[:space:]]}\n"
"	if ((COMP_CWORD == 1)); then\n"
"		_agentchat_words commands \"$cur\"\n"
"		return\n"
"	fi\n"
"	case ${COMP_WORDS[1]} in\n";

static const char bash_tail[] =
"	*) return ;;\n"
"	esac\n"
"	read -ra word <<<\"${line%\"$cur\"}\"\n"
"	for ((i = 2; i < ${#word[@]}; i++)); do\n"
"		last=${word[i]}\n"
"		case $last in\n"
"		--dir | --instance | -I)\n"
"			[[ -n ${word[i + 1]} ]] && where+=(\"$last\" \\\n"
"			    \"${word[i + 1]/#\\~\\//$HOME/}\") ;;\n"
"		--dir=* | --instance=*)\n"
"			value=${last#*=}\n"
"			where+=(\"${last%%=*}\" \"${value/#\\~\\//$HOME/}\") ;;\n"
"		esac\n"
"	done\n"
"	if [[ $cur == --*=* ]]; then\n"
"		last=${cur%%=*} cur=${cur#*=}\n"
"	fi\n"
"	[[ \" $takes \" == *\" $last:\"* ]] &&\n"
"		kind=${takes##*\"$last:\"} kind=${kind%% *}\n"
"	if [[ -z $kind && $cur == -* ]]; then\n"
"		mapfile -t COMPREPLY < <(compgen -W \"$flags\" -- \"$cur\")\n"
"		return\n"
"	fi\n"
"	case ${kind:=$operands} in\n"
"	none) ;;\n"
"	files)\n"
"		compopt -o filenames\n"
"		mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;\n"
"	dirs)\n"
"		compopt -o filenames\n"
"		mapfile -t COMPREPLY < <(compgen -d -- \"$cur\") ;;\n"
"	*) _agentchat_words \"$kind\" \"$cur\" ;;\n"
"	esac\n"
"}\n"
"complete -F _agentchat agentchat\n";

static void
bash_flag(struct buf *b, const struct cmd *cmd, const struct cmd_opt *o)
{
	(void)cmd;
	if (o->c < OPT_HELP)
		buf_addf(b, "-%c ", o->c);
	buf_addf(b, "--%s ", o->name);
}

static void
bash_takes(struct buf *b, const struct cmd *cmd, const struct cmd_opt *o)
{
	(void)cmd;
	if (o->arg == NULL)
		return;
	if (o->c < OPT_HELP)
		buf_addf(b, "-%c:%s ", o->c, kind_of(o->arg));
	buf_addf(b, "--%s:%s ", o->name, kind_of(o->arg));
}

static void
bash_script(struct buf *b)
{
	buf_adds(b, bash_head);
	for (const struct cmd *const *c = cmd_table; *c != NULL; c++) {
		buf_addf(b, "	%s)\n		flags='", (*c)->name);
		each_option(b, *c, bash_flag);
		buf_adds(b, "'\n		takes='");
		each_option(b, *c, bash_takes);
		buf_addf(b, "'\n		operands=%s ;;\n", operand_kind(*c));
	}
	buf_adds(b, bash_tail);
}

/* ------------------------------------------------------------------- zsh */

static const char zsh_head[] =
"#compdef agentchat\n"
"# agentchat(1) completion for zsh; made by agentchat help --completions\n"
"_agentchat_words() {\n"
"	local -a words_ described where\n"
"	local line dir=${opt_args[--dir]} \\\n"
"	    inst=${opt_args[-I]:-${opt_args[--instance]}}\n"
"	[[ -n $dir ]] && where+=(--dir ${~dir})\n"
"	[[ -n $inst ]] && where+=(--instance $inst)\n"
"	for line in ${(f)\"$(_call_program words \\\n"
"	    ${(q)service} help --words $1 ${(q)where} 2>/dev/null)\"}; do\n"
"		words_+=(${line%%$'\\t'*})\n"
"		described+=(${line/$'\\t'/ -- })\n"
"	done\n"
"	compadd -l -d described -a words_\n"
"}\n"
"\n"
"_agentchat() {\n"
"	local context state state_descr line\n"
"	typeset -A opt_args\n"
"\n"
"	if ((CURRENT == 2)); then\n"
"		_agentchat_words commands\n"
"		return\n"
"	fi\n"
"	shift words\n"
"	((CURRENT--))\n"
"	case $words[1] in\n";

static const char zsh_tail[] =
"	esac\n"
"}\n"
"_agentchat \"$@\"\n";

static void
zsh_action(struct buf *b, const char *kind)
{
	if (strcmp(kind, "files") == 0)
		buf_adds(b, "_files");
	else if (strcmp(kind, "dirs") == 0)
		buf_adds(b, "_files -/");
	else if (strcmp(kind, "none") == 0)
		buf_adds(b, " ");
	else
		/* The space keeps _arguments from adding words of its own. */
		buf_addf(b, " _agentchat_words %s", kind);
}

/* A description in [], where brackets and colons have a meaning. */
static void
zsh_text(struct buf *b, const char *text)
{
	char one[3] = "\\?";

	for (; *text != '\0'; text++) {
		one[1] = *text;
		quoted(b, strchr("[]:\\", *text) != NULL ? one : one + 1,
		    "'\\''");
	}
}

static void
zsh_spec(struct buf *b, const char *flag, const struct cmd_opt *o)
{
	buf_addf(b, " \\\n		    '*%s%s[", flag,
	    o->arg == NULL ? "" : flag[1] == '-' ? "=" : "+");
	zsh_text(b, o->help);
	buf_addc(b, ']');
	if (o->arg != NULL) {
		buf_addc(b, ':');
		zsh_text(b, o->arg);
		buf_addc(b, ':');
		zsh_action(b, kind_of(o->arg));
	}
	buf_addc(b, '\'');
}

static void
zsh_option(struct buf *b, const struct cmd *cmd, const struct cmd_opt *o)
{
	char flag[64];

	(void)cmd;
	if (o->c < OPT_HELP) {
		snprintf(flag, sizeof(flag), "-%c", o->c);
		zsh_spec(b, flag, o);
	}
	snprintf(flag, sizeof(flag), "--%s", o->name);
	zsh_spec(b, flag, o);
}

static void
zsh_script(struct buf *b)
{
	buf_adds(b, zsh_head);
	for (const struct cmd *const *c = cmd_table; *c != NULL; c++) {
		buf_addf(b, "	%s)\n		_arguments -s", (*c)->name);
		each_option(b, *c, zsh_option);
		buf_adds(b, " \\\n		    '*:operand:");
		zsh_action(b, operand_kind(*c));
		buf_adds(b, "' ;;\n");
	}
	buf_adds(b, zsh_tail);
}

/* ------------------------------------------------------------------ fish */

static const char fish_head[] =
"# agentchat(1) completion for fish; made by agentchat help --completions\n"
"function __agentchat_words\n"
"    set -l tokens (commandline -opc)\n"
"    set -l where\n"
"    for i in (seq 2 (count $tokens))\n"
"        switch $tokens[$i]\n"
"            case --dir --instance -I\n"
"                if test $i -lt (count $tokens)\n"
"                    set -a where $tokens[$i] $tokens[(math $i + 1)]\n"
"                end\n"
"            case '--dir=*' '--instance=*'\n"
"                set -a where $tokens[$i]\n"
"        end\n"
"    end\n"
"    $tokens[1] help --words $argv[1] $where 2>/dev/null\n"
"end\n"
"function __agentchat_on\n"
"    set -l tokens (commandline -opc)\n"
"    test (count $tokens) -ge 2; and test $tokens[2] = $argv[1]\n"
"end\n"
"complete -c agentchat -f\n"
"complete -c agentchat -n 'test (count (commandline -opc)) -eq 1' \\\n"
"    -a '(__agentchat_words commands)'\n";

static void
fish_option(struct buf *b, const struct cmd *cmd, const struct cmd_opt *o)
{
	const char *kind = o->arg != NULL ? kind_of(o->arg) : NULL;

	buf_addf(b, "complete -c agentchat -n '__agentchat_on %s'", cmd->name);
	if (o->c < OPT_HELP)
		buf_addf(b, " -s %c", o->c);
	buf_addf(b, " -l %s", o->name);
	if (kind != NULL)
		buf_adds(b, strcmp(kind, "files") == 0 ? " -r -F" : " -x");
	if (kind != NULL && strcmp(kind, "dirs") == 0)
		buf_adds(b, " -a '(__fish_complete_directories)'");
	else if (kind != NULL && strcmp(kind, "files") != 0 &&
	    strcmp(kind, "none") != 0)
		buf_addf(b, " -a '(__agentchat_words %s)'", kind);
	buf_adds(b, " -d '");
	quoted(b, o->help, "\\'");
	buf_adds(b, "'\n");
}

static void
fish_script(struct buf *b)
{
	buf_adds(b, fish_head);
	for (const struct cmd *const *c = cmd_table; *c != NULL; c++) {
		const char *kind = operand_kind(*c);

		each_option(b, *c, fish_option);
		if (strcmp(kind, "none") != 0)
			buf_addf(b, "complete -c agentchat -n "
			    "'__agentchat_on %s' -a '(__agentchat_words %s)'\n",
			    (*c)->name, kind);
	}
}

int
complete_script(struct buf *b, const char *shell)
{
	if (strcmp(shell, "bash") == 0)
		bash_script(b);
	else if (strcmp(shell, "zsh") == 0)
		zsh_script(b);
	else if (strcmp(shell, "fish") == 0)
		fish_script(b);
	else
		return -EINVAL;
	return 0;
}

/* ------------------------------------------------------------- the words */

struct words {
	char	**v;
	size_t	 len, cap;
	int	 rc;		/* the first error */
};

static void
words_add(struct words *w, const char *word, size_t len)
{
	if (w->rc == 0 && w->len == w->cap) {
		size_t cap = w->cap != 0 ? 2 * w->cap : 64;
		char **v = reallocarray(w->v, cap, sizeof(*v));

		if (v == NULL) {
			w->rc = -ENOMEM;
			return;
		}
		w->v = v;
		w->cap = cap;
	}
	if (w->rc < 0)
		return;
	w->v[w->len] = strndup(word, len);
	if (w->v[w->len] == NULL)
		w->rc = -ENOMEM;
	else
		w->len++;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, each first word once: with its name, if any line had one. */
static void
words_put(struct words *w, struct buf *b)
{
	qsort(w->v, w->len, sizeof(*w->v), compare);
	for (size_t i = 0; i < w->len; i++) {
		size_t n = strcspn(w->v[i], "\t");

		/* "@x" sorts before "@x<tab>name", which says more. */
		if (i + 1 < w->len && strncmp(w->v[i], w->v[i + 1], n) == 0 &&
		    strcspn(w->v[i + 1], "\t") == n)
			continue;
		buf_adds(b, w->v[i]);
		buf_addc(b, '\n');
	}
}

static void
words_fini(struct words *w)
{
	for (size_t i = 0; i < w->len; i++)
		free(w->v[i]);
	free(w->v);
}

/* "@id name" lines; anything else in the file is nothing for a shell. */
static void
add_roster(struct words *w, char *p)
{
	char *save = NULL;

	for (p = strtok_r(p, "\n", &save); p != NULL;
	    p = strtok_r(NULL, "\n", &save)) {
		char *name = strchr(p, ' ');
		size_t id = name != NULL ? (size_t)(name - p) : strlen(p);

		if (!wire_agent_id_ok(p, id))
			continue;
		if (name != NULL && wire_agent_name_ok(name + 1,
		    strlen(name + 1)))
			*name = '\t';
		else
			p[id] = '\0';
		words_add(w, p, strlen(p));
	}
}

static void
add_box(struct words *w, struct spool_box *box, bool channels, bool agents)
{
	const char *name = spool_box_name(box);
	size_t len = strlen(name);
	struct buf roster = BUF_INIT;

	if (channels && wire_channel_ok(name, len))
		words_add(w, name, len);
	if (agents && wire_agent_id_ok(name, len))
		words_add(w, name, len);
	if (agents && spool_slurp(spool_box_dir(box), "agents", ROSTER_MAX,
	    &roster) == 0 && buf_err(&roster) == 0 && roster.len > 0)
		add_roster(w, roster.p);
	buf_fini(&roster);
}

static int
add_boxes(struct words *w, const struct cmd_line *cl, bool channels,
    bool agents)
{
	struct inst_boxes boxes = { 0 };
	struct inst in;
	int code = inst_open(&in, cl, false);

	if (code == EXIT_OK)
		w->rc = inst_boxes(&in, &boxes);
	for (size_t i = 0; code == EXIT_OK && w->rc == 0 && i < boxes.len; i++)
		add_box(w, boxes.v[i], channels, agents);
	inst_boxes_fini(&boxes);
	inst_close(&in);
	return code;
}

static int
add_instance(void *arg, const struct daemon_status *st)
{
	words_add(arg, st->name, strlen(st->name));
	return 0;
}

int
complete_words(struct buf *b, const struct cmd_line *cl, const char *kind)
{
	bool boxes = strcmp(kind, "boxes") == 0,
	    channels = boxes || strcmp(kind, "channels") == 0,
	    agents = boxes || strcmp(kind, "agents") == 0;
	struct words w = { 0 };
	int code = EXIT_OK;

	if (strcmp(kind, "commands") == 0) {
		for (const struct cmd *const *c = cmd_table; *c != NULL; c++)
			buf_addf(b, "%s\t%s\n", (*c)->name, (*c)->summary);
		return EXIT_OK;
	}
	if (strcmp(kind, "instances") == 0) {
		w.rc = daemon_list(cl->dir, add_instance, &w);
		if (w.rc == -ENOENT)
			w.rc = 0;
	} else if (channels || agents) {
		code = add_boxes(&w, cl, channels, agents);
	} else {
		return cmd_usage(cl->cmd, "--words knows commands, instances, "
		    "channels, agents and boxes");
	}
	if (w.rc < 0)
		code = cmd_fail(cl->cmd, cmd_code(w.rc), "%s",
		    ac_strerror(w.rc));
	else if (w.len > 0)
		words_put(&w, b);
	words_fini(&w);
	return code;
}
