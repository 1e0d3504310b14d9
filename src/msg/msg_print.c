/*
 * msg_print.c: messages for human eyes. One table says for each type its name, whether it travels, and which fields mean
 * something in it: those are always printed, others only when they are not 0, because then something is odd.
 */
#include "msg/msg.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"

enum {
	FIELD_OBJ = 1 << 0,
	FIELD_SEG = 1 << 1,
	FIELD_PAGE = 1 << 2,
	FIELD_COUNT = 1 << 3,
	FIELD_MODE = 1 << 4,
	FIELD_DIR = 1 << 5,
	FIELD_TO_DIR = 1 << 6,
	FIELD_OFFSET = 1 << 7,
	FIELD_SIZE = 1 << 8,
	FIELD_LOW = 1 << 9,
	FIELD_COOKIE = 1 << 10,
	FIELD_NUMBER = 1 << 11,
	FIELD_REQ = 1 << 12,
	FIELD_ERROR = 1 << 13,
	FIELDS_PAGE = FIELD_OBJ | FIELD_SEG | FIELD_PAGE
};

struct type_info {
	const char *name;
	bool on_wire;
	unsigned fields;
};

static const struct type_info types[MSG_TYPES] = {
	[MSG_HELLO] = { "HELLO", true, FIELD_NUMBER },
	[MSG_WELCOME] = { "WELCOME", true, FIELD_NUMBER | FIELD_SIZE | FIELD_LOW },
	[MSG_REFUSED] = { "REFUSED", true, 0 },
	[MSG_PING] = { "PING", true, 0 },
	[MSG_LEAVE] = { "LEAVE", true, FIELD_NUMBER },
	[MSG_INSERT] = { "INSERT", true, FIELD_REQ | FIELD_OBJ | FIELD_DIR },
	[MSG_LOOKUP] = { "LOOKUP", true, FIELD_REQ | FIELD_DIR },
	[MSG_REMOVE] = { "REMOVE", true, FIELD_REQ | FIELD_OBJ | FIELD_DIR },
	[MSG_RENAME] = { "RENAME", true, FIELD_REQ | FIELD_DIR | FIELD_TO_DIR },
	[MSG_LIST] = { "LIST", true, FIELD_REQ | FIELD_DIR | FIELD_COOKIE },
	[MSG_CREATE] = { "CREATE", true, FIELD_REQ },
	[MSG_CLAIM] = { "CLAIM", true, FIELD_REQ | FIELD_OBJ },
	[MSG_GETATTR] = { "GETATTR", true, FIELD_REQ | FIELD_OBJ },
	[MSG_SETATTR] = { "SETATTR", true, FIELD_REQ | FIELD_OBJ | FIELD_SEG | FIELD_SIZE },
	[MSG_STATUS] = { "STATUS", true, FIELD_REQ | FIELD_OBJ },
	[MSG_CONTROL] = { "CONTROL", true, FIELD_REQ | FIELD_OBJ },
	[MSG_OPEN] = { "OPEN", true, FIELD_REQ | FIELD_OBJ | FIELD_SEG | FIELD_MODE },
	[MSG_OWN] = { "OWN", true, FIELD_REQ | FIELD_OBJ | FIELD_COOKIE },
	[MSG_POST] = { "POST", true, FIELD_REQ | FIELD_OBJ | FIELD_COOKIE },
	[MSG_UPGRADE] = { "UPGRADE", true, FIELD_REQ | FIELDS_PAGE | FIELD_COUNT },
	[MSG_SYNC] = { "SYNC", true, FIELD_REQ | FIELD_OBJ | FIELD_SEG },
	[MSG_REPLY] = { "REPLY", true, FIELD_REQ | FIELD_ERROR },
	[MSG_CLOSE] = { "CLOSE", true, FIELD_OBJ },
	[MSG_DISOWN] = { "DISOWN", true, FIELD_OBJ | FIELD_COOKIE },
	[MSG_DOWNGRADE] = { "DOWNGRADE", true, FIELD_OBJ | FIELD_SEG },
	[MSG_PUT] = { "PUT", true, FIELDS_PAGE | FIELD_OFFSET },
	[MSG_LINK] = { "LINK", true, FIELD_OBJ },
	[MSG_GONE] = { "GONE", true, FIELD_OBJ },
	[MSG_GET] = { "GET", true, FIELD_REQ | FIELDS_PAGE | FIELD_COUNT | FIELD_MODE },
	[MSG_GRANT] = { "GRANT", true, FIELD_REQ | FIELD_ERROR | FIELDS_PAGE | FIELD_COUNT | FIELD_MODE },
	[MSG_RECALL] = { "RECALL", true, FIELDS_PAGE | FIELD_COUNT | FIELD_MODE },
	[MSG_RECALLED] = { "RECALLED", true, FIELDS_PAGE | FIELD_COUNT | FIELD_MODE },
	[MSG_SIZE] = { "SIZE", true, FIELD_OBJ | FIELD_SEG | FIELD_SIZE | FIELD_LOW | FIELD_COOKIE },
	[MSG_SIZED] = { "SIZED", true, FIELD_OBJ | FIELD_SEG | FIELD_COOKIE },
	[MSG_ATTR_RECALL] = { "ATTR_RECALL", true, FIELD_OBJ | FIELD_MODE },
	[MSG_ATTR_RECALLED] = { "ATTR_RECALLED", true, FIELD_OBJ | FIELD_MODE },
	[MSG_REAP] = { "REAP", true, FIELD_OBJ },
	[MSG_NAME_RECALL] = { "NAME_RECALL", true, FIELD_DIR },
	[MSG_NAME_RECALLED] = { "NAME_RECALLED", true, FIELD_DIR },
	[MSG_NAME] = { "NAME", true, FIELD_DIR | FIELD_OBJ | FIELD_COOKIE },
	[MSG_SIGNAL] = { "SIGNAL", true, FIELD_OBJ | FIELD_NUMBER | FIELD_COOKIE },
	[REQ_LOOKUP] = { "REQ_LOOKUP", false, FIELD_DIR },
	[REQ_LIST] = { "REQ_LIST", false, FIELD_DIR | FIELD_COOKIE },
	[REQ_MKDIR] = { "MKDIR", false, FIELD_DIR },
	[REQ_CREATE] = { "REQ_CREATE", false, FIELD_DIR },
	[REQ_REMOVE] = { "REQ_REMOVE", false, FIELD_OBJ | FIELD_DIR },
	[REQ_RENAME] = { "REQ_RENAME", false, FIELD_DIR | FIELD_TO_DIR },
	[REQ_GETATTR] = { "REQ_GETATTR", false, FIELD_OBJ | FIELD_SEG },
	[REQ_SETATTR] = { "REQ_SETATTR", false, FIELD_OBJ | FIELD_SEG | FIELD_SIZE },
	[REQ_STATUS] = { "REQ_STATUS", false, FIELD_OBJ },
	[REQ_CONTROL] = { "REQ_CONTROL", false, FIELD_OBJ },
	[REQ_SYNC] = { "REQ_SYNC", false, FIELD_OBJ | FIELD_SEG },
	[REQ_OPEN] = { "REQ_OPEN", false, FIELD_OBJ | FIELD_SEG | FIELD_MODE },
	[REQ_RELEASE] = { "RELEASE", false, FIELD_OBJ | FIELD_SEG | FIELD_MODE },
	[REQ_READ] = { "READ", false, FIELDS_PAGE | FIELD_COUNT },
	[REQ_WRITE] = { "WRITE", false, FIELDS_PAGE | FIELD_OFFSET },
	[REQ_INFO] = { "INFO", false, 0 },
	[REQ_END_OPEN] = { "END_OPEN", false, FIELD_OBJ },
	[REQ_END_CLOSE] = { "END_CLOSE", false, FIELD_COOKIE },
	[REQ_END_READ] = { "END_READ", false, FIELD_COOKIE | FIELD_COUNT },
	[REQ_END_POST] = { "END_POST", false, FIELD_COOKIE },
	[REQ_END_OWN] = { "END_OWN", false, FIELD_COOKIE },
	[REQ_END_POLL] = { "END_POLL", false, FIELD_COOKIE },
};

static const char *const mode_names[] = {
	[PAGE_INVALID] = "invalid",
	[PAGE_SHARED] = "shared",
	[PAGE_EXCLUSIVE] = "exclusive",
};

static const struct {
	uint32_t flag;
	const char *name;
} flag_names[] = {
	{ REQUEST_NOREPLACE, "noreplace" },
	{ REQUEST_KEEP, "keep" },
	{ SETATTR_MODE, "set-mode" },
	{ SETATTR_UID, "set-uid" },
	{ SETATTR_GID, "set-gid" },
	{ SETATTR_MTIME, "set-mtime" },
	{ SETATTR_SIZE, "set-size" },
	{ WRITE_BACK, "write-back" },
	{ GRANT_ZERO, "zero" },
	{ SIZE_REVOKED, "revoked" },
	{ LINK_NAMED, "named" },
	{ LINK_UNNAMED, "unnamed" },
	{ LINK_NONE, "unlinked" },
	{ POST_OWNER, "to-owner" },
	{ POST_USERS, "to-users" },
	{ POST_ONCE, "once" },
	{ END_READS, "reads" },
	{ END_NONBLOCK, "nonblock" },
	{ END_READABLE, "readable" },
	{ END_CUT, "cut" },
	{ ATTR_KEEP, "keep-attr" },
	{ OPEN_LINGERS, "lingers" },
	{ PUT_GROWS, "grows" },
	{ PUT_OVER, "over" },
	{ GET_PAST_END, "past-end" },
	{ SIZE_SITS, "sits" },
	{ SETATTR_ATIME, "set-atime" },
	{ REQUEST_ALL, "all" },
	{ LINK_REPLACED, "replaced" },
	{ GET_AHEAD, "ahead" },
	{ GET_BLIND, "blind" },
};

struct line {
	char *buffer;
	size_t size_bytes;
	size_t used_bytes;
};

const char *msg_type_name(unsigned type)
{
	return type < MSG_TYPES && types[type].name ? types[type].name : "?";
}

bool msg_type_on_wire(unsigned type)
{
	return type < MSG_TYPES && types[type].on_wire;
}

/* What does not fit is left out. */
__attribute__((format(printf, 2, 3))) static void put(struct line *line, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line->buffer + line->used_bytes, line->size_bytes - line->used_bytes, format, arguments);
	va_end(arguments);
	CHECK(length >= 0);
	line->used_bytes += (size_t)length;
	if (line->used_bytes >= line->size_bytes)
		line->used_bytes = line->size_bytes - 1;
}

static void put_number(struct line *line, bool always, const char *name, uint64_t value)
{
	if (always || value != 0)
		put(line, " %s=%" PRIu64, name, value);
}

static void put_object(struct line *line, bool always, uint64_t obj)
{
	if (always || obj != 0)
		put(line, " obj=%" PRIu32 ":%" PRIu64, object_home(obj), obj & ((UINT64_C(1) << OBJECT_COUNT_BITS) - 1));
}

static void put_dir(struct line *line, bool always, const char *name, uint64_t dir)
{
	if (object_home(dir))
		put(line, " %s=%" PRIu32 ":%" PRIu64, name, object_home(dir), dir & ((UINT64_C(1) << OBJECT_COUNT_BITS) - 1));
	else
		put_number(line, always, name, dir);
}

static void put_segment(struct line *line, bool always, uint32_t seg)
{
	if (seg == SEG_NONE)
		put(line, " seg=none");
	else
		put_number(line, always, "seg", seg);
}

static void put_mode(struct line *line, bool always, uint8_t mode)
{
	if (mode > PAGE_EXCLUSIVE)
		put(line, " mode=%u", mode);
	else if (always || mode != PAGE_INVALID)
		put(line, " mode=%s", mode_names[mode]);
}

static void put_flags(struct line *line, unsigned flags)
{
	for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++) {
		if (flags & flag_names[i].flag)
			put(line, " %s", flag_names[i].name);
	}
	if (flags & ~(unsigned)MSG_FLAGS)
		put(line, " flags=%#x", flags & ~(unsigned)MSG_FLAGS);
}

static void put_attr(struct line *line, const struct object_attr *attr)
{
	if (attr->mode || attr->uid || attr->gid)
		put(line, " attr=%04" PRIo32 ":%" PRIu32 ":%" PRIu32, attr->mode, attr->uid, attr->gid);
	put_number(line, false, "attr.size", attr->size_bytes);
	put_number(line, false, "attr.used", attr->used_bytes);
	put_number(line, false, "attr.atime", attr->atime_ns);
	put_number(line, false, "attr.mtime", attr->mtime_ns);
	put_number(line, false, "attr.ctime", attr->ctime_ns);
}

char *msg_print(const struct msg *msg, char *buffer, size_t size_bytes)
{
	struct line line = { .buffer = buffer, .size_bytes = size_bytes };
	unsigned fields = msg->type < MSG_TYPES ? types[msg->type].fields : 0;

	CHECK(size_bytes > 0);
	put(&line, "%s", msg_type_name(msg->type));
	if (msg_type_name(msg->type)[0] == '?')
		put(&line, " type=%u", msg->type);
	put_number(&line, fields & FIELD_REQ, "req", msg->req);
	if ((fields & FIELD_ERROR) || msg->error != 0)
		put(&line, " error=%" PRId32, msg->error);
	put_object(&line, fields & FIELD_OBJ, msg->obj);
	put_segment(&line, fields & FIELD_SEG, msg->seg);
	put_number(&line, fields & FIELD_PAGE, "page", msg->page);
	put_number(&line, fields & FIELD_COUNT, "count", msg->count);
	put_mode(&line, fields & FIELD_MODE, msg->mode);
	put_number(&line, fields & FIELD_OFFSET, "offset", msg->offset);
	put_dir(&line, fields & FIELD_DIR, "dir", msg->dir);
	put_dir(&line, fields & FIELD_TO_DIR, "to_dir", msg->to_dir);
	put_number(&line, fields & FIELD_SIZE, "size", msg->size);
	put_number(&line, fields & FIELD_LOW, "low", msg->low);
	put_number(&line, fields & FIELD_COOKIE, "cookie", msg->cookie);
	put_number(&line, fields & FIELD_NUMBER, "number", msg->number);
	put_number(&line, false, "epoch", msg->epoch);
	if (msg->cluster != 0)
		put(&line, " cluster=%016" PRIx64, msg->cluster);
	put_flags(&line, msg->flags);
	put_attr(&line, &msg->attr);
	if (msg->payload.kind != PAYLOAD_NONE)
		put(&line, " payload=%" PRIu32, msg->payload.length_bytes);
	return buffer;
}
