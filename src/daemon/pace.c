/*
 * pace.c - a token bucket: the relay's, as we keep it on our side.
 */
#include "config.h"

#include "daemon/pace.h"

#define DEFAULT_RATE	1.0
#define DEFAULT_BURST	10.0
#define MARGIN		0.98	/* of its rate: our clocks differ */
#define RATE_MIN	0.2

void
pace_init(struct pace *p, double rate, double burst, int64_t now_ms)
{
	p->rate = (rate > 0 ? rate : DEFAULT_RATE) * MARGIN;
	p->burst = burst > 0 ? burst : rate > 0 ? 1 : DEFAULT_BURST;
	/* One is kept back: what we space, the network may bunch up. */
	p->burst = p->burst > 2 ? p->burst - 1 : 1;
	p->tokens = p->burst;
	p->at_ms = now_ms;
}

static double
tokens_at(const struct pace *p, int64_t now_ms)
{
	double gained = (double)(now_ms - p->at_ms) * p->rate / 1000;

	return p->tokens + gained < p->burst ? p->tokens + gained : p->burst;
}

bool
pace_take(struct pace *p, int64_t now_ms)
{
	double tokens = tokens_at(p, now_ms);

	if (tokens < 1)
		return false;
	p->tokens = tokens - 1;
	p->at_ms = now_ms;
	return true;
}

int64_t
pace_wait_ms(const struct pace *p, int64_t now_ms)
{
	double missing = 1 - tokens_at(p, now_ms);

	return missing <= 0 ? 0 : (int64_t)(missing * 1000 / p->rate) + 1;
}

void
pace_refused(struct pace *p, int64_t now_ms)
{
	if (p->burst > 1)
		p->burst = p->burst > 2 ? p->burst / 2 : 1;
	else
		p->rate = p->rate * 0.9 > RATE_MIN ? p->rate * 0.9 : RATE_MIN;
	p->tokens = 0;
	p->at_ms = now_ms;
}
