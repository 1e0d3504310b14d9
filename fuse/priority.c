#include "fuse/priority.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

/* Still to be killed before the machine hangs. */
#define OOM_SCORE_ADJUST "-900"

int priority_raise(void)
{
	struct sched_param param = { .sched_priority = PRIORITY_REALTIME };

	return sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param) ? -errno : 0;
}

void priority_protect(void)
{
	int fd;

	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, OOM_SCORE_ADJUST, sizeof(OOM_SCORE_ADJUST) - 1) < 0)
		errno = 0; /* it is for the privileged only */
	close(fd);
}
