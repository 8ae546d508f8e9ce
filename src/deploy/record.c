/*
 * record.c - what is known of each deployment on Akash, on disk.
 */
#include "config.h"

#include "deploy/internal.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/spool.h"
#include "wire/msg.h"

#define NAME_LEN	128
#define RECORD_MAX	4096
#define PREFIX		"akash-"
#define SUFFIX		".json"

static void
name_of(char name[NAME_LEN], const char *network, uint64_t dseq)
{
	if (dseq == 0)
		snprintf(name, NAME_LEN, PREFIX "%.63s-pending" SUFFIX,
		    network);
	else
		snprintf(name, NAME_LEN, PREFIX "%.63s-%" PRIu64 SUFFIX,
		    network, dseq);
}

static void
put_str(struct buf *b, const char *key, const char *value)
{
	wire_json_key(b, key);
	wire_json_str(b, value, strlen(value));
}

static void
put_int(struct buf *b, const char *key, int64_t n)
{
	wire_json_key(b, key);
	wire_json_int(b, n);
}

int
record_write(int dir, const struct deploy_record *rec)
{
	char name[NAME_LEN], dseq[24];
	struct buf b = BUF_INIT;
	int rc;

	name_of(name, rec->network, rec->dseq);
	snprintf(dseq, sizeof(dseq), "%" PRIu64, rec->dseq);
	buf_addc(&b, '{');
	put_int(&b, "version", 1);
	/* A string: JSON's numbers end at 2^53. */
	put_str(&b, "dseq", dseq);
	put_str(&b, "network", rec->network);
	put_str(&b, "state", rec->state);
	put_str(&b, "image", rec->image);
	put_str(&b, "provider", rec->provider);
	put_str(&b, "uri", rec->uri);
	put_int(&b, "created", rec->created_ms);
	put_int(&b, "expires", rec->expires_ms);
	put_int(&b, "deposit", rec->deposit);
	buf_adds(&b, "}\n");
	rc = buf_err(&b);
	if (rc == 0)
		rc = spool_replace(dir, name, b.p, b.len, true);
	buf_fini(&b);
	return rc;
}

static bool
get_str(const struct wire_msg *m, const char *key, char *out, size_t max)
{
	struct wire_value v = wire_find(m, key);

	if (v.kind != WIRE_STR || v.len >= max)
		return false;
	memcpy(out, v.s, v.len + 1);
	return true;
}

static bool
get_int(const struct wire_msg *m, const char *key, int64_t *out)
{
	struct wire_value v = wire_find(m, key);

	if (v.kind != WIRE_NUM || !(v.num >= -1 && v.num <= 9e15))
		return false;
	*out = (int64_t)v.num;
	return true;
}

static bool
fill(const struct wire_msg *m, struct deploy_record *rec)
{
	char dseq[24], *end;
	int64_t version;

	*rec = (struct deploy_record){ .dseq = 0 };
	if (!get_int(m, "version", &version) || version != 1 ||
	    !get_str(m, "dseq", dseq, sizeof(dseq)))
		return false;
	errno = 0;
	rec->dseq = strtoull(dseq, &end, 10);
	return errno == 0 && *dseq != '\0' && *end == '\0' &&
	    get_str(m, "network", rec->network, sizeof(rec->network)) &&
	    get_str(m, "state", rec->state, sizeof(rec->state)) &&
	    get_str(m, "image", rec->image, sizeof(rec->image)) &&
	    get_str(m, "provider", rec->provider, sizeof(rec->provider)) &&
	    get_str(m, "uri", rec->uri, sizeof(rec->uri)) &&
	    get_int(m, "created", &rec->created_ms) &&
	    get_int(m, "expires", &rec->expires_ms) &&
	    get_int(m, "deposit", &rec->deposit);
}

static int
read_name(int dir, const char *name, struct deploy_record *rec)
{
	struct buf b = BUF_INIT;
	struct wire_msg m;
	int rc;

	wire_msg_init(&m);
	rc = spool_slurp(dir, name, RECORD_MAX, &b);
	if (rc == 0)
		rc = wire_parse_object(&m, b.p != NULL ? b.p : "", b.len);
	if (rc == 0 && !fill(&m, rec))
		rc = -EINVAL;
	if (rc < -1000)
		rc = -EINVAL;
	wire_msg_fini(&m);
	buf_fini(&b);
	return rc;
}

int
record_read(int dir, const char *network, uint64_t dseq,
    struct deploy_record *rec)
{
	char name[NAME_LEN];

	name_of(name, network, dseq);
	return read_name(dir, name, rec);
}

int
record_forget_pending(int dir, const char *network)
{
	char name[NAME_LEN];

	name_of(name, network, 0);
	return unlinkat(dir, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

static bool
is_record(const char *name)
{
	size_t len = strlen(name);

	return len > sizeof(PREFIX SUFFIX) &&
	    strncmp(name, PREFIX, sizeof(PREFIX) - 1) == 0 &&
	    strcmp(name + len - (sizeof(SUFFIX) - 1), SUFFIX) == 0;
}

struct list {
	struct deploy_record *rec;
	size_t		 n, cap, bad;
};

static int
add(struct list *l, const struct deploy_record *rec)
{
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 16 : 2 * l->cap;
		void *p = reallocarray(l->rec, cap, sizeof(*l->rec));

		if (p == NULL)
			return -ENOMEM;
		l->rec = p;
		l->cap = cap;
	}
	l->rec[l->n++] = *rec;
	return 0;
}

static int
by_time(const void *a, const void *b)
{
	const struct deploy_record *x = a, *y = b;

	return (x->created_ms > y->created_ms) -
	    (x->created_ms < y->created_ms);
}

static int
read_list(int dir, struct list *l)
{
	struct deploy_record rec;
	struct dirent *de;
	DIR *d;
	int rc = spool_opendir(dir, &d);

	if (rc < 0)
		return rc;
	while (rc == 0 && (errno = 0, de = readdir(d)) != NULL) {
		if (!is_record(de->d_name))
			continue;
		rc = read_name(dir, de->d_name, &rec);
		if (rc == 0) {
			rc = add(l, &rec);
		} else if (rc != -ENOMEM) {
			l->bad += rc != -ENOENT;
			rc = 0;
		}
	}
	if (rc == 0 && errno != 0)
		rc = -errno;
	closedir(d);
	return rc;
}

int
record_each(int dir, deploy_record_fn *fn, void *arg, size_t *bad)
{
	struct list l = { .rec = NULL };
	int rc = read_list(dir, &l);

	if (l.n > 1)
		qsort(l.rec, l.n, sizeof(*l.rec), by_time);
	for (size_t i = 0; i < l.n && rc == 0; i++)
		rc = fn(arg, &l.rec[i]);
	if (bad != NULL)
		*bad = l.bad;
	free(l.rec);
	return rc;
}
