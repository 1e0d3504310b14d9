/*
 * fuse.h: libfuse's low-level interface, in the one version that all files are built for.
 */
#ifndef NETMEM_FUSE_FUSE_H
#define NETMEM_FUSE_FUSE_H

#define FUSE_USE_VERSION 312

#include <fuse_lowlevel.h>

#endif
