/*
 * letter.c - what `send` and `reply` have to say, and to whom.
 */
#include "config.h"

#include "cli/letter.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "cli/drop.h"
#include "cli/in.h"
#include "cli/line.h"
#include "cli/out.h"
#include "spool/spool.h"
#include "wire/msg.h"

static int
read_stdin(const struct cmd *cmd, struct buf *out)
{
	int rc = in_read(STDIN_FILENO, SPOOL_MSG_MAX, out);

	/* -EFBIG: check() says so. */
	if (rc < 0 && rc != -EFBIG)
		return cmd_fail(cmd, EXIT_FAILED, "standard input: %s",
		    ac_strerror(rc));
	if (out->len > 0 && out->p[out->len - 1] == '\n')
		out->p[--out->len] = '\0';
	return EXIT_OK;
}

static int
check(const struct cmd *cmd, const struct letter *l)
{
	const struct buf *b = &l->content;

	if (!wire_channel_ok(l->target, strlen(l->target)) &&
	    !wire_agent_id_ok(l->target, strlen(l->target)))
		return cmd_usage(cmd, "'%s' is no target: '#general' or "
		    "@1f3a9c02 is (quote the '#' from the shell)", l->target);
	if (l->encrypt && l->target[0] != '@')
		return cmd_usage(cmd, "only what goes to an @agent can be "
		    "encrypted");
	if (b->len == 0)
		return cmd_usage(cmd, "the message is empty");
	if (b->len > SPOOL_MSG_MAX)
		return cmd_usage(cmd, "the message is longer than 1 MiB");
	if (!wire_utf8_ok(b->p, b->len))
		return cmd_usage(cmd, "the message is not UTF-8 text");
	return EXIT_OK;
}

int
letter_read(const struct cmd *cmd, struct letter *l, const char *operand)
{
	int code = EXIT_OK;

	if (strcmp(operand, "-") == 0)
		code = read_stdin(cmd, &l->content);
	else
		buf_adds(&l->content, operand);
	if (code == EXIT_OK && buf_err(&l->content) < 0)
		code = cmd_fail(cmd, EXIT_FAILED, "out of memory");
	return code == EXIT_OK ? check(cmd, l) : code;
}

/*
 * Be in the channel that we have no directory of. Making it would make the
 * channel: a misspelled name is to be refused.
 */
static int
join_first(struct inst *in, const struct cmd_line *cl, const char *target,
    int64_t timeout_ms)
{
	struct spool_box *box;

	if (target[0] != '#' || spool_box(in->sp, target, false, &box) == 0)
		return EXIT_OK;
	return line_join(in, cl->cmd, target, timeout_ms);
}

int
letter_drop(struct inst *in, const struct cmd_line *cl, const struct letter *l)
{
	struct buf text = BUF_INIT, receipt = BUF_INIT;
	int64_t timeout = cl->timeout_ms >= 0 ? cl->timeout_ms : LINE_MS;
	int code = join_first(in, cl, l->target, timeout);

	/* As JSON: bare text that looks like JSON would be taken for it. */
	buf_adds(&text, "{\"content\":");
	wire_json_str(&text, l->content.p, l->content.len);
	if (l->reply_to != NULL) {
		buf_adds(&text, ",\"in_reply_to\":");
		wire_json_str(&text, l->reply_to, strlen(l->reply_to));
	}
	if (l->encrypt)
		buf_adds(&text, ",\"encrypt\":true");
	buf_adds(&text, "}\n");
	if (code == EXIT_OK)
		code = drop_send(in, cl->cmd, l->target, &text,
		    l->no_wait ? -1 : timeout, &receipt);
	if (code == EXIT_OK && cl->json)
		code = out_put(&receipt);
	buf_fini(&text);
	buf_fini(&receipt);
	return code;
}
