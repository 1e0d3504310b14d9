/*
 * wire_check.h: what a peer may send. All return 0, or with a static reason in `why`: -EBADMSG for a field or a payload
 * that cannot be, -EMSGSIZE for something over its limit, -EOPNOTSUPP for an unknown type or flag.
 */
#ifndef NETMEM_WIRE_WIRE_CHECK_H
#define NETMEM_WIRE_WIRE_CHECK_H

#include "msg/msg.h"

int wire_check(const struct msg *msg, const char **why);

/* The two parts of it: all but the bytes of the payload, and these, once the first was found good. */
int wire_check_header(const struct msg *msg, const char **why);
int wire_check_payload(const struct msg *msg, const char **why);

#endif
