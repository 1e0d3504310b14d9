/*
 * The topology: for each mount, in the order of the mount table, the other nodes of its cluster. It is collected part
 * by part, then laid out in one piece of memory, so that giving it up is one free().
 */
#include "lib/rsm.h"

#include "lib/file.h"
#include "lib/mount.h"

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One controller and what it reaches. */
struct part {
	struct part *next;
	char nodes[FILE_TEXT_BYTES];
	struct rsm_controller controller;
};

static size_t nodes_count(const char *nodes)
{
	size_t lines = 0;

	while ((nodes = strchr(nodes, '\n'))) {
		lines++;
		nodes++;
	}
	return lines;
}

/* As much as a part may need: each line of its nodes may be a node. */
static size_t part_bytes(const struct part *part)
{
	return sizeof(rsm_connections_t) + nodes_count(part->nodes) * sizeof(rsm_remote_cntlr_t);
}

static void part_lay_out(struct part *part, rsm_connections_t *connections)
{
	rsm_remote_cntlr_t *remote = connections->remote_cntlr;
	char *rest = part->nodes;
	struct rsm_node node;

	strcpy(connections->hdr.cntlr_name, part->controller.name);
	connections->hdr.local_hwaddr = part->controller.node;
	while (rsm_node_next(&rest, &node)) {
		if (node.number == part->controller.node)
			continue;
		remote->remote_nodeid = node.number;
		remote->remote_hwaddr = node.number;
		remote->connection_state = node.up ? RSM_CONNECTION_ACTIVE : 0;
		rsm_controller_name(node.number, remote->remote_cntlrname);
		remote++;
	}
	connections->hdr.remote_cntlr_count = (int)(remote - connections->remote_cntlr);
}

/* Zeroes make the rest of each name and entry. NULL: no memory. */
static rsm_topology_t *parts_lay_out(struct part *parts)
{
	size_t count = 0;
	size_t bytes;
	struct part *part;
	rsm_topology_t *topology;
	char *at;

	for (part = parts; part; part = part->next)
		count++;
	bytes = sizeof *topology + count * sizeof *topology->connections;
	for (part = parts; part; part = part->next)
		bytes += part_bytes(part);
	topology = calloc(1, bytes);
	if (!topology)
		return NULL;
	at = (char *)topology + sizeof *topology + count * sizeof *topology->connections;
	topology->topology_hdr.local_nodeid = parts ? parts->controller.node : 0;
	for (part = parts; part; part = part->next) {
		rsm_connections_t **place = topology->connections + topology->topology_hdr.local_cntlr_count++;

		*place = (rsm_connections_t *)(void *)at;
		at += part_bytes(part);
		part_lay_out(part, *place);
	}
	return topology;
}

_Static_assert(sizeof(rsm_topology_t) % alignof(rsm_connections_t) == 0 &&
		       sizeof(rsm_connections_t *) % alignof(rsm_connections_t) == 0,
	       "what follows the topology is aligned");

static bool parts_have(const struct part *parts, rsm_node_id_t node)
{
	while (parts && parts->controller.node != node)
		parts = parts->next;
	return parts;
}

/*
 * Fills in what the mount says. False: it says nothing, because its daemon is dead, or it is another cluster's node of
 * the same number, which no name can mean.
 */
static bool part_read(int mount, const struct part *parts, struct part *part)
{
	return !rsm_controller_describe(mount, &part->controller) && !parts_have(parts, part->controller.node) &&
	       !netmem_file_read(mount, MOUNT_NODES, part->nodes, sizeof part->nodes);
}

static void parts_free(struct part *parts)
{
	while (parts) {
		struct part *next = parts->next;

		free(parts);
		parts = next;
	}
}

/* 0 or an RSMERR_; what was collected until then is in *parts. */
static int parts_collect(struct part **parts)
{
	struct part **end = parts;
	unsigned i;
	int mount;

	for (i = 0; (mount = netmem_mount_open_nth(i)) != -ENOENT; i++) {
		struct part *part;

		if (mount == -EMFILE || mount == -ENFILE || mount == -ENOMEM)
			return rsm_error(mount);
		if (mount < 0)
			continue;
		part = calloc(1, sizeof *part);
		if (part && part_read(mount, *parts, part)) {
			*end = part;
			end = &part->next;
		} else {
			free(part);
		}
		netmem_file_close(mount);
		if (!part)
			return RSMERR_INSUFFICIENT_MEM;
	}
	return RSM_SUCCESS;
}

int rsm_get_interconnect_topology(rsm_topology_t **topology)
{
	struct part *parts = NULL;
	rsm_topology_t *made = NULL;
	int code;

	if (!topology)
		return RSMERR_BAD_TOPOLOGY_PTR;
	code = parts_collect(&parts);
	if (!code && !(made = parts_lay_out(parts)))
		code = RSMERR_INSUFFICIENT_MEM;
	parts_free(parts);
	if (!code)
		*topology = made;
	return code;
}

void rsm_free_interconnect_topology(rsm_topology_t *topology)
{
	free(topology);
}
