/*
 * The file of segment ids: lines "reserved APPID BASE LENGTH". Every line is looked at, so that a file is right or
 * wrong whoever asks.
 */
#include "lib/rsm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENTID_FILE "/etc/rsm/rsm.segmentid"
#define BLANKS " \t\r\n"

struct range {
	const char *appid;
	rsm_memseg_id_t base;
	uint32_t length;
};

/* A whole word is a number of that base, without a sign, of 32 bits. */
static bool number_parse(const char *word, int base, uint32_t *number)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	unsigned long long value;
	char *end;

	if (!word || !memchr(digits, *word, base == 16 ? sizeof digits - 1 : 10))
		return false;
	errno = 0;
	value = strtoull(word, &end, base);
	*number = (uint32_t)value;
	return !errno && !*end && value <= UINT32_MAX;
}

static bool range_parse(const char *first, char **rest, struct range *range)
{
	const char *base;
	const char *length;

	if (strcmp(first, "reserved") != 0 && strcmp(first, "reserve") != 0)
		return false;
	range->appid = strtok_r(NULL, BLANKS, rest);
	base = strtok_r(NULL, BLANKS, rest);
	length = strtok_r(NULL, BLANKS, rest);
	return number_parse(base, 16, &range->base) && number_parse(length, 10, &range->length) &&
	       range->length > 0 && range->length - 1 <= UINT32_MAX - range->base && !strtok_r(NULL, BLANKS, rest);
}

/* Looks for the first range of `appid`. */
static int file_search(FILE *file, const char *appid, struct range *found)
{
	int code = RSMERR_BAD_APPID;
	char *line = NULL;
	size_t line_bytes = 0;

	while (code != RSMERR_BAD_CONF && getline(&line, &line_bytes, file) >= 0) {
		struct range range;
		char *rest;
		const char *first;

		line[strcspn(line, "#")] = '\0';
		first = strtok_r(line, BLANKS, &rest);
		if (!first)
			continue;
		if (!range_parse(first, &rest, &range)) {
			code = RSMERR_BAD_CONF;
		} else if (code == RSMERR_BAD_APPID && strcmp(range.appid, appid) == 0) {
			*found = range;
			code = RSM_SUCCESS;
		}
	}
	free(line);
	return ferror(file) ? RSMERR_BAD_CONF : code;
}

int rsm_get_segmentid_range(const char *appid, rsm_memseg_id_t *baseid, uint32_t *length)
{
	const char *path = secure_getenv("RSM_SEGMENTID_FILE");
	struct range range;
	FILE *file;
	int code;

	if (!appid || !baseid || !length)
		return RSMERR_BAD_ADDR;
	file = fopen(path && *path ? path : SEGMENTID_FILE, "re");
	if (!file)
		return RSMERR_BAD_CONF;
	code = file_search(file, appid, &range);
	fclose(file);
	if (code)
		return code;
	*baseid = range.base;
	*length = range.length;
	return RSM_SUCCESS;
}
