#include <mach_error.h>

#include <servers/netmemory.h>
#include <servers/netname.h>

#include <stdio.h>

const char *mach_error_string(mach_error_t error)
{
	switch (error) {
	case KERN_SUCCESS:
		return "successful";
	case KERN_INVALID_ADDRESS:
		return "invalid address";
	case KERN_PROTECTION_FAILURE:
		return "protection failure";
	case KERN_NO_SPACE:
		return "no space available";
	case KERN_INVALID_ARGUMENT:
		return "invalid argument";
	case KERN_FAILURE:
		return "failure";
	case KERN_RESOURCE_SHORTAGE:
		return "resource shortage";
	case KERN_NO_ACCESS:
		return "no access";
	case NETNAME_PENDING:
		return "name service: pending";
	case NETNAME_NOT_YOURS:
		return "name service: not your name";
	case NETNAME_NOT_CHECKED_IN:
		return "name service: name not checked in";
	case NETNAME_NO_SUCH_HOST:
		return "name service: no such host";
	case NETNAME_HOST_NOT_FOUND:
		return "name service: host or name not found";
	case NETNAME_INVALID_PORT:
		return "name service: invalid port";
	case NETMEMORY_BAD_PARAMETER:
		return "netmemory: bad parameter";
	case NETMEMORY_RESOURCE:
		return "netmemory: resource shortage";
	default:
		return "unknown error";
	}
}

void mach_error(const char *text, mach_error_t error)
{
	fprintf(stderr, "%s: %s\n", text, mach_error_string(error));
}
