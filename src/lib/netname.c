/*
 * The network name service on top of the file system: a name is a directory entry of the mount's root, checking in is a
 * rename from .netmem/unnamed, checking out is the rename back, and looking up is opening the directory and asking its
 * status where its home is.
 *
 * What the file system has no place for is the signature. Between users, the owner of an object and the sticky root
 * directory stand in for it; within a process, a table remembers the ports given (signature.h).
 *
 * Mach has names for each host, here they are the cluster's. So that hosts do not rob each other, a name without a
 * signature is replaced only on the node that its object is on.
 */
#include <servers/netname.h>

#include "lib/code.h"
#include "lib/file.h"
#include "lib/mount.h"
#include "lib/name.h"
#include "lib/object.h"
#include "lib/signature.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERVER_NAME "netmemoryserver"

/* How often a check-in starts again because others rename at the same time; then KERN_FAILURE. */
#define CHECK_IN_ATTEMPTS 16

port_t name_server_port = MOUNT_DEFAULT;

/* Check-ins and check-outs of this process, one at a time: the table of signatures and the names change together. */
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;

static int name_copy(const char *text, netname_name_t name)
{
	size_t length = strlen(text);

	if (length == 0 || length >= sizeof(netname_name_t) || strchr(text, '/') || strcmp(text, ".") == 0 ||
	    strcmp(text, "..") == 0 || netmem_text_equal(text, ".netmem"))
		return -EINVAL;
	memcpy(name, text, length + 1);
	return 0;
}

static kern_return_t code_server(int error)
{
	return error == -ENOENT || netmem_code_is_parameter(error) ? netmem_code_set(error, NETNAME_INVALID_PORT)
								   : netmem_code_kern(error);
}

/* A rename that is not permitted: the name or the object is another user's. */
static kern_return_t code_rename(int error)
{
	return error == -EPERM || error == -EACCES ? netmem_code_set(error, NETNAME_NOT_YOURS)
						   : netmem_code_kern(error);
}

/* Who held a name that was taken away. */
struct holder {
	int fd; /* the object's directory */
	ino_t inode;
	char path[MOUNT_UNNAMED_BYTES]; /* where it is now */
};

/* Moves the holder, if it holds `name` under that signature, below .netmem/unnamed. */
static kern_return_t holder_move(int mount, struct holder *holder, const char *name, const struct signature *signature)
{
	struct stat status;
	int error = netmem_file_stat(holder->fd, "", &status);

	if (error)
		return netmem_code_kern(error);
	holder->inode = status.st_ino;
	if (!netmem_signature_holds(mount, holder->inode, signature))
		return netmem_code_set(-EPERM, NETNAME_NOT_YOURS);
	error = netmem_mount_unnamed(mount, holder->path);
	if (error)
		return netmem_code_kern(error);
	error = netmem_object_rename(mount, holder->inode, name, holder->path);
	if (error == -ENOENT)
		return netmem_code_set(error, NETNAME_NOT_CHECKED_IN);
	return error ? code_rename(error) : NETNAME_SUCCESS;
}

/* Whether a check-in on this node may replace the holder, as far as it is about nodes. */
static kern_return_t holder_verify(int mount, const struct holder *holder, const struct signature *signature)
{
	char home[MOUNT_NODE_NAME_BYTES];
	char node[MOUNT_NODE_NAME_BYTES];
	int error;

	if (!netmem_signature_is_null(signature))
		return NETNAME_SUCCESS; /* this process has named it, wherever it is; or holder_move() refuses */
	error = netmem_file_value(holder->fd, "status", "home", home, sizeof home);
	if (!error)
		error = netmem_mount_node(mount, node);
	if (error == -ENOENT || error == -ESTALE)
		return NETNAME_NOT_CHECKED_IN; /* destroyed at this very moment */
	if (!error && strcmp(home, node) != 0)
		error = -EPERM;
	return error ? code_rename(error) : NETNAME_SUCCESS;
}

/*
 * Takes the name from whoever has it, or, with `replace`, from whoever may be replaced. On success holder->fd is open
 * and the caller's to close: an unnamed object ends when its last user goes, so this is its user until the name's fate
 * is settled (and gives one to an object that was never opened, which would not end otherwise).
 */
static kern_return_t holder_unname(int mount, const char *name, const struct signature *signature, bool replace,
				   struct holder *holder)
{
	kern_return_t code = NETNAME_SUCCESS;

	holder->fd = netmem_file_open(mount, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (holder->fd == -ENOENT)
		return netmem_code_set(-ENOENT, NETNAME_NOT_CHECKED_IN);
	if (holder->fd < 0)
		return code_rename(holder->fd);
	if (replace)
		code = holder_verify(mount, holder, signature);
	if (!code)
		code = holder_move(mount, holder, name, signature);
	if (code)
		netmem_file_close(holder->fd);
	return code;
}

/*
 * The name was taken when `from` was to get it. The present holder makes room; should `from` then not get the name for
 * another reason than that a third one was faster, the holder gets it back.
 */
static kern_return_t holder_replace(int mount, ino_t object, const char *from, const char *name,
				    const struct signature *signature)
{
	struct holder holder;
	int error;
	kern_return_t code = holder_unname(mount, name, signature, true, &holder);

	if (code)
		return code;
	error = netmem_object_rename(mount, object, from, name);
	if (error && error != -EEXIST)
		netmem_object_rename(mount, holder.inode, holder.path, name);
	else
		netmem_signature_clear(mount, holder.inode);
	netmem_file_close(holder.fd);
	if (error == -EEXIST)
		return NETNAME_NOT_CHECKED_IN;
	return error ? code_rename(error) : NETNAME_SUCCESS;
}

/* Renames the object, over the holder of the name if that may be replaced. */
static kern_return_t object_name(int mount, ino_t object, const char *from, const char *name,
				 const struct signature *signature, bool replace)
{
	int error = netmem_object_rename(mount, object, from, name);

	if (error == -EEXIST)
		return replace ? holder_replace(mount, object, from, name, signature)
			       : netmem_code_set(error, NETNAME_NOT_YOURS);
	if (error == -ENOENT)
		return NETNAME_NOT_CHECKED_IN;
	return error ? code_rename(error) : NETNAME_SUCCESS;
}

/* One attempt. NETNAME_NOT_CHECKED_IN: others were renaming too, try again. */
static kern_return_t check_in_once(int mount, const char *name, const struct signature *signature, port_t port,
				   bool replace)
{
	char from[OBJECT_PATH_BYTES];
	kern_return_t code;
	bool named;
	ino_t object;
	int error = netmem_object_locate(mount, port, from, &object);

	if (error)
		return netmem_code_is_parameter(error) ? netmem_code_set(error, NETNAME_INVALID_PORT)
						       : netmem_code_kern(error);
	named = strchr(from, '/') == NULL;
	if (named && !netmem_signature_holds(mount, object, signature))
		return netmem_code_set(-EPERM, NETNAME_NOT_YOURS);
	if (strcmp(from, name) == 0)
		return replace ? NETNAME_SUCCESS : netmem_code_set(-EEXIST, NETNAME_NOT_YOURS);
	error = netmem_signature_set(mount, object, name, signature);
	if (error)
		return netmem_code_kern(error);
	code = object_name(mount, object, from, name, signature, replace);
	if (code && !named)
		netmem_signature_clear(mount, object);
	return code;
}

kern_return_t netmem_name_check_in(port_t server, const char *port_name, port_t signature, port_t port_id, bool replace)
{
	struct signature given;
	netname_name_t name;
	kern_return_t code = NETNAME_NOT_CHECKED_IN;
	int attempts;
	int mount;

	if (!port_name || name_copy(port_name, name))
		return netmem_code_set(-EINVAL, KERN_INVALID_ARGUMENT);
	netmem_text_fold(name);
	if (port_id <= 0 || netmem_signature_read(signature, &given))
		return netmem_code_set(-EBADF, NETNAME_INVALID_PORT);
	if (strcmp(name, SERVER_NAME) == 0)
		return netmem_code_set(-EPERM, NETNAME_NOT_YOURS);
	mount = netmem_mount_open(server);
	if (mount < 0)
		return code_server(mount);
	pthread_mutex_lock(&names_lock);
	for (attempts = 0; attempts < CHECK_IN_ATTEMPTS && code == NETNAME_NOT_CHECKED_IN; attempts++)
		code = check_in_once(mount, name, &given, port_id, replace);
	pthread_mutex_unlock(&names_lock);
	netmem_file_close(mount);
	return code == NETNAME_NOT_CHECKED_IN ? netmem_code_set(-EBUSY, KERN_FAILURE) : code;
}

kern_return_t netname_check_in(port_t server, const char *port_name, port_t signature, port_t port_id)
{
	return netmem_name_check_in(server, port_name, signature, port_id, true);
}

kern_return_t netname_check_out(port_t server, const char *port_name, port_t signature)
{
	struct signature given;
	struct holder holder;
	netname_name_t name;
	netname_name_t folded;
	kern_return_t code;
	int mount;

	if (!port_name)
		return netmem_code_set(-EINVAL, KERN_INVALID_ARGUMENT);
	if (netmem_signature_read(signature, &given))
		return netmem_code_set(-EBADF, NETNAME_INVALID_PORT);
	if (name_copy(port_name, name))
		return netmem_code_set(-ENOENT, NETNAME_NOT_CHECKED_IN);
	strcpy(folded, name);
	netmem_text_fold(folded);
	if (strcmp(folded, SERVER_NAME) == 0)
		return netmem_code_set(-EPERM, NETNAME_NOT_YOURS);
	mount = netmem_mount_open(server);
	if (mount < 0)
		return code_server(mount);
	pthread_mutex_lock(&names_lock);
	code = holder_unname(mount, folded, &given, false, &holder);
	if (code == NETNAME_NOT_CHECKED_IN && strcmp(name, folded) != 0)
		code = holder_unname(mount, name, &given, false, &holder);
	if (code == NETNAME_SUCCESS) {
		netmem_signature_clear(mount, holder.inode);
		close(holder.fd);
	}
	pthread_mutex_unlock(&names_lock);
	netmem_file_close(mount);
	return code;
}

/* What a look-up's host name amounts to, in growing order of hope. */
enum host_state { HOST_UNKNOWN, HOST_DOWN, HOST_UP, HOST_SELF, HOST_ANY };

/* "0x7f000001" is the host part of "127.0.0.1:7411". */
static bool host_is_address(const char *host, const char *address)
{
	char text[INET_ADDRSTRLEN];
	struct in_addr number;
	unsigned long value;
	size_t length;
	char *end;

	if (host[0] != '0' || (host[1] != 'x' && host[1] != 'X'))
		return false;
	value = strtoul(host, &end, 16);
	if (*end || end == host + 2 || value > UINT32_MAX)
		return false;
	number.s_addr = htonl((uint32_t)value);
	inet_ntop(AF_INET, &number, text, sizeof text);
	length = strlen(text);
	return strncmp(address, text, length) == 0 && (address[length] == ':' || address[length] == '\0');
}

/*
 * Looks `host` up in the node list, "NUMBER NAME ADDRESS STATE" a line. An address may be that of several nodes;
 * `home`, if not NULL, then counts alone.
 */
static enum host_state nodes_search(char *nodes, const char *host, const char *home)
{
	enum host_state best = HOST_UNKNOWN;
	char *line;

	while ((line = strsep(&nodes, "\n"))) {
		enum host_state state = HOST_UP;
		char name[MOUNT_NODE_NAME_BYTES];
		char address[128];
		char word[16];

		if (sscanf(line, "%*s %63s %127s %15s", name, address, word) != 3)
			continue;
		if (!netmem_text_equal(name, host) && !host_is_address(host, address))
			continue;
		if (home && strcmp(name, home) != 0)
			continue;
		if (strcmp(word, "self") == 0)
			state = HOST_SELF;
		else if (strcmp(word, "down") == 0)
			state = HOST_DOWN;
		if (state > best)
			best = state;
	}
	return best;
}

/* 0 and the state, or a negative errno. */
static int host_search(int mount, const char *host, const char *home, enum host_state *state)
{
	char *nodes;
	int error;

	if (strcmp(host, "*") == 0) {
		*state = HOST_ANY;
		return 0;
	}
	nodes = malloc(FILE_TEXT_BYTES);
	if (!nodes)
		return -ENOMEM;
	error = netmem_file_read(mount, MOUNT_NODES, nodes, FILE_TEXT_BYTES);
	if (!error)
		*state = nodes_search(nodes, host, home);
	free(nodes);
	return error;
}

/* Opens the object called `name`, or `exact` if there is none. A descriptor, -ENOENT or another errno. */
static int object_open(int mount, const char *name, const char *exact)
{
	int fd = netmem_file_open(mount, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

	if (fd == -ENOENT && strcmp(name, exact) != 0)
		fd = netmem_file_open(mount, exact, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	return fd;
}

/* Whether the object's home is where the look-up asks for. 0, -ENOENT: elsewhere, or another errno. */
static int object_verify(int mount, int object, const char *host, enum host_state *state)
{
	char home[MOUNT_NODE_NAME_BYTES];
	int error;

	if (*state == HOST_ANY)
		return 0;
	error = netmem_file_value(object, "status", "home", home, sizeof home);
	if (!error)
		error = host_search(mount, host, home, state);
	return !error && *state == HOST_UNKNOWN ? -ENOENT : error;
}

static bool error_is_silence(int error)
{
	return error == -EIO || error == -ETIMEDOUT || error == -EHOSTDOWN || error == -EHOSTUNREACH ||
	       error == -ECONNRESET;
}

/* `error` of looking for an object on a host in `state`. An own node that does not answer cannot be asking. */
static kern_return_t code_look_up(int error, enum host_state state)
{
	bool missing = error == -ENOENT || error == -ENOTDIR || error == -ESTALE;

	if (state == HOST_SELF && error_is_silence(error))
		missing = true;
	if (missing)
		return netmem_code_set(-ENOENT, state == HOST_ANY ? NETNAME_HOST_NOT_FOUND : NETNAME_NOT_CHECKED_IN);
	if (error_is_silence(error))
		return netmem_code_set(error, NETNAME_HOST_NOT_FOUND);
	return netmem_code_kern(error);
}

/* `host` is not "". */
static kern_return_t look_up(int mount, const char *host, const char *port_name, port_t *port)
{
	netname_name_t exact;
	netname_name_t name;
	enum host_state state;
	int object;
	int error = host_search(mount, host, NULL, &state);

	if (error)
		return netmem_code_kern(error);
	if (state == HOST_UNKNOWN)
		return netmem_code_set(-ENOENT, NETNAME_NO_SUCH_HOST);
	if (state == HOST_DOWN)
		return netmem_code_set(-EHOSTDOWN, NETNAME_HOST_NOT_FOUND);
	if (name_copy(port_name, exact))
		return code_look_up(-ENOENT, state);
	strcpy(name, exact);
	netmem_text_fold(name);
	if (strcmp(name, SERVER_NAME) == 0) {
		if (state < HOST_SELF)
			return code_look_up(-ENOENT, state);
		object = netmem_file_dup(mount);
	} else {
		object = object_open(mount, name, exact);
		error = object < 0 ? 0 : object_verify(mount, object, host, &state);
	}
	if (object < 0)
		return code_look_up(object, state);
	if (error) {
		close(object);
		return code_look_up(error, state);
	}
	*port = object;
	return NETNAME_SUCCESS;
}

kern_return_t netname_look_up(port_t server, const char *host_name, const char *port_name, port_t *port_id)
{
	char node[MOUNT_NODE_NAME_BYTES];
	kern_return_t code;
	int error;
	int mount;

	if (!host_name || !port_name || !port_id)
		return netmem_code_set(-EINVAL, KERN_INVALID_ARGUMENT);
	mount = netmem_mount_open(server);
	if (mount == -ENOENT && netmem_text_equal(port_name, SERVER_NAME))
		return netmem_code_set(mount, NETNAME_NOT_CHECKED_IN);
	if (mount < 0)
		return code_server(mount);
	error = *host_name ? 0 : netmem_mount_node(mount, node);
	code = error ? netmem_code_kern(error) : look_up(mount, *host_name ? host_name : node, port_name, port_id);
	netmem_file_close(mount);
	return code;
}

kern_return_t netname_version(port_t server, netname_name_t version)
{
	int mount;
	int error;

	if (!version)
		return netmem_code_set(-EINVAL, KERN_INVALID_ARGUMENT);
	mount = netmem_mount_open(server);
	if (mount < 0)
		return code_server(mount);
	error = netmem_file_read(mount, MOUNT_VERSION, version, sizeof(netname_name_t));
	netmem_file_close(mount);
	if (!error)
		version[strcspn(version, "\n")] = '\0';
	return netmem_code_kern(error);
}
