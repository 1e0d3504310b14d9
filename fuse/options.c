/*
 * options.c: options are looked up in one table. What mount(8) adds for itself is taken and ignored, what belongs to the
 * kernel's mount is handed on, and anything else is refused by name, so that a misspelt option never goes unnoticed.
 */
#include "fuse/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "core/core.h"

#define SIZE_MIN_BYTES (UINT64_C(1) << 20)

struct parser {
	struct options *options;
	char *why;
	size_t why_bytes;
};

static int refuse(struct parser *parser, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(struct parser *parser, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(parser->why, parser->why_bytes, format, args);
	va_end(args);
	return -EINVAL;
}

static uint64_t memory_bytes(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int set_text(struct parser *parser, const char *name, const char *value, char *text, size_t text_bytes)
{
	if (strlen(value) >= text_bytes)
		return refuse(parser, "option %s: more than %zu characters", name, text_bytes - 1);
	strcpy(text, value);
	return 0;
}

static int set_node(struct parser *parser, const char *value)
{
	if (!*value)
		return refuse(parser, "option node: the name is empty");
	for (const char *c = value; *c; c++) {
		if (!isgraph((unsigned char)*c) || *c == '/')
			return refuse(parser, "option node: \"%s\" is not a name: letters, digits and . - _ are", value);
	}
	return set_text(parser, "node", value, parser->options->node, sizeof(parser->options->node));
}

static int set_listen(struct parser *parser, const char *value)
{
	return set_text(parser, "listen", value, parser->options->listen, sizeof(parser->options->listen));
}

static int set_join(struct parser *parser, const char *value)
{
	return set_text(parser, "join", value, parser->options->join, sizeof(parser->options->join));
}

static int set_size(struct parser *parser, const char *value)
{
	static const char units[] = "kmgt";
	uint64_t memory = memory_bytes();
	uint64_t bytes;
	char *end;

	errno = 0;
	bytes = strtoull(value, &end, 10);
	if (errno || end == value || *value == '-')
		return refuse(parser, "option size: \"%s\" is not a size: a number with K, M, G, T or %% is", value);
	if (*end == '%') {
		if (bytes > 100)
			return refuse(parser, "option size: %s of the memory", value);
		bytes = memory / 100 * bytes;
		end++;
	} else if (*end) {
		const char *unit = strchr(units, tolower((unsigned char)*end));
		unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;

		if (!unit || bytes > (UINT64_MAX >> shift))
			return refuse(parser, "option size: \"%s\" is not a size: a number with K, M, G, T or %% is", value);
		bytes <<= shift;
		end++;
	}
	if (*end)
		return refuse(parser, "option size: \"%s\" is not a size: a number with K, M, G, T or %% is", value);
	if (bytes < SIZE_MIN_BYTES)
		return refuse(parser, "option size: \"%s\" is less than 1M", value);
	parser->options->size_bytes = bytes;
	return 0;
}

static int set_timeout(struct parser *parser, const char *value)
{
	char *end;
	double seconds = strtod(value, &end);

	if (end == value || *end || !(seconds * 1000 >= TIMEOUT_MIN_MS && seconds * 1000 <= TIMEOUT_MAX_MS))
		return refuse(parser, "option timeout: \"%s\" is not a number of seconds from %g to %d", value,
		              TIMEOUT_MIN_MS / 1000.0, TIMEOUT_MAX_MS / 1000);
	parser->options->timeout_ms = (uint64_t)(seconds * 1000);
	return 0;
}

static int set_barrier(struct parser *parser, const char *value)
{
	static const char *const names[] = { [BARRIER_AUTO] = "auto", [BARRIER_ON] = "on", [BARRIER_OFF] = "off" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(value, names[i])) {
			parser->options->barrier = (enum options_barrier)i;
			return 0;
		}
	}
	return refuse(parser, "option barrier: \"%s\" is none of auto, on and off", value);
}

static int set_priority(struct parser *parser, const char *value)
{
	if (strcmp(value, "real-time") != 0 && strcmp(value, "ordinary") != 0)
		return refuse(parser, "option priority: \"%s\" is neither real-time nor ordinary", value);
	parser->options->realtime = !strcmp(value, "real-time");
	return 0;
}

#ifdef NETMEM_TEST_BREAKAGE
static int set_break(struct parser *parser, const char *value)
{
	char *end;

	parser->options->breakage = (unsigned)strtoul(value, &end, 0);
	if (end == value || *end)
		return refuse(parser, "option break: \"%s\" is not a number", value);
	return 0;
}
#endif

static int set_foreground(struct parser *parser, const char *value)
{
	(void)value;
	parser->options->foreground = true;
	return 0;
}

static int set_allow_other(struct parser *parser, const char *value)
{
	(void)value;
	parser->options->allow_other = true;
	return 0;
}

struct own_option {
	const char *name;
	bool has_value;
	int (*set)(struct parser *parser, const char *value);
};

static const struct own_option own_options[] = {
	{ "node", true, set_node },
	{ "listen", true, set_listen },
	{ "join", true, set_join },
	{ "size", true, set_size },
	{ "timeout", true, set_timeout },
	{ "barrier", true, set_barrier },
	{ "priority", true, set_priority },
#ifdef NETMEM_TEST_BREAKAGE
	{ "break", true, set_break },
#endif
	{ "foreground", false, set_foreground },
	{ "allow_other", false, set_allow_other },
};

/* Handed to the kernel's mount. */
static const char *const kernel_options[] = {
	"rw",   "ro",    "suid", "nosuid",  "dev",     "nodev",      "exec",          "noexec",
	"sync", "async", "atime", "noatime", "dirsync", "nodiratime", "norelatime",   "nostrictatime",
};

/* Of mount(8) and fstab(5), or what netmemfs always does: no meaning here. */
static const char *const ignored_options[] = {
	"defaults", "auto",     "noauto",     "user",        "nouser", "users", "owner",
	"group",    "nofail",   "_netdev",    "relatime",    "strictatime", "lazytime", "nolazytime",
	"diratime", "default_permissions",    "iversion",    "noiversion",  "silent",   "loud",
	"mand",     "nomand",
};

static bool is_in(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(name, names[i]))
			return true;
	}
	return false;
}

static int add_kernel_option(struct parser *parser, const char *name)
{
	char *kernel = parser->options->kernel;
	size_t used = strlen(kernel);

	if (used + 1 + strlen(name) >= OPTIONS_KERNEL_BYTES)
		return refuse(parser, "too many mount options");
	snprintf(kernel + used, OPTIONS_KERNEL_BYTES - used, "%s%s", used ? "," : "", name);
	return 0;
}

static int take_option(struct parser *parser, char *option)
{
	char *value = strchr(option, '=');

	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < sizeof(own_options) / sizeof(own_options[0]); i++) {
		const struct own_option *own = &own_options[i];

		if (strcmp(option, own->name) != 0)
			continue;
		if (own->has_value != (value != NULL))
			return refuse(parser, "option %s %s a value", option, value ? "takes no" : "needs");
		return own->set(parser, value);
	}
	if (!value && is_in(option, kernel_options, sizeof(kernel_options) / sizeof(kernel_options[0])))
		return add_kernel_option(parser, option);
	if (!value && is_in(option, ignored_options, sizeof(ignored_options) / sizeof(ignored_options[0])))
		return 0;
	if (!strncmp(option, "x-", 2) || !strncmp(option, "X-", 2) || !strcmp(option, "comment"))
		return 0;
	return refuse(parser, "unknown option \"%s\"; netmemfs --help lists them", option);
}

/* Splits at commas; a backslash makes the next character an ordinary one. */
static int take_options(struct parser *parser, const char *list)
{
	char *option = malloc(strlen(list) + 1);
	int error = 0;

	if (!option)
		return refuse(parser, "out of memory");
	while (*list && !error) {
		size_t length = 0;

		for (; *list && *list != ','; list++) {
			if (*list == '\\' && list[1])
				list++;
			option[length++] = *list;
		}
		option[length] = '\0';
		if (length)
			error = take_option(parser, option);
		if (*list == ',')
			list++;
	}
	free(option);
	return error;
}

static int take_operands(struct parser *parser, char **operands, int count)
{
	struct options *options = parser->options;
	const char *mountpoint;

	if (count == 0)
		return refuse(parser, "no mount point given; netmemfs --help says how");
	mountpoint = operands[count - 1];
	if (count > 2)
		return refuse(parser, "more than a source and a mount point given: \"%s\"", operands[2]);
	if (strlen(mountpoint) >= sizeof(options->mountpoint) || strlen(operands[0]) >= sizeof(options->source))
		return refuse(parser, "the name of the mount point is too long");
	strcpy(options->mountpoint, mountpoint);
	strcpy(options->source, count == 2 ? operands[0] : "netmemfs");
	return 0;
}

static void set_defaults(struct options *options)
{
	char host[256] = "";

	memset(options, 0, sizeof(*options));
	options->size_bytes = memory_bytes() / 2;
	options->timeout_ms = TIMEOUT_DEFAULT_MS;
	options->realtime = true;
	options->allow_other = geteuid() == 0;
	if (gethostname(host, sizeof(host) - 1) || !*host)
		strcpy(host, "localhost");
	snprintf(options->node, sizeof(options->node), "%.*s", NODE_NAME_BYTES - 1, host);
}

int options_parse(struct options *options, int argc, char **argv, char *why, size_t why_bytes)
{
	struct parser parser = { .options = options, .why = why, .why_bytes = why_bytes };
	char *operands[3] = { NULL, NULL, NULL };
	bool only_operands = false;
	int count = 0;

	set_defaults(options);
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];
		int error = 0;

		if (only_operands || arg[0] != '-' || !arg[1]) {
			if (count < 3)
				operands[count++] = argv[i];
		} else if (!strcmp(arg, "--")) {
			only_operands = true;
		} else if (!strcmp(arg, "-h") || !strcmp(arg, "--help")) {
			options->run = OPTIONS_HELP;
			return 0;
		} else if (!strcmp(arg, "-V") || !strcmp(arg, "--version")) {
			options->run = OPTIONS_VERSION;
			return 0;
		} else if (!strcmp(arg, "-f") || !strcmp(arg, "--foreground")) {
			options->foreground = true;
		} else if (!strcmp(arg, "-n") || !strcmp(arg, "-s") || !strcmp(arg, "-v")) {
			continue; /* mount(8) may pass these to its helpers */
		} else if (!strncmp(arg, "-o", 2)) {
			const char *list = arg[2] ? arg + 2 : argv[++i];

			error = list ? take_options(&parser, list) : refuse(&parser, "-o needs options");
		} else {
			error = refuse(&parser, "unknown option \"%s\"; netmemfs --help lists them", arg);
		}
		if (error)
			return error;
	}
	return take_operands(&parser, operands, count);
}

void options_print_help(void)
{
	fputs("usage: netmemfs [SOURCE] MOUNTPOINT [-f] [-o OPTION,...]\n"
	      "\n"
	      "Mounts this node of a netmemfs cluster: shared memory between machines, as files.\n"
	      "\n"
	      "    -f, --foreground   do not become a daemon; log to stderr\n"
	      "    -o OPTION,...      see below\n"
	      "    -h, --help         print this\n"
	      "    -V, --version      print the version\n"
	      "\n"
	      "Options:\n"
	      "    node=NAME          this node's name in the cluster (default: the host's name)\n"
	      "    listen=ADDRESS     where other nodes reach this one: HOST:PORT or unix:PATH (default: nowhere);\n"
	      "                       with port 0 the system chooses one, see MOUNTPOINT/.netmem/status\n"
	      "    join=ADDRESS       a node of the cluster to join (default: found a new one)\n"
	      "    size=BYTES         memory that this node gives, with K, M, G, T or % (default: 50%)\n"
	      "    timeout=SECONDS    silence after which another node counts as dead (default: 4)\n"
	      "    barrier=WHEN       wait for late write-backs of the kernel: auto, on or off (default: auto)\n"
	      "    priority=WHAT      real-time, where that is allowed, or ordinary (default: real-time)\n"
	      "    allow_other        let other users in (always so when root mounts)\n"
	      "    ro, nosuid, nodev, noexec, ...\n"
	      "                       as for any mount, see mount(8)\n"
	      "\n"
	      "Without -f it returns when the mount is there. End it with umount MOUNTPOINT or SIGTERM.\n",
	      stdout);
}
