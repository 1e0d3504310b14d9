/*
 * Goal: what libnetmemory promises that no daemon is needed for: its answers to bad parameters, ports as descriptors,
 * the rules about names and signatures, finding the mount, and vm_map() with its relatives.
 */
#define _GNU_SOURCE 1
#include <mach/mach.h>
#include <mach_error.h>
#include <servers/netmemory.h>
#include <servers/netname.h>

#include "fake.h"
#include "lib/mount.h"
#include "lib/signature.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

static port_t server;

static void set_up(void)
{
	fake_make();
	ck_assert_int_eq(netname_look_up(name_server_port, "", "netmemoryserver", &server), NETNAME_SUCCESS);
}

static void tear_down(void)
{
	port_deallocate(task_self(), server);
	fake_remove();
}

static ino_t inode_of(port_t port)
{
	struct stat status;

	ck_assert_int_eq(fstat(port, &status), 0);
	return status.st_ino;
}

static off_t size_of(port_t port)
{
	struct stat status;

	ck_assert_int_eq(fstat(port, &status), 0);
	return status.st_size;
}

static port_t object_new(void)
{
	port_t object;
	port_t control;

	ck_assert_int_eq(netmemory_create(server, 1, &object, &control), NETMEMORY_SUCCESS);
	close(control);
	return object;
}

/* The inode number of what the name is looked up as, 0 for nothing. */
static ino_t look_up_inode(const char *name)
{
	port_t port;
	ino_t inode;

	if (netname_look_up(name_server_port, "", name, &port))
		return 0;
	inode = inode_of(port);
	close(port);
	return inode;
}

/* Ports. */

START_TEST(test_ports_are_closed_on_exec_and_not_low)
{
	port_t ports[4];
	size_t i;
	int low[3];

	for (i = 0; i < 3; i++) { /* a program started without standard streams */
		low[i] = fcntl((int)i, F_DUPFD, 100);
		close((int)i);
	}
	ck_assert_int_eq(netname_look_up(name_server_port, "", "netmemoryserver", &ports[0]), 0);
	ck_assert_int_eq(netmemory_create(ports[0], 1, &ports[1], &ports[2]), 0);
	ck_assert_int_eq(netmemory_cache(ports[0], ports[1], &ports[3]), 0);
	for (i = 0; i < 3; i++) {
		dup2(low[i], (int)i);
		close(low[i]);
	}
	for (i = 0; i < 4; i++) {
		ck_assert_int_gt(ports[i], 2);
		ck_assert_int_eq(fcntl(ports[i], F_GETFD), FD_CLOEXEC);
		ck_assert_int_eq(port_deallocate(task_self(), ports[i]), KERN_SUCCESS);
		ck_assert_int_eq(port_deallocate(task_self(), ports[i]), KERN_INVALID_ARGUMENT);
	}
	ck_assert_int_eq(port_deallocate(task_self(), PORT_NULL), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(port_deallocate(task_self(), name_server_port), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(port_deallocate(task_self() - 1, server), KERN_INVALID_ARGUMENT);
}
END_TEST

START_TEST(test_modes_of_ports)
{
	port_t object;
	port_t control;
	port_t memory;

	ck_assert_int_eq(netmemory_create(server, 1, &object, &control), 0);
	ck_assert_int_eq(netmemory_cache(server, object, &memory), 0);
	ck_assert_int_eq(fcntl(object, F_GETFL) & O_ACCMODE, O_RDONLY);
	ck_assert_int_eq(fcntl(control, F_GETFL) & O_ACCMODE, O_WRONLY);
	ck_assert_int_eq(fcntl(memory, F_GETFL) & O_ACCMODE, O_RDWR);
	close(object);
	close(control);
	close(memory);
}
END_TEST

/* netmemory. */

START_TEST(test_create_rounds_up_to_pages)
{
	static const vm_size_t sizes[] = { 1, 4095, 4096, 4097, 1 << 20 };
	vm_size_t page = (vm_size_t)sysconf(_SC_PAGESIZE);
	port_t object;
	port_t control;
	port_t memory;

	ck_assert_int_eq(netmemory_create(server, sizes[_i], &object, &control), NETMEMORY_SUCCESS);
	ck_assert_int_ne(object, control);
	ck_assert_int_eq(netmemory_cache(server, object, &memory), NETMEMORY_SUCCESS);
	ck_assert_int_eq(size_of(memory), (off_t)((sizes[_i] + page - 1) / page * page));
	close(object);
	close(control);
	close(memory);
}
END_TEST

START_TEST(test_create_refuses)
{
	port_t object = 77;
	port_t control = 78;
	int null = open("/dev/null", O_RDWR);
	int other = open("/", O_RDONLY | O_DIRECTORY);

	ck_assert_int_eq(netmemory_create(server, 0, &object, &control), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(netmemory_create(server, 1, NULL, &control), NETMEMORY_INVALID_ARGUMENT);
	ck_assert_int_eq(netmemory_create(server, 1, &object, NULL), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_create(PORT_NULL, 1, &object, &control), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_create(-1, 1, &object, &control), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_create(9999, 1, &object, &control), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_create(null, 1, &object, &control), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_create(other, 1, &object, &control), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_create(server, UINTPTR_MAX, &object, &control), NETMEMORY_RESOURCE);
	ck_assert_int_eq(netmemory_create(server, LONG_MAX - 4096, &object, &control), NETMEMORY_RESOURCE_SHORTAGE);
	ck_assert_int_eq(object, 77);
	ck_assert_int_eq(control, 78);
	ck_assert_uint_eq(fake_unnamed(), 1); /* the last one got as far as ftruncate, and the fake cannot remove it */
	close(null);
	close(other);
}
END_TEST

START_TEST(test_create_undoes)
{
	port_t object;
	port_t control;
	int before = dup(0);

	fake_break();
	ck_assert_int_ne(netmemory_create(server, 1, &object, &control), NETMEMORY_SUCCESS);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_uint_eq(fake_unnamed(), 0);
	close(before);
	ck_assert_int_eq(dup(0), before);
	close(before);
}
END_TEST

START_TEST(test_cache_refuses)
{
	port_t memory = 77;
	port_t object = object_new();
	int null = open("/dev/null", O_RDWR);
	int other = open("/tmp", O_RDONLY | O_DIRECTORY);

	ck_assert_int_eq(netmemory_cache(server, object, NULL), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_cache(server, PORT_NULL, &memory), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_cache(server, -1, &memory), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_cache(server, 9999, &memory), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_cache(server, null, &memory), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_cache(server, other, &memory), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_cache(server, server, &memory), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_cache(object, object, &memory), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_cache(PORT_NULL, object, &memory), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(memory, 77);
	close(object);
	close(null);
	close(other);
}
END_TEST

/* Runs as a user who is not the owner, if the test runs as root; else permissions are the owner's. */
START_TEST(test_cache_for_reading_only)
{
	port_t object;
	port_t memory;
	vm_offset_t address = 0;

	fake_object("board", "Node1");
	ck_assert_int_eq(chmod(fake_path("board/memory"), 0444), 0);
	ck_assert_int_eq(truncate(fake_path("board/memory"), 4096), geteuid() == 0 ? 0 : -1);
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(NOBODY), 0);
	ck_assert_int_eq(netname_look_up(name_server_port, "", "board", &object), 0);
	ck_assert_int_eq(netmemory_cache(server, object, &memory), NETMEMORY_SUCCESS);
	ck_assert_int_eq(fcntl(memory, F_GETFL) & O_ACCMODE, O_RDONLY);
	ck_assert_int_eq(vm_map(task_self(), &address, 4096, 0, TRUE, memory, 0, FALSE, VM_PROT_DEFAULT,
				VM_PROT_DEFAULT, VM_INHERIT_SHARE),
			 KERN_PROTECTION_FAILURE);
	ck_assert_int_eq(vm_map(task_self(), &address, 4096, 0, TRUE, memory, 0, FALSE, VM_PROT_READ, VM_PROT_READ,
				VM_INHERIT_SHARE),
			 KERN_SUCCESS);
	ck_assert_int_eq(vm_deallocate(task_self(), address, 4096), KERN_SUCCESS);
	close(object);
	close(memory);
	if (getuid() == 0) {
		ck_assert_int_eq(seteuid(0), 0);
		ck_assert_int_eq(chmod(fake_path("board/memory"), 0), 0);
		ck_assert_int_eq(netname_look_up(name_server_port, "", "board", &object), 0);
		ck_assert_int_eq(seteuid(NOBODY), 0);
		ck_assert_int_eq(netmemory_cache(server, object, &memory), KERN_NO_ACCESS);
		ck_assert_int_eq(seteuid(0), 0);
		close(object);
	}
}
END_TEST

START_TEST(test_destroy)
{
	port_t object;
	port_t control;
	port_t memory;
	int pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(netmemory_create(server, 1, &object, &control), 0);
	ck_assert_int_eq(netname_check_in(name_server_port, "board", PORT_NULL, object), 0);
	ck_assert_int_eq(netmemory_cache(server, object, &memory), 0);
	ck_assert_int_eq(netmemory_destroy(PORT_NULL), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_destroy(-1), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_destroy(9999), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_destroy(object), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_destroy(memory), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_destroy(pipes[1]), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_destroy(server), NETMEMORY_BAD_PARAMETER);
	ck_assert_str_eq(fake_text("board/memory"), "");
	ck_assert_int_eq(netmemory_destroy(control), NETMEMORY_SUCCESS);
	ck_assert_str_eq(fake_text("board/control"), "destroy\n");
	close(object);
	close(control);
	close(memory);
	close(pipes[0]);
	close(pipes[1]);
}
END_TEST

/* netname. */

START_TEST(test_check_in_and_out)
{
	port_t object = object_new();
	port_t again;
	ino_t inode = inode_of(object);

	ck_assert_int_eq(netname_look_up(name_server_port, "", "board", &again), NETNAME_NOT_CHECKED_IN);
	ck_assert_int_eq(netname_look_up(name_server_port, "*", "board", &again), NETNAME_HOST_NOT_FOUND);
	ck_assert_int_eq(netname_check_in(name_server_port, "Board", PORT_NULL, object), NETNAME_SUCCESS);
	ck_assert_uint_eq(fake_unnamed(), 0);
	ck_assert_int_eq(access(fake_path("board"), F_OK), 0);
	ck_assert_uint_eq(look_up_inode("board"), inode);
	ck_assert_uint_eq(look_up_inode("BOARD"), inode);
	ck_assert_int_eq(netname_look_up(server, "", "board", &again), NETNAME_SUCCESS);
	ck_assert_int_ne(again, object);
	ck_assert_int_eq(netname_check_in(name_server_port, "board", PORT_NULL, again), NETNAME_SUCCESS);
	ck_assert_int_eq(netname_check_in(server, "other", PORT_NULL, again), NETNAME_SUCCESS);
	ck_assert_uint_eq(look_up_inode("board"), 0);
	ck_assert_uint_eq(look_up_inode("other"), inode);
	ck_assert_int_eq(netname_check_out(name_server_port, "board", PORT_NULL), NETNAME_NOT_CHECKED_IN);
	ck_assert_int_eq(netname_check_out(name_server_port, "OTHER", PORT_NULL), NETNAME_SUCCESS);
	ck_assert_int_eq(netname_check_out(name_server_port, "other", PORT_NULL), NETNAME_NOT_CHECKED_IN);
	ck_assert_uint_eq(fake_unnamed(), 1);
	ck_assert_int_eq(netname_check_in(name_server_port, "board", PORT_NULL, object), NETNAME_SUCCESS);
	ck_assert_uint_eq(look_up_inode("board"), inode);
	close(object);
	close(again);
}
END_TEST

START_TEST(test_names_that_cannot_be)
{
	static const char eighty[] = "01234567890123456789012345678901234567890123456789012345678901234567890123456789";
	static const char *const names[] = { "", ".", "..", ".netmem", ".NetMem", "a/b", "/", eighty };
	port_t object = object_new();
	port_t port;
	char name[80];
	size_t i;

	for (i = 0; i < sizeof names / sizeof *names; i++) {
		ck_assert_int_eq(netname_check_in(name_server_port, names[i], PORT_NULL, object),
				 KERN_INVALID_ARGUMENT);
		ck_assert_int_eq(netname_look_up(name_server_port, "", names[i], &port), NETNAME_NOT_CHECKED_IN);
		ck_assert_int_eq(netname_look_up(name_server_port, "*", names[i], &port), NETNAME_HOST_NOT_FOUND);
		ck_assert_int_eq(netname_check_out(name_server_port, names[i], PORT_NULL), NETNAME_NOT_CHECKED_IN);
	}
	ck_assert_int_eq(netname_check_in(name_server_port, NULL, PORT_NULL, object), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(netname_look_up(name_server_port, "", NULL, &port), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(netname_look_up(name_server_port, NULL, "a", &port), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(netname_look_up(name_server_port, "", "a", NULL), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(netname_check_out(name_server_port, NULL, PORT_NULL), KERN_INVALID_ARGUMENT);
	memcpy(name, eighty + 1, 80); /* 79 bytes and the NUL */
	ck_assert_int_eq(netname_check_in(name_server_port, name, PORT_NULL, object), NETNAME_SUCCESS);
	ck_assert_uint_eq(look_up_inode(name), inode_of(object));
	close(object);
}
END_TEST

START_TEST(test_ports_that_cannot_be_checked_in)
{
	int null = open("/dev/null", O_RDWR);
	int other = open("/tmp", O_RDONLY | O_DIRECTORY);
	port_t object = object_new();
	port_t memory;

	ck_assert_int_eq(netmemory_cache(server, object, &memory), 0);
	ck_assert_int_eq(netname_check_in(name_server_port, "a", PORT_NULL, PORT_NULL), NETNAME_INVALID_PORT);
	ck_assert_int_eq(netname_check_in(name_server_port, "a", PORT_NULL, -1), NETNAME_INVALID_PORT);
	ck_assert_int_eq(netname_check_in(name_server_port, "a", PORT_NULL, 9999), NETNAME_INVALID_PORT);
	ck_assert_int_eq(netname_check_in(name_server_port, "a", PORT_NULL, null), NETNAME_INVALID_PORT);
	ck_assert_int_eq(netname_check_in(name_server_port, "a", PORT_NULL, other), NETNAME_INVALID_PORT);
	ck_assert_int_eq(netname_check_in(name_server_port, "a", PORT_NULL, memory), NETNAME_INVALID_PORT);
	ck_assert_int_eq(netname_check_in(name_server_port, "a", PORT_NULL, server), NETNAME_INVALID_PORT);
	ck_assert_int_eq(netname_check_in(name_server_port, "a", 9999, object), NETNAME_INVALID_PORT);
	ck_assert_int_eq(netname_check_in(PORT_NULL, "a", PORT_NULL, object), NETNAME_INVALID_PORT);
	ck_assert_int_eq(netname_check_in(other, "a", PORT_NULL, object), NETNAME_INVALID_PORT);
	ck_assert_int_eq(netname_check_out(name_server_port, "a", 9999), NETNAME_INVALID_PORT);
	ck_assert_int_eq(netname_check_out(PORT_NULL, "a", PORT_NULL), NETNAME_INVALID_PORT);
	ck_assert_uint_eq(fake_unnamed(), 1);
	close(null);
	close(other);
	close(object);
	close(memory);
}
END_TEST

START_TEST(test_signatures)
{
	port_t first = object_new();
	port_t second = object_new();
	port_t third = object_new();
	int mine[2];
	int mine_too;
	int others[2];

	ck_assert_int_eq(pipe(mine), 0);
	ck_assert_int_eq(pipe(others), 0);
	mine_too = dup(mine[0]);
	ck_assert_int_eq(netname_check_in(name_server_port, "board", mine[0], first), NETNAME_SUCCESS);
	ck_assert_int_eq(netname_check_in(name_server_port, "board", others[0], second), NETNAME_NOT_YOURS);
	ck_assert_int_eq(netname_check_in(name_server_port, "board", PORT_NULL, second), NETNAME_NOT_YOURS);
	ck_assert_int_eq(netname_check_in(name_server_port, "board", PORT_NULL, first), NETNAME_NOT_YOURS);
	ck_assert_int_eq(netname_check_in(name_server_port, "stolen", PORT_NULL, first), NETNAME_NOT_YOURS);
	ck_assert_int_eq(netname_check_out(name_server_port, "board", others[0]), NETNAME_NOT_YOURS);
	ck_assert_int_eq(netname_check_out(name_server_port, "board", PORT_NULL), NETNAME_NOT_YOURS);
	ck_assert_uint_eq(look_up_inode("board"), inode_of(first));
	/* The same file behind another descriptor is the same signature. */
	ck_assert_int_eq(netname_check_in(name_server_port, "board", mine_too, second), NETNAME_SUCCESS);
	ck_assert_uint_eq(look_up_inode("board"), inode_of(second));
	ck_assert_uint_eq(fake_unnamed(), 2); /* the first, and the third that was never named */
	ck_assert_int_eq(netname_check_in(name_server_port, "first", PORT_NULL, first), NETNAME_SUCCESS);
	ck_assert_int_eq(netname_check_out(name_server_port, "board", mine[0]), NETNAME_SUCCESS);
	/* Nothing sticks to an object whose name was checked out. */
	ck_assert_int_eq(netname_check_in(name_server_port, "board", PORT_NULL, second), NETNAME_SUCCESS);
	ck_assert_int_eq(netname_check_in(name_server_port, "board", mine[0], third), NETNAME_NOT_YOURS);
	ck_assert_int_eq(netname_check_in(name_server_port, "board", PORT_NULL, third), NETNAME_SUCCESS);
	ck_assert_uint_eq(look_up_inode("board"), inode_of(third));
	close(first);
	close(second);
	close(third);
	close(mine[0]);
	close(mine[1]);
	close(mine_too);
	close(others[0]);
	close(others[1]);
}
END_TEST

/* A table full of names that were removed without the library knowing has room again. */
START_TEST(test_signatures_are_bounded)
{
	port_t object;
	char name[32];
	int mine[2];
	int i;

	ck_assert_int_eq(pipe(mine), 0);
	for (i = 0; i <= SIGNATURES_MAX; i++) {
		object = object_new();
		snprintf(name, sizeof name, "board%d", i);
		ck_assert_int_eq(netname_check_in(name_server_port, name, mine[0], object),
				 i < SIGNATURES_MAX ? NETNAME_SUCCESS : KERN_RESOURCE_SHORTAGE);
		close(object);
	}
	ck_assert_uint_eq(look_up_inode(name), 0);
	ck_assert_int_eq(renameat(server, "board7", server, "elsewhere"), 0);
	object = object_new();
	ck_assert_int_eq(netname_check_in(name_server_port, "one more", mine[0], object), NETNAME_SUCCESS);
	close(object);
	close(mine[0]);
	close(mine[1]);
}
END_TEST

static ino_t inode_named(const char *name)
{
	struct stat status;

	ck_assert_int_eq(stat(fake_path(name), &status), 0);
	return status.st_ino;
}

/* A name is held on the node that its object is on, unless this process has given it a signature. */
START_TEST(test_names_of_other_nodes)
{
	port_t first = object_new();
	port_t second = object_new();
	port_t far;
	int mine[2];

	ck_assert_int_eq(pipe(mine), 0);
	fake_object("here", "Node1"); /* as another process has left it */
	ck_assert_int_eq(netname_check_in(name_server_port, "here", PORT_NULL, first), NETNAME_SUCCESS);
	fake_object("there", "node2");
	ck_assert_int_eq(netname_look_up(name_server_port, "node2", "there", &far), NETNAME_SUCCESS);
	ck_assert_int_eq(netname_check_in(name_server_port, "there", PORT_NULL, first), NETNAME_NOT_YOURS);
	ck_assert_int_eq(netname_check_in(name_server_port, "there", mine[0], second), NETNAME_NOT_YOURS);
	ck_assert_uint_eq(inode_named("there"), inode_of(far));
	ck_assert_uint_eq(inode_named("here"), inode_of(first));
	/* Its own port it may name, here as there. */
	ck_assert_int_eq(netname_check_in(name_server_port, "there", PORT_NULL, far), NETNAME_SUCCESS);
	ck_assert_int_eq(netname_check_out(name_server_port, "there", PORT_NULL), NETNAME_SUCCESS);
	ck_assert_int_eq(netname_check_in(name_server_port, "there", mine[0], far), NETNAME_SUCCESS);
	ck_assert_int_eq(netname_check_in(name_server_port, "there", mine[0], second), NETNAME_SUCCESS);
	ck_assert_uint_eq(inode_named("there"), inode_of(second));
	close(first);
	close(second);
	close(far);
	close(mine[0]);
	close(mine[1]);
}
END_TEST

START_TEST(test_names_of_other_users)
{
	port_t object = object_new();
	port_t theirs = object_new();

	if (geteuid() != 0)
		return; /* nobody else to be; the tests on mounts, which need root, have this too */
	ck_assert_int_eq(netname_check_in(name_server_port, "board", PORT_NULL, object), NETNAME_SUCCESS);
	ck_assert_int_eq(chmod(fake_path(""), 01777), 0);
	ck_assert_int_eq(fchown(theirs, NOBODY, NOBODY), 0);
	ck_assert_int_eq(seteuid(NOBODY), 0);
	ck_assert_int_eq(netname_check_in(name_server_port, "board", PORT_NULL, theirs), NETNAME_NOT_YOURS);
	ck_assert_int_eq(netname_check_out(name_server_port, "board", PORT_NULL), NETNAME_NOT_YOURS);
	ck_assert_int_eq(seteuid(0), 0);
	ck_assert_uint_eq(look_up_inode("board"), inode_of(object));
	close(object);
	close(theirs);
}
END_TEST

START_TEST(test_hosts)
{
	static const struct {
		const char *host;
		const char *name;
		kern_return_t code;
	} cases[] = {
		{ "", "near", NETNAME_SUCCESS },
		{ "*", "near", NETNAME_SUCCESS },
		{ "Node1", "near", NETNAME_SUCCESS },
		{ "NODE1", "near", NETNAME_SUCCESS },
		{ "0x7f000001", "near", NETNAME_SUCCESS },
		{ "0X7F000001", "near", NETNAME_SUCCESS },
		{ "", "far", NETNAME_NOT_CHECKED_IN },
		{ "*", "far", NETNAME_SUCCESS },
		{ "node1", "far", NETNAME_NOT_CHECKED_IN },
		{ "node2", "far", NETNAME_SUCCESS },
		{ "Node2", "far", NETNAME_SUCCESS },
		{ "0x7f000002", "far", NETNAME_SUCCESS },
		{ "0x7f000001", "far", NETNAME_NOT_CHECKED_IN },
		{ "node2", "near", NETNAME_NOT_CHECKED_IN },
		{ "node2", "none", NETNAME_NOT_CHECKED_IN },
		{ "*", "none", NETNAME_HOST_NOT_FOUND },
		{ "node3", "gone", NETNAME_HOST_NOT_FOUND },
		{ "node3", "none", NETNAME_HOST_NOT_FOUND },
		{ "node4", "near", NETNAME_NO_SUCH_HOST },
		{ "node", "near", NETNAME_NO_SUCH_HOST },
		{ "0x7f000009", "near", NETNAME_NO_SUCH_HOST },
		{ "0x", "near", NETNAME_NO_SUCH_HOST },
		{ "0x17f000001", "near", NETNAME_NO_SUCH_HOST },
		{ "", "Capitals", NETNAME_SUCCESS },
		{ "", "capitals", NETNAME_NOT_CHECKED_IN },
		{ "", "netmemoryserver", NETNAME_SUCCESS },
		{ "*", "NetMemoryServer", NETNAME_SUCCESS },
		{ "node1", "netmemoryserver", NETNAME_SUCCESS },
		{ "node2", "netmemoryserver", NETNAME_NOT_CHECKED_IN },
		{ "node3", "netmemoryserver", NETNAME_HOST_NOT_FOUND },
	};
	size_t i;

	fake_object("near", "Node1");
	fake_object("far", "node2");
	fake_object("gone", "node3");
	fake_object("Capitals", "Node1");
	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		port_t port = 77;
		kern_return_t code = netname_look_up(name_server_port, cases[i].host, cases[i].name, &port);

		ck_assert_msg(code == cases[i].code, "%s on \"%s\": %s", cases[i].name, cases[i].host,
			      mach_error_string(code));
		ck_assert_int_eq(port == 77, code != NETNAME_SUCCESS);
		if (code == NETNAME_SUCCESS)
			close(port);
	}
	ck_assert_int_eq(netname_check_out(name_server_port, "Capitals", PORT_NULL), NETNAME_SUCCESS);
}
END_TEST

START_TEST(test_server_name_is_taken)
{
	port_t object = object_new();

	ck_assert_int_eq(netname_check_in(name_server_port, "NetMemoryServer", PORT_NULL, object), NETNAME_NOT_YOURS);
	ck_assert_int_eq(netname_check_out(name_server_port, "netmemoryserver", PORT_NULL), NETNAME_NOT_YOURS);
	close(object);
}
END_TEST

START_TEST(test_version)
{
	netname_name_t version;

	ck_assert_int_eq(netname_version(name_server_port, version), NETNAME_SUCCESS);
	ck_assert_str_eq(version, "netmemfs 1.2.3");
	ck_assert_int_eq(netname_version(PORT_NULL, version), NETNAME_INVALID_PORT);
	ck_assert_int_eq(netname_version(name_server_port, NULL), KERN_INVALID_ARGUMENT);
}
END_TEST

START_TEST(test_without_a_mount)
{
	netname_name_t version;
	port_t object = object_new();
	port_t port;

	setenv("NETMEM_MOUNT", "/nowhere", 1);
	ck_assert_int_eq(netname_look_up(name_server_port, "", "netmemoryserver", &port), NETNAME_NOT_CHECKED_IN);
	ck_assert_int_eq(netname_look_up(name_server_port, "", "board", &port), NETNAME_INVALID_PORT);
	ck_assert_int_eq(netname_check_in(name_server_port, "board", PORT_NULL, object), NETNAME_INVALID_PORT);
	ck_assert_int_eq(netname_check_out(name_server_port, "board", PORT_NULL), NETNAME_INVALID_PORT);
	ck_assert_int_eq(netname_version(name_server_port, version), NETNAME_INVALID_PORT);
	ck_assert_int_eq(netmemory_look_up_server(&port), KERN_FAILURE);
	setenv("NETMEM_MOUNT", "/tmp", 1); /* a directory, but no mount */
	ck_assert_int_eq(netname_look_up(name_server_port, "", "netmemoryserver", &port), NETNAME_NOT_CHECKED_IN);
	close(object);
}
END_TEST

/* Many threads that want one name: all are answered, and one object has it in the end. */
static void *check_in_thread(void *context)
{
	port_t object = object_new();
	kern_return_t *code = context;
	int i;

	for (i = 0; i < 20 && (i == 0 || *code == NETNAME_SUCCESS); i++)
		*code = netname_check_in(name_server_port, "board", PORT_NULL, object);
	close(object);
	return NULL;
}

START_TEST(test_threads)
{
	enum { THREADS = 8 };
	pthread_t threads[THREADS];
	kern_return_t codes[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, check_in_thread, &codes[i]), 0);
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_int_eq(codes[i], NETNAME_SUCCESS);
	}
	ck_assert_uint_ne(look_up_inode("board"), 0);
	ck_assert_uint_eq(fake_unnamed(), THREADS - 1);
}
END_TEST

/* The helper library. */

START_TEST(test_easy)
{
	char *address = NULL;
	char *again = NULL;
	char *unmapped = (char *)1;
	port_t object;
	port_t control;
	port_t memory;
	port_t found = 77;

	ck_assert_int_eq(netmemory_check_in("board", 8000, &address, &object, &control, &memory, "board-control"), 0);
	ck_assert_ptr_nonnull(address);
	ck_assert_int_eq(size_of(memory), 8192);
	strcpy(address, "hello");
	ck_assert_int_eq(netmemory_look_up("Board", NULL, 8192, &again, NULL, NULL, NULL, NULL), 0);
	ck_assert_ptr_ne(address, again);
	ck_assert_str_eq(again, "hello");
	ck_assert_int_eq(netmemory_look_up("board", "*", 8192, &unmapped, NULL, &found, NULL, NULL), 0);
	ck_assert_int_eq(found, 77);
	ck_assert_int_eq(netmemory_look_up("board", "node1", 8192, &unmapped, NULL, &found, NULL, "x"), 0);
	ck_assert_ptr_eq(unmapped, (char *)1);
	ck_assert_int_eq(netmemory_destroy(found), NETMEMORY_SUCCESS);
	ck_assert_str_eq(fake_text("board/control"), "destroy\n");
	ck_assert_int_eq(vm_deallocate(task_self(), (vm_offset_t)address, 8192), 0);
	ck_assert_int_eq(vm_deallocate(task_self(), (vm_offset_t)again, 8192), 0);
	close(object);
	close(control);
	close(memory);
	close(found);
}
END_TEST

START_TEST(test_easy_refuses)
{
	char *address = NULL;
	char *fixed;
	vm_offset_t taken = 0;
	port_t port = 77;
	int before = dup(0);

	fake_object("theirs", "node2");
	ck_assert_int_eq(netmemory_check_in("theirs", 1, &address, NULL, NULL, NULL, NULL), NETNAME_NOT_YOURS);
	ck_assert_ptr_null(address);
	ck_assert_int_eq(netmemory_check_in("a/b", 1, &address, NULL, NULL, NULL, NULL), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(netmemory_check_in("mine", 0, &address, &port, NULL, NULL, NULL), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_check_in("mine", 1, NULL, &port, NULL, NULL, NULL), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(netmemory_look_up("mine", NULL, 1, &address, &port, NULL, NULL, NULL), NETNAME_NOT_CHECKED_IN);
	ck_assert_int_eq(netmemory_look_up("theirs", "", 1, &address, &port, NULL, NULL, NULL), NETNAME_NOT_CHECKED_IN);
	ck_assert_int_eq(netmemory_look_up(NULL, "", 1, &address, &port, NULL, NULL, NULL), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(vm_allocate(task_self(), &taken, 4096, TRUE), 0);
	fixed = (char *)taken;
	ck_assert_int_eq(netmemory_check_in("mine", 1, &fixed, NULL, NULL, NULL, NULL), KERN_NO_SPACE);
	ck_assert_int_eq(netmemory_look_up("theirs", "*", 1, &fixed, NULL, NULL, NULL, NULL), KERN_NO_SPACE);
	ck_assert_ptr_eq(fixed, (char *)taken);
	ck_assert_uint_eq(look_up_inode("mine"), 0);
	ck_assert_int_eq(vm_deallocate(task_self(), taken, 4096), 0);
	ck_assert_int_eq(netmemory_check_in("mine", 1, &fixed, NULL, NULL, NULL, NULL), KERN_SUCCESS);
	ck_assert_ptr_eq(fixed, (char *)taken);
	ck_assert_int_eq(vm_deallocate(task_self(), taken, 4096), 0);
	ck_assert_int_eq(port, 77);
	close(before);
	ck_assert_int_eq(dup(0), before); /* no descriptor stayed open */
	close(before);
}
END_TEST

/* vm. */

static kern_return_t map_memory(vm_offset_t *address, vm_size_t size, boolean_t anywhere, port_t memory,
				vm_offset_t offset)
{
	return vm_map(task_self(), address, size, 0, anywhere, memory, offset, FALSE, VM_PROT_DEFAULT, VM_PROT_DEFAULT,
		      VM_INHERIT_SHARE);
}

static port_t memory_new(vm_size_t size)
{
	port_t object;
	port_t control;
	port_t memory;

	ck_assert_int_eq(netmemory_create(server, size, &object, &control), 0);
	ck_assert_int_eq(netmemory_cache(server, object, &memory), 0);
	close(object);
	close(control);
	return memory;
}

START_TEST(test_vm_map_addresses)
{
	port_t memory = memory_new(4 * 4096);
	vm_offset_t first = 0;
	vm_offset_t second;
	vm_offset_t part = 0;

	ck_assert_int_eq(map_memory(&first, 4 * 4096 - 100, TRUE, memory, 0), KERN_SUCCESS);
	((char *)first)[4 * 4096 - 1] = 'x';
	second = first;
	ck_assert_int_eq(map_memory(&second, 4096, FALSE, memory, 0), KERN_NO_SPACE);
	second = first + 2 * 4096;
	ck_assert_int_eq(vm_deallocate(task_self(), second + 5, 2 * 4096 - 10), KERN_SUCCESS);
	second += 123; /* rounded down */
	ck_assert_int_eq(map_memory(&second, 4096, FALSE, memory, 3 * 4096), KERN_SUCCESS);
	ck_assert_uint_eq(second, first + 2 * 4096);
	ck_assert_int_eq(((char *)second)[4095], 'x');
	ck_assert_int_eq(map_memory(&part, 4096, TRUE, memory, 3 * 4096), KERN_SUCCESS);
	((char *)part)[0] = 'y';
	ck_assert_int_eq(((char *)second)[0], 'y');
	ck_assert_int_eq(vm_deallocate(task_self(), first, 3 * 4096), KERN_SUCCESS);
	ck_assert_int_eq(vm_deallocate(task_self(), part, 4096), KERN_SUCCESS);
	part = UINTPTR_MAX - 4 * 4096;
	ck_assert_int_ne(map_memory(&part, 4096, FALSE, memory, 0), KERN_SUCCESS);
	close(memory);
}
END_TEST

START_TEST(test_vm_map_aligned)
{
	static const vm_offset_t masks[] = { 0xff, 0xfff, 0x1fff, 0xfffff, 0x3ffffff };
	port_t memory = memory_new(3 * 4096);
	vm_offset_t address = 0;
	vm_offset_t next;

	ck_assert_int_eq(vm_map(task_self(), &address, 3 * 4096, masks[_i], TRUE, memory, 0, FALSE, VM_PROT_DEFAULT,
				VM_PROT_ALL, VM_INHERIT_SHARE),
			 KERN_SUCCESS);
	ck_assert_uint_eq(address & masks[_i], 0);
	strcpy((char *)address, "hello");
	next = address + 3 * 4096;
	if (masks[_i] > 0xfff) { /* what was reserved for the alignment is free again */
		ck_assert_int_eq(vm_allocate(task_self(), &next, 4096, FALSE), KERN_SUCCESS);
		ck_assert_int_eq(vm_deallocate(task_self(), next, 4096), KERN_SUCCESS);
	}
	ck_assert_int_eq(vm_deallocate(task_self(), address, 3 * 4096), KERN_SUCCESS);
	address = 0x10001000;
	ck_assert_int_eq(vm_map(task_self(), &address, 4096, 0xffff, FALSE, memory, 0, FALSE, VM_PROT_DEFAULT,
				VM_PROT_ALL, VM_INHERIT_SHARE),
			 KERN_NO_SPACE);
	close(memory);
}
END_TEST

START_TEST(test_vm_map_refuses)
{
	port_t memory = memory_new(4096);
	port_t object = object_new();
	vm_offset_t address = 0;
	int pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(map_memory(&address, 0, TRUE, memory, 0), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(map_memory(NULL, 4096, TRUE, memory, 0), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(map_memory(&address, 4096, TRUE, memory, 1), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(map_memory(&address, UINTPTR_MAX, TRUE, memory, 0), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(map_memory(&address, 4096, TRUE, object, 0), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(map_memory(&address, 4096, TRUE, pipes[0], 0), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(map_memory(&address, 4096, TRUE, 9999, 0), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(map_memory(&address, 4096, TRUE, -1, 0), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(vm_map(memory, &address, 4096, 0, TRUE, memory, 0, FALSE, VM_PROT_READ, VM_PROT_READ, 0),
			 KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(vm_map(task_self(), &address, 4096, 0, TRUE, memory, 0, FALSE, 8, VM_PROT_ALL, 0),
			 KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(vm_map(task_self(), &address, 4096, 0, TRUE, memory, 0, FALSE, VM_PROT_READ, VM_PROT_ALL, 3),
			 KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(vm_map(task_self(), &address, 4096, 5, TRUE, memory, 0, FALSE, VM_PROT_READ, VM_PROT_ALL, 0),
			 KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(
	    vm_map(task_self(), &address, 4096, 0, TRUE, memory, 0, FALSE, VM_PROT_DEFAULT, VM_PROT_READ, 0),
	    KERN_PROTECTION_FAILURE);
	ck_assert_int_ne(map_memory(&address, (vm_size_t)1 << 60, TRUE, memory, 0), KERN_SUCCESS);
	ck_assert_uint_eq(address, 0);
	close(memory);
	close(object);
	close(pipes[0]);
	close(pipes[1]);
}
END_TEST

START_TEST(test_vm_map_copy_and_protections)
{
	port_t memory = memory_new(4096);
	vm_offset_t shared = 0;
	vm_offset_t copy = 0;
	vm_offset_t readable = 0;

	ck_assert_int_eq(map_memory(&shared, 4096, TRUE, memory, 0), KERN_SUCCESS);
	strcpy((char *)shared, "shared");
	ck_assert_int_eq(
	    vm_map(task_self(), &copy, 4096, 0, TRUE, memory, 0, TRUE, VM_PROT_DEFAULT, VM_PROT_ALL, VM_INHERIT_COPY),
	    KERN_SUCCESS);
	strcpy((char *)copy, "mine");
	ck_assert_str_eq((char *)shared, "shared");
	ck_assert_int_eq(vm_map(task_self(), &readable, 4096, 0, TRUE, memory, 0, FALSE, VM_PROT_READ, VM_PROT_READ,
				VM_INHERIT_SHARE),
			 KERN_SUCCESS);
	ck_assert_str_eq((char *)readable, "shared");
	ck_assert_int_eq(mprotect((void *)readable, 4096, PROT_READ | PROT_WRITE), -1);
	ck_assert_int_eq(vm_deallocate(task_self(), readable, 4096), 0);
	readable = 0;
	ck_assert_int_eq(vm_map(task_self(), &readable, 4096, 0, TRUE, memory, 0, FALSE, VM_PROT_READ, VM_PROT_ALL,
				VM_INHERIT_SHARE),
			 KERN_SUCCESS);
	ck_assert_int_eq(mprotect((void *)readable, 4096, PROT_READ | PROT_WRITE), 0);
	ck_assert_int_eq(vm_deallocate(task_self(), readable, 4096), 0);
	ck_assert_int_eq(vm_deallocate(task_self(), shared, 4096), 0);
	ck_assert_int_eq(vm_deallocate(task_self(), copy, 4096), 0);
	close(memory);
}
END_TEST

/* What a child has of the memory: 's'hared, a 'c'opy, or 'n'othing. */
static char child_sees(vm_offset_t address)
{
	int status;
	pid_t child;

	*(char *)address = 'p';
	child = fork();
	if (child == 0) {
		unsigned char resident;

		if (mincore((void *)address, 4096, &resident))
			_exit('n');
		*(char *)address = 'c';
		_exit('m');
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	if (WEXITSTATUS(status) == 'n')
		return 'n';
	return *(char *)address == 'c' ? 's' : 'c';
}

START_TEST(test_vm_inheritance)
{
	static const struct {
		bool object;
		boolean_t copy;
		vm_inherit_t inheritance;
		char seen;
	} cases[] = {
		{ true, FALSE, VM_INHERIT_SHARE, 's' }, { true, FALSE, VM_INHERIT_COPY, 's' },
		{ true, FALSE, VM_INHERIT_NONE, 'n' },	{ true, TRUE, VM_INHERIT_COPY, 'c' },
		{ true, TRUE, VM_INHERIT_NONE, 'n' },	{ false, FALSE, VM_INHERIT_SHARE, 's' },
		{ false, FALSE, VM_INHERIT_COPY, 'c' }, { false, FALSE, VM_INHERIT_NONE, 'n' },
	};
	port_t memory = memory_new(4096);
	size_t i;

	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		vm_offset_t address = 0;

		ck_assert_int_eq(vm_map(task_self(), &address, 4096, 0, TRUE, cases[i].object ? memory : PORT_NULL, 0,
					cases[i].copy, VM_PROT_DEFAULT, VM_PROT_ALL, cases[i].inheritance),
				 KERN_SUCCESS);
		ck_assert_msg(child_sees(address) == cases[i].seen, "case %zu", i);
		ck_assert_int_eq(vm_deallocate(task_self(), address, 4096), KERN_SUCCESS);
	}
	close(memory);
}
END_TEST

START_TEST(test_vm_allocate)
{
	vm_offset_t address = 0;
	vm_offset_t fixed;

	ck_assert_int_eq(vm_allocate(task_self(), &address, 5000, TRUE), KERN_SUCCESS);
	ck_assert_int_eq(((char *)address)[8191], 0);
	fixed = address + 4096;
	ck_assert_int_eq(vm_allocate(task_self(), &fixed, 4096, FALSE), KERN_NO_SPACE);
	ck_assert_int_eq(vm_deallocate(task_self(), address, 5000), KERN_SUCCESS);
	ck_assert_int_eq(vm_allocate(task_self(), &fixed, 4096, FALSE), KERN_SUCCESS);
	ck_assert_int_eq(vm_deallocate(task_self(), fixed, 4096), KERN_SUCCESS);
	ck_assert_int_eq(vm_deallocate(task_self(), fixed, 4096), KERN_SUCCESS);
	ck_assert_int_eq(vm_deallocate(task_self(), fixed, 0), KERN_SUCCESS);
	ck_assert_int_eq(vm_deallocate(server, fixed, 4096), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(vm_deallocate(task_self(), UINTPTR_MAX - 5, 4096), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(vm_allocate(task_self(), &fixed, 0, TRUE), KERN_SUCCESS);
	ck_assert_uint_eq(fixed, 0);
}
END_TEST

/* Codes. */

START_TEST(test_codes)
{
	static const mach_error_t codes[] = {
		KERN_SUCCESS,
		KERN_INVALID_ADDRESS,
		KERN_PROTECTION_FAILURE,
		KERN_NO_SPACE,
		KERN_INVALID_ARGUMENT,
		KERN_FAILURE,
		KERN_RESOURCE_SHORTAGE,
		KERN_NO_ACCESS,
		NETNAME_PENDING,
		NETNAME_NOT_YOURS,
		NETNAME_NOT_CHECKED_IN,
		NETNAME_NO_SUCH_HOST,
		NETNAME_HOST_NOT_FOUND,
		NETNAME_INVALID_PORT,
		NETMEMORY_BAD_PARAMETER,
		NETMEMORY_RESOURCE,
		4711,
	};
	size_t i;
	size_t j;

	for (i = 0; i < sizeof codes / sizeof *codes; i++)
		for (j = 0; j < i; j++)
			ck_assert_str_ne(mach_error_string(codes[i]), mach_error_string(codes[j]));
	ck_assert_int_eq(NETNAME_SUCCESS, 0);
	ck_assert_int_eq(NETNAME_PENDING, -1);
	ck_assert_int_eq(NETNAME_NOT_YOURS, 1000);
	ck_assert_int_eq(NETNAME_INVALID_PORT, 1004);
	ck_assert_int_eq(NETMEMORY_SUCCESS, 0);
	ck_assert_int_eq(NETMEMORY_INVALID_ARGUMENT, 0x0800C001);
	ck_assert_int_eq(NETMEMORY_RESOURCE_SHORTAGE, 0x0800C002);
	ck_assert_int_eq(PORT_NULL, 0);
	ck_assert_uint_eq(sizeof(netname_name_t), 80);
	ck_assert_uint_eq(sizeof(vm_offset_t), sizeof(void *));
}
END_TEST

/* Finding the mount. */

static int find_in(const char *text, char *path, size_t path_bytes)
{
	char table[] = "/tmp/netmemory-table-XXXXXX";
	int fd = mkstemp(table);
	int error;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	error = netmem_mount_find(table, path, path_bytes);
	unlink(table);
	return error;
}

START_TEST(test_mount_table)
{
	static const char table[] = "proc /proc proc rw 0 0\n"
				    "x /a fuse.netmemfsx rw 0 0\n"
				    "garbage\n"
				    "\n"
				    "netmemfs /mnt/net\\040mem\\011\\134x\\9 fuse.netmemfs rw,nosuid 0 0\n"
				    "netmemfs /second fuse.netmemfs rw 0 0\n";
	char path[PATH_MAX];

	unsetenv("NETMEM_MOUNT");
	ck_assert_int_eq(find_in(table, path, sizeof path), 0);
	ck_assert_str_eq(path, "/mnt/net mem\t\\x\\9");
	ck_assert_int_eq(find_in(table, path, 10), -ENAMETOOLONG);
	ck_assert_int_eq(find_in("proc /proc proc rw 0 0\n", path, sizeof path), -ENOENT);
	ck_assert_int_eq(find_in("", path, sizeof path), -ENOENT);
	ck_assert_int_eq(netmem_mount_find("/nowhere", path, sizeof path), -ENOENT);
	setenv("NETMEM_MOUNT", "", 1);
	ck_assert_int_eq(find_in(table, path, sizeof path), 0);
	setenv("NETMEM_MOUNT", "/third", 1);
	ck_assert_int_eq(find_in(table, path, sizeof path), 0);
	ck_assert_str_eq(path, "/third");
	ck_assert_int_eq(find_in(table, path, 3), -ENAMETOOLONG);
}
END_TEST

static void suite_add(Suite *suite, const char *name, const TTest *const *tests, size_t count)
{
	TCase *tcase = tcase_create(name);
	size_t i;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	for (i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	if (strcmp(name, "netmemory") == 0)
		tcase_add_loop_test(tcase, test_create_rounds_up_to_pages, 0, 5);
	if (strcmp(name, "vm") == 0)
		tcase_add_loop_test(tcase, test_vm_map_aligned, 0, 5);
	suite_add_tcase(suite, tcase);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

int main(void)
{
	const TTest *const ports[] = { test_ports_are_closed_on_exec_and_not_low, test_modes_of_ports };
	const TTest *const netmemory[] = { test_create_refuses, test_create_undoes, test_cache_refuses,
					   test_cache_for_reading_only, test_destroy };
	const TTest *const netname[] = { test_check_in_and_out,
					 test_names_that_cannot_be,
					 test_ports_that_cannot_be_checked_in,
					 test_signatures,
					 test_signatures_are_bounded,
					 test_names_of_other_nodes,
					 test_names_of_other_users,
					 test_hosts,
					 test_server_name_is_taken,
					 test_version,
					 test_without_a_mount,
					 test_threads };
	const TTest *const easy[] = { test_easy, test_easy_refuses };
	const TTest *const vm[] = { test_vm_map_addresses, test_vm_map_refuses, test_vm_map_copy_and_protections,
				    test_vm_inheritance, test_vm_allocate };
	const TTest *const rest[] = { test_codes, test_mount_table };
	Suite *suite = suite_create("libnetmemory");
	SRunner *runner;
	int failed;

	suite_add(suite, "ports", ports, COUNT(ports));
	suite_add(suite, "netmemory", netmemory, COUNT(netmemory));
	suite_add(suite, "netname", netname, COUNT(netname));
	suite_add(suite, "easy", easy, COUNT(easy));
	suite_add(suite, "vm", vm, COUNT(vm));
	suite_add(suite, "rest", rest, COUNT(rest));
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
