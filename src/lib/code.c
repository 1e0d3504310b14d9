#include "lib/code.h"

#include <errno.h>

bool netmem_code_is_resource(int error)
{
	switch (-error) {
	case EAGAIN:
	case EBUSY:
	case EDQUOT:
	case EFBIG:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOSPC:
		return true;
	default:
		return false;
	}
}

bool netmem_code_is_parameter(int error)
{
	switch (-error) {
	case EBADF:
	case EINVAL:
	case EISDIR:
	case ENODEV:
	case ENOENT:
	case ENOTDIR:
	case ESTALE:
		return true;
	default:
		return false;
	}
}

kern_return_t netmem_code_set(int error, kern_return_t code)
{
	errno = -error;
	return code;
}

kern_return_t netmem_code_kern(int error)
{
	if (!error)
		return KERN_SUCCESS;
	errno = -error;
	if (netmem_code_is_resource(error))
		return KERN_RESOURCE_SHORTAGE;
	return error == -EACCES || error == -EPERM || error == -EROFS ? KERN_NO_ACCESS : KERN_FAILURE;
}
