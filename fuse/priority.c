#include "fuse/priority.h"

#include <errno.h>
#include <sched.h>

int priority_raise(void)
{
	struct sched_param param = { .sched_priority = PRIORITY_REALTIME };

	return sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param) ? -errno : 0;
}
