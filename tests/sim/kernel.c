#include "kernel.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "node.h"
#include "programs.h"

/* --- inodes ------------------------------------------------------------------------------------------------------- */

struct inode *kernel_inode(struct node *node, struct segment *segment)
{
	struct inode *inode = node->inodes;

	while (inode && inode->segment != segment)
		inode = inode->next;
	if (inode)
		return inode;
	inode = sched_alloc(&node->sim->sched, sizeof(*inode));
	inode->node = node;
	inode->segment = segment;
	waitq_init(&inode->wait);
	inode->next = node->inodes;
	node->inodes = inode;
	return inode;
}

bool kernel_linked(const struct node *node, const struct object *object, uint32_t *generation)
{
	const struct sim *sim = node->sim;
	const struct node *home = node_by_number(node->sim, object->home);

	*generation = home ? sim->link_generation[node->index][home->index] : 0;
	if (home == node)
		return true;
	return home && node_alive(home) && sim->links_up[node->index][home->index];
}

bool kernel_page_exempt(const struct inode *inode, const struct page *page)
{
	const struct object *object = inode->segment->object;
	const struct sim *sim = inode->node->sim;
	uint32_t generation;

	if (page->early || !kernel_linked(inode->node, object, &generation))
		return true;
	return object->home != inode->node->number && sim->phase != PHASE_SURVEY && page->generation != generation;
}

/* --- requests ------------------------------------------------------------------------------------------------------ */

struct request *kernel_request_new(struct node *node, const struct msg *msg)
{
	struct request *request = sched_alloc(&node->sim->sched, sizeof(*request));

	request->node = node;
	request->msg = *msg;
	waitq_init(&request->wait);
	return request;
}

struct request *kernel_inode_request(struct inode *inode, unsigned type)
{
	struct msg msg = {.type = (uint8_t)type, .obj = inode->segment->id, .seg = SEG_MEMORY};
	struct request *request = kernel_request_new(inode->node, &msg);

	request->inode = inode;
	return request;
}

void kernel_request_text(struct request *request, const char *text, uint32_t bytes)
{
	CHECK(bytes <= sizeof(request->text));
	memcpy(request->text, text, bytes);
	request->text_bytes = bytes;
}

static void take_words(struct request *request, const struct payload *payload)
{
	const unsigned char *bytes = payload->bytes;

	for (unsigned i = 0; i < OBJECT_PAGES * PAGE_WORDS; i++)
		if (bytes && (i + 1) * BLOCK_BYTES <= payload->length_bytes)
			memcpy(&request->reply_words[i], bytes + i * BLOCK_BYTES, sizeof(request->reply_words[i]));
}

static void take_text(struct request *request, const struct payload *payload)
{
	request->reply_bytes = payload->length_bytes;
	request->reply_text = sched_alloc(&request->node->sim->sched, payload->length_bytes + 1u);
	if (payload->length_bytes)
		memcpy(request->reply_text, payload->bytes, payload->length_bytes);
}

/* A file's attributes say which object it is in, an object's that it is none. */
static void check_attributes(struct request *request, const struct msg *reply)
{
	const struct msg *msg = &request->msg;
	bool attributes = msg->type == REQ_GETATTR || msg->type == REQ_SETATTR ||
	                  (msg->type == REQ_OPEN && request->inode);
	uint64_t object = request->inode ? request->inode->segment->object->id : 0;

	if (attributes && !reply->error && reply->dir && reply->dir != object)
		sim_fail(request->node->sim, "%s: attributes of %llx are said to be of a file in %llx, but it is %llx",
		         request->node->name, (unsigned long long)msg->obj, (unsigned long long)reply->dir,
		         (unsigned long long)object);
}

void kernel_answer(struct request *request, const struct msg *reply)
{
	struct sim *sim = request->node->sim;
	uint64_t wait_ns = sim_now_ns(sim) - request->sent_ns;

	request->done = true;
	request->error = reply->error;
	request->obj = reply->obj;
	request->cookie = reply->cookie;
	request->dir = reply->dir;
	request->reply_count = reply->count;
	request->flags = reply->flags;
	request->attr = reply->attr;
	if (request->inode)
		(void)kernel_linked(request->node, request->inode->segment->object, &request->generation);
	check_attributes(request, reply);
	if (request->msg.type == REQ_READ && !reply->error)
		take_words(request, &reply->payload);
	if (request->msg.type == REQ_LIST && !reply->error)
		take_text(request, &reply->payload);
	if (wait_ns > sim->stats.max_wait_ns)
		sim->stats.max_wait_ns = wait_ns;
	if (request->on_reply)
		request->on_reply(request);
	waitq_wake(&sim->sched, &request->wait);
}

int kernel_call(struct request *request, struct thread *thread)
{
	request->version = request->node->attr_version;
	node_submit(request);
	if (thread)
		thread->waiting = request;
	while (!request->done)
		task_wait(&request->node->sim->sched, &request->wait, msg_type_name(request->msg.type));
	if (thread)
		thread->waiting = NULL;
	if (request->error == -EINTR && !request->interrupted)
		sim_fail(request->node->sim, "%s: EINTR for a request that nobody interrupted", request->node->name);
	return request->error;
}
