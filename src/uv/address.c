/*
 * address.c: until there is a cluster key, whoever can connect is trusted. So only addresses are allowed at which nobody
 * but this machine can be: that is judged by number, after resolving, never by name.
 */
#include "uv/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <uv.h>

#define UNIX_PREFIX "unix:"
#define PORT_MAX 65535

int address_refuse(const char *text, char *why, size_t why_bytes)
{
	snprintf(why, why_bytes,
	         "%s is not a loopback address: connections to other machines need the cluster key, which does not exist yet",
	         text);
	return -EPERM;
}

static int no_address(const char *text, char *why, size_t why_bytes)
{
	snprintf(why, why_bytes, "%s is no address: HOST:PORT, [HOST]:PORT or unix:PATH is expected", text);
	return -EINVAL;
}

static int parse_local(struct address *address, const char *path, char *why, size_t why_bytes)
{
	struct sockaddr_un *limit = NULL;

	address->local = true;
	if (strlen(path) >= sizeof(limit->sun_path)) {
		snprintf(why, why_bytes, "the path of a Unix socket has at most %zu bytes: %s", sizeof(limit->sun_path) - 1,
		         path);
		return -ENAMETOOLONG;
	}
	snprintf(address->host, sizeof(address->host), "%s", path);
	return 0;
}

static bool port_good(const char *port)
{
	size_t length = strlen(port);

	return length > 0 && length <= 5 && strspn(port, "0123456789") == length && atoi(port) <= PORT_MAX;
}

int address_parse(struct address *address, const char *text, char *why, size_t why_bytes)
{
	const char *colon = strrchr(text, ':');
	const char *host = text;
	size_t host_bytes;
	struct sockaddr_storage numeric;

	memset(address, 0, sizeof(*address));
	for (const char *at = text; *at; at++) {
		if (!isgraph((unsigned char)*at))
			return no_address(text, why, why_bytes);
	}
	if (strlen(text) >= ADDRESS_BYTES) {
		snprintf(why, why_bytes, "an address has at most %d bytes: %s", ADDRESS_BYTES - 1, text);
		return -ENAMETOOLONG;
	}
	if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0 && text[strlen(UNIX_PREFIX)] == '/')
		return parse_local(address, text + strlen(UNIX_PREFIX), why, why_bytes);
	if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0) {
		snprintf(why, why_bytes, "the path of a Unix socket starts with a slash: %s", text);
		return -EINVAL;
	}
	if (!colon || colon == text || !port_good(colon + 1))
		return no_address(text, why, why_bytes);
	host_bytes = (size_t)(colon - text);
	if (*text == '[' && colon[-1] == ']' && host_bytes > 2) {
		host++;
		host_bytes -= 2;
	} else if (memchr(text, ':', host_bytes) || *text == '[') {
		return no_address(text, why, why_bytes);
	}
	memcpy(address->host, host, host_bytes);
	snprintf(address->port, sizeof(address->port), "%s", colon + 1);
	if (address_numeric(address, &numeric) && !address_is_loopback((struct sockaddr *)&numeric))
		return address_refuse(text, why, why_bytes);
	return 0;
}

bool address_numeric(const struct address *address, struct sockaddr_storage *numeric)
{
	int port = atoi(address->port);

	memset(numeric, 0, sizeof(*numeric));
	return uv_ip4_addr(address->host, port, (struct sockaddr_in *)numeric) == 0 ||
	       uv_ip6_addr(address->host, port, (struct sockaddr_in6 *)numeric) == 0;
}

bool address_is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	if (address->sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
	return false;
}

void address_print(const struct sockaddr *address, char *text, size_t text_bytes)
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(text, text_bytes, "%s:%u", host, ntohs(in->sin_port));
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(text, text_bytes, "[%s]:%u", host, ntohs(in6->sin6_port));
	} else {
		snprintf(text, text_bytes, "?");
	}
}
