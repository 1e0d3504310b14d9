/* name.h: what netname.c has for the helper library besides the public calls. */
#ifndef NETMEM_LIB_NAME_H
#define NETMEM_LIB_NAME_H

#include <stdbool.h>

#include <servers/netname.h>

/* netname_check_in(); without `replace`, a name that is taken is NETNAME_NOT_YOURS whoever holds it. */
kern_return_t netmem_name_check_in(port_t server, const char *port_name, port_t signature, port_t port_id,
				   bool replace);

#endif
