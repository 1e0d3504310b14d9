#define _GNU_SOURCE 1
#include "rsm_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

struct inject inject;

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

char *one_page(void)
{
	return memory_new(PAGE, 1);
}

/* What was exported becomes ordinary memory first: a search for leaks at the end of the process reads it. */
int and_stop(int code)
{
	if (program.memory)
		mmap(program.memory, program.length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	nodes_stop();
	return code;
}

/* With no descriptor left; what `call` says. */
int without_descriptors(int (*call)(void))
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
int without_memory(int (*call)(void))
{
	int code;

	inject.memory = ENOMEM;
	code = call();
	inject.memory = 0;
	return code;
}

rsm_memseg_export_handle_t exported(long flags)
{
	OK(HERE(step_create, SEGMENT_PAGES, flags, 1));
	return program.exported;
}

/* In a child made by fork, which has the handles but not the segments. */
int in_a_child(int (*call)(void))
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

rsm_memseg_import_handle_t imported(rsm_permission_t perm)
{
	exporter_start(RSM_ALLOW_REBIND);
	import_here(perm);
	return program.imported;
}

rsm_memseg_import_handle_t cut_off(void)
{
	imported(RSM_PERM_RDWR);
	peer_kill(exporter);
	await_cut();
	return program.imported;
}

/* Not a segment: a handle of another kind. */
void *wrong_segment(void)
{
	return program_controller();
}

void *wrong_controller(void)
{
	return exported(0);
}

int connect_as(rsm_node_id_t node, rsm_memseg_id_t id, rsm_permission_t perm)
{
	return rsm_memseg_import_connect(program_controller(), node, id, perm, &program.imported);
}
