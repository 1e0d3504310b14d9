#include "check.h"

#include <stdio.h>
#include <stdlib.h>

static void (*report_to)(const char *line);

void check_report_to(void (*report)(const char *line))
{
	report_to = report;
}

void check_failed(const char *file, int line, const char *condition)
{
	void (*report)(const char *line) = report_to;
	char text[512];

	snprintf(text, sizeof(text), "%s:%d: check failed: %s", file, line, condition);
	fprintf(stderr, "%s\n", text);
	report_to = NULL;
	if (report)
		report(text);
	abort();
}
