/*
 * rsm.h: what the files of librsm share.
 *
 *   rsm_controller.c  controllers: mounts; their attributes
 *   rsm_topology.c    the nodes that a controller reaches
 *   rsm_segmentid.c   ranges of segment ids reserved for applications
 *   rsm_export.c      export segments: create, publish, rebind, destroy; what a fork leaves
 *   rsm_move.c        puts other memory under a range of addresses while the program's threads go on
 *   rsm_import.c      import segments: connect, map, unmap, disconnect
 *   rsm_transfer.c    get and put, also scattered
 *   rsm_barrier.c     barriers: when what was stored has arrived, and whether it did
 *   rsm_guard.c       loads and stores of a segment that was cut off
 *   rsm_signal.c      signals between exporter and importers
 */
#ifndef NETMEM_LIB_RSM_H
#define NETMEM_LIB_RSM_H

#include <rsmapi.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* First member of what the opaque handles point to; another value is not a handle of that kind. */
enum rsm_magic {
	RSM_MAGIC_CONTROLLER = 0x52534d43,
	RSM_MAGIC_EXPORT = 0x52534d45,
	RSM_MAGIC_IMPORT = 0x52534d49,
	RSM_MAGIC_LOCALMEMORY = 0x52534d4c
};

struct rsm_controller {
	enum rsm_magic magic;
	bool loopback;
	int mount;               /* a descriptor of the mount's root */
	rsm_node_id_t node;      /* the local one */
	dev_t device;            /* of the mount */
	char name[MAXNAMELEN];
	unsigned handles;        /* given out and not released; under the controllers' lock */
	unsigned references;     /* by segments; under the controllers' lock */
	struct rsm_controller *next;
};

/* The part of a segment that both kinds have: what signals need. */
struct rsm_segment {
	enum rsm_magic magic;    /* RSM_MAGIC_EXPORT or RSM_MAGIC_IMPORT */
	pthread_mutex_t lock;    /* of all that changes; never held while waiting for a signal */
	struct rsm_controller *controller;
	/*
	 * Descriptor of the object's signal file, O_RDWR and O_NONBLOCK; -1: an export that a fork has left in the child,
	 * RSMERR_NOT_CREATOR. An export's number stays while what is behind it changes (unpublish): when poll() says
	 * POLLHUP of it, only a read that fails with EIO means that it is cut off, EAGAIN that it is another one by now.
	 */
	int signal;
	unsigned pollfds;        /* rsm_memseg_get_pollfd() not released */
	struct rsm_segment *next; /* of all segments of the process, for wait_pollfd */
};

struct rsm_import {
	struct rsm_segment segment;
	int memory;              /* descriptor */
	rsm_permission_t perm;   /* as connected */
	size_t length;           /* of the segment, in bytes */
	bool swapped;            /* the exporter's byte order is not ours */
	rsm_barrier_mode_t mode;
	char *window;            /* the handle's own mapping of the whole segment; NULL until a sized get or put */
	char *address;           /* the program's mapping; NULL: none */
	size_t mapped_offset;
	size_t mapped_length;
	_Atomic bool aborted;    /* cut off; for good */
	_Atomic unsigned faults; /* accesses that failed, by the guard */
};

/* rsm_controller.c: counts one more segment of a controller. NULL: not a controller, or its handles are released. */
struct rsm_controller *rsm_controller_hold(rsmapi_controller_handle_t handle);
void rsm_controller_release(struct rsm_controller *controller);
/* Whether the node is a member that is up now. */
bool rsm_controller_reaches(const struct rsm_controller *controller, rsm_node_id_t node);

/* rsm_signal.c: segments that programs may wait for; initialised with magic and controller set. */
void rsm_segment_add(struct rsm_segment *segment);
void rsm_segment_remove(struct rsm_segment *segment);

/* rsm_guard.c: from now on, faults in the range belong to the import. 0 or RSMERR_INSUFFICIENT_MEM. */
int rsm_guard_add(struct rsm_import *import, void *address, size_t length);
void rsm_guard_remove(struct rsm_import *import, void *address);

/* rsm_barrier.c: what closing a barrier finds: RSM_SUCCESS, RSMERR_CONN_ABORTED or RSMERR_BARRIER_FAILURE. */
int rsm_import_complete(struct rsm_import *import, bool wrote, unsigned faults_before);

/* rsm_move.c, see there. */

/* rsm_controller.c: RSMERR_* for a negative errno of using files of the mount, where no call says it more exactly. */
int rsm_error(int error);

#endif
