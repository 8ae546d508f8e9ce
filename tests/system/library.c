/*
 * library.c - a client's life with libagentchat, as test_library.py builds it
 * against the installed library and runs it against a real relay, also under
 * valgrind. library WHAT URL [ARG]; exits 0, or says what isn't so.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <agentchat.h>

#define MS	20000

static struct agentchat *ac_now;

#define IS(what, want) is(__LINE__, #what, (long)(what), (long)(want))
#define TRUE(what) is(__LINE__, #what, (what) ? 1 : 0, 1)

static void
is(int line, const char *what, long got, long want)
{
	if (got == want)
		return;
	fprintf(stderr, "library.c:%d: %s is %ld (%s), not %ld; why: %s\n",
	    line, what, got, got < 0 ? agentchat_strerror((int)got) : "-",
	    want, ac_now != NULL ? agentchat_why(ac_now) : "-");
	exit(1);
}

static struct agentchat *
session(const char *url, const char *name,
    const struct agentchat_identity *identity)
{
	struct agentchat *ac;

	IS(agentchat_new(&ac, url), 0);
	ac_now = ac;
	IS(agentchat_set_name(ac, name), 0);
	IS(agentchat_set_identity(ac, identity), 0);
	IS(agentchat_connect(ac, MS), 0);
	TRUE(agentchat_id(ac)[0] == '@');
	return ac;
}

/* The next event of this type; others are passed over. */
static struct agentchat_object *
expect(struct agentchat *ac, const char *type)
{
	struct agentchat_object *ev;

	ac_now = ac;
	for (;;) {
		IS(agentchat_next(ac, &ev, MS), 1);
		if (strcmp(agentchat_object_str(ev, "type"), type) == 0)
			return ev;
		agentchat_object_free(ev);
	}
}

/* The next message that says this. */
static struct agentchat_object *
hear(struct agentchat *ac, const char *content)
{
	struct agentchat_object *ev;

	while (strcmp(agentchat_object_str(ev = expect(ac, "MSG"), "content"),
	    content) != 0)
		agentchat_object_free(ev);
	return ev;
}

static int
readable(struct agentchat *ac, int timeout_ms)
{
	struct pollfd p;

	p.fd = agentchat_fd(ac);
	p.events = POLLIN;
	return poll(&p, 1, timeout_ms);
}

/* Take and forget all; then nothing is left to do. */
static void
drain(struct agentchat *ac)
{
	struct agentchat_object *ev;

	do {
		agentchat_service(ac);
		while (agentchat_next(ac, &ev, 0) == 1)
			agentchat_object_free(ev);
	} while (readable(ac, 0) == 1);
}

/* ------------------------------------------------------------------- */

static void
blocking(const char *url, const char *file)
{
	struct agentchat_identity *me, *again;
	struct agentchat *a, *b;
	struct agentchat_object *o;
	char id[AGENTCHAT_ID_MAX];
	size_t len;

	IS(agentchat_identity_generate(&me, "no name"),
	    AGENTCHAT_INVALID_NAME);
	IS(agentchat_identity_generate(&me, "alice"), 0);
	IS(agentchat_identity_save(me, file, "secret", 0), 0);
	IS(agentchat_identity_save(me, file, NULL, 0), -EEXIST);
	TRUE(agentchat_identity_load(&again, file, NULL) < 0);
	TRUE(agentchat_identity_load(&again, file, "wrong") < 0);
	IS(agentchat_identity_load(&again, file, "secret"), 0);
	TRUE(strcmp(agentchat_identity_id(me), agentchat_identity_id(again))
	    == 0);
	TRUE(strstr(agentchat_identity_export(again), "pubkey") != NULL);
	TRUE(strncmp(agentchat_identity_pubkey(again), "-----BEGIN", 10) == 0);
	TRUE(strcmp(agentchat_identity_name(again), "alice") == 0);

	a = session(url, "alice", again);
	TRUE(strcmp(agentchat_id(a), agentchat_identity_id(me)) == 0);
	b = session(url, "bob", NULL);
	ac_now = a;
	IS(agentchat_set_name(a, "late"), -EISCONN);
	IS(agentchat_connect(a, MS), -EISCONN);
	IS(agentchat_join(a, "no channel", MS), AGENTCHAT_INVALID_NAME);
	IS(agentchat_create(a, "#lib", 1, MS), 0);
	IS(agentchat_create(a, "#lib", 1, MS), AGENTCHAT_CHANNEL_EXISTS);
	IS(agentchat_join(b, "#lib", MS), AGENTCHAT_NOT_INVITED);
	TRUE(strlen(agentchat_why(b)) > 10);
	IS(agentchat_invite(a, "#lib", agentchat_id(b), MS), 0);
	agentchat_object_free(expect(b, "MSG"));	/* the invitation */
	IS(agentchat_join(b, "#lib", MS), 0);
	IS(agentchat_agents(a, "#lib", &o, MS), 0);
	IS(agentchat_object_count(o, "list"), 2);
	TRUE(agentchat_object_str(o, "list.1") != NULL);
	TRUE(agentchat_object_str(o, "list.2") == NULL);
	agentchat_object_free(o);
	IS(agentchat_channels(a, &o, MS), 0);
	TRUE(agentchat_object_str(o, "list.0.name")[0] == '#');
	TRUE(agentchat_object_int(o, "list.0.agents", -1) >= 0);
	agentchat_object_free(o);

	/* Waited for, an echo is the answer; the other one gets an event. */
	IS(agentchat_send(a, "#lib", "one \xc3\xa4", NULL, id, MS), 0);
	o = hear(b, "one \xc3\xa4");
	TRUE(strcmp(agentchat_object_str(o, "from"), agentchat_id(a)) == 0);
	TRUE(agentchat_object_bool(o, "verified"));
	TRUE(agentchat_object_str(o, "nothing.here") == NULL);
	TRUE(agentchat_object_json(o, &len)[0] == '{');
	IS(strlen(agentchat_object_json(o, NULL)), len);
	IS(agentchat_send(b, "#lib", "two", agentchat_object_str(o, "msg_id"),
	    NULL, MS), 0);
	agentchat_object_free(o);
	o = hear(a, "two");
	TRUE(agentchat_object_str(o, "in_reply_to") != NULL);
	agentchat_object_free(o);
	IS(agentchat_dm(b, agentchat_id(a) + 1, "three", MS), 0);
	o = hear(a, "three");
	agentchat_object_free(o);
	IS(agentchat_dm(b, "@nobody99", "x", MS), AGENTCHAT_AGENT_NOT_FOUND);
	IS(agentchat_send(a, "nowhere", "x", NULL, NULL, MS), -EINVAL);
	IS(agentchat_send(a, "#lib", "", NULL, NULL, MS), -EINVAL);
	IS(agentchat_send(a, "#lib", "\xff", NULL, NULL, MS), -EINVAL);
	IS(agentchat_raw(a, "{\"type\":\"NONSENSE\"}"), AGENTCHAT_INVALID_MSG);
	IS(agentchat_raw(a, " {\"type\":\n\"PING\"} "), 0);
	agentchat_object_free(expect(a, "PONG"));
	IS(agentchat_leave(b, "#lib", MS), 0);
	agentchat_object_free(expect(a, "AGENT_LEFT"));
	IS(agentchat_next(a, &o, 1), 0);
	TRUE(o == NULL);

	IS(agentchat_close(a, MS), 0);
	o = expect(a, "DOWN");
	IS(agentchat_object_int(o, "retry_ms", -1), -1);
	agentchat_object_free(o);
	IS(agentchat_next(a, &o, MS), -ENOTCONN);
	IS(agentchat_join(a, "#lib", MS), -ENOTCONN);
	TRUE(strcmp(agentchat_id(a), "") == 0);
	agentchat_free(a);
	agentchat_free(b);		/* without a goodbye */
	agentchat_identity_free(again);
	agentchat_identity_free(me);
}

static void
polling(const char *url)
{
	struct agentchat *a, *b;
	struct agentchat_object *o;
	char id[AGENTCHAT_ID_MAX];
	int rc = 0, n;

	IS(agentchat_new(&a, url), 0);
	ac_now = a;
	IS(agentchat_fd(a), -ENOTCONN);
	IS(agentchat_connect(a, 0), 0);
	/* Nothing but the descriptor says when. */
	for (n = 0, o = NULL; o == NULL && n < 1000; n++) {
		IS(readable(a, MS), 1);
		IS(agentchat_service(a), 0);
		rc = agentchat_next(a, &o, 0);
	}
	IS(rc, 1);
	TRUE(strcmp(agentchat_object_str(o, "type"), "READY") == 0);
	TRUE(strcmp(agentchat_object_str(o, "agent_id"), agentchat_id(a))
	    == 0);
	agentchat_object_free(o);
	b = session(url, "bob", NULL);
	IS(agentchat_join(b, "#general", MS), 0);

	IS(agentchat_join(a, "#general", 0), 0);
	IS(readable(a, MS), 1);
	agentchat_object_free(expect(a, "JOINED"));
	drain(a);
	IS(readable(a, 0), 0);		/* idle is idle */

	/* What comes in while an answer is waited for is not forgotten. */
	IS(agentchat_send(b, "#general", "hello", NULL, NULL, MS), 0);
	IS(agentchat_channels(a, &o, MS), 0);
	agentchat_object_free(o);
	IS(readable(a, MS), 1);
	o = hear(a, "hello");
	agentchat_object_free(o);
	drain(a);

	/* Not waited for: the echo is an event, and so is a refusal. */
	IS(agentchat_send(a, "#general", "self", NULL, id, 0), 0);
	o = hear(a, "self");
	TRUE(strcmp(agentchat_object_str(o, "id"), id) == 0);
	agentchat_object_free(o);
	IS(agentchat_send(a, "@nobody99", "x", NULL, id, 0), 0);
	/* An ERROR that is about another request is not this one's answer. */
	IS(agentchat_join(a, "#agents", MS), 0);
	o = expect(a, "ERROR");
	TRUE(strcmp(agentchat_object_str(o, "re"), id) == 0);
	agentchat_object_free(o);

	/* Many at once are all there, in order, by the descriptor alone. */
	drain(a);
	for (n = 0; n < 500; n++) {
		char text[32];

		snprintf(text, sizeof(text), "%d", n);
		IS(agentchat_send(b, "#general", text, NULL, NULL, 0), 0);
	}
	for (n = 0; n < 500;) {
		struct pollfd p[2];

		p[0].fd = agentchat_fd(a);
		p[1].fd = agentchat_fd(b);
		p[0].events = p[1].events = POLLIN;
		TRUE(poll(p, 2, MS) > 0);
		agentchat_service(b);
		while (agentchat_next(b, &o, 0) == 1)
			agentchat_object_free(o);
		agentchat_service(a);
		while (agentchat_next(a, &o, 0) == 1) {
			if (strcmp(agentchat_object_str(o, "type"), "MSG")
			    == 0)
				IS(atoi(agentchat_object_str(o, "content")),
				    n++);
			agentchat_object_free(o);
		}
	}
	IS(agentchat_close(a, MS), 0);
	drain(a);
	IS(agentchat_service(a), -ENOTCONN);
	agentchat_free(a);
	agentchat_free(b);
}

static void
work(const char *url)
{
	struct agentchat_identity *i, *j;
	struct agentchat_object *o;
	struct agentchat_offer offer;
	struct agentchat *a, *b;
	char id[AGENTCHAT_PROPOSAL_MAX];

	IS(agentchat_identity_generate(&i, "giver"), 0);
	IS(agentchat_identity_generate(&j, "taker"), 0);
	a = session(url, "giver", i);
	b = session(url, "taker", j);
	memset(&offer, 0, sizeof(offer));
	offer.to = agentchat_id(b);
	offer.amount = 2.5;
	offer.currency = "SOL";
	ac_now = a;
	IS(agentchat_propose(a, &offer, id, NULL, MS), -EINVAL);
	offer.task = "count";
	IS(agentchat_propose(a, &offer, id, NULL, 0), -EINVAL);
	IS(agentchat_propose(a, &offer, id, NULL, MS), 0);
	o = expect(b, "PROPOSAL");
	TRUE(strcmp(agentchat_object_str(o, "id"), id) == 0);
	TRUE(agentchat_object_num(o, "amount", 0) == 2.5);
	agentchat_object_free(o);
	IS(agentchat_accept(b, id, NULL, &o, MS), 0);
	TRUE(strcmp(agentchat_object_str(o, "type"), "ACCEPT") == 0);
	agentchat_object_free(o);
	agentchat_object_free(expect(a, "ACCEPT"));
	IS(agentchat_complete(a, id, "done", &o, MS), 0);
	/* Signed in a chain: the receipt will be a strong one. */
	TRUE(agentchat_object_str(o, "sig2") != NULL);
	TRUE(agentchat_object_str(o, "proposal.sig2") != NULL);
	agentchat_object_free(o);
	IS(agentchat_dispute(b, id, "late", &o, MS),
	    AGENTCHAT_INVALID_PROPOSAL);
	TRUE(o == NULL);
	IS(agentchat_reject(b, "prop_none_00000000", NULL, NULL, MS),
	    AGENTCHAT_INVALID_PROPOSAL);
	agentchat_free(a);
	agentchat_free(b);
	agentchat_identity_free(i);
	agentchat_identity_free(j);
}

/* From the first call to the last, and then all of it once more. */
static void
life(const char *url, const char *file)
{
	struct agentchat_identity *me;
	struct agentchat_object *o;
	struct agentchat *ac;
	int n;

	for (n = 0; n < 2; n++) {
		IS(agentchat_identity_generate(&me, "alice"), 0);
		IS(agentchat_identity_save(me, file, NULL, n), 0);
		agentchat_identity_free(me);
		IS(agentchat_identity_load(&me, file, NULL), 0);
		ac = session(url, "alice", me);
		IS(agentchat_join(ac, "#general", MS), 0);
		IS(agentchat_send(ac, "#general", "hello", NULL, NULL, MS), 0);
		IS(agentchat_agents(ac, "#general", &o, MS), 0);
		agentchat_object_free(o);
		IS(agentchat_send(ac, "#general", "self", NULL, NULL, 0), 0);
		agentchat_object_free(hear(ac, "self"));
		IS(agentchat_join(ac, "#nowhere", MS),
		    AGENTCHAT_CHANNEL_NOT_FOUND);
		IS(agentchat_dm(ac, "@nobody99", "x", MS),
		    AGENTCHAT_AGENT_NOT_FOUND);
		IS(agentchat_raw(ac, "{\"type\":\"PING\"}"), 0);
		if (n == 0)
			IS(agentchat_close(ac, MS), 0);
		agentchat_free(ac);	/* events are left, too */
		agentchat_identity_free(me);
	}
}

static void
nobody(const char *url)
{
	struct agentchat_object *o;
	struct agentchat *ac;

	IS(agentchat_new(&ac, "http://here"), -EINVAL);
	IS(agentchat_new(&ac, url), 0);
	ac_now = ac;
	IS(agentchat_connect(ac, MS), -ECONNREFUSED);
	TRUE(strstr(agentchat_why(ac), "refused") != NULL);
	o = expect(ac, "DOWN");
	IS(agentchat_object_num(o, "code", 0), -ECONNREFUSED);
	agentchat_object_free(o);
	IS(agentchat_next(ac, &o, -1), -ENOTCONN);
	agentchat_free(ac);
	/* Never connected, too. */
	IS(agentchat_new(&ac, url), 0);
	agentchat_free(ac);
	agentchat_free(NULL);
}

/* Says READY and DOWN as they come, until there were three. */
static void
reconnecting(const char *url)
{
	struct agentchat_object *o;
	struct agentchat *ac;
	int n = 0;

	IS(agentchat_new(&ac, url), 0);
	IS(agentchat_set_reconnect(ac, 1), 0);
	IS(agentchat_connect(ac, 0), 0);
	ac_now = ac;
	while (n < 3) {
		const char *type;

		IS(readable(ac, MS), 1);
		agentchat_service(ac);
		while (n < 3 && agentchat_next(ac, &o, 0) == 1) {
			type = agentchat_object_str(o, "type");
			if (strcmp(type, "READY") == 0 || n == 1) {
				printf("%s\n", type);
				fflush(stdout);
				n++;
			}
			agentchat_object_free(o);
		}
	}
	agentchat_free(ac);
}

/* ROOT has a daemon "default" that runs, and one "other". */
static void
daemons(const char *root)
{
	struct agentchat_object *o;
	char path[4096];
	int n;

	n = agentchat_daemon_path(root, "other", "inbox.jsonl", path,
	    sizeof(path));
	IS(n, strlen(path));
	TRUE(strstr(path, "/daemons/other/inbox.jsonl") != NULL);
	IS(agentchat_daemon_path(root, "../x", NULL, path, sizeof(path)),
	    -EINVAL);
	IS(agentchat_daemon_path(root, NULL, "../x", path, sizeof(path)),
	    -EINVAL);
	IS(agentchat_daemon_path(root, NULL, NULL, path, 4), -ENAMETOOLONG);
	IS(agentchat_daemon_running(root, NULL), 1);
	IS(agentchat_daemon_running(root, "third"), 0);
	IS(agentchat_daemon_status(root, "third", &o), -ENOENT);
	IS(agentchat_daemon_status(root, "default", &o), 0);
	TRUE(strcmp(agentchat_object_str(o, "state"), "connected") == 0);
	TRUE(agentchat_object_int(o, "pid", 0) > 0);
	agentchat_object_free(o);
	IS(agentchat_daemon_list(root, &o), 0);
	IS(agentchat_object_count(o, "list"), 2);
	TRUE(strcmp(agentchat_object_str(o, "list.1.instance"), "other")
	    == 0);
	agentchat_object_free(o);
	IS(agentchat_daemon_stop(root, "other", MS), 0);
	IS(agentchat_daemon_stop(root, "other", MS), -ESRCH);
	IS(agentchat_daemon_stop_all(root, MS), 1);
	IS(agentchat_daemon_stop_all(root, MS), 0);
	IS(agentchat_daemon_running(root, NULL), 0);
}

int
main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	TRUE(strlen(agentchat_version()) > 4);
	TRUE(strcmp(agentchat_errword(AGENTCHAT_RATE_LIMITED), "RATE_LIMITED")
	    == 0);
	TRUE(agentchat_errword(-EIO) == NULL);
	if (strcmp(what, "blocking") == 0 && argc > 3)
		blocking(argv[2], argv[3]);
	else if (strcmp(what, "life") == 0 && argc > 3)
		life(argv[2], argv[3]);
	else if (strcmp(what, "polling") == 0)
		polling(argv[2]);
	else if (strcmp(what, "work") == 0)
		work(argv[2]);
	else if (strcmp(what, "nobody") == 0)
		nobody(argv[2]);
	else if (strcmp(what, "reconnecting") == 0)
		reconnecting(argv[2]);
	else if (strcmp(what, "daemons") == 0)
		daemons(argv[2]);
	else
		return 2;
	return 0;
}
