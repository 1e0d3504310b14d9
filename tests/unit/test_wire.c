/*
 * test_wire.c: goal: every message comes out of the decoder as it went in, however it is cut; and nothing that is not a
 * proper message comes out, each refusal with its errno and reason.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "msg/msg.h"
#include "wire/wire.h"
#include "wire/wire_check.h"

#define OBJECT UINT64_C(0x10000000001)
#define TEXT(text) { .kind = PAYLOAD_BYTES, .bytes = (text), .length_bytes = sizeof(text) }
#define BYTES(count) { .kind = PAYLOAD_BYTES, .bytes = zeros, .length_bytes = (count) }

static const uint8_t zeros[MSG_PAYLOAD_BYTES + 1];

/* One good message of each type. */
static const struct msg good[] = {
	{ .type = MSG_HELLO, .cluster = 7, .payload = TEXT("alpha\0" "127.0.0.1:7411") },
	{ .type = MSG_HELLO, .number = NODE_NUMBER_MAX, .cluster = 7, .payload = TEXT("alpha\0") },
	{ .type = MSG_WELCOME, .number = 1, .size = 3, .low = 1, .cluster = 7, .epoch = 4,
	  .payload = { .kind = PAYLOAD_BYTES, .bytes = "a\0unix:/b\0" "2 beta [::1]:5\n65535 c -\n", .length_bytes = 35 } },
	{ .type = MSG_WELCOME, .number = 1, .cluster = 7, .payload = TEXT("a\0unix:/b") },
	{ .type = MSG_REFUSED, .payload = TEXT("the name is taken") },
	{ .type = MSG_PING },
	{ .type = MSG_LEAVE, .number = 3 },
	{ .type = MSG_INSERT, .req = 1, .obj = OBJECT, .dir = DIR_UNNAMED, .payload = TEXT("board") },
	{ .type = MSG_INSERT, .req = 1, .obj = OBJECT, .cookie = OBJECT + 1, .payload = TEXT("board") },
	{ .type = MSG_LOOKUP, .req = 1, .dir = OBJECT, .payload = TEXT("memory") },
	{ .type = MSG_LOOKUP, .req = UINT32_MAX, .payload = { .kind = PAYLOAD_BYTES, .bytes = "board", .length_bytes = 5 } },
	{ .type = MSG_REMOVE, .req = 3, .obj = OBJECT, .payload = TEXT("") },
	{ .type = MSG_RENAME, .req = 4, .flags = REQUEST_NOREPLACE, .to_dir = DIR_UNNAMED, .payload = TEXT("old\0new") },
	{ .type = MSG_LIST, .req = 5, .cookie = UINT64_MAX },
	{ .type = MSG_LIST, .req = 5, .dir = DIR_UNNAMED, .flags = REQUEST_KEEP },
	{ .type = MSG_CREATE, .req = 6, .attr = { .mode = 0755, .uid = 1, .gid = 2 } },
	{ .type = MSG_CREATE, .req = 6, .obj = OBJECT, .attr = { .mode = 0644 } },
	{ .type = MSG_CLAIM, .req = 6, .obj = OBJECT, .attr = { .mode = 0644 } },
	{ .type = MSG_GETATTR, .req = 6, .obj = OBJECT },
	{ .type = MSG_SETATTR, .req = 7, .obj = OBJECT, .seg = SEG_NONE, .flags = SETATTR_MODE | SETATTR_MTIME,
	  .attr = { .mode = 0777, .uid = 1, .gid = UINT32_MAX, .size_bytes = OBJECT_BYTES_MAX, .used_bytes = 4,
	            .mtime_ns = UINT64_MAX, .ctime_ns = 6 } },
	{ .type = MSG_STATUS, .req = 8, .obj = OBJECT },
	{ .type = MSG_CONTROL, .req = 9, .obj = OBJECT, .payload = TEXT("revoke") },
	{ .type = MSG_OPEN, .req = 10, .obj = OBJECT, .mode = PAGE_EXCLUSIVE },
	{ .type = MSG_OPEN, .req = 10, .obj = OBJECT, .seg = SEG_NONE },
	{ .type = MSG_SETATTR, .req = 11, .obj = OBJECT, .seg = 2, .size = OBJECT_BYTES_MAX, .flags = SETATTR_SIZE },
	{ .type = MSG_SYNC, .req = 12, .obj = OBJECT, .seg = SEG_NONE - 1 },
	{ .type = MSG_UPGRADE, .req = 12, .obj = OBJECT, .page = 3, .count = MSG_PAGES_MAX },
	{ .type = MSG_REPLY, .req = 13, .error = -EIO },
	{ .type = MSG_REPLY, .req = 13, .error = -ERRNO_MAX },
	{ .type = MSG_REPLY, .req = 13, .flags = ATTR_KEEP | OPEN_LINGERS, .size = OBJECT_BYTES_MAX, .low = UINT64_MAX,
	  .cookie = 9 },
	{ .type = MSG_REPLY, .req = 14, .payload = BYTES(MSG_PAYLOAD_BYTES) },
	{ .type = MSG_CLOSE, .obj = OBJECT },
	{ .type = MSG_DOWNGRADE, .obj = OBJECT, .seg = 1 },
	{ .type = MSG_PUT, .obj = OBJECT, .page = 9, .offset = 1, .payload = BYTES(PAGE_BYTES - 1) },
	{ .type = MSG_PUT, .obj = OBJECT, .page = 9, .offset = 1, .payload = BYTES(3 * PAGE_BYTES) },
	{ .type = MSG_PUT, .obj = OBJECT, .page = 9, .offset = 4094, .flags = PUT_OVER, .size = 2,
	  .payload = BYTES(PAGE_BYTES + 2) },
	{ .type = MSG_GET, .req = 23, .obj = OBJECT, .page = 9, .count = 3, .mode = PAGE_SHARED, .flags = GET_AHEAD },
	{ .type = MSG_PUT, .req = 22, .obj = OBJECT, .page = 9, .flags = PUT_GROWS, .size = 9 * PAGE_BYTES + 1,
	  .attr.mtime_ns = UINT64_MAX, .payload = BYTES(1) },
	{ .type = MSG_LINK, .obj = OBJECT, .flags = LINK_NAMED, .payload = TEXT("memory") },
	{ .type = MSG_LINK, .obj = OBJECT, .flags = LINK_NONE },
	{ .type = MSG_GONE, .obj = OBJECT },
	{ .type = MSG_GET, .req = 15, .obj = OBJECT, .page = OBJECT_BYTES_MAX / PAGE_BYTES - 1, .count = 1,
	  .mode = PAGE_EXCLUSIVE, .flags = GET_PAST_END },
	{ .type = MSG_GRANT, .req = 16, .obj = OBJECT, .page = 3, .count = 2, .mode = PAGE_SHARED,
	  .payload = BYTES(2 * PAGE_BYTES) },
	{ .type = MSG_GRANT, .req = 17, .obj = OBJECT, .count = MSG_PAGES_MAX, .mode = PAGE_SHARED, .flags = GRANT_ZERO },
	{ .type = MSG_GRANT, .req = 18, .obj = OBJECT, .count = 1, .error = -ENOSPC },
	{ .type = MSG_RECALL, .obj = OBJECT, .page = 3, .count = MSG_PAGES_MAX, .mode = PAGE_INVALID },
	{ .type = MSG_RECALLED, .obj = OBJECT, .page = 3, .count = 1, .mode = PAGE_SHARED },
	{ .type = MSG_SIZE, .obj = OBJECT, .size = 5, .low = UINT64_MAX, .cookie = 6, .flags = SIZE_REVOKED },
	{ .type = MSG_SIZED, .obj = OBJECT, .cookie = 6 },
	{ .type = MSG_ATTR_RECALL, .obj = OBJECT, .mode = PAGE_SHARED },
	{ .type = MSG_ATTR_RECALL, .obj = OBJECT, .mode = PAGE_SHARED, .flags = REQUEST_ALL },
	{ .type = MSG_ATTR_RECALLED, .obj = OBJECT, .mode = PAGE_EXCLUSIVE },
	{ .type = MSG_REAP, .obj = OBJECT },
	{ .type = MSG_NAME_RECALL, .dir = DIR_UNNAMED, .payload = TEXT("board") },
	{ .type = MSG_NAME_RECALL, .dir = OBJECT, .payload = TEXT("") },
	{ .type = MSG_NAME_RECALLED, .dir = DIR_UNNAMED, .payload = TEXT("board") },
	{ .type = MSG_NAME, .obj = OBJECT, .cookie = UINT64_MAX, .payload = TEXT("board") },
	{ .type = MSG_NAME, .cookie = 1, .payload = TEXT("board") },
	{ .type = MSG_OWN, .req = 19, .obj = OBJECT, .cookie = UINT64_MAX, .attr.uid = UINT32_MAX },
	{ .type = MSG_DISOWN, .obj = OBJECT, .cookie = UINT64_MAX },
	{ .type = MSG_POST, .req = 20, .obj = OBJECT, .cookie = 8, .flags = POST_USERS | POST_ONCE },
	{ .type = MSG_SIGNAL, .obj = OBJECT, .number = NODE_NUMBER_MAX, .cookie = 8, .flags = POST_OWNER },
	{ .type = MSG_REPLY, .req = 21, .dir = OBJECT, .attr.mode = 07777 | OBJECT_OWNED | OBJECT_FRESH | OBJECT_REMAINS },
};
#define GOOD (sizeof(good) / sizeof(good[0]))

/* Each refused with this errno. */
static const struct {
	int error;
	struct msg msg;
} bad[] = {
	{ -EOPNOTSUPP, { .type = 0 } },
	{ -EOPNOTSUPP, { .type = REQ_MKDIR, .payload = TEXT("x") } },
	{ -EOPNOTSUPP, { .type = REQ_INFO } },
	{ -EOPNOTSUPP, { .type = REQ_LOOKUP, .payload = TEXT("x") } },
	{ -EOPNOTSUPP, { .type = REQ_SETATTR, .obj = OBJECT } },
	{ -EOPNOTSUPP, { .type = 255 } },
	{ -EOPNOTSUPP, { .type = MSG_PING, .flags = MSG_FLAGS + 1u } },
	{ -EBADMSG, { .type = MSG_PING, .mode = PAGE_EXCLUSIVE + 1 } },
	{ -EBADMSG, { .type = MSG_PING, .dir = 2 } },
	{ -EBADMSG, { .type = MSG_PING, .to_dir = 2 } },
	{ -EBADMSG, { .type = MSG_PING, .dir = UINT64_MAX } },
	{ -EBADMSG, { .type = MSG_NAME_RECALL, .payload = TEXT("") } },
	{ -EBADMSG, { .type = MSG_NAME, .dir = OBJECT, .payload = TEXT("") } },
	{ -EBADMSG, { .type = MSG_PING, .error = 1 } },
	{ -EBADMSG, { .type = MSG_REPLY, .error = -ERRNO_MAX - 1 } },
	{ -EBADMSG, { .type = MSG_PING, .error = INT32_MIN } },
	{ -EMSGSIZE, { .type = MSG_LEAVE, .number = NODE_NUMBER_MAX + 1 } },
	{ -EBADMSG, { .type = MSG_GETATTR } },
	{ -EBADMSG, { .type = MSG_GETATTR, .obj = 5 } },
	{ -EMSGSIZE, { .type = MSG_GETATTR, .obj = UINT64_MAX } },
	{ -EMSGSIZE, { .type = MSG_SETATTR, .obj = OBJECT, .size = OBJECT_BYTES_MAX + 1, .flags = SETATTR_SIZE } },
	{ -EMSGSIZE, { .type = MSG_PUT, .obj = OBJECT, .size = OBJECT_BYTES_MAX + 1, .payload = BYTES(1) } },
	{ -EBADMSG, { .type = MSG_SETATTR, .obj = OBJECT, .seg = SEG_NONE, .flags = SETATTR_SIZE } },
	{ -EBADMSG, { .type = MSG_OPEN, .obj = OBJECT, .seg = SEG_NONE, .mode = PAGE_SHARED } },
	{ -EBADMSG, { .type = MSG_SYNC, .obj = OBJECT, .seg = SEG_NONE } },
	{ -EBADMSG, { .type = MSG_UPGRADE, .obj = OBJECT } },
	{ -EBADMSG, { .type = MSG_REPLY, .seg = SEG_NONE } },
	{ -EBADMSG, { .type = MSG_PUT, .obj = OBJECT, .seg = SEG_NONE, .payload = BYTES(1) } },
	{ -EBADMSG, { .type = MSG_GET, .obj = OBJECT, .seg = SEG_NONE, .count = 1, .mode = PAGE_SHARED } },
	{ -EMSGSIZE, { .type = MSG_SIZE, .obj = OBJECT, .low = UINT64_MAX - 1 } },
	{ -EMSGSIZE, { .type = MSG_SETATTR, .obj = OBJECT, .attr.size_bytes = OBJECT_BYTES_MAX + 1 } },
	{ -EBADMSG, { .type = MSG_SETATTR, .obj = OBJECT, .attr.mode = 0100644 } },
	{ -EBADMSG, { .type = MSG_REPLY, .attr.mode = OBJECT_REMAINS << 1 } },
	{ -EBADMSG, { .type = MSG_OPEN, .obj = OBJECT, .mode = PAGE_EXCLUSIVE + 1 } },
	{ -EBADMSG, { .type = MSG_OWN, .cookie = 8 } },
	{ -EBADMSG, { .type = MSG_DISOWN, .cookie = 8 } },
	{ -EBADMSG, { .type = MSG_POST, .cookie = 8 } },
	{ -EBADMSG, { .type = MSG_POST, .obj = OBJECT, .payload = TEXT("owner") } },
	{ -EBADMSG, { .type = MSG_SIGNAL, .number = 1 } },
	{ -EBADMSG, { .type = MSG_SIGNAL, .obj = OBJECT } },
	{ -EMSGSIZE, { .type = MSG_SIGNAL, .obj = OBJECT, .number = NODE_NUMBER_MAX + 1 } },
	{ -EOPNOTSUPP, { .type = REQ_END_POST, .obj = OBJECT, .cookie = 8 } },
	{ -EBADMSG, { .type = MSG_GET, .obj = OBJECT, .mode = PAGE_SHARED } },
	{ -EBADMSG, { .type = MSG_GET, .obj = OBJECT, .count = 1 } },
	{ -EMSGSIZE, { .type = MSG_GET, .obj = OBJECT, .count = MSG_PAGES_MAX + 1, .mode = PAGE_SHARED } },
	{ -EMSGSIZE, { .type = MSG_GET, .obj = OBJECT, .page = OBJECT_BYTES_MAX / PAGE_BYTES, .count = 1, .mode = 1 } },
	{ -EMSGSIZE, { .type = MSG_GET, .obj = OBJECT, .page = UINT64_MAX, .count = 2, .mode = 1 } },
	{ -EMSGSIZE, { .type = MSG_GET, .obj = OBJECT, .page = OBJECT_BYTES_MAX / PAGE_BYTES - 1, .count = 2, .mode = 1 } },
	{ -EBADMSG, { .type = MSG_GRANT, .obj = OBJECT, .mode = 1 } },
	{ -EBADMSG, { .type = MSG_GRANT, .obj = OBJECT, .mode = 1, .count = 1 } },
	{ -EBADMSG, { .type = MSG_GRANT, .obj = OBJECT, .mode = 1, .count = 2, .payload = BYTES(PAGE_BYTES) } },
	{ -EBADMSG, { .type = MSG_GRANT, .obj = OBJECT, .count = 1, .flags = GRANT_ZERO, .payload = BYTES(PAGE_BYTES) } },
	{ -EBADMSG, { .type = MSG_GRANT, .obj = OBJECT, .count = 1, .flags = GET_BLIND, .payload = BYTES(PAGE_BYTES) } },
	{ -EBADMSG, { .type = MSG_GRANT, .obj = OBJECT, .count = 1, .error = -EIO, .payload = BYTES(PAGE_BYTES) } },
	{ -EBADMSG, { .type = MSG_RECALL, .obj = OBJECT } },
	{ -EBADMSG, { .type = MSG_RECALLED, .obj = OBJECT } },
	{ -EMSGSIZE, { .type = MSG_RECALL, .obj = OBJECT, .count = MSG_PAGES_MAX + 1 } },
	{ -EMSGSIZE, { .type = MSG_RECALLED, .obj = OBJECT, .page = OBJECT_BYTES_MAX / PAGE_BYTES - 1, .count = 2 } },
	{ -EBADMSG, { .type = MSG_ATTR_RECALL } },
	{ -EBADMSG, { .type = MSG_ATTR_RECALLED } },
	{ -EBADMSG, { .type = MSG_ATTR_RECALL, .obj = OBJECT, .payload = BYTES(1) } },
	{ -EBADMSG, { .type = MSG_REAP } },
	{ -EBADMSG, { .type = MSG_CREATE, .attr.mode = 0100755 } },
	{ -EBADMSG, { .type = MSG_CREATE, .payload = TEXT("name") } },
	{ -EBADMSG, { .type = MSG_NAME_RECALL } },
	{ -EBADMSG, { .type = MSG_NAME_RECALLED, .payload = TEXT("") } },
	{ -EBADMSG, { .type = MSG_NAME, .obj = OBJECT, .payload = TEXT("") } },
	{ -EBADMSG, { .type = MSG_NAME_RECALL, .payload = TEXT("a\0b") } },
	{ -EMSGSIZE, { .type = MSG_NAME, .payload = BYTES(OBJECT_NAME_BYTES + 1) } },
	{ -EBADMSG, { .type = MSG_NAME_RECALL, .dir = 2, .payload = TEXT("a") } },
	{ -EBADMSG, { .type = MSG_PUT, .obj = OBJECT } },
	{ -EBADMSG, { .type = MSG_PUT, .obj = OBJECT, .flags = PUT_OVER, .payload = BYTES(2) } },
	{ -EBADMSG, { .type = MSG_PUT, .obj = OBJECT, .flags = PUT_OVER, .size = 2, .payload = BYTES(2) } },
	{ -EBADMSG, { .type = MSG_PUT, .obj = OBJECT, .flags = PUT_OVER | PUT_GROWS, .size = 1, .payload = BYTES(2) } },
	{ -EBADMSG,
	  { .type = MSG_PUT, .obj = OBJECT, .flags = PUT_OVER, .size = 1, .payload = BYTES(PAGE_BYTES + 2) } },
	{ -EBADMSG,
	  { .type = MSG_PUT, .obj = OBJECT, .offset = 4095, .flags = PUT_OVER, .size = 2, .payload = BYTES(PAGE_BYTES) } },
	{ -EMSGSIZE, { .type = MSG_PUT, .obj = OBJECT, .offset = 1, .payload = BYTES(MSG_PAYLOAD_BYTES) } },
	{ -EMSGSIZE, { .type = MSG_PUT, .obj = OBJECT, .offset = PAGE_BYTES, .payload = BYTES(1) } },
	{ -EMSGSIZE, { .type = MSG_PUT, .obj = OBJECT, .offset = UINT32_MAX, .payload = BYTES(2) } },
	{ -EMSGSIZE, { .type = MSG_REPLY, .payload = BYTES(MSG_PAYLOAD_BYTES + 1) } },
	{ -EBADMSG, { .type = MSG_PING, .payload = BYTES(1) } },
	{ -EMSGSIZE, { .type = MSG_CONTROL, .obj = OBJECT, .payload = BYTES(TEXT_BYTES + 1) } },
	{ -EBADMSG, { .type = MSG_LOOKUP } },
	{ -EBADMSG, { .type = MSG_LOOKUP, .payload = TEXT("") } },
	{ -EBADMSG, { .type = MSG_LOOKUP, .payload = TEXT("a\0b") } },
	{ -EBADMSG, { .type = MSG_REMOVE, .payload = TEXT("") } },
	{ -EMSGSIZE, { .type = MSG_LOOKUP, .payload = BYTES(OBJECT_NAME_BYTES + 1) } },
	{ -EBADMSG, { .type = MSG_RENAME, .payload = TEXT("old") } },
	{ -EBADMSG, { .type = MSG_RENAME, .payload = TEXT("old\0new\0more") } },
	{ -EBADMSG, { .type = MSG_RENAME, .payload = { PAYLOAD_BYTES, 7, "old\0new" } } },
	{ -EBADMSG, { .type = MSG_HELLO } },
	{ -EBADMSG, { .type = MSG_HELLO, .payload = TEXT("alpha") } },
	{ -EBADMSG, { .type = MSG_HELLO, .payload = TEXT("\0" "127.0.0.1:1") } },
	{ -EBADMSG, { .type = MSG_HELLO, .payload = TEXT("al pha\0" "127.0.0.1:1") } },
	{ -EBADMSG, { .type = MSG_HELLO, .payload = TEXT("al/pha\0" "127.0.0.1:1") } },
	{ -EBADMSG, { .type = MSG_HELLO, .payload = TEXT("alpha\0" "127.0.0.1:1\n") } },
	{ -EBADMSG, { .type = MSG_HELLO, .payload = TEXT("alpha\0" "127.0.0.1:1\0x") } },
	{ -EMSGSIZE, { .type = MSG_HELLO, .payload = BYTES(NODE_NAME_BYTES + ADDRESS_BYTES + 1) } },
	{ -EBADMSG, { .type = MSG_HELLO, .payload = TEXT("0123456789012345678901234567890123456789012345678901234567890123\0"
	                                                "a:1") } },
	{ -EBADMSG, { .type = MSG_WELCOME, .number = 1, .payload = TEXT("a\0b") } },
	{ -EBADMSG, { .type = MSG_WELCOME, .cluster = 7, .payload = TEXT("a\0b") } },
	{ -EMSGSIZE, { .type = MSG_WELCOME, .number = 1, .cluster = 7, .size = NODE_NUMBER_MAX + 1, .payload = TEXT("a\0b") } },
	{ -EBADMSG, { .type = MSG_WELCOME, .number = 1, .cluster = 7, .payload = TEXT("a") } },
	{ -EBADMSG, { .type = MSG_WELCOME, .number = 1, .cluster = 7, .payload = TEXT("a\0b\0" "2 b c") } },
	{ -EBADMSG, { .type = MSG_WELCOME, .number = 1, .cluster = 7, .payload = TEXT("a\0b\0" "2 b c\n") } },
	{ -EBADMSG, { .type = MSG_WELCOME, .number = 1, .cluster = 7, .payload = { PAYLOAD_BYTES, 10, "a\0b\0" "0 b c\n" } } },
	{ -EBADMSG, { .type = MSG_WELCOME, .number = 1, .cluster = 7, .payload = { PAYLOAD_BYTES, 8, "a\0b\0" "2 b\n" } } },
	{ -EBADMSG, { .type = MSG_WELCOME, .number = 1, .cluster = 7,
	              .payload = { PAYLOAD_BYTES, 19, "a\0b\0" "4294967298 b c\n" } } },
	{ -EBADMSG, { .type = MSG_REFUSED } },
	{ -EBADMSG, { .type = MSG_REFUSED, .payload = TEXT("two\nlines") } },
	{ -EBADMSG, { .type = MSG_REFUSED, .payload = TEXT("two\0texts") } },
};
#define BAD (sizeof(bad) / sizeof(bad[0]))

static struct wire_decoder *decoder;

static void setup(void)
{
	ck_assert_int_eq(wire_decoder_new(&decoder), 0);
}

static void teardown(void)
{
	wire_decoder_free(decoder);
}

/* Puts in what fits. */
static size_t feed(const uint8_t *bytes, size_t length_bytes)
{
	size_t space_bytes;
	void *space = wire_decoder_space(decoder, &space_bytes);

	ck_assert_uint_gt(space_bytes, 0);
	if (length_bytes > space_bytes)
		length_bytes = space_bytes;
	memcpy(space, bytes, length_bytes);
	wire_decoder_filled(decoder, length_bytes);
	return length_bytes;
}

static void assert_same(const struct msg *is, const struct msg *expected)
{
	char is_text[512], expected_text[512];

	ck_assert_str_eq(msg_print(is, is_text, sizeof(is_text)), msg_print(expected, expected_text, sizeof(expected_text)));
	ck_assert_uint_eq(is->req, expected->req);
	ck_assert_uint_eq(is->seg, expected->seg);
	ck_assert_uint_eq(is->attr.ctime_ns, expected->attr.ctime_ns);
	ck_assert_uint_eq(is->payload.length_bytes, expected->payload.length_bytes);
	if (expected->payload.length_bytes > 0)
		ck_assert_mem_eq(is->payload.bytes, expected->payload.bytes, expected->payload.length_bytes);
}

static size_t encode(const struct msg *msg, uint8_t *to)
{
	wire_encode(msg, to);
	if (msg->payload.length_bytes > 0)
		memcpy(to + WIRE_HEADER_BYTES, msg->payload.bytes, msg->payload.length_bytes);
	return WIRE_HEADER_BYTES + msg->payload.length_bytes;
}

START_TEST(all_types_are_here)
{
	for (unsigned type = 0; type < 256; type++) {
		bool found = false;

		for (size_t i = 0; i < GOOD; i++)
			found |= good[i].type == type;
		ck_assert_msg(found == msg_type_on_wire(type), "type %u", type);
		ck_assert_msg(type == 0 || type >= MSG_TYPES || strcmp(msg_type_name(type), "?") != 0, "type %u", type);
	}
}
END_TEST

START_TEST(round_trip)
{
	static uint8_t frame[WIRE_FRAME_BYTES_MAX];
	const char *why = "";
	struct msg msg;
	size_t length;

	ck_assert_msg(wire_check(&good[_i], &why) == 0, "%s: %s", msg_type_name(good[_i].type), why);
	length = encode(&good[_i], frame);
	ck_assert_uint_eq(feed(frame, length), length);
	ck_assert_msg(wire_decoder_next(decoder, &msg, &why) == 1, "%s: %s", msg_type_name(good[_i].type), why);
	assert_same(&msg, &good[_i]);
	ck_assert_int_eq(wire_decoder_next(decoder, &msg, &why), 0);
}
END_TEST

/* All of them, over and over, in cuts of random length; the decoder's fixed buffer is enough. */
START_TEST(any_cuts)
{
	static uint8_t stream[GOOD * WIRE_FRAME_BYTES_MAX];
	size_t length = 0, at = 0, cut, next = 0;
	const char *why = "";
	struct msg msg;
	int result;

	srandom((unsigned)_i + 1);
	for (size_t i = 0; i < GOOD; i++)
		length += encode(&good[i], stream + length);
	for (unsigned round = 0; round < 20; round++) {
		for (at = 0; at < length; at += feed(stream + at, cut)) {
			cut = 1 + (size_t)random() % (_i == 0 ? 200 : 300000);
			if (cut > length - at)
				cut = length - at;
			while ((result = wire_decoder_next(decoder, &msg, &why)) == 1)
				assert_same(&msg, &good[next++ % GOOD]);
			ck_assert_msg(result == 0, "%s", why);
		}
	}
	while (wire_decoder_next(decoder, &msg, &why) == 1)
		assert_same(&msg, &good[next++ % GOOD]);
	ck_assert_uint_eq(next, 20 * GOOD);
}
END_TEST

/* The encoder's bytes, with the type put in by hand because it refuses to encode what may not travel. */
START_TEST(refusals)
{
	static uint8_t frame[WIRE_FRAME_BYTES_MAX + 1];
	const char *why = NULL;
	struct msg msg = bad[_i].msg;
	uint32_t length = WIRE_HEADER_BYTES + msg.payload.length_bytes;

	ck_assert_msg(wire_check(&msg, &why) == bad[_i].error, "%d: %s", _i, why);
	ck_assert_ptr_nonnull(why);
	msg.type = MSG_PING;
	msg.payload = (struct payload){ .kind = PAYLOAD_NONE };
	wire_encode(&msg, frame);
	frame[6] = bad[_i].msg.type;
	for (unsigned i = 0; i < 4; i++)
		frame[8 + i] = (uint8_t)(length >> 8 * i);
	if (bad[_i].msg.payload.length_bytes > 0)
		memcpy(frame + WIRE_HEADER_BYTES, bad[_i].msg.payload.bytes, bad[_i].msg.payload.length_bytes);
	feed(frame, length);
	why = NULL;
	ck_assert_msg(wire_decoder_next(decoder, &msg, &why) == bad[_i].error, "%d: %s", _i, why);
	ck_assert_ptr_nonnull(why);
}
END_TEST

static int decode_changed(size_t offset, uint8_t value, size_t length_bytes)
{
	uint8_t frame[WIRE_HEADER_BYTES];
	const char *why = NULL;
	struct msg msg;
	int result;

	wire_encode(&(struct msg){ .type = MSG_PING }, frame);
	frame[offset] = value;
	feed(frame, length_bytes);
	result = wire_decoder_next(decoder, &msg, &why);
	ck_assert_int_le(result, 0);
	/* Once bad, it stays so, whatever comes. */
	if (result < 0) {
		ck_assert_ptr_nonnull(why);
		feed(frame, length_bytes);
		ck_assert_int_eq(wire_decoder_next(decoder, &msg, &why), result);
	}
	return result;
}

START_TEST(other_protocols)
{
	ck_assert_int_eq(decode_changed(0, 'G', 1), -EPROTO);
}
END_TEST

START_TEST(other_magic)
{
	ck_assert_int_eq(decode_changed(3, 'X', WIRE_HEADER_BYTES), -EPROTO);
}
END_TEST

START_TEST(other_version)
{
	ck_assert_int_eq(decode_changed(4, PROTOCOL_VERSION + 1, 6), -EPROTONOSUPPORT);
}
END_TEST

START_TEST(frame_too_short)
{
	ck_assert_int_eq(decode_changed(8, WIRE_HEADER_BYTES - 1, WIRE_HEADER_BYTES), -EBADMSG);
}
END_TEST

START_TEST(frame_too_long)
{
	ck_assert_int_eq(decode_changed(11, 0x80, WIRE_HEADER_BYTES), -EMSGSIZE);
}
END_TEST

START_TEST(reserved_bytes)
{
	ck_assert_int_eq(decode_changed(108, 1, WIRE_HEADER_BYTES), -EBADMSG);
}
END_TEST

START_TEST(half_a_header)
{
	ck_assert_int_eq(decode_changed(WIRE_HEADER_BYTES - 1, 0, WIRE_HEADER_BYTES - 1), 0);
}
END_TEST

START_TEST(layout)
{
	struct msg msg = { .type = MSG_GET, .mode = 1, .dir = 0xc1c2c3c4c5c6c7, .to_dir = 1, .flags = 0x040102, .error = -2,
		.req = 0x11121314, .epoch = 0x21222324, .number = 0x3132, .cluster = 0x4142434445464748, .obj = 0x51525354555657,
		.seg = 0x61626364, .count = 0x1f, .page = 0x71727374757677 & 0xffffffffff, .offset = 0x81, .size = 0x91929394,
		.low = 0xa1a2a3, .cookie = 0xb1b2b3b4b5b6b7b8, .attr = { 0777, 2, 3, 4, 5, 6, 7, 8 } };
	static const uint8_t expected[] = {
		'N', 'M', 'E', 'M', 6, 0, MSG_GET, 1, 160, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff,
		2, 1, 4, 0, 0x14, 0x13, 0x12, 0x11, 0x24, 0x23, 0x22, 0x21, 0x32, 0x31, 0, 0,
		0x64, 0x63, 0x62, 0x61, 0x1f, 0, 0, 0, 0x81, 0, 0, 0, 0xff, 1, 0, 0,
		2, 0, 0, 0, 3, 0, 0, 0, 0x48, 0x47, 0x46, 0x45, 0x44, 0x43, 0x42, 0x41,
		0x57, 0x56, 0x55, 0x54, 0x53, 0x52, 0x51, 0, 0x77, 0x76, 0x75, 0x74, 0x73, 0, 0, 0,
		0x94, 0x93, 0x92, 0x91, 0, 0, 0, 0, 0xa3, 0xa2, 0xa1, 0, 0, 0, 0, 0,
		0xb8, 0xb7, 0xb6, 0xb5, 0xb4, 0xb3, 0xb2, 0xb1, 0xc7, 0xc6, 0xc5, 0xc4, 0xc3, 0xc2, 0xc1, 0,
		1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0,
		5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0,
		7, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0,
	};
	uint8_t header[WIRE_HEADER_BYTES];

	wire_encode(&msg, header);
	ck_assert_uint_eq(sizeof(expected), sizeof(header));
	ck_assert_mem_eq(header, expected, sizeof(header));
}
END_TEST

/* A line that is cut off stays a line. */
START_TEST(printing)
{
	char text[256], small[8];

	struct msg grant = { .type = MSG_GRANT, .req = 16, .obj = OBJECT, .page = 3, .count = 2, .mode = PAGE_SHARED,
		.payload = BYTES(2 * PAGE_BYTES) };
	struct msg open = { .type = MSG_OPEN, .req = 1, .obj = OBJECT, .seg = SEG_NONE, .flags = OPEN_LINGERS };

	ck_assert_str_eq(msg_print(&grant, text, sizeof(text)),
	                 "GRANT req=16 error=0 obj=1:1 seg=0 page=3 count=2 mode=shared payload=8192");
	ck_assert_str_eq(msg_print(&grant, small, sizeof(small)), "GRANT r");
	ck_assert_str_eq(msg_print(&open, text, sizeof(text)), "OPEN req=1 obj=1:1 seg=none mode=invalid lingers");
	ck_assert_str_eq(msg_print(&(struct msg){ .type = 200, .mode = 9, .flags = 0x80000001 }, text, sizeof(text)),
	                 "? type=200 mode=9 noreplace flags=0x80000000");
}
END_TEST

/* Each flag has a name of its own. */
START_TEST(flags_have_names)
{
	char text[256], all[1024];

	msg_print(&(struct msg){ .type = MSG_PING, .flags = MSG_FLAGS }, all, sizeof(all));
	for (uint32_t flag = 1; flag & MSG_FLAGS; flag <<= 1) {
		const char *name = strchr(msg_print(&(struct msg){ .type = MSG_PING, .flags = flag }, text, sizeof(text)), ' ');

		ck_assert_msg(name && !strchr(name, '='), "%#x", flag);
		ck_assert_msg(strstr(all, name) != NULL, "%s", name);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wire");
	TCase *cases = tcase_create("wire");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(cases, 60);
	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, all_types_are_here);
	tcase_add_loop_test(cases, round_trip, 0, GOOD);
	tcase_add_loop_test(cases, any_cuts, 0, 2);
	tcase_add_loop_test(cases, refusals, 0, BAD);
	tcase_add_test(cases, other_protocols);
	tcase_add_test(cases, other_magic);
	tcase_add_test(cases, other_version);
	tcase_add_test(cases, frame_too_short);
	tcase_add_test(cases, frame_too_long);
	tcase_add_test(cases, reserved_bytes);
	tcase_add_test(cases, half_a_header);
	tcase_add_test(cases, layout);
	tcase_add_test(cases, printing);
	tcase_add_test(cases, flags_have_names);
	suite_add_tcase(suite, cases);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
