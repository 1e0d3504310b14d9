/*
 * servers/netname.h: names for netmemory objects, known on all nodes. See netname(3).
 *
 * The interface is that of the Mach network name server. Here a name is a directory of the netmemfs file system, so
 * that what a program checks in can be seen with ls, and what mkdir made can be looked up. All functions may be called
 * from any thread at any time; each may wait for other nodes, at most as long as the mount's timeout. After a failure,
 * errno holds the system's own reason. Link with -lnetmemory.
 */
#ifndef NETMEM_SERVERS_NETNAME_H
#define NETMEM_SERVERS_NETNAME_H

#include <mach/boolean.h>
#include <mach/kern_return.h>
#include <mach/mach.h>
#include <mach/port.h>
#include <mach/vm_types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NETNAME_SUCCESS 0
#define NETNAME_PENDING (-1)	    /* never returned */
#define NETNAME_NOT_YOURS 1000	    /* the name is held under another signature, by another user or on another node */
#define NETNAME_NOT_CHECKED_IN 1001 /* no such name on the node asked for */
#define NETNAME_NO_SUCH_HOST 1002   /* no node of that name */
#define NETNAME_HOST_NOT_FOUND 1003 /* the node does not answer; or the name is on no node at all */
#define NETNAME_INVALID_PORT 1004   /* not the name service, or not a port that can be checked in */

/* Names have at most 79 bytes. A to Z count as a to z. */
typedef char netname_name_t[80];

/*
 * The name service: of the mount named by the environment variable NETMEM_MOUNT, or else the first netmemfs in the
 * mount table, looked for anew in each call. Not a descriptor. The calls also take a netmemory server port, a
 * descriptor of a mount's root directory, and then mean that mount.
 */
extern port_t name_server_port;

/*
 * Gives the netmemory object `port_id` the name `port_name`, which stays until it is checked out, taken by another
 * check-in, or removed from the file system. An object has one name: one that it had before is given up.
 *
 * signature  any descriptor with an inode of its own (a file, a pipe, a socket), or PORT_NULL; only who presents it
 *            again can check the name out or take it. Signatures are known in the process that gave them only; for all
 *            others, the user who owns the object holds the name, under PORT_NULL
 *
 * A name held under the same signature is replaced: the object that had it goes on unnamed, until its last user is
 * gone. Names are the whole cluster's, so under PORT_NULL only a name whose object is on the node of `server` is
 * replaced; that of an object on another node is NETNAME_NOT_YOURS. A program that starts again on its node finds its
 * name, and programs on two nodes do not take each other's.
 *
 * NETNAME_SUCCESS, NETNAME_NOT_YOURS (always so for the name "netmemoryserver"), NETNAME_INVALID_PORT (PORT_NULL, not a
 * netmemory object, one that is destroyed, or a signature that is no descriptor), KERN_INVALID_ARGUMENT (a name that is
 * empty, too long, ".", "..", ".netmem" or has a '/'), KERN_RESOURCE_SHORTAGE, KERN_FAILURE.
 */
kern_return_t netname_check_in(port_t server, const char *port_name, port_t signature, port_t port_id);

/*
 * Finds the netmemory object called `port_name` and puts a new port to it in *port_id; or, for "netmemoryserver" with
 * "" or the own node's name as host, the netmemory server of this node.
 *
 * host_name  "": on this node only. "*": on any. Else a node's name (as in .netmem/nodes; A to Z count as a to z), or
 *            "0x" and its IPv4 address in hexadecimal. An object is on the node that created it, whoever checked it in
 *
 * An object made with mkdir under a name with capitals is found by its exact spelling, after one in small letters.
 * NETNAME_SUCCESS, NETNAME_NOT_CHECKED_IN, NETNAME_NO_SUCH_HOST, NETNAME_HOST_NOT_FOUND, NETNAME_INVALID_PORT (server),
 * KERN_NO_ACCESS (the file permissions do not let this user read the object), KERN_INVALID_ARGUMENT (NULL),
 * KERN_RESOURCE_SHORTAGE, KERN_FAILURE.
 */
kern_return_t netname_look_up(port_t server, const char *host_name, const char *port_name, port_t *port_id);

/*
 * Takes the name from its object, which may be on any node and goes on unnamed until its last user is gone.
 * NETNAME_SUCCESS, NETNAME_NOT_CHECKED_IN, NETNAME_NOT_YOURS, NETNAME_INVALID_PORT (server or signature),
 * KERN_INVALID_ARGUMENT (NULL), KERN_RESOURCE_SHORTAGE, KERN_FAILURE.
 */
kern_return_t netname_check_out(port_t server, const char *port_name, port_t signature);

/*
 * Puts the version of the service, NUL-terminated, in `version`. NETNAME_SUCCESS, NETNAME_INVALID_PORT, KERN_FAILURE.
 */
kern_return_t netname_version(port_t server, netname_name_t version);

#ifdef __cplusplus
}
#endif

#endif
