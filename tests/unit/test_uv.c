/*
 * test_uv.c: goal: messages arrive whole and in order over TCP and Unix sockets, whatever their size and number; each way
 * in which a connection can begin or end is told once; nobody but this machine is listened to; nothing is left over.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "fake_core.h"
#include "run/run.h"
#include "uv/deadline.h"
#include "uv/transport.h"
#include "wire/wire.h"

#define OBJECT UINT64_C(0x10000000001)
#define NODES 2
#define LOG_LINES_MAX 8

/* What the core of a node has seen. */
struct node {
	struct transport *transport;
	struct run *run;
	struct deadline *deadline;
	unsigned connected;
	unsigned disconnected;
	unsigned failed;
	unsigned messages;
	unsigned ticks;
	unsigned full; /* times */
	unsigned room;
	unsigned wrong; /* messages that were not the expected one */
	int error;
	uint32_t slot; /* of the last EV_CONNECTED */
	uint64_t token;
	uint64_t tick_ns;
	bool echo;   /* a message is sent back */
	bool refuse; /* a message is answered REFUSED, and the connection closed */
	const char *connect_to;
	unsigned logged;
	char log[LOG_LINES_MAX][256];
};

static uv_loop_t loop;
static struct node nodes[NODES];
static char directory[32];
static uint8_t payload[MSG_PAYLOAD_BYTES];

/* --- nodes ------------------------------------------------------------------------------------------------------- */

static void fill(uint8_t *bytes, uint32_t length_bytes, uint32_t number)
{
	for (uint32_t i = 0; i < length_bytes; i++)
		bytes[i] = (uint8_t)(number + i * 7 + (i >> 8));
}

/* A message that says what its payload must be: REPLY number req with req's bytes. */
static struct msg numbered(uint32_t number, uint32_t length_bytes)
{
	struct msg msg = { .type = MSG_REPLY, .req = number };

	if (length_bytes > 0) {
		fill(payload, length_bytes, number);
		msg.payload = (struct payload){ PAYLOAD_BYTES, length_bytes, payload };
	}
	return msg;
}

static void check_message(struct node *node, const struct event *event)
{
	static uint8_t expected[MSG_PAYLOAD_BYTES];

	fill(expected, event->msg.payload.length_bytes, event->msg.req);
	node->wrong += (event->msg.type != MSG_REPLY && event->msg.type != MSG_PUT) || event->msg.req != node->messages ||
	               (event->msg.payload.length_bytes > 0 &&
	                memcmp(event->msg.payload.bytes, expected, event->msg.payload.length_bytes) != 0);
	node->messages++;
}

static void on_message(struct core *core, struct node *node, const struct event *event)
{
	struct action *action;

	check_message(node, event);
	if (node->echo) {
		action = fake_action(core, ACT_SEND);
		action->slot = event->slot;
		action->msg = event->msg;
	}
	if (node->refuse) {
		action = fake_action(core, ACT_SEND);
		action->slot = event->slot;
		action->msg = (struct msg){ .type = MSG_REFUSED, .payload = { PAYLOAD_BYTES, 5, "wrong" } };
		action = fake_action(core, ACT_CLOSE);
		action->slot = event->slot;
		action->text = "it is refused";
		/* After the end: must do nothing. */
		action = fake_action(core, ACT_SEND);
		action->slot = event->slot;
		action->msg = event->msg;
	}
}

static void on_step(struct core *core, const struct event *event)
{
	struct node *node = core->context;

	switch (event->type) {
	case EV_START:
		fake_action(core, ACT_CONNECT)->token = 42;
		core->items[0].text = node->connect_to;
		break;
	case EV_CONNECTED:
		node->connected++;
		node->slot = event->slot;
		node->token = event->token;
		break;
	case EV_CONNECT_FAILED:
		node->failed++;
		node->error = event->error;
		node->token = event->token;
		break;
	case EV_DISCONNECTED:
		node->disconnected++;
		node->error = event->error;
		break;
	case EV_FULL:
		node->full++;
		break;
	case EV_ROOM:
		node->room++;
		break;
	case EV_MESSAGE:
		on_message(core, node, event);
		break;
	case EV_TICK:
		node->ticks++;
		node->tick_ns = event->now_ns;
		core->deadline_ns = UINT64_MAX;
		break;
	default:
		ck_abort();
	}
}

static void driver_send(void *context, uint32_t slot, const struct msg *msg)
{
	transport_send(((struct node *)context)->transport, slot, msg);
}

static void driver_connect(void *context, uint64_t token, const char *address)
{
	transport_connect(((struct node *)context)->transport, token, address);
}

static void driver_close(void *context, uint32_t slot, const char *why)
{
	transport_close(((struct node *)context)->transport, slot, why);
}

static void driver_log(void *context, enum log_level level, const char *text)
{
	struct node *node = context;

	if (level != LOG_LEVEL_INFO) {
		snprintf(node->log[node->logged % LOG_LINES_MAX], sizeof(node->log[0]), "%s", text);
		node->logged++;
	}
}

static void driver_deadline(void *context, uint64_t deadline_ns)
{
	struct node *node = context;

	deadline_set(node->deadline, deadline_ns);
	transport_flush(node->transport);
}

static const struct run_driver driver = {
	.now_ns = deadline_now_ns,
	.send = driver_send,
	.connect = driver_connect,
	.close = driver_close,
	.log = driver_log,
	.deadline = driver_deadline,
};

static void setup(void)
{
	struct core_config config = { .store_pages_max = 1 };

	snprintf(directory, sizeof(directory), "/tmp/netmem-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	memset(nodes, 0, sizeof(nodes));
	for (unsigned i = 0; i < NODES; i++) {
		fake_core_set(on_step, &nodes[i]);
		ck_assert_int_eq(transport_new(&nodes[i].transport, &loop, driver_log, &nodes[i]), 0);
		ck_assert_int_eq(run_new(&nodes[i].run, &config, &driver, &nodes[i]), 0);
		ck_assert_int_eq(deadline_new(&nodes[i].deadline, &loop, nodes[i].run), 0);
	}
}

static void node_stop(struct node *node)
{
	transport_free(node->transport);
	deadline_free(node->deadline);
	node->transport = NULL;
	node->deadline = NULL;
}

static void teardown(void)
{
	for (unsigned i = 0; i < NODES; i++)
		node_stop(&nodes[i]);
	ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	for (unsigned i = 0; i < NODES; i++)
		run_free(nodes[i].run);
	ck_assert_int_eq(rmdir(directory), 0);
}

/* The test's timeout is the bound. */
#define RUN_UNTIL(condition)                                                                                           \
	while (!(condition))                                                                                               \
	(void)uv_run(&loop, UV_RUN_ONCE)

static void listen_on(struct node *node, const char *address)
{
	char why[256] = "";

	ck_assert_msg(transport_listen(node->transport, address, why, sizeof(why)) == 0, "%s", why);
	transport_start(node->transport, node->run);
}

static void connect_to(struct node *node, const char *address)
{
	struct event event = { .type = EV_START };

	node->connect_to = address;
	run_event(node->run, &event);
}

/* Node 1 connects to node 0. */
static void pair(const char *address)
{
	listen_on(&nodes[0], address);
	transport_start(nodes[1].transport, nodes[1].run);
	connect_to(&nodes[1], transport_address(nodes[0].transport));
	RUN_UNTIL(nodes[0].connected && nodes[1].connected);
	ck_assert_uint_eq(nodes[1].token, 42);
	ck_assert_uint_eq(nodes[0].token, 0);
	ck_assert_uint_eq(nodes[0].slot, 1);
}

static const char *local_address(void)
{
	static char address[64];

	snprintf(address, sizeof(address), "unix:%s/socket", directory);
	return address;
}

/* --- messages ---------------------------------------------------------------------------------------------------- */

static void exchange(void)
{
	static const uint32_t lengths[] = { 0, 1, 100, PAGE_BYTES, MSG_PAYLOAD_BYTES, 4 * PAGE_BYTES, 0, 3 };

	nodes[0].echo = true;
	for (uint32_t i = 0; i < 200; i++) {
		struct msg msg = numbered(i, lengths[i % 8]);

		transport_send(nodes[1].transport, nodes[1].slot, &msg);
		if (i % 3 == 0)
			transport_flush(nodes[1].transport);
		RUN_UNTIL(i % 5 != 0 || nodes[1].messages >= i);
	}
	transport_flush(nodes[1].transport);
	RUN_UNTIL(nodes[1].messages == 200);
	ck_assert_uint_eq(nodes[0].messages, 200);
	ck_assert_uint_eq(nodes[0].wrong + nodes[1].wrong, 0);
	ck_assert_uint_eq(nodes[0].logged + nodes[1].logged, 0);
}

START_TEST(messages_over_tcp)
{
	pair("127.0.0.1:0");
	ck_assert_int_eq(strncmp(transport_address(nodes[0].transport), "127.0.0.1:", 10), 0);
	ck_assert_str_ne(transport_address(nodes[0].transport), "127.0.0.1:0");
	ck_assert_str_eq(transport_peer(nodes[1].transport, 1), transport_address(nodes[0].transport));
	ck_assert_str_eq(transport_peer(nodes[1].transport, 2), "");
	exchange();
}
END_TEST

START_TEST(messages_over_a_unix_socket)
{
	char expected[256];
	struct stat status;

	pair(local_address());
	snprintf(expected, sizeof(expected), "%s (process %ld)", local_address(), (long)getpid());
	ck_assert_str_eq(transport_peer(nodes[0].transport, 1), expected);
	ck_assert_int_eq(stat(local_address() + 5, &status), 0);
	ck_assert_uint_eq(status.st_mode & 0077, 0);
	exchange();
}
END_TEST

/* Hosts that are not plain numbers: the resolver's work. The first is so on any system; the second is in /etc/hosts. */
static const char *const resolved_hosts[] = { "127.1", "localhost" };

static bool resolves(const char *host)
{
	struct addrinfo *found = NULL;
	int error = getaddrinfo(host, NULL, NULL, &found);

	if (error)
		printf("not tested: %s has no address on this system: %s\n", host, gai_strerror(error));
	else
		freeaddrinfo(found);
	return error == 0;
}

START_TEST(messages_to_a_name)
{
	const char *host = resolved_hosts[_i];
	char address[ADDRESS_BYTES];

	snprintf(address, sizeof(address), "%s:0", host);
	listen_on(&nodes[0], address);
	transport_start(nodes[1].transport, nodes[1].run);
	snprintf(address, sizeof(address), "%s%s", host, strrchr(transport_address(nodes[0].transport), ':'));
	connect_to(&nodes[1], address);
	RUN_UNTIL(nodes[0].connected && nodes[1].connected);
	exchange();
}
END_TEST

/* Far more than the kernel takes at once, without a turn of the loop in between. */
START_TEST(more_than_the_kernel_takes)
{
	pair(_i == 0 ? "127.0.0.1:0" : local_address());
	for (uint32_t i = 0; i < 600; i++) {
		struct msg msg = numbered(i, i % 4 ? MSG_PAYLOAD_BYTES / 8 - i : i);

		transport_send(nodes[1].transport, nodes[1].slot, &msg);
	}
	transport_flush(nodes[1].transport);
	RUN_UNTIL(nodes[0].messages == 600);
	ck_assert_uint_eq(nodes[0].wrong, 0);
	ck_assert_uint_eq(nodes[1].disconnected, 0);
}
END_TEST

/* What was queued before the end still arrives, also what the kernel had not taken. */
START_TEST(closing_sends_the_rest)
{
	pair("127.0.0.1:0");
	for (uint32_t i = 0; i < 40; i++) {
		struct msg msg = numbered(i, MSG_PAYLOAD_BYTES);

		transport_send(nodes[1].transport, nodes[1].slot, &msg);
	}
	if (_i == 0)
		transport_close(nodes[1].transport, nodes[1].slot, "enough");
	else
		node_stop(&nodes[1]);
	RUN_UNTIL(nodes[0].disconnected);
	ck_assert_uint_eq(nodes[0].messages, 40);
	ck_assert_uint_eq(nodes[0].wrong, 0);
	ck_assert_uint_eq(nodes[1].disconnected, _i == 0);
	ck_assert_str_eq(transport_peer(nodes[0].transport, 1), "");
}
END_TEST

/* --- a peer by hand ---------------------------------------------------------------------------------------------- */

static int raw_connect(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_port = htons((uint16_t)atoi(strrchr(transport_address(nodes[0].transport), ':') + 1));
	ck_assert_int_eq(connect(descriptor, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(fcntl(descriptor, F_SETFL, O_NONBLOCK), 0);
	return descriptor;
}

/* Until the other end closes; returns how much came, and -1 if the connection was reset. */
static ssize_t raw_read_to_end(int descriptor, uint8_t *bytes, size_t size_bytes)
{
	ssize_t total = 0;
	ssize_t length;

	for (;;) {
		length = read(descriptor, bytes + total, size_bytes - (size_t)total);
		if (length == 0)
			return total;
		if (length > 0)
			total += length;
		else if (errno != EAGAIN)
			return -1;
		(void)uv_run(&loop, UV_RUN_NOWAIT);
	}
}

static void raw_name(int descriptor, char *name, size_t name_bytes)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	ck_assert_int_eq(getsockname(descriptor, (struct sockaddr *)&address, &length), 0);
	snprintf(name, name_bytes, "127.0.0.1:%u is cut off: ", ntohs(address.sin_port));
}

static void expect_cut_off(const void *bytes, size_t length_bytes, const char *reason)
{
	uint8_t answer[64];
	char name[64];
	int descriptor;

	listen_on(&nodes[0], "127.0.0.1:0");
	descriptor = raw_connect();
	raw_name(descriptor, name, sizeof(name));
	ck_assert_int_eq(write(descriptor, bytes, length_bytes), (ssize_t)length_bytes);
	RUN_UNTIL(nodes[0].disconnected);
	ck_assert_int_le(raw_read_to_end(descriptor, answer, sizeof(answer)), 0);
	close(descriptor);
	ck_assert_uint_eq(nodes[0].logged, 1);
	ck_assert_msg(strncmp(nodes[0].log[0], name, strlen(name)) == 0, "%s", nodes[0].log[0]);
	ck_assert_msg(strcmp(nodes[0].log[0] + strlen(name), reason) == 0, "%s", nodes[0].log[0]);
	ck_assert_uint_eq(nodes[0].connected, 1);
	ck_assert_uint_eq(nodes[0].disconnected, 1);
}

START_TEST(garbage)
{
	expect_cut_off("GET / HTTP/1.1\r\n\r\n", 18, "not the netmemfs protocol");
}
END_TEST

START_TEST(wrong_version)
{
	expect_cut_off("NMEM\2", 6, "another version of the protocol");
}
END_TEST

START_TEST(good_then_bad)
{
	struct msg msg = numbered(0, 0);
	uint8_t frames[3 * WIRE_HEADER_BYTES];

	for (unsigned i = 0; i < 3; i++) {
		msg.req = i;
		wire_encode(&msg, frames + i * WIRE_HEADER_BYTES);
	}
	frames[2 * WIRE_HEADER_BYTES + 11] = 1;
	expect_cut_off(frames, sizeof(frames), "frame over the limit");
	ck_assert_uint_eq(nodes[0].messages, 2);
	ck_assert_uint_eq(nodes[0].wrong, 0);
}
END_TEST

/* The reason arrives, although the other end had sent more than was read; what came after the end is not handed over. */
START_TEST(refused_with_a_reason)
{
	struct msg msg = numbered(0, 0);
	uint8_t frame[WIRE_HEADER_BYTES], answer[512];
	int descriptor;

	listen_on(&nodes[0], "127.0.0.1:0");
	nodes[0].refuse = true;
	descriptor = raw_connect();
	wire_encode(&msg, frame);
	for (unsigned i = 0; i < 50; i++)
		ck_assert_int_eq(write(descriptor, frame, sizeof(frame)), sizeof(frame));
	RUN_UNTIL(nodes[0].disconnected);
	ck_assert_int_eq(write(descriptor, frame, sizeof(frame)), sizeof(frame));
	ck_assert_int_eq(raw_read_to_end(descriptor, answer, sizeof(answer)), WIRE_HEADER_BYTES + 5);
	ck_assert_mem_eq(answer + WIRE_HEADER_BYTES, "wrong", 5);
	close(descriptor);
	ck_assert_uint_eq(nodes[0].messages, 1);
	ck_assert_uint_eq(nodes[0].disconnected, 1);
}
END_TEST

/* It reads nothing: past the bound of the queue the session ends, with one line. */
START_TEST(takes_nothing)
{
	struct msg msg = numbered(0, MSG_PAYLOAD_BYTES);
	uint64_t sent_bytes = 0;
	int descriptor;

	listen_on(&nodes[0], "127.0.0.1:0");
	descriptor = raw_connect();
	RUN_UNTIL(nodes[0].connected);
	while (!nodes[0].disconnected) {
		transport_send(nodes[0].transport, 1, &msg);
		transport_flush(nodes[0].transport);
		sent_bytes += MSG_PAYLOAD_BYTES;
		ck_assert_uint_lt(sent_bytes, PEER_QUEUE_BYTES_MAX + (64u << 20));
	}
	ck_assert_uint_ge(sent_bytes, PEER_QUEUE_BYTES_MAX);
	ck_assert_uint_eq(nodes[0].full, 1);
	ck_assert_uint_eq(nodes[0].logged, 1);
	ck_assert_ptr_nonnull(strstr(nodes[0].log[0], "it takes nothing"));
	close(descriptor);
}
END_TEST

/* What programs have stored waits for a peer that takes nothing for a while, however much it is; and what else is said, too. */
START_TEST(stores_wait)
{
	unsigned count = PEER_QUEUE_BYTES_MAX / MSG_PAYLOAD_BYTES + 32;

	pair("127.0.0.1:0");
	for (unsigned i = 0; i < count; i++) {
		struct msg msg = numbered(i, i % 16 ? MSG_PAYLOAD_BYTES : 5);

		if (i % 16) {
			msg.type = MSG_PUT;
			msg.obj = (UINT64_C(1) << OBJECT_COUNT_BITS) + 1;
		}
		transport_send(nodes[1].transport, nodes[1].slot, &msg);
		transport_flush(nodes[1].transport);
	}
	ck_assert_uint_eq(nodes[1].full, 1);
	ck_assert_uint_eq(nodes[1].room, 0);
	RUN_UNTIL(nodes[0].messages == count && nodes[1].room);
	ck_assert_uint_eq(nodes[0].wrong, 0);
	ck_assert_uint_eq(nodes[1].full, 1);
	ck_assert_uint_eq(nodes[0].logged + nodes[1].logged, 0);
}
END_TEST

START_TEST(slots_are_bounded)
{
	int descriptors[NODES_MAX];
	uint8_t answer[8];
	int extra[2];

	listen_on(&nodes[0], "127.0.0.1:0");
	for (unsigned i = 1; i < NODES_MAX; i++)
		descriptors[i] = raw_connect();
	RUN_UNTIL(nodes[0].connected == NODES_MAX - 1);
	for (unsigned i = 0; i < 2; i++) {
		extra[i] = raw_connect();
		ck_assert_int_eq(raw_read_to_end(extra[i], answer, sizeof(answer)), 0);
		close(extra[i]);
	}
	ck_assert_uint_eq(nodes[0].logged, 1);
	ck_assert_uint_eq(nodes[0].connected, NODES_MAX - 1);
	close(descriptors[7]);
	RUN_UNTIL(nodes[0].disconnected);
	descriptors[7] = raw_connect();
	RUN_UNTIL(nodes[0].connected == NODES_MAX);
	for (unsigned i = 1; i < NODES_MAX; i++)
		close(descriptors[i]);
	RUN_UNTIL(nodes[0].disconnected == NODES_MAX);
	ck_assert_uint_eq(nodes[0].logged, 1);
}
END_TEST

/* Each of as many connections as there can be is sent to, the last one too; and nobody else. */
START_TEST(all_slots_are_flushed)
{
	struct msg msg = numbered(0, 3);
	uint8_t answer[WIRE_HEADER_BYTES + 3];
	int descriptors[NODES_MAX];

	listen_on(&nodes[0], "127.0.0.1:0");
	for (unsigned i = 1; i < NODES_MAX; i++)
		descriptors[i] = raw_connect();
	RUN_UNTIL(nodes[0].connected == NODES_MAX - 1);
	for (uint32_t slot = NODES_MAX - 1; slot > SLOT_SELF; slot--)
		transport_send(nodes[0].transport, slot, &msg);
	/* One that is gone by then is passed over. */
	transport_close(nodes[0].transport, 7, NULL);
	transport_flush(nodes[0].transport);
	for (unsigned i = 1; i < NODES_MAX; i++)
		ck_assert_int_eq(recv(descriptors[i], answer, sizeof(answer), MSG_WAITALL), (ssize_t)sizeof(answer));
	for (unsigned i = 1; i < NODES_MAX; i++)
		close(descriptors[i]);
	RUN_UNTIL(nodes[0].disconnected == NODES_MAX - 1);
	ck_assert_uint_eq(nodes[0].logged, 0);
}
END_TEST

/* What is over a limit of the protocol ends the one session that it was for, with a line; the daemon lives. */
START_TEST(too_long_to_send)
{
	static uint8_t text[MSG_PAYLOAD_BYTES + 1];
	struct msg msg = { .type = MSG_REPLY, .payload = { PAYLOAD_BYTES, sizeof(text), text } };
	struct msg good = numbered(0, 3);
	uint8_t answer[WIRE_HEADER_BYTES + 3];
	int descriptors[2];

	listen_on(&nodes[0], "127.0.0.1:0");
	for (unsigned i = 0; i < 2; i++)
		descriptors[i] = raw_connect();
	RUN_UNTIL(nodes[0].connected == 2);
	transport_send(nodes[0].transport, 1, &good);
	transport_send(nodes[0].transport, 1, &msg);
	transport_send(nodes[0].transport, 1, &good);
	ck_assert_uint_eq(nodes[0].disconnected, 1);
	ck_assert_uint_eq(nodes[0].logged, 1);
	ck_assert_ptr_nonnull(strstr(nodes[0].log[0], "payload over the limit"));
	transport_send(nodes[0].transport, 2, &good);
	transport_flush(nodes[0].transport);
	ck_assert_int_eq(recv(descriptors[1], answer, sizeof(answer), MSG_WAITALL), (ssize_t)sizeof(answer));
	/* What had been said before still arrives. */
	ck_assert_int_eq(raw_read_to_end(descriptors[0], answer, sizeof(answer)), (ssize_t)sizeof(answer));
	for (unsigned i = 0; i < 2; i++)
		close(descriptors[i]);
}
END_TEST

/* What the protocol does not have is our own mistake. */
START_TEST(nonsense_to_send)
{
	struct msg msg = { .type = MSG_GETATTR };

	listen_on(&nodes[0], "127.0.0.1:0");
	(void)raw_connect();
	RUN_UNTIL(nodes[0].connected);
	transport_send(nodes[0].transport, 1, &msg);
}
END_TEST

/* Containers often are without. */
static bool ipv6_works(void)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int descriptor = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool works = descriptor >= 0 && bind(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0;

	if (!works)
		printf("not tested: [::1]: %s\n", strerror(errno));
	if (descriptor >= 0)
		close(descriptor);
	return works;
}

static struct sockaddr_storage loopback(bool ipv6, int port)
{
	struct sockaddr_storage address = { 0 };
	int result = ipv6 ? uv_ip6_addr("::1", port, (struct sockaddr_in6 *)&address)
	                  : uv_ip4_addr("127.0.0.1", port, (struct sockaddr_in *)&address);

	ck_assert_int_eq(result, 0);
	return address;
}

/* They came before the start; each is taken. */
START_TEST(early_connections)
{
	const char *host = _i == 0 ? "127.0.0.1:" : "[::1]:";
	struct sockaddr_storage address;
	char text[64], why[256];
	int descriptors[3];

	snprintf(text, sizeof(text), "%s0", host);
	ck_assert_int_eq(transport_listen(nodes[0].transport, text, why, sizeof(why)), 0);
	ck_assert_int_eq(strncmp(transport_address(nodes[0].transport), host, strlen(host)), 0);
	address = loopback(_i == 1, atoi(strrchr(transport_address(nodes[0].transport), ':') + 1));
	for (unsigned i = 0; i < 3; i++) {
		descriptors[i] = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ck_assert_int_eq(connect(descriptors[i], (struct sockaddr *)&address, sizeof(address)), 0);
		(void)uv_run(&loop, UV_RUN_NOWAIT);
	}
	transport_start(nodes[0].transport, nodes[0].run);
	RUN_UNTIL(nodes[0].connected == 3);
	for (unsigned i = 0; i < 3; i++)
		close(descriptors[i]);
}
END_TEST

/* --- addresses --------------------------------------------------------------------------------------------------- */

static const struct {
	const char *address;
	int error;
	const char *why;
} addresses[] = {
	{ "0.0.0.0:7411", -EPERM, "cluster key" },
	{ "10.0.0.1:7411", -EPERM, "cluster key" },
	{ "128.0.0.1:7411", -EPERM, "cluster key" },
	{ "[::]:7411", -EPERM, "cluster key" },
	{ "[fe80::1]:7411", -EPERM, "cluster key" },
	{ "[::ffff:10.0.0.1]:7411", -EPERM, "cluster key" },
	{ "", -EINVAL, "no address" },
	{ "127.0.0.1", -EINVAL, "no address" },
	{ ":7411", -EINVAL, "no address" },
	{ "127.0.0.1:", -EINVAL, "no address" },
	{ "127.0.0.1:65536", -EINVAL, "no address" },
	{ "127.0.0.1:-1", -EINVAL, "no address" },
	{ "127.0.0.1:12a", -EINVAL, "no address" },
	{ "::1:7411", -EINVAL, "no address" },
	{ "[]:7411", -EINVAL, "no address" },
	{ "127.0.0.1 :7411", -EINVAL, "no address" },
	{ "unix:", -EINVAL, "slash" },
	{ "unix:relative", -EINVAL, "slash" },
	{ "unix:/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
	  "01234567", -ENAMETOOLONG, "Unix socket" },
	{ "a123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
	  "01234567890123456789012345:1", -ENAMETOOLONG, "at most 127" },
};
#define ADDRESSES (sizeof(addresses) / sizeof(addresses[0]))

START_TEST(refused_addresses)
{
	char why[512] = "";

	ck_assert_int_eq(transport_check_address(addresses[_i].address, why, sizeof(why)), addresses[_i].error);
	ck_assert_msg(strstr(why, addresses[_i].why) != NULL, "%s", why);
	why[0] = '\0';
	ck_assert_int_eq(transport_listen(nodes[0].transport, addresses[_i].address, why, sizeof(why)), addresses[_i].error);
	ck_assert_msg(strstr(why, addresses[_i].why) != NULL, "%s", why);
	ck_assert_str_eq(transport_address(nodes[0].transport), "");
	/* The core tries again and again: the line is not repeated. Longer addresses never come to be connected to. */
	transport_start(nodes[1].transport, nodes[1].run);
	if (strlen(addresses[_i].address) >= ADDRESS_BYTES)
		return;
	for (unsigned i = 0; i < 3; i++)
		connect_to(&nodes[1], addresses[_i].address);
	ck_assert_uint_eq(nodes[1].failed, 3);
	ck_assert_int_eq(nodes[1].error, addresses[_i].error);
	ck_assert_uint_eq(nodes[1].logged, 1);
	ck_assert_msg(strstr(nodes[1].log[0], addresses[_i].why) != NULL, "%s", nodes[1].log[0]);
}
END_TEST

static void expect_failure(const char *address, int error)
{
	transport_start(nodes[1].transport, nodes[1].run);
	connect_to(&nodes[1], address);
	RUN_UNTIL(nodes[1].failed);
	ck_assert_int_eq(nodes[1].error, error);
	ck_assert_uint_eq(nodes[1].token, 42);
	ck_assert_uint_eq(nodes[1].failed, 1);
	ck_assert_uint_eq(nodes[1].connected, 0);
}

/* What counts is what the resolver makes of it: 10.0.0.1. */
START_TEST(refused_after_resolving)
{
	char why[256] = "";

	ck_assert_int_eq(transport_check_address("10.1:7411", why, sizeof(why)), 0);
	ck_assert_int_eq(transport_listen(nodes[0].transport, "10.1:7411", why, sizeof(why)), -EPERM);
	ck_assert_msg(strstr(why, "cluster key") != NULL, "%s", why);
	expect_failure("10.1:7411", -EPERM);
	ck_assert_msg(strstr(nodes[1].log[0], "cluster key") != NULL, "%s", nodes[1].log[0]);
}
END_TEST

START_TEST(taken_port)
{
	char why[256], expected[256];

	listen_on(&nodes[0], "127.0.0.1:0");
	ck_assert_int_eq(transport_listen(nodes[1].transport, transport_address(nodes[0].transport), why, sizeof(why)),
	                 -EADDRINUSE);
	snprintf(expected, sizeof(expected), "cannot listen on %s: %s", transport_address(nodes[0].transport),
	         strerror(EADDRINUSE));
	ck_assert_str_eq(why, expected);
}
END_TEST

START_TEST(taken_path)
{
	char why[256];

	listen_on(&nodes[0], local_address());
	ck_assert_int_eq(transport_listen(nodes[1].transport, local_address(), why, sizeof(why)), -EADDRINUSE);
}
END_TEST

/* The file of a socket whose process is gone is no obstacle. */
START_TEST(stale_path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", local_address() + 5);
	ck_assert_int_eq(bind(descriptor, (struct sockaddr *)&address, sizeof(address)), 0);
	close(descriptor);
	pair(local_address());
}
END_TEST

START_TEST(path_is_another_file)
{
	int descriptor = open(local_address() + 5, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	char why[256];

	ck_assert_int_ge(descriptor, 0);
	close(descriptor);
	ck_assert_int_eq(transport_listen(nodes[0].transport, local_address(), why, sizeof(why)), -EADDRINUSE);
	ck_assert_int_eq(unlink(local_address() + 5), 0);
}
END_TEST

/* A port that somebody has bound, but does not listen on. */
static int bound_port(char *address, size_t address_bytes)
{
	struct sockaddr_in bound = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(bound);
	int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(descriptor, (struct sockaddr *)&bound, sizeof(bound)), 0);
	ck_assert_int_eq(getsockname(descriptor, (struct sockaddr *)&bound, &length), 0);
	snprintf(address, address_bytes, "127.0.0.1:%u", ntohs(bound.sin_port));
	return descriptor;
}

START_TEST(nobody_listens)
{
	char address[64];
	int descriptor = bound_port(address, sizeof(address));

	expect_failure(address, -ECONNREFUSED);
	ck_assert_uint_eq(nodes[1].logged, 0);
	close(descriptor);
}
END_TEST

START_TEST(no_such_path)
{
	expect_failure(local_address(), -ENOENT);
}
END_TEST

/* A listener whose queue is full lets a connection wait for ever. */
START_TEST(no_answer)
{
	struct sockaddr_in bound;
	socklen_t length = sizeof(bound);
	char address[64];
	int descriptor = bound_port(address, sizeof(address));
	int filler[3];
	uint64_t before_ns = deadline_now_ns(NULL);

	ck_assert_int_eq(listen(descriptor, 0), 0);
	ck_assert_int_eq(getsockname(descriptor, (struct sockaddr *)&bound, &length), 0);
	for (unsigned i = 0; i < 3; i++) {
		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(filler[i], (struct sockaddr *)&bound, sizeof(bound));
	}
	expect_failure(address, -ETIMEDOUT);
	ck_assert_uint_ge(deadline_now_ns(NULL) - before_ns, (CONNECT_TIMEOUT_MS - 1) * UINT64_C(1000000));
	for (unsigned i = 0; i < 3; i++)
		close(filler[i]);
	close(descriptor);
}
END_TEST

/* More than may be under way, and all of them given up at the end. */
START_TEST(attempts_are_bounded)
{
	struct sockaddr_in bound;
	socklen_t length = sizeof(bound);
	char address[64], by_name[64];
	int descriptor = bound_port(address, sizeof(address));
	int filler[3];

	ck_assert_int_eq(listen(descriptor, 0), 0);
	ck_assert_int_eq(getsockname(descriptor, (struct sockaddr *)&bound, &length), 0);
	for (unsigned i = 0; i < 3; i++) {
		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(filler[i], (struct sockaddr *)&bound, sizeof(bound));
	}
	snprintf(by_name, sizeof(by_name), "%s%s", resolved_hosts[0], strrchr(address, ':'));
	transport_start(nodes[1].transport, nodes[1].run);
	for (unsigned i = 0; i < CONNECTS_MAX + 2; i++)
		connect_to(&nodes[1], i % 2 ? address : by_name);
	ck_assert_uint_eq(nodes[1].failed, 2);
	ck_assert_int_eq(nodes[1].error, -EAGAIN);
	(void)uv_run(&loop, UV_RUN_NOWAIT);
	node_stop(&nodes[1]);
	for (unsigned i = 0; i < 3; i++)
		close(filler[i]);
	close(descriptor);
}
END_TEST

/* --- deadline ---------------------------------------------------------------------------------------------------- */

START_TEST(ticks_once_in_time)
{
	struct node *node = &nodes[0];
	uint64_t wanted_ns;

	transport_start(node->transport, node->run);
	for (unsigned i = 0; i < 20; i++) {
		wanted_ns = deadline_now_ns(NULL) + i * 50000;
		run_core(node->run)->deadline_ns = wanted_ns;
		deadline_set(node->deadline, UINT64_MAX - 1);
		deadline_set(node->deadline, wanted_ns);
		RUN_UNTIL(node->ticks == i + 1);
		ck_assert_uint_ge(node->tick_ns, wanted_ns);
		ck_assert_int_eq(uv_run(&loop, UV_RUN_NOWAIT) != 0, 1);
		ck_assert_uint_eq(node->ticks, i + 1);
	}
}
END_TEST

START_TEST(disarmed_in_time)
{
	deadline_set(nodes[0].deadline, deadline_now_ns(NULL));
	deadline_set(nodes[0].deadline, UINT64_MAX);
	deadline_set(nodes[1].deadline, 0);
	RUN_UNTIL(nodes[1].ticks == 1);
	ck_assert_uint_eq(nodes[0].ticks, 0);
}
END_TEST

static void add_tests(TCase *cases)
{
	tcase_add_test(cases, messages_over_tcp);
	tcase_add_test(cases, messages_over_a_unix_socket);
	tcase_add_loop_test(cases, messages_to_a_name, 0, resolves(resolved_hosts[1]) ? 2 : 1);
	tcase_add_loop_test(cases, more_than_the_kernel_takes, 0, 2);
	tcase_add_loop_test(cases, closing_sends_the_rest, 0, 2);
	tcase_add_test(cases, garbage);
	tcase_add_test(cases, wrong_version);
	tcase_add_test(cases, good_then_bad);
	tcase_add_test(cases, refused_with_a_reason);
	tcase_add_test(cases, takes_nothing);
	tcase_add_test(cases, stores_wait);
	tcase_add_test(cases, slots_are_bounded);
	tcase_add_test(cases, all_slots_are_flushed);
	tcase_add_test(cases, too_long_to_send);
	tcase_add_test_raise_signal(cases, nonsense_to_send, SIGABRT);
	tcase_add_loop_test(cases, early_connections, 0, ipv6_works() ? 2 : 1);
	tcase_add_loop_test(cases, refused_addresses, 0, ADDRESSES);
	tcase_add_test(cases, refused_after_resolving);
	tcase_add_test(cases, taken_port);
	tcase_add_test(cases, taken_path);
	tcase_add_test(cases, stale_path);
	tcase_add_test(cases, path_is_another_file);
	tcase_add_test(cases, nobody_listens);
	tcase_add_test(cases, no_such_path);
	tcase_add_test(cases, no_answer);
	tcase_add_test(cases, attempts_are_bounded);
	tcase_add_test(cases, ticks_once_in_time);
	tcase_add_test(cases, disarmed_in_time);
}

int main(void)
{
	Suite *suite = suite_create("uv");
	TCase *cases = tcase_create("uv");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(cases, 60);
	tcase_add_checked_fixture(cases, setup, teardown);
	add_tests(cases);
	suite_add_tcase(suite, cases);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
