/*
 * rsm_nodes.h: a cluster on this machine for the tests of librsm, and peers: programs on its nodes that do what a test
 * asks of them, one step at a time, so that nothing has to be awaited by sleeping.
 *
 * From the environment: LOCAL_CLUSTER, contrib/local-cluster; NETMEMFS, the daemon; NETMEM_TEST_DIR, an existing
 * directory for the mounts. tests/lib/rsm-run sets them, and clears up after a test that could not do so itself.
 *
 * Where the test itself cannot be made, these functions end the process with status 2 and a line on stderr.
 */
#ifndef NETMEM_TESTS_LIB_RSM_NODES_H
#define NETMEM_TESTS_LIB_RSM_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NODES_MAX 4
#define STEP_ARGUMENTS 6
#define PATIENCE_MS 30000

_Noreturn void test_broken(const char *what);

/*
 * Starts nodes 1 to `count`, which have these numbers in the cluster too, with further options for the daemons, or
 * NULL. This process is on node 1 then.
 */
void nodes_start(int count, const char *options);
void nodes_stop(void);

/* From here on this process is on that node. */
void nodes_use(int node);

/* A path below the node's mount, in a static buffer. */
const char *nodes_path(int node, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* `verb` is kill, pause or resume. */
void nodes_do(const char *verb, int node);

/* Of the node's daemon. */
pid_t nodes_pid(int node);

/* Nanoseconds that all daemons together have run so far. */
uint64_t nodes_busy_ns(void);

/* The value of the line "KEY: VALUE" in a text file below the node's mount, in a static buffer; "" if there is none. */
const char *nodes_value(int node, const char *file, const char *key);

/*
 * What a peer does when asked. It runs in the peer's process, which is another run of this program: it must not use
 * what the test has in its memory, nor assert.
 */
typedef long peer_step(const long arguments[STEP_ARGUMENTS]);

struct peer;

/* Call it first in main(): does not return where the process is to be a peer. */
void peer_main(int argc, char **argv);

struct peer *peer_start(int node);
pid_t peer_pid(const struct peer *peer);

/* Has the step done, and returns what it returned. A peer that does not answer, or dies, ends the test. */
long peer_ask(struct peer *peer, peer_step *step, const long arguments[STEP_ARGUMENTS]);
#define ASK(peer, step, ...) peer_ask(peer, step, (const long[STEP_ARGUMENTS]){ __VA_ARGS__ })

/* The same in two parts, for steps that wait. */
void peer_send(struct peer *peer, peer_step *step, const long arguments[STEP_ARGUMENTS]);
#define SEND(peer, step, ...) peer_send(peer, step, (const long[STEP_ARGUMENTS]){ __VA_ARGS__ })
bool peer_answered(struct peer *peer, int timeout_ms);
long peer_answer(struct peer *peer);

/* SIGKILL; returns when the process is gone. */
void peer_kill(struct peer *peer);

/* Lets it end as a program that returns from main; false if that is not how it ended. */
bool peer_end(struct peer *peer);

/* As the former, for a peer that has ended by itself: its wait status. */
int peer_status(struct peer *peer);

#endif
