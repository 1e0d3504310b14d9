/*
 * buffer.h: a queue of bytes, taken from the front, filled at the end.
 */
#ifndef NETMEM_BASE_BUFFER_H
#define NETMEM_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
	uint8_t *bytes;
	size_t room_bytes;
	size_t start_bytes;
	size_t end_bytes;
};

static inline size_t buffer_length(const struct buffer *buffer)
{
	return buffer->end_bytes - buffer->start_bytes;
}

/* NULL if it never held anything. */
static inline uint8_t *buffer_front(const struct buffer *buffer)
{
	return buffer->bytes ? buffer->bytes + buffer->start_bytes : NULL;
}

/* A zeroed struct is an empty buffer. */
void buffer_fini(struct buffer *buffer);

/* Copies `bytes` to the end. 0, or -ENOMEM; nothing changed then. */
int buffer_append(struct buffer *buffer, const void *bytes, size_t length_bytes);

/* Takes that many from the front. What a burst has left of memory is given back once it is empty. */
void buffer_consume(struct buffer *buffer, size_t length_bytes);

#endif
