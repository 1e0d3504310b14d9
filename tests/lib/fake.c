#define _GNU_SOURCE 1
#include "fake.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SELF "Node1"

static char root[64];
static bool broken;

/* A test that cannot even be set up is no finding. */
static void must(bool done, const char *what)
{
	if (done)
		return;
	perror(what);
	exit(2);
}

static void text_write(int dir, const char *path, const char *text)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
	close(fd);
}

static void object_furnish(int dir, const char *name, const char *home)
{
	int object = openat(dir, name, O_RDONLY | O_DIRECTORY);
	char status[128];

	must(object >= 0, name);
	snprintf(status, sizeof status, "id: 1\nhome: %s\nsize: 0\n", home);
	text_write(object, "status", status);
	text_write(object, "control", "");
	text_write(object, "memory", "");
	close(object);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
	static const char unnamed[] = ".netmem/unnamed/";
	int result = (int)syscall(SYS_mkdirat, dir, path, mode);

	if (result == 0 && !broken && strncmp(path, unnamed, sizeof unnamed - 1) == 0)
		object_furnish(dir, path, SELF);
	return result;
}

const char *fake_path(const char *name)
{
	static char path[FAKE_PATH_BYTES];

	snprintf(path, sizeof path, "%s/%s", root, name);
	return path;
}

void fake_make(void)
{
	int dir;

	broken = false;
	strcpy(root, "/tmp/netmemory-fake-XXXXXX");
	must(mkdtemp(root) && chmod(root, 0777) == 0, root);
	dir = open(root, O_RDONLY | O_DIRECTORY);
	must(dir >= 0 && mkdirat(dir, ".netmem", 0777) == 0 && mkdirat(dir, ".netmem/unnamed", 0777) == 0, root);
	text_write(dir, ".netmem/version", "netmemfs 1.2.3\n");
	text_write(dir, ".netmem/status", "node: " SELF "\nnumber: 1\ncluster: 12345\n");
	text_write(dir, ".netmem/nodes",
		   "1 " SELF " 127.0.0.1:7411 self\n2 node2 127.0.0.2:7411 up\n3 node3 127.0.0.3:7411 down\n");
	close(dir);
	setenv("NETMEM_MOUNT", root, 1);
}

static int entry_remove(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

void fake_remove(void)
{
	nftw(root, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

void fake_object(const char *name, const char *home)
{
	int dir = open(root, O_RDONLY | O_DIRECTORY);

	must(dir >= 0 && mkdirat(dir, name, 0777) == 0, name);
	object_furnish(dir, name, home);
	close(dir);
}

const char *fake_text(const char *name)
{
	static char text[4096];
	int fd = open(fake_path(name), O_RDONLY);
	ssize_t length;

	must(fd >= 0, name);
	length = read(fd, text, sizeof text - 1);
	must(length >= 0, name);
	text[length] = '\0';
	close(fd);
	return text;
}

size_t fake_unnamed(void)
{
	DIR *dir = opendir(fake_path(".netmem/unnamed"));
	struct dirent *entry;
	size_t count = 0;

	must(dir != NULL, "unnamed");
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

void fake_break(void)
{
	broken = true;
}
