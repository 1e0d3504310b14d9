/*
 * check.h: assertions that stay on in production.
 *
 * A CHECK is for our own mistakes only: it prints the place and aborts, because a daemon that goes on with broken state
 * could hand out stale memory. What a user, a peer or the machine does wrong is never a CHECK; it is an error value.
 */
#ifndef NETMEM_BASE_CHECK_H
#define NETMEM_BASE_CHECK_H

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

/* Is called once with the line about the failure, before the program ends; for programs without a stderr. */
void check_report_to(void (*report)(const char *line));

_Noreturn void check_failed(const char *file, int line, const char *condition);

#endif
