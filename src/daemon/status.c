/*
 * status.c - the text of status.json.
 */
#include "config.h"

#include "daemon/status.h"

#include "wire/msg.h"

void
status_print(const struct status *st, struct buf *b)
{
	buf_addc(b, '{');
	wire_json_text(b, "state", st->state);
	wire_json_text(b, "server", st->server);
	wire_json_text(b, "agent_id", st->agent_id);
	wire_json_text(b, "name", st->name);
	wire_json_text(b, "since", st->since);
	wire_json_count(b, "unread", st->unread);
	wire_json_count(b, "queued", st->queued);
	wire_json_count(b, "sent", st->sent);
	wire_json_count(b, "failed", st->failed);
	wire_json_count(b, "archived", st->archived);
	wire_json_count(b, "dropped", st->dropped);
	wire_json_text(b, "error", st->error);
	wire_json_count(b, "pid", (uint64_t)st->pid);
	buf_adds(b, "}\n");
}
