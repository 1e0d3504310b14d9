/*
 * steps.h: what tests of the core make nodes do, each in one call.
 */
#ifndef NETMEM_TESTS_UNIT_STEPS_H
#define NETMEM_TESTS_UNIT_STEPS_H

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cluster.h"

/* The object whose `memory` this is: they are made one after the other. */
static inline uint64_t whole(uint64_t memory)
{
	return memory - 1;
}

/* An object; its `memory`. */
static inline uint64_t make(struct cluster *cluster, unsigned node, const char *name)
{
	struct msg msg = {.type = REQ_MKDIR, .dir = DIR_ROOT, .attr = {.mode = 0755}};
	struct answer *answer = cluster_do(cluster, node, &msg, name, (uint32_t)strlen(name) + 1);

	ck_assert_int_eq(answer->error, 0);
	ck_assert_uint_eq(whole(answer->cookie), answer->obj);
	return answer->cookie;
}

/* About the memory if there is a mode, else about its object. */
static inline int simple(struct cluster *cluster, unsigned node, enum msg_type type, uint64_t obj, enum page_mode mode)
{
	struct msg msg = {.type = (uint8_t)type,
	                  .obj = mode ? obj : whole(obj),
	                  .mode = (uint8_t)mode,
	                  .seg = mode ? SEG_MEMORY : SEG_NONE};

	return cluster_do(cluster, node, &msg, NULL, 0)->error;
}

static inline int resize(struct cluster *cluster, unsigned node, uint64_t obj, uint64_t size)
{
	struct msg msg = {.type = REQ_SETATTR, .obj = obj, .flags = SETATTR_SIZE, .size = size};

	return cluster_do(cluster, node, &msg, NULL, 0)->error;
}

static inline struct answer *read_page(struct cluster *cluster, unsigned node, uint64_t obj, uint64_t page)
{
	struct msg msg = {.type = REQ_READ, .obj = obj, .page = page, .count = 1};

	return cluster_do(cluster, node, &msg, NULL, 0);
}

static inline int write_byte(struct cluster *cluster, unsigned node, uint64_t obj, uint64_t page, uint32_t offset,
                             char byte)
{
	struct msg msg = {.type = REQ_WRITE, .obj = obj, .page = page, .offset = offset};

	return cluster_do(cluster, node, &msg, &byte, 1)->error;
}

/* As a program that opens the object's control, writes, and closes it. */
static inline int order(struct cluster *cluster, unsigned node, uint64_t obj, const char *text)
{
	struct msg msg = {.type = REQ_CONTROL, .obj = whole(obj)};
	int error = simple(cluster, node, REQ_OPEN, obj, PAGE_INVALID);

	if (error)
		return error;
	error = cluster_do(cluster, node, &msg, text, (uint32_t)strlen(text))->error;
	ck_assert_int_eq(simple(cluster, node, REQ_RELEASE, obj, PAGE_INVALID), 0);
	return error;
}

/* The memory of the object. */
static inline int look_up(struct cluster *cluster, unsigned node, const char *name, uint64_t *obj)
{
	struct msg msg = {.type = REQ_LOOKUP, .dir = DIR_ROOT};
	struct answer *answer = cluster_do(cluster, node, &msg, name, (uint32_t)strlen(name) + 1);

	if (obj)
		*obj = answer->obj + 1;
	return answer->error;
}

static inline struct answer *ask(struct cluster *cluster, unsigned node, const struct msg *msg)
{
	return cluster_do(cluster, node, msg, NULL, 0);
}

static inline struct object_attr stat_object(struct cluster *cluster, unsigned node, uint64_t obj, uint32_t seg)
{
	uint64_t about = seg == SEG_NONE ? whole(obj) : obj;
	struct answer *answer = ask(cluster, node, &(struct msg){.type = REQ_GETATTR, .obj = about, .seg = seg});

	ck_assert_int_eq(answer->error, 0);
	return answer->attr;
}

static inline int change_mode(struct cluster *cluster, unsigned node, uint64_t obj, uint32_t mode)
{
	struct msg msg = {
		.type = REQ_SETATTR, .obj = whole(obj), .seg = SEG_NONE, .flags = SETATTR_MODE, .attr.mode = mode};

	return ask(cluster, node, &msg)->error;
}

static inline int remove_name(struct cluster *cluster, unsigned node, const char *name)
{
	struct msg msg = {.type = REQ_REMOVE, .dir = DIR_ROOT};

	return cluster_do(cluster, node, &msg, name, (uint32_t)strlen(name) + 1)->error;
}

/* Lists the root, to the end; how many names there are, and whether `name` is among them, with its memory. */
static inline unsigned list_root(struct cluster *cluster, unsigned node, const char *name, uint64_t *obj)
{
	struct msg msg = {.type = REQ_LIST, .dir = DIR_ROOT};
	unsigned count = 0;

	*obj = 0;
	for (;;) {
		struct answer *answer = ask(cluster, node, &msg);

		ck_assert_int_eq(answer->error, 0);
		if (!answer->length)
			return count;
		for (const char *at = (char *)answer->bytes; at < (char *)answer->bytes + answer->length; at += strlen(at) + 1) {
			char found[OBJECT_NAME_BYTES];
			uint64_t id;

			ck_assert_int_eq(sscanf(at, "%" SCNu64 " %" SCNu64 " %255s", &msg.cookie, &id, found), 3);
			count++;
			if (!strcmp(found, name))
				*obj = id + 1;
		}
	}
}

static inline uint64_t open_size(struct cluster *cluster, unsigned node, uint64_t obj)
{
	uint64_t size = 0;

	ck_assert(core_open_size(cluster_core(cluster, node), obj, SEG_MEMORY, &size));
	return size;
}

#endif
