/*
 * priority.h: what the kernel should know about a process that others wait for.
 */
#ifndef NETMEM_FUSE_PRIORITY_H
#define NETMEM_FUSE_PRIORITY_H

/* Low among the real-time ones: above every ordinary program, below what the machine itself needs. */
#define PRIORITY_REALTIME 5

/*
 * Real-time priority for the calling thread, and not for its children, because programs that spin would starve it (K10).
 * 0 or a negative errno: -EPERM where it is not allowed.
 */
int priority_raise(void);

/*
 * Where it is allowed: this process writes back memory of others, so it must not be made to wait for its own work when
 * memory is short; and it keeps memory of others, so it is not the one to be killed for it. Before any thread is made.
 */
void priority_protect(void);

#endif
