/*
 * Goal: each function of <rsmapi.h> answers with each code that is documented for it. `rows` says how each code is
 * provoked; `documented` is what the old pages say, and each of its codes has to have a row. What cannot be provoked has a
 * row with the reason, and is counted.
 *
 * Most rows run in a process on node 2 of three; those that do something to a node have a cluster of their own. Where
 * only the system could fail, or a moment has to be hit, calls of the C library are stood in for, see `inject`.
 */
#define _GNU_SOURCE 1
#include "rsm_scene.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define FUNCTIONS 42
#define OTHER_ID (segment_id() + 0x10000000)

/* Calls that fail with that errno while it is set. */
static struct {
	int map;                /* mmap() of a file */
	int memory;             /* any mmap() */
	int synchronise;
	int poll;
	const char *opened;     /* before a path that ends so is opened, this is done */
	void (*before)(void);
} inject;

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	int error = inject.map && fd >= 0 ? inject.map : inject.memory;

	if (error) {
		errno = error;
		return MAP_FAILED;
	}
	return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

static bool not_synchronised(void)
{
	errno = inject.synchronise;
	return inject.synchronise;
}

int fdatasync(int fd)
{
	return not_synchronised() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int msync(void *address, size_t length, int flags)
{
	return not_synchronised() ? -1 : (int)syscall(SYS_msync, address, length, flags);
}

ssize_t pwritev2(int fd, const struct iovec *vector, int count, off_t offset, int flags)
{
	return not_synchronised() ? -1 : syscall(SYS_pwritev2, fd, vector, (long)count, offset, 0L, (long)flags);
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	if (inject.poll) {
		errno = inject.poll;
		return -1;
	}
	return (int)syscall(SYS_poll, fds, count, timeout);
}

int openat(int dir, const char *path, int flags, ...)
{
	size_t length = strlen(path);
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	if (inject.opened && length >= strlen(inject.opened) &&
	    strcmp(path + length - strlen(inject.opened), inject.opened) == 0) {
		inject.opened = NULL;
		inject.before();
	}
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

/* What the rows need. */

static char *one_page(void)
{
	return memory_new(PAGE, 1);
}

static void own_cluster(int count, const char *options)
{
	nodes_start(count, options);
}

/* What was exported becomes ordinary memory first: a search for leaks at the end of the process reads it. */
static int and_stop(int code)
{
	if (program.memory)
		mmap(program.memory, program.length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	nodes_stop();
	return code;
}

/* With no descriptor left; what `call` says. */
static int without_descriptors(int (*call)(void))
{
	struct rlimit limit;
	int taken[256];
	int count = 0;
	int code;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = COUNT(taken);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (count < (int)COUNT(taken) && (taken[count] = dup(2)) >= 0)
		count++;
	code = call();
	while (count > 0)
		close(taken[--count]);
	return code;
}

/* With no address space left. */
static int without_memory(int (*call)(void))
{
	int code;

	inject.memory = ENOMEM;
	code = call();
	inject.memory = 0;
	return code;
}

static struct {
	char *memory;
	size_t length;
	uint_t flags;
} block;

/* The controller, and memory for it, made before there is a shortage. */
static void block_new(size_t length)
{
	program_controller();
	block.memory = memory_new(length, 1);
	block.length = length;
}

static int create_block(void)
{
	return rsm_memseg_export_create(program.controller, &program.exported, block.memory, block.length, block.flags);
}

static int rebind_block(void)
{
	return rsm_memseg_export_rebind(program.exported, block.memory, 0, block.length);
}

static int publish_as(rsm_memseg_id_t id)
{
	return rsm_memseg_export_publish(program.exported, &id, NULL, 0);
}

static rsm_memseg_export_handle_t exported(long flags)
{
	OK(HERE(step_create, SEGMENT_PAGES, flags, 1));
	return program.exported;
}

/* In a child made by fork, which has the handles but not the segments. */
static int in_a_child(int (*call)(void))
{
	int status;
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(call());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status), "the child: %#x", (unsigned)status);
	return WEXITSTATUS(status);
}

static rsm_memseg_import_handle_t imported(rsm_permission_t perm)
{
	exporter_start(RSM_ALLOW_REBIND);
	import_here(perm);
	return program.imported;
}

static rsm_memseg_import_handle_t cut_off(void)
{
	imported(RSM_PERM_RDWR);
	peer_kill(exporter);
	await_cut();
	return program.imported;
}

/* Not a segment: a handle of another kind. */
static void *wrong_segment(void)
{
	return program_controller();
}

static void *wrong_controller(void)
{
	return exported(0);
}

static int connect_as(rsm_node_id_t node, rsm_memseg_id_t id, rsm_permission_t perm)
{
	return rsm_memseg_import_connect(program_controller(), node, id, perm, &program.imported);
}

static void interrupted(int number)
{
	(void)number;
}

/* Pokes this thread with a signal until it says that it was interrupted. */
static pthread_t poked;
static atomic_bool poked_enough;

static void *poke(void *argument)
{
	(void)argument;
	while (!atomic_load(&poked_enough)) {
		pthread_kill(poked, SIGUSR1);
		syscall(SYS_poll, NULL, 0, 1);
	}
	return NULL;
}

static int while_poked(int (*call)(void))
{
	const struct sigaction action = { .sa_handler = interrupted };
	pthread_t poker;
	int code;

	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	poked = pthread_self();
	ck_assert_int_eq(pthread_create(&poker, NULL, poke, NULL), 0);
	code = call();
	atomic_store(&poked_enough, true);
	pthread_join(poker, NULL);
	return code;
}

/* Controllers, topology, ids. */

static int controller_null(int unused)
{
	(void)unused;
	return rsm_get_controller((char *)"netmem", NULL);
}

static int controller_unknown(int which)
{
	static const char *const names[] = { "sci0", "netmem77", "netmem02", "", "loopback0", "netmemX", "netmem1" };
	rsmapi_controller_handle_t controller;

	return rsm_get_controller((char *)names[which], &controller);
}

static int controller_no_mount(int unused)
{
	rsmapi_controller_handle_t controller;

	(void)unused;
	setenv("NETMEM_MOUNT", "/proc", 1);
	return rsm_get_controller(NULL, &controller);
}

static int controller_dead(int unused)
{
	rsmapi_controller_handle_t controller;

	(void)unused;
	own_cluster(1, NULL);
	nodes_do("kill", 1);
	return and_stop(rsm_get_controller(NULL, &controller));
}

static rsmapi_controller_handle_t spare;

static int get_spare(void)
{
	return rsm_get_controller(NULL, &spare);
}

static int controller_no_descriptors(int unused)
{
	(void)unused;
	return without_descriptors(get_spare);
}

static int attr_bad_handle(int wrong)
{
	rsmapi_controller_attr_t attr;

	return rsm_get_controller_attr(wrong ? wrong_controller() : NULL, &attr);
}

static int attr_null(int unused)
{
	(void)unused;
	return rsm_get_controller_attr(program_controller(), NULL);
}

static int attr_dead(int unused)
{
	rsmapi_controller_attr_t attr;

	(void)unused;
	own_cluster(1, NULL);
	program_controller();
	nodes_do("kill", 1);
	return and_stop(rsm_get_controller_attr(program_controller(), &attr));
}

static int release_bad_handle(int wrong)
{
	return rsm_release_controller(wrong ? wrong_controller() : NULL);
}

static int release_twice(int unused)
{
	rsmapi_controller_handle_t first;
	rsmapi_controller_handle_t second;

	(void)unused;
	exported(0); /* has a hold on its controller, which is not the program's to release */
	OK(rsm_get_controller((char *)"netmem", &first));
	OK(rsm_get_controller((char *)"netmem", &second));
	OK(rsm_release_controller(program.controller));
	OK(rsm_release_controller(first));
	OK(rsm_release_controller(second));
	return rsm_release_controller(second);
}

static int topology_null(int unused)
{
	(void)unused;
	return rsm_get_interconnect_topology(NULL);
}

static int topology_free_null(int unused)
{
	(void)unused;
	rsm_free_interconnect_topology(NULL);
	return RSM_SUCCESS;
}

static int range_of(const char *text)
{
	char path[] = "/tmp/rsm-segmentid-XXXXXX";
	int fd = mkstemp(path);
	rsm_memseg_id_t base;
	uint32_t length;
	int code;

	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	setenv("RSM_SEGMENTID_FILE", path, 1);
	code = rsm_get_segmentid_range("SUNWfoo", &base, &length);
	unlink(path);
	return code;
}

static int range_null(int which)
{
	rsm_memseg_id_t base;
	uint32_t length;

	return rsm_get_segmentid_range(which == 0 ? NULL : "SUNWfoo", which == 1 ? NULL : &base,
				       which == 2 ? NULL : &length);
}

static int range_missing(int unused)
{
	rsm_memseg_id_t base;
	uint32_t length;

	(void)unused;
	setenv("RSM_SEGMENTID_FILE", "/tmp/no/such/file", 1);
	return rsm_get_segmentid_range("SUNWfoo", &base, &length);
}

static int range_malformed(int which)
{
	static const char *const texts[] = { "reserved SUNWfoo\n", "reserved SUNWfoo zz 10\n", "granted SUNWfoo 600000 1\n",
					     "reserved SUNWfoo 600000 ten\n", "reserved SUNWfoo 600000\n",
					     "reserved SUNWfoo 600000 -1\n", "reserved SUNWfoo 1234567890 1\n" };

	return range_of(texts[which]);
}

static int range_other(int which)
{
	return range_of(which ? "" : "# ids\nreserved SUNWfoobar 600000 100\nreserved foo 700000 1\n");
}

/* Export. */

static int create_bad_controller(int wrong)
{
	return rsm_memseg_export_create(wrong ? wrong_controller() : NULL, NULL, NULL, 0, 0);
}

static int create_null_handle(int unused)
{
	(void)unused;
	return rsm_memseg_export_create(program_controller(), NULL, NULL, 0, 0);
}

static int create_of(void *address, size_t length)
{
	rsm_memseg_export_handle_t segment;

	return rsm_memseg_export_create(program_controller(), &segment, address, length, 0);
}

static int create_null_address(int unused)
{
	(void)unused;
	return create_of(NULL, 0);
}

static int create_of_what_is_not_memory(int which)
{
	char *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			    (which == 1 ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);

	if (which == 0)
		munmap(memory + PAGE, PAGE);
	if (which == 2)
		mprotect(memory, 2 * PAGE, PROT_READ);
	if (which == 3)
		memory = (char *)((uintptr_t)1 << 63);
	return create_of(memory, 2 * PAGE);
}

static int create_of_an_import(int unused)
{
	(void)unused;
	imported(RSM_PERM_RDWR);
	OK(HERE(step_map, RSM_PERM_RDWR, 0, SEGMENT_BYTES));
	return create_of(program.mapped, SEGMENT_BYTES);
}

static int create_of_an_export(int unused)
{
	(void)unused;
	exported(0);
	return create_of(program.memory, PAGE);
}

static int create_empty(int unused)
{
	(void)unused;
	return create_of((void *)8, 0);
}

static int create_too_long(int which)
{
	rsmapi_controller_attr_t attr;

	OK(rsm_get_controller_attr(program_controller(), &attr));
	return create_of(one_page(), which ? (size_t)INT64_MAX - PAGE + 1
					   : attr.attr_max_export_segment_size / PAGE * PAGE + PAGE);
}

static int create_unaligned(int which)
{
	return create_of(one_page() + (which ? 8 : 0), which ? PAGE : PAGE / 2);
}

static int create_without_room(int flags)
{
	own_cluster(1, "size=1M");
	OK(HERE(step_create, 128, 0, 1));
	block_new(200 * PAGE);
	block.flags = (uint_t)flags;
	return and_stop(create_block());
}

static int create_without_memory(int flags)
{
	block_new(1024 * PAGE);
	block.flags = (uint_t)flags;
	return without_memory(create_block);
}

static int create_without_descriptors(int flags)
{
	block_new(PAGE);
	block.flags = (uint_t)flags;
	return without_descriptors(create_block);
}

static int create_read_only(int unused)
{
	(void)unused;
	own_cluster(1, "ro");
	block_new(PAGE);
	return and_stop(create_block());
}

static int create_dead(int unused)
{
	int code;

	(void)unused;
	own_cluster(1, NULL);
	block_new(PAGE);
	nodes_do("kill", 1);
	code = create_block();
	ck_assert_uint_eq(memory_wrong(block.memory, 0, PAGE, 1), 0);
	return and_stop(code);
}

static int destroy_bad_handle(int wrong)
{
	return rsm_memseg_export_destroy(wrong ? wrong_segment() : NULL);
}

static int destroy_of_an_import(int unused)
{
	(void)unused;
	return rsm_memseg_export_destroy((rsm_memseg_export_handle_t)(void *)imported(RSM_PERM_READ));
}

static int destroy_exported(void)
{
	return rsm_memseg_export_destroy(program.exported);
}

static int destroy_in_a_child(int unused)
{
	(void)unused;
	exported(0);
	return in_a_child(destroy_exported);
}

static int destroy_with_pollfd(int unused)
{
	struct pollfd end;

	(void)unused;
	OK(rsm_memseg_get_pollfd(exported(0), &end));
	return rsm_memseg_export_destroy(program.exported);
}

static int destroy_without_memory(int unused)
{
	int code;

	(void)unused;
	OK(HERE(step_create, 1024, 0, 1));
	code = without_memory(destroy_exported);
	ck_assert_int_eq(HERE(step_wrong, 1), 0);
	OK(destroy_exported());
	return code;
}

static int rebind_bad_handle(int wrong)
{
	if (wrong)
		return rsm_memseg_export_rebind(wrong_segment(), one_page(), 0, 0);
	return rsm_memseg_export_rebind(NULL, NULL, 0, 0);
}

static int rebind_null(int unused)
{
	(void)unused;
	return rsm_memseg_export_rebind(exported(RSM_ALLOW_REBIND), NULL, 0, SEGMENT_BYTES);
}

static int rebind_unaligned(int unused)
{
	(void)unused;
	return rsm_memseg_export_rebind(exported(RSM_ALLOW_REBIND), memory_new(2 * SEGMENT_BYTES, 2) + 8, 0,
					SEGMENT_BYTES);
}

static int rebind_to_what_is_not_memory(int unused)
{
	(void)unused;
	return rsm_memseg_export_rebind(exported(RSM_ALLOW_REBIND),
					mmap(NULL, SEGMENT_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 0,
					SEGMENT_BYTES);
}

static int rebind_to_part_of_itself(int unused)
{
	char *memory = memory_new(2 * SEGMENT_BYTES, 1);

	(void)unused;
	OK(rsm_memseg_export_create(program_controller(), &program.exported, memory, SEGMENT_BYTES, RSM_ALLOW_REBIND));
	return rsm_memseg_export_rebind(program.exported, memory + PAGE, 0, SEGMENT_BYTES);
}

static int rebind_length(int pages)
{
	return rsm_memseg_export_rebind(exported(RSM_ALLOW_REBIND), memory_new(2 * SEGMENT_BYTES, 2), 0,
					(size_t)pages * PAGE);
}

static int rebind_exported(void)
{
	return (int)HERE(step_rebind, 2);
}

static int rebind_in_a_child(int unused)
{
	(void)unused;
	exported(RSM_ALLOW_REBIND);
	return in_a_child(rebind_exported);
}

static int rebind_not_allowed(int unused)
{
	(void)unused;
	exported(0);
	return rebind_exported();
}

static int rebind_without_memory(int unused)
{
	int code;

	(void)unused;
	block_new(1024 * PAGE);
	OK(HERE(step_create, 1024, RSM_ALLOW_REBIND, 2));
	code = without_memory(rebind_block);
	ck_assert_int_eq(HERE(step_wrong, 2), 0);
	ck_assert_uint_eq(memory_wrong(block.memory, 0, block.length, 1), 0);
	OK(rebind_block());
	return code;
}

static int rebind_without_descriptors(int unused)
{
	(void)unused;
	block_new(SEGMENT_BYTES);
	exported(RSM_ALLOW_REBIND);
	return without_descriptors(rebind_block);
}

static int rebind_dead(int unused)
{
	(void)unused;
	own_cluster(1, NULL);
	block_new(SEGMENT_BYTES);
	exported(RSM_ALLOW_REBIND);
	nodes_do("kill", 1);
	return and_stop(rebind_block());
}

static int publish_null(int unused)
{
	(void)unused;
	return rsm_memseg_export_publish(exported(0), NULL, NULL, 0);
}

static int publish_bad_handle(int wrong)
{
	rsm_memseg_id_t id = OTHER_ID;

	return rsm_memseg_export_publish(wrong ? wrong_segment() : NULL, &id, NULL, 0);
}

static int publish_with(rsmapi_access_entry_t *list, uint_t length)
{
	rsm_memseg_id_t id = OTHER_ID;

	return rsm_memseg_export_publish(exported(0), &id, list, length);
}

static int publish_no_list(int unused)
{
	(void)unused;
	return publish_with(NULL, 1);
}

static int publish_bad_list(int which)
{
	rsmapi_access_entry_t twice[] = { { 1, 0600 }, { 1, 0400 } };
	rsmapi_access_entry_t beyond[] = { { 1, 0777 } };
	static rsmapi_access_entry_t many[4096];

	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = (rsmapi_access_entry_t){ (rsm_node_id_t)i + 1, 0600 };
	return which == 0 ? publish_with(twice, 2) : which == 1 ? publish_with(beyond, 1) : publish_with(many, COUNT(many));
}

static int publish_loopback_list(int which)
{
	rsmapi_access_entry_t list[] = { { which ? 2 : 1, 0600 }, { 1, 0600 } };

	OK(rsm_get_controller((char *)"loopback", &program.controller));
	return publish_with(list, which ? 2 : 1);
}

static int publish_twice(int unused)
{
	(void)unused;
	exported(0);
	OK(publish_as(segment_id()));
	return publish_as(OTHER_ID);
}

static int publish_reserved(int which)
{
	static const rsm_memseg_id_t ids[] = { 1,          0x0FFFFF,   0x100000,   0x1FFFFF,   0x200000,
					       0x2FFFFF,   0x300000,   0x3FFFFF,   0x80000000, 0xFFFFFFFF };

	exported(0);
	return publish_as(ids[which]);
}

static int publish_in_use(int other_process)
{
	if (other_process) {
		exporter_start(0);
		nodes_use(1);
	} else {
		exported(0);
		OK(publish_as(segment_id()));
	}
	exported(0);
	return publish_as(segment_id());
}

static int publish_again(void)
{
	return publish_as(OTHER_ID);
}

static int publish_in_a_child(int unused)
{
	(void)unused;
	exported(0);
	return in_a_child(publish_again);
}

static int unpublish_bad_handle(int wrong)
{
	return rsm_memseg_export_unpublish(wrong ? wrong_segment() : NULL);
}

static int unpublish_unpublished(int again)
{
	exported(0);
	if (again) {
		OK(publish_as(segment_id()));
		OK(rsm_memseg_export_unpublish(program.exported));
	}
	return rsm_memseg_export_unpublish(program.exported);
}

static int unpublish_exported(void)
{
	return rsm_memseg_export_unpublish(program.exported);
}

static int unpublish_in_a_child(int unused)
{
	(void)unused;
	exported(0);
	OK(publish_as(segment_id()));
	return in_a_child(unpublish_exported);
}

static int republish_bad_handle(int wrong)
{
	return rsm_memseg_export_republish(wrong ? wrong_segment() : NULL, NULL, 0);
}

static int republish_unpublished(int unused)
{
	(void)unused;
	return rsm_memseg_export_republish(exported(0), NULL, 0);
}

static int republish_exported(void)
{
	return rsm_memseg_export_republish(program.exported, NULL, 0);
}

static int republish_in_a_child(int unused)
{
	(void)unused;
	exported(0);
	OK(publish_as(segment_id()));
	return in_a_child(republish_exported);
}

static int republish_bad_list(int which)
{
	rsmapi_access_entry_t list[] = { { 1, 0600 }, { which == 1 ? 1 : 2, which == 2 ? 01000 : 0400 } };

	exported(0);
	OK(publish_as(segment_id()));
	return rsm_memseg_export_republish(program.exported, which ? list : NULL, 2);
}

/* Import. */

static int connect_bad_controller(int wrong)
{
	return rsm_memseg_import_connect(wrong ? wrong_controller() : NULL, 1, segment_id(), RSM_PERM_READ, NULL);
}

static int connect_null(int unused)
{
	(void)unused;
	return rsm_memseg_import_connect(program_controller(), 1, segment_id(), RSM_PERM_READ, NULL);
}

static int connect_loopback(int unused)
{
	(void)unused;
	exporter_start(0);
	nodes_use(2);
	OK(rsm_get_controller(NULL, &program.controller));
	return connect_as(1, segment_id(), RSM_PERM_READ);
}

static int connect_unknown(int which)
{
	exporter_start(0);
	nodes_use(2);
	return which ? connect_as(2, segment_id(), RSM_PERM_READ) : connect_as(1, OTHER_ID, RSM_PERM_READ);
}

static int connect_unpublished(int unused)
{
	(void)unused;
	exporter_start(0);
	OK(ASK(exporter, step_unpublish, 0));
	nodes_use(2);
	return connect_as(1, segment_id(), RSM_PERM_READ);
}

static int connect_not_listed(int unused)
{
	(void)unused;
	exporter = peer_start(1);
	OK(ASK(exporter, step_create, SEGMENT_PAGES, 0, 1));
	ck_assert_uint_eq(ASK(exporter, step_publish, segment_id(), 3, 0666), segment_id());
	nodes_use(2);
	return connect_as(1, segment_id(), RSM_PERM_READ);
}

static int connect_strange_permission(int perm)
{
	exporter_start(0);
	nodes_use(2);
	return connect_as(1, segment_id(), (rsm_permission_t)perm);
}

/* An ordinary user. */
static int connect_not_granted(int given_asked)
{
	struct peer *importer = peer_start(2);

	exporter = peer_start(1);
	OK(ASK(exporter, step_create, SEGMENT_PAGES, 0, 1));
	ck_assert_uint_eq(ASK(exporter, step_publish, segment_id(), 2, given_asked >> 12), segment_id());
	ck_assert_int_eq(ASK(importer, step_become, SOMEBODY, SOMEBODY), 0);
	return (int)ASK(importer, step_connect, 1, segment_id(), given_asked & 07777);
}

/* Where nobody has the permission root has not either. */
static int connect_not_granted_to_root(int given_asked)
{
	exporter = peer_start(1);
	OK(ASK(exporter, step_create, SEGMENT_PAGES, 0, 1));
	ck_assert_uint_eq(ASK(exporter, step_publish, segment_id(), 2, given_asked >> 12), segment_id());
	nodes_use(2);
	return connect_as(1, segment_id(), (rsm_permission_t)(given_asked & 07777));
}

static int connect_no_node(int node)
{
	return connect_as((rsm_node_id_t)node, segment_id(), RSM_PERM_READ);
}

static int connect_dead_node(int unused)
{
	(void)unused;
	own_cluster(3, NULL);
	exporter = peer_start(3);
	OK(ASK(exporter, step_export, 1, 0, 1, segment_id()));
	nodes_use(2);
	OK(connect_as(3, segment_id(), RSM_PERM_READ));
	nodes_do("kill", 3);
	return and_stop(connect_as(3, segment_id(), RSM_PERM_READ));
}

static void unpublish_there(void)
{
	OK(ASK(exporter, step_unpublish, 0));
}

static int connect_too_late(int unused)
{
	(void)unused;
	exporter_start(0);
	nodes_use(2);
	program_controller();
	inject.before = unpublish_there;
	inject.opened = "signal";
	return connect_as(1, segment_id(), RSM_PERM_READ);
}

static int connect_once(void)
{
	return connect_as(1, segment_id(), RSM_PERM_READ);
}

static int connect_without_descriptors(int unused)
{
	(void)unused;
	exporter_start(0);
	nodes_use(2);
	program_controller();
	return without_descriptors(connect_once);
}

static int disconnect_bad_handle(int wrong)
{
	return rsm_memseg_import_disconnect(wrong ? wrong_segment() : NULL);
}

static int disconnect_of_an_export(int unused)
{
	(void)unused;
	return rsm_memseg_import_disconnect((rsm_memseg_import_handle_t)(void *)exported(0));
}

static int disconnect_mapped(int unused)
{
	(void)unused;
	imported(RSM_PERM_READ);
	OK(HERE(step_map, RSM_PERM_READ, 0, PAGE));
	return rsm_memseg_import_disconnect(program.imported);
}

static int disconnect_with_pollfd(int unused)
{
	struct pollfd end;

	(void)unused;
	OK(rsm_memseg_get_pollfd(imported(RSM_PERM_READ), &end));
	return rsm_memseg_import_disconnect(program.imported);
}

/* The ten ways to copy, in the order of their rows. Sizes of elements are 1, 2, 4, 8, and 1 for those without. */
static const size_t element[] = { 1, 2, 4, 8, 1, 1, 2, 4, 8, 1 };
enum { PUTS = 5 };
static uint64_t data[2 * PAGE / 8];

static int copy(int which, rsm_memseg_import_handle_t import, off_t offset, void *memory, size_t length)
{
	ulong_t count = length / element[which];

	switch (which) {
	case 0:
		return rsm_memseg_import_get8(import, offset, memory, count);
	case 1:
		return rsm_memseg_import_get16(import, offset, memory, count);
	case 2:
		return rsm_memseg_import_get32(import, offset, memory, count);
	case 3:
		return rsm_memseg_import_get64(import, offset, memory, count);
	case 4:
		return rsm_memseg_import_get(import, offset, memory, length);
	case 5:
		return rsm_memseg_import_put8(import, offset, memory, count);
	case 6:
		return rsm_memseg_import_put16(import, offset, memory, count);
	case 7:
		return rsm_memseg_import_put32(import, offset, memory, count);
	case 8:
		return rsm_memseg_import_put64(import, offset, memory, count);
	default:
		return rsm_memseg_import_put(import, offset, memory, length);
	}
}

static int copy_bad_handle(int which)
{
	ck_assert_int_eq(copy(which, wrong_segment(), 0, data, PAGE), RSMERR_BAD_SEG_HNDL);
	return copy(which, NULL, 1, NULL, PAGE);
}

static int copy_no_data(int which)
{
	return copy(which, imported(RSM_PERM_RDWR), 1, NULL, PAGE);
}

static int copy_misaligned_data(int which)
{
	return copy(which, imported(RSM_PERM_RDWR), 0, (char *)data + 1, PAGE);
}

static int copy_misaligned_offset(int which)
{
	return copy(which, imported(RSM_PERM_RDWR), (off_t)element[which] / 2, data, PAGE);
}

/* Also where the place is past the end, which is asked later. */
static int copy_denied(int which)
{
	return copy(which, imported(which < PUTS ? RSM_PERM_WRITE : RSM_PERM_READ), 2 * SEGMENT_BYTES, data, PAGE);
}

static int copy_past_the_mapping(int which)
{
	imported(RSM_PERM_RDWR);
	OK(HERE(step_map, RSM_PERM_READ, PAGE, 2 * PAGE));
	ck_assert_int_eq(copy(which, program.imported, PAGE, data, 2 * PAGE), RSM_SUCCESS);
	ck_assert_int_eq(copy(which, program.imported, 0, data, 8), RSMERR_BAD_OFFSET);
	ck_assert_int_eq(copy(which, program.imported, 3 * PAGE - 8, data, 16), RSMERR_BAD_OFFSET);
	return copy(which, program.imported, 3 * PAGE, data, 8);
}

static int copy_past_the_end(int which)
{
	imported(RSM_PERM_RDWR);
	ck_assert_int_eq(copy(which, program.imported, SEGMENT_BYTES - PAGE, data, PAGE), RSM_SUCCESS);
	ck_assert_int_eq(copy(which, program.imported, SEGMENT_BYTES, data, 8), RSMERR_BAD_LENGTH);
	ck_assert_int_eq(copy(which, program.imported, (off_t)1 << 62, data, 8), RSMERR_BAD_LENGTH);
	ck_assert_int_eq(copy(which, program.imported, 8, data, SIZE_MAX - 7), RSMERR_BAD_LENGTH);
	return copy(which, program.imported, SEGMENT_BYTES - 8, data, 16);
}

static int copy_without_barrier(int which)
{
	exporter_start(0);
	nodes_use(2);
	OK(connect_as(1, segment_id(), RSM_PERM_RDWR));
	OK(rsm_memseg_import_set_mode(program.imported, RSM_BARRIER_MODE_EXPLICIT));
	OK(copy(which, program.imported, 0, data, PAGE));
	OK(rsm_memseg_import_set_mode(program.imported, RSM_BARRIER_MODE_IMPLICIT));
	return copy(which, program.imported, 0, data, PAGE);
}

static int copy_cut_off(int which)
{
	cut_off();
	ck_assert_int_eq(copy(which, program.imported, 0, data, PAGE), RSMERR_CONN_ABORTED);
	return copy(which, program.imported, 0, data, 8);
}

static int copy_does_not_arrive(int which)
{
	imported(RSM_PERM_RDWR);
	inject.synchronise = EIO;
	return copy(which, program.imported, 0, data, PAGE);
}

static rsm_iovec_t vector[RSM_MAX_SGIOREQS + 1];

/* One entry, which a row makes wrong. */
static rsm_scat_gath_t scattered(rsm_memseg_import_handle_t import)
{
	vector[0] = (rsm_iovec_t){ .io_type = RSM_VA_TYPE, .local.vaddr = (caddr_t)data, .transfer_length = PAGE };
	return (rsm_scat_gath_t){ .local_nodeid = 2, .io_request_count = 1, .remote_handle = import, .iovec = vector };
}

static int scatter(int put, rsm_scat_gath_t *list)
{
	return put ? rsm_memseg_import_putv(list) : rsm_memseg_import_getv(list);
}

static int scatter_null(int put)
{
	return scatter(put, NULL);
}

static int scatter_count(int put)
{
	rsm_scat_gath_t list = scattered(imported(RSM_PERM_RDWR));

	list.io_request_count = RSM_MAX_SGIOREQS + 1;
	ck_assert_int_eq(scatter(put, &list), RSMERR_BAD_SGIO);
	list.io_request_count = 0;
	return scatter(put, &list);
}

static int scatter_bad_handle(int put)
{
	rsm_scat_gath_t list = scattered(NULL);

	ck_assert_int_eq(scatter(put, &list), RSMERR_BAD_SEG_HNDL);
	list = scattered(wrong_segment());
	return scatter(put, &list);
}

static int scatter_bad_type(int put)
{
	rsm_scat_gath_t list = scattered(imported(RSM_PERM_RDWR));

	vector[0].io_type = 3;
	return scatter(put, &list);
}

static int scatter_bad_local(int put)
{
	rsm_scat_gath_t list = scattered(imported(RSM_PERM_RDWR));

	vector[0].io_type = RSM_HANDLE_TYPE;
	vector[0].local.handle = NULL;
	ck_assert_int_eq(scatter(put, &list), RSMERR_BAD_LOCALMEM_HNDL);
	vector[0].local.handle = wrong_segment();
	return scatter(put, &list);
}

static int scatter_null_local(int put)
{
	rsm_scat_gath_t list = scattered(imported(RSM_PERM_RDWR));

	vector[0].local.vaddr = NULL;
	return scatter(put, &list);
}

static int scatter_past_local(int put)
{
	rsm_scat_gath_t list = scattered(imported(RSM_PERM_RDWR));

	vector[0].io_type = RSM_HANDLE_TYPE;
	OK(rsm_create_localmemory_handle(program_controller(), &vector[0].local.handle, one_page(), PAGE));
	vector[0].local_offset = 8;
	return scatter(put, &list);
}

static int scatter_denied(int put)
{
	rsm_scat_gath_t list = scattered(imported(put ? RSM_PERM_READ : RSM_PERM_WRITE));

	return scatter(put, &list);
}

static int scatter_past_the_end(int put)
{
	rsm_scat_gath_t list = scattered(imported(RSM_PERM_RDWR));

	vector[0].remote_offset = SEGMENT_BYTES - 8;
	return scatter(put, &list);
}

static int scatter_past_the_mapping(int put)
{
	rsm_scat_gath_t list = scattered(imported(RSM_PERM_RDWR));

	OK(HERE(step_map, RSM_PERM_READ, PAGE, PAGE));
	return scatter(put, &list);
}

static int scatter_without_barrier(int put)
{
	rsm_scat_gath_t list;

	exporter_start(0);
	nodes_use(2);
	OK(connect_as(1, segment_id(), RSM_PERM_RDWR));
	list = scattered(program.imported);
	return scatter(put, &list);
}

static int scatter_cut_off(int put)
{
	rsm_scat_gath_t list = scattered(cut_off());

	list.flags = RSM_IMPLICIT_SIGPOST;
	return scatter(put, &list);
}

static int local_of(int which)
{
	static rsm_localmemory_handle_t handle;
	char *memory = memory_new(2 * PAGE, 1);

	switch (which) {
	case 0:
		return rsm_create_localmemory_handle(NULL, &handle, memory, PAGE);
	case 1:
		return rsm_create_localmemory_handle(wrong_controller(), &handle, memory, PAGE);
	case 2:
		return rsm_create_localmemory_handle(program_controller(), NULL, memory, PAGE);
	case 3:
		return rsm_create_localmemory_handle(program_controller(), &handle, memory, 0);
	case 4:
		return rsm_create_localmemory_handle(program_controller(), &handle, memory + 8, PAGE);
	case 5:
		return rsm_create_localmemory_handle(program_controller(), &handle, NULL, PAGE);
	default:
		return rsm_create_localmemory_handle(program_controller(), &handle, memory, PAGE + 8);
	}
}

static int local_free(int which)
{
	static rsm_localmemory_handle_t handle;

	OK(rsm_create_localmemory_handle(program_controller(), &handle, one_page(), PAGE));
	switch (which) {
	case 0:
		return rsm_free_localmemory_handle(NULL, handle);
	case 1:
		return rsm_free_localmemory_handle(wrong_controller(), handle);
	case 2:
		return rsm_free_localmemory_handle(program_controller(), NULL);
	default:
		return rsm_free_localmemory_handle(program_controller(), wrong_segment());
	}
}

static int map_bad_handle(int wrong)
{
	void *address;

	return rsm_memseg_import_map(wrong ? wrong_segment() : NULL, &address, RSM_MAP_NONE, RSM_PERM_READ, 0, PAGE);
}

static int map_null(int unused)
{
	(void)unused;
	return rsm_memseg_import_map(imported(RSM_PERM_READ), NULL, RSM_MAP_NONE, RSM_PERM_READ, 0, PAGE);
}

static int map_nowhere(int unused)
{
	void *address = NULL;

	(void)unused;
	return rsm_memseg_import_map(imported(RSM_PERM_READ), &address, RSM_MAP_FIXED, RSM_PERM_READ, 0, PAGE);
}

static int map_part(off_t offset, size_t length)
{
	void *address;

	return rsm_memseg_import_map(imported(RSM_PERM_RDWR), &address, RSM_MAP_NONE, RSM_PERM_READ, offset, length);
}

static int map_length(int which)
{
	static const struct {
		off_t offset;
		size_t length;
	} parts[] = { { 0, 0 },
		      { 0, SEGMENT_BYTES + 1 },
		      { PAGE, SEGMENT_BYTES },
		      { SEGMENT_BYTES, PAGE },
		      { PAGE, SIZE_MAX - PAGE + 1 } };

	return map_part(parts[which].offset, parts[which].length);
}

static int map_misaligned(int which)
{
	void *address = memory_new(SEGMENT_BYTES, 0) + 8;

	if (!which)
		return map_part(8, PAGE);
	return rsm_memseg_import_map(imported(RSM_PERM_READ), &address, RSM_MAP_FIXED, RSM_PERM_READ, 0, PAGE);
}

static int map_negative_offset(int unused)
{
	(void)unused;
	return map_part(-(off_t)PAGE, PAGE);
}

static int map_strange_permission(int perm)
{
	void *address;

	return rsm_memseg_import_map(imported(RSM_PERM_READ), &address, RSM_MAP_NONE, (rsm_permission_t)perm, 0, PAGE);
}

static int map_cut_off(int unused)
{
	(void)unused;
	cut_off();
	return (int)HERE(step_map, RSM_PERM_READ, 0, PAGE);
}

static int map_fails(int error)
{
	imported(RSM_PERM_READ);
	inject.map = error;
	return (int)HERE(step_map, RSM_PERM_READ, 0, PAGE);
}

static int map_twice(int unused)
{
	(void)unused;
	imported(RSM_PERM_READ);
	OK(HERE(step_map, RSM_PERM_READ, 0, PAGE));
	return (int)HERE(step_map, RSM_PERM_READ, PAGE, PAGE);
}

static int map_disconnected(int unused)
{
	(void)unused;
	imported(RSM_PERM_READ);
	OK(HERE(step_disconnect, 0));
	return (int)HERE(step_map, RSM_PERM_READ, 0, PAGE);
}

static int unmap_bad_handle(int wrong)
{
	return rsm_memseg_import_unmap(wrong ? wrong_segment() : NULL);
}

static int unmap_unmapped(int again)
{
	imported(RSM_PERM_READ);
	if (again) {
		OK(HERE(step_map, RSM_PERM_READ, 0, PAGE));
		OK(HERE(step_unmap, 0));
	}
	return (int)HERE(step_unmap, 0);
}

/* Barriers. */

typedef int barrier_call(rsmapi_barrier_t *barrier);
static barrier_call *const barrier_calls[] = { rsm_memseg_import_open_barrier, rsm_memseg_import_order_barrier,
					       rsm_memseg_import_close_barrier, rsm_memseg_import_destroy_barrier };
enum { OPEN, ORDER, CLOSE, DESTROY };

static int init_bad_handle(int wrong)
{
	return rsm_memseg_import_init_barrier(wrong ? wrong_segment() : NULL, RSM_BAR_DEFAULT, &program.barrier);
}

static int init_null(int unused)
{
	(void)unused;
	return rsm_memseg_import_init_barrier(imported(RSM_PERM_READ), RSM_BAR_DEFAULT, NULL);
}

static int barrier_null(int which)
{
	return barrier_calls[which](NULL);
}

static int barrier_uninitialised(int which)
{
	rsmapi_barrier_t barrier = { 0 };

	ck_assert_int_eq(barrier_calls[which](&barrier), RSMERR_BARRIER_UNINITIALIZED);
	memset(&barrier, 0x5a, sizeof barrier);
	ck_assert_int_eq(barrier_calls[which](&barrier), RSMERR_BARRIER_UNINITIALIZED);
	imported(RSM_PERM_READ);
	OK(rsm_memseg_import_destroy_barrier(&program.barrier));
	return barrier_calls[which](&program.barrier);
}

static int barrier_not_open(int which)
{
	imported(RSM_PERM_READ);
	ck_assert_int_eq(barrier_calls[which](&program.barrier), RSMERR_BARRIER_NOT_OPENED);
	OK(rsm_memseg_import_open_barrier(&program.barrier));
	OK(rsm_memseg_import_close_barrier(&program.barrier));
	return barrier_calls[which](&program.barrier);
}

/* A loss between opening and closing, and one before opening: once found it stays. */
static int close_cut_off(int before)
{
	imported(RSM_PERM_RDWR);
	if (!before)
		OK(rsm_memseg_import_open_barrier(&program.barrier));
	peer_kill(exporter);
	await_cut();
	if (before)
		return barrier_code();
	ck_assert_int_eq(rsm_memseg_import_close_barrier(&program.barrier), RSMERR_CONN_ABORTED);
	return barrier_code();
}

static int close_does_not_arrive(int unused)
{
	(void)unused;
	imported(RSM_PERM_RDWR);
	OK(rsm_memseg_import_set_mode(program.imported, RSM_BARRIER_MODE_EXPLICIT));
	OK(rsm_memseg_import_open_barrier(&program.barrier));
	OK(rsm_memseg_import_put(program.imported, 0, data, PAGE));
	inject.synchronise = EIO;
	return rsm_memseg_import_close_barrier(&program.barrier);
}

static int mode_bad_handle(int get)
{
	rsm_barrier_mode_t mode = RSM_BARRIER_MODE_EXPLICIT;

	ck_assert_int_eq(get ? rsm_memseg_import_get_mode(wrong_segment(), &mode)
			     : rsm_memseg_import_set_mode(wrong_segment(), mode),
			 RSMERR_BAD_SEG_HNDL);
	return get ? rsm_memseg_import_get_mode(NULL, &mode) : rsm_memseg_import_set_mode(NULL, mode);
}

static int mode_bad(int get)
{
	imported(RSM_PERM_READ);
	return get ? rsm_memseg_import_get_mode(program.imported, NULL)
		   : rsm_memseg_import_set_mode(program.imported, (rsm_barrier_mode_t)2);
}

/* Signals. */

static int event_bad_handle(int which)
{
	void *const handles[] = { NULL, wrong_segment() };
	struct pollfd end;
	int code = -1;

	for (size_t i = 0; i < COUNT(handles); i++) {
		code = which == 0   ? rsm_intr_signal_post(handles[i], 0)
		       : which == 1 ? rsm_intr_signal_wait(handles[i], 0)
		       : which == 2 ? rsm_memseg_get_pollfd(handles[i], &end)
				    : rsm_memseg_release_pollfd(handles[i]);
		ck_assert_int_eq(code, RSMERR_BAD_SEG_HNDL);
	}
	return code;
}

static int post_cut_off(int unused)
{
	(void)unused;
	return rsm_intr_signal_post(cut_off(), 0);
}

static int post_dead_node(int unused)
{
	(void)unused;
	own_cluster(3, NULL);
	exporter = peer_start(3);
	OK(ASK(exporter, step_export, 1, 0, 1, segment_id()));
	nodes_use(2);
	OK(HERE(step_import, 3, segment_id(), RSM_PERM_RDWR));
	nodes_do("kill", 3);
	await_cut();
	return and_stop(rsm_intr_signal_post(program.imported, 0));
}

static int wait_once(void)
{
	return rsm_intr_signal_wait(program.imported, PATIENCE_MS);
}

static int wait_in_vain(int timeout)
{
	return rsm_intr_signal_wait(imported(RSM_PERM_READ), timeout);
}

static int wait_poked(int unused)
{
	(void)unused;
	imported(RSM_PERM_READ);
	return while_poked(wait_once);
}

static int wait_cut_off(int unused)
{
	(void)unused;
	cut_off();
	return wait_once();
}

static struct pollfd ends[2];

static int wait_for_ends(void)
{
	return rsm_intr_signal_wait_pollfd(ends, 2, PATIENCE_MS, NULL);
}

static void ends_make(void)
{
	int pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	OK(rsm_memseg_get_pollfd(imported(RSM_PERM_READ), &ends[0]));
	ends[1] = (struct pollfd){ .fd = pipes[0], .events = POLLIN };
}

static int wait_pollfd_in_vain(int timeout)
{
	int count = -1;

	ends_make();
	return rsm_intr_signal_wait_pollfd(ends, 2, timeout, &count);
}

static int wait_pollfd_poked(int unused)
{
	(void)unused;
	ends_make();
	return while_poked(wait_for_ends);
}

static int wait_pollfd_bad(int unused)
{
	(void)unused;
	ends_make();
	return rsm_intr_signal_wait_pollfd(ends, INT_MAX, 0, NULL);
}

static int wait_pollfd_no_memory(int null)
{
	struct pollfd *volatile nowhere = null ? NULL : (struct pollfd *)(uintptr_t)8;

	return rsm_intr_signal_wait_pollfd(nowhere, 1, 0, NULL);
}

static int wait_pollfd_fails(int error)
{
	ends_make();
	inject.poll = error;
	return wait_for_ends();
}

static int get_pollfd_null(int unused)
{
	(void)unused;
	return rsm_memseg_get_pollfd(imported(RSM_PERM_READ), NULL);
}

static int release_pollfd_again(int unused)
{
	struct pollfd end;

	(void)unused;
	OK(rsm_memseg_get_pollfd(imported(RSM_PERM_READ), &end));
	OK(rsm_memseg_release_pollfd(program.imported));
	return rsm_memseg_release_pollfd(program.imported);
}

static int post_exported(void)
{
	return rsm_intr_signal_post(program.exported, 0);
}

static int post_in_a_child(int unused)
{
	(void)unused;
	exported(0);
	return in_a_child(post_exported);
}

/* The table. */

struct row {
	const char *function;
	int code;
	const char *how;
	int (*provoke)(int argument); /* NULL: cannot be, and `how` says why */
	int argument;
};

#define CANNOT NULL, 0
#define EACH_COPY(code, how, provoke)                         \
	{ "rsm_memseg_import_get8", code, how, provoke, 0 },  \
	{ "rsm_memseg_import_get16", code, how, provoke, 1 }, \
	{ "rsm_memseg_import_get32", code, how, provoke, 2 }, \
	{ "rsm_memseg_import_get64", code, how, provoke, 3 }, \
	{ "rsm_memseg_import_get", code, how, provoke, 4 },   \
	EACH_PUT(code, how, provoke)
#define EACH_PUT(code, how, provoke)                          \
	{ "rsm_memseg_import_put8", code, how, provoke, 5 },  \
	{ "rsm_memseg_import_put16", code, how, provoke, 6 }, \
	{ "rsm_memseg_import_put32", code, how, provoke, 7 }, \
	{ "rsm_memseg_import_put64", code, how, provoke, 8 }, \
	{ "rsm_memseg_import_put", code, how, provoke, 9 }
#define EACH_WIDE_COPY(code, how, provoke)                    \
	{ "rsm_memseg_import_get16", code, how, provoke, 1 }, \
	{ "rsm_memseg_import_get32", code, how, provoke, 2 }, \
	{ "rsm_memseg_import_get64", code, how, provoke, 3 }, \
	{ "rsm_memseg_import_put16", code, how, provoke, 6 }, \
	{ "rsm_memseg_import_put32", code, how, provoke, 7 }, \
	{ "rsm_memseg_import_put64", code, how, provoke, 8 }
#define EACH_SCATTER(code, how, provoke)                     \
	{ "rsm_memseg_import_getv", code, how, provoke, 0 }, \
	{ "rsm_memseg_import_putv", code, how, provoke, 1 }
#define EACH_BARRIER(code, how, provoke)                                     \
	{ "rsm_memseg_import_open_barrier", code, how, provoke, OPEN },      \
	{ "rsm_memseg_import_order_barrier", code, how, provoke, ORDER },    \
	{ "rsm_memseg_import_close_barrier", code, how, provoke, CLOSE },    \
	{ "rsm_memseg_import_destroy_barrier", code, how, provoke, DESTROY }
#define GIVEN_ASKED(given, asked) ((given) << 12 | (asked))

static const struct row rows[] = {
	{ "rsm_get_controller", RSMERR_BAD_CTLR_HNDL, "no place for the handle", controller_null, 0 },
	{ "rsm_get_controller", RSMERR_CTLR_NOT_PRESENT, "another interconnect", controller_unknown, 0 },
	{ "rsm_get_controller", RSMERR_CTLR_NOT_PRESENT, "a number that no node has", controller_unknown, 1 },
	{ "rsm_get_controller", RSMERR_CTLR_NOT_PRESENT, "a number written otherwise", controller_unknown, 2 },
	{ "rsm_get_controller", RSMERR_CTLR_NOT_PRESENT, "the empty name", controller_unknown, 3 },
	{ "rsm_get_controller", RSMERR_CTLR_NOT_PRESENT, "loopback with a number", controller_unknown, 4 },
	{ "rsm_get_controller", RSMERR_CTLR_NOT_PRESENT, "something after the type", controller_unknown, 5 },
	{ "rsm_get_controller", RSMERR_CTLR_NOT_PRESENT, "NETMEM_MOUNT is another node's", controller_unknown, 6 },
	{ "rsm_get_controller", RSMERR_CTLR_NOT_PRESENT, "NETMEM_MOUNT is no netmemfs", controller_no_mount, 0 },
	{ "rsm_get_controller", RSMERR_CTLR_NOT_PRESENT, "the daemon is dead", controller_dead, 0 },
	{ "rsm_get_controller", RSMERR_INSUFFICIENT_RESOURCES, "no descriptor left", controller_no_descriptors, 0 },

	{ "rsm_get_controller_attr", RSMERR_BAD_CTLR_HNDL, "NULL", attr_bad_handle, 0 },
	{ "rsm_get_controller_attr", RSMERR_BAD_CTLR_HNDL, "an export handle", attr_bad_handle, 1 },
	{ "rsm_get_controller_attr", RSMERR_BAD_ADDR, "no place for them", attr_null, 0 },
	{ "rsm_get_controller_attr", RSMERR_CTLR_NOT_PRESENT, "the daemon is dead", attr_dead, 0 },

	{ "rsm_release_controller", RSMERR_BAD_CTLR_HNDL, "NULL", release_bad_handle, 0 },
	{ "rsm_release_controller", RSMERR_BAD_CTLR_HNDL, "an export handle", release_bad_handle, 1 },
	{ "rsm_release_controller", RSMERR_BAD_CTLR_HNDL, "more often than got, a segment in use", release_twice, 0 },

	{ "rsm_get_interconnect_topology", RSMERR_BAD_TOPOLOGY_PTR, "no place for it", topology_null, 0 },
	{ "rsm_free_interconnect_topology", RSM_SUCCESS, "NULL", topology_free_null, 0 },

	{ "rsm_get_segmentid_range", RSMERR_BAD_ADDR, "no application", range_null, 0 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_ADDR, "no place for the base", range_null, 1 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_ADDR, "no place for the length", range_null, 2 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_APPID, "lines of others", range_other, 0 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_APPID, "an empty file", range_other, 1 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_CONF, "no file", range_missing, 0 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_CONF, "a line without numbers", range_malformed, 0 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_CONF, "a base that is no number", range_malformed, 1 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_CONF, "another first word", range_malformed, 2 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_CONF, "a length that is no number", range_malformed, 3 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_CONF, "no length", range_malformed, 4 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_CONF, "a negative length", range_malformed, 5 },
	{ "rsm_get_segmentid_range", RSMERR_BAD_CONF, "a base beyond 32 bits", range_malformed, 6 },

	{ "rsm_memseg_export_create", RSMERR_BAD_CTLR_HNDL, "NULL, and all else wrong too", create_bad_controller, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_CTLR_HNDL, "an export handle", create_bad_controller, 1 },
	{ "rsm_memseg_export_create", RSMERR_CTLR_NOT_PRESENT, "the daemon has died", create_dead, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_SEG_HNDL, "no place for the handle", create_null_handle, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_ADDR, "no address, and no length", create_null_address, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_ADDR, "mapped in part", create_of_what_is_not_memory, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_ADDR, "shared memory of a file", create_of_what_is_not_memory, 1 },
	{ "rsm_memseg_export_create", RSMERR_BAD_ADDR, "read-only memory", create_of_what_is_not_memory, 2 },
	{ "rsm_memseg_export_create", RSMERR_BAD_ADDR, "an address of the kernel", create_of_what_is_not_memory, 3 },
	{ "rsm_memseg_export_create", RSMERR_BAD_ADDR, "memory that is imported", create_of_an_import, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_ADDR, "memory that is exported already", create_of_an_export, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_LENGTH, "no length, and not aligned", create_empty, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_LENGTH, "a page more than the node's limit", create_too_long, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_LENGTH, "more than there can be", create_too_long, 1 },
	{ "rsm_memseg_export_create", RSMERR_BAD_MEM_ALIGNMENT, "half a page", create_unaligned, 0 },
	{ "rsm_memseg_export_create", RSMERR_BAD_MEM_ALIGNMENT, "an address within a page", create_unaligned, 1 },
	{ "rsm_memseg_export_create", RSMERR_INSUFFICIENT_MEM, "the node's size= is used up", create_without_room, 0 },
	{ "rsm_memseg_export_create", RSMERR_INSUFFICIENT_MEM, "no address space left", create_without_memory, 0 },
	{ "rsm_memseg_export_create", RSMERR_INSUFFICIENT_RESOURCES, "no descriptor left", create_without_descriptors, 0 },
	{ "rsm_memseg_export_create", RSMERR_INSUFFICIENT_RESOURCES, "no descriptor left, DONTWAIT",
	  create_without_descriptors, RSM_CREATE_SEG_DONTWAIT },
	{ "rsm_memseg_export_create", RSMERR_INSUFFICIENT_RESOURCES, "the node's size= is used up, DONTWAIT",
	  create_without_room, RSM_CREATE_SEG_DONTWAIT },
	{ "rsm_memseg_export_create", RSMERR_INSUFFICIENT_RESOURCES, "no address space left, DONTWAIT",
	  create_without_memory, RSM_CREATE_SEG_DONTWAIT },
	{ "rsm_memseg_export_create", RSMERR_PERM_DENIED, "the mount is read-only", create_read_only, 0 },
	{ "rsm_memseg_export_create", RSMERR_NOT_CREATOR, "who makes a segment is its creator", CANNOT },
	{ "rsm_memseg_export_create", RSMERR_REBIND_NOT_ALLOWED, "create rebinds nothing", CANNOT },

	{ "rsm_memseg_export_destroy", RSMERR_BAD_SEG_HNDL, "NULL", destroy_bad_handle, 0 },
	{ "rsm_memseg_export_destroy", RSMERR_BAD_SEG_HNDL, "a controller", destroy_bad_handle, 1 },
	{ "rsm_memseg_export_destroy", RSMERR_BAD_SEG_HNDL, "an import handle", destroy_of_an_import, 0 },
	{ "rsm_memseg_export_destroy", RSMERR_NOT_CREATOR, "in a child of the exporter", destroy_in_a_child, 0 },
	{ "rsm_memseg_export_destroy", RSMERR_POLLFD_IN_USE, "a pollfd not released", destroy_with_pollfd, 0 },
	{ "rsm_memseg_export_destroy", RSMERR_INSUFFICIENT_MEM, "no address space left", destroy_without_memory, 0 },

	{ "rsm_memseg_export_rebind", RSMERR_BAD_SEG_HNDL, "NULL, and all else wrong too", rebind_bad_handle, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_BAD_SEG_HNDL, "a controller", rebind_bad_handle, 1 },
	{ "rsm_memseg_export_rebind", RSMERR_BAD_CTLR_HNDL, "no controller is given; a segment holds its own", CANNOT },
	{ "rsm_memseg_export_rebind", RSMERR_CTLR_NOT_PRESENT, "the daemon has died", rebind_dead, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_BAD_ADDR, "no address", rebind_null, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_BAD_ADDR, "an address within a page", rebind_unaligned, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_BAD_ADDR, "read-only memory", rebind_to_what_is_not_memory, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_BAD_ADDR, "part of itself", rebind_to_part_of_itself, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_BAD_LENGTH, "no length", rebind_length, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_BAD_LENGTH, "shorter", rebind_length, SEGMENT_PAGES - 1 },
	{ "rsm_memseg_export_rebind", RSMERR_BAD_LENGTH, "longer", rebind_length, SEGMENT_PAGES + 1 },
	{ "rsm_memseg_export_rebind", RSMERR_NOT_CREATOR, "in a child of the exporter", rebind_in_a_child, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_REBIND_NOT_ALLOWED, "made without ALLOW_REBIND", rebind_not_allowed, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_INSUFFICIENT_MEM, "no address space left", rebind_without_memory, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_INSUFFICIENT_RESOURCES, "no descriptor left", rebind_without_descriptors, 0 },
	{ "rsm_memseg_export_rebind", RSMERR_PERM_DENIED,
	  "who has made the segment may; memory that may not be written is BAD_ADDR", CANNOT },
	{ "rsm_memseg_export_rebind", RSMERR_INTERRUPTED,
	  "it does not stop half way: after a signal it goes on", CANNOT },

	{ "rsm_memseg_export_publish", RSMERR_BAD_SEGID, "no id", publish_null, 0 },
	{ "rsm_memseg_export_publish", RSMERR_BAD_SEG_HNDL, "NULL", publish_bad_handle, 0 },
	{ "rsm_memseg_export_publish", RSMERR_BAD_SEG_HNDL, "a controller", publish_bad_handle, 1 },
	{ "rsm_memseg_export_publish", RSMERR_BAD_ACL, "a length without a list", publish_no_list, 0 },
	{ "rsm_memseg_export_publish", RSMERR_BAD_ACL, "a node twice", publish_bad_list, 0 },
	{ "rsm_memseg_export_publish", RSMERR_BAD_ACL, "a permission beyond 0666", publish_bad_list, 1 },
	{ "rsm_memseg_export_publish", RSMERR_BAD_ACL, "more nodes than there can be", publish_bad_list, 2 },
	{ "rsm_memseg_export_publish", RSMERR_BAD_ACL, "loopback, another node", publish_loopback_list, 0 },
	{ "rsm_memseg_export_publish", RSMERR_BAD_ACL, "loopback, two nodes", publish_loopback_list, 1 },
	{ "rsm_memseg_export_publish", RSMERR_SEG_ALREADY_PUBLISHED, "twice", publish_twice, 0 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "the drivers' first", publish_reserved, 0 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "the drivers' last", publish_reserved, 1 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "the transport's first", publish_reserved, 2 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "the transport's last", publish_reserved, 3 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "the library's first", publish_reserved, 4 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "the library's last", publish_reserved, 5 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "DLPI's first", publish_reserved, 6 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "DLPI's last", publish_reserved, 7 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "the assigned ones' first", publish_reserved, 8 },
	{ "rsm_memseg_export_publish", RSMERR_RESERVED_SEGID, "the assigned ones' last", publish_reserved, 9 },
	{ "rsm_memseg_export_publish", RSMERR_SEGID_IN_USE, "by another segment of the program", publish_in_use, 0 },
	{ "rsm_memseg_export_publish", RSMERR_SEGID_IN_USE, "by another program of the node", publish_in_use, 1 },
	{ "rsm_memseg_export_publish", RSMERR_NOT_CREATOR, "in a child of the exporter", publish_in_a_child, 0 },
	{ "rsm_memseg_export_publish", RSMERR_INSUFFICIENT_RESOURCES,
	  "it takes nothing but an id, and only 65536 taken ones in a row would do", CANNOT },

	{ "rsm_memseg_export_unpublish", RSMERR_BAD_SEG_HNDL, "NULL", unpublish_bad_handle, 0 },
	{ "rsm_memseg_export_unpublish", RSMERR_BAD_SEG_HNDL, "a controller", unpublish_bad_handle, 1 },
	{ "rsm_memseg_export_unpublish", RSMERR_SEG_NOT_PUBLISHED, "never published", unpublish_unpublished, 0 },
	{ "rsm_memseg_export_unpublish", RSMERR_SEG_NOT_PUBLISHED, "twice", unpublish_unpublished, 1 },
	{ "rsm_memseg_export_unpublish", RSMERR_NOT_CREATOR, "in a child of the exporter", unpublish_in_a_child, 0 },

	{ "rsm_memseg_export_republish", RSMERR_BAD_SEG_HNDL, "NULL", republish_bad_handle, 0 },
	{ "rsm_memseg_export_republish", RSMERR_BAD_SEG_HNDL, "a controller", republish_bad_handle, 1 },
	{ "rsm_memseg_export_republish", RSMERR_SEG_NOT_PUBLISHED, "never published", republish_unpublished, 0 },
	{ "rsm_memseg_export_republish", RSMERR_NOT_CREATOR, "in a child of the exporter", republish_in_a_child, 0 },
	{ "rsm_memseg_export_republish", RSMERR_BAD_ACL, "a length without a list", republish_bad_list, 0 },
	{ "rsm_memseg_export_republish", RSMERR_BAD_ACL, "a node twice", republish_bad_list, 1 },
	{ "rsm_memseg_export_republish", RSMERR_BAD_ACL, "a permission beyond 0666", republish_bad_list, 2 },

	{ "rsm_memseg_import_connect", RSMERR_BAD_CTLR_HNDL, "NULL, and no place for the handle",
	  connect_bad_controller, 0 },
	{ "rsm_memseg_import_connect", RSMERR_BAD_CTLR_HNDL, "an export handle", connect_bad_controller, 1 },
	{ "rsm_memseg_import_connect", RSMERR_BAD_SEG_HNDL, "no place for the handle", connect_null, 0 },
	{ "rsm_memseg_import_connect", RSMERR_CTLR_NOT_PRESENT, "loopback to another node", connect_loopback, 0 },
	{ "rsm_memseg_import_connect", RSMERR_SEG_NOT_PUBLISHED, "an id that nobody has", connect_unknown, 0 },
	{ "rsm_memseg_import_connect", RSMERR_SEG_NOT_PUBLISHED, "an id of another node", connect_unknown, 1 },
	{ "rsm_memseg_import_connect", RSMERR_SEG_NOT_PUBLISHED, "unpublished again", connect_unpublished, 0 },
	{ "rsm_memseg_import_connect", RSMERR_SEG_NOT_PUBLISHED_TO_NODE, "a list without this node",
	  connect_not_listed, 0 },
	{ "rsm_memseg_import_connect", RSMERR_PERM_DENIED, "a permission of the group", connect_strange_permission, 0640 },
	{ "rsm_memseg_import_connect", RSMERR_PERM_DENIED, "execution", connect_strange_permission, 0500 },
	{ "rsm_memseg_import_connect", RSMERR_PERM_DENIED, "listed for reading, asks to write", connect_not_granted,
	  GIVEN_ASKED(0444, RSM_PERM_WRITE) },
	{ "rsm_memseg_import_connect", RSMERR_PERM_DENIED, "listed for reading, asks for both", connect_not_granted,
	  GIVEN_ASKED(0444, RSM_PERM_RDWR) },
	{ "rsm_memseg_import_connect", RSMERR_PERM_DENIED, "listed for writing, asks for both", connect_not_granted,
	  GIVEN_ASKED(0222, RSM_PERM_RDWR) },
	{ "rsm_memseg_import_connect", RSMERR_PERM_DENIED, "listed with nothing", connect_not_granted,
	  GIVEN_ASKED(0, RSM_PERM_READ) },
	{ "rsm_memseg_import_connect", RSMERR_PERM_DENIED, "root, listed for reading", connect_not_granted_to_root,
	  GIVEN_ASKED(0444, RSM_PERM_RDWR) },
	{ "rsm_memseg_import_connect", RSMERR_PERM_DENIED, "root, listed for writing", connect_not_granted_to_root,
	  GIVEN_ASKED(0222, RSM_PERM_READ) },
	{ "rsm_memseg_import_connect", RSMERR_PERM_DENIED, "root, listed with nothing", connect_not_granted_to_root,
	  GIVEN_ASKED(0, RSM_PERM_READ) },
	{ "rsm_memseg_import_connect", RSMERR_REMOTE_NODE_UNREACHABLE, "no such node", connect_no_node, 99 },
	{ "rsm_memseg_import_connect", RSMERR_REMOTE_NODE_UNREACHABLE, "the number 0", connect_no_node, 0 },
	{ "rsm_memseg_import_connect", RSMERR_REMOTE_NODE_UNREACHABLE, "a node that has died", connect_dead_node, 0 },
	{ "rsm_memseg_import_connect", RSMERR_INTERRUPTED, "unpublished meanwhile", connect_too_late, 0 },
	{ "rsm_memseg_import_connect", RSMERR_INSUFFICIENT_RESOURCES, "no descriptor left",
	  connect_without_descriptors, 0 },

	{ "rsm_memseg_import_disconnect", RSMERR_BAD_SEG_HNDL, "NULL", disconnect_bad_handle, 0 },
	{ "rsm_memseg_import_disconnect", RSMERR_BAD_SEG_HNDL, "a controller", disconnect_bad_handle, 1 },
	{ "rsm_memseg_import_disconnect", RSMERR_BAD_SEG_HNDL, "an export handle", disconnect_of_an_export, 0 },
	{ "rsm_memseg_import_disconnect", RSMERR_SEG_STILL_MAPPED, "mapped", disconnect_mapped, 0 },
	{ "rsm_memseg_import_disconnect", RSMERR_POLLFD_IN_USE, "a pollfd not released", disconnect_with_pollfd, 0 },

	EACH_COPY(RSMERR_BAD_SEG_HNDL, "NULL; a controller", copy_bad_handle),
	EACH_COPY(RSMERR_BAD_ADDR, "no data", copy_no_data),
	EACH_WIDE_COPY(RSMERR_BAD_MEM_ALIGNMENT, "data within an element", copy_misaligned_data),
	EACH_WIDE_COPY(RSMERR_BAD_MEM_ALIGNMENT, "an offset within an element", copy_misaligned_offset),
	EACH_COPY(RSMERR_PERM_DENIED, "not connected for it", copy_denied),
	EACH_COPY(RSMERR_BAD_OFFSET, "mapped, and before or past that", copy_past_the_mapping),
	EACH_COPY(RSMERR_BAD_LENGTH, "past the end", copy_past_the_end),
	EACH_COPY(RSMERR_BARRIER_UNINITIALIZED, "implicit, and no barrier", copy_without_barrier),
	EACH_COPY(RSMERR_CONN_ABORTED, "the exporter has died", copy_cut_off),
	EACH_PUT(RSMERR_BARRIER_FAILURE, "what was put does not arrive (EIO)", copy_does_not_arrive),

	EACH_SCATTER(RSMERR_BAD_SGIO, "NULL", scatter_null),
	EACH_SCATTER(RSMERR_BAD_SGIO, "17 entries; none", scatter_count),
	EACH_SCATTER(RSMERR_BAD_SGIO, "an unknown type", scatter_bad_type),
	EACH_SCATTER(RSMERR_BAD_SEG_HNDL, "no remote handle; a controller", scatter_bad_handle),
	EACH_SCATTER(RSMERR_BAD_LOCALMEM_HNDL, "no local handle; a controller", scatter_bad_local),
	EACH_SCATTER(RSMERR_BAD_ADDR, "no local address", scatter_null_local),
	EACH_SCATTER(RSMERR_BAD_LENGTH, "past the local handle's end", scatter_past_local),
	EACH_SCATTER(RSMERR_BAD_LENGTH, "past the segment's end", scatter_past_the_end),
	EACH_SCATTER(RSMERR_BAD_OFFSET, "mapped, and before that", scatter_past_the_mapping),
	EACH_SCATTER(RSMERR_PERM_DENIED, "not connected for it", scatter_denied),
	EACH_SCATTER(RSM_SUCCESS, "implicit, and no barrier, which is no error here", scatter_without_barrier),
	EACH_SCATTER(RSMERR_CONN_ABORTED, "the exporter has died", scatter_cut_off),

	{ "rsm_create_localmemory_handle", RSMERR_BAD_CTLR_HNDL, "NULL", local_of, 0 },
	{ "rsm_create_localmemory_handle", RSMERR_BAD_CTLR_HNDL, "an export handle", local_of, 1 },
	{ "rsm_create_localmemory_handle", RSMERR_BAD_LOCALMEM_HNDL, "no place for the handle", local_of, 2 },
	{ "rsm_create_localmemory_handle", RSMERR_BAD_LENGTH, "no length", local_of, 3 },
	{ "rsm_create_localmemory_handle", RSMERR_BAD_ADDR, "an address within a page", local_of, 4 },
	{ "rsm_create_localmemory_handle", RSMERR_BAD_ADDR, "no address", local_of, 5 },
	{ "rsm_create_localmemory_handle", RSM_SUCCESS, "a length within a page, which is no error", local_of, 6 },
	{ "rsm_free_localmemory_handle", RSMERR_BAD_CTLR_HNDL, "NULL", local_free, 0 },
	{ "rsm_free_localmemory_handle", RSMERR_BAD_CTLR_HNDL, "an export handle", local_free, 1 },
	{ "rsm_free_localmemory_handle", RSMERR_BAD_LOCALMEM_HNDL, "NULL", local_free, 2 },
	{ "rsm_free_localmemory_handle", RSMERR_BAD_LOCALMEM_HNDL, "a controller", local_free, 3 },

	{ "rsm_memseg_import_map", RSMERR_BAD_SEG_HNDL, "NULL", map_bad_handle, 0 },
	{ "rsm_memseg_import_map", RSMERR_BAD_SEG_HNDL, "a controller", map_bad_handle, 1 },
	{ "rsm_memseg_import_map", RSMERR_BAD_ADDR, "no place for the address", map_null, 0 },
	{ "rsm_memseg_import_map", RSMERR_BAD_ADDR, "fixed, where nothing can be", map_nowhere, 0 },
	{ "rsm_memseg_import_map", RSMERR_BAD_LENGTH, "no length", map_length, 0 },
	{ "rsm_memseg_import_map", RSMERR_BAD_LENGTH, "a byte too long", map_length, 1 },
	{ "rsm_memseg_import_map", RSMERR_BAD_LENGTH, "past the end by its offset", map_length, 2 },
	{ "rsm_memseg_import_map", RSMERR_BAD_LENGTH, "at the end", map_length, 3 },
	{ "rsm_memseg_import_map", RSMERR_BAD_LENGTH, "an end past all numbers", map_length, 4 },
	{ "rsm_memseg_import_map", RSMERR_BAD_MEM_ALIGNMENT, "an offset within a page", map_misaligned, 0 },
	{ "rsm_memseg_import_map", RSMERR_BAD_MEM_ALIGNMENT, "a fixed address within a page", map_misaligned, 1 },
	{ "rsm_memseg_import_map", RSMERR_BAD_OFFSET, "an offset below 0", map_negative_offset, 0 },
	{ "rsm_memseg_import_map", RSMERR_BAD_PERMS, "a permission of the group", map_strange_permission, 0440 },
	{ "rsm_memseg_import_map", RSMERR_BAD_PERMS, "more than 0600", map_strange_permission, 0700 },
	{ "rsm_memseg_import_map", RSMERR_BAD_PERMS, "none", map_strange_permission, 0 },
	{ "rsm_memseg_import_map", RSMERR_BAD_PERMS, "more than the connection has", map_strange_permission, 0600 },
	{ "rsm_memseg_import_map", RSMERR_CONN_ABORTED, "the exporter has died", map_cut_off, 0 },
	{ "rsm_memseg_import_map", RSMERR_MAP_FAILED, "the system maps no more (ENFILE)", map_fails, ENFILE },
	{ "rsm_memseg_import_map", RSMERR_SEG_ALREADY_MAPPED, "twice", map_twice, 0 },
	{ "rsm_memseg_import_map", RSMERR_SEG_NOT_CONNECTED, "disconnected", map_disconnected, 0 },
	{ "rsm_memseg_import_unmap", RSMERR_BAD_SEG_HNDL, "NULL", unmap_bad_handle, 0 },
	{ "rsm_memseg_import_unmap", RSMERR_BAD_SEG_HNDL, "a controller", unmap_bad_handle, 1 },
	{ "rsm_memseg_import_unmap", RSMERR_SEG_NOT_MAPPED, "never mapped", unmap_unmapped, 0 },
	{ "rsm_memseg_import_unmap", RSMERR_SEG_NOT_MAPPED, "twice", unmap_unmapped, 1 },

	{ "rsm_memseg_import_init_barrier", RSMERR_BAD_SEG_HNDL, "NULL", init_bad_handle, 0 },
	{ "rsm_memseg_import_init_barrier", RSMERR_BAD_SEG_HNDL, "a controller", init_bad_handle, 1 },
	{ "rsm_memseg_import_init_barrier", RSMERR_BAD_BARRIER_PTR, "NULL", init_null, 0 },
	EACH_BARRIER(RSMERR_BAD_BARRIER_PTR, "NULL", barrier_null),
	EACH_BARRIER(RSMERR_BARRIER_UNINITIALIZED, "zeros; anything; destroyed", barrier_uninitialised),
	{ "rsm_memseg_import_order_barrier", RSMERR_BARRIER_NOT_OPENED, "not opened; closed", barrier_not_open, ORDER },
	{ "rsm_memseg_import_close_barrier", RSMERR_BARRIER_NOT_OPENED, "not opened; closed", barrier_not_open, CLOSE },
	{ "rsm_memseg_import_close_barrier", RSMERR_BARRIER_FAILURE, "what was put does not arrive (EIO)",
	  close_does_not_arrive, 0 },
	{ "rsm_memseg_import_close_barrier", RSMERR_CONN_ABORTED, "the exporter dies meanwhile", close_cut_off, 0 },
	{ "rsm_memseg_import_close_barrier", RSMERR_CONN_ABORTED, "the exporter has died", close_cut_off, 1 },
	{ "rsm_memseg_import_get_mode", RSMERR_BAD_SEG_HNDL, "NULL; a controller", mode_bad_handle, 1 },
	{ "rsm_memseg_import_get_mode", RSMERR_BAD_MODE, "no place for it", mode_bad, 1 },
	{ "rsm_memseg_import_set_mode", RSMERR_BAD_SEG_HNDL, "NULL; a controller", mode_bad_handle, 0 },
	{ "rsm_memseg_import_set_mode", RSMERR_BAD_MODE, "neither of the two", mode_bad, 0 },

	{ "rsm_intr_signal_post", RSMERR_BAD_SEG_HNDL, "NULL; a controller", event_bad_handle, 0 },
	{ "rsm_intr_signal_post", RSMERR_REMOTE_NODE_UNREACHABLE, "the exporter's node has died", post_dead_node, 0 },
	{ "rsm_intr_signal_post", RSMERR_CONN_ABORTED, "the exporter has died", post_cut_off, 0 },
	{ "rsm_intr_signal_post", RSMERR_NOT_CREATOR, "in a child of the exporter", post_in_a_child, 0 },
	{ "rsm_intr_signal_wait", RSMERR_BAD_SEG_HNDL, "NULL; a controller", event_bad_handle, 1 },
	{ "rsm_intr_signal_wait", RSMERR_TIMEOUT, "nothing there", wait_in_vain, 0 },
	{ "rsm_intr_signal_wait", RSMERR_TIMEOUT, "nothing comes", wait_in_vain, 20 },
	{ "rsm_intr_signal_wait", RSMERR_INTERRUPTED, "a signal of the system", wait_poked, 0 },
	{ "rsm_intr_signal_wait", RSMERR_CONN_ABORTED, "the exporter has died", wait_cut_off, 0 },
	{ "rsm_intr_signal_wait_pollfd", RSMERR_BAD_ADDR, "no memory", wait_pollfd_no_memory, 0 },
	{ "rsm_intr_signal_wait_pollfd", RSMERR_BAD_ADDR, "NULL", wait_pollfd_no_memory, 1 },
	{ "rsm_intr_signal_wait_pollfd", RSMERR_BAD_ARGS_ERRORS, "more entries than descriptors", wait_pollfd_bad, 0 },
	{ "rsm_intr_signal_wait_pollfd", RSMERR_TIMEOUT, "nothing there", wait_pollfd_in_vain, 0 },
	{ "rsm_intr_signal_wait_pollfd", RSMERR_TIMEOUT, "nothing comes", wait_pollfd_in_vain, 20 },
	{ "rsm_intr_signal_wait_pollfd", RSMERR_INTERRUPTED, "a signal of the system", wait_pollfd_poked, 0 },
	{ "rsm_intr_signal_wait_pollfd", RSMERR_INSUFFICIENT_MEM, "poll() has no memory", wait_pollfd_fails, ENOMEM },
	{ "rsm_intr_signal_wait_pollfd", RSMERR_INSUFFICIENT_RESOURCES, "poll() says EAGAIN", wait_pollfd_fails, EAGAIN },
	{ "rsm_memseg_get_pollfd", RSMERR_BAD_SEG_HNDL, "NULL; a controller", event_bad_handle, 2 },
	{ "rsm_memseg_get_pollfd", RSMERR_BAD_ADDR, "no place for it", get_pollfd_null, 0 },
	{ "rsm_memseg_release_pollfd", RSMERR_BAD_SEG_HNDL, "NULL; a controller", event_bad_handle, 3 },
	{ "rsm_memseg_release_pollfd", RSMERR_BAD_SEG_HNDL, "more often than got", release_pollfd_again, 0 },
};

#define CODES_MAX 14
#define COPY_CODES { 5, 16, 18, 20, 27, 35, 40 }
#define WIDE_COPY_CODES { 5, 16, 17, 18, 20, 27, 35, 40 }

/* What the old pages and their library document, all functions; ends with 0. */
static const struct {
	const char *function;
	int codes[CODES_MAX];
} documented[] = {
	{ "rsm_get_controller", { 3, 4 } },
	{ "rsm_get_controller_attr", { 3, 16 } },
	{ "rsm_release_controller", { 3 } },
	{ "rsm_get_interconnect_topology", { 2 } },
	{ "rsm_free_interconnect_topology", { 0 } },
	{ "rsm_get_segmentid_range", { 16, 43, 44 } },
	{ "rsm_memseg_export_create", { 3, 4, 5, 12, 16, 17, 20, 27, 30, 31, 32 } },
	{ "rsm_memseg_export_destroy", { 5, 34 } },
	{ "rsm_memseg_export_rebind", { 3, 4, 5, 12, 16, 20, 27, 30, 31, 32, 41 } },
	{ "rsm_memseg_export_publish", { 5, 6, 12, 21, 22, 23, 24, 31 } },
	{ "rsm_memseg_export_unpublish", { 5, 7 } },
	{ "rsm_memseg_export_republish", { 5, 7, 12, 21 } },
	{ "rsm_memseg_import_connect", { 3, 4, 5, 7, 8, 27, 39, 41 } },
	{ "rsm_memseg_import_disconnect", { 5, 10, 34 } },
	{ "rsm_memseg_import_get8", COPY_CODES },
	{ "rsm_memseg_import_get16", WIDE_COPY_CODES },
	{ "rsm_memseg_import_get32", WIDE_COPY_CODES },
	{ "rsm_memseg_import_get64", WIDE_COPY_CODES },
	{ "rsm_memseg_import_get", COPY_CODES },
	{ "rsm_memseg_import_put8", COPY_CODES },
	{ "rsm_memseg_import_put16", WIDE_COPY_CODES },
	{ "rsm_memseg_import_put32", WIDE_COPY_CODES },
	{ "rsm_memseg_import_put64", WIDE_COPY_CODES },
	{ "rsm_memseg_import_put", COPY_CODES },
	{ "rsm_memseg_import_getv", { 5, 14, 15, 16, 18, 20, 27, 40 } },
	{ "rsm_memseg_import_putv", { 5, 14, 15, 16, 18, 20, 27, 40 } },
	{ "rsm_create_localmemory_handle", { 3, 15, 16, 20 } },
	{ "rsm_free_localmemory_handle", { 3, 15 } },
	{ "rsm_memseg_import_map", { 5, 9, 16, 17, 18, 20, 26, 33, 40, 45 } },
	{ "rsm_memseg_import_unmap", { 5, 11 } },
	{ "rsm_memseg_import_init_barrier", { 5, 13 } },
	{ "rsm_memseg_import_open_barrier", { 13, 35 } },
	{ "rsm_memseg_import_order_barrier", { 13, 35 } },
	{ "rsm_memseg_import_close_barrier", { 13, 35, 37, 38, 40 } },
	{ "rsm_memseg_import_destroy_barrier", { 13, 35 } },
	{ "rsm_memseg_import_get_mode", { 5 } },
	{ "rsm_memseg_import_set_mode", { 5, 25 } },
	{ "rsm_intr_signal_post", { 5, 39, 40 } },
	{ "rsm_intr_signal_wait", { 5, 41, 42 } },
	{ "rsm_intr_signal_wait_pollfd", { 16, 31, 32, 41, 42, 117 } },
	{ "rsm_memseg_get_pollfd", { 5 } },
	{ "rsm_memseg_release_pollfd", { 5 } },
};

static bool has_row(const char *function, int code)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if (strcmp(rows[i].function, function) == 0 && rows[i].code == code)
			return true;
	return false;
}

START_TEST(test_all_that_is_documented)
{
	ck_assert_uint_eq(COUNT(documented), FUNCTIONS);
	for (size_t i = 0; i < COUNT(documented); i++) {
		const int *code = documented[i].codes;

		do
			ck_assert_msg(has_row(documented[i].function, *code), "%s has no row for %d", documented[i].function,
				      *code);
		while (*code && *++code);
	}
}
END_TEST

START_TEST(test_row)
{
	const struct row *row = &rows[_i];
	int code;

	if (!row->provoke)
		return;
	nodes_use(2);
	code = row->provoke(row->argument);
	memset(&inject, 0, sizeof inject);
	ck_assert_msg(code == row->code, "%s, %s: %d, not %d", row->function, row->how, code, row->code);
}
END_TEST

static void cluster_up(void)
{
	nodes_start(3, NULL);
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("librsm, all codes");
	TCase *tcase = tcase_create("codes");
	size_t impossible = 0;

	peer_main(argc, argv);
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (rows[i].provoke)
			continue;
		impossible++;
		printf("not tested: %s, %d: %s\n", rows[i].function, rows[i].code, rows[i].how);
	}
	printf("%zu ways to %d functions' codes, %zu that cannot be\n", COUNT(rows) - impossible, FUNCTIONS, impossible);
	tcase_add_unchecked_fixture(tcase, cluster_up, nodes_stop);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, test_all_that_is_documented);
	tcase_add_loop_test(tcase, test_row, 0, (int)COUNT(rows));
	suite_add_tcase(suite, tcase);
	return scene_run(suite);
}
