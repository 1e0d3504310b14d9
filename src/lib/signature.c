#include "lib/signature.h"

#include "lib/file.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

struct holding {
	dev_t mount;
	ino_t object;
	struct signature signature;
	netname_name_t name;
};

static struct holding holdings[SIGNATURES_MAX];
static size_t holdings_count;

bool netmem_signature_is_null(const struct signature *signature)
{
	return signature->device == 0 && signature->inode == 0;
}

static dev_t device_of(int fd)
{
	struct stat status;

	return netmem_file_stat(fd, "", &status) ? 0 : status.st_dev;
}

static struct holding *holding_find(dev_t mount, ino_t object)
{
	size_t i;

	for (i = 0; i < holdings_count; i++)
		if (holdings[i].mount == mount && holdings[i].object == object)
			return &holdings[i];
	return NULL;
}

/* Forgets names below `mount` that have meanwhile gone, or gone to another object. */
static void holdings_sweep(int mount)
{
	dev_t device = device_of(mount);
	struct stat status;
	size_t i = 0;

	while (i < holdings_count) {
		const struct holding *holding = &holdings[i];

		if (holding->mount == device &&
		    (netmem_file_stat(mount, holding->name, &status) || status.st_ino != holding->object))
			holdings[i] = holdings[--holdings_count];
		else
			i++;
	}
}

int netmem_signature_read(port_t port, struct signature *signature)
{
	struct stat status;
	int error;

	memset(signature, 0, sizeof *signature);
	if (port == PORT_NULL)
		return 0;
	if (port < 0)
		return -EBADF;
	error = netmem_file_stat(port, "", &status);
	if (error)
		return error;
	signature->device = status.st_dev;
	signature->inode = status.st_ino;
	return 0;
}

bool netmem_signature_holds(int mount, ino_t object, const struct signature *signature)
{
	const struct holding *holding = holding_find(device_of(mount), object);

	if (!holding)
		return netmem_signature_is_null(signature);
	return holding->signature.device == signature->device && holding->signature.inode == signature->inode;
}

int netmem_signature_set(int mount, ino_t object, const char *name, const struct signature *signature)
{
	struct holding *holding = holding_find(device_of(mount), object);

	if (netmem_signature_is_null(signature)) {
		netmem_signature_clear(mount, object);
		return 0;
	}
	if (!holding && holdings_count == SIGNATURES_MAX)
		holdings_sweep(mount);
	if (!holding) {
		if (holdings_count == SIGNATURES_MAX)
			return -ENOMEM;
		holding = &holdings[holdings_count++];
	}
	holding->mount = device_of(mount);
	holding->object = object;
	holding->signature = *signature;
	strncpy(holding->name, name, sizeof holding->name - 1);
	holding->name[sizeof holding->name - 1] = '\0';
	return 0;
}

void netmem_signature_clear(int mount, ino_t object)
{
	struct holding *holding = holding_find(device_of(mount), object);

	if (holding)
		*holding = holdings[--holdings_count];
}
