/*
 * rec.c - the bodies of the store's records.
 */
#include "config.h"

#include "relay/rec.h"

#include <errno.h>

#include "base/le.h"

void
rec_put_u8(struct buf *b, uint8_t v)
{
	buf_addc(b, (char)v);
}

void
rec_put_u64(struct buf *b, uint64_t v)
{
	unsigned char c[8];

	put_le64(c, v);
	buf_add(b, c, sizeof(c));
}

void
rec_put_str(struct buf *b, const char *s, size_t len)
{
	unsigned char n = (unsigned char)len;
	char *at = buf_reserve(b, 1 + (size_t)n);

	if (at == NULL)
		return;
	at[0] = (char)n;
	memcpy(at + 1, s, n);
	at[1 + n] = '\0';
	b->len += 1 + (size_t)n;
}

void
rec_put_head(struct buf *b, const struct rec_head *h)
{
	unsigned char mid[33];	/* in one piece: every message has it */

	mid[0] = h->flags;
	put_le64(mid + 1, h->seq);
	put_le64(mid + 9, (uint64_t)h->ts);
	put_le64(mid + 17, h->number);
	put_le64(mid + 25, h->hash);
	rec_put_str(b, h->to, h->to_len);
	rec_put_str(b, h->from, h->from_len);
	buf_add(b, mid, sizeof(mid));
	rec_put_str(b, h->id, h->id_len);
}

const char *
rec_bytes(struct rec *r, size_t len)
{
	const char *p = r->p;

	if (r->bad || r->left < len) {
		r->bad = 1;
		return NULL;
	}
	r->p += len;
	r->left -= len;
	return p;
}

uint8_t
rec_u8(struct rec *r)
{
	const char *p = rec_bytes(r, 1);

	return p != NULL ? (uint8_t)*p : 0;
}

uint64_t
rec_u64(struct rec *r)
{
	const char *p = rec_bytes(r, 8);

	return p != NULL ? get_le64(p) : 0;
}

const char *
rec_str(struct rec *r, uint8_t *len)
{
	*len = rec_u8(r);
	return rec_bytes(r, *len);
}

int
rec_head(struct rec_head *h, const void *body, size_t len)
{
	struct rec r = { body, len, 0 };

	h->to = rec_str(&r, &h->to_len);
	h->from = rec_str(&r, &h->from_len);
	h->flags = rec_u8(&r);
	h->seq = rec_u64(&r);
	h->ts = (int64_t)rec_u64(&r);
	h->number = rec_u64(&r);
	h->hash = rec_u64(&r);
	h->id = rec_str(&r, &h->id_len);
	h->json = r.p;
	h->json_len = r.left;
	return r.bad ? -EUCLEAN : 0;
}

void
rec_put_work(struct buf *b, const struct rec_work *w)
{
	rec_put_u8(b, w->step);
	rec_put_str(b, w->id, w->id_len);
	rec_put_u8(b, w->flags);
	rec_put_u64(b, w->number);
	rec_put_u64(b, (uint64_t)w->ts);
	rec_put_u64(b, w->again);
	buf_add(b, w->to_key, REC_KEY_LEN);
}

int
rec_work(struct rec_work *w, const void *body, size_t len)
{
	struct rec r = { body, len, 0 };

	w->step = rec_u8(&r);
	w->id = rec_str(&r, &w->id_len);
	w->flags = rec_u8(&r);
	w->number = rec_u64(&r);
	w->ts = (int64_t)rec_u64(&r);
	w->again = rec_u64(&r);
	w->to_key = rec_bytes(&r, REC_KEY_LEN);
	w->json = r.p;
	w->json_len = r.left;
	return r.bad ? -EUCLEAN : 0;
}
