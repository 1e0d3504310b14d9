#include "fuse/opens.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct open_object {
	uint64_t obj;
	unsigned handles;
	unsigned writers; /* of them */
	UT_hash_handle hh;
};

struct opens {
	struct list handles;
	struct handle *ends;
	struct open_object *objects;
};

int opens_new(struct opens **opens)
{
	struct opens *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
	list_init(&new->handles);
	*opens = new;
	return 0;
}

void opens_free(struct opens *opens)
{
	struct list *link;
	struct list *after;
	struct open_object *object;
	struct open_object *next;

	if (!opens)
		return;
	HASH_CLEAR(hh, opens->ends);
	list_for_each_safe(link, after, &opens->handles)
		handle_free(list_entry(link, struct handle, link));
	HASH_ITER(hh, opens->objects, object, next) {
		HASH_DEL(opens->objects, object);
		free(object);
	}
	free(opens);
}

struct handle *handle_new(struct opens *opens, enum handle_kind kind, uint64_t ino, pid_t pid)
{
	struct handle *handle = calloc(1, sizeof(*handle));

	if (!handle)
		return NULL;
	handle->kind = kind;
	handle->ino = ino;
	handle->pid = pid;
	list_push_back(&opens->handles, &handle->link);
	return handle;
}

void handle_free(struct handle *handle)
{
	if (!handle)
		return;
	list_remove(&handle->link);
	if (handle->poll)
		fuse_pollhandle_destroy(handle->poll);
	free(handle->text);
	free(handle);
}

int handle_set_text(struct handle *handle, const void *text, size_t text_bytes)
{
	handle->text_bytes = 0;
	return handle_add_text(handle, text, text_bytes);
}

int handle_add_text(struct handle *handle, const void *text, size_t text_bytes)
{
	char *all = realloc(handle->text, handle->text_bytes + text_bytes + 1);

	if (!all)
		return -ENOMEM;
	if (text_bytes)
		memcpy(all + handle->text_bytes, text, text_bytes);
	handle->text = all;
	handle->text_bytes += text_bytes;
	all[handle->text_bytes] = '\0';
	return 0;
}

static struct open_object *find(struct opens *opens, uint64_t obj)
{
	struct open_object *object;

	HASH_FIND(hh, opens->objects, &obj, sizeof(obj), object);
	return object;
}

int opens_add(struct opens *opens, struct handle *handle)
{
	struct open_object *object = find(opens, handle->obj);

	if (!object) {
		object = calloc(1, sizeof(*object));
		if (!object)
			return -ENOMEM;
		object->obj = handle->obj;
		HASH_ADD(hh, opens->objects, obj, sizeof(object->obj), object);
	}
	object->handles++;
	object->writers += handle->mode == PAGE_EXCLUSIVE;
	if (handle->kind == HANDLE_SIGNAL)
		HASH_ADD(hh, opens->ends, end, sizeof(handle->end), handle);
	handle->opened = true;
	return 0;
}

bool opens_remove(struct opens *opens, struct handle *handle)
{
	struct open_object *object = find(opens, handle->obj);

	CHECK(handle->opened && object);
	handle->opened = false;
	if (handle->kind == HANDLE_SIGNAL)
		HASH_DEL(opens->ends, handle);
	object->writers -= handle->mode == PAGE_EXCLUSIVE;
	if (--object->handles)
		return false;
	HASH_DEL(opens->objects, object);
	free(object);
	return true;
}

struct handle *opens_end(struct opens *opens, uint64_t end)
{
	struct handle *handle;

	HASH_FIND(hh, opens->ends, &end, sizeof(end), handle);
	return handle;
}

int opens_objects(struct opens *opens, uint64_t **objs, size_t *count)
{
	struct open_object *object;
	struct open_object *after;
	uint64_t *list = calloc(HASH_COUNT(opens->objects) + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	*count = 0;
	HASH_ITER(hh, opens->objects, object, after)
		list[(*count)++] = object->obj;
	*objs = list;
	return 0;
}

struct handle *opens_any(struct opens *opens)
{
	struct list *link;
	struct list *after;

	list_for_each_safe(link, after, &opens->handles) {
		struct handle *handle = list_entry(link, struct handle, link);

		if (handle->opened)
			return handle;
	}
	return NULL;
}

bool opens_has(struct opens *opens, uint64_t obj)
{
	return find(opens, obj) != NULL;
}

bool opens_written(struct opens *opens, uint64_t obj)
{
	struct open_object *object = find(opens, obj);

	return object && object->writers;
}

struct handle *opens_only(struct opens *opens, uint64_t ino, pid_t pid)
{
	struct handle *only = NULL;
	struct list *link;
	struct list *after;

	list_for_each_safe(link, after, &opens->handles) {
		struct handle *handle = list_entry(link, struct handle, link);

		if (handle->ino != ino || handle->pid != pid)
			continue;
		if (only)
			return NULL;
		only = handle;
	}
	return only;
}
