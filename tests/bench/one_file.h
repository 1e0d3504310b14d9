/*
 * one_file.h: what the floors' FUSE file systems share: a directory with one file, `memory`, whose size is set before the mount.
 */
#ifndef NETMEM_TESTS_BENCH_ONE_FILE_H
#define NETMEM_TESTS_BENCH_ONE_FILE_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

enum { INO_FILE = 2 };

extern size_t one_file_bytes;

/* The operations of these names. */
void one_file_lookup(fuse_req_t request, fuse_ino_t parent, const char *name);
void one_file_getattr(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *info);

#endif
