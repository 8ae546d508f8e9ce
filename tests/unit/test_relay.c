/*
 * test_relay.c - the relay's state machines that need no socket: records,
 * known ids, rate, mailboxes, ids of keys, ratings.
 */
#include "config.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rnd.h"
#include "relay/internal.h"

static void
a_record_head_survives_the_round_trip(void **state)
{
	struct rec_head in = {
		.to = "#general", .to_len = 8, .from = "@0123456789abcdef",
		.from_len = 17, .id = "n-1", .id_len = 3, .flags = 1,
		.seq = UINT64_MAX, .ts = -1, .number = 1ull << 40,
		.hash = 0x0102030405060708,
	}, out;
	struct buf b = BUF_INIT;

	(void)state;
	rec_put_head(&b, &in);
	buf_adds(&b, "{}");
	assert_int_equal(buf_err(&b), 0);
	assert_int_equal(rec_head(&out, b.p, b.len), 0);
	assert_int_equal(out.to_len, 8);
	assert_memory_equal(out.to, "#general", 8);
	assert_memory_equal(out.from, in.from, 17);
	assert_memory_equal(out.id, "n-1", 3);
	assert_int_equal(out.flags, 1);
	assert_true(out.seq == UINT64_MAX && out.ts == -1);
	assert_true(out.number == in.number && out.hash == in.hash);
	assert_int_equal(out.json_len, 2);
	assert_memory_equal(out.json, "{}", 2);
	/* Cut anywhere, it is refused and not read beyond. */
	for (size_t n = 0; n < b.len - 2; n++) {
		char *cut = malloc(n);	/* exact: ASan sees a byte more */

		memcpy(cut, b.p, n);
		assert_int_equal(rec_head(&out, cut, n), -EUCLEAN);
		free(cut);
	}
	buf_fini(&b);
}

static int
know(struct dedupe *d, uint64_t id)
{
	struct known k = { .j = id * 10 };

	return dedupe_add(d, id, &k);
}

static uint64_t
j_of(const struct dedupe *d, uint64_t id)
{
	const struct known *k = dedupe_find(d, id);

	return k != NULL ? k->j : 0;
}

static void
dedupe_knows_the_last_thousand(void **state)
{
	struct dedupe d = { 0 };

	(void)state;
	assert_int_equal(j_of(&d, 7), 0);
	for (uint64_t i = 1; i <= 2500; i++)
		assert_int_equal(know(&d, i), 0);
	assert_int_equal(j_of(&d, 1500), 0);
	assert_int_equal(j_of(&d, 1501), 15010);
	assert_int_equal(j_of(&d, 2500), 25000);
	assert_int_equal(d.hash[dedupe_at(&d, 0)], 1501);
	assert_int_equal(d.hash[dedupe_at(&d, 999)], 2500);
	dedupe_undo(&d);
	assert_int_equal(j_of(&d, 2500), 0);
	assert_int_equal(j_of(&d, 2499), 24990);
	dedupe_fini(&d);
}

static void
dedupe_knows_the_last_few_when_memory_is_full(void **state)
{
	struct dedupe d = { 0 };

	(void)state;
	mem_init(1);
	for (uint64_t i = 1; i <= 100; i++)
		assert_int_equal(know(&d, i), 0);
	assert_int_equal(d.count, DEDUPE_LEAST);
	assert_int_equal(d.hash[dedupe_at(&d, 0)], 100 - DEDUPE_LEAST + 1);
	/* Room again: it goes on growing from where it stands. */
	mem_init(0);
	for (uint64_t i = 101; i <= 1100; i++)
		assert_int_equal(know(&d, i), 0);
	assert_int_equal(d.count, DEDUPE_MAX);
	assert_int_equal(d.hash[dedupe_at(&d, 0)], 101);
	assert_int_equal(d.hash[dedupe_at(&d, 999)], 1100);
	dedupe_fini(&d);
	assert_int_equal(mem_used(), 0);
}

static void
dedupe_takes_back_what_was_not_written(void **state)
{
	struct dedupe d = { 0 }, from = { 0 };

	(void)state;
	for (uint64_t i = 1; i <= 3; i++)
		assert_int_equal(know(&d, i), 0);
	dedupe_undo(&d);
	dedupe_undo(&d);
	assert_int_equal(d.count, 1);
	assert_int_equal(j_of(&d, 1), 10);
	assert_int_equal(j_of(&d, 2), 0);
	for (uint64_t i = 10; i < 15; i++)
		assert_int_equal(know(&from, i), 0);
	dedupe_merge(&d, &from);
	assert_int_equal(d.count, 6);
	assert_int_equal(j_of(&d, 14), 140);
	assert_int_equal(from.count, 0);
	dedupe_fini(&d);
}

static void
hashes_keep_parts_apart(void **state)
{
	uint64_t a, b;

	(void)state;
	a = dedupe_hash(dedupe_hash(0, "ab", 2), "c", 1);
	b = dedupe_hash(dedupe_hash(0, "a", 1), "bc", 2);
	assert_true(a != b);
}

static void
a_bucket_gives_its_burst_and_no_more(void **state)
{
	struct relay_conf conf;
	struct bucket b;
	int n = 0;

	(void)state;
	relay_conf_init(&conf);
	conf.rate = 0.0001;	/* a test is over before the next token */
	conf.burst = 10;
	bucket_init(&b, &conf);
	while (n < 100 && bucket_take(&b, &conf, 1))
		n++;
	assert_int_equal(n, 10);
	assert_true(bucket_take(&b, &conf, 0));
	b.at_ms -= 20000 * 1000;	/* 20,000 s ago: two tokens */
	assert_true(bucket_take(&b, &conf, 1));
	assert_true(bucket_take(&b, &conf, 1));
	assert_false(bucket_take(&b, &conf, 1));
	conf.rate = 0;
	assert_true(bucket_take(&b, &conf, 1));
}

static void
mailbox_holds_a_thousand_and_a_quarter_of_one_sender(void **state)
{
	struct relay r = { 0 };
	unsigned char key[IDENT_KEY_LEN];
	struct agent *a;
	char from[IDENT_ID_MAX];
	uint64_t seq = 0;
	size_t n;

	(void)state;
	map_init(&r.agents);
	map_init(&r.keys);
	rnd_bytes(key, sizeof(key));
	assert_int_equal(agent_new(&r, "@12345678", 9, key, &a), 0);
	for (n = 0; mailbox_has_room(a, "@aaaaaaaa", 100); n++)
		assert_int_equal(mailbox_add(a, ++seq, 8, "@aaaaaaaa", 9,
		    100), 0);
	assert_int_equal(n, MAILBOX_MAX / 4);
	for (int i = 0; seq < MAILBOX_MAX; i++) {
		snprintf(from, sizeof(from), "@b%07d", i);
		assert_true(mailbox_has_room(a, from, 100));
		assert_int_equal(mailbox_add(a, ++seq, 8, from, 9, 100), 0);
	}
	assert_false(mailbox_has_room(a, "@cccccccc", 1));
	assert_int_equal(mailbox_ack(a, 600), 1);
	assert_int_equal(mailbox_ack(a, 600), 0);
	assert_int_equal(a->count, 400);
	assert_int_equal(a->bytes, 40000);
	assert_int_equal(TAILQ_FIRST(&a->letters)->seq, 601);
	mailbox_undo(a);
	assert_int_equal(a->mailbox_seq, 999);
	/* A few long ones are as full as many short ones. */
	assert_false(mailbox_has_room(a, "@cccccccc", MAILBOX_BYTES / 4 + 1));
	agent_forget(&r, a);
	assert_int_equal(r.agents.count, 0);
	map_fini(&r.agents);
	map_fini(&r.keys);
}

static void
a_second_key_with_the_same_digits_gets_sixteen(void **state)
{
	struct relay r = { 0 };
	unsigned char mine[IDENT_KEY_LEN], other[IDENT_KEY_LEN];
	char id[IDENT_ID_MAX], again[IDENT_ID_MAX];
	struct agent *a;

	(void)state;
	map_init(&r.agents);
	map_init(&r.keys);
	map_init(&r.online);
	rnd_bytes(mine, sizeof(mine));
	rnd_bytes(other, sizeof(other));
	agent_id_for_key(&r, mine, id);
	assert_int_equal(strlen(id), 9);
	/* As if another key had been first with these digits. */
	assert_int_equal(agent_new(&r, id, 9, other, &a), 0);
	agent_id_for_key(&r, mine, again);
	assert_int_equal(strlen(again), 17);
	assert_memory_equal(again, id, 9);
	agent_id_for_key(&r, other, id);
	assert_string_equal(id, a->id);
	agent_forget(&r, a);
	map_fini(&r.agents);
	map_fini(&r.keys);
	map_fini(&r.online);
}

static void
frame_headers_follow_rfc_6455(void **state)
{
	unsigned char h[10];

	(void)state;
	assert_int_equal(peer_frame_header(h, 125), 2);
	assert_memory_equal(h, "\x81\x7d", 2);
	assert_int_equal(peer_frame_header(h, 126), 4);
	assert_memory_equal(h, "\x81\x7e\x00\x7e", 4);
	assert_int_equal(peer_frame_header(h, 65535), 4);
	assert_memory_equal(h, "\x81\x7e\xff\xff", 4);
	assert_int_equal(peer_frame_header(h, 65536), 10);
	assert_memory_equal(h, "\x81\x7f\0\0\0\0\0\x01\0\0", 10);
}

static void
history_keeps_the_newest_in_a_growing_ring(void **state)
{
	struct relay_conf conf;
	struct chan c = { 0 };

	(void)state;
	relay_conf_init(&conf);
	conf.history = 100;
	for (uint64_t i = 1; i <= 1000; i++) {
		assert_int_equal(history_add(&c, &conf, i * 8), 0);
		assert_int_equal(c.seq, i);
		for (uint64_t s = history_first(&c); s <= i; s++)
			assert_int_equal(c.pos[s % c.pos_cap], s * 8);
	}
	assert_int_equal(c.depth, 100);
	assert_int_equal(history_first(&c), 901);
	history_undo(&c);
	assert_int_equal(c.seq, 999);
	assert_int_equal(history_first(&c), 901);
	free(c.pos);
}

static void
history_takes_the_past_in_any_order_of_positions(void **state)
{
	struct relay_conf conf;
	struct chan c = { .seq = 100 };

	(void)state;
	relay_conf_init(&conf);
	conf.history = 80;
	/* Beyond the limit, or of the future: not kept. */
	assert_int_equal(history_place(&c, &conf, 20, 1), 0);
	assert_int_equal(history_place(&c, &conf, 101, 1), 0);
	assert_int_equal(c.depth, 0);
	assert_int_equal(history_place(&c, &conf, 50, 500), 0);
	assert_int_equal(history_first(&c), 50);
	assert_int_equal(c.pos[51 % c.pos_cap], 0);	/* missing so far */
	for (uint64_t seq = 51; seq <= 100; seq++)
		assert_int_equal(history_place(&c, &conf, seq, seq * 10), 0);
	assert_int_equal(history_place(&c, &conf, 60, 7), 0);
	for (uint64_t seq = 50; seq <= 100; seq++)
		assert_int_equal(c.pos[seq % c.pos_cap],
		    seq == 60 ? 7 : seq * 10);
	assert_int_equal(history_add(&c, &conf, 1010), 0);
	assert_int_equal(c.seq, 101);
	assert_int_equal(history_first(&c), 50);
	free(c.pos);
}

static void
a_letter_that_moved_keeps_its_place(void **state)
{
	struct relay r = { 0 };
	unsigned char key[IDENT_KEY_LEN];
	struct agent *a;
	struct letter *l;
	uint64_t seq = 0;

	(void)state;
	map_init(&r.agents);
	map_init(&r.keys);
	rnd_bytes(key, sizeof(key));
	assert_int_equal(agent_new(&r, "@12345678", 9, key, &a), 0);
	a->mailbox_seq = 4;
	assert_int_equal(mailbox_add(a, 5, 50, "@a", 2, 1), 0);
	assert_int_equal(mailbox_place(a, 2, 60, "@a", 2, 1), 0);
	assert_int_equal(mailbox_place(a, 4, 70, "@a", 2, 1), 0);
	assert_int_equal(mailbox_place(a, 2, 80, "@a", 2, 1), 0);
	assert_int_equal(a->count, 3);
	assert_int_equal(a->mailbox_seq, 5);
	TAILQ_FOREACH(l, &a->letters, next) {
		assert_true(l->seq > seq);
		seq = l->seq;
		assert_int_equal(l->pos, seq == 2 ? 80 : seq == 4 ? 70 : 50);
	}
	agent_forget(&r, a);
	map_fini(&r.agents);
	map_fini(&r.keys);
}

static int
no_record(void *arg, enum store_type type, uint64_t pos, const void *body,
    size_t len)
{
	(void)arg;
	(void)type;
	(void)pos;
	(void)body;
	(void)len;
	return -EUCLEAN;
}

/* The ratings of the two parties, as members of a channel are shown them. */
static void
ratings_are(struct relay *r, const struct work *w, int64_t from, int64_t to)
{
	struct peer p[2];
	struct member m[2], *members[2] = { &m[0], &m[1] };
	struct chan c = { .members = members, .count = 2 };
	char want[128];

	memset(p, 0, sizeof(p));
	memset(m, 0, sizeof(m));
	for (int i = 0; i < 2; i++) {
		p[i].id_len = (uint8_t)snprintf(p[i].id, sizeof(p[i].id),
		    "%s", i == 0 ? w->from : w->to);
		m[i].peer = &p[i];
	}
	snprintf(want, sizeof(want), "{\"%s\":%lld,\"%s\":%lld}", w->from,
	    (long long)from, w->to, (long long)to);
	buf_clear(&r->json);
	wire_begin(&r->json, WIRE_AGENTS);
	reputation_put_members(r, &c);
	wire_end(&r->json);
	assert_non_null(strstr(r->json.p, want));
}

/* The clock of a relay that runs can't be turned: here an hour is a number. */
static void
a_pair_counts_once_an_hour_and_then_half(void **state)
{
	char path[] = "/tmp/agentchat-unit-XXXXXX", tidy[64];
	struct work w = { .from = "@aaaaaaaa", .to = "@bbbbbbbb",
	    .amount = 9 };
	struct elo from = { .rating = ELO_START }, to = from;
	const int64_t hour = 60 * 60 * 1000, began = 1000;
	struct store_report report;
	struct relay r;
	int dir;

	(void)state;
	memset(&r, 0, sizeof(r));
	relay_conf_init(&r.conf);
	r.conf.reputation = true;
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY);
	assert_return_code(dir, errno);
	assert_int_equal(store_open(&r.store, dir, &r.conf, no_record, NULL,
	    &report), 0);
	assert_int_equal(turn_new(&r), 0);
	assert_int_equal(reputation_open(&r), 0);

	assert_int_equal(reputation_rate(&r, &w, WIRE_COMPLETE,
	    PROPOSAL_RECIPIENT, began), 0);
	elo_rate(&from, &to, ELO_DONE, w.amount, 1);
	ratings_are(&r, &w, from.rating, to.rating);
	/* A millisecond less than an hour later: not again, either way. */
	assert_int_equal(reputation_rate(&r, &w, WIRE_COMPLETE,
	    PROPOSAL_RECIPIENT, began + hour - 1), 0);
	assert_int_equal(reputation_rate(&r, &w, WIRE_DISPUTE,
	    PROPOSAL_PROPOSER, began + hour - 1), 0);
	ratings_are(&r, &w, from.rating, to.rating);
	/* Then half of K, and it is taken back if it wasn't written. */
	assert_int_equal(reputation_rate(&r, &w, WIRE_COMPLETE,
	    PROPOSAL_RECIPIENT, began + hour), 0);
	reputation_undo(&r);
	ratings_are(&r, &w, from.rating, to.rating);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(reputation_rate(&r, &w, WIRE_COMPLETE,
		    PROPOSAL_RECIPIENT, began + i * hour), 0);
		elo_rate(&from, &to, ELO_DONE, w.amount, 0.5);
		ratings_are(&r, &w, from.rating, to.rating);
	}

	reputation_close(&r);
	turn_free(&r);
	store_abandon(r.store);
	assert_int_equal(store_close(r.store), 0);
	buf_fini(&r.json);
	buf_fini(&r.rec);
	close(dir);
	snprintf(tidy, sizeof(tidy), "rm -r %s", path);
	assert_int_equal(system(tidy), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_head_survives_the_round_trip),
		cmocka_unit_test(dedupe_knows_the_last_thousand),
		cmocka_unit_test(dedupe_knows_the_last_few_when_memory_is_full),
		cmocka_unit_test(dedupe_takes_back_what_was_not_written),
		cmocka_unit_test(hashes_keep_parts_apart),
		cmocka_unit_test(a_bucket_gives_its_burst_and_no_more),
		cmocka_unit_test(
		    mailbox_holds_a_thousand_and_a_quarter_of_one_sender),
		cmocka_unit_test(
		    a_second_key_with_the_same_digits_gets_sixteen),
		cmocka_unit_test(frame_headers_follow_rfc_6455),
		cmocka_unit_test(history_keeps_the_newest_in_a_growing_ring),
		cmocka_unit_test(
		    history_takes_the_past_in_any_order_of_positions),
		cmocka_unit_test(a_letter_that_moved_keeps_its_place),
		cmocka_unit_test(a_pair_counts_once_an_hour_and_then_half),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
