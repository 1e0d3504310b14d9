/*
 * rsmapi.h: remote shared memory. See rsm_memseg_export_create(3RSM), rsm_memseg_import_connect(3RSM) and the pages
 * they name.
 *
 * The interface is that of the Solaris RSMAPI; here it is a client of the netmemfs file system. A program on one node
 * exports a range of its own memory as a segment and publishes it under a number; programs on any node connect to it by
 * node and number, and then map it or copy out of and into it. All see one memory, strictly coherent: what one stores
 * is what the next load of any other sees, and atomic instructions work between nodes. Both sides can signal each
 * other.
 *
 * All functions return RSM_SUCCESS or an RSMERR_ code, and set nothing then that they do not say. Those that are not
 * said to wait for a signal wait for other nodes at most as long as the mount's timeout. All may be called from any
 * thread at any time, but a handle that is given up must not be in use in another thread, nor be used again. None may
 * be called from a signal handler. Sizes, lengths and offsets are in bytes. Link with -lrsm.
 *
 * The library takes two signals for itself and hands on what is not its own: SIGSEGV from the first export segment or
 * connection on, SIGBUS from the first connection on. A program that installs a handler later has to hand on what it
 * does not know itself.
 */
#ifndef NETMEM_RSMAPI_H
#define NETMEM_RSMAPI_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/param.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- what Solaris has and Linux has not --------------------------------------------------------------------------- */

#ifndef MAXNAMELEN
#define MAXNAMELEN 256
#endif

typedef unsigned char uchar_t;
typedef unsigned int uint_t;
typedef unsigned long ulong_t;
typedef long long offset_t;
#ifndef __daddr_t_defined
typedef char *caddr_t;
#endif

/* --- types -------------------------------------------------------------------------------------------------------- */

#define RSM_VERSION 5

typedef uint64_t rsm_addr_t;
typedef uint32_t rsm_node_id_t;    /* a node's number, as in the mount's .netmem/nodes */
typedef uint32_t rsm_memseg_id_t;  /* unique on the exporting node */
typedef uint32_t rsm_permission_t; /* RSM_PERM_*, or octal owner, group and other as for chmod(2) in an access list */

typedef struct rsm_export *rsm_memseg_export_handle_t;
typedef struct rsm_import *rsm_memseg_import_handle_t;
typedef struct rsm_controller *rsmapi_controller_handle_t;
typedef struct rsm_localmemory *rsm_localmemory_handle_t;

#define RSM_PERM_NONE 0
#define RSM_PERM_READ 0400
#define RSM_PERM_WRITE 0200
#define RSM_PERM_RDWR (RSM_PERM_READ | RSM_PERM_WRITE)

/* Bits of how wide an access may be. */
typedef enum {
	RSM_DAS8 = 1,
	RSM_DAS16 = 2,
	RSM_DAS32 = 4,
	RSM_DAS64 = 8
} rsm_access_size_t;

/* How to map: anywhere; at the address given; at the address given, which is mapped already and is replaced. */
typedef enum {
	RSM_MAP_NONE = 0,
	RSM_MAP_FIXED = 1,
	RSM_MAP_RESERVED = 2
} rsm_attribute_t;

/* What a barrier is about. All of them cover all accesses to the segment by the process. */
typedef enum {
	RSM_BARRIER_SEGMENT = 0x01,
	RSM_BARRIER_NODE = 0x02,
	RSM_BARRIER_SEGMENT_THREAD = 0x11,
	RSM_BARRIER_NODE_THREAD = 0x12
} rsm_barrier_type_t;

#define RSM_BAR_DEFAULT RSM_BARRIER_SEGMENT

/* Who opens and closes the barrier around a transfer: the program, or the call that transfers. */
typedef enum {
	RSM_BARRIER_MODE_EXPLICIT = 0,
	RSM_BARRIER_MODE_IMPLICIT = 1
} rsm_barrier_mode_t;

typedef union {
	uint64_t u64;
	int64_t i64;
	uint32_t u32[2];
	int32_t i32[2];
	uint16_t u16[4];
	int16_t i16[4];
	uint8_t u8[8];
	int8_t i8[8];
	uchar_t uc[8];
	char c[8];
	void *vp;
} rsm_barrier_component_t;

typedef struct {
	rsm_barrier_component_t comp[4];
} rsm_barrier_t;

/* The caller's memory; what is in it is the library's. Zero it before rsm_memseg_import_init_barrier(), or not. */
typedef struct {
	void *seg;
	uint16_t gnum;
	void *privdata;
} rsmapi_barrier_t;

typedef struct {
	uint_t attr_direct_access_sizes; /* RSM_DAS* that one load or store can move */
	uint_t attr_atomic_sizes;        /* RSM_DAS* that are moved whole or not at all */
	size_t attr_page_size;           /* of what addresses, lengths and map offsets are multiples */
	size_t attr_max_export_segment_size;
	size_t attr_tot_export_segment_size; /* of all segments of the node together */
	ulong_t attr_max_export_segments;
	size_t attr_max_import_map_size;
	size_t attr_tot_import_map_size;
	ulong_t attr_max_import_segments;
} rsmapi_controller_attr_t;

typedef struct {
	rsm_node_id_t ae_node;
	rsm_permission_t ae_permission; /* octal, owner, group and other: 0 to 0666 */
} rsmapi_access_entry_t;

/* --- scattered transfers ------------------------------------------------------------------------------------------ */

/* rsm_iovec_t.io_type: what `local` is. */
#define RSM_HANDLE_TYPE 0x01
#define RSM_VA_TYPE 0x02

/* Entries in one transfer. */
#define RSM_MAX_SGIOREQS 16

typedef struct {
	int io_type;
	union {
		rsm_localmemory_handle_t handle;
		caddr_t vaddr;
	} local;
	size_t local_offset;  /* from the handle's or the address's start */
	size_t remote_offset; /* in the segment */
	size_t transfer_length;
} rsm_iovec_t;

typedef struct {
	rsm_node_id_t local_nodeid;
	ulong_t io_request_count;  /* entries of iovec, 1 to RSM_MAX_SGIOREQS */
	ulong_t io_residual_count; /* set: entries that were not completed */
	uint_t flags;              /* RSM_IMPLICIT_SIGPOST, RSM_SIGPOST_NO_ACCUMULATE, or-ed */
	rsm_memseg_import_handle_t remote_handle;
	rsm_iovec_t *iovec;
} rsm_scat_gath_t;

/* Post a signal to the exporter when all entries have been transferred. */
#define RSM_IMPLICIT_SIGPOST 0x01
/* Drop the signal where one is pending already. Also for rsm_intr_signal_post(). */
#define RSM_SIGPOST_NO_ACCUMULATE 0x02

/* --- topology ----------------------------------------------------------------------------------------------------- */

/* rsm_remote_cntlr_t.connection_state: the node is up. Another value: it is not. */
#define RSM_CONNECTION_ACTIVE 3

typedef struct {
	rsm_node_id_t local_nodeid; /* of the controller that rsm_get_controller("netmem") gives */
	uint_t local_cntlr_count;
} rsm_topology_hdr_t;

typedef struct {
	char cntlr_name[MAXNAMELEN];
	rsm_addr_t local_hwaddr; /* the node's number */
	int remote_cntlr_count;
} rsm_connections_hdr_t;

typedef struct {
	rsm_node_id_t remote_nodeid;
	char remote_cntlrname[MAXNAMELEN];
	rsm_addr_t remote_hwaddr;
	uint_t connection_state;
} rsm_remote_cntlr_t;

/* hdr.remote_cntlr_count entries. */
typedef struct {
	rsm_connections_hdr_t hdr;
	rsm_remote_cntlr_t remote_cntlr[1];
} rsm_connections_t;

/* topology_hdr.local_cntlr_count entries. */
typedef struct {
	rsm_topology_hdr_t topology_hdr;
	rsm_connections_t *connections[1];
} rsm_topology_t;

/* --- segment ids -------------------------------------------------------------------------------------------------- */

/* A program may choose ids from RSM_HPC_ID_BASE to RSM_USER_APP_ID_BASE - 1. The system assigns those of USER_APP. */
#define RSM_DRIVER_PRIVATE_ID_BASE 0
#define RSM_DRIVER_PRIVATE_ID_END 0x0FFFFF
#define RSM_CLUSTER_TRANSPORT_ID_BASE 0x100000
#define RSM_CLUSTER_TRANSPORT_ID_END 0x1FFFFF
#define RSM_RSMLIB_ID_BASE 0x200000
#define RSM_RSMLIB_ID_END 0x2FFFFF
#define RSM_DLPI_ID_BASE 0x300000
#define RSM_DLPI_ID_END 0x3FFFFF
#define RSM_HPC_ID_BASE 0x400000
#define RSM_HPC_ID_END 0x4FFFFF
#define RSM_OPS_ID_BASE 0x500000
#define RSM_OPS_ID_END 0x5FFFFF
#define RSM_USER_APP_ID_BASE 0x80000000
#define RSM_USER_APP_ID_END 0xFFFFFFFF

/* --- codes -------------------------------------------------------------------------------------------------------- */

#define RSM_SUCCESS 0
#define RSMERR_BAD_LIBRARY_VERSION 1
#define RSMERR_BAD_TOPOLOGY_PTR 2
#define RSMERR_BAD_CTLR_HNDL 3
#define RSMERR_CTLR_NOT_PRESENT 4
#define RSMERR_BAD_SEG_HNDL 5
#define RSMERR_SEG_ALREADY_PUBLISHED 6
#define RSMERR_SEG_NOT_PUBLISHED 7
#define RSMERR_SEG_NOT_PUBLISHED_TO_NODE 8
#define RSMERR_SEG_ALREADY_MAPPED 9
#define RSMERR_SEG_STILL_MAPPED 10
#define RSMERR_SEG_NOT_MAPPED 11
#define RSMERR_NOT_CREATOR 12
#define RSMERR_BAD_BARRIER_PTR 13
#define RSMERR_BAD_SGIO 14
#define RSMERR_BAD_LOCALMEM_HNDL 15
#define RSMERR_BAD_ADDR 16
#define RSMERR_BAD_MEM_ALIGNMENT 17
#define RSMERR_BAD_OFFSET 18
#define RSMERR_MISALIGNED_OFFSET 19
#define RSMERR_BAD_LENGTH 20
#define RSMERR_BAD_ACL 21
#define RSMERR_BAD_SEGID 22
#define RSMERR_RESERVED_SEGID 23
#define RSMERR_SEGID_IN_USE 24
#define RSMERR_BAD_MODE 25
#define RSMERR_BAD_PERMS 26
#define RSMERR_PERM_DENIED 27
#define RSMERR_LOCKS_NOT_SUPPORTED 28
#define RSMERR_LOCKS_NOT_ENABLED 29
#define RSMERR_REBIND_NOT_ALLOWED 30
#define RSMERR_INSUFFICIENT_RESOURCES 31
#define RSMERR_INSUFFICIENT_MEM 32
#define RSMERR_MAP_FAILED 33
#define RSMERR_POLLFD_IN_USE 34
#define RSMERR_BARRIER_UNINITIALIZED 35
#define RSMERR_BARRIER_OPEN_FAILED 36
#define RSMERR_BARRIER_NOT_OPENED 37
#define RSMERR_BARRIER_FAILURE 38
#define RSMERR_REMOTE_NODE_UNREACHABLE 39
#define RSMERR_CONN_ABORTED 40
#define RSMERR_INTERRUPTED 41
#define RSMERR_TIMEOUT 42
#define RSMERR_BAD_APPID 43
#define RSMERR_BAD_CONF 44
#define RSMERR_SEG_NOT_CONNECTED 45
#define RSMERR_INTERNAL_ERROR 100
#define RSMERR_BAD_ARGS_ERRORS 117

/* --- controllers, topology, ids ----------------------------------------------------------------------------------- */

/*
 * Sets *controller to a handle of a mount, to be given up with rsm_release_controller().
 *
 * name  "netmem": the mount that the environment's NETMEM_MOUNT names, else the first netmemfs in the mount table;
 *       "netmem" and a node's number: the mount of that node; "loopback" or NULL: as "netmem", but only for segments of
 *       the own node. Capital letters are as good as small ones. Where NETMEM_MOUNT is set there is no other mount
 *
 * RSMERR_BAD_CTLR_HNDL: `controller` is NULL; RSMERR_CTLR_NOT_PRESENT: there is no such mount, or its daemon is dead;
 * RSMERR_PERM_DENIED, RSMERR_INSUFFICIENT_RESOURCES (descriptors), RSMERR_INSUFFICIENT_MEM.
 */
int rsm_get_controller(char *name, rsmapi_controller_handle_t *controller);

/*
 * Fills in *attr. What may be exported is what the mount's size= option lets the node give, used or not; what may be
 * imported is bounded by the process's addresses and descriptors only. RSMERR_BAD_CTLR_HNDL; RSMERR_BAD_ADDR: `attr` is
 * NULL; RSMERR_CTLR_NOT_PRESENT: the daemon is dead.
 */
int rsm_get_controller_attr(rsmapi_controller_handle_t chdl, rsmapi_controller_attr_t *attr);

/*
 * Gives a handle up. Segments made with it stay. RSMERR_BAD_CTLR_HNDL: not a handle, or given up as often as it was
 * got.
 */
int rsm_release_controller(rsmapi_controller_handle_t controller);

/*
 * Sets *topology to what each mount reaches, a snapshot, to be given up with rsm_free_interconnect_topology(): all
 * other nodes of its cluster, whether they are up or not. RSMERR_BAD_TOPOLOGY_PTR: `topology` is NULL;
 * RSMERR_INSUFFICIENT_MEM, RSMERR_INSUFFICIENT_RESOURCES. Without a mount there are no controllers, which is no error.
 */
int rsm_get_interconnect_topology(rsm_topology_t **topology);

/* `topology` may be NULL. */
void rsm_free_interconnect_topology(rsm_topology_t *topology);

/*
 * Sets *baseid and *length to the range of ids that the administrator has reserved for an application.
 *
 * appid  its name in /etc/rsm/rsm.segmentid, or in the file that the environment's RSM_SEGMENTID_FILE names. That has
 *        lines of the form "reserved APPID BASE LENGTH", BASE hexadecimal and LENGTH decimal; # begins a comment.
 *        Capital and small letters differ
 *
 * RSMERR_BAD_ADDR: an argument is NULL; RSMERR_BAD_CONF: no such file, or a line that is not of that form;
 * RSMERR_BAD_APPID: no line for `appid`.
 */
int rsm_get_segmentid_range(const char *appid, rsm_memseg_id_t *baseid, uint32_t *length);

/* --- export ------------------------------------------------------------------------------------------------------- */

/*
 * Flags of rsm_memseg_export_create(): rsm_memseg_export_rebind() may be called; where memory is short, create and
 * publish say RSMERR_INSUFFICIENT_RESOURCES, they never wait for it; and the memory is for locks, which all memory can
 * hold.
 */
#define RSM_ALLOW_REBIND 0x01
#define RSM_CREATE_SEG_DONTWAIT 0x02
#define RSM_LOCK_OPS 0x04

/*
 * Makes memory of the program a segment, and sets *memseg to its handle.
 *
 * vaddr, length  of the memory, multiples of the page size. It has to be mapped wholly, readable, writable and not
 *                executable, and private (malloc(3) and the like, mmap(2) with MAP_PRIVATE) or System V shared memory;
 *                and not the stack of a thread. Its contents stay. Other threads may load and store all the time and
 *                no store is lost; those that store while the memory is moved wait. They must not have SIGSEGV blocked
 *                then, and a system call that stores into the memory then fails with EFAULT
 * flags          RSM_ALLOW_REBIND, RSM_CREATE_SEG_DONTWAIT, RSM_LOCK_OPS, or-ed
 *
 * The segment lives until rsm_memseg_export_destroy() or the end of the process. System V shared memory is the
 * program's own from then on; what other processes attach is apart. After fork(2) the child has a private copy of the
 * memory, and a handle that is good for nothing (RSMERR_NOT_CREATOR).
 *
 * While it is a segment the program may protect it, unmap or map over parts of it, and move it (mremap(2)), but not
 * during one of these functions. The segment keeps all its contents.
 *
 * In this order: RSMERR_BAD_CTLR_HNDL; RSMERR_BAD_SEG_HNDL: `memseg` is NULL; RSMERR_BAD_ADDR: `vaddr` is NULL;
 * RSMERR_BAD_LENGTH: 0; RSMERR_BAD_MEM_ALIGNMENT; RSMERR_BAD_LENGTH: more than the node gives at all; RSMERR_BAD_ADDR:
 * not such memory; RSMERR_INSUFFICIENT_MEM: the node or the process has no more memory;
 * RSMERR_INSUFFICIENT_RESOURCES: descriptors; RSMERR_PERM_DENIED: the mount cannot be written;
 * RSMERR_REMOTE_NODE_UNREACHABLE: the node that keeps the names does not answer; RSMERR_CTLR_NOT_PRESENT: the daemon is
 * dead.
 */
int rsm_memseg_export_create(rsmapi_controller_handle_t controller, rsm_memseg_export_handle_t *memseg, void *vaddr,
			     size_t length, uint_t flags);

/*
 * Unpublishes the segment, cuts its importers off, and gives the handle up. The memory stays where the program has it,
 * with its contents and its protection, as private memory of the process. What the program has unmapped of it, or put
 * in its place, is let alone. Pages that are lost, because the daemon is dead or somebody has revoked the object, are
 * zeros; all others are kept. RSMERR_BAD_SEG_HNDL; RSMERR_NOT_CREATOR; RSMERR_POLLFD_IN_USE: a pollfd has not been
 * released, or a thread waits for a signal; RSMERR_INSUFFICIENT_RESOURCES: descriptors;
 * RSMERR_INSUFFICIENT_MEM: the process has no memory for the contents, nothing has changed.
 */
int rsm_memseg_export_destroy(rsm_memseg_export_handle_t memseg);

/*
 * Makes other memory the segment. Its contents are what importers see from then on, who stay connected and mapped. The
 * memory that was the segment keeps its contents and its protection, as private memory of the process.
 *
 * vaddr, length  as for rsm_memseg_export_create(), and as long as the segment. The present address changes nothing
 * off            not used
 *
 * In this order: RSMERR_BAD_SEG_HNDL; RSMERR_BAD_ADDR: `vaddr` is NULL; RSMERR_NOT_CREATOR; RSMERR_REBIND_NOT_ALLOWED:
 * made without RSM_ALLOW_REBIND; RSMERR_BAD_ADDR: not aligned; RSMERR_BAD_LENGTH: another length; RSMERR_BAD_ADDR: not
 * memory that can be exported, or part of the segment as it is; RSMERR_INSUFFICIENT_MEM;
 * RSMERR_REMOTE_NODE_UNREACHABLE: the segment's contents are lost, see above.
 */
int rsm_memseg_export_rebind(rsm_memseg_export_handle_t memseg, void *vaddr, offset_t off, size_t length);

/*
 * Lets importers in.
 *
 * segment_id          the id; 0: one is assigned, and *segment_id set to it
 * access_list         who may connect: for each node the permissions that a file would have there, by which the
 *                     importing process's user and groups are judged. The caller owns the file. Copied
 * access_list_length  entries in it; 0: all nodes, with the permissions that umask(2) leaves of 0666
 *
 * In this order: RSMERR_BAD_SEGID: `segment_id` is NULL; RSMERR_BAD_SEG_HNDL; RSMERR_BAD_ACL: a length without a list;
 * RSMERR_NOT_CREATOR; RSMERR_SEG_ALREADY_PUBLISHED; RSMERR_RESERVED_SEGID: an id that programs may not choose;
 * RSMERR_BAD_ACL: a node twice, a permission beyond 0666, more entries than a cluster has nodes, or, with a loopback
 * controller, another entry than one for the own node; RSMERR_SEGID_IN_USE: on this node;
 * RSMERR_REMOTE_NODE_UNREACHABLE: the node that keeps the names does not answer, or the segment is lost.
 */
int rsm_memseg_export_publish(rsm_memseg_export_handle_t memseg, rsm_memseg_id_t *segment_id,
			      rsmapi_access_entry_t access_list[], uint_t access_list_length);

/*
 * Takes the id back and cuts the importers off; what they store from then on is not seen. The segment may be published
 * again. So also while a pollfd is held, and whatever the program has done to the memory. RSMERR_BAD_SEG_HNDL;
 * RSMERR_NOT_CREATOR; RSMERR_SEG_NOT_PUBLISHED; RSMERR_INSUFFICIENT_MEM and RSMERR_INSUFFICIENT_RESOURCES: there is no
 * room for it twice, for a moment; nothing has changed; RSMERR_REMOTE_NODE_UNREACHABLE, as above.
 */
int rsm_memseg_export_unpublish(rsm_memseg_export_handle_t memseg);

/*
 * Gives the segment another access list, for connections to come; those that there are stay. RSMERR_BAD_SEG_HNDL;
 * RSMERR_NOT_CREATOR; RSMERR_SEG_NOT_PUBLISHED; RSMERR_BAD_ACL, as above.
 */
int rsm_memseg_export_republish(rsm_memseg_export_handle_t memseg, rsmapi_access_entry_t access_list[],
				uint_t access_list_length);

/* --- import ------------------------------------------------------------------------------------------------------- */

/*
 * Connects to a segment, and sets *im_memseg to a handle of the connection.
 *
 * node_id     of the exporter, which may be the own node; with a loopback controller it has to be
 * segment_id  under which it is published there
 * perm        what the program wants to do: RSM_PERM_READ, RSM_PERM_WRITE, or both. All of it is granted, or nothing
 *
 * RSMERR_BAD_CTLR_HNDL; RSMERR_BAD_SEG_HNDL: `im_memseg` is NULL; RSMERR_CTLR_NOT_PRESENT: loopback, and another node;
 * RSMERR_PERM_DENIED: not such a permission, or not granted; RSMERR_SEG_NOT_PUBLISHED: no such id there;
 * RSMERR_SEG_NOT_PUBLISHED_TO_NODE: the own node is not on the access list; RSMERR_REMOTE_NODE_UNREACHABLE: no such
 * node, or it does not answer; RSMERR_INTERRUPTED: the segment went meanwhile, try again; RSMERR_INSUFFICIENT_MEM,
 * RSMERR_INSUFFICIENT_RESOURCES.
 */
int rsm_memseg_import_connect(rsmapi_controller_handle_t controller, rsm_node_id_t node_id, rsm_memseg_id_t segment_id,
			      rsm_permission_t perm, rsm_memseg_import_handle_t *im_memseg);

/*
 * Gives the connection and its handle up. RSMERR_BAD_SEG_HNDL; RSMERR_SEG_STILL_MAPPED: unmap it first;
 * RSMERR_POLLFD_IN_USE: a pollfd has not been released.
 */
int rsm_memseg_import_disconnect(rsm_memseg_import_handle_t im_memseg);

/*
 * Maps part of the segment into the program.
 *
 * address  set to where it is; with RSM_MAP_FIXED and RSM_MAP_RESERVED in: where, a multiple of the page size
 * perm     RSM_PERM_READ, RSM_PERM_WRITE, or both, and no more than the connection has
 * offset   of the part in the segment, a multiple of the page size
 * length   of the part
 *
 * If the exporter is gone, or has unpublished the segment, loads and stores go on, to memory that nobody else sees;
 * what tells is RSMERR_CONN_ABORTED from the next rsm_memseg_import_close_barrier(), get or put.
 *
 * RSMERR_BAD_SEG_HNDL; RSMERR_BAD_ADDR: `address` is NULL, or nothing can be mapped there; RSMERR_SEG_NOT_CONNECTED;
 * RSMERR_SEG_ALREADY_MAPPED: a handle has one mapping; RSMERR_BAD_PERMS; RSMERR_BAD_LENGTH: 0, or past the end;
 * RSMERR_BAD_MEM_ALIGNMENT; RSMERR_CONN_ABORTED; RSMERR_INSUFFICIENT_MEM; RSMERR_MAP_FAILED.
 */
int rsm_memseg_import_map(rsm_memseg_import_handle_t im_memseg, void **address, rsm_attribute_t attr,
			  rsm_permission_t perm, off_t offset, size_t length);

/* Also while a pollfd is held. RSMERR_BAD_SEG_HNDL; RSMERR_SEG_NOT_MAPPED. */
int rsm_memseg_import_unmap(rsm_memseg_import_handle_t im_memseg);

/*
 * Copy between the segment and the program's memory. Get reads the segment, put writes it.
 *
 * offset   in the segment; for the sized ones a multiple of the size
 * datap    in the program; a multiple of the size
 * rep_cnt  elements of that size. Each is moved whole, and its bytes are swapped if the exporter's byte order is not
 *          the own one
 * length   of what has no element size, and is moved as it is
 *
 * While a mapping exists only what is mapped may be copied. In the implicit mode a put returns when the exporter has
 * it.
 *
 * In this order: RSMERR_BAD_SEG_HNDL; RSMERR_BAD_ADDR: no data; RSMERR_BAD_MEM_ALIGNMENT: data or offset;
 * RSMERR_PERM_DENIED: not connected for it; RSMERR_BAD_OFFSET: past what is mapped; RSMERR_BAD_LENGTH: past the end;
 * RSMERR_BARRIER_UNINITIALIZED: implicit mode without a barrier; RSMERR_BARRIER_FAILURE: in the implicit mode, the
 * transfer failed; RSMERR_CONN_ABORTED: cut off, what was got is not the segment's. And RSMERR_BAD_ADDR also during the
 * transfer: the data is not memory, or must not be loaded from or stored to; what comes before may have been copied.
 */
int rsm_memseg_import_get8(rsm_memseg_import_handle_t im_memseg, off_t offset, uint8_t *datap, ulong_t rep_cnt);
int rsm_memseg_import_get16(rsm_memseg_import_handle_t im_memseg, off_t offset, uint16_t *datap, ulong_t rep_cnt);
int rsm_memseg_import_get32(rsm_memseg_import_handle_t im_memseg, off_t offset, uint32_t *datap, ulong_t rep_cnt);
int rsm_memseg_import_get64(rsm_memseg_import_handle_t im_memseg, off_t offset, uint64_t *datap, ulong_t rep_cnt);
int rsm_memseg_import_get(rsm_memseg_import_handle_t im_memseg, off_t offset, void *dst_addr, size_t length);
int rsm_memseg_import_put8(rsm_memseg_import_handle_t im_memseg, off_t offset, uint8_t *datap, ulong_t rep_cnt);
int rsm_memseg_import_put16(rsm_memseg_import_handle_t im_memseg, off_t offset, uint16_t *datap, ulong_t rep_cnt);
int rsm_memseg_import_put32(rsm_memseg_import_handle_t im_memseg, off_t offset, uint32_t *datap, ulong_t rep_cnt);
int rsm_memseg_import_put64(rsm_memseg_import_handle_t im_memseg, off_t offset, uint64_t *datap, ulong_t rep_cnt);
int rsm_memseg_import_put(rsm_memseg_import_handle_t im_memseg, off_t offset, void *src_addr, size_t length);

/*
 * As get and put, for each entry in turn; the first that fails ends it. io_residual_count is set to the number of
 * entries that were not completed. RSMERR_BAD_SGIO: NULL, or a count that is not 1 to RSM_MAX_SGIOREQS, or an unknown
 * io_type; RSMERR_BAD_SEG_HNDL: the remote handle; RSMERR_BAD_LOCALMEM_HNDL; RSMERR_BAD_ADDR, RSMERR_BAD_LENGTH: the
 * local side; else as get and put, and as rsm_intr_signal_post() with RSM_IMPLICIT_SIGPOST.
 */
int rsm_memseg_import_getv(rsm_scat_gath_t *sg_io);
int rsm_memseg_import_putv(rsm_scat_gath_t *sg_io);

/*
 * Makes a handle of memory of the program, for the entries of scattered transfers. The memory stays the program's.
 *
 * local_vaddr  a multiple of the page size
 * length       not 0
 *
 * RSMERR_BAD_CTLR_HNDL; RSMERR_BAD_LOCALMEM_HNDL: `local_hndl_p` is NULL; RSMERR_BAD_LENGTH; RSMERR_BAD_ADDR;
 * RSMERR_INSUFFICIENT_MEM.
 */
int rsm_create_localmemory_handle(rsmapi_controller_handle_t cntrl_handle, rsm_localmemory_handle_t *local_hndl_p,
				  caddr_t local_vaddr, size_t length);

/* RSMERR_BAD_CTLR_HNDL; RSMERR_BAD_LOCALMEM_HNDL. */
int rsm_free_localmemory_handle(rsmapi_controller_handle_t cntrl_handle, rsm_localmemory_handle_t local_handle);

/* --- barriers ----------------------------------------------------------------------------------------------------- */

/*
 * Between rsm_memseg_import_open_barrier() and rsm_memseg_import_close_barrier(), errors of loads, stores and, in the
 * explicit mode, transfers are silent; a close that succeeds says that all of them have been completed and that the
 * exporter has what was written. What was written before rsm_memseg_import_order_barrier() is there before what is
 * written after it. In the implicit mode, the default, transfers do all this themselves, as long as the segment has a
 * barrier.
 *
 * RSMERR_BAD_SEG_HNDL; RSMERR_BAD_BARRIER_PTR: `barrier` is NULL; RSMERR_BARRIER_UNINITIALIZED: not initialised, or
 * destroyed; RSMERR_BARRIER_NOT_OPENED: close or order without open; RSMERR_BARRIER_FAILURE: an access failed, or what
 * was written did not arrive; RSMERR_CONN_ABORTED: cut off from the segment, now and for good; RSMERR_INSUFFICIENT_MEM.
 */
int rsm_memseg_import_init_barrier(rsm_memseg_import_handle_t im_memseg, rsm_barrier_type_t type,
				   rsmapi_barrier_t *barrier);
int rsm_memseg_import_open_barrier(rsmapi_barrier_t *barrier);
int rsm_memseg_import_order_barrier(rsmapi_barrier_t *barrier);
int rsm_memseg_import_close_barrier(rsmapi_barrier_t *barrier);
int rsm_memseg_import_destroy_barrier(rsmapi_barrier_t *barrier);

/* RSMERR_BAD_SEG_HNDL; RSMERR_BAD_MODE: `mode` is NULL or neither of the two. */
int rsm_memseg_import_get_mode(rsm_memseg_import_handle_t im_memseg, rsm_barrier_mode_t *mode);
int rsm_memseg_import_set_mode(rsm_memseg_import_handle_t im_memseg, rsm_barrier_mode_t mode);

/* --- signals ------------------------------------------------------------------------------------------------------ */

/*
 * Sends a signal: with an import handle to the exporter, with an export handle to all importers. Signals are counted;
 * each wait that succeeds takes one.
 *
 * memseg  a handle of either kind
 * flags   0, or RSM_SIGPOST_NO_ACCUMULATE
 *
 * RSMERR_BAD_SEG_HNDL; RSMERR_NOT_CREATOR; RSMERR_REMOTE_NODE_UNREACHABLE; RSMERR_CONN_ABORTED: cut off.
 */
int rsm_intr_signal_post(void *memseg, uint_t flags);

/*
 * Waits for a signal, and takes it.
 *
 * timeout  in milliseconds; 0: does not wait; -1: for ever
 *
 * RSMERR_BAD_SEG_HNDL; RSMERR_NOT_CREATOR; RSMERR_TIMEOUT; RSMERR_INTERRUPTED: by a signal of the system;
 * RSMERR_CONN_ABORTED: cut off, and nothing pending is left.
 */
int rsm_intr_signal_wait(void *memseg, int timeout);

/*
 * Waits for the first of several descriptors, as poll(2), and takes a signal from each that rsm_memseg_get_pollfd()
 * gave and that has one. Ordinary descriptors may be among them.
 *
 * numfdsp  set to the number of entries with something in `revents`; may be NULL
 *
 * RSMERR_BAD_ARGS_ERRORS: an argument that poll() does not take; RSMERR_BAD_ADDR: `fds` is not memory; RSMERR_TIMEOUT;
 * RSMERR_INTERRUPTED; RSMERR_INSUFFICIENT_MEM; RSMERR_INSUFFICIENT_RESOURCES.
 */
int rsm_intr_signal_wait_pollfd(struct pollfd fds[], nfds_t nfds, int timeout, int *numfdsp);

/*
 * Sets poll_fd->fd and poll_fd->events for waiting for the segment's signals; the handle stays until each has been
 * released. An export segment need not be published. RSMERR_BAD_SEG_HNDL; RSMERR_BAD_ADDR: `poll_fd` is NULL;
 * RSMERR_NOT_CREATOR.
 */
int rsm_memseg_get_pollfd(void *memseg, struct pollfd *poll_fd);

/* RSMERR_BAD_SEG_HNDL; and also if there is none to release. */
int rsm_memseg_release_pollfd(void *memseg);

#ifdef __cplusplus
}
#endif

#endif
