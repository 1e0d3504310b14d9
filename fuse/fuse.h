/*
 * fuse.h: libfuse's low-level interface, in the one version that all files are built for, and the kernel's own words.
 */
#ifndef NETMEM_FUSE_FUSE_H
#define NETMEM_FUSE_FUSE_H

#define FUSE_USE_VERSION 312

#include <fuse_lowlevel.h>
#include <linux/fuse.h>

#endif
