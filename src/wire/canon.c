/*
 * canon.c - texts that are signed.
 */
#include "config.h"

#include "wire/msg.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "wire/scan.h"

static int	put_value(struct buf *, const cJSON *);

void
wire_sign_msg(struct buf *out, const char *to, const char *content,
    size_t content_len, int64_t ts)
{
	buf_adds(out, "{\"to\":");
	wire_json_str(out, to, strlen(to));
	buf_adds(out, ",\"content\":");
	wire_json_str(out, content, content_len);
	buf_adds(out, ",\"ts\":");
	wire_json_int(out, ts);
	buf_addc(out, '}');
}

/*
 * A byte's rank among UTF-16 code units: UTF-8 sorts by code point, which is
 * the same but that U+E000 .. U+FFFF (lead bytes EE, EF) come behind the
 * surrogate pairs of everything above (F0 .. F4).
 */
static int
rank(unsigned char c)
{
	return c == 0xee || c == 0xef ? c + 0x10 : c;
}

static int
by_code_unit(const void *x, const void *y)
{
	const unsigned char *a = (const unsigned char *)
	    (*(const cJSON *const *)x)->string;
	const unsigned char *b = (const unsigned char *)
	    (*(const cJSON *const *)y)->string;

	while (*a == *b && *a != '\0')
		a++, b++;
	return rank(*a) - rank(*b);
}

static int
put_object(struct buf *out, const cJSON *object)
{
	size_t n = 0, i = 0;
	const cJSON *item, **sorted;
	int rc = 0;

	cJSON_ArrayForEach(item, object)
		n++;
	sorted = calloc(n + 1, sizeof(*sorted));
	if (sorted == NULL)
		return -ENOMEM;
	cJSON_ArrayForEach(item, object)
		sorted[i++] = item;
	qsort(sorted, n, sizeof(*sorted), by_code_unit);

	buf_addc(out, '{');
	for (i = 0; rc == 0 && i < n; i++) {
		wire_json_key(out, sorted[i]->string);
		rc = put_value(out, sorted[i]);
	}
	buf_addc(out, '}');
	free(sorted);
	return rc;
}

/* As deep as the scanner allows. */
static int
put_value(struct buf *out, const cJSON *value)
{
	const cJSON *item;
	int rc = 0;

	if (cJSON_IsString(value)) {
		wire_json_str(out, value->valuestring,
		    strlen(value->valuestring));
	} else if (cJSON_IsNumber(value)) {
		wire_json_num(out, value->valuedouble);
	} else if (cJSON_IsBool(value)) {
		buf_adds(out, cJSON_IsTrue(value) ? "true" : "false");
	} else if (cJSON_IsNull(value)) {
		buf_adds(out, "null");
	} else if (cJSON_IsObject(value)) {
		rc = put_object(out, value);
	} else {
		buf_addc(out, '[');
		cJSON_ArrayForEach(item, value) {
			wire_json_sep(out);
			rc = put_value(out, item);
			if (rc < 0)
				break;
		}
		buf_addc(out, ']');
	}
	return rc;
}

int
wire_canon(struct buf *out, const char *text, size_t len)
{
	struct scan scan = SCAN_INIT;
	cJSON *whole;
	int rc;

	/* cJSON sees nothing that the scanner has not passed. */
	rc = scan_object(&scan, text, len, &scan_relay);
	scan_fini(&scan);
	if (rc < 0)
		return rc;
	whole = cJSON_ParseWithLengthOpts(text, len, NULL, false);
	if (whole == NULL)
		return -ENOMEM;
	rc = put_value(out, whole);
	cJSON_Delete(whole);
	return rc < 0 ? rc : buf_err(out);
}
