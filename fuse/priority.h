/*
 * priority.h: real-time priority for the threads that programs wait for (K10).
 */
#ifndef NETMEM_FUSE_PRIORITY_H
#define NETMEM_FUSE_PRIORITY_H

/* Low among the real-time ones: above every ordinary program, below what the machine itself needs. */
#define PRIORITY_REALTIME 5

/* For the calling thread, not inherited by children. 0 or a negative errno: -EPERM where it is not allowed. */
int priority_raise(void);

#endif
