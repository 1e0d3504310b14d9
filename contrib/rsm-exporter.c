/*
 * rsm-exporter: lets programs on other nodes change its own memory, and prints what they changed.
 *
 *	rsm-exporter [SEGMENT_ID]     an id that it may choose, or 0, the default: the system chooses one
 *
 * Prints the arguments that rsm-importer needs, waits for its signal, and ends. On the mount that NETMEM_MOUNT names.
 * Build: cc -o rsm-exporter rsm-exporter.c -lrsm
 */
#include <rsmapi.h>

#include <stdio.h>
#include <stdlib.h>

#define PAGES 16

static void check(const char *what, int code)
{
	if (code == RSM_SUCCESS)
		return;
	fprintf(stderr, "rsm-exporter: %s: error %d of <rsmapi.h>\n", what, code);
	exit(1);
}

/* Ordinary memory: the number of words, and then each word its own index. */
static uint32_t *words_new(size_t page_bytes, size_t length_bytes)
{
	uint32_t count = (uint32_t)(length_bytes / sizeof(uint32_t));
	uint32_t *words = aligned_alloc(page_bytes, length_bytes);
	uint32_t i;

	if (words == NULL) {
		perror("rsm-exporter");
		exit(1);
	}
	words[0] = count;
	for (i = 1; i < count; i++)
		words[i] = i;
	return words;
}

static void print_changes(const uint32_t *words)
{
	uint32_t i;

	for (i = 1; i < words[0]; i++)
		if (words[i] != i)
			printf("word %u was %u and is %u\n", i, i, words[i]);
}

static void print_address(rsm_memseg_id_t id)
{
	rsm_topology_t *topology;

	check("topology", rsm_get_interconnect_topology(&topology));
	printf("rsm-importer %u 0x%x\n", topology->topology_hdr.local_nodeid, id);
	fflush(stdout);
	rsm_free_interconnect_topology(topology);
}

int main(int argc, char **argv)
{
	rsm_memseg_id_t id = argc > 1 ? (rsm_memseg_id_t)strtoul(argv[1], NULL, 0) : 0;
	rsmapi_controller_handle_t controller;
	rsmapi_controller_attr_t attr;
	rsm_memseg_export_handle_t segment;
	size_t length_bytes;
	uint32_t *words;

	check("controller", rsm_get_controller("netmem", &controller));
	check("attributes", rsm_get_controller_attr(controller, &attr));
	length_bytes = PAGES * attr.attr_page_size;
	words = words_new(attr.attr_page_size, length_bytes);
	check("create", rsm_memseg_export_create(controller, &segment, words, length_bytes, 0));
	check("publish", rsm_memseg_export_publish(segment, &id, NULL, 0));
	print_address(id);
	check("wait", rsm_intr_signal_wait(segment, -1));
	print_changes(words);
	check("destroy", rsm_memseg_export_destroy(segment));
	check("release", rsm_release_controller(controller));
	free(words);
	return 0;
}
