/*
 * metrics.c - what the relay has done and holds, as Prometheus reads it.
 *
 * Counters are plain numbers that the paths add to; everything else is looked
 * up when somebody asks. Text exposition format 0.0.4.
 */
#include "config.h"

#include "relay/internal.h"

#include <inttypes.h>
#include <string.h>

static void
describe(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_addf(b, "# HELP agentchat_%s %s\n# TYPE agentchat_%s %s\n", name,
	    help, name, type);
}

static void
one(struct buf *b, const char *name, const char *type, const char *help,
    uint64_t value)
{
	describe(b, name, type, help);
	buf_addf(b, "agentchat_%s %" PRIu64 "\n", name, value);
}

static void
put_counters(struct buf *b, const struct relay *r)
{
	const struct metrics *m = &r->metrics;

	one(b, "connections_total", "counter",
	    "WebSocket connections accepted.", m->connections);
	one(b, "received_total", "counter",
	    "Messages of any type that came from sessions.", m->received);
	one(b, "sent_total", "counter",
	    "Messages of any type put into sessions' queues.", m->sent);
	one(b, "messages_total", "counter",
	    "Messages accepted from agents and from the operator.",
	    m->messages);
	one(b, "deliveries_total", "counter",
	    "Messages handed to a session's queue.", m->deliveries);
	one(b, "auth_failures_total", "counter",
	    "Proofs of a key that were refused.", m->auth_failures);
	describe(b, "refusals_total", "counter",
	    "ERROR replies by their code.");
	for (int i = 1; i < AC_ORD_COUNT; i++)
		buf_addf(b, "agentchat_refusals_total{code=\"%s\"} %" PRIu64
		    "\n", ac_errword(-1000 - i), m->refusals[i]);
	describe(b, "drops_total", "counter",
	    "Sessions ended by the relay for a fault of theirs or its own.");
	for (int i = 0; i < DROP_REASONS; i++)
		buf_addf(b, "agentchat_drops_total{reason=\"%s\"} %" PRIu64
		    "\n", metrics_drop_word((enum drop)i), m->drops[i]);
}

static void
put_gauges(struct buf *b, const struct relay *r)
{
	uint64_t queued = 0, letters = 0;
	const struct agent *a;
	const struct peer *p;
	size_t at;

	LIST_FOREACH(p, &r->peers, all)
		queued += p->q.len;
	for (at = 0; (a = map_next(&r->agents, &at)) != NULL;)
		letters += a->count;
	one(b, "connections", "gauge", "Open WebSocket connections.",
	    r->npeers);
	one(b, "sessions", "gauge", "Sessions that have identified.",
	    r->online.count);
	one(b, "channels", "gauge", "Public channels.",
	    chan_count_public(r));
	one(b, "known_agents", "gauge", "Keys that have proved themselves.",
	    r->agents.count);
	one(b, "queue_bytes", "gauge",
	    "Bytes that wait for sessions to read them.", queued);
	one(b, "mailbox_messages", "gauge",
	    "Messages that wait for an agent's acknowledgement.", letters);
	one(b, "kept_bytes", "gauge", "Memory that counts for --max-memory.",
	    mem_used());
	one(b, "journal_bytes", "gauge", "Length of the journal on disk.",
	    store_size(r->store));
}

static void
put_syncs(struct buf *b, const struct relay *r)
{
	struct store_syncs s = store_syncs(r->store);
	uint64_t sum = 0;

	describe(b, "journal_sync_seconds", "histogram",
	    "Time that a sync of the journal took.");
	for (int i = 0; i < STORE_BUCKETS; i++) {
		sum += s.buckets[i];
		buf_addf(b, "agentchat_journal_sync_seconds_bucket{le=\"%g\"} "
		    "%" PRIu64 "\n", store_bucket_s(i), sum);
	}
	buf_addf(b, "agentchat_journal_sync_seconds_bucket{le=\"+Inf\"} %"
	    PRIu64 "\nagentchat_journal_sync_seconds_sum %.9g\n"
	    "agentchat_journal_sync_seconds_count %" PRIu64 "\n",
	    s.count, s.sum_s, s.count);
}

void
metrics_print(struct buf *b, const struct relay *r)
{
	describe(b, "build_info", "gauge", "Always 1; the version is a label.");
	buf_addf(b, "agentchat_build_info{version=\"%s\"} 1\n",
	    PACKAGE_VERSION);
	put_counters(b, r);
	put_gauges(b, r);
	put_syncs(b, r);
}

const char *
metrics_drop_word(enum drop reason)
{
	static const char *const words[DROP_REASONS] = {
		[DROP_SLOW] = "slow_reader",
		[DROP_MEMORY] = "out_of_memory",
		[DROP_SILENT] = "no_identify",
		[DROP_DEAD] = "dead",
		[DROP_PROTOCOL] = "protocol",
		[DROP_REFUSED] = "connection_limit",
	};

	return words[reason];
}
