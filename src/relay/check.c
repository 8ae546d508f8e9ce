/*
 * check.c - a relay's spool looked at from outside: agentchat doctor.
 *
 * The journal is the truth, and only read: to mend it begins a new epoch,
 * which is for the relay to do (serve --repair). Rings are views of it.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/check.h"
#include "spool/journal.h"

/* What is known of a channel from the journal. */
struct seen {
	char		 name[WIRE_CHANNEL_MAX + 1];
	uint64_t	 seq;		/* the newest */
};

struct look {
	struct check	*c;
	struct relay_counts *n;
	struct map	 chans;
	struct wire_msg	 msg;
	struct journal_report report;
	int		 dir, journal;
	size_t		 bad;		/* whole records that say nothing */
	bool		 epoch, clean;
	/* While a ring is made anew. */
	const struct seen *want;
	char		*line[SPOOL_RING_LINES]; /* by seq: copies come late */
};

/* --------------------------------------------------------------- journal */

static int
note_msg(struct look *l, const struct rec_head *h)
{
	struct seen *s = map_get(&l->chans, h->to, h->to_len);
	int rc;

	if (s == NULL) {
		if (h->to_len > WIRE_CHANNEL_MAX)
			return -EUCLEAN;
		s = calloc(1, sizeof(*s));
		if (s == NULL)
			return -ENOMEM;
		memcpy(s->name, h->to, h->to_len);
		rc = map_put(&l->chans, s->name, h->to_len, s);
		if (rc < 0) {
			free(s);
			return rc;
		}
		l->n->channels++;
	}
	if (h->seq > s->seq) {	/* else it is a copy: clean.c */
		s->seq = h->seq;
		l->n->messages++;
	}
	return 0;
}

static int
look_record(void *arg, uint8_t type, uint64_t pos, uint64_t end,
    const void *body, size_t len)
{
	struct look *l = arg;
	struct rec_head head;
	struct rec_work work;
	int rc = 0;

	(void)pos;
	(void)end;
	l->clean = type == STORE_STOP;
	switch (type) {
	case STORE_EPOCH:
		l->epoch = true;
		break;
	case STORE_MSG:
	case STORE_DM:
		rc = rec_head(&head, body, len);
		if (rc == 0 && type == STORE_MSG)
			rc = note_msg(l, &head);
		break;
	case STORE_WORK:
		rc = rec_work(&work, body, len);
		break;
	case STORE_STOP:
	case STORE_AGENT:
	case STORE_CHAN:
	case STORE_INVITE:
	case STORE_ACK:
	case STORE_RATED:
	case STORE_PAIR:
		break;
	default:
		return -ENOTSUP;
	}
	if (rc == -EUCLEAN)
		l->bad++;
	return rc == -ENOMEM ? rc : 0;
}

static void
tell_journal(struct look *l)
{
	static const char cure[] = "Start the relay once with 'agentchat "
	    "serve --repair': it keeps what can be read, moves the damaged "
	    "part aside and begins a new epoch.";
	const struct journal_report *r = &l->report;

	if (r->damaged)
		check_tell(l->c, CHECK_WRONG, "journal", "journal", cure,
		    "It is damaged at position %" PRIu64 ": %" PRIu64
		    " bytes %s.", r->damaged_at, r->lost, r->gone ?
		    "are gone, a file is missing or too short" :
		    "can't be read");
	if (l->bad > 0)
		check_tell(l->c, CHECK_WRONG, "journal", "journal",
		    "Keep the files, and report it.", "%zu records are whole "
		    "and make no sense.", l->bad);
	if (r->cut > 0)
		check_tell(l->c, CHECK_NOTE, "tail", "journal", "The relay "
		    "cuts it off when it starts; nothing in it was confirmed.",
		    "Its end was being written when the relay or the machine "
		    "stopped (%" PRIu64 " bytes).", r->cut);
	if (!l->epoch && r->records > 0)
		check_tell(l->c, CHECK_WRONG, "epoch", "journal", "The relay "
		    "begins a new one when it starts, and agents take that "
		    "for a new relay: put back the journal's older files if "
		    "there are any.", "No record names the epoch: its "
		    "beginning is missing.");
	else if (!l->clean)
		check_tell(l->c, CHECK_NOTE, "stop", "journal", "Nothing: "
		    "start it; after a power cut it begins a new epoch by "
		    "itself.", "The relay didn't say goodbye.");
}

static int
look_journal(struct look *l, bool running)
{
	int rc = check_dir(l->c, l->dir, "journal", &l->journal);

	if (rc != 1) {
		l->journal = -1;
		return rc == -ENOENT ? 0 : rc;
	}
	rc = journal_look(l->journal, look_record, l, &l->report);
	if (rc == -ENOENT || rc == -ENOMEM)
		return rc == -ENOENT ? 0 : rc;
	l->n->records = l->report.records;
	if (rc < 0)
		check_tell(l->c, CHECK_WRONG, "journal", "journal",
		    rc == -ENOTSUP ? "Use the later version of agentchat that "
		    "wrote it." : "Look at its files.", "It can't be read: "
		    "%s.", ac_strerror(rc));
	else if (!running)
		tell_journal(l);
	return 0;
}

/* ----------------------------------------------------------------- rings */

static bool
is_line(void *arg, const char *line, size_t len)
{
	struct look *l = arg;

	return wire_parse_object(&l->msg, line, len) == 0;
}

static int
ring_record(void *arg, uint8_t type, uint64_t pos, uint64_t end,
    const void *body, size_t len)
{
	struct look *l = arg;
	struct rec_head head;
	char **line;

	(void)pos;
	(void)end;
	if (type != STORE_MSG || rec_head(&head, body, len) < 0 ||
	    head.to_len != strlen(l->want->name) ||
	    memcmp(head.to, l->want->name, head.to_len) != 0 ||
	    head.seq + SPOOL_RING_LINES <= l->want->seq)
		return 0;
	line = &l->line[head.seq % SPOOL_RING_LINES];
	free(*line);
	*line = strndup(head.json, head.json_len);
	return *line == NULL ? -ENOMEM : 0;
}

static int
write_ring(struct look *l, int dir)
{
	struct spool_ring *ring;
	int rc = spool_ring_open(&ring, dir, "inbox.jsonl");

	if (rc < 0)
		return rc;
	for (uint64_t i = 1; rc == 0 && i <= SPOOL_RING_LINES; i++) {
		char *line = l->line[(l->want->seq + i) % SPOOL_RING_LINES];

		if (line != NULL)
			rc = spool_ring_add(ring, line, strlen(line));
	}
	if (rc == 0)
		rc = spool_ring_flush(ring);
	spool_ring_close(ring);
	return rc;
}

/* The channel's newest messages, from the journal. */
static int
rebuild(struct look *l, int dir, const char *chan, const char *path)
{
	static const struct seen none;
	struct journal_report report;
	int rc = check_aside(l->c, dir, path);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	l->want = map_get(&l->chans, chan, strlen(chan));
	if (l->want == NULL)
		l->want = &none;
	rc = l->journal == -1 ? 0 : journal_look(l->journal, ring_record, l,
	    &report);
	if (rc == 0 || rc == -ENOENT)
		rc = write_ring(l, dir);
	for (size_t i = 0; i < SPOOL_RING_LINES; i++) {
		free(l->line[i]);
		l->line[i] = NULL;
	}
	return rc;
}

static int
look_ring(struct look *l, int dir, const char *chan)
{
	char path[WIRE_CHANNEL_MAX + sizeof("/inbox.jsonl")];
	struct check_lines n;
	int rc;

	snprintf(path, sizeof(path), "%s/inbox.jsonl", chan);
	rc = check_file(l->c, dir, path, false);
	if (rc == 1)
		rc = check_lines(dir, "inbox.jsonl", is_line, l, &n);
	else
		return rc == -ENOENT ? 0 : rc;
	if (rc < 0 && rc != -EFBIG)
		return rc == -ENOENT ? 0 : rc;
	if (rc == 0 && n.bad == 0 && n.torn == 0 &&
	    n.good <= SPOOL_RING_LINES)
		return 0;
	rc = l->c->repair ? rebuild(l, dir, chan, path) : -EUCLEAN;
	check_tell(l->c, rc == 0 ? CHECK_MENDED : CHECK_WRONG, "ring", path,
	    rc == 0 ? "It was made anew from the journal; the old one is in "
	    "quarantine/." : "--repair makes it anew from the journal.",
	    "%zu of its %zu lines are no messages%s.", n.bad, n.bad + n.good,
	    n.torn > 0 ? ", and its end is torn" : "");
	return 0;
}

static int
look_chan(void *arg, const char *name)
{
	struct look *l = arg;
	int dir, rc = check_dir(l->c, l->dir, name, &dir);

	if (rc != 1)
		return rc == -ENOENT ? 0 : rc;
	rc = *name == '#' && strlen(name) <= WIRE_CHANNEL_MAX ?
	    look_ring(l, dir, name) : 0;
	close(dir);
	return rc;
}

/* ------------------------------------------------------------- all of it */

static int
look_all(struct look *l, struct spool *sp, bool running)
{
	static const char *const lists[] = { "allow", "ban" };
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < 2; i++) {
		rc = check_file(l->c, l->dir, lists[i], false);
		if (rc == -ENOENT)
			rc = 0;
	}
	if (rc >= 0)
		rc = look_journal(l, running);
	if (rc == 0)
		rc = check_links(l->c, l->dir, "#@");
	return rc == 0 ? spool_each_box(sp, look_chan, l) : rc;
}

/* The directory, whoever may write to it: to be judged. */
static int
open_dir(const struct relay_conf *conf, int *fd)
{
	int root, rc;

	if (conf->spool != NULL)
		return spool_root_look(conf->spool, fd);
	rc = spool_root(conf->root, false, &root);
	if (rc == 0) {
		rc = spool_subdir(root, "relay", false, fd);
		close(root);
	}
	return rc;
}

int
relay_check(const struct relay_conf *conf, struct check *c,
    struct relay_counts *counts)
{
	struct look l = { .c = c, .n = counts, .journal = -1 };
	struct spool *sp = NULL;
	bool running = false;
	struct seen *s;
	size_t at = 0;
	int fd, rc = open_dir(conf, &l.dir);

	*counts = (struct relay_counts){ 0 };
	if (rc < 0)
		return rc;
	c->dir = l.dir;
	map_init(&l.chans);
	wire_msg_init(&l.msg);
	rc = check_dir(c, l.dir, ".", &fd);
	if (rc == 1) {
		close(fd);
		rc = relay_spool(conf, false, &sp);
		if (rc == 0)
			rc = check_holder(c, sp, "relay", &running);
		if (rc == 0)
			rc = look_all(&l, sp, running);
	}
	while ((s = map_next(&l.chans, &at)) != NULL)
		free(s);
	map_fini(&l.chans);
	wire_msg_fini(&l.msg);
	spool_close(sp);
	if (l.journal != -1)
		close(l.journal);
	close(l.dir);
	return rc;
}
