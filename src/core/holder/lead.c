/*
 * lead.c: pages for writes that are to come. Where a program's write(2) begins at the end of the one before, the pages behind it are
 * asked for before it writes them, without their bytes: so it does not wait for each. Also those past the end, if it writes there. What
 * another node uses is not taken.
 *
 * A page that is held so is not in the kernel's cache. Whoever reads it fetches it as if the kernel had evicted it.
 */
#include "private.h"

#define LEAD_PAGES MSG_PAGES_MAX

static bool may_lead(const struct segment *segment)
{
	const struct bus *bus = bus_of(segment);
	bool refused = segment->refused_ns && bus->now_ns - segment->refused_ns < bus->quiet_ns;

	return !refused && segment->writers && home_of(segment->object) != bus->number && bus_reaches(bus, home_of(segment->object));
}

static void ask(struct segment *segment, uint64_t page)
{
	const struct held *held = page_table_find(&segment->pages, page);
	struct fetch *fetch;

	if ((held && held->mode != PAGE_INVALID) || cache_covers(&segment->cached, page) || taken_lately(segment, page) ||
	    fetch_find(segment, page))
		return;
	fetch = fetch_make(segment, page);
	if (!fetch || fetch->keepers)
		return;
	fetch->lead = true;
	fetch_send(segment, fetch);
}

void lead(struct segment *segment, uint64_t start_bytes, uint64_t end_bytes)
{
	bool follows = start_bytes == segment->write_next;
	uint64_t first = pages_of(end_bytes), end = first + LEAD_PAGES;

	segment->write_next = end_bytes;
	if (!follows || !may_lead(segment))
		return;
	if (segment->lead_end < first || segment->lead_end > first + LEAD_PAGES)
		segment->lead_end = first;
	if (segment->lead_end - first > LEAD_PAGES / 2)
		return;
	if (end_bytes < segment->size_bytes && end > pages_of(segment->size_bytes))
		end = pages_of(segment->size_bytes);
	if (end > OBJECT_BYTES_MAX / PAGE_BYTES)
		end = OBJECT_BYTES_MAX / PAGE_BYTES;
	while (segment->lead_end < end)
		ask(segment, segment->lead_end++);
}
