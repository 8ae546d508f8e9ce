/*
 * elo.c - one deal's effect on two ratings.
 */
#include "config.h"

#include "ledger/ledger.h"

#include <math.h>

double
elo_k(unsigned transactions, double amount)
{
	double k = transactions < 30 ? 32 : transactions < 100 ? 24 : 16;
	double weight;

	if (!(amount > 0))
		return k;
	weight = 1 + log10(amount + 1);
	return k * (weight < 3 ? weight : 3);
}

static double
expected(const struct elo *self, const struct elo *other)
{
	return 1 / (1 + pow(10, (double)(other->rating - self->rating) / 400));
}

/* Halves go up, as Math.round() has it; and never nothing. */
static int64_t
points(double x)
{
	double n = floor(x + 0.5);

	return n > 1 ? (int64_t)n : 1;
}

static void
change(struct elo *e, int64_t by)
{
	e->rating += by;
	if (e->rating < ELO_FLOOR)
		e->rating = ELO_FLOOR;
	e->transactions++;
}

void
elo_rate(struct elo *a, struct elo *b, enum elo_outcome outcome, double amount,
    double scale)
{
	double ea = expected(a, b), eb = expected(b, a);
	double ka = elo_k(a->transactions, amount) * scale;
	double kb = elo_k(b->transactions, amount) * scale;
	int64_t loss;

	switch (outcome) {
	case ELO_DONE:
		change(a, points(ka * (1 - ea)));
		change(b, points(kb * (1 - eb)));
		break;
	case ELO_FAULT:
		loss = points(ka * ea);
		change(a, -loss);
		change(b, (loss + 1) / 2);
		break;
	case ELO_FAULT_BOTH:
		change(a, -points(ka * ea));
		change(b, -points(kb * eb));
		break;
	}
}
