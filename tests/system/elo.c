/*
 * elo.c - rate deals from standard input, for the tests to compare: lines
 * "agent agent done|fault|both amount"; prints "agent rating transactions".
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "ledger/ledger.h"

struct agent {
	char		name[32];
	struct elo	elo;
};

static struct elo *
find(struct map *all, const char *name)
{
	struct agent *a = map_get(all, name, strlen(name));

	if (a != NULL)
		return &a->elo;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		exit(1);
	snprintf(a->name, sizeof(a->name), "%s", name);
	a->elo.rating = ELO_START;
	if (map_put(all, a->name, strlen(a->name), a) < 0)
		exit(1);
	return &a->elo;
}

int
main(void)
{
	char one[32], two[32], outcome[8];
	struct agent *a;
	struct map all;
	double amount;
	size_t at = 0;

	map_init(&all);
	while (scanf("%31s %31s %7s %lf", one, two, outcome, &amount) == 4)
		elo_rate(find(&all, one), find(&all, two),
		    strcmp(outcome, "done") == 0 ? ELO_DONE :
		    strcmp(outcome, "fault") == 0 ? ELO_FAULT :
		    ELO_FAULT_BOTH, amount, 1);
	while ((a = map_next(&all, &at)) != NULL) {
		printf("%s %lld %u\n", a->name, (long long)a->elo.rating,
		    a->elo.transactions);
		free(a);
	}
	map_fini(&all);
	return 0;
}
