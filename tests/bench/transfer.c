/*
 * transfer MOUNT_A MOUNT_B BYTES COUNT: put and get of librsm, from a program on B to memory of a program on A. Prints
 * "NAME MEDIAN P99" in microseconds:
 *
 *	put          of what the importer has put just before: its node holds the pages
 *	put-read     the exporter has read it since, so that the pages have to come back
 *	get          of what nobody has changed since the last get
 *	get-changed  the exporter has stored into each page since
 *
 * In the implicit mode: a put is over when the exporter's node has it.
 */
#include <rsmapi.h>

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "times.h"

static const rsm_memseg_id_t segment_id = RSM_OPS_ID_BASE;

/* What the exporter does in between, if asked. */
enum step { STEP_READ = 'r', STEP_STORE = 's' };

struct importer {
	rsm_memseg_import_handle_t segment;
	char *memory;
	size_t length_bytes;
	size_t count;
	int exporter; /* the socket on which steps are asked for */
};

static void must(int code, const char *what)
{
	if (code)
		bench_fail("%s: code %d", what, code);
}

static size_t pages_bytes(size_t length_bytes)
{
	return (length_bytes + BENCH_PAGE_BYTES - 1) / BENCH_PAGE_BYTES * BENCH_PAGE_BYTES;
}

static rsmapi_controller_handle_t controller_on(const char *mount)
{
	rsmapi_controller_handle_t controller;
	static char type[] = "netmem";

	if (setenv("NETMEM_MOUNT", mount, 1))
		bench_fail("the environment");
	must(rsm_get_controller(type, &controller), mount);
	return controller;
}

static void memory_touch(volatile char *memory, size_t length_bytes, enum step step)
{
	for (size_t place = 0; place < length_bytes; place += BENCH_PAGE_BYTES) {
		char byte = memory[place];

		if (step == STEP_STORE)
			memory[place] = (char)(byte + 1);
	}
}

/* Says when it is ready, and after each step; until nobody asks any more. */
static void export(const char *mount, size_t length_bytes, int importer)
{
	rsm_memseg_id_t id = segment_id;
	rsm_memseg_export_handle_t segment;
	void *memory;
	char step = 0;

	if (posix_memalign(&memory, BENCH_PAGE_BYTES, length_bytes))
		bench_fail("memory");
	memset(memory, 'x', length_bytes);
	must(rsm_memseg_export_create(controller_on(mount), &segment, memory, length_bytes, 0), "create");
	must(rsm_memseg_export_publish(segment, &id, NULL, 0), "publish");
	while (write(importer, &step, 1) == 1 && read(importer, &step, 1) == 1)
		memory_touch(memory, length_bytes, (enum step)step);
	must(rsm_memseg_export_destroy(segment), "destroy");
}

static pid_t exporter_start(const char *mount, size_t length_bytes, int *exporter)
{
	int ends[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		bench_fail("socketpair");
	child = fork();
	if (child < 0)
		bench_fail("fork");
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		signal(SIGPIPE, SIG_IGN);
		export(mount, pages_bytes(length_bytes), ends[1]);
		exit(0);
	}
	close(ends[1]);
	*exporter = ends[0];
	return child;
}

static void exporter_await(const struct importer *importer)
{
	char byte;

	if (read(importer->exporter, &byte, 1) != 1)
		bench_fail("the exporter");
}

static void exporter_ask(const struct importer *importer, enum step step)
{
	char byte = (char)step;

	if (write(importer->exporter, &byte, 1) != 1)
		bench_fail("the exporter");
	exporter_await(importer);
}

static void measure(const struct importer *importer, const char *name, bool put, bool between, enum step step)
{
	struct times times;

	times_init(&times, importer->count, importer->count / 10);
	for (size_t i = 0; i < importer->count; i++) {
		uint64_t start;

		if (between)
			exporter_ask(importer, step);
		start = now_ns();
		must(put ? rsm_memseg_import_put(importer->segment, 0, importer->memory, importer->length_bytes)
			 : rsm_memseg_import_get(importer->segment, 0, importer->memory, importer->length_bytes), name);
		times_add(&times, now_ns() - start);
	}
	times_print(&times, name);
	times_fini(&times);
}

int main(int count, char **arguments)
{
	struct importer importer;
	rsmapi_barrier_t barrier;
	rsmapi_controller_handle_t controller;
	const rsm_node_id_t exporters_node = 1;
	pid_t child;
	int status;

	if (count != 5)
		bench_fail("usage: transfer MOUNT_A MOUNT_B BYTES COUNT, A of node 1");
	importer.length_bytes = number_of(arguments[3]);
	importer.count = number_of(arguments[4]);
	importer.memory = calloc(1, importer.length_bytes);
	child = exporter_start(arguments[1], importer.length_bytes, &importer.exporter);
	exporter_await(&importer);
	controller = controller_on(arguments[2]);
	must(rsm_memseg_import_connect(controller, exporters_node, segment_id, RSM_PERM_RDWR, &importer.segment), "connect");
	must(rsm_memseg_import_init_barrier(importer.segment, RSM_BAR_DEFAULT, &barrier), "barrier");
	measure(&importer, "put", true, false, STEP_READ);
	measure(&importer, "put-read", true, true, STEP_READ);
	measure(&importer, "get", false, false, STEP_READ);
	measure(&importer, "get-changed", false, true, STEP_STORE);
	must(rsm_memseg_import_disconnect(importer.segment), "disconnect");
	must(rsm_release_controller(controller), "release");
	close(importer.exporter);
	if (waitpid(child, &status, 0) != child || status)
		bench_fail("the exporter");
	return 0;
}
