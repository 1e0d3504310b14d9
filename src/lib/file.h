/*
 * file.h: descriptors and small text files, as the library needs them. Errors are negative errno. Any thread.
 *
 * Internal names begin with netmem_, because a static library shows them to the program.
 */
#ifndef NETMEM_LIB_FILE_H
#define NETMEM_LIB_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Descriptors handed out are at least this, so that none is PORT_NULL or stands in for a closed standard stream. */
#define FILE_FIRST_FD 3

/* Enough for the longest text file that is read whole, .netmem/nodes; what is longer is cut off. */
#define FILE_TEXT_BYTES 16384

/* As much of a text file as netmem_file_value() looks at. */
#define FILE_VALUES_BYTES 4096

/* openat() with O_CLOEXEC, again after EINTR, the result at least FILE_FIRST_FD. A descriptor or a negative errno. */
int netmem_file_open(int dir, const char *path, int flags);

struct stat;

/* fstatat() of the path itself, or of `dir` where the path is "", again after EINTR. 0 or a negative errno. */
int netmem_file_stat(int dir, const char *path, struct stat *status);

/* A second descriptor of `fd`, as above. */
int netmem_file_dup(int fd);

/* close() that leaves errno alone. */
void netmem_file_close(int fd);

/* The file's contents, NUL-terminated, at most text_bytes with the NUL. 0 or a negative errno. */
int netmem_file_read(int dir, const char *path, char *text, size_t text_bytes);

/*
 * The value of the line "KEY: VALUE" in the file. 0, -ENOENT: no such file, -ENODATA: no such line, or another errno.
 */
int netmem_file_value(int dir, const char *path, const char *key, char *value, size_t value_bytes);

/* What /proc calls the file behind `fd`, for hints only. 0 or a negative errno. */
int netmem_file_path(int fd, char *path, size_t path_bytes);

/* Equal but for A to Z, in any locale. */
bool netmem_text_equal(const char *a, const char *b);

/* Changes A to Z into a to z. */
void netmem_text_fold(char *text);

#endif
