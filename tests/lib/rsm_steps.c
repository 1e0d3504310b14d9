#define _GNU_SOURCE 1
#include "rsm_steps.h"

#include <errno.h>
#include <grp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct program program;

#ifdef __SANITIZE_THREAD__
/* It does not know that stores to memory that is being moved are held back. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:rsm_object_write\nrace:rsm_object_read\n";
}
#endif

rsmapi_controller_handle_t program_controller(void)
{
	if (!program.controller && rsm_get_controller((char *)"netmem", &program.controller))
		test_broken("no controller");
	return program.controller;
}

rsm_memseg_id_t segment_id(void)
{
	return RSM_USER_APP_ID_BASE / 2 + (rsm_memseg_id_t)getpid();
}

unsigned char pattern(unsigned seed, size_t place)
{
	return (unsigned char)((place * 7 + place / 251 + seed * 31 + 1) % 251);
}

/* So that memory which a test has no more use for is not taken for a leak of the library's. */
struct kept {
	void *memory;
	struct kept *next;
};

static void keep(void *memory)
{
	static _Atomic(struct kept *) all;
	struct kept *kept = malloc(sizeof *kept);

	if (!kept)
		test_broken("memory");
	kept->memory = memory;
	kept->next = atomic_load(&all);
	while (!atomic_compare_exchange_weak(&all, &kept->next, kept))
		;
}

char *memory_new(size_t length, unsigned seed)
{
	void *memory;

	if (posix_memalign(&memory, PAGE, length))
		test_broken("memory");
	keep(memory);
	for (size_t i = 0; i < length; i++)
		((char *)memory)[i] = (char)pattern(seed, i);
	return memory;
}

size_t memory_wrong(const char *memory, size_t from, size_t to, unsigned seed)
{
	size_t wrong = 0;

	for (size_t i = from; i < to; i++)
		wrong += (unsigned char)memory[i] != pattern(seed, i);
	return wrong;
}

/* Export. */

long step_create(const long *arguments)
{
	program.length = (size_t)arguments[0] * PAGE;
	program.memory = memory_new(program.length, (unsigned)arguments[2]);
	return rsm_memseg_export_create(program_controller(), &program.exported, program.memory, program.length,
					(uint_t)arguments[1]);
}

/* Pairs of node and permission until a node of 0; how many. */
static uint_t list_of(const long *pairs, uint_t max, rsmapi_access_entry_t *list)
{
	uint_t count = 0;

	for (; count < max && pairs[2 * count]; count++) {
		list[count].ae_node = (rsm_node_id_t)pairs[2 * count];
		list[count].ae_permission = (rsm_permission_t)pairs[2 * count + 1];
	}
	return count;
}

long step_publish(const long *arguments)
{
	rsm_memseg_id_t id = (rsm_memseg_id_t)arguments[0];
	rsmapi_access_entry_t list[2];
	uint_t count = list_of(arguments + 1, 2, list);
	int code = rsm_memseg_export_publish(program.exported, &id, count ? list : NULL, count);

	return code ? -code : (long)id;
}

long step_export(const long *arguments)
{
	long code = step_create(arguments);

	if (code)
		return code;
	code = HERE(step_publish, arguments[3]);
	return code < 0 ? -code : RSM_SUCCESS;
}

long step_republish(const long *arguments)
{
	rsmapi_access_entry_t list[3];
	uint_t count = list_of(arguments, 3, list);

	return rsm_memseg_export_republish(program.exported, count ? list : NULL, count);
}

long step_unpublish(const long *arguments)
{
	(void)arguments;
	return rsm_memseg_export_unpublish(program.exported);
}

long step_destroy(const long *arguments)
{
	(void)arguments;
	return rsm_memseg_export_destroy(program.exported);
}

long step_rebind(const long *arguments)
{
	program.memory = memory_new(program.length, (unsigned)arguments[0]);
	return rsm_memseg_export_rebind(program.exported, program.memory, 0, program.length);
}

long step_wrong(const long *arguments)
{
	return (long)memory_wrong(program.memory, 0, program.length, (unsigned)arguments[0]);
}

static volatile uint64_t *word_at(char *memory, long offset)
{
	return (volatile uint64_t *)(void *)(memory + offset);
}

long step_load(const long *arguments)
{
	return (long)*word_at(program.memory, arguments[0]);
}

long step_store(const long *arguments)
{
	*word_at(program.memory, arguments[0]) = (uint64_t)arguments[1];
	return 0;
}

/* Import. */

long step_connect(const long *arguments)
{
	return rsm_memseg_import_connect(program_controller(), (rsm_node_id_t)arguments[0], (rsm_memseg_id_t)arguments[1],
					 (rsm_permission_t)arguments[2], &program.imported);
}

long step_import(const long *arguments)
{
	long code = step_connect(arguments);

	return code ? code
		    : rsm_memseg_import_init_barrier(program.imported, RSM_BARRIER_SEGMENT, &program.barrier);
}

long step_disconnect(const long *arguments)
{
	(void)arguments;
	return rsm_memseg_import_disconnect(program.imported);
}

long step_map(const long *arguments)
{
	void *address = NULL;
	int code = rsm_memseg_import_map(program.imported, &address, RSM_MAP_NONE, (rsm_permission_t)arguments[0],
					 arguments[1], (size_t)arguments[2]);

	program.mapped = address;
	return code;
}

long step_unmap(const long *arguments)
{
	(void)arguments;
	return rsm_memseg_import_unmap(program.imported);
}

long step_mapped_load(const long *arguments)
{
	return (long)*word_at(program.mapped, arguments[0]);
}

long step_mapped_store(const long *arguments)
{
	*word_at(program.mapped, arguments[0]) = (uint64_t)arguments[1];
	return 0;
}

long step_get(const long *arguments)
{
	uint64_t value = 0;
	int code = rsm_memseg_import_get64(program.imported, arguments[0], &value, 1);

	return code ? -code : (long)value;
}

long step_put(const long *arguments)
{
	uint64_t value = (uint64_t)arguments[1];

	return rsm_memseg_import_put64(program.imported, arguments[0], &value, 1);
}

long step_get_wrong(const long *arguments)
{
	size_t length = (size_t)arguments[0];
	char *memory = calloc(1, length);
	long result = -rsm_memseg_import_get(program.imported, 0, memory, length);

	if (!result)
		result = (long)memory_wrong(memory, 0, length, (unsigned)arguments[1]);
	free(memory);
	return result;
}

long step_mode(const long *arguments)
{
	return rsm_memseg_import_set_mode(program.imported, (rsm_barrier_mode_t)arguments[0]);
}

long step_open_barrier(const long *arguments)
{
	(void)arguments;
	return rsm_memseg_import_open_barrier(&program.barrier);
}

long step_close_barrier(const long *arguments)
{
	(void)arguments;
	return rsm_memseg_import_close_barrier(&program.barrier);
}

/* Events. */

static void *segment_of(long which)
{
	return which == EXPORTED ? (void *)program.exported : (void *)program.imported;
}

long step_post(const long *arguments)
{
	return rsm_intr_signal_post(segment_of(arguments[0]), (uint_t)arguments[1]);
}

long step_wait(const long *arguments)
{
	return rsm_intr_signal_wait(segment_of(arguments[0]), (int)arguments[1]);
}

long step_become(const long *arguments)
{
	if (setgroups(0, NULL) || setgid((gid_t)arguments[1]) || setuid((uid_t)arguments[0]))
		return errno;
	return 0;
}
