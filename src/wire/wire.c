/*
 * wire.c: frames. The decoder judges a header as soon as it is complete, before it waits for the payload, so that a peer
 * cannot make it wait for something that would be refused anyway.
 */
#include "wire/wire.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "wire/wire_check.h"

#define DECODER_BYTES (2 * (size_t)WIRE_FRAME_BYTES_MAX)

static const uint8_t magic[4] = { 'N', 'M', 'E', 'M' };

enum {
	AT_MAGIC = 0,
	AT_VERSION = 4,
	AT_TYPE = 6,
	AT_MODE = 7,
	AT_LENGTH = 8,
	AT_ERROR = 12,
	AT_FLAGS = 16,
	AT_REQ = 20,
	AT_EPOCH = 24,
	AT_NUMBER = 28,
	AT_SEG = 32,
	AT_COUNT = 36,
	AT_OFFSET = 40,
	AT_ATTR_MODE = 44,
	AT_ATTR_UID = 48,
	AT_ATTR_GID = 52,
	AT_CLUSTER = 56,
	AT_OBJ = 64,
	AT_PAGE = 72,
	AT_SIZE = 80,
	AT_LOW = 88,
	AT_COOKIE = 96,
	AT_DIR = 104,
	AT_TO_DIR = 112,
	AT_ATTR_SIZE = 120,
	AT_ATTR_USED = 128,
	AT_ATTR_ATIME = 136,
	AT_ATTR_MTIME = 144,
	AT_ATTR_CTIME = 152,
};

struct wire_decoder {
	size_t start_bytes; /* of what was not taken yet */
	size_t end_bytes;
	int error;          /* once bad, always bad */
	const char *why;
	uint8_t buffer[DECODER_BYTES];
};

static int refuse(const char **why, int error, const char *reason)
{
	*why = reason;
	return error;
}

static uint16_t get_16(const uint8_t *from)
{
	uint16_t value;

	memcpy(&value, from, sizeof(value));
	return le16toh(value);
}

static uint32_t get_32(const uint8_t *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return le32toh(value);
}

static uint64_t get_64(const uint8_t *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return le64toh(value);
}

static void put_16(uint8_t *to, uint16_t value)
{
	value = htole16(value);
	memcpy(to, &value, sizeof(value));
}

static void put_32(uint8_t *to, uint32_t value)
{
	value = htole32(value);
	memcpy(to, &value, sizeof(value));
}

static void put_64(uint8_t *to, uint64_t value)
{
	value = htole64(value);
	memcpy(to, &value, sizeof(value));
}

void wire_encode(const struct msg *msg, uint8_t header[WIRE_HEADER_BYTES])
{
	CHECK(msg->payload.kind != PAYLOAD_STORE);
	CHECK(msg->payload.kind == PAYLOAD_BYTES || msg->payload.length_bytes == 0);
	CHECK(msg_type_on_wire(msg->type) && msg->payload.length_bytes <= MSG_PAYLOAD_BYTES);
	memcpy(header + AT_MAGIC, magic, sizeof(magic));
	put_16(header + AT_VERSION, PROTOCOL_VERSION);
	header[AT_TYPE] = msg->type;
	header[AT_MODE] = msg->mode;
	put_32(header + AT_LENGTH, WIRE_HEADER_BYTES + msg->payload.length_bytes);
	put_32(header + AT_ERROR, (uint32_t)msg->error);
	put_64(header + AT_DIR, msg->dir);
	put_64(header + AT_TO_DIR, msg->to_dir);
	put_32(header + AT_FLAGS, msg->flags);
	put_32(header + AT_REQ, msg->req);
	put_32(header + AT_EPOCH, msg->epoch);
	put_32(header + AT_NUMBER, msg->number);
	put_32(header + AT_SEG, msg->seg);
	put_32(header + AT_COUNT, msg->count);
	put_32(header + AT_OFFSET, msg->offset);
	put_64(header + AT_CLUSTER, msg->cluster);
	put_64(header + AT_OBJ, msg->obj);
	put_64(header + AT_PAGE, msg->page);
	put_64(header + AT_SIZE, msg->size);
	put_64(header + AT_LOW, msg->low);
	put_64(header + AT_COOKIE, msg->cookie);
	put_32(header + AT_ATTR_MODE, msg->attr.mode);
	put_32(header + AT_ATTR_UID, msg->attr.uid);
	put_32(header + AT_ATTR_GID, msg->attr.gid);
	put_64(header + AT_ATTR_SIZE, msg->attr.size_bytes);
	put_64(header + AT_ATTR_USED, msg->attr.used_bytes);
	put_64(header + AT_ATTR_ATIME, msg->attr.atime_ns);
	put_64(header + AT_ATTR_MTIME, msg->attr.mtime_ns);
	put_64(header + AT_ATTR_CTIME, msg->attr.ctime_ns);
}

/* The scalar fields; the payload's length is taken from the frame's. */
static void decode_fields(const uint8_t *header, struct msg *msg)
{
	msg->type = header[AT_TYPE];
	msg->mode = header[AT_MODE];
	msg->error = (int32_t)get_32(header + AT_ERROR);
	msg->dir = get_64(header + AT_DIR);
	msg->to_dir = get_64(header + AT_TO_DIR);
	msg->flags = get_32(header + AT_FLAGS);
	msg->req = get_32(header + AT_REQ);
	msg->epoch = get_32(header + AT_EPOCH);
	msg->number = get_32(header + AT_NUMBER);
	msg->seg = get_32(header + AT_SEG);
	msg->count = get_32(header + AT_COUNT);
	msg->offset = get_32(header + AT_OFFSET);
	msg->cluster = get_64(header + AT_CLUSTER);
	msg->obj = get_64(header + AT_OBJ);
	msg->page = get_64(header + AT_PAGE);
	msg->size = get_64(header + AT_SIZE);
	msg->low = get_64(header + AT_LOW);
	msg->cookie = get_64(header + AT_COOKIE);
	msg->attr.mode = get_32(header + AT_ATTR_MODE);
	msg->attr.uid = get_32(header + AT_ATTR_UID);
	msg->attr.gid = get_32(header + AT_ATTR_GID);
	msg->attr.size_bytes = get_64(header + AT_ATTR_SIZE);
	msg->attr.used_bytes = get_64(header + AT_ATTR_USED);
	msg->attr.atime_ns = get_64(header + AT_ATTR_ATIME);
	msg->attr.mtime_ns = get_64(header + AT_ATTR_MTIME);
	msg->attr.ctime_ns = get_64(header + AT_ATTR_CTIME);
}

static int decode_header(const uint8_t *header, struct msg *msg, const char **why)
{
	uint32_t frame_bytes = get_32(header + AT_LENGTH);

	if (frame_bytes < WIRE_HEADER_BYTES)
		return refuse(why, -EBADMSG, "frame shorter than its header");
	if (frame_bytes > WIRE_FRAME_BYTES_MAX)
		return refuse(why, -EMSGSIZE, "frame over the limit");
	decode_fields(header, msg);
	msg->payload = (struct payload){ .kind = PAYLOAD_NONE, .length_bytes = frame_bytes - WIRE_HEADER_BYTES };
	return wire_check_header(msg, why);
}

int wire_decoder_new(struct wire_decoder **decoder)
{
	/* Not cleared: the system gives the pages of the buffer only as far as they are used. */
	*decoder = malloc(sizeof(**decoder));
	if (!*decoder)
		return -ENOMEM;
	(*decoder)->start_bytes = 0;
	(*decoder)->end_bytes = 0;
	(*decoder)->error = 0;
	(*decoder)->why = NULL;
	return 0;
}

void wire_decoder_free(struct wire_decoder *decoder)
{
	free(decoder);
}

void *wire_decoder_space(struct wire_decoder *decoder, size_t *space_bytes)
{
	size_t held_bytes = decoder->end_bytes - decoder->start_bytes;

	if (held_bytes == 0) {
		decoder->start_bytes = 0;
		decoder->end_bytes = 0;
	} else if (DECODER_BYTES - decoder->end_bytes < WIRE_FRAME_BYTES_MAX / 2) {
		memmove(decoder->buffer, decoder->buffer + decoder->start_bytes, held_bytes);
		decoder->start_bytes = 0;
		decoder->end_bytes = held_bytes;
	}
	*space_bytes = DECODER_BYTES - decoder->end_bytes;
	return decoder->buffer + decoder->end_bytes;
}

void wire_decoder_filled(struct wire_decoder *decoder, size_t length_bytes)
{
	CHECK(length_bytes <= DECODER_BYTES - decoder->end_bytes);
	decoder->end_bytes += length_bytes;
}

/* Judges magic and version as soon as they are there: another protocol may never send as much as a whole header. */
static int decode_frame(const uint8_t *frame, size_t held_bytes, struct msg *msg, const char **why)
{
	size_t magic_bytes = held_bytes < sizeof(magic) ? held_bytes : sizeof(magic);
	int result;

	if (memcmp(frame, magic, magic_bytes) != 0)
		return refuse(why, -EPROTO, "not the netmemfs protocol");
	if (held_bytes >= AT_TYPE && get_16(frame + AT_VERSION) != PROTOCOL_VERSION)
		return refuse(why, -EPROTONOSUPPORT, "another version of the protocol");
	if (held_bytes < WIRE_HEADER_BYTES)
		return 0;
	result = decode_header(frame, msg, why);
	if (result < 0)
		return result;
	if (held_bytes - WIRE_HEADER_BYTES < msg->payload.length_bytes)
		return 0;
	if (msg->payload.length_bytes > 0) {
		msg->payload.kind = PAYLOAD_BYTES;
		msg->payload.bytes = frame + WIRE_HEADER_BYTES;
	}
	result = wire_check_payload(msg, why);
	return result < 0 ? result : 1;
}

int wire_decoder_next(struct wire_decoder *decoder, struct msg *msg, const char **why)
{
	int result;

	if (decoder->error == 0) {
		result = decode_frame(decoder->buffer + decoder->start_bytes, decoder->end_bytes - decoder->start_bytes, msg,
		                      &decoder->why);
		if (result > 0)
			decoder->start_bytes += WIRE_HEADER_BYTES + msg->payload.length_bytes;
		if (result >= 0)
			return result;
		decoder->error = result;
	}
	*why = decoder->why;
	return decoder->error;
}
