#include "cluster.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "wire/wire_check.h"

#define ANSWERS_MAX 512
#define ENDS_MAX 256 /* ids of ends that are told apart */

struct packet {
	struct list link;
	unsigned from, to;
	struct msg msg;
	unsigned char bytes[];
};

/* What a kernel is to do: an invalidation, or a show. */
struct held {
	struct list link;
	uint64_t token;
	bool shows;
	struct msg range;
	struct show show;
};

struct dirty {
	struct list link;
	uint64_t obj, page;
	unsigned char byte;
};

/* A segment's size as a kernel has it. An answer to SETATTR may come to it late. */
struct file {
	struct list link;
	uint64_t obj, size;
	unsigned handles;
	bool late;
	uint64_t late_size;
};

struct node {
	struct cluster *cluster;
	unsigned index;
	struct run *run; /* NULL: a stranger */
	bool ready, dead, frozen, holding, late;
	bool uncached;
	unsigned deaf; /* so many shows do not take */
	char fatal[256];
	uint32_t slot_of[CLUSTER_NODES_MAX]; /* 0: not connected */
	uint32_t epoch_of[CLUSTER_NODES_MAX];
	struct list held;
	struct list dirty;
	struct list files;
	bool lost[MSG_TYPES];
	uint64_t deadline_ns;
	unsigned counts[MSG_TYPES];
	unsigned wakes[ENDS_MAX];
	struct msg last[MSG_TYPES];
};

struct cluster {
	struct node nodes[CLUSTER_NODES_MAX];
	unsigned count;
	uint64_t pages_max;
	uint64_t now_ns;
	struct list packets;
	unsigned messages;
	struct answer *answers[ANSWERS_MAX];
	uint64_t next_token;
};

static uint64_t now_ns(void *context)
{
	return ((struct node *)context)->cluster->now_ns;
}

static unsigned node_of_slot(const struct node *node, uint32_t slot)
{
	for (unsigned i = 0; i < node->cluster->count; i++)
		if (node->slot_of[i] == slot)
			return i;
	return CLUSTER_NODES_MAX;
}

static void packet_push(struct cluster *cluster, unsigned from, unsigned to, const struct msg *msg)
{
	struct packet *packet = malloc(sizeof(*packet) + msg->payload.length_bytes);

	*packet = (struct packet){.from = from, .to = to, .msg = *msg};
	if (getenv("CLUSTER_LOG")) {
		char text[512];

		fprintf(stderr, "%u -> %u: %s\n", from, to, msg->type ? msg_print(msg, text, sizeof(text)) : "end");
	}
	if (msg->payload.length_bytes)
		memcpy(packet->bytes, msg->payload.bytes, msg->payload.length_bytes);
	list_push_back(&cluster->packets, &packet->link);
}

static void drive_send(void *context, uint32_t slot, const struct msg *msg)
{
	struct node *node = context;
	unsigned to = node_of_slot(node, slot);
	const char *why = "";
	char text[512];

	ck_assert_msg(wire_check(msg, &why) == 0, "%s: %s", msg_print(msg, text, sizeof(text)), why);

	if (to < CLUSTER_NODES_MAX && !node->lost[msg->type])
		packet_push(node->cluster, node->index, to, msg);
}

static struct file *file_of(struct node *node, uint64_t obj)
{
	struct list *link, *after;
	struct file *file;

	list_for_each_safe(link, after, &node->files)
	{
		file = list_entry(link, struct file, link);
		if (file->obj == obj)
			return file;
	}
	file = calloc(1, sizeof(*file));
	file->obj = obj;
	list_push_back(&node->files, &file->link);
	return file;
}

/* What an answer does to the size that the kernel has. */
static void answered(struct node *node, const struct answer *answer)
{
	const struct msg *asked = &answer->asked;
	struct file *file = file_of(node, asked->obj);
	uint64_t end = asked->page * PAGE_BYTES + asked->offset + asked->payload.length_bytes;

	if (answer->error)
		return;
	if (asked->type == REQ_OPEN && asked->mode != PAGE_INVALID)
		file->handles++;
	if (asked->type == REQ_RELEASE && asked->mode != PAGE_INVALID)
		file->handles--;
	if (asked->type == REQ_GETATTR && asked->seg == SEG_MEMORY && file->handles && !file->late)
		ck_assert_msg(answer->attr.size_bytes == file->size, "an answer changes the size of an open segment");
	if (asked->type == REQ_SETATTR && asked->seg == SEG_MEMORY && node->late) {
		file->late = true;
		file->late_size = answer->attr.size_bytes;
	} else if ((asked->type == REQ_GETATTR || asked->type == REQ_SETATTR) && asked->seg == SEG_MEMORY) {
		file->size = answer->attr.size_bytes;
	}
	if (asked->type == REQ_WRITE && !(asked->flags & WRITE_BACK) && end > file->size)
		file->size = end;
}

static void drive_reply(void *context, uint64_t token, const struct msg *msg)
{
	struct node *node = context;
	struct answer *answer = cluster_answer(node->cluster, token);

	ck_assert_msg(!answer->done, "a request is answered twice");
	answer->done = true;
	answer->error = msg->error;
	answer->obj = msg->obj;
	answer->cookie = msg->cookie;
	answer->count = msg->count;
	answer->flags = msg->flags;
	answer->attr = msg->attr;
	answer->length = msg->payload.length_bytes;
	ck_assert_uint_le(answer->length, sizeof(answer->bytes));
	if (answer->length)
		memcpy(answer->bytes, msg->payload.bytes, answer->length);
	answered(node, answer);
}

static void invalidated(struct node *node, uint64_t token, const struct msg *range)
{
	struct event event = {.type = EV_INVALIDATED, .token = token};
	struct list *link, *after;

	list_for_each_safe(link, after, &node->dirty)
	{
		struct dirty *dirty = list_entry(link, struct dirty, link);
		unsigned char bytes[PAGE_BYTES];
		struct msg write = {.type = REQ_WRITE, .obj = dirty->obj, .page = dirty->page, .flags = WRITE_BACK};

		if (dirty->obj != range->obj || dirty->page < range->page ||
		    (range->count && dirty->page >= range->page + range->count))
			continue;
		memset(bytes, dirty->byte, sizeof(bytes));
		list_remove(link);
		free(dirty);
		cluster_request(node->cluster, node->index, &write, bytes, sizeof(bytes));
	}
	run_event(node->run, &event);
}

static void shown(struct node *node, uint64_t token, const struct show *show)
{
	struct file *file = file_of(node, show->obj);
	struct event event = {.type = EV_SHOWN, .token = token};

	if (!node->deaf)
		file->size = show->size_bytes;
	node->deaf -= node->deaf != 0;
	event.msg.size = file->size;
	run_event(node->run, &event);
}

static void hold(struct node *node, struct held what)
{
	struct held *held = malloc(sizeof(*held));

	*held = what;
	list_push_back(&node->held, &held->link);
}

static void drive_invalidate(void *context, uint64_t token, const struct msg *range)
{
	hold(context, (struct held){.token = token, .range = *range});
}

static void drive_show(void *context, uint64_t token, const struct show *show)
{
	hold(context, (struct held){.token = token, .shows = true, .show = *show});
}

static void drive_unshow(void *context, uint64_t token)
{
	struct node *node = context;
	struct list *link, *after;

	list_for_each_safe(link, after, &node->held)
	{
		struct held *held = list_entry(link, struct held, link);
		struct event event = {.type = EV_SHOWN, .token = token};

		if (!held->shows || held->token != token)
			continue;
		event.msg.size = file_of(node, held->show.obj)->size;
		list_remove(link);
		free(held);
		run_event(node->run, &event);
	}
}

static void drive_peek(void *context, uint64_t token, const struct msg *page)
{
	struct node *node = context;
	struct event event = {.type = EV_PEEKED, .token = token, .msg.count = !node->uncached};

	(void)page;
	run_event(node->run, &event);
}

static void drive_wake(void *context, uint64_t end)
{
	((struct node *)context)->wakes[end % ENDS_MAX]++;
}

/* 0 if all are taken. */
static uint32_t free_slot(const struct node *node)
{
	for (uint32_t slot = SLOT_SELF + 1; slot < NODES_MAX; slot++)
		if (node_of_slot(node, slot) == CLUSTER_NODES_MAX)
			return slot;
	return 0;
}

static void drive_connect(void *context, uint64_t token, const char *address)
{
	struct node *node = context;
	struct cluster *cluster = node->cluster;
	struct node *peer = &cluster->nodes[atoi(address + 1)];
	struct event event = {.type = EV_CONNECTED, .token = token};

	if (peer->dead || node->slot_of[peer->index] || !free_slot(node) || !free_slot(peer)) {
		event = (struct event){.type = EV_CONNECT_FAILED, .token = token, .error = -111};
		run_event(node->run, &event);
		return;
	}
	node->slot_of[peer->index] = free_slot(node);
	peer->slot_of[node->index] = free_slot(peer);
	event.slot = node->slot_of[peer->index];
	run_event(node->run, &event);
	event.slot = peer->slot_of[node->index];
	event.token = 0;
	run_event(peer->run, &event);
}

static void disconnect(struct node *node, unsigned other)
{
	struct event event = {.type = EV_DISCONNECTED, .slot = node->slot_of[other]};

	if (!event.slot)
		return;
	node->slot_of[other] = 0;
	if (!node->dead && node->run)
		run_event(node->run, &event);
}

void cluster_full(struct cluster *cluster, unsigned node, unsigned other, bool full)
{
	struct event event = {.type = full ? EV_FULL : EV_ROOM, .slot = cluster->nodes[node].slot_of[other]};

	run_event(cluster->nodes[node].run, &event);
}

static void drive_close(void *context, uint32_t slot, const char *why)
{
	struct node *node = context;
	unsigned other = node_of_slot(node, slot);
	struct list *link, *after;

	(void)why;
	if (other == CLUSTER_NODES_MAX)
		return;
	/* What was sent before still arrives, as on TCP; what the other sent does not. */
	list_for_each_safe(link, after, &node->cluster->packets)
	{
		struct packet *packet = list_entry(link, struct packet, link);

		if (packet->from == other && packet->to == node->index) {
			list_remove(link);
			free(packet);
		}
	}
	disconnect(node, other);
	packet_push(node->cluster, node->index, other, &(struct msg){.type = 0});
}

static void drive_log(void *context, enum log_level level, const char *text)
{
	if (getenv("CLUSTER_LOG"))
		fprintf(stderr, "node %u: %d: %s\n", ((struct node *)context)->index, level, text);
}

static void drive_ready(void *context)
{
	((struct node *)context)->ready = true;
}

static void drive_fatal(void *context, const char *text)
{
	struct node *node = context;

	snprintf(node->fatal, sizeof(node->fatal), "%s", text);
}

static void drive_left(void *context)
{
	(void)context;
}

static void drive_deadline(void *context, uint64_t deadline_ns)
{
	((struct node *)context)->deadline_ns = deadline_ns;
}

static const struct run_driver driver = {.now_ns = now_ns,
                                         .send = drive_send,
                                         .reply = drive_reply,
                                         .invalidate = drive_invalidate,
                                         .show = drive_show,
                                         .unshow = drive_unshow,
                                         .peek = drive_peek,
                                         .wake = drive_wake,
                                         .connect = drive_connect,
                                         .close = drive_close,
                                         .log = drive_log,
                                         .ready = drive_ready,
                                         .fatal = drive_fatal,
                                         .left = drive_left,
                                         .deadline = drive_deadline};

static struct node *node_new(struct cluster *cluster)
{
	unsigned index = cluster->count++;
	struct node *node = &cluster->nodes[index];

	ck_assert_uint_lt(index, CLUSTER_NODES_MAX);
	node->cluster = cluster;
	node->index = index;
	node->deadline_ns = UINT64_MAX;
	list_init(&node->held);
	list_init(&node->dirty);
	list_init(&node->files);
	return node;
}

unsigned cluster_join(struct cluster *cluster, const char *name)
{
	struct node *node = node_new(cluster);
	unsigned index = node->index;
	const char *breakage = getenv("CLUSTER_BREAK");
	char address[16];
	struct core_config config = {.node_name = name,
	                             .address = address,
	                             .join = index ? "n0" : NULL,
	                             .cluster = 99,
	                             .store_pages_max = cluster->pages_max,
	                             .timeout_ns = CLUSTER_TIMEOUT_NS,
	                             .quiet_ns = QUIET_NS,
	                             .breakage = breakage ? (unsigned)atoi(breakage) : 0};
	struct event event = {.type = EV_START};

	snprintf(address, sizeof(address), "n%u", index);
	ck_assert_int_eq(run_new(&node->run, &config, &driver, node), 0);
	run_event(node->run, &event);
	cluster_settle(cluster);
	return index;
}

unsigned cluster_stranger(struct cluster *cluster, unsigned to)
{
	struct node *stranger = node_new(cluster);
	struct node *node = &cluster->nodes[to];
	struct event event = {.type = EV_CONNECTED, .slot = free_slot(node)};

	stranger->slot_of[to] = 1;
	node->slot_of[stranger->index] = event.slot;
	run_event(node->run, &event);
	return stranger->index;
}

bool cluster_connected(struct cluster *cluster, unsigned node, unsigned other)
{
	return cluster->nodes[node].slot_of[other];
}

struct cluster *cluster_new(unsigned nodes, uint64_t pages_max)
{
	struct cluster *cluster = calloc(1, sizeof(*cluster));

	cluster->pages_max = pages_max;
	cluster->now_ns = 1000000000;
	cluster->next_token = 1;
	list_init(&cluster->packets);
	for (unsigned i = 0; i < nodes; i++) {
		char name[16];

		snprintf(name, sizeof(name), "node%u", i);
		cluster_join(cluster, name);
	}
	for (unsigned i = 0; i < nodes; i++)
		ck_assert_msg(cluster->nodes[i].ready, "node %u is not ready: %s", i, cluster->nodes[i].fatal);
	return cluster;
}

void cluster_free(struct cluster *cluster)
{
	struct list *link, *after;

	for (unsigned i = 0; i < cluster->count; i++) {
		struct node *node = &cluster->nodes[i];

		list_for_each_safe(link, after, &node->held)
			free(list_entry(link, struct held, link));
		list_for_each_safe(link, after, &node->dirty)
			free(list_entry(link, struct dirty, link));
		list_for_each_safe(link, after, &node->files)
			free(list_entry(link, struct file, link));
		run_free(node->run);
	}
	list_for_each_safe(link, after, &cluster->packets)
		free(list_entry(link, struct packet, link));
	for (unsigned i = 0; i < ANSWERS_MAX; i++)
		free(cluster->answers[i]);
	free(cluster);
}

struct core *cluster_core(struct cluster *cluster, unsigned node)
{
	return run_core(cluster->nodes[node].run);
}

void cluster_check(struct cluster *cluster)
{
	for (unsigned i = 0; i < cluster->count; i++) {
		char why[128] = "";

		if (cluster->nodes[i].run && !cluster->nodes[i].dead)
			ck_assert_msg(core_consistent(cluster_core(cluster, i), why, sizeof(why)), "node %u: %s", i, why);
	}
}

const char *cluster_fatal(struct cluster *cluster, unsigned node)
{
	return *cluster->nodes[node].fatal ? cluster->nodes[node].fatal : NULL;
}

bool cluster_ready(struct cluster *cluster, unsigned node)
{
	return cluster->nodes[node].ready;
}

struct answer *cluster_answer(struct cluster *cluster, uint64_t token)
{
	return cluster->answers[token % ANSWERS_MAX];
}

uint64_t cluster_request(struct cluster *cluster, unsigned node, const struct msg *msg, const void *bytes,
                         uint32_t length)
{
	uint64_t token = cluster->next_token++;
	struct event event = {.type = EV_REQUEST, .token = token, .msg = *msg};

	if (bytes)
		event.msg.payload = (struct payload){.kind = PAYLOAD_BYTES, .bytes = bytes, .length_bytes = length};
	free(cluster->answers[token % ANSWERS_MAX]);
	cluster->answers[token % ANSWERS_MAX] = calloc(1, sizeof(struct answer));
	cluster->answers[token % ANSWERS_MAX]->asked = event.msg;
	run_event(cluster->nodes[node].run, &event);
	return token;
}

static void deliver(struct node *node, struct packet *packet)
{
	struct event event = {.type = EV_MESSAGE, .slot = node->slot_of[packet->from], .msg = packet->msg};
	enum msg_type type = packet->msg.type;

	event.msg.payload.bytes = packet->bytes;
	node->counts[type]++;
	node->last[type] = packet->msg;
	node->cluster->messages += type != MSG_PING;
	if (packet->msg.epoch)
		node->epoch_of[packet->from] = packet->msg.epoch;
	if (type == MSG_WELCOME) {
		node->epoch_of[packet->from] = (uint32_t)packet->msg.cookie;
		node->cluster->nodes[packet->from].epoch_of[node->index] = (uint32_t)packet->msg.cookie;
	}
	if (node->run)
		run_event(node->run, &event);
}

static bool deliver_one(struct cluster *cluster)
{
	struct packet *packet;
	struct node *node;

	if (list_empty(&cluster->packets))
		return false;
	packet = list_entry(cluster->packets.next, struct packet, link);
	list_remove(&packet->link);
	node = &cluster->nodes[packet->to];
	if (!packet->msg.type)
		disconnect(node, packet->from);
	else if (node->slot_of[packet->from] && !node->dead && !node->frozen)
		deliver(node, packet);
	free(packet);
	return true;
}

/* It waits until the answer has come that it is to come after. */
static bool must_wait(struct node *node, const struct held *held)
{
	return held->shows && (held->show.settle_ns || held->show.lock) && file_of(node, held->show.obj)->late;
}

static bool kernel_one(struct cluster *cluster)
{
	for (unsigned i = 0; i < cluster->count; i++) {
		struct node *node = &cluster->nodes[i];
		struct held *held;

		if (node->holding || node->dead || node->frozen || list_empty(&node->held))
			continue;
		held = list_entry(node->held.next, struct held, link);
		if (must_wait(node, held))
			continue;
		list_remove(&held->link);
		if (held->shows)
			shown(node, held->token, &held->show);
		else
			invalidated(node, held->token, &held->range);
		free(held);
		return true;
	}
	return false;
}

static bool tick_one(struct cluster *cluster, uint64_t until_ns)
{
	for (unsigned i = 0; i < cluster->count; i++) {
		struct node *node = &cluster->nodes[i];
		struct event event = {.type = EV_TICK};

		if (node->dead || node->frozen || node->deadline_ns > until_ns)
			continue;
		if (node->deadline_ns > cluster->now_ns)
			cluster->now_ns = node->deadline_ns;
		run_event(node->run, &event);
		return true;
	}
	return false;
}

/* Dwells are part of settling; longer waits are not. */
bool cluster_step(struct cluster *cluster)
{
	return deliver_one(cluster) || kernel_one(cluster) || tick_one(cluster, cluster->now_ns + 2 * DWELL_LONG_NS);
}

void cluster_settle(struct cluster *cluster)
{
	while (cluster_step(cluster))
		;
}

void cluster_advance(struct cluster *cluster, uint64_t ns)
{
	uint64_t until_ns = cluster->now_ns + ns;

	do
		cluster_settle(cluster);
	while (tick_one(cluster, until_ns));
	if (cluster->now_ns < until_ns)
		cluster->now_ns = until_ns;
}

struct answer *cluster_do(struct cluster *cluster, unsigned node, const struct msg *msg, const void *bytes,
                          uint32_t length)
{
	uint64_t token = cluster_request(cluster, node, msg, bytes, length);

	cluster_settle(cluster);
	ck_assert_msg(cluster_answer(cluster, token)->done, "a request of type %u is not answered", msg->type);
	return cluster_answer(cluster, token);
}

void cluster_interrupt(struct cluster *cluster, unsigned node, uint64_t token)
{
	struct event event = {.type = EV_INTERRUPT, .token = token};

	run_event(cluster->nodes[node].run, &event);
}

void cluster_hold_kernel(struct cluster *cluster, unsigned node)
{
	cluster->nodes[node].holding = true;
}

void cluster_resume_kernel(struct cluster *cluster, unsigned node)
{
	cluster->nodes[node].holding = false;
}

void cluster_release_kernel(struct cluster *cluster, unsigned node)
{
	cluster_resume_kernel(cluster, node);
	cluster_settle(cluster);
}

void cluster_dirty(struct cluster *cluster, unsigned node, uint64_t obj, uint64_t page, unsigned char byte)
{
	struct dirty *dirty = malloc(sizeof(*dirty));

	*dirty = (struct dirty){.obj = obj, .page = page, .byte = byte};
	list_push_back(&cluster->nodes[node].dirty, &dirty->link);
}

void cluster_uncache(struct cluster *cluster, unsigned node)
{
	cluster->nodes[node].uncached = true;
}

void cluster_deafen(struct cluster *cluster, unsigned node, unsigned shows)
{
	cluster->nodes[node].deaf = shows;
}

void cluster_hold_setattr(struct cluster *cluster, unsigned node)
{
	cluster->nodes[node].late = true;
}

void cluster_release_setattr(struct cluster *cluster, unsigned node)
{
	struct list *link, *after;

	cluster->nodes[node].late = false;
	list_for_each_safe(link, after, &cluster->nodes[node].files)
	{
		struct file *file = list_entry(link, struct file, link);

		if (file->late)
			file->size = file->late_size;
		file->late = false;
	}
	cluster_settle(cluster);
}

uint64_t cluster_kernel_size(struct cluster *cluster, unsigned node, uint64_t obj)
{
	return file_of(&cluster->nodes[node], obj)->size;
}

unsigned cluster_wakes(struct cluster *cluster, unsigned node, uint64_t end)
{
	return cluster->nodes[node].wakes[end % ENDS_MAX];
}

void cluster_kill(struct cluster *cluster, unsigned node)
{
	cluster->nodes[node].dead = true;
	for (unsigned i = 0; i < cluster->count; i++)
		if (i != node) {
			disconnect(&cluster->nodes[i], node);
			cluster->nodes[node].slot_of[i] = 0;
		}
	cluster_settle(cluster);
}

void cluster_freeze(struct cluster *cluster, unsigned node)
{
	cluster->nodes[node].frozen = true;
}

void cluster_raw(struct cluster *cluster, unsigned from, unsigned to, const struct msg *msg)
{
	struct msg copy = *msg;

	copy.epoch = cluster->nodes[to].epoch_of[from] ? cluster->nodes[to].epoch_of[from] :
	                                                 cluster->nodes[from].epoch_of[to];
	packet_push(cluster, from, to, &copy);
}

void cluster_lose(struct cluster *cluster, unsigned node, enum msg_type type)
{
	cluster->nodes[node].lost[type] = true;
}

void cluster_lose_no_more(struct cluster *cluster, unsigned node, enum msg_type type)
{
	cluster->nodes[node].lost[type] = false;
}

unsigned cluster_count(struct cluster *cluster, unsigned node, enum msg_type type)
{
	return cluster->nodes[node].counts[type];
}

unsigned cluster_messages(struct cluster *cluster)
{
	return cluster->messages;
}

struct msg cluster_last(struct cluster *cluster, unsigned node, enum msg_type type)
{
	return cluster->nodes[node].last[type];
}
