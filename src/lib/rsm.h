/*
 * rsm.h: what the files of librsm share.
 *
 *   rsm_controller.c  controllers: mounts; their attributes
 *   rsm_topology.c    the nodes that a controller reaches
 *   rsm_segmentid.c   ranges of segment ids reserved for applications
 *   rsm_export.c      export segments: create, publish, rebind, destroy; what a fork leaves
 *   rsm_memory.c      the program's memory: into an object, to another one, and back
 *   rsm_maps.c        what is mapped where in the process
 *   rsm_move.c        puts other memory under addresses of the program while its threads go on
 *   rsm_object.c      the object that carries an export segment
 *   rsm_chain.c       signals of the system that are the program's
 *   rsm_import.c      import segments: connect, map, unmap, disconnect
 *   rsm_transfer.c    get and put, also scattered
 *   rsm_copy.c        elements to and from memory of the program, which may not be there
 *   rsm_barrier.c     barriers: when what was stored has arrived, and whether it did
 *   rsm_guard.c       loads and stores of a segment that was cut off
 *   rsm_signal.c      signals between exporter and importers
 */
#ifndef NETMEM_LIB_RSM_H
#define NETMEM_LIB_RSM_H

#include <rsmapi.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* First member of what the opaque handles point to; another value is not a handle of that kind. */
enum rsm_magic {
	RSM_MAGIC_CONTROLLER = 0x52534d43,
	RSM_MAGIC_EXPORT = 0x52534d45,
	RSM_MAGIC_IMPORT = 0x52534d49,
	RSM_MAGIC_DISCONNECTED = 0x52534d44, /* was an import */
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
	/* RSM_MAGIC_EXPORT or RSM_MAGIC_IMPORT; another value once the handle is given up. Changed under the lock. */
	_Atomic enum rsm_magic magic;
	pthread_mutex_t lock;    /* of all that changes; never held while waiting for a signal */
	struct rsm_controller *controller;
	/*
	 * Descriptor of the object's signal file, O_RDWR and O_NONBLOCK; -1: an export that a fork has left in the
	 * child, RSMERR_NOT_CREATOR. What is behind it changes, see rsm_segment_replace_signal().
	 */
	int signal;
	_Atomic int events;      /* epoll descriptor of `signal`; -1 until somebody waits, or wants a pollfd */
	unsigned pollfds;        /* rsm_memseg_get_pollfd() not released */
	unsigned waiters;        /* threads in rsm_intr_signal_wait(); as with pollfds, RSMERR_POLLFD_IN_USE */
	struct rsm_segment *next; /* of all segments of the process, for wait_pollfd */
};

struct rsm_import {
	struct rsm_segment segment;
	rsm_node_id_t node;      /* the exporter's */
	int memory;              /* descriptor */
	int source;              /* another, that get reads from; -1: nothing may be read */
	int watch;               /* epoll descriptor, ready when the import is cut off */
	rsm_permission_t perm;   /* as connected */
	size_t length;           /* of the segment, in bytes */
	bool swapped;            /* the exporter's byte order is not ours */
	rsm_barrier_mode_t mode;
	unsigned serial;         /* of the connection: the handle has had others before */
	unsigned barriers;       /* initialised and not destroyed; the implicit mode wants one */
	char *window;            /* the handle's own mapping of the whole segment; NULL until a sized get or put */
	char *address;           /* the program's mapping; NULL: none */
	size_t mapped_offset;
	size_t mapped_length;
	unsigned users;          /* calls between rsm_import_enter() and rsm_import_leave() */
	pthread_cond_t idle;     /* users is 0 */
	_Atomic bool aborted;    /* cut off; for good */
	_Atomic unsigned failed; /* mappings in whose place the guard has put other memory */
	_Atomic uint16_t faults; /* accesses that failed, and repairs after them; a barrier keeps what it was */
};

/* rsm_controller.c: counts one more segment of a controller. NULL: not a controller, or its handles are released. */
struct rsm_controller *rsm_controller_hold(rsmapi_controller_handle_t handle);
void rsm_controller_release(struct rsm_controller *controller);
/* Whether the node is a member that is up now. */
bool rsm_controller_reaches(const struct rsm_controller *controller, rsm_node_id_t node);

/* A line of .netmem/nodes. */
struct rsm_node {
	rsm_node_id_t number;
	bool self;
	bool up;
};

/* Takes the next line off *text, which is the file or what is left of it. Whether there was one. */
bool rsm_node_next(char **text, struct rsm_node *node);

/* What the controller of that node's mount is called, on all nodes. */
void rsm_controller_name(rsm_node_id_t node, char name[MAXNAMELEN]);

/*
 * What is known of a mount: everything but the counts. `mount` is borrowed. Loopback: no, and the name is that of the
 * node. 0 or a negative errno.
 */
int rsm_controller_describe(int mount, struct rsm_controller *controller);

/* rsm_get_controller_attr() of what is held already. */
int rsm_controller_attributes(const struct rsm_controller *controller, rsmapi_controller_attr_t *attr);

/* rsm_signal.c: segments that programs may wait for; initialised with magic and controller set. */
void rsm_segment_add(struct rsm_segment *segment);
void rsm_segment_remove(struct rsm_segment *segment);
/* Puts that signal file behind the segment's descriptor; what it was before has to stay open meanwhile. */
void rsm_segment_replace_signal(struct rsm_segment *segment, int signal);
/* An epoll descriptor of `fd`, which is ready when `events` have come. A descriptor or a negative errno. */
int rsm_epoll_open(int fd, uint32_t events);
/* The segment behind a handle of either kind, locked. NULL: not one. */
struct rsm_segment *rsm_segment_lock(void *handle);

/* rsm_import.c: the import behind a handle, locked. NULL: not one. */
struct rsm_import *rsm_import_lock(rsm_memseg_import_handle_t handle);
void rsm_import_unlock(struct rsm_import *import);
/* Unlocks it too, but it stays connected until the call to leave. */
void rsm_import_enter(struct rsm_import *import);
void rsm_import_leave(struct rsm_import *import);
/* All of the segment, for the library's own loads and stores. Called with the lock. NULL: it cannot be mapped. */
char *rsm_import_window(struct rsm_import *import);

/* rsm_guard.c: from now on SIGBUS comes to the library first. */
void rsm_guard_watch(void);
/*
 * Faults in the import's mapping, made with that protection and offset, are the guard's from now on, until
 * it is removed, which has to be before it is unmapped. 0 or RSMERR_INSUFFICIENT_MEM.
 */
int rsm_guard_add(struct rsm_import *import, char *address, size_t length, int protection, off_t offset);
void rsm_guard_remove(struct rsm_import *import, const char *address);
/* Maps the segment again wherever the guard has put other memory in its place. */
void rsm_guard_repair(struct rsm_import *import);
/* Whether any of the range is in a mapping of an import. */
bool rsm_guard_overlaps(const char *address, size_t length);

/* rsm_barrier.c: whether the node has told that the import is cut off; for good then. */
bool rsm_import_is_cut_off(struct rsm_import *import);

/* RSM_SUCCESS, RSMERR_CONN_ABORTED, or RSMERR_BARRIER_FAILURE if anything failed since `faults` was read. */
int rsm_import_verdict(struct rsm_import *import, uint16_t faults);

/* rsm_copy.h, rsm_maps.h, rsm_memory.h, rsm_move.h and rsm_object.h: see there. */

/*
 * rsm_chain.c: for a handler of the library, with all signals blocked, that was called for what is not its own.
 * `program` is the action that the handler has replaced; with SA_RESETHAND it is changed as the kernel does. May not return.
 */
void rsm_chain(struct sigaction *program, int number, siginfo_t *info, void *context);

/* rsm_controller.c: RSMERR_* for a negative errno of using files of the mount, where no call says it more exactly. */
int rsm_error(int error);

#endif
