/*
 * log.h: what the daemon has to say: to stderr in the foreground, else to syslog. Any thread may log. A burst is cut
 * off, and the lines left out are counted.
 *
 * Until the mount is there, lines are held back: a daemon that cannot start says why in one line, and nothing else.
 */
#ifndef NETMEM_FUSE_LOG_H
#define NETMEM_FUSE_LOG_H

#include "core/core.h"

/* Lines in a burst, and how fast the burst is given back. */
#define LOG_BURST_LINES 200
#define LOG_LINES_PER_SECOND 20

/* Lines held back at the start; more are left out. */
#define LOG_HELD_MAX 64

/* A longer line is cut. */
#define LOG_LINE_BYTES 512

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Lets out what was held back, and all that comes. */
void log_release(bool to_syslog);

/* Takes libfuse's lines in. */
void log_take_fuse(void);

/* The first line that libfuse has said; "" if none. For an error at the start. */
const char *log_fuse_line(void);

#endif
