/*
 * options.h: the command line of netmemfs, also as mount(8), mount.fuse3(8) and fstab(5) pass it.
 */
#ifndef NETMEM_FUSE_OPTIONS_H
#define NETMEM_FUSE_OPTIONS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "msg/limits.h"

/* What the kernel's mount gets besides netmemfs' own options, and an answer when there is more: an error. */
#define OPTIONS_KERNEL_BYTES 512

enum options_run { OPTIONS_MOUNT, OPTIONS_HELP, OPTIONS_VERSION };

enum options_barrier { BARRIER_AUTO, BARRIER_ON, BARRIER_OFF };

struct options {
	enum options_run run;
	char source[PATH_MAX]; /* "netmemfs" if none was given */
	char mountpoint[PATH_MAX];
	bool foreground;
	char node[NODE_NAME_BYTES];
	char listen[ADDRESS_BYTES]; /* "": does not listen */
	char join[ADDRESS_BYTES];   /* "": founds a cluster */
	uint64_t size_bytes;
	uint64_t timeout_ms;
	enum options_barrier barrier;
	bool realtime; /* ask for real-time priority */
	unsigned breakage;
	bool allow_other;
	char kernel[OPTIONS_KERNEL_BYTES]; /* comma-separated, for the mount itself */
};

/* 0, or -EINVAL with one line in `why`. Paths are as given; nothing is looked up but the host's name and its memory. */
int options_parse(struct options *options, int argc, char **argv, char *why, size_t why_bytes);

/* To stdout. */
void options_print_help(void);

#endif
