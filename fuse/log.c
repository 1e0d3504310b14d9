#include "fuse/log.h"

#include <fuse_log.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "base/check.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool released;
static bool use_syslog;
static double allowance = LOG_BURST_LINES;
static double allowance_at;
static unsigned long left_out;
static char fuse_line[LOG_LINE_BYTES];

static struct {
	enum log_level level;
	char line[LOG_LINE_BYTES];
} held[LOG_HELD_MAX];
static unsigned held_count;

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error: ",
	[LOG_LEVEL_WARNING] = "warning: ",
	[LOG_LEVEL_INFO] = "",
};
static const int priorities[] = {
	[LOG_LEVEL_ERROR] = LOG_ERR,
	[LOG_LEVEL_WARNING] = LOG_WARNING,
	[LOG_LEVEL_INFO] = LOG_INFO,
};

static double now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void put_line(enum log_level level, const char *line)
{
	if (use_syslog)
		syslog(priorities[level], "%s", line);
	else
		fprintf(stderr, "netmemfs: %s%s\n", level_names[level], line);
}

/* Whether one more line may go out. What comes faster than anybody reads is counted instead. */
static bool take_allowance(void)
{
	double now = now_seconds();

	if (allowance_at > 0)
		allowance += (now - allowance_at) * LOG_LINES_PER_SECOND;
	if (allowance > LOG_BURST_LINES)
		allowance = LOG_BURST_LINES;
	allowance_at = now;
	if (allowance < 1)
		return false;
	allowance -= 1;
	return true;
}

static void hold_line(enum log_level level, const char *line)
{
	if (held_count == LOG_HELD_MAX) {
		left_out++;
		return;
	}
	held[held_count].level = level;
	strcpy(held[held_count].line, line);
	held_count++;
}

static void note_left_out(void)
{
	char note[64];

	if (!left_out)
		return;
	snprintf(note, sizeof(note), "%lu log lines left out", left_out);
	put_line(LOG_LEVEL_WARNING, note);
	left_out = 0;
}

void log_write(enum log_level level, const char *format, ...)
{
	char line[LOG_LINE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);

	pthread_mutex_lock(&lock);
	if (!released) {
		hold_line(level, line);
	} else if (!take_allowance()) {
		left_out++;
	} else {
		note_left_out();
		put_line(level, line);
	}
	pthread_mutex_unlock(&lock);
}

/* Without the lock, which may be held by whoever failed. */
static void report_failure(const char *line)
{
	syslog(LOG_CRIT, "%s", line);
}

void log_release(bool to_syslog)
{
	if (to_syslog) {
		openlog("netmemfs", LOG_PID, LOG_DAEMON);
		check_report_to(report_failure);
	}
	pthread_mutex_lock(&lock);
	use_syslog = to_syslog;
	released = true;
	for (unsigned i = 0; i < held_count; i++)
		put_line(held[i].level, held[i].line);
	held_count = 0;
	note_left_out();
	pthread_mutex_unlock(&lock);
}

static void take_fuse_line(enum fuse_log_level fuse_level, const char *format, va_list args)
{
	char line[LOG_LINE_BYTES];
	const char *text = line;
	enum log_level level = fuse_level <= FUSE_LOG_ERR       ? LOG_LEVEL_ERROR
	                       : fuse_level == FUSE_LOG_WARNING ? LOG_LEVEL_WARNING
	                                                        : LOG_LEVEL_INFO;

	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	if (!strncmp(text, "fuse: ", 6))
		text += 6;
	if (!fuse_line[0])
		strcpy(fuse_line, text);
	log_write(level, "libfuse: %s", text);
}

void log_take_fuse(void)
{
	fuse_set_log_func(take_fuse_line);
}

const char *log_fuse_line(void)
{
	return fuse_line;
}
