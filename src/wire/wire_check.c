/*
 * wire_check.c: one rule a type for the payload, one set of limits for the fields of all types. Whatever passes here, the
 * core can use without another look at lengths and ends of strings; what it means is the core's to judge.
 */
#include "wire/wire_check.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define MODE_BITS (07777u | OBJECT_OWNED | OBJECT_FRESH | OBJECT_REMAINS)
#define OBJECT_PAGES_MAX (OBJECT_BYTES_MAX / PAGE_BYTES)

/* What may follow the header. */
enum payload_rule { RULE_NONE, RULE_ANY, RULE_HELLO, RULE_WELCOME, RULE_LINE, RULE_NAME, RULE_TWO_NAMES, RULE_TEXT,
	RULE_PUT, RULE_GRANT };

/* What a type says of other fields. */
enum {
	OF_OBJECT = 1 << 0,  /* obj is not 0 */
	OF_PAGES = 1 << 1,   /* count is not 0 */
	OR_NO_SEG = 1 << 2   /* seg may be SEG_NONE */
};

struct type_rule {
	enum payload_rule payload;
	unsigned fields;
};

static const struct type_rule rules[MSG_TYPES] = {
	[MSG_HELLO] = { RULE_HELLO, 0 },
	[MSG_WELCOME] = { RULE_WELCOME, 0 },
	[MSG_REFUSED] = { RULE_LINE, 0 },
	[MSG_INSERT] = { RULE_NAME, OF_OBJECT },
	[MSG_LOOKUP] = { RULE_NAME, 0 },
	[MSG_REMOVE] = { RULE_NAME, 0 },
	[MSG_RENAME] = { RULE_TWO_NAMES, 0 },
	[MSG_CREATE] = { RULE_NONE, 0 },
	[MSG_CLAIM] = { RULE_NONE, OF_OBJECT },
	[MSG_GETATTR] = { RULE_NONE, OF_OBJECT },
	[MSG_SETATTR] = { RULE_NONE, OF_OBJECT | OR_NO_SEG },
	[MSG_STATUS] = { RULE_NONE, OF_OBJECT },
	[MSG_CONTROL] = { RULE_TEXT, OF_OBJECT },
	[MSG_OPEN] = { RULE_NONE, OF_OBJECT | OR_NO_SEG },
	[MSG_OWN] = { RULE_NONE, OF_OBJECT },
	[MSG_POST] = { RULE_NONE, OF_OBJECT },
	[MSG_UPGRADE] = { RULE_NONE, OF_OBJECT | OF_PAGES },
	[MSG_SYNC] = { RULE_NONE, OF_OBJECT },
	[MSG_REPLY] = { RULE_ANY, 0 },
	[MSG_CLOSE] = { RULE_NONE, OF_OBJECT },
	[MSG_DISOWN] = { RULE_NONE, OF_OBJECT },
	[MSG_DOWNGRADE] = { RULE_NONE, OF_OBJECT },
	[MSG_PUT] = { RULE_PUT, OF_OBJECT },
	[MSG_LINK] = { RULE_NAME, OF_OBJECT },
	[MSG_GONE] = { RULE_NONE, OF_OBJECT },
	[MSG_GET] = { RULE_NONE, OF_OBJECT | OF_PAGES },
	[MSG_GRANT] = { RULE_GRANT, OF_OBJECT | OF_PAGES },
	[MSG_RECALL] = { RULE_NONE, OF_OBJECT | OF_PAGES },
	[MSG_RECALLED] = { RULE_NONE, OF_OBJECT | OF_PAGES },
	[MSG_SIZE] = { RULE_NONE, OF_OBJECT },
	[MSG_SIZED] = { RULE_NONE, OF_OBJECT },
	[MSG_ATTR_RECALL] = { RULE_NONE, OF_OBJECT },
	[MSG_ATTR_RECALLED] = { RULE_NONE, OF_OBJECT },
	[MSG_REAP] = { RULE_NONE, OF_OBJECT },
	[MSG_NAME_RECALL] = { RULE_NAME, 0 },
	[MSG_NAME_RECALLED] = { RULE_NAME, 0 },
	[MSG_NAME] = { RULE_NAME, 0 },
	[MSG_SIGNAL] = { RULE_NONE, OF_OBJECT },
};

static int refuse(const char **why, int error, const char *reason)
{
	*why = reason;
	return error;
}

static bool directory(uint64_t dir)
{
	return dir <= DIR_UNNAMED || (object_home(dir) != 0 && object_home(dir) <= NODE_NUMBER_MAX);
}

/* The limits that hold whatever the type is. */
static int check_fields(const struct msg *msg, const char **why)
{
	if (msg->mode > PAGE_EXCLUSIVE)
		return refuse(why, -EBADMSG, "unknown page mode");
	if (!directory(msg->dir) || !directory(msg->to_dir))
		return refuse(why, -EBADMSG, "unknown directory");
	if (msg->flags & ~(unsigned)MSG_FLAGS)
		return refuse(why, -EOPNOTSUPP, "unknown flag");
	if (msg->error > 0 || msg->error < -ERRNO_MAX)
		return refuse(why, -EBADMSG, "error is no errno");
	if (msg->number > NODE_NUMBER_MAX || object_home(msg->obj) > NODE_NUMBER_MAX)
		return refuse(why, -EMSGSIZE, "node number over the limit");
	if (msg->obj != 0 && object_home(msg->obj) == 0)
		return refuse(why, -EBADMSG, "object without a home");
	if (msg->count > MSG_PAGES_MAX)
		return refuse(why, -EMSGSIZE, "too many pages");
	if (msg->page >= OBJECT_PAGES_MAX || msg->count > OBJECT_PAGES_MAX - msg->page)
		return refuse(why, -EMSGSIZE, "page over the limit");
	if (msg->offset >= PAGE_BYTES)
		return refuse(why, -EMSGSIZE, "offset over the page");
	if (msg->size > OBJECT_BYTES_MAX || msg->attr.size_bytes > OBJECT_BYTES_MAX)
		return refuse(why, -EMSGSIZE, "size over the limit");
	if (msg->low > OBJECT_BYTES_MAX && msg->low != UINT64_MAX)
		return refuse(why, -EMSGSIZE, "low size over the limit");
	if (msg->attr.mode & ~MODE_BITS)
		return refuse(why, -EBADMSG, "mode is more than permissions");
	return 0;
}

static bool needs_segment(const struct msg *msg)
{
	return msg->type == MSG_OPEN ? msg->mode != PAGE_INVALID : (msg->flags & SETATTR_SIZE) != 0;
}

/* What some types need besides. */
static int check_type(const struct msg *msg, const char **why)
{
	unsigned fields;

	if (!msg_type_on_wire(msg->type))
		return refuse(why, -EOPNOTSUPP, "unknown type");
	fields = rules[msg->type].fields;
	if ((fields & OF_OBJECT) && msg->obj == 0)
		return refuse(why, -EBADMSG, "no object");
	if ((fields & OF_PAGES) && msg->count == 0)
		return refuse(why, -EBADMSG, "no pages");
	if (msg->seg == SEG_NONE && (!(fields & OR_NO_SEG) || needs_segment(msg)))
		return refuse(why, -EBADMSG, "no segment");
	if (msg->type == MSG_GET && msg->mode == PAGE_INVALID)
		return refuse(why, -EBADMSG, "no mode asked for");
	if (msg->type == MSG_SIGNAL && msg->number == 0)
		return refuse(why, -EBADMSG, "signal from nobody");
	if (msg->type == MSG_WELCOME && (msg->number == 0 || msg->cluster == 0))
		return refuse(why, -EBADMSG, "welcome from nobody");
	if (msg->type == MSG_WELCOME && (msg->size > NODE_NUMBER_MAX || msg->low > NODE_NUMBER_MAX))
		return refuse(why, -EMSGSIZE, "node number over the limit");
	return 0;
}

static bool over_good(const struct msg *msg)
{
	uint32_t length_bytes = msg->payload.length_bytes;

	return !(msg->flags & PUT_GROWS) && msg->size > 0 && msg->size <= PAGE_BYTES - msg->offset && msg->size < length_bytes &&
	       length_bytes - msg->size <= PAGE_BYTES;
}

static int check_payload_length(const struct msg *msg, const char **why)
{
	uint32_t length_bytes = msg->payload.length_bytes;
	uint32_t granted_bytes;

	if (length_bytes > MSG_PAYLOAD_BYTES)
		return refuse(why, -EMSGSIZE, "payload over the limit");
	switch (rules[msg->type].payload) {
	case RULE_NONE:
		return length_bytes == 0 ? 0 : refuse(why, -EBADMSG, "payload where none belongs");
	case RULE_PUT:
		if (length_bytes == 0)
			return refuse(why, -EBADMSG, "no bytes to put");
		if (msg->flags & PUT_OVER)
			return over_good(msg) ? 0 : refuse(why, -EBADMSG, "put of no page over its bytes");
		return length_bytes <= MSG_PAYLOAD_BYTES - msg->offset ? 0 : refuse(why, -EMSGSIZE, "put of too many pages");
	case RULE_GRANT:
		granted_bytes = msg->error != 0 || (msg->flags & (GRANT_ZERO | GET_BLIND)) ? 0 : msg->count * PAGE_BYTES;
		return length_bytes == granted_bytes ? 0 : refuse(why, -EBADMSG, "grant of another length than its pages");
	case RULE_NAME:
		return length_bytes <= OBJECT_NAME_BYTES ? 0 : refuse(why, -EMSGSIZE, "name too long");
	case RULE_TWO_NAMES:
		return length_bytes <= 2 * OBJECT_NAME_BYTES ? 0 : refuse(why, -EMSGSIZE, "names too long");
	case RULE_HELLO:
		return length_bytes <= NODE_NAME_BYTES + ADDRESS_BYTES ? 0 : refuse(why, -EMSGSIZE, "greeting too long");
	case RULE_LINE:
	case RULE_TEXT:
		return length_bytes <= TEXT_BYTES ? 0 : refuse(why, -EMSGSIZE, "text too long");
	case RULE_WELCOME:
	case RULE_ANY:
		return 0;
	}
	return 0;
}

int wire_check_header(const struct msg *msg, const char **why)
{
	int result = check_type(msg, why);

	if (result == 0)
		result = check_fields(msg, why);
	if (result == 0)
		result = check_payload_length(msg, why);
	return result;
}

/* The length of the string at *text without its NUL, and *text moves behind it; -1 if it has no end or is too long. */
static ptrdiff_t take_string(const char **text, const char *end, size_t limit_bytes)
{
	const char *start = *text;
	const char *nul = start < end ? memchr(start, '\0', (size_t)(end - start)) : NULL;

	if (!nul || (size_t)(nul - start) >= limit_bytes)
		return -1;
	*text = nul + 1;
	return nul - start;
}

static bool printable(const char *text, size_t length_bytes, char lowest)
{
	for (size_t i = 0; i < length_bytes; i++) {
		if ((unsigned char)text[i] < (unsigned char)lowest || text[i] == 0x7f)
			return false;
	}
	return true;
}

static bool node_name_good(const char *name, size_t length_bytes)
{
	return length_bytes > 0 && length_bytes < NODE_NAME_BYTES && printable(name, length_bytes, '!') &&
	       !memchr(name, '/', length_bytes);
}

static bool address_good(const char *address, size_t length_bytes)
{
	return length_bytes < ADDRESS_BYTES && printable(address, length_bytes, '!');
}

/* Names that may be empty: what is known by its number, has no name, or stands for all in an object. */
static bool may_be_empty(const struct msg *msg)
{
	switch (msg->type) {
	case MSG_REMOVE:
	case MSG_LINK:
		return msg->obj != 0;
	case MSG_NAME_RECALL:
	case MSG_NAME_RECALLED:
		return msg->dir > DIR_UNNAMED;
	default:
		return false;
	}
}

/* What characters a name may have is for the directory to say. */
static bool name_good(const struct msg *msg, const char *text, const char *end)
{
	size_t length_bytes = strnlen(text, (size_t)(end - text));

	if (length_bytes == 0 && !may_be_empty(msg))
		return false;
	return length_bytes < OBJECT_NAME_BYTES && (size_t)(end - text) - length_bytes <= 1;
}

static bool two_names_good(const char *text, const char *end)
{
	return take_string(&text, end, OBJECT_NAME_BYTES) > 0 && take_string(&text, end, OBJECT_NAME_BYTES) > 0 &&
	       text == end;
}

static bool take_node(const char **text, const char *end)
{
	const char *name = *text;
	ptrdiff_t name_bytes = take_string(text, end, NODE_NAME_BYTES);
	const char *address = *text;
	ptrdiff_t address_bytes = name_bytes < 0 ? -1 : take_string(text, end, ADDRESS_BYTES);

	return address_bytes >= 0 && node_name_good(name, (size_t)name_bytes) &&
	       address_good(address, (size_t)address_bytes);
}

/* "NUMBER NAME ADDRESS\n"; *text moves behind it. */
static bool take_member(const char **text, const char *end)
{
	const char *newline = memchr(*text, '\n', (size_t)(end - *text));
	const char *at = *text;
	const char *space;
	uint32_t number = 0;

	if (!newline)
		return false;
	while (at < newline && *at >= '0' && *at <= '9' && number <= NODE_NUMBER_MAX)
		number = number * 10 + (uint32_t)(*at++ - '0');
	if (number == 0 || number > NODE_NUMBER_MAX || at == newline || *at != ' ')
		return false;
	at++;
	space = memchr(at, ' ', (size_t)(newline - at));
	if (!space || !node_name_good(at, (size_t)(space - at)) ||
	    !address_good(space + 1, (size_t)(newline - space - 1)))
		return false;
	*text = newline + 1;
	return true;
}

static bool welcome_good(const char *text, const char *end)
{
	if (!take_node(&text, end))
		return false;
	while (text < end) {
		if (!take_member(&text, end))
			return false;
	}
	return true;
}

/* One printable line, with or without a NUL. */
static bool line_good(const char *text, const char *end)
{
	size_t length_bytes = strnlen(text, (size_t)(end - text));

	return (size_t)(end - text) - length_bytes <= 1 && printable(text, length_bytes, ' ');
}

int wire_check_payload(const struct msg *msg, const char **why)
{
	const char *text = msg->payload.bytes;
	const char *end = text ? text + msg->payload.length_bytes : NULL;
	bool good = true;

	switch (rules[msg->type].payload) {
	case RULE_HELLO:
		good = text && take_node(&text, end) && text == end;
		break;
	case RULE_WELCOME:
		good = text && welcome_good(text, end);
		break;
	case RULE_LINE:
		good = text && line_good(text, end);
		break;
	case RULE_NAME:
		good = text ? name_good(msg, text, end) : may_be_empty(msg);
		break;
	case RULE_TWO_NAMES:
		good = text && two_names_good(text, end);
		break;
	case RULE_NONE:
	case RULE_ANY:
	case RULE_TEXT:
	case RULE_PUT:
	case RULE_GRANT:
		break;
	}
	return good ? 0 : refuse(why, -EBADMSG, "payload is not what its type says");
}

int wire_check(const struct msg *msg, const char **why)
{
	int result = wire_check_header(msg, why);

	return result == 0 ? wire_check_payload(msg, why) : result;
}
