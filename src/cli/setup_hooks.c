/*
 * setup_hooks.c - our hook in a harness's JSON, the rest byte for byte.
 *
 * The text is parsed strictly first; so what walks over it here may trust its
 * grammar. What goes in is one run of bytes behind the last piece of a list or
 * object: a comma, the white space that stands before the first piece, and
 * ours. What goes out is a piece with the comma before it, or else the one
 * behind it. So taking out what was put in leaves the bytes that had been.
 */
#include "config.h"

#include "cli/setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "wire/msg.h"

#define SPACE " \t\r\n"

/* A member of an object or an item of a list. */
struct piece {
	const char	*from;		/* a member's key, an item */
	const char	*val;
	const char	*end;
};

static const char *
string_end(const char *p)
{
	for (p++; *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p + 1;
}

static const char *
value_end(const char *p)
{
	unsigned depth = 0;

	if (strchr("\"{[", *p) == NULL)
		return p + strcspn(p, ",]}" SPACE);
	do {
		if (*p == '"') {
			p = string_end(p);
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if (*p == '}' || *p == ']')
			depth--;
		p++;
	} while (depth > 0);
	return p;
}

static const char *
skip_space(const char *p)
{
	return p + strspn(p, SPACE);
}

/* The piece of the list or object that comes behind *at, NULL: the first. */
static bool
next_piece(const char *box, const char **at, struct piece *pc)
{
	const char *p = skip_space(*at != NULL ? *at : box + 1);

	if (*at != NULL && *p == ',')
		p = skip_space(p + 1);
	if (*p == '}' || *p == ']')
		return false;
	pc->from = pc->val = p;
	if (*box == '{')
		pc->val = skip_space(skip_space(string_end(p)) + 1);
	pc->end = *at = value_end(pc->val);
	return true;
}

/* key with its quotes. One that is spelled with escapes is another one. */
static bool
member(const char *obj, const char *key, struct piece *pc)
{
	const char *at = NULL;

	while (next_piece(obj, &at, pc))
		if (strncmp(pc->from, key, strlen(key)) == 0)
			return true;
	return false;
}

static bool
is_alone(const char *box)
{
	const char *at = NULL;
	struct piece pc;

	return next_piece(box, &at, &pc) && !next_piece(box, &at, &pc);
}

/* ---------------------------------------------------------------- our hook */

/* Our handler and what it is in, from the outside. */
struct place {
	struct piece	 hooks, stop, group, list, handler;
	struct piece	 command;
};

static bool
is_ours(const char *handler, struct piece *command)
{
	static const char start[] = "\"" SETUP_HOOK;
	const char *end;

	if (*handler != '{' || !member(handler, "\"command\"", command) ||
	    strncmp(command->val, start, sizeof(start) - 1) != 0)
		return false;
	end = command->val + sizeof(start) - 1;
	return *end == '"' || *end == ' ';
}

static bool
find(const char *text, struct place *pl)
{
	const char *root = skip_space(text), *at = NULL;

	if (!member(root, "\"hooks\"", &pl->hooks) || *pl->hooks.val != '{' ||
	    !member(pl->hooks.val, "\"Stop\"", &pl->stop) ||
	    *pl->stop.val != '[')
		return false;
	while (next_piece(pl->stop.val, &at, &pl->group)) {
		const char *in = NULL;

		if (*pl->group.val != '{' ||
		    !member(pl->group.val, "\"hooks\"", &pl->list) ||
		    *pl->list.val != '[')
			continue;
		while (next_piece(pl->list.val, &in, &pl->handler))
			if (is_ours(pl->handler.val, &pl->command))
				return true;
	}
	return false;
}

/* Is the text one JSON object? */
static int
check(const struct buf *text, char why[SETUP_WHY_MAX])
{
	struct wire_msg m;
	int rc;

	wire_msg_init(&m);
	rc = wire_parse_object(&m, text->p != NULL ? text->p : "", text->len);
	if (rc < 0)
		snprintf(why, SETUP_WHY_MAX, "%s", m.why != NULL ? m.why :
		    ac_strerror(rc));
	wire_msg_fini(&m);
	return rc;
}

/* ------------------------------------------------------------------ taking */

static void
cut_piece(struct buf *out, const char *text, const struct piece *pc)
{
	const char *from = pc->from, *to = pc->end, *p = from;

	while (p > text && strchr(SPACE, p[-1]) != NULL)
		p--;
	if (p > text && p[-1] == ',') {
		from = p - 1;
	} else {
		p = skip_space(to);
		if (*p == ',')
			to = skip_space(p + 1);
	}
	buf_add(out, text, (size_t)(from - text));
	buf_adds(out, to);
}

/* Cut one; true in gone: and with it everything. */
static void
cut_one(struct buf *out, const char *text, const struct place *pl, int level,
    bool *gone)
{
	const struct piece *pc = &pl->handler;

	if (is_alone(pl->list.val))
		pc = &pl->group;
	if (pc == &pl->group && is_alone(pl->stop.val) && level <= SETUP_STOP)
		pc = &pl->stop;
	if (pc == &pl->stop && is_alone(pl->hooks.val) && level <= SETUP_HOOKS)
		pc = &pl->hooks;
	*gone = pc == &pl->hooks && is_alone(skip_space(text)) &&
	    level == SETUP_FILE;
	cut_piece(out, text, pc);
}

int
setup_hooks_cut(struct buf *out, const struct buf *text, int level,
    bool *gone, char why[SETUP_WHY_MAX])
{
	struct buf now = BUF_INIT, next = BUF_INIT;
	struct place pl;
	int rc = check(text, why);

	*gone = false;
	if (rc < 0)
		return rc;
	buf_add(&now, text->p, text->len);
	/* One; more than one only where somebody has copied it. */
	while (buf_err(&now) == 0 && !*gone && find(now.p, &pl)) {
		buf_clear(&next);
		cut_one(&next, now.p, &pl, level, gone);
		rc = buf_err(&next);
		if (rc < 0)
			break;
		buf_clear(&now);
		buf_add(&now, next.p, next.len);
	}
	if (rc == 0)
		rc = buf_err(&now);
	if (rc == 0 && !*gone)
		buf_add(out, now.p, now.len);
	buf_fini(&next);
	buf_fini(&now);
	return rc < 0 ? rc : buf_err(out);
}

/* ----------------------------------------------------------------- putting */

/* Copy the text with a piece more in that list or object. */
static void
put_piece(struct buf *out, const char *text, const char *box, const char *pc)
{
	const char *at = NULL, *behind = box + 1;
	struct piece last;

	while (next_piece(box, &at, &last))
		behind = last.end;
	buf_add(out, text, (size_t)(behind - text));
	if (behind != box + 1) {
		buf_addc(out, ',');
		buf_add(out, box + 1, strspn(box + 1, SPACE));
	}
	buf_adds(out, pc);
	buf_adds(out, behind);
}

static int
no_room(char why[SETUP_WHY_MAX], const char *what)
{
	snprintf(why, SETUP_WHY_MAX, "%s.", what);
	return AC_E_INVALID_MSG;
}

static int
put(struct buf *out, const struct buf *text, const char *command, int *level,
    char why[SETUP_WHY_MAX])
{
	struct piece hooks, stop;
	char entry[256], pc[320];
	const char *root;

	snprintf(entry, sizeof(entry), "{\"hooks\": [{\"type\": \"command\", "
	    "\"command\": \"%s\", \"timeout\": 10}]}", command);
	if (text == NULL) {
		*level = SETUP_FILE;
		buf_addf(out, "{\n  \"hooks\": {\n    \"Stop\": [\n"
		    "      %s\n    ]\n  }\n}\n", entry);
		return buf_err(out);
	}
	root = skip_space(text->p);
	if (!member(root, "\"hooks\"", &hooks)) {
		*level = SETUP_HOOKS;
		snprintf(pc, sizeof(pc), "\"hooks\": {\"Stop\": [%s]}", entry);
		put_piece(out, text->p, root, pc);
	} else if (*hooks.val != '{') {
		return no_room(why, "\"hooks\" is no object");
	} else if (!member(hooks.val, "\"Stop\"", &stop)) {
		*level = SETUP_STOP;
		snprintf(pc, sizeof(pc), "\"Stop\": [%s]", entry);
		put_piece(out, text->p, hooks.val, pc);
	} else if (*stop.val != '[') {
		return no_room(why, "\"Stop\" in \"hooks\" is no list");
	} else {
		*level = SETUP_ENTRY;
		put_piece(out, text->p, stop.val, entry);
	}
	/* A key spelled with escapes would be there twice now. */
	return buf_err(out) < 0 ? buf_err(out) : check(out, why);
}

/* Is this command there already, word for word? */
static bool
has(const struct buf *text, const char *command)
{
	struct place pl;
	size_t len = strlen(command);

	return find(text->p, &pl) &&
	    strncmp(pl.command.val + 1, command, len) == 0 &&
	    pl.command.val[1 + len] == '"';
}

int
setup_hooks_add(struct buf *out, const struct buf *text, const char *command,
    int *level, char why[SETUP_WHY_MAX])
{
	struct buf rest = BUF_INIT;
	bool gone;
	int rc;

	if (text == NULL)
		return put(out, NULL, command, level, why);
	rc = setup_hooks_cut(&rest, text, *level, &gone, why);
	if (rc == 0 && has(text, command))
		buf_add(out, text->p, text->len);
	else if (rc == 0)
		rc = put(out, gone ? NULL : &rest, command, level, why);
	buf_fini(&rest);
	return rc < 0 ? rc : buf_err(out);
}
