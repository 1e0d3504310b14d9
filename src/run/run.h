/*
 * run.h: carries out what the core decides. One event in, one core step, its actions in order through the driver.
 *
 * A driver's function may raise further events with run_event(); they are queued and stepped after the actions of the
 * present one. One thread at a time.
 */
#ifndef NETMEM_RUN_RUN_H
#define NETMEM_RUN_RUN_H

#include "core/core.h"
#include "store/store.h"

/*
 * What the world outside does for the core. `context` is the one of run_new(). The messages' payloads are plain bytes
 * here (PAYLOAD_STORE is resolved by run), and all that is pointed to is borrowed for the call.
 */
struct run_driver {
	uint64_t (*now_ns)(void *context);
	void (*send)(void *context, uint32_t slot, const struct msg *msg);
	void (*reply)(void *context, uint64_t token, const struct msg *msg);
	void (*invalidate)(void *context, uint64_t token, const struct msg *range);
	void (*show)(void *context, uint64_t token, const struct show *show);
	void (*unshow)(void *context, uint64_t token);
	void (*peek)(void *context, uint64_t token, const struct msg *page);
	void (*wake)(void *context, uint64_t end);
	void (*connect)(void *context, uint64_t token, const char *address);
	void (*close)(void *context, uint32_t slot, const char *why);
	void (*log)(void *context, enum log_level level, const char *text);
	void (*ready)(void *context);
	void (*fatal)(void *context, const char *text);
	void (*left)(void *context);
	/*
	 * Last in each outermost run_event(): when EV_TICK is wanted next, UINT64_MAX for never. The place to send what
	 * has come together.
	 */
	void (*deadline)(void *context, uint64_t deadline_ns);
};

struct run;

/* Takes neither; both must outlive it. `core_config` is copied by the core. 0 or a negative errno. */
int run_new(struct run **run, const struct core_config *config, const struct run_driver *driver, void *context);
void run_free(struct run *run);

/*
 * Steps the core with `event`; run sets its now_ns. The payload is borrowed for the call; when called from within a
 * driver's function, the event must have no payload.
 */
void run_event(struct run *run, const struct event *event);

struct core *run_core(struct run *run);

#endif
