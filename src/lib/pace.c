/*
 * pace.c - a token bucket: the relay's, as we keep it on our side.
 */
#include "config.h"

#include "lib/pace.h"

#define DEFAULT_RATE	1.0
#define DEFAULT_BURST	10.0
#define MARGIN		0.98	/* of its rate: our clocks differ */
#define RATE_MIN	0.2
#define HOLD_MAX_MS	60000
#define GROWTH		1.01	/* a message, towards what the relay told */

void
pace_init(struct pace *p, double rate, double burst, int64_t now_ms)
{
	*p = (struct pace){ .at_ms = now_ms, .cut_ms = now_ms - 1 };
	p->rate = (rate > 0 ? rate : DEFAULT_RATE) * MARGIN;
	p->burst = burst > 0 ? burst : rate > 0 ? 1 : DEFAULT_BURST;
	/* One is kept back: what we space, the network may bunch up. */
	p->burst = p->burst > 2 ? p->burst - 1 : 1;
	p->tokens = p->burst;
	p->told_rate = p->rate;
	p->told_burst = p->burst;
}

static double
grown(double x, double most)
{
	return x * GROWTH < most ? x * GROWTH : most;
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

	if (tokens < 1 || now_ms < p->held_ms)
		return false;
	p->tokens = tokens - 1;
	p->at_ms = now_ms;
	p->rate = grown(p->rate, p->told_rate);
	p->burst = grown(p->burst, p->told_burst);
	return true;
}

int64_t
pace_wait_ms(const struct pace *p, int64_t now_ms)
{
	double missing = 1 - tokens_at(p, now_ms);
	int64_t held = p->held_ms - now_ms;
	int64_t ms = missing <= 0 ? 0 :
	    (int64_t)(missing * 1000 / p->rate) + 1;

	return held > ms ? held : ms;
}

void
pace_refused(struct pace *p, int64_t sent_ms, int64_t retry_ms, int64_t now_ms)
{
	if (retry_ms > 0) {
		p->held_ms = now_ms + (retry_ms < HOLD_MAX_MS ? retry_ms :
		    HOLD_MAX_MS);
		return;
	}
	if (sent_ms <= p->cut_ms)
		return;
	p->cut_ms = now_ms;
	if (p->burst > 1)
		p->burst = p->burst > 2 ? p->burst / 2 : 1;
	else
		p->rate = p->rate * 0.9 > RATE_MIN ? p->rate * 0.9 : RATE_MIN;
	p->tokens = 0;
	p->at_ms = now_ms;
}
