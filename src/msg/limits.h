/*
 * limits.h: every bound of netmemfs, in one place. What happens when one is reached is said beside it.
 */
#ifndef NETMEM_MSG_LIMITS_H
#define NETMEM_MSG_LIMITS_H

#define PAGE_SHIFT_BITS 12
#define PAGE_BYTES (1u << PAGE_SHIFT_BITS)

/* Live sessions of a node, itself included. A further node is refused with a message. One bit each in a set. */
#define NODES_MAX 64

/* Node numbers are never used twice in a cluster's life. A join past the last one is refused. */
#define NODE_NUMBER_MAX 65535

/*
 * How long a node that went without saying so stays a member, so that it can come back, and how many of them: past either
 * the one that has been gone longest is no member any more, and the names of its objects go.
 */
#define MEMBER_DEAD_NS UINT64_C(600000000000)
#define MEMBERS_DEAD_MAX 64

/* Names of objects and of nodes, with the NUL. A longer one is ENAMETOOLONG, from a peer it ends the session. */
#define OBJECT_NAME_BYTES 256

/* The file that mkdir makes in each object. */
#define MEMORY_NAME "memory"
#define NODE_NAME_BYTES 64

/* "HOST:PORT" or "unix:PATH", with the NUL. */
#define ADDRESS_BYTES 128

/* Pages in one message, and in one request of a kernel. */
#define MSG_PAGES_MAX 256

/* The largest payload of a message. A frame that announces more ends the session. */
#define MSG_PAYLOAD_BYTES (MSG_PAGES_MAX * PAGE_BYTES)

/* Names of a list, or the text of a status, in one message. */
#define LIST_BYTES (128u << 10)

/* An object's size; more is EFBIG. Page numbers fit in 50 bits. */
#define OBJECT_BYTES_MAX (UINT64_C(1) << 62)

/* Objects that one home keeps; past it, mkdir is ENOSPC. */
#define HOME_OBJECTS_MAX 1000000u

/* Of its memory, a node may use one in so many pages for its books without counting them; objects full of pages need less. */
#define BOOKS_SHARE 16u

/* Local requests under way; past it, a request is answered EAGAIN. With what they bring about. */
#define REQUESTS_MAX 65536u
#define OPS_MAX 262144u

/*
 * A page that is wanted so soon after another node got it goes to and fro. For so long, longer each time, who reads ahead takes
 * nothing away from other nodes then: the one page that is needed is fetched alone.
 */
#define QUIET_NS UINT64_C(10000000)
#define CONTENDED_LEAST 2u /* times QUIET_NS */
#define CONTENDED_MOST 200u

/* A request that a living node does not answer for so many timeouts: the session with it ends, and the request with EIO. */
#define OP_TIMEOUTS 4

/* Objects that a node keeps attributes of, or keeps open, though no program has them open; the longest unused one goes. */
#define HOLDER_UNUSED_MAX 65536u

/* Names that a node keeps; past it, it asks the directory for each list. */
#define HOLDER_NAMES_MAX 262144u

/* How often a node looks for what it waits for too long, and must not keep too long. */
#define LOOKS_PER_TIMEOUT 16

/* Page requests of one node waiting at one home; past it a request is answered EBUSY. */
#define WAITERS_PER_NODE_MAX 131072u

/* A program's write() waits until its home has taken all but twice so many bytes of what the node has put. */
#define PUT_WINDOW_BYTES (2u << 20)

/* Bytes queued for one peer, past which its node is granted no more pages before half of them have gone. */
#define PEER_FULL_BYTES (16u << 20)

/*
 * Bytes queued for one peer, but for what programs of this node have stored. Past it the session ends, because nothing may be
 * dropped in the middle of a stream.
 */
#define PEER_QUEUE_BYTES_MAX (64u << 20)

/* The reason in a MSG_REFUSED and what is written to a control file, with a NUL. More from a peer ends the session. */
#define TEXT_BYTES 1024

/* Attempts to connect at one time; one more fails with EAGAIN. How long each may take, with resolving the name. */
#define CONNECTS_MAX 64
#define CONNECT_TIMEOUT_MS 3000

/*
 * A closed session goes on sending what was queued for its peer as long as the peer takes some of it in each interval, and
 * for no more than so many of them. The rest is dropped.
 */
#define LINGER_MS 500
#define LINGER_INTERVALS_MAX 20u

/* Events raised while another is worked on. Each has one cause in the driver, so more are our own mistake. */
#define RUN_EVENTS_MAX 65536u

/*
 * How long a page stays after its grant before a recall takes it away; each 256th recall in a row that comes within
 * DWELL_QUICK_NS of the grant waits for DWELL_LONG_NS.
 */
#define DWELL_NS UINT64_C(10000)
#define DWELL_LONG_NS UINT64_C(1000000)
#define DWELL_QUICK_NS UINT64_C(100000)

/* How long a file that was replaced stays for programs that have just looked it up. */
#define REPLACED_NS UINT64_C(200000000)

/* How long a write waits, twice, for its page to be dropped before it counts as locked by the write itself. */
#define STALE_NS UINT64_C(1000000)

/* Silence after which a peer counts as dead, and its bounds as a setting. */
#define TIMEOUT_DEFAULT_MS 4000
#define TIMEOUT_MIN_MS 500
#define TIMEOUT_MAX_MS 600000

#endif
