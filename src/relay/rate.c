/*
 * rate.c - token bucket of a session.
 */
#include "config.h"

#include "relay/internal.h"

#include "base/clock.h"

void
bucket_init(struct bucket *b, const struct relay_conf *conf)
{
	b->tokens = conf->burst;
	b->at_ms = clock_rough_ms();
}

bool
bucket_take(struct bucket *b, const struct relay_conf *conf, double cost)
{
	int64_t now = clock_rough_ms();

	if (conf->rate <= 0 || cost <= 0)
		return true;
	b->tokens += (double)(now - b->at_ms) / 1000 * conf->rate;
	if (b->tokens > conf->burst)
		b->tokens = conf->burst;
	b->at_ms = now;
	if (b->tokens < cost)
		return false;
	b->tokens -= cost;
	return true;
}
