/*
 * signal.c: the signal files. Each open one is an end at the core, which counts; what is here are the bytes that stand
 * for signals, the lines that stand for requests, and those who poll.
 *
 * The kernel knows it as a stream: a thread that waits in read() does not keep the others from the open file, and each
 * read() and write() begins at 0. Both come in parts where the program's memory crosses a page. A read() that got all
 * that it asked for in one page goes on in the next, which must not wait, because the program has something to get. A
 * text counts when its newline has come, or when the file is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "fuse/ops.h"

/* What is longer is no request. */
#define LINE_BYTES_MAX 64

void signal_opened(struct request *request, const struct msg *reply)
{
	int error = ops_opened(request, reply);

	if (error)
		ops_refuse_open(request, error);
	else
		ops_reply_open(request, FOPEN_DIRECT_IO | FOPEN_NONSEEKABLE | FOPEN_STREAM);
}

/* --- read ----------------------------------------------------------------------------------------------------------- */

static void read_done(struct request *request, const struct msg *reply)
{
	char newlines[PAGE_BYTES];

	if (reply->error) {
		request_answer(request, reply->error);
		return;
	}
	memset(newlines, '\n', reply->count);
	fuse_reply_buf(request->fuse, newlines, reply->count);
	request_free(request);
}

void signal_read(fuse_req_t req, const struct handle *handle, size_t size, off_t offset, int flags)
{
	struct msg msg = {
		.type = REQ_END_READ,
		.cookie = handle->end,
		.count = size < PAGE_BYTES ? (uint32_t)size : PAGE_BYTES,
		.flags = flags & O_NONBLOCK || offset ? END_NONBLOCK : 0,
	};
	struct request *request = ops_request(req, read_done);

	if (!request)
		return;
	request->any_signal = true;
	request_send(request, &msg);
}

/* --- write ---------------------------------------------------------------------------------------------------------- */

/* What the handle's text asks for: 0 and the core's request, or -EINVAL. */
static int parse(const struct handle *handle, struct msg *msg)
{
	static const struct { const char *word; uint32_t flags; } posts[] = {
		{ "all", 0 }, { "owner", POST_OWNER }, { "users", POST_USERS },
	};
	char words[2][8] = { "all", "" };
	char rest[2];
	int count = sscanf(handle->text, "%7s %7s %1s", words[0], words[1], rest);

	if (strlen(handle->text) != handle->text_bytes || count > 2 || (count == 2 && strcmp(words[1], "once")))
		return -EINVAL;
	msg->cookie = handle->end;
	if (count == 1 && !strcmp(words[0], "own")) {
		msg->type = REQ_END_OWN;
		return 0;
	}
	msg->type = REQ_END_POST;
	for (size_t i = 0; i < sizeof(posts) / sizeof(posts[0]); i++) {
		if (strcmp(words[0], posts[i].word))
			continue;
		msg->flags = posts[i].flags | (count == 2 ? POST_ONCE : 0);
		return 0;
	}
	return -EINVAL;
}

/* Takes the text of the handle; done() answers. */
static void send_line(struct request *request, struct handle *handle)
{
	struct msg msg = { .attr.uid = fuse_req_ctx(request->fuse)->uid };
	int error = parse(handle, &msg);

	handle->text_bytes = 0;
	if (error)
		request_answer(request, error);
	else
		request_send(request, &msg);
}

void signal_write(fuse_req_t req, struct handle *handle, const char *bytes, size_t size)
{
	int error = handle->text_bytes + size > LINE_BYTES_MAX ? -EINVAL : handle_add_text(handle, bytes, size);
	struct request *request;

	if (error) {
		handle->text_bytes = 0;
		fuse_reply_err(req, -error);
		return;
	}
	if (bytes[size - 1] != '\n') {
		fuse_reply_write(req, size);
		return;
	}
	request = ops_request(req, ops_reply_written);
	if (!request)
		return;
	request->size = size;
	send_line(request, handle);
}

void signal_flush(fuse_req_t req, struct handle *handle)
{
	struct request *request;

	if (!handle->text_bytes) {
		fuse_reply_err(req, 0);
		return;
	}
	request = ops_request(req, ops_reply_done);
	if (request)
		send_line(request, handle);
}

/* --- poll ----------------------------------------------------------------------------------------------------------- */

static void poll_done(struct request *request, const struct msg *reply)
{
	unsigned events = POLLOUT | POLLWRNORM;

	if (reply->error) {
		request_answer(request, reply->error);
		return;
	}
	if (reply->flags & END_READABLE)
		events |= POLLIN | POLLRDNORM;
	if (reply->flags & END_CUT)
		events |= POLLHUP | POLLERR;
	fuse_reply_poll(request->fuse, events);
	request_free(request);
}

/* The kernel's own handle of an open file never changes, so the first one serves until the file is closed. */
void signal_poll(fuse_req_t req, struct handle *handle, struct fuse_pollhandle *poll)
{
	struct msg msg = { .type = REQ_END_POLL, .cookie = handle->end };
	struct request *request = ops_request(req, poll_done);

	if (poll && handle->poll)
		fuse_pollhandle_destroy(poll);
	else if (poll)
		handle->poll = poll;
	if (request)
		request_send(request, &msg);
}

/* Only a wake-up in the kernel, which waits for nothing: this may be done in the loop's thread. */
void signal_wake(struct daemon *daemon, uint64_t end)
{
	const struct handle *handle = opens_end(daemon->opens, end);

	if (handle && handle->poll)
		fuse_lowlevel_notify_poll(handle->poll);
}
