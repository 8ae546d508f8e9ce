/*
 * show.c - a message as a person reads it.
 */
#include "config.h"

#include "cli/show.h"

#include <stdint.h>
#include <string.h>
#include <time.h>

#include "cli/out.h"

#define DIM	"\033[2m"
#define BOLD	"\033[1m"
#define PLAIN	"\033[0m"

bool
show_is_message(enum wire_type type)
{
	switch (type) {
	case WIRE_MSG:
	case WIRE_PROPOSAL:
	case WIRE_ACCEPT:
	case WIRE_REJECT:
	case WIRE_COMPLETE:
	case WIRE_DISPUTE:
		return true;
	default:
		return false;
	}
}

static void
put_two(char *p, int n)
{
	p[0] = (char)('0' + n / 10);
	p[1] = (char)('0' + n % 10);
}

/* strftime() looks at /etc/localtime each time. */
static void
put_time(struct buf *b, int64_t ts_ms)
{
	static const char form[] = "0000-00-00 00:00:00";
	time_t t = (time_t)(ts_ms / 1000);
	char text[sizeof(form)];
	struct tm tm;

	if (ts_ms < 0 || localtime_r(&t, &tm) == NULL || tm.tm_year > 8099) {
		buf_adds(b, "(no time)          ");
		return;
	}
	memcpy(text, form, sizeof(form));
	put_two(text, (tm.tm_year + 1900) / 100);
	put_two(text + 2, tm.tm_year % 100);
	put_two(text + 5, tm.tm_mon + 1);
	put_two(text + 8, tm.tm_mday);
	put_two(text + 11, tm.tm_hour);
	put_two(text + 14, tm.tm_min);
	put_two(text + 17, tm.tm_sec);
	buf_adds(b, text);
}

static void
put_field(struct buf *b, const struct wire_msg *m, enum wire_field f)
{
	if (m->f[f].kind == WIRE_STR)
		out_text(b, m->f[f].s, m->f[f].len);
}

/* "#general @1f3a9c02 (alice)"; the id is the truth, the name a claim. */
static void
put_who(struct buf *b, const char *box, const struct wire_msg *m, bool colour)
{
	enum wire_field name = wire_has(m, WF_FROM_NAME) ? WF_FROM_NAME :
	    WF_NAME;

	if (box != NULL)
		out_text(b, box, strlen(box));
	else
		put_field(b, m, wire_has(m, WF_TO) ? WF_TO : WF_CHANNEL);
	buf_addc(b, ' ');
	if (colour)
		buf_adds(b, BOLD);
	put_field(b, m, wire_has(m, WF_FROM) ? WF_FROM :
	    wire_has(m, WF_AGENT) ? WF_AGENT : WF_AGENT_ID);
	if (colour)
		buf_adds(b, PLAIN);
	if (wire_has(m, name)) {
		buf_adds(b, " (");
		put_field(b, m, name);
		buf_addc(b, ')');
	}
}

void
show_message(struct buf *b, struct wire_msg *m, const char *box,
    const char *text, size_t len, bool colour)
{
	if (wire_parse_object(m, text, len) < 0) {
		/* Not ours, or broken: it is shown all the same. */
		out_text(b, text, len);
		buf_addc(b, '\n');
		return;
	}
	if (colour)
		buf_adds(b, DIM);
	put_time(b, wire_int(m, WF_TS, -1));
	if (colour)
		buf_adds(b, PLAIN);
	buf_addc(b, ' ');
	put_who(b, box, m, colour);
	if (wire_str(m, WF_TYPE) == NULL ||
	    strcmp(wire_str(m, WF_TYPE), "MSG") == 0) {
		buf_adds(b, ": ");
		put_field(b, m, WF_CONTENT);
	} else {
		buf_addc(b, ' ');
		put_field(b, m, WF_TYPE);
		if (wire_has(m, WF_PROPOSAL_ID)) {
			buf_addc(b, ' ');
			put_field(b, m, WF_PROPOSAL_ID);
		}
		if (wire_has(m, WF_TASK)) {
			buf_adds(b, ": ");
			put_field(b, m, WF_TASK);
		}
	}
	buf_addc(b, '\n');
}
