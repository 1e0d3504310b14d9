/*
 * Goal: libnetmemory on real mounts: the EXAMPLE of netmemory(3) between two nodes, lifetimes of objects, names known
 * on all nodes, ports that travel to other processes and between mounts.
 *
 * Usage: mounted [-k COMMAND] MOUNT MOUNT [MOUNT...], mounts of different nodes of one cluster. As root with
 * allow_other, it also tries what another user may do. COMMAND kills the node of the last mount; the last test uses it.
 */
#define _GNU_SOURCE 1
#include <mach/mach.h>
#include <mach_error.h>
#include <servers/netmemory.h>
#include <servers/netname.h>

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOUNTS_MAX 8
#define PAGE 4096
#define NOBODY 65534
#define WAIT_SECONDS 20
#define ROUNDS 300

/* In example.c, whose old-style definition declares no parameters. */
kern_return_t map_object(char *object_name, char *hostname, vm_offset_t *address, vm_size_t size, boolean_t anywhere);

static const char *mounts[MOUNTS_MAX];
static char nodes[MOUNTS_MAX][64];
static int mounts_count;
static const char *kill_command;
static char name[64]; /* of the object of this test, nobody else's */

/* From here on this process is on that node. */
static void use(int mount)
{
	ck_assert_int_eq(setenv("NETMEM_MOUNT", mounts[mount], 1), 0);
}

static port_t server_of(int mount)
{
	port_t server;

	use(mount);
	ck_assert_int_eq(netname_look_up(name_server_port, "", "netmemoryserver", &server), NETNAME_SUCCESS);
	return server;
}

static const char *path_of(int mount, const char *object)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", mounts[mount], object);
	return path;
}

static void set_up(void)
{
	static int tests;

	snprintf(name, sizeof name, "api-test-%ld-%d", (long)getpid(), tests++);
	use(0);
}

/* Each test runs in a process of its own; what it leaves, it leaves under its name. */
static void tear_down(void)
{
	rmdir(path_of(0, name));
}

static void nap(void)
{
	static const struct timespec pause = { .tv_nsec = 2000000 };

	nanosleep(&pause, NULL);
}

static bool unnamed_has(int mount, const char *entry)
{
	char path[PATH_MAX];
	struct stat status;

	snprintf(path, sizeof path, "%s/.netmem/unnamed/%s", mounts[mount], entry);
	return lstat(path, &status) == 0;
}

/* The last part of the path of an unnamed object, which is the same on all nodes. */
static void unnamed_name(port_t object, char *entry, size_t entry_bytes)
{
	char link[64];
	char path[PATH_MAX];
	ssize_t length;

	snprintf(link, sizeof link, "/proc/self/fd/%d", object);
	length = readlink(link, path, sizeof path - 1);
	ck_assert_int_gt(length, 0);
	path[length] = '\0';
	ck_assert_ptr_nonnull(strstr(path, "/.netmem/unnamed/"));
	snprintf(entry, entry_bytes, "%s", strrchr(path, '/') + 1);
}

/* Closing is told to the home, not asked: it takes a moment. */
static bool unnamed_goes(int mount, const char *entry)
{
	time_t end = time(NULL) + WAIT_SECONDS;

	while (unnamed_has(mount, entry) && time(NULL) < end)
		nap();
	return !unnamed_has(mount, entry);
}

static char *map_port(port_t memory, vm_size_t size)
{
	vm_offset_t address = 0;

	ck_assert_int_eq(vm_map(task_self(), &address, size, 0, TRUE, memory, 0, FALSE, VM_PROT_DEFAULT,
				VM_PROT_DEFAULT, VM_INHERIT_SHARE),
			 KERN_SUCCESS);
	return (char *)address;
}

/* Caches and maps below that mount; no port stays open. */
static char *map_on(int mount, port_t object, vm_size_t size)
{
	port_t server = server_of(mount);
	port_t memory;
	char *address;

	ck_assert_int_eq(netmemory_cache(server, object, &memory), NETMEMORY_SUCCESS);
	address = map_port(memory, size);
	close(memory);
	close(server);
	return address;
}

static void unmap(const char *address, vm_size_t size)
{
	ck_assert_int_eq(vm_deallocate(task_self(), (vm_offset_t)address, size), KERN_SUCCESS);
}

static void create(int mount, vm_size_t size, port_t *object, port_t *control)
{
	port_t server = server_of(mount);

	ck_assert_int_eq(netmemory_create(server, size, object, control), NETMEMORY_SUCCESS);
	close(server);
}

static kern_return_t look_up_code(int mount, const char *host, const char *object)
{
	port_t port;
	kern_return_t code;

	use(mount);
	code = netname_look_up(name_server_port, host, object, &port);
	if (!code)
		close(port);
	return code;
}

static port_t look_up(int mount, const char *host, const char *object)
{
	port_t port = PORT_NULL;

	use(mount);
	ck_assert_int_eq(netname_look_up(name_server_port, host, object, &port), NETNAME_SUCCESS);
	return port;
}

/* A child process; `work` returns its exit status. */
static pid_t child_start(int (*work)(int), int argument)
{
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(work(argument));
	return child;
}

static void child_end(pid_t child)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the other process: status %#x", status);
}

/* Waits until the word has the value; false if it does not come. */
static bool await(atomic_uint *word, unsigned value)
{
	time_t end = time(NULL) + WAIT_SECONDS;

	while (atomic_load(word) != value)
		if (time(NULL) > end)
			return false;
	return true;
}

/* The EXAMPLE. */

static int example_slave(int mount)
{
	vm_offset_t address = 0;
	atomic_uint *turn;
	atomic_uint *sum;
	unsigned i;
	kern_return_t code;

	use(mount);
	code = map_object(name, nodes[0], &address, 2 * PAGE, TRUE);
	if (code) {
		mach_error("slave", code);
		return 1;
	}
	if (strcmp((char *)address + PAGE, "hello from the master") != 0)
		return 2;
	turn = (atomic_uint *)address;
	sum = turn + 1;
	for (i = 0; i < ROUNDS; i++) {
		if (!await(turn, 2 * i + 1))
			return 3;
		atomic_fetch_add(sum, 1);
		atomic_store(turn, 2 * i + 2);
	}
	return 0;
}

START_TEST(test_example)
{
	int slave_mount = _i;
	vm_offset_t address = 0;
	atomic_uint *turn;
	pid_t slave;
	unsigned i;

	ck_assert_int_eq(map_object(name, nodes[0], &address, 2 * PAGE, TRUE), NETNAME_NOT_CHECKED_IN);
	ck_assert_int_eq(map_object(name, NULL, &address, 2 * PAGE, TRUE), KERN_SUCCESS);
	strcpy((char *)address + PAGE, "hello from the master");
	turn = (atomic_uint *)address;
	slave = child_start(example_slave, slave_mount);
	for (i = 0; i < ROUNDS; i++) {
		atomic_fetch_add(turn + 1, 1);
		atomic_store(turn, 2 * i + 1);
		if (!await(turn, 2 * i + 2))
			break;
	}
	child_end(slave);
	ck_assert_uint_eq(atomic_load(turn + 1), 2 * ROUNDS);
	unmap((char *)address, 2 * PAGE);
}
END_TEST

START_TEST(test_example_at_an_address)
{
	vm_offset_t address = 0;
	vm_offset_t free_address;

	ck_assert_int_eq(vm_allocate(task_self(), &address, 2 * PAGE, TRUE), KERN_SUCCESS);
	free_address = address;
	ck_assert_int_eq(map_object(name, NULL, &address, 2 * PAGE, FALSE), KERN_NO_SPACE);
	unmap((char *)address, 2 * PAGE);
	use(1);
	ck_assert_int_eq(map_object(name, nodes[0], &address, 2 * PAGE, FALSE), KERN_SUCCESS);
	ck_assert_uint_eq(address, free_address);
	strcpy((char *)address, "there");
	unmap((char *)address, 2 * PAGE);
	use(0);
	ck_assert_int_eq(map_object(name, nodes[0], &address, 2 * PAGE, TRUE), KERN_SUCCESS);
	ck_assert_str_eq((char *)address, "there");
	unmap((char *)address, 2 * PAGE);
}
END_TEST

static int example_master(int mount)
{
	vm_offset_t address = 0;
	kern_return_t code;

	use(mount);
	code = map_object(name, NULL, &address, PAGE, TRUE);
	if (code)
		return code == NETNAME_NOT_YOURS ? 11 : 12;
	if (*(char *)address)
		return 13;
	strcpy((char *)address, "master");
	return 10;
}

static int master_code(int mount)
{
	pid_t child = child_start(example_master, mount);
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Of two masters on two nodes the second is refused; the first may start again, and then there is new memory. */
START_TEST(test_example_masters)
{
	vm_offset_t address = 0;
	int node;

	ck_assert_int_eq(master_code(0), 10);
	for (node = 1; node < mounts_count; node++) {
		ck_assert_int_eq(master_code(node), 11);
		use(node);
		ck_assert_int_eq(map_object(name, nodes[0], &address, PAGE, TRUE), KERN_SUCCESS);
		ck_assert_str_eq((char *)address, "master");
		unmap((char *)address, PAGE);
	}
	ck_assert_int_eq(master_code(0), 10);
	/* What was checked out anywhere is free everywhere. */
	ck_assert_int_eq(netname_check_out(name_server_port, name, PORT_NULL), NETNAME_SUCCESS);
	ck_assert_int_eq(master_code(1), 10);
	ck_assert_int_eq(master_code(0), 11);
}
END_TEST

/* Lifetimes. */

START_TEST(test_destroy)
{
	port_t object;
	port_t control;
	port_t server;
	port_t memory;
	char *near;
	char *far;

	create(0, PAGE, &object, &control);
	ck_assert_int_eq(netname_check_in(name_server_port, name, PORT_NULL, object), NETNAME_SUCCESS);
	near = map_on(0, object, PAGE);
	far = map_on(1, object, PAGE);
	strcpy(near, "before");
	ck_assert_str_eq(far, "before");
	ck_assert_int_eq(netmemory_destroy(control), NETMEMORY_SUCCESS);
	ck_assert_int_eq(look_up_code(0, "*", name), NETNAME_HOST_NOT_FOUND);
	ck_assert_int_eq(look_up_code(1, "*", name), NETNAME_HOST_NOT_FOUND);
	strcpy(far, "after");
	ck_assert_str_eq(near, "after");
	ck_assert_int_eq(netmemory_destroy(control), NETMEMORY_BAD_PARAMETER);
	server = server_of(1);
	ck_assert_int_eq(netmemory_cache(server, object, &memory), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netname_check_in(name_server_port, name, PORT_NULL, object), NETNAME_INVALID_PORT);
	unmap(near, PAGE);
	strcpy(far, "still here");
	ck_assert_str_eq(far, "still here");
	unmap(far, PAGE);
	close(object);
	close(control);
	close(server);
}
END_TEST

/* Each way to hold an unnamed object keeps it alive, and on each node; without any, it goes. */
START_TEST(test_unnamed_lifetime)
{
	char entry[NAME_MAX + 1];
	port_t object;
	port_t control;
	port_t server;
	port_t memory;
	char *near;
	char *far;

	create(0, PAGE, &object, &control);
	unnamed_name(object, entry, sizeof entry);
	ck_assert(unnamed_has(0, entry) && unnamed_has(1, entry));
	close(control);
	near = map_on(0, object, PAGE);
	strcpy(near, "kept");
	server = server_of(1);
	ck_assert_int_eq(netmemory_cache(server, object, &memory), NETMEMORY_SUCCESS);
	close(server);
	unmap(near, PAGE);
	close(object); /* now only the other node has it */
	far = map_port(memory, PAGE);
	ck_assert_str_eq(far, "kept");
	close(memory);
	ck_assert(unnamed_has(0, entry));
	ck_assert_str_eq(far, "kept");
	unmap(far, PAGE);
	ck_assert_msg(unnamed_goes(0, entry) && unnamed_goes(1, entry), "an unnamed object outlived its users");
}
END_TEST

START_TEST(test_unnamed_lifetime_by_object_and_control)
{
	char entry[NAME_MAX + 1];
	port_t object;
	port_t control;
	port_t again;
	char *address;

	create(0, PAGE, &object, &control);
	unnamed_name(object, entry, sizeof entry);
	address = map_on(1, object, PAGE);
	strcpy(address, "kept");
	unmap(address, PAGE);
	address = map_on(0, object, PAGE);
	ck_assert_str_eq(address, "kept");
	unmap(address, PAGE);
	close(object);
	again = open(path_of(0, ".netmem/unnamed"), O_RDONLY | O_DIRECTORY);
	object = openat(again, entry, O_RDONLY | O_DIRECTORY);
	ck_assert_msg(object >= 0, "the control port does not keep the object");
	close(again);
	close(control);
	address = map_on(0, object, PAGE);
	ck_assert_str_eq(address, "kept");
	unmap(address, PAGE);
	close(object);
	ck_assert(unnamed_goes(0, entry));
}
END_TEST

static int create_and_die(int mount)
{
	port_t server;
	port_t object;
	port_t control;
	char *address = (char *)1;

	use(mount);
	if (netmemory_look_up_server(&server) || netmemory_create(server, PAGE, &object, &control))
		return 1;
	if (netmemory_check_in(name, PAGE, &address, NULL, NULL, NULL, NULL))
		return 2;
	raise(SIGKILL);
	return 3;
}

/* kill -9 closes, too: the unnamed object goes, the named one stays. */
START_TEST(test_lifetime_after_kill)
{
	pid_t child = child_start(create_and_die, 0);
	char prefix[96];
	time_t end = time(NULL) + WAIT_SECONDS;
	bool found = true;
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status));
	snprintf(prefix, sizeof prefix, "%s-%ld-", nodes[0], (long)child);
	while (found && time(NULL) < end) {
		DIR *dir = opendir(path_of(1, ".netmem/unnamed"));
		struct dirent *entry;

		ck_assert_ptr_nonnull(dir);
		found = false;
		while ((entry = readdir(dir)))
			found = found || strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
		closedir(dir);
		nap();
	}
	ck_assert_msg(!found, "an unnamed object outlived its process");
	ck_assert_int_eq(look_up_code(1, "*", name), NETNAME_SUCCESS);
}
END_TEST

START_TEST(test_create_too_large)
{
	port_t server = server_of(0);
	port_t object;
	port_t control;

	ck_assert_int_eq(netmemory_create(server, (vm_size_t)LONG_MAX - 2 * PAGE, &object, &control),
			 NETMEMORY_RESOURCE);
	ck_assert_int_eq(netmemory_create(server, 0, &object, &control), NETMEMORY_BAD_PARAMETER);
	ck_assert_int_eq(netmemory_create(server, (vm_size_t)1 << 40, &object, &control), NETMEMORY_SUCCESS);
	close(server);
	close(object);
	close(control);
}
END_TEST

/* Names. */

START_TEST(test_names_on_all_nodes)
{
	port_t object;
	port_t control;
	port_t far;
	netname_name_t version;
	char capitals[64] = "";
	char *near_address;
	char *far_address;
	size_t i;

	for (i = 0; name[i]; i++)
		capitals[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
	create(0, PAGE, &object, &control);
	/* Made on one node, checked in on another, by a port of the first one's mount. */
	use(1);
	ck_assert_int_eq(netname_check_in(name_server_port, capitals, PORT_NULL, object), NETNAME_SUCCESS);
	ck_assert_int_eq(look_up_code(0, "", name), NETNAME_SUCCESS);
	ck_assert_int_eq(look_up_code(0, nodes[0], name), NETNAME_SUCCESS);
	ck_assert_int_eq(look_up_code(0, nodes[1], name), NETNAME_NOT_CHECKED_IN);
	ck_assert_int_eq(look_up_code(1, "", name), NETNAME_NOT_CHECKED_IN);
	ck_assert_int_eq(look_up_code(1, "*", capitals), NETNAME_SUCCESS);
	ck_assert_int_eq(look_up_code(1, "no-such-node", name), NETNAME_NO_SUCH_HOST);
	ck_assert_int_eq(look_up_code(1, nodes[1], "netmemoryserver"), NETNAME_SUCCESS);
	ck_assert_int_eq(look_up_code(1, nodes[0], "netmemoryserver"), NETNAME_NOT_CHECKED_IN);
	ck_assert_int_eq(netname_version(name_server_port, version), NETNAME_SUCCESS);
	ck_assert_uint_gt(strlen(version), 0);
	far = look_up(1, nodes[0], name);
	far_address = map_on(1, far, PAGE);
	near_address = map_on(0, object, PAGE);
	strcpy(near_address, "named");
	ck_assert_str_eq(far_address, "named");
	use(1);
	ck_assert_int_eq(netname_check_out(name_server_port, name, PORT_NULL), NETNAME_SUCCESS);
	ck_assert_int_eq(look_up_code(0, "", name), NETNAME_NOT_CHECKED_IN);
	ck_assert_int_eq(look_up_code(1, "*", name), NETNAME_HOST_NOT_FOUND);
	strcpy(far_address, "unnamed");
	ck_assert_str_eq(near_address, "unnamed");
	ck_assert_int_eq(netname_check_in(name_server_port, name, PORT_NULL, far), NETNAME_SUCCESS);
	ck_assert_int_eq(look_up_code(0, "", name), NETNAME_SUCCESS);
	unmap(near_address, PAGE);
	unmap(far_address, PAGE);
	close(object);
	close(control);
	close(far);
}
END_TEST

START_TEST(test_name_replaced)
{
	char entry[NAME_MAX + 1];
	port_t old;
	port_t new;
	port_t control;
	port_t found;
	char *old_address;
	char *new_address;
	int signature[2];

	ck_assert_int_eq(pipe(signature), 0);
	create(0, PAGE, &old, &control);
	close(control);
	create(1, PAGE, &new, &control);
	close(control);
	use(0);
	ck_assert_int_eq(netname_check_in(name_server_port, name, signature[0], old), NETNAME_SUCCESS);
	old_address = map_on(1, old, PAGE);
	strcpy(old_address, "old");
	use(0);
	ck_assert_int_eq(netname_check_in(name_server_port, name, PORT_NULL, new), NETNAME_NOT_YOURS);
	ck_assert_int_eq(netname_check_in(name_server_port, name, signature[0], new), NETNAME_SUCCESS);
	found = look_up(0, nodes[1], name);
	new_address = map_on(0, found, PAGE);
	ck_assert_str_eq(new_address, "");
	ck_assert_str_eq(old_address, "old");
	unnamed_name(old, entry, sizeof entry);
	unmap(old_address, PAGE);
	close(old);
	ck_assert(unnamed_goes(0, entry));
	unmap(new_address, PAGE);
	close(found);
	close(new);
	close(signature[0]);
	close(signature[1]);
}
END_TEST

START_TEST(test_names_of_the_shell)
{
	port_t object;
	char *address;

	ck_assert_int_eq(mkdir(path_of(1, name), 0777), 0);
	ck_assert_int_eq(truncate(strcat((char *)path_of(1, name), "/memory"), 3 * PAGE), 0);
	object = look_up(0, nodes[1], name);
	address = map_on(0, object, 3 * PAGE);
	strcpy(address + 2 * PAGE, "shell");
	unmap(address, 3 * PAGE);
	address = map_on(1, object, 3 * PAGE);
	ck_assert_str_eq(address + 2 * PAGE, "shell");
	unmap(address, 3 * PAGE);
	close(object);
	/* An object that nobody has open goes when it loses its name. */
	ck_assert_int_eq(netname_check_out(name_server_port, name, PORT_NULL), NETNAME_SUCCESS);
	ck_assert_int_eq(look_up_code(0, "*", name), NETNAME_HOST_NOT_FOUND);
}
END_TEST

/* The status tells who won; both make and check in at the same time. */
static int race(int mount)
{
	char *address = (char *)1;
	kern_return_t code;

	use(mount);
	code = netmemory_check_in(name, PAGE, &address, NULL, NULL, NULL, NULL);
	return code == KERN_SUCCESS ? 10 : code == NETNAME_NOT_YOURS ? 11 : 12;
}

START_TEST(test_racing_check_ins)
{
	pid_t children[MOUNTS_MAX];
	int won = 0;
	int i;

	for (i = 0; i < mounts_count; i++)
		children[i] = child_start(race, i);
	for (i = 0; i < mounts_count; i++) {
		int status;

		ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
		ck_assert(WIFEXITED(status) && (WEXITSTATUS(status) == 10 || WEXITSTATUS(status) == 11));
		won += WEXITSTATUS(status) == 10;
	}
	ck_assert_int_eq(won, 1);
	ck_assert_int_eq(look_up_code(1, "*", name), NETNAME_SUCCESS);
}
END_TEST

/* Ports that travel. */

static int channel[2];

static void port_send(port_t port)
{
	char byte = 0;
	char space[CMSG_SPACE(sizeof port)] = { 0 };
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof port);
	memcpy(CMSG_DATA(header), &port, sizeof port);
	ck_assert_int_eq(sendmsg(channel[0], &message, 0), 1);
}

/* The port, or -1. */
static port_t port_receive(void)
{
	char byte;
	char space[CMSG_SPACE(sizeof(port_t))];
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space
	};
	struct cmsghdr *header;
	port_t port;

	if (recvmsg(channel[1], &message, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&port, CMSG_DATA(header), sizeof port);
	return port;
}

/* Gets the object, its control port and its memory, and does with each what it is for. */
static int receiver(int mount)
{
	port_t object = port_receive();
	port_t control = port_receive();
	port_t memory = port_receive();
	port_t server;
	port_t mine;
	vm_offset_t address = 0;
	vm_offset_t direct = 0;

	use(mount);
	if (object < 0 || control < 0 || memory < 0 || netmemory_look_up_server(&server))
		return 1;
	if (netmemory_cache(server, object, &mine))
		return 2;
	if (vm_map(task_self(), &address, PAGE, 0, TRUE, mine, 0, FALSE, VM_PROT_DEFAULT, VM_PROT_DEFAULT,
		   VM_INHERIT_SHARE) ||
	    vm_map(task_self(), &direct, PAGE, 0, TRUE, memory, 0, FALSE, VM_PROT_DEFAULT, VM_PROT_DEFAULT,
		   VM_INHERIT_SHARE))
		return 3;
	if (strcmp((char *)address, "sent") != 0 || strcmp((char *)direct, "sent") != 0)
		return 4;
	strcpy((char *)direct, "received");
	if (strcmp((char *)address, "received") != 0)
		return 5;
	if (netname_check_in(name_server_port, name, PORT_NULL, object) ||
	    netname_check_out(name_server_port, name, PORT_NULL))
		return 6;
	return netmemory_destroy(control) ? 7 : 0;
}

START_TEST(test_ports_travel)
{
	port_t object;
	port_t control;
	port_t memory;
	port_t server = server_of(0);
	char *address;
	pid_t child;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel), 0);
	child = child_start(receiver, _i);
	create(0, PAGE, &object, &control);
	ck_assert_int_eq(netmemory_cache(server, object, &memory), NETMEMORY_SUCCESS);
	address = map_port(memory, PAGE);
	strcpy(address, "sent");
	port_send(object);
	port_send(control);
	port_send(memory);
	child_end(child);
	ck_assert_str_eq(address, "received");
	ck_assert_int_eq(netmemory_destroy(control), NETMEMORY_BAD_PARAMETER);
	unmap(address, PAGE);
	close(object);
	close(control);
	close(memory);
	close(server);
	close(channel[0]);
	close(channel[1]);
}
END_TEST

/* A name that another node has changed since the port was opened does not matter. */
START_TEST(test_port_outlives_names)
{
	char second[96];
	port_t object;
	port_t control;
	char *near;
	char *far;

	create(0, PAGE, &object, &control);
	close(control);
	ck_assert_int_eq(netname_check_in(name_server_port, name, PORT_NULL, object), NETNAME_SUCCESS);
	snprintf(second, sizeof second, "%s-moved", name);
	use(1);
	ck_assert_int_eq(netname_check_out(name_server_port, name, PORT_NULL), NETNAME_SUCCESS);
	ck_assert_int_eq(netname_check_in(name_server_port, second, PORT_NULL, object), NETNAME_SUCCESS);
	/* Another object has the old name now. */
	ck_assert_int_eq(mkdir(path_of(1, name), 0777), 0);
	far = map_on(1, object, PAGE);
	near = map_on(0, object, PAGE);
	strcpy(far, "moved");
	ck_assert_str_eq(near, "moved");
	use(0);
	ck_assert_int_eq(netname_check_out(name_server_port, second, PORT_NULL), NETNAME_SUCCESS);
	unmap(near, PAGE);
	unmap(far, PAGE);
	close(object);
}
END_TEST

START_TEST(test_read_only)
{
	port_t object;
	port_t control;
	port_t server;
	port_t memory;
	vm_offset_t address = 0;
	char *writable;

	create(0, PAGE, &object, &control);
	writable = map_on(0, object, PAGE);
	server = server_of(1);
	ck_assert_int_eq(netmemory_cache(server, object, &memory), NETMEMORY_SUCCESS);
	ck_assert_int_eq(vm_map(task_self(), &address, PAGE, 0, TRUE, memory, 0, FALSE, VM_PROT_READ, VM_PROT_READ,
				VM_INHERIT_SHARE),
			 KERN_SUCCESS);
	close(memory);
	strcpy(writable, "look");
	ck_assert_str_eq((char *)address, "look");
	ck_assert_int_eq(mprotect((void *)address, PAGE, PROT_READ | PROT_WRITE), -1);
	unmap((char *)address, PAGE);
	unmap(writable, PAGE);
	close(object);
	close(control);
	close(server);
}
END_TEST

static void alarm_ignore(int number)
{
	(void)number;
}

/* Signals that interrupt every call somewhere do not show in any answer, and leave nothing behind. */
START_TEST(test_interrupted)
{
	const struct sigaction action = { .sa_handler = alarm_ignore };
	const struct itimerval often = { .it_interval = { .tv_usec = 300 }, .it_value = { .tv_usec = 300 } };
	const struct itimerval never = { 0 };
	char entry[NAME_MAX + 1];
	port_t object;
	port_t control;
	int i;

	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
	for (i = 0; i < ROUNDS; i++) {
		port_t server = server_of(i % mounts_count);
		port_t found;

		ck_assert_int_eq(netmemory_create(server, PAGE, &object, &control), NETMEMORY_SUCCESS);
		unnamed_name(object, entry, sizeof entry);
		ck_assert_int_eq(netname_check_in(server, name, PORT_NULL, object), NETNAME_SUCCESS);
		found = look_up((i + 1) % mounts_count, "*", name);
		unmap(map_on((i + 1) % mounts_count, found, PAGE), PAGE);
		ck_assert_int_eq(netname_check_out(server, name, PORT_NULL), NETNAME_SUCCESS);
		ck_assert_int_eq(netname_check_in(server, name, PORT_NULL, found), NETNAME_SUCCESS);
		ck_assert_int_eq(netmemory_destroy(control), NETMEMORY_SUCCESS);
		close(found);
		close(object);
		close(control);
		close(server);
		ck_assert(!unnamed_has(0, entry));
	}
	ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
	ck_assert_int_eq(look_up_code(0, "*", name), NETNAME_HOST_NOT_FOUND);
}
END_TEST

START_TEST(test_mount_table)
{
	port_t server;
	netname_name_t version;

	unsetenv("NETMEM_MOUNT");
	ck_assert_int_eq(netname_look_up(name_server_port, "", "netmemoryserver", &server), NETNAME_SUCCESS);
	ck_assert_int_eq(netname_version(server, version), NETNAME_SUCCESS);
	close(server);
}
END_TEST

/* What another user may do with root's object, on another node. */
static int other_user(int mount)
{
	port_t server;
	port_t object;
	port_t mine;
	port_t control;
	port_t memory;

	use(mount);
	if (seteuid(NOBODY) || access(mounts[mount], X_OK))
		return 77; /* no allow_other */
	if (netmemory_look_up_server(&server) || netname_look_up(name_server_port, "*", name, &object))
		return 1;
	if (netmemory_cache(server, object, &memory) || (fcntl(memory, F_GETFL) & O_ACCMODE) != O_RDONLY)
		return 2;
	if (netmemory_create(server, PAGE, &mine, &control))
		return 3;
	if (netname_check_in(name_server_port, name, PORT_NULL, mine) != NETNAME_NOT_YOURS)
		return 4;
	if (netname_check_out(name_server_port, name, PORT_NULL) != NETNAME_NOT_YOURS)
		return 5;
	return netmemory_destroy(control) ? 6 : 0;
}

START_TEST(test_other_users)
{
	port_t object;
	port_t control;
	pid_t child;
	int status;

	if (geteuid() != 0)
		return; /* nobody else to be */
	umask(022);
	create(0, PAGE, &object, &control);
	ck_assert_int_eq(netname_check_in(name_server_port, name, PORT_NULL, object), NETNAME_SUCCESS);
	child = child_start(other_user, 1);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77), "status %#x",
		      status);
	ck_assert_int_eq(look_up_code(1, nodes[0], name), NETNAME_SUCCESS);
	close(object);
	close(control);
}
END_TEST

/* The helper library. */

START_TEST(test_easy)
{
	char *near = NULL;
	char *far = NULL;
	char *unmapped = (char *)1;
	port_t object;
	port_t control;
	port_t memory;
	port_t far_control;

	use(0);
	ck_assert_int_eq(netmemory_check_in(name, 3 * PAGE - 5, &near, &object, &control, &memory, "any"),
			 KERN_SUCCESS);
	use(1);
	ck_assert_int_eq(netmemory_look_up(name, NULL, 3 * PAGE, &far, NULL, NULL, NULL, NULL), NETNAME_NOT_CHECKED_IN);
	ck_assert_int_eq(netmemory_check_in(name, PAGE, &far, NULL, NULL, NULL, NULL), NETNAME_NOT_YOURS);
	ck_assert_int_eq(netmemory_look_up(name, nodes[0], 3 * PAGE, &far, NULL, &far_control, NULL, "any"),
			 KERN_SUCCESS);
	strcpy(near + 2 * PAGE, "easy");
	ck_assert_str_eq(far + 2 * PAGE, "easy");
	ck_assert_int_eq(netmemory_destroy(far_control), NETMEMORY_SUCCESS);
	ck_assert_int_eq(netmemory_look_up(name, "*", PAGE, &unmapped, NULL, NULL, NULL, NULL), NETNAME_HOST_NOT_FOUND);
	unmap(near, 3 * PAGE);
	unmap(far, 3 * PAGE);
	close(object);
	close(control);
	close(memory);
	close(far_control);
}
END_TEST

/* What is asked of a dead node fails within the time-out, and each time with the code that says so. */
START_TEST(test_dead_node)
{
	int last = mounts_count - 1;
	port_t server = server_of(0);
	port_t object;
	port_t control;
	port_t memory;
	char *address = (char *)1;

	use(last);
	ck_assert_int_eq(netmemory_check_in(name, PAGE, &address, NULL, NULL, NULL, NULL), KERN_SUCCESS);
	object = look_up(0, nodes[last], name);
	ck_assert_int_eq(system(kill_command), 0);
	ck_assert_int_eq(look_up_code(0, nodes[last], name), NETNAME_HOST_NOT_FOUND);
	ck_assert_int_eq(look_up_code(0, nodes[last], "netmemoryserver"), NETNAME_HOST_NOT_FOUND);
	ck_assert_int_eq(look_up_code(0, "*", name), NETNAME_HOST_NOT_FOUND);
	ck_assert_int_eq(look_up_code(0, "", name), NETNAME_NOT_CHECKED_IN);
	ck_assert_int_eq(netmemory_cache(server, object, &memory), KERN_FAILURE);
	ck_assert_int_eq(look_up_code(last, "", "netmemoryserver"), KERN_FAILURE);
	use(last);
	ck_assert_int_eq(netmemory_look_up_server(&memory), KERN_FAILURE);
	close(object);
	/* The others go on. */
	create(0, PAGE, &object, &control);
	ck_assert_int_eq(netmemory_destroy(control), NETMEMORY_SUCCESS);
	close(object);
	close(control);
	close(server);
}
END_TEST

static bool node_read(int mount)
{
	FILE *status = fopen(path_of(mount, ".netmem/status"), "r");
	char line[256];
	bool found = false;

	while (status && !found && fgets(line, sizeof line, status))
		found = sscanf(line, "node: %63s", nodes[mount]) == 1;
	if (status)
		fclose(status);
	return found;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

int main(int argc, char **argv)
{
	const TTest *const tests[] = { test_example_at_an_address,
				       test_example_masters,
				       test_destroy,
				       test_unnamed_lifetime,
				       test_unnamed_lifetime_by_object_and_control,
				       test_lifetime_after_kill,
				       test_create_too_large,
				       test_names_on_all_nodes,
				       test_name_replaced,
				       test_names_of_the_shell,
				       test_racing_check_ins,
				       test_port_outlives_names,
				       test_read_only,
				       test_interrupted,
				       test_mount_table,
				       test_other_users,
				       test_easy };
	Suite *suite = suite_create("libnetmemory on mounts");
	TCase *tcase = tcase_create("mounts");
	TCase *dead = tcase_create("dead node");
	SRunner *runner;
	size_t i;
	int failed;

	if (argc > 2 && strcmp(argv[1], "-k") == 0) {
		kill_command = argv[2];
		argv += 2;
		argc -= 2;
	}
	for (; mounts_count < argc - 1 && mounts_count < MOUNTS_MAX; mounts_count++) {
		mounts[mounts_count] = argv[mounts_count + 1];
		if (!node_read(mounts_count)) {
			fprintf(stderr, "%s: not a mount of netmemfs\n", mounts[mounts_count]);
			return 2;
		}
	}
	if (mounts_count < 2) {
		fprintf(stderr, "usage: mounted [-k COMMAND] MOUNT MOUNT [MOUNT...]\n");
		return 2;
	}
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, test_example, 0, mounts_count);
	tcase_add_loop_test(tcase, test_ports_travel, 0, mounts_count);
	for (i = 0; i < COUNT(tests); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(dead, set_up, NULL);
	tcase_set_timeout(dead, 120);
	if (kill_command)
		tcase_add_test(dead, test_dead_node);
	suite_add_tcase(suite, dead);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
