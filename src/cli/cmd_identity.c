/*
 * cmd_identity.c - agentchat identity: the key an agent is known by.
 */
#include "config.h"

#include "cli/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/rnd.h"
#include "cli/out.h"
#include "spool/spool.h"
#include "wire/msg.h"

enum {
	OPT_FORCE = OPT_OWN, OPT_ROTATE, OPT_REVOKE, OPT_VERIFY, OPT_PASS
};

static const struct cmd_opt identity_opts[] = {
	{ 'g', "generate", NULL, "make a key; prints its agent id" },
	{ 's', "show", NULL, "show the key and its history (the default)" },
	{ 'e', "export", NULL, "print the public key, to give to others" },
	{ OPT_ROTATE, "rotate", NULL, "replace the key; the old signs the new" },
	{ OPT_REVOKE, "revoke", NULL, "declare the key invalid, for ever" },
	{ OPT_VERIFY, "verify-chain", NULL, "check the history's signatures" },
	{ 'f', "file", "FILE", "the identity's file [<root>/identity.json]" },
	CMD_OPT_DIR,
	{ 'n', "name", "NAME", "the new agent's name [agent-XXXXXXXX]" },
	{ OPT_FORCE, "force", NULL, "generate over a key that is there" },
	{ OPT_PASS, "passphrase", NULL, "lock the new key with a passphrase" },
	CMD_OPT_PASS_FD,
	CMD_OPT_JSON,
	CMD_OPT_END
};

/* ---- the file */

static int
open_root(struct identity_job *j)
{
	const char *root = j->cl.dir;
	int rc;

	if (root == NULL)
		root = getenv("AGENTCHAT_DIR");
	if (root == NULL || *root == '\0')
		root = "./.agentchat";
	snprintf(j->shown, sizeof(j->shown), "%s/identity.json", root);
	rc = spool_root(j->cl.dir, j->action == 'g', &j->dir);
	if (rc == -EACCES)
		return cmd_fail(j->cmd, EXIT_FAILED, "%s: others may write "
		    "to it, or it isn't yours", root);
	return rc < 0 ? pass_fail(j->cmd, j->shown, rc) : EXIT_OK;
}

static int
find_file(struct identity_job *j)
{
	if (j->path == NULL) {
		j->path = "identity.json";
		return open_root(j);
	}
	snprintf(j->shown, sizeof(j->shown), "%s", j->path);
	return EXIT_OK;
}

int
identity_load(struct identity_job *j, bool signs, struct pass *p)
{
	unsigned flags = signs ? 0 : IDENT_PUBLIC | IDENT_REVOKED;
	int rc, code;

	rc = ident_load_pass(&j->id, j->dir, j->path, flags, NULL, 0);
	if (rc == -ENOKEY && signs) {
		code = pass_read(p, j->cmd, j->pass_fd, "Passphrase: ", false);
		if (code != EXIT_OK)
			return code;
		rc = ident_load_pass(&j->id, j->dir, j->path, flags, p->text,
		    p->len);
	}
	return rc < 0 ? pass_fail(j->cmd, j->shown, rc) : EXIT_OK;
}

/* ---- printing */

void
identity_add_id(struct buf *b, const unsigned char *key)
{
	char id[IDENT_ID_MAX];

	ident_key_id(key, 8, id);
	buf_adds(b, id);
}

static void
add_time(struct buf *b, int64_t ms)
{
	char iso[CLOCK_ISO_MAX];

	clock_iso(ms, iso);
	buf_adds(b, iso);
}

static void
show_text(const struct identity_job *j, struct buf *b)
{
	char b64[IDENT_B64_MAX];
	const char *reason;
	int64_t ts;

	buf_addf(b, "name     %s\nid       ", ident_name(j->id));
	identity_add_id(b, ident_pub(j->id));
	ident_key_b64(ident_pub(j->id), b64);
	buf_addf(b, "\nkey      %s\ncreated  ", b64);
	out_text(b, ident_created(j->id), strlen(ident_created(j->id)));
	buf_adds(b, "\nfile     ");
	out_text(b, j->shown, strlen(j->shown));
	buf_addf(b, "%s\n", ident_locked(j->id) ? ", locked" : "");
	for (size_t i = 0; i < ident_chain_len(j->id); i++) {
		buf_adds(b, "earlier  ");
		identity_add_id(b, ident_chain_link(j->id, i, &ts));
		buf_adds(b, " until ");
		add_time(b, ts);
		buf_addc(b, '\n');
	}
	ts = ident_revoked(j->id, &reason);
	if (ts == 0)
		return;
	buf_adds(b, "revoked  ");
	add_time(b, ts);
	buf_adds(b, *reason != '\0' ? " " : "");
	out_text(b, reason, strlen(reason));
	buf_addc(b, '\n');
}

/* The card, and what is known of the file it comes from. */
static void
show_json(const struct identity_job *j, struct buf *b)
{
	ident_card(j->id, b);
	if (buf_err(b) == 0)
		b->len--;	/* its closing brace */
	wire_json_key(b, "file");
	wire_json_str(b, j->shown, strlen(j->shown));
	buf_addf(b, ",\"locked\":%s}\n",
	    ident_locked(j->id) ? "true" : "false");
}

int
identity_print_id(const struct identity_job *j, const struct ident *id)
{
	struct buf b = BUF_INIT;
	int code;

	if (j->cl.json)
		ident_card(id, &b);
	else
		identity_add_id(&b, ident_pub(id));
	buf_addc(&b, '\n');
	code = out_put(&b);
	buf_fini(&b);
	return code;
}

/* ---- what can be done */

int
identity_save(struct identity_job *j, struct ident *id, const struct pass *p,
    bool replace)
{
	int rc = 0;

	if (p->len > 0)
		rc = ident_lock(id, p->text, p->len);
	if (rc < 0)
		return cmd_fail(j->cmd, cmd_code(rc), "locking the key: %s",
		    ac_strerror(rc));
	rc = ident_save(id, j->dir, j->path, replace);
	return rc < 0 ? pass_fail(j->cmd, j->shown, rc) : EXIT_OK;
}

static int
do_generate(struct identity_job *j, struct pass *p)
{
	char name[16] = "agent-";
	struct stat st;
	int code = EXIT_OK, rc;

	/* Saving decides; this spares a person the passphrase. */
	if (!j->force && fstatat(j->dir, j->path, &st,
	    AT_SYMLINK_NOFOLLOW) == 0)
		return pass_fail(j->cmd, j->shown, -EEXIST);
	if (j->cl.name == NULL)
		rnd_name(name + strlen(name), 8);
	rc = ident_generate(&j->id, j->cl.name != NULL ? j->cl.name : name);
	if (rc < 0)
		return cmd_fail(j->cmd, cmd_code(rc), "%s", ac_strerror(rc));
	if (j->lock)
		code = pass_read(p, j->cmd, j->pass_fd,
		    "Passphrase for the new key: ", true);
	if (code == EXIT_OK)
		code = identity_save(j, j->id, p, j->force);
	if (code != EXIT_OK)
		return code;
	cmd_say(j->cmd, "%s: new key of '%s'", j->shown, ident_name(j->id));
	return identity_print_id(j, j->id);
}

static int
do_show(struct identity_job *j, struct pass *p)
{
	struct buf b = BUF_INIT;
	int code = identity_load(j, false, p);

	if (code != EXIT_OK)
		return code;
	if (j->cl.json)
		show_json(j, &b);
	else
		show_text(j, &b);
	code = out_put(&b);
	buf_fini(&b);
	return code;
}

static int
do_export(struct identity_job *j, struct pass *p)
{
	struct buf b = BUF_INIT;
	char pem[IDENT_PEM_MAX];
	int code = identity_load(j, false, p);

	if (code != EXIT_OK)
		return code;
	if (j->cl.json) {
		ident_card(j->id, &b);
		buf_addc(&b, '\n');
	} else {
		ident_key_pem(ident_pub(j->id), pem);
		buf_adds(&b, pem);
	}
	code = out_put(&b);
	buf_fini(&b);
	return code;
}

/* ---- the line */

static void
parse(struct identity_job *j)
{
	struct cmd_line *cl = &j->cl;
	int c;

	while ((c = cmd_getopt(cl)) != -1)
		switch (c) {
		case 'f':
			j->path = cl->arg;
			break;
		case OPT_FORCE:
			j->force = true;
			break;
		case OPT_PASS:
			j->lock = true;
			break;
		default:
			if (j->action != 0 && j->action != c)
				exit(cmd_usage(j->cmd,
				    "one thing at a time"));
			j->action = c;
		}
	if (j->action == 0)
		j->action = 's';
	j->pass_fd = cl->pass_fd;
	if (cl->argc > 0)
		j->reason = cl->argv[0];
}

/* What the options would be without effect for is a mistake. */
static int
check(struct identity_job *j)
{
	bool makes = j->action == 'g' || j->action == OPT_ROTATE;

	if (j->reason != NULL && j->action != OPT_REVOKE)
		return cmd_usage(j->cmd, "'%s' is too much", j->reason);
	if (j->force && j->action != 'g')
		return cmd_usage(j->cmd, "--force goes with --generate");
	if (j->cl.name != NULL && j->action != 'g')
		return cmd_usage(j->cmd, "--name goes with --generate");
	if (j->lock && !makes)
		return cmd_usage(j->cmd,
		    "--passphrase goes with --generate and --rotate");
	if (j->pass_fd != -1 && !makes && j->action != OPT_REVOKE)
		return cmd_usage(j->cmd, "--passphrase-fd goes with "
		    "--generate, --rotate and --revoke");
	if (j->cl.name != NULL &&
	    !wire_agent_name_ok(j->cl.name, strlen(j->cl.name)))
		return cmd_usage(j->cmd, "'%s' is no agent name: 1 to 32 "
		    "letters, digits, '_' and '-'", j->cl.name);
	/* Whoever hands over a new key's passphrase wants it locked. */
	j->lock |= j->pass_fd != -1;
	return EXIT_OK;
}

static int
act(struct identity_job *j)
{
	struct pass pass = { .len = 0 };
	int code;

	switch (j->action) {
	case 'g':
		code = do_generate(j, &pass);
		break;
	case 'e':
		code = do_export(j, &pass);
		break;
	case OPT_ROTATE:
		code = identity_rotate(j, &pass);
		break;
	case OPT_REVOKE:
		code = identity_revoke(j, &pass);
		break;
	case OPT_VERIFY:
		code = identity_verify(j, &pass);
		break;
	default:
		code = do_show(j, &pass);
		break;
	}
	pass_wipe(&pass);
	return code;
}

static int
identity_run(const struct cmd *cmd, int argc, char **argv)
{
	struct identity_job j = { .cmd = cmd, .pass_fd = -1, .dir = AT_FDCWD };
	int code;

	cmd_line_init(&j.cl, cmd, argc, argv);
	parse(&j);
	code = check(&j);
	if (code != EXIT_OK)
		return code;
	if (ident_init() < 0)
		return cmd_fail(cmd, EXIT_FAILED, "no random numbers");
	code = find_file(&j);
	if (code == EXIT_OK)
		code = act(&j);
	ident_free(j.id);
	if (j.dir != AT_FDCWD)
		close(j.dir);
	return code;
}

const struct cmd cmd_identity = {
	.name = "identity",
	.args = "[reason]",
	.summary = "Make, show and export the key an agent is known by",
	.about = "The key stays in its file, mode 600; who has it is the agent. "
	    "The agent's id\nis made from the public half.",
	.opts = identity_opts,
	.max_args = 1,
	.run = identity_run,
};
