/* The helper library of netmemory: look up the server, create or look up, cache, map, in one call. */
#include <servers/netmemory.h>
#include <servers/netname.h>

#include "lib/code.h"
#include "lib/file.h"
#include "lib/name.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

/* The value of *address that says not to map. */
#define ADDRESS_UNMAPPED 1

/*
 * The ports of one object while a call is under way, PORT_NULL where there is none; and where it is mapped, if size >
 * 0.
 */
struct ports {
	port_t server;
	port_t object;
	port_t control;
	port_t memory;
	vm_offset_t address;
	vm_size_t size;
};

static void port_close(port_t port)
{
	if (port != PORT_NULL)
		netmem_file_close(port);
}

/* Gives the caller the port if it is wanted. */
static void port_give(port_t port, port_t *wanted)
{
	if (wanted)
		*wanted = port;
	else
		port_close(port);
}

/* Gives up all that a call that failed has got. */
static void ports_drop(const struct ports *ports)
{
	int saved = errno;

	if (ports->size > 0)
		vm_deallocate(task_self(), ports->address, ports->size);
	errno = saved;
	port_close(ports->server);
	port_close(ports->object);
	port_close(ports->control);
	port_close(ports->memory);
}

kern_return_t netmemory_look_up_server(port_t *server)
{
	kern_return_t code = netname_look_up(name_server_port, "", "netmemoryserver", server);

	return code == NETNAME_NOT_CHECKED_IN ? KERN_FAILURE : code;
}

/* Caches the object if its memory is wanted, and maps it unless `address` says not to. */
static kern_return_t object_map(struct ports *ports, vm_size_t size, const char *address, const port_t *memory_wanted)
{
	kern_return_t code;

	ports->address = (vm_offset_t)address;
	if (ports->address == ADDRESS_UNMAPPED && !memory_wanted)
		return KERN_SUCCESS;
	code = netmemory_cache(ports->server, ports->object, &ports->memory);
	if (code || ports->address == ADDRESS_UNMAPPED)
		return code;
	code = vm_map(task_self(), &ports->address, size, 0, ports->address == 0, ports->memory, 0, FALSE,
		      VM_PROT_DEFAULT, VM_PROT_DEFAULT, VM_INHERIT_SHARE);
	if (!code)
		ports->size = size;
	return code;
}

/* The name comes last, so that nobody finds an object that may have to be given up again. */
static kern_return_t object_check_in(struct ports *ports, const char *name, vm_size_t size, const char *address,
				     const port_t *memory_wanted)
{
	kern_return_t code = netmemory_create(ports->server, size, &ports->object, &ports->control);

	if (!code)
		code = object_map(ports, size, address, memory_wanted);
	if (!code && name)
		code = netmem_name_check_in(name_server_port, name, PORT_NULL, ports->object, false);
	return code;
}

kern_return_t netmemory_check_in(const char *name, vm_size_t size, char **address, port_t *object, port_t *control,
				 port_t *memory, const char *control_name)
{
	struct ports ports = { .server = PORT_NULL };
	kern_return_t code;

	(void)control_name;
	if (!address)
		return netmem_code_set(-EINVAL, KERN_INVALID_ARGUMENT);
	code = netmemory_look_up_server(&ports.server);
	if (!code)
		code = object_check_in(&ports, name, size, *address, memory);
	if (code) {
		ports_drop(&ports);
		return code;
	}
	*address = (char *)ports.address;
	port_close(ports.server);
	port_give(ports.object, object);
	port_give(ports.control, control);
	port_give(ports.memory, memory);
	return KERN_SUCCESS;
}

static kern_return_t control_open(struct ports *ports)
{
	int control = netmem_file_open(ports->object, "control", O_WRONLY | O_NOFOLLOW);

	if (control < 0)
		return netmem_code_kern(control);
	ports->control = control;
	return KERN_SUCCESS;
}

kern_return_t netmemory_look_up(const char *name, const char *host_name, vm_size_t size, char **address, port_t *object,
				port_t *control, port_t *memory, const char *control_name)
{
	struct ports ports = { .server = PORT_NULL };
	kern_return_t code;

	if (!name || !address)
		return netmem_code_set(-EINVAL, KERN_INVALID_ARGUMENT);
	code = netmemory_look_up_server(&ports.server);
	if (!code)
		code = netname_look_up(name_server_port, host_name ? host_name : "", name, &ports.object);
	if (!code && control_name && control)
		code = control_open(&ports);
	if (!code)
		code = object_map(&ports, size, *address, memory);
	if (code) {
		ports_drop(&ports);
		return code;
	}
	*address = (char *)ports.address;
	port_close(ports.server);
	port_give(ports.object, object);
	if (control_name && control)
		*control = ports.control;
	port_give(ports.memory, memory);
	return KERN_SUCCESS;
}
