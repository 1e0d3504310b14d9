/*
 * rsm-importer: reads and changes the memory of an rsm-exporter, which runs on any node, and signals it.
 *
 *	rsm-importer NODE SEGMENT_ID     as rsm-exporter printed them
 *
 * On the mount that NETMEM_MOUNT names. Build: cc -o rsm-importer rsm-importer.c -lrsm
 */
#include <rsmapi.h>

#include <stdio.h>
#include <stdlib.h>

static void check(const char *what, int code)
{
	if (code == RSM_SUCCESS)
		return;
	fprintf(stderr, "rsm-importer: %s: error %d of <rsmapi.h>\n", what, code);
	exit(1);
}

/* How many words a get finds to be what the mapping shows. */
static uint32_t words_compare(rsm_memseg_import_handle_t segment, const volatile uint32_t *words, uint32_t count)
{
	uint32_t *copy = calloc(count, sizeof(*copy));
	uint32_t same = 0;
	uint32_t i;

	if (copy == NULL) {
		perror("rsm-importer");
		exit(1);
	}
	check("get", rsm_memseg_import_get(segment, 0, copy, count * sizeof(*copy)));
	for (i = 0; i < count; i++)
		same += copy[i] == words[i];
	free(copy);
	return same;
}

/* Word 1 with a put, word 2 with a store. After this the exporter's node has them. */
static void words_change(rsm_memseg_import_handle_t segment, volatile uint32_t *words, rsmapi_barrier_t *barrier)
{
	uint32_t put = words[1] + 100;

	check("set mode", rsm_memseg_import_set_mode(segment, RSM_BARRIER_MODE_EXPLICIT));
	check("open barrier", rsm_memseg_import_open_barrier(barrier));
	check("put", rsm_memseg_import_put32(segment, sizeof(*words), &put, 1));
	words[2] += 200;
	check("close barrier", rsm_memseg_import_close_barrier(barrier));
}

int main(int argc, char **argv)
{
	rsmapi_controller_handle_t controller;
	rsm_memseg_import_handle_t segment;
	rsmapi_barrier_t barrier;
	rsm_node_id_t node;
	rsm_memseg_id_t id;
	uint32_t count;
	void *words;

	if (argc != 3) {
		fprintf(stderr, "usage: rsm-importer NODE SEGMENT_ID\n");
		return 2;
	}
	node = (rsm_node_id_t)strtoul(argv[1], NULL, 0);
	id = (rsm_memseg_id_t)strtoul(argv[2], NULL, 0);
	check("controller", rsm_get_controller("netmem", &controller));
	check("connect", rsm_memseg_import_connect(controller, node, id, RSM_PERM_RDWR, &segment));
	check("init barrier", rsm_memseg_import_init_barrier(segment, RSM_BAR_DEFAULT, &barrier));
	check("get the number of words", rsm_memseg_import_get32(segment, 0, &count, 1));
	check("map", rsm_memseg_import_map(segment, &words, RSM_MAP_NONE, RSM_PERM_RDWR, 0, count * sizeof(uint32_t)));
	printf("%u words, %u the same through map and get\n", count, words_compare(segment, words, count));
	words_change(segment, words, &barrier);
	check("signal", rsm_intr_signal_post(segment, 0));
	check("unmap", rsm_memseg_import_unmap(segment));
	check("destroy barrier", rsm_memseg_import_destroy_barrier(&barrier));
	check("disconnect", rsm_memseg_import_disconnect(segment));
	check("release", rsm_release_controller(controller));
	return 0;
}
