/*
 * relay.c - the relay from start to end.
 */
#include "config.h"

#include "relay/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/log.h"
#include "base/notify.h"
#include "relay/internal.h"
#include "relay/loop.h"

void
relay_conf_init(struct relay_conf *conf)
{
	*conf = (struct relay_conf){
		.host = "0.0.0.0", .port = 6667, .name = "agentchat",
		.rate = 1, .burst = 10,
		.replay = 20, .history = 20000,
		.segment_len = 64 << 20, .max_spool = INT64_C(4) << 30,
		.max_memory = INT64_C(1) << 30, .queue_max = 1 << 20,
		.content_max = WIRE_CONTENT_MAX, .frame_max = WIRE_FRAME_MAX,
		.idle_ping_ms = 25000,
		.max_unidentified = 16,
		.sync = RELAY_SYNC_GROUP,
	};
}

static int
fail(char **why, int rc, const char *what)
{
	if (asprintf(why, "%s: %s.", what, ac_strerror(rc)) < 0)
		*why = NULL;
	return rc;
}

int
relay_spool(const struct relay_conf *conf, bool create, struct spool **sp)
{
	int root, rc;

	if (conf->spool != NULL)
		return spool_open(sp, AT_FDCWD, conf->spool, create);
	rc = spool_root(conf->root, create, &root);
	if (rc == 0) {
		rc = spool_open(sp, root, "relay", create);
		close(root);
	}
	return rc;
}

static int
open_spool(struct relay *r, char **why)
{
	int rc = relay_spool(&r->conf, true, &r->spool);

	if (rc < 0)
		return fail(why, rc, "The relay's spool can't be opened");
	rc = spool_lock(r->spool);
	if (rc == -EBUSY) {
		*why = strdup("Another relay is running on this spool: stop "
		    "it, or give this one its own with --spool.");
		return rc;
	}
	return rc < 0 ? fail(why, rc, "The spool can't be locked") : 0;
}

static void
free_all(struct relay *r)
{
	struct chan *c;
	struct agent *a;
	size_t at;

	view_close_all(r);
	operator_close(r);
	verify_free_all(r);
	access_close(r);
	works_close(r);
	reputation_close(r);
	dedupe_fini(&r->said);
	for (at = 0; (c = map_next(&r->chans, &at)) != NULL;)
		chan_free(c);
	for (at = 0; (a = map_next(&r->agents, &at)) != NULL;)
		agent_free(a);
	map_fini(&r->chans);
	map_fini(&r->agents);
	map_fini(&r->keys);
	map_fini(&r->online);
	map_fini(&r->addresses);
	turn_free(r);
	wire_msg_fini(&r->msg);
	buf_fini(&r->json);
	buf_fini(&r->rec);
	buf_fini(&r->scratch);
	buf_fini(&r->flush);
	for (int i = 0; i < SHARES; i++)
		buf_fini(&r->shared[i]);
	spool_close(r->spool);
}

/* The last record says that everything before it is on disk. */
static int
close_store(struct relay *r)
{
	int rc, rc2;

	if (r->store == NULL)
		return 0;
	rc = turn_commit(r);
	buf_clear(&r->rec);
	r->may_exceed = true;
	if (rc == 0 && r->started && r->fatal == 0) {
		rc = turn_record(r, STORE_STOP, NULL);
		if (rc == 0)
			rc = turn_commit(r);
	}
	rc2 = store_close(r->store);
	r->store = NULL;
	return rc < 0 ? rc : rc2;
}

static int
announce(const struct relay *r)
{
	char host[80];
	bool any = strcmp(r->conf.host, "0.0.0.0") == 0 ||
	    strcmp(r->conf.host, "::") == 0;

	snprintf(host, sizeof(host), strchr(r->conf.host, ':') != NULL ?
	    "[%s]" : "%s", any ? "127.0.0.1" : r->conf.host);
	log_info("listening", "host", r->conf.host, "loop", loop_kind(r),
	    "epoch", r->epoch, NULL);
	if (printf("{\"listening\":\"%s://%s:%d\"}\n",
	    r->conf.cert != NULL ? "wss" : "ws", host, loop_port(r)) < 0 ||
	    fflush(stdout) == EOF)
		return -EIO;
	return 0;
}

/* Before the first thread: a thread that runs already would stay free. */
static void
confine(const struct relay *r)
{
	int rc = confine_writes(spool_dir(r->spool));

	if (rc < 0)
		log_warn("confine", "err", ac_strerror(rc), NULL);
	else
		log_info("confined", "writes", rc == 1 ? "spool" : "anywhere",
		    NULL);
}

static int
serve(struct relay *r, char **why)
{
	int rc;

	confine(r);
	rc = loop_open(r, why);
	if (rc < 0)
		return rc;
	rc = store_start(r->store, loop_wake, r);
	if (rc < 0)
		return fail(why, rc, "The sync thread can't be started");
	r->started = true;
	rc = announce(r);
	if (rc < 0)
		return fail(why, rc, "Standard output can't be written");
	rc = notify_send("READY=1");
	if (rc < 0)
		log_warn("notify", "err", ac_strerror(rc), NULL);
	loop_serve(r);
	if (r->fatal != 0)
		return fail(why, r->fatal, "The journal can't be synced");
	return 0;
}

int
relay_run(const struct relay_conf *conf, char **why)
{
	struct relay *r = calloc(1, sizeof(*r));
	int rc, rc2;

	*why = NULL;
	if (r == NULL)
		return -ENOMEM;
	r->conf = *conf;
	/* Whole segments go: of few large ones too much would go at once. */
	if (conf->max_spool > 0 && conf->segment_len > conf->max_spool / 8)
		r->conf.segment_len = conf->max_spool / 8;
	mem_init(conf->max_memory);
	map_init(&r->chans);
	map_init(&r->agents);
	map_init(&r->keys);
	map_init(&r->online);
	map_init(&r->addresses);
	LIST_INIT(&r->peers);
	TAILQ_INIT(&r->dirty);
	TAILQ_INIT(&r->waiting);
	TAILQ_INIT(&r->looks);
	TAILQ_INIT(&r->slow);
	TAILQ_INIT(&r->unstored);
	TAILQ_INIT(&r->views);
	TAILQ_INIT(&r->open_views);
	TAILQ_INIT(&r->verifies);
	wire_msg_init(&r->msg);
	rc = ident_init();
	if (rc == 0)
		rc = turn_new(r);
	if (rc == 0)
		rc = works_open(r);
	if (rc == 0)
		rc = reputation_open(r);
	if (rc == 0)
		rc = open_spool(r, why);
	if (rc == 0)
		rc = restore(r, why);
	if (rc == 0) {
		rc = operator_open(r);
		if (rc < 0)
			fail(why, rc, "The relay's spool can't be watched");
	}
	if (rc == 0) {
		rc = access_open(r);
		if (rc < 0)
			fail(why, rc, "The allow and ban lists or the admin "
			    "key (16 bytes or more) can't be used");
	}
	if (rc == 0)
		rc = serve(r, why);
	rc2 = close_store(r);
	if (rc == 0 && rc2 < 0)
		rc = fail(why, rc2, "The journal can't be closed");
	loop_close(r);
	free_all(r);
	free(r);
	return rc;
}
