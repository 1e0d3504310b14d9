/*
 * address.h: "HOST:PORT", "[HOST]:PORT" and "unix:PATH", and which of them are allowed.
 */
#ifndef NETMEM_UV_ADDRESS_H
#define NETMEM_UV_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "msg/limits.h"

struct address {
	bool local;               /* a Unix socket: host is its path, port empty */
	char host[ADDRESS_BYTES]; /* without brackets */
	char port[8];             /* decimal, checked */
};

/* 0, or a negative errno with one line in `why`. A host that is a number and not loopback is refused here already. */
int address_parse(struct address *address, const char *text, char *why, size_t why_bytes);

/* Of a host that is a number: true, and its socket address. Names are left to the resolver. */
bool address_numeric(const struct address *address, struct sockaddr_storage *numeric);

/* Whether nothing but this machine can be at the other end. */
bool address_is_loopback(const struct sockaddr *address);

/* "127.0.0.1:7411", "[::1]:7411", "?" if it is neither. */
void address_print(const struct sockaddr *address, char *text, size_t text_bytes);

/* Says why an address that is not loopback is refused; returns -EPERM. */
int address_refuse(const char *text, char *why, size_t why_bytes);

#endif
