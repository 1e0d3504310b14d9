/*
 * memory MOUNT BYTES: the floor of bulk. One process serves a FUSE mount with one file of BYTES in its memory, in requests of up to
 * 1 MiB, and nothing more; until it is unmounted. Nothing is kept in the kernel's cache from one open to the next.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "one_file.h"
#include "times.h"

enum { REQUEST_BYTES = 1 << 20 };

static char *bytes_of_file;

static void memory_init(void *userdata, struct fuse_conn_info *connection)
{
	(void)userdata;
	connection->max_write = connection->max_readahead = REQUEST_BYTES;
	connection->want &= ~(unsigned)(FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_SPLICE_READ);
}

static void memory_open(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *info)
{
	(void)ino;
	fuse_reply_open(request, info);
}

static void memory_read(fuse_req_t request, fuse_ino_t ino, size_t length_bytes, off_t offset, struct fuse_file_info *info)
{
	size_t left_bytes = (size_t)offset < one_file_bytes ? one_file_bytes - (size_t)offset : 0;

	(void)ino;
	(void)info;
	fuse_reply_buf(request, bytes_of_file + offset, length_bytes < left_bytes ? length_bytes : left_bytes);
}

static void memory_write(fuse_req_t request, fuse_ino_t ino, const char *bytes, size_t length_bytes, off_t offset,
                         struct fuse_file_info *info)
{
	(void)ino;
	(void)info;
	if ((size_t)offset > one_file_bytes || length_bytes > one_file_bytes - (size_t)offset) {
		fuse_reply_err(request, EFBIG);
		return;
	}
	memcpy(bytes_of_file + offset, bytes, length_bytes);
	fuse_reply_write(request, length_bytes);
}

static void memory_fsync(fuse_req_t request, fuse_ino_t ino, int datasync, struct fuse_file_info *info)
{
	(void)ino;
	(void)datasync;
	(void)info;
	fuse_reply_err(request, 0);
}

static const struct fuse_lowlevel_ops operations = {
	.init = memory_init,
	.lookup = one_file_lookup,
	.getattr = one_file_getattr,
	.open = memory_open,
	.read = memory_read,
	.write = memory_write,
	.fsync = memory_fsync,
};

int main(int count, char **arguments)
{
	static char *words[] = { (char *)"memory", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, words);
	struct fuse_session *session;

	if (count != 3) {
		fprintf(stderr, "usage: memory MOUNT BYTES\n");
		return 2;
	}
	one_file_bytes = number_of(arguments[2]);
	bytes_of_file = mmap(NULL, one_file_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bytes_of_file == MAP_FAILED)
		bench_fail("memory");
	session = fuse_session_new(&args, &operations, sizeof(operations), NULL);
	errno = 0;
	if (!session || fuse_session_mount(session, arguments[1]))
		bench_fail("%s cannot be mounted", arguments[1]);
	fuse_session_loop(session);
	fuse_session_unmount(session);
	fuse_session_destroy(session);
	return 0;
}
