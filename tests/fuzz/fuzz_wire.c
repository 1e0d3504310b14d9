/*
 * fuzz_wire.c: goal: no bytes make the decoder crash, read past what it was given, or hand out a message that breaks the
 * limits; and what it hands out encodes to the bytes that it came from.
 *
 * With clang: -fsanitize=fuzzer,address -DNETMEM_LIBFUZZER. Without, a main that mutates good streams by seed:
 * fuzz_wire [SEED [ROUNDS]].
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "msg/msg.h"
#include "wire/wire.h"
#include "wire/wire_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length_bytes);

static void check_message(const struct msg *msg, const uint8_t *came_from)
{
	uint8_t header[WIRE_HEADER_BYTES];
	const char *why;
	char text[256];

	CHECK(wire_check(msg, &why) == 0);
	CHECK(msg_type_on_wire(msg->type) && msg->count <= MSG_PAGES_MAX && msg->mode <= PAGE_EXCLUSIVE);
	CHECK(msg->payload.length_bytes <= MSG_PAYLOAD_BYTES);
	CHECK(msg->error <= 0 && msg->error >= -ERRNO_MAX);
	CHECK(msg->seg != SEG_NONE || msg->type == MSG_OPEN || msg->type == MSG_SETATTR);
	CHECK(msg->count > 0 || (msg->type != MSG_RECALL && msg->type != MSG_RECALLED));
	CHECK((msg->payload.kind == PAYLOAD_BYTES) == (msg->payload.length_bytes > 0));
	wire_encode(msg, header);
	CHECK(memcmp(header, came_from, sizeof(header)) == 0);
	if (msg->payload.length_bytes > 0)
		CHECK(memcmp(msg->payload.bytes, came_from + WIRE_HEADER_BYTES, msg->payload.length_bytes) == 0);
	CHECK(strlen(msg_print(msg, text, sizeof(text))) < sizeof(text));
}

/* The first byte says how the rest is cut. Returns how many messages there were. */
static unsigned run_stream(const uint8_t *bytes, size_t length_bytes)
{
	size_t cut_bytes = length_bytes > 0 && bytes[0] ? 1 + (size_t)bytes[0] * 37 : SIZE_MAX;
	struct wire_decoder *decoder;
	size_t at = 1, taken = 1, space_bytes;
	unsigned messages = 0;
	struct msg msg;
	const char *why = NULL;
	int result = 0;

	CHECK(wire_decoder_new(&decoder) == 0);
	while (at < length_bytes && result == 0) {
		void *space = wire_decoder_space(decoder, &space_bytes);
		size_t part_bytes = length_bytes - at;

		CHECK(space_bytes > 0);
		part_bytes = part_bytes < cut_bytes ? part_bytes : cut_bytes;
		part_bytes = part_bytes < space_bytes ? part_bytes : space_bytes;
		memcpy(space, bytes + at, part_bytes);
		wire_decoder_filled(decoder, part_bytes);
		at += part_bytes;
		while ((result = wire_decoder_next(decoder, &msg, &why)) == 1) {
			check_message(&msg, bytes + taken);
			taken += WIRE_HEADER_BYTES + msg.payload.length_bytes;
			CHECK(taken <= at);
			messages++;
		}
	}
	CHECK(result == 0 || (result < 0 && why));
	wire_decoder_free(decoder);
	return messages;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length_bytes)
{
	(void)run_stream(bytes, length_bytes);
	return 0;
}

#ifndef NETMEM_LIBFUZZER

#define STREAM_BYTES (3 * WIRE_FRAME_BYTES_MAX)
#define ROUNDS_DEFAULT 200000u

static uint64_t state;

/* xorshift64*, so that a seed means the same everywhere. */
static uint64_t next_random(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64_C(2685821657736338717);
}

static uint64_t below(uint64_t limit)
{
	return next_random() % limit;
}

/* A number near a limit, or any. */
static uint64_t number(void)
{
	static const uint64_t edges[] = { 0, 1, 2, 31, 32, 33, ERRNO_MAX, 4095, 4096, 65535, 65536, UINT32_MAX,
		OBJECT_BYTES_MAX, OBJECT_BYTES_MAX / PAGE_BYTES, UINT64_MAX };

	return below(8) ? edges[below(sizeof(edges) / sizeof(edges[0]))] + below(3) - 1 : next_random();
}

/* Appends a message that is mostly good. */
static size_t append_message(uint8_t *to)
{
	static const char texts[] = "alpha\0unix:/run/a\0" "2 beta 127.0.0.1:7411\n";
	struct msg msg = {
		.type = (uint8_t)(1 + below(MSG_TYPES - 1)),
		.mode = (uint8_t)below(3),
		.obj = (UINT64_C(1) << OBJECT_COUNT_BITS) + below(5),
		.cluster = 1 + below(3),
		.number = 1 + (uint32_t)below(3),
		.count = 1 + (uint32_t)below(3),
		.page = below(100),
		.offset = (uint32_t)below(100),
		.flags = below(4) ? 0 : (uint32_t)below(MSG_FLAGS + 2u),
		.seg = below(8) ? SEG_MEMORY : SEG_NONE,
		.error = below(4) ? 0 : -(int32_t)below(ERRNO_MAX + 2),
		.attr.mode = below(2) ? OBJECT_OWNED : 0,
	};

	if (!msg_type_on_wire(msg.type))
		msg.type = MSG_PING;
	msg.payload.kind = PAYLOAD_BYTES;
	if (msg.type == MSG_GRANT && below(2))
		msg.payload.length_bytes = msg.count * PAGE_BYTES;
	else if (below(2))
		msg.payload.length_bytes = (uint32_t)below(sizeof(texts) + 1);
	else
		msg.payload.length_bytes = below(50) ? 0 : (uint32_t)below(MSG_PAYLOAD_BYTES + 1);
	if (msg.payload.length_bytes > sizeof(texts))
		memset(to + WIRE_HEADER_BYTES, 'x', msg.payload.length_bytes);
	else
		memcpy(to + WIRE_HEADER_BYTES, texts, msg.payload.length_bytes);
	wire_encode(&msg, to);
	return WIRE_HEADER_BYTES + msg.payload.length_bytes;
}

/* Changes a bit, a byte or a number, mostly in a header. */
static void mutate(uint8_t *frame, size_t length_bytes)
{
	uint64_t value = number();
	size_t width = (size_t)1 << below(4);
	size_t at = below(4) ? below(WIRE_HEADER_BYTES) & ~(width - 1) : below(length_bytes);

	if (at + width > length_bytes)
		return;
	if (below(3) == 0)
		frame[at] ^= (uint8_t)(1u << below(8));
	else
		memcpy(frame + at, &value, width);
}

static unsigned run_round(uint8_t *stream)
{
	unsigned count = 1 + (unsigned)below(3);
	size_t length_bytes = 1;

	stream[0] = (uint8_t)next_random();
	for (unsigned i = 0; i < count; i++) {
		size_t frame_bytes = append_message(stream + length_bytes);

		if (below(2) == 0)
			mutate(stream + length_bytes, frame_bytes);
		length_bytes += frame_bytes;
	}
	if (below(10) == 0)
		length_bytes = below(length_bytes + 1);
	return run_stream(stream, length_bytes);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 0) : ROUNDS_DEFAULT;
	uint8_t *stream = malloc(1 + STREAM_BYTES);
	uint64_t messages = 0;

	CHECK(stream);
	for (uint64_t round = 0; round < rounds; round++) {
		/* Each round has a seed of its own, so that one that fails can be run alone. */
		state = (seed + round) * UINT64_C(0x9e3779b97f4a7c15) | 1;
		messages += run_round(stream);
	}
	free(stream);
	printf("fuzz_wire: seeds %" PRIu64 " to %" PRIu64 ", %" PRIu64 " messages came through\n", seed, seed + rounds - 1,
	       messages);
	/* A run in which nothing comes through shows nothing. */
	return messages > rounds / 4 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
