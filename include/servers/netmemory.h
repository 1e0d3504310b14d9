/*
 * servers/netmemory.h: memory shared by programs on different machines. See netmemory(3).
 *
 * The interface is that of the Mach Network Shared Memory Server; here it is a client of the netmemfs file system, and
 * ports are file descriptors (<mach/port.h>). One task creates an object and checks its name in (<servers/netname.h>),
 * or sends its port to other processes of the machine. Each task, the creator too, calls netmemory_cache() with its own
 * node's server, and vm_map() with what that returns. All then see one memory, strictly coherent: a store in one
 * program is what the next load in any other sees, and atomic instructions work between nodes.
 *
 * All functions may be called from any thread at any time; each may wait for other nodes, at most as long as the
 * mount's timeout. After a failure, errno holds the system's own reason. Link with -lnetmemory.
 */
#ifndef NETMEM_SERVERS_NETMEMORY_H
#define NETMEM_SERVERS_NETMEMORY_H

#include <mach/mach.h>
#include <mach_error.h>
#include <servers/netname.h> /* programs written to the old page include this header alone */

#ifdef __cplusplus
extern "C" {
#endif

typedef mach_error_t netmemory_return_t;

/* Besides these, the calls return KERN_NO_ACCESS (file permissions) and KERN_FAILURE (a node or the daemon is gone). */
#define NETMEMORY_SUCCESS 0
#define NETMEMORY_BAD_PARAMETER 0x0800C001
#define NETMEMORY_RESOURCE 0x0800C002
#define NETMEMORY_INVALID_ARGUMENT NETMEMORY_BAD_PARAMETER
#define NETMEMORY_RESOURCE_SHORTAGE NETMEMORY_RESOURCE

/*
 * Makes a netmemory object, without a name, whose home is the node of `netmemory_server`.
 *
 * netmemory_server   from netname_look_up() under the name "netmemoryserver" on host ""
 * object_size        in bytes, not 0; rounded up to a whole page. The memory is zeros; pages never stored to take none
 * netmemory_object   set to a new port to the object, for netmemory_cache() and netname_check_in(). As long as any
 *                    process on any node holds such a port, its memory object or a mapping, an object lives; when none
 *                    does any more, and it has no name, it is gone. A named one stays
 * netmemory_control  set to a new port for netmemory_destroy()
 *
 * The object belongs to the calling user, with the permissions that umask(2) leaves of rwx for all. NETMEMORY_SUCCESS;
 * NETMEMORY_BAD_PARAMETER: size 0, a NULL, or a server that is not a mount's root; NETMEMORY_RESOURCE: more than an
 * object, the node or the process may have.
 */
netmemory_return_t netmemory_create(port_t netmemory_server, vm_size_t object_size, port_t *netmemory_object,
				    port_t *netmemory_control);

/*
 * Sets *memory_object to a new port that vm_map() takes. The port allows storing if the file permissions do, else
 * loading only.
 *
 * netmemory_server   of the caller's own node; `netmemory_object` may come from the mount of another node of the same
 *                    cluster on this machine, but not if it has been destroyed since
 *
 * NETMEMORY_SUCCESS; NETMEMORY_BAD_PARAMETER: a NULL, not a server, or not an object of its cluster;
 * NETMEMORY_RESOURCE.
 */
netmemory_return_t netmemory_cache(port_t netmemory_server, port_t netmemory_object, port_t *memory_object);

/*
 * Destroys the object: its name is gone at once on all nodes, its memory stays for those who have it mapped or open and
 * goes with the last of them. The ports stay open. NETMEMORY_SUCCESS; NETMEMORY_BAD_PARAMETER: not a control port, or
 * the object is destroyed already.
 */
netmemory_return_t netmemory_destroy(port_t netmemory_control);

/*
 * The helper library: the calls above in the usual order.
 *
 * name, host_name  as in <servers/netname.h>. With NULL, netmemory_check_in() makes an unnamed object
 *                  and netmemory_look_up() looks on the own node only
 * size             in bytes, of the object to make or of the part to map, from its start on
 * address          in and out: *address 0 maps anywhere, 1 does not map at all, else maps there and only there. On
 *                  success *address is where the memory is mapped, VM_PROT_DEFAULT and VM_INHERIT_SHARE
 * object, control, memory
 *                  set to new ports, which are the caller's; each may be NULL if it is not wanted
 * control_name     netmemory_look_up() sets *control only if this is not NULL. The text does not matter: a control port
 *                  has no name of its own, it is found with its object
 *
 * They return the code of the call that failed and leave nothing behind then. netmemory_check_in() never replaces: a
 * name that is taken, on any node and under any signature, is NETNAME_NOT_YOURS.
 */
kern_return_t netmemory_check_in(const char *name, vm_size_t size, char **address, port_t *object, port_t *control,
				 port_t *memory, const char *control_name);
kern_return_t netmemory_look_up(const char *name, const char *host_name, vm_size_t size, char **address, port_t *object,
				port_t *control, port_t *memory, const char *control_name);

/*
 * Sets *server to a new port to this node's netmemory server: that of the mount named by NETMEM_MOUNT, else of the
 * first netmemfs in the mount table. KERN_SUCCESS; KERN_FAILURE: there is none.
 */
kern_return_t netmemory_look_up_server(port_t *server);

#ifdef __cplusplus
}
#endif

#endif
