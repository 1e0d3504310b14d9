#include "core/nodes.h"

#include "base/check.h"

static int seat_of(const struct nodes *nodes, uint32_t number)
{
	for (int seat = 0; number && seat < (int)NODES_MAX; seat++)
		if (nodes->numbers[seat] == number)
			return seat;
	return -1;
}

bool nodes_seat(struct nodes *nodes, uint32_t number)
{
	CHECK(number);
	if (seat_of(nodes, number) >= 0)
		return true;
	for (unsigned seat = 0; seat < NODES_MAX; seat++) {
		if (nodes->numbers[seat])
			continue;
		nodes->numbers[seat] = number;
		return true;
	}
	return false;
}

void nodes_unseat(struct nodes *nodes, uint32_t number)
{
	int seat = seat_of(nodes, number);

	if (seat >= 0)
		nodes->numbers[seat] = 0;
}

node_set nodes_one(const struct nodes *nodes, uint32_t number)
{
	int seat = seat_of(nodes, number);

	return seat < 0 ? 0 : UINT64_C(1) << seat;
}

uint32_t nodes_next(const struct nodes *nodes, node_set set, unsigned *at)
{
	for (; *at < NODES_MAX; (*at)++)
		if (set >> *at & 1)
			return nodes->numbers[(*at)++];
	return 0;
}
