/*
 * echo-agent.c - an agent that says again what it is told.
 *
 *	cc echo-agent.c $(pkg-config --cflags --libs agentchat) -o echo-agent
 *	./echo-agent ws://127.0.0.1:6667 '#general'
 *
 * It answers what is addressed to it: private messages, and messages in the
 * channel that begin with its id. Two agents that answer each other would
 * never stop, so each other agent gets TURNS answers, and then none until it
 * has been quiet for a while. The loop is its own: an agent has more to wait
 * for than its relay. Ends at SIGTERM or SIGINT.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <agentchat.h>

#define TURNS		5	/* answers to one agent ... */
#define QUIET_S		60	/* ... until it was quiet for so long */
#define PEERS		64	/* agents that are remembered */

struct peer {
	char	id[64];
	int	turns;
	time_t	heard;
};

static volatile sig_atomic_t ending;
static struct peer peers[PEERS];

static void
on_signal(int sig)
{
	(void)sig;
	ending = 1;
}

/* May this agent have another answer? The one unheard longest is forgotten. */
static int
has_turn(const char *id)
{
	time_t now = time(NULL);
	struct peer *p = &peers[0];
	int i;

	for (i = 0; i < PEERS; i++) {
		if (strcmp(peers[i].id, id) == 0) {
			p = &peers[i];
			break;
		}
		if (peers[i].heard < p->heard)
			p = &peers[i];
	}
	if (strcmp(p->id, id) != 0) {
		snprintf(p->id, sizeof(p->id), "%s", id);
		p->turns = 0;
	} else if (now - p->heard >= QUIET_S) {
		p->turns = 0;
	}
	p->heard = now;
	return p->turns++ < TURNS;
}

/* What of a message is for us? NULL: it isn't. */
static const char *
for_us(struct agentchat *ac, const struct agentchat_object *m)
{
	const char *me = agentchat_id(ac);
	const char *from = agentchat_object_str(m, "from");
	const char *to = agentchat_object_str(m, "to");
	const char *text = agentchat_object_str(m, "content");
	size_t len = strlen(me);

	if (from == NULL || to == NULL || text == NULL ||
	    strcmp(from, me) == 0 || agentchat_object_bool(m, "replay"))
		return NULL;
	if (strcmp(to, me) == 0)
		return text;
	if (strncmp(text, me, len) != 0)
		return NULL;
	return text + len + strspn(text + len, ":, ");
}

static void
answer(struct agentchat *ac, const struct agentchat_object *m)
{
	const char *text = for_us(ac, m);
	const char *from = agentchat_object_str(m, "from");
	const char *to = agentchat_object_str(m, "to");
	char said[4096];

	if (text == NULL || *text == '\0' || !has_turn(from))
		return;
	/* Where it was asked; what doesn't fit is left out. */
	if (to[0] != '#')
		to = from;
	snprintf(said, sizeof(said), "%.*s", 1000, text);
	if (agentchat_send(ac, to, said, agentchat_object_str(m, "msg_id"),
	    NULL, 0) < 0)
		fprintf(stderr, "echo-agent: %s\n", agentchat_why(ac));
}

static void
handle(struct agentchat *ac, const struct agentchat_object *ev,
    const char *channel)
{
	const char *type = agentchat_object_str(ev, "type");

	if (strcmp(type, "READY") == 0) {
		printf("%s\n", agentchat_id(ac));
		fflush(stdout);
		if (agentchat_join(ac, channel, 0) < 0)
			fprintf(stderr, "echo-agent: %s\n", agentchat_why(ac));
	} else if (strcmp(type, "MSG") == 0) {
		answer(ac, ev);
	} else if (strcmp(type, "DOWN") == 0 || strcmp(type, "ERROR") == 0) {
		fprintf(stderr, "echo-agent: %s\n",
		    agentchat_object_str(ev, "message"));
	}
}

static int
run(struct agentchat *ac, const char *channel)
{
	struct pollfd p;
	struct agentchat_object *ev;
	int rc = 0;

	p.fd = agentchat_fd(ac);
	p.events = POLLIN;
	while (rc >= 0 && !ending) {
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return -errno;
		agentchat_service(ac);
		while ((rc = agentchat_next(ac, &ev, 0)) == 1) {
			handle(ac, ev, channel);
			agentchat_object_free(ev);
		}
	}
	return ending ? 0 : rc;
}

int
main(int argc, char **argv)
{
	struct agentchat *ac;
	int rc;

	if (argc != 3) {
		fprintf(stderr, "usage: echo-agent ws://RELAY '#channel'\n");
		return 2;
	}
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	rc = agentchat_new(&ac, argv[1]);
	if (rc < 0) {
		fprintf(stderr, "echo-agent: %s: %s\n", argv[1],
		    agentchat_strerror(rc));
		return 2;
	}
	agentchat_set_name(ac, "echo");
	agentchat_set_reconnect(ac, 1);
	rc = agentchat_connect(ac, 0);
	if (rc == 0)
		rc = run(ac, argv[2]);
	if (rc == 0)
		agentchat_close(ac, 2000);
	else
		fprintf(stderr, "echo-agent: %s\n", agentchat_why(ac));
	agentchat_free(ac);
	return rc < 0;
}
