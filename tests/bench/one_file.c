#include "one_file.h"

#include <errno.h>
#include <string.h>

size_t one_file_bytes;

static const double for_ever_s = 1e6;

static void attr_fill(struct stat *attr, fuse_ino_t ino)
{
	memset(attr, 0, sizeof(*attr));
	attr->st_ino = ino;
	attr->st_nlink = 1;
	attr->st_mode = ino == INO_FILE ? S_IFREG | 0600 : S_IFDIR | 0700;
	attr->st_size = ino == INO_FILE ? (off_t)one_file_bytes : 0;
}

void one_file_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = { .ino = INO_FILE, .attr_timeout = for_ever_s, .entry_timeout = for_ever_s };

	(void)parent;
	if (strcmp(name, "memory")) {
		fuse_reply_err(request, ENOENT);
		return;
	}
	attr_fill(&entry.attr, INO_FILE);
	fuse_reply_entry(request, &entry);
}

void one_file_getattr(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct stat attr;

	(void)info;
	attr_fill(&attr, ino);
	fuse_reply_attr(request, &attr, for_ever_s);
}
