/*
 * requests.h: the kernel's requests that wait for the core. Each is answered exactly once: its token is taken from the
 * table when the answer comes, and a token that is not in the table is a CHECK.
 *
 *	FUSE request --request_new()--> NEW --request_send()--> SENT --ACT_REPLY--> done() --request_send()--> SENT ...
 *	                                                                             |
 *	                                                                             +--> answered, request_free()
 */
#ifndef NETMEM_FUSE_REQUESTS_H
#define NETMEM_FUSE_REQUESTS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "fuse/fuse.h"
#include "msg/msg.h"

struct daemon;
struct handle;
struct request;

/* The core's answer: replies to the kernel and frees the request, or sends it again with something else to do. */
typedef void request_done(struct request *request, const struct msg *reply);

struct request {
	struct daemon *daemon;
	fuse_req_t fuse; /* NULL: nobody waits, the daemon asked for itself */
	pid_t pid;
	request_done *done;
	uint64_t token; /* 0 while the core does not have it */
	struct list interrupted; /* in the list of those to look at again */
	uint64_t interrupted_ns; /* when its program got a signal first */
	bool any_signal; /* whatever signal its program gets ends it */

	/* What the operation remembers; each uses what it needs. */
	uint64_t ino;
	uint64_t obj;
	uint64_t cookie;
	struct handle *handle;
	size_t size;
	off_t offset;
	uint64_t dir;
	char name[OBJECT_NAME_BYTES];
};

struct requests;

int requests_new(struct requests **requests, struct daemon *daemon);

/*
 * Requests that the kernel or the daemon still waits for are answered -EIO, also those that come later, without asking
 * the core. Returns how many there were.
 */
size_t requests_fail_all(struct requests *requests);

/* After requests_fail_all(). The memory goes when the timer's handle has closed. */
void requests_free(struct requests *requests);

/* How often a program with a signal is looked at, whether it is dying; only while there are any. */
#define REQUESTS_LOOK_MS 500

/* NULL if there is no memory; the caller answers -ENOMEM then. `fuse` may be NULL. */
struct request *request_new(struct daemon *daemon, fuse_req_t fuse, request_done *done);
void request_free(struct request *request);

/*
 * Hands `msg` to the core. done() may have been called, and the request freed, when this returns. The payload is borrowed
 * for the call; within a done() there must be none.
 */
void request_send(struct request *request, const struct msg *msg);

/* The driver's reply(). An error that the kernel would not take becomes -EIO. */
void requests_reply(struct requests *requests, uint64_t token, const struct msg *reply);

/* Answers with an error, or 0, and frees. `error` is negative. */
void request_answer(struct request *request, int error);

/* Requests of the kernel that are not answered yet. */
size_t requests_waiting(const struct requests *requests);

#endif
