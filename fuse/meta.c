/*
 * meta.c: .netmem, the texts about this node. The core says what it knows, and the daemon adds what it knows itself.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/notify.h"
#include "fuse/ops.h"
#include "fuse/session.h"
#include "uv/transport.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define METRICS_END "# EOF\n"

/* The core's text, of which the first line stays the first, and metrics end with their mark. */
static void write_status(struct daemon *daemon, FILE *out, const char *text, size_t bytes)
{
	const char *address = transport_address(daemon->transport);
	const char *first_end = memchr(text, '\n', bytes);
	size_t first = first_end ? (size_t)(first_end - text) + 1 : bytes;
	struct notify_counts counts;

	notify_count(daemon->notify, &counts);
	fwrite(text, 1, first, out);
	fprintf(out, "address: %s\n", *address ? address : "none");
	fprintf(out, "mount: %s\n", daemon->options.mountpoint);
	fprintf(out, "priority: %s\n", session_realtime(daemon->session) ? "real-time" : "ordinary");
	fprintf(out, "kernel-barrier: %s\n", session_barrier(daemon->session) ? "on" : "off");
	fprintf(out, "timeout: %g\n", (double)daemon->options.timeout_ms / 1000);
	fwrite(text + first, 1, bytes - first, out);
	fprintf(out, "requests: %" PRIu64 "\n", session_requests(daemon->session));
	fprintf(out, "invalidations: %" PRIu64 "\n", counts.invalidations);
	fprintf(out, "barriers: %" PRIu64 "\n", counts.barriers);
	fprintf(out, "shows: %" PRIu64 "\n", counts.shows);
	fprintf(out, "notifier-failures: %" PRIu64 "\n", counts.failures);
	fprintf(out, "notifier-threads: %u\n", counts.threads);
}

static void write_counter(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, "# TYPE netmemfs_%s counter\nnetmemfs_%s_total %" PRIu64 "\n", name, name, value);
}

static void write_metrics(struct daemon *daemon, FILE *out, const char *text, size_t bytes)
{
	size_t mark = strlen(METRICS_END);
	struct notify_counts counts;

	notify_count(daemon->notify, &counts);
	if (bytes >= mark && !memcmp(text + bytes - mark, METRICS_END, mark))
		bytes -= mark;
	fwrite(text, 1, bytes, out);
	write_counter(out, "requests", session_requests(daemon->session));
	write_counter(out, "invalidations", counts.invalidations);
	write_counter(out, "barriers", counts.barriers);
	write_counter(out, "shows", counts.shows);
	write_counter(out, "notifier_failures", counts.failures);
	fprintf(out, "# TYPE netmemfs_notifier_threads gauge\nnetmemfs_notifier_threads %u\n", counts.threads);
	fputs(METRICS_END, out);
}

/* Takes the snapshot for the handle. 0 or -ENOMEM. */
static int compose(struct daemon *daemon, struct handle *handle, const struct payload *core_text)
{
	const char *text = core_text->length_bytes ? core_text->bytes : "";
	char *all = NULL;
	size_t all_bytes = 0;
	FILE *out = open_memstream(&all, &all_bytes);
	int error = 0;

	if (!out)
		return -ENOMEM;
	if (handle->ino == INODE_STATUS)
		write_status(daemon, out, text, core_text->length_bytes);
	else if (handle->ino == INODE_METRICS)
		write_metrics(daemon, out, text, core_text->length_bytes);
	else
		fwrite(text, 1, core_text->length_bytes, out);
	if (fclose(out))
		error = -ENOMEM;
	if (!error)
		error = handle_set_text(handle, all, all_bytes);
	free(all);
	return error;
}

static void info_done(struct request *request, const struct msg *reply)
{
	int error = reply->error;

	if (!error)
		error = compose(request->daemon, request->handle, &reply->payload);
	if (error)
		ops_refuse_open(request, error);
	else
		ops_reply_open(request, FOPEN_DIRECT_IO);
}

void meta_open(fuse_req_t req, fuse_ino_t ino)
{
	static const char version[] = "netmemfs " PACKAGE_VERSION "\n";
	const char *name = inode_meta_name(ino);
	struct msg msg = { .type = REQ_INFO };
	struct request *request;

	if (!name) {
		fuse_reply_err(req, EISDIR);
		return;
	}
	request = ops_request(req, info_done);
	if (!request)
		return;
	request->handle = handle_new(request->daemon->opens, HANDLE_TEXT, ino, request->pid);
	if (!request->handle) {
		request_answer(request, -ENOMEM);
		return;
	}
	msg.payload = (struct payload){
		.kind = PAYLOAD_BYTES, .length_bytes = (uint32_t)strlen(name), .bytes = name };
	if (ino == INODE_VERSION) {
		struct msg reply = { .type = MSG_REPLY };

		reply.payload = (struct payload){
			.kind = PAYLOAD_BYTES, .length_bytes = (uint32_t)strlen(version), .bytes = version };
		info_done(request, &reply);
		return;
	}
	request_send(request, &msg);
}
