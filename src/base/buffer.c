#include "base/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define BUFFER_FIRST_BYTES ((size_t)16 << 10)
#define BUFFER_KEPT_BYTES ((size_t)1 << 20)

void buffer_fini(struct buffer *buffer)
{
	free(buffer->bytes);
	*buffer = (struct buffer){ 0 };
}

/* Makes room at the end: by moving to the front if that wins at least half, else by doubling. */
static int make_room(struct buffer *buffer, size_t length_bytes)
{
	size_t held_bytes = buffer_length(buffer);
	size_t room_bytes = buffer->room_bytes ? buffer->room_bytes : BUFFER_FIRST_BYTES;
	uint8_t *bytes;

	if (buffer->room_bytes - buffer->end_bytes >= length_bytes)
		return 0;
	if (buffer->bytes && held_bytes + length_bytes <= buffer->room_bytes / 2) {
		memmove(buffer->bytes, buffer_front(buffer), held_bytes);
	} else {
		while (room_bytes < held_bytes + length_bytes)
			room_bytes *= 2;
		bytes = malloc(room_bytes);
		if (!bytes)
			return -ENOMEM;
		if (held_bytes > 0)
			memcpy(bytes, buffer_front(buffer), held_bytes);
		free(buffer->bytes);
		buffer->bytes = bytes;
		buffer->room_bytes = room_bytes;
	}
	buffer->start_bytes = 0;
	buffer->end_bytes = held_bytes;
	return 0;
}

int buffer_append(struct buffer *buffer, const void *bytes, size_t length_bytes)
{
	int result;

	if (length_bytes == 0)
		return 0;
	result = make_room(buffer, length_bytes);
	if (result < 0)
		return result;
	memcpy(buffer->bytes + buffer->end_bytes, bytes, length_bytes);
	buffer->end_bytes += length_bytes;
	return 0;
}

void buffer_consume(struct buffer *buffer, size_t length_bytes)
{
	CHECK(length_bytes <= buffer_length(buffer));
	buffer->start_bytes += length_bytes;
	if (buffer->start_bytes < buffer->end_bytes)
		return;
	buffer->start_bytes = 0;
	buffer->end_bytes = 0;
	if (buffer->room_bytes > BUFFER_KEPT_BYTES)
		buffer_fini(buffer);
}
