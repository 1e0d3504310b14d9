/*
 * daemon.h: what the parts of netmemfs share. One of it in a process; all of it belongs to the loop's thread.
 */
#ifndef NETMEM_FUSE_DAEMON_H
#define NETMEM_FUSE_DAEMON_H

#include <uv.h>

#include "fuse/inode.h"
#include "fuse/options.h"
#include "run/run.h"

struct daemon {
	struct options options;
	uv_loop_t loop;
	struct run *run;
	struct transport *transport;
	struct deadline *deadline;
	struct session *session;
	struct requests *requests;
	struct notify *notify;
	struct owns *owns;
	struct opens *opens;
	struct names *names;
	bool cutting; /* the programs' accesses fail now; only write-backs are still taken */
	struct inode_mount mount; /* owner and time of the fixed inodes */
};

static inline struct core *daemon_core(struct daemon *daemon)
{
	return run_core(daemon->run);
}

#endif
