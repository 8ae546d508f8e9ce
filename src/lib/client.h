/*
 * client.h - a session with a relay, for the daemon and the commands.
 *
 * conn.c keeps the WebSocket: connect, reassemble, queue, reconnect with
 * backoff. session.c speaks: IDENTIFY, the proof of the key, and reports
 * messages. call.c has the blocking forms that commands use.
 */
#ifndef AC_LIB_CLIENT_H
#define AC_LIB_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "wire/msg.h"

struct ident;
struct loop;
struct client;

struct client_conf {
	const char	*url;		/* ws://host[:port][/path], wss://... */
	const char	*name;		/* NULL: the ident's, or one made up */
	const struct ident *ident;	/* borrowed, outlives; NULL: none */
	bool		 retry;		/* reconnect for ever, 0.5 to 60 s */
};

/* What WELCOME said. Strings are the client's, until it is disconnected. */
struct client_info {
	char		 agent_id[40];	/* "@..." */
	char		 server[128];
	char		 epoch[64];	/* "" from a relay without */
	bool		 verified;	/* the relay has seen our proof */
	bool		 caps_ack, caps_stored, caps_enc; /* what it offers */
	double		 rate, burst;	/* messages per second; 0 if not told */
	int64_t		 content_max;	/* UTF-16 units */
	int64_t		 frame_max;	/* bytes of one object */
};

/*
 * Called from the loop. In ready, message and down the client may be used,
 * and freed only in down.
 *
 * ready	WELCOME came and, with a key and a relay that asks for it, the
 *		proof is settled too (VERIFIED, or refused: info->verified)
 * message	everything else, in order, ERRORs included; text is what came,
 *		borrowed like m
 * down		the connection ended or could not be made. why: one sentence
 *		for people. retry_ms: when the next try is, or -1 (conf.retry is
 *		false, or the relay's word is final: BANNED, NOT_ALLOWED)
 * odd		may be NULL: something for a log that ends nothing. what: a word;
 *		why: a sentence; both borrowed
 */
struct client_ops {
	void	(*ready)(void *arg, const struct client_info *);
	void	(*message)(void *arg, const struct wire_msg *m,
		    const char *text, size_t len);
	void	(*down)(void *arg, int rc, const char *why, int64_t retry_ms);
	void	(*odd)(void *arg, const char *what, const char *why);
};

/* "ws://" and "wss://" with a host: 0, else -EINVAL. */
int	client_url_ok(const char *url) AC_NONNULL(1) AC_MUST_CHECK;

/* Starts connecting at once; nothing is called back before the loop runs. */
int	client_new(struct client **, struct loop *, const struct client_conf *,
	    const struct client_ops *, void *arg)
	    AC_NONNULL(1, 2, 3, 4) AC_MUST_CHECK;
void	client_free(struct client *);		/* NULL accepted */
/* Flush what is queued, then close 1000; down is called with rc 0. */
void	client_close(struct client *) AC_NONNULL(1);
/*
 * End this connection because of what came over it (why: a sentence, copied);
 * down is called with rc, and the next try follows as after any other end.
 */
void	client_reset(struct client *, int rc, const char *why)
	    AC_NONNULL(1, 3);
/* Leave in the kernel what the relay sends, for a while. */
void	client_pause(struct client *, bool pause) AC_NONNULL(1);

bool	client_is_ready(const struct client *) AC_NONNULL(1);
const struct client_info *client_info(const struct client *) AC_NONNULL(1);

/*
 * Queue one JSON object; copied. -ENOTCONN unless ready; -ENOBUFS if more
 * than 1 MiB waits already. Nothing is kept across a reconnect: what was not
 * confirmed is the caller's to send again.
 */
int	client_send(struct client *, const char *json, size_t len)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
/* Bytes not yet handed to the kernel. */
size_t	client_queued(const struct client *) AC_NONNULL(1);

/*
 * Append a MSG to out, signed if ident is given. id and in_reply_to may be
 * NULL.
 */
int	client_make_msg(struct buf *out, const struct ident *, const char *to,
	    const char *content, size_t len, const char *id,
	    const char *in_reply_to) AC_NONNULL(1, 3, 4) AC_MUST_CHECK;

/* The same with the sender's time given: what is sent again must be equal. */
int	client_make_msg_at(struct buf *out, const struct ident *,
	    const char *to, const char *content, size_t len, const char *id,
	    const char *in_reply_to, int64_t ts_ms)
	    AC_NONNULL(1, 3, 4) AC_MUST_CHECK;

/* --------------------------------------------------------------- proof.c */

/*
 * Ask an agent, through the relay, to prove that it has a key. (Being asked is
 * answered by the client itself.)
 *
 * make		append a VERIFY_REQUEST with this id, so that an ERROR can be
 *		told from others; nonce is what is to be signed
 * check	is this VERIFY_SUCCESS the answer, and who was it? 0: yes, we
 *		have seen the proof; 1: so the relay says, without the proof;
 *		AC_E_VERIFICATION_FAILED. key (IDENT_KEY_LEN) is set for the
 *		first two, and the target's id is that key's
 */
#define CLIENT_NONCE_MAX 41
int	client_make_verify(struct buf *out, const char *target, const char *id,
	    char nonce[CLIENT_NONCE_MAX]) AC_NONNULL(1, 2, 3) AC_MUST_CHECK;
int	client_check_verify(const struct wire_msg *, const char *target,
	    const char *nonce, unsigned char *key)
	    AC_NONNULL(1, 2, 3, 4) AC_MUST_CHECK;

/* ----------------------------------------------------------------- enc.c */

/* A direct message to be encrypted. Borrowed. */
struct client_letter {
	const char	*from, *to;	/* our id at this relay, and theirs */
	const char	*content;
	size_t		 len;
	const char	*id;		/* unique among all that we send */
	const char	*in_reply_to;	/* or NULL */
	int64_t		 ts_ms;
};

/*
 * Append the MSG: for a relay with caps_enc only. key is the recipient's. The
 * same letter gives the same bytes.
 */
int	client_make_enc(struct buf *out, const struct ident *,
	    const struct client_letter *, const unsigned char *key)
	    AC_NONNULL(1, 2, 3, 4) AC_MUST_CHECK;
/*
 * Open the enc of a MSG with the other party's key; own: we sent it. text
 * gets what was in it, inner (initialised) its parsed form: CONTENT, SIG and
 * perhaps IN_REPLY_TO, borrowed from text. Whether it came before, by FROM
 * and ID, is the caller's to know.
 *
 * 0; -EOPNOTSUPP: of another version; AC_E_VERIFICATION_FAILED: not from that
 * key, not for us, or not of this message; -ENOKEY, -ENOMEM.
 */
int	client_open_enc(const struct wire_msg *, const struct ident *,
	    const unsigned char *other, bool own, struct buf *text,
	    struct wire_msg *inner) AC_NONNULL(1, 2, 3, 5, 6) AC_MUST_CHECK;

/* ---------------------------------------------------------------- call.c */

/*
 * Blocking: a loop and a client of their own, for commands. Errors: a refusal
 * code, -ETIMEDOUT, -ECONNREFUSED and its like; call_why() is a sentence.
 */
struct call;
int	call_open(struct call **, const struct client_conf *,
	    const char *ca_file, int64_t timeout_ms) AC_NONNULL(1, 2) AC_MUST_CHECK;
/* Also after call_open() failed, and then the struct call is to be closed. */
const char *call_why(const struct call *) AC_NONNULL(1);
const struct client_info *call_info(const struct call *) AC_NONNULL(1);
void	call_close(struct call *);		/* NULL accepted */

/*
 * The same in steps, for who also wants what no call_do() takes: that goes to
 * rest, as from a client.
 *
 * start	doesn't wait. After an error there is no call
 * ready	wait for the session; with conf.retry through failures
 * end		say goodbye, and wait for the end. The call is still to be
 *		dropped
 * drop		as close, without a goodbye
 */
int	call_start(struct call **, const struct client_conf *,
	    const char *ca_file, const struct client_ops *rest, void *arg)
	    AC_NONNULL(1, 2, 4) AC_MUST_CHECK;
int	call_ready(struct call *, int64_t timeout_ms) AC_NONNULL(1)
	    AC_MUST_CHECK;
int	call_end(struct call *, int64_t timeout_ms) AC_NONNULL(1)
	    AC_MUST_CHECK;
void	call_drop(struct call *);		/* NULL accepted */
struct client *call_client(const struct call *) AC_NONNULL(1);

/*
 * Send one object, then wait for the first message that accept takes.
 * accept returns 1: this is the answer; 0: not mine; CALL_TAKEN: mine, and
 * there is more to come; CALL_PASS: not mine, even if it is an ERROR; a
 * negative code: stop with it. An ERROR stops with its code, unless accept
 * said otherwise. json may be NULL: only wait. timeout_ms < 0: for ever.
 */
enum { CALL_TAKEN = 2, CALL_PASS };
typedef int call_accept_fn(void *arg, const struct wire_msg *, const char *text,
    size_t len);
int	call_do(struct call *, const char *json, size_t len, call_accept_fn *,
	    void *arg, int64_t timeout_ms) AC_NONNULL(1, 4) AC_MUST_CHECK;
/* Queue one object and don't wait: for what a relay doesn't answer. */
int	call_send(struct call *, const char *json, size_t len)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
/* Stop waiting in call_do(), from a signal handler's watcher: -EINTR. */
struct loop *call_loop(struct call *) AC_NONNULL(1);

/* --------------------------------------------------------------- probe.c */

/*
 * Ask the relay at url how it is, by GET /health; no session is opened. On
 * success the answer, JSON, is appended to body (64 KiB at most) and the HTTP
 * status returned. Else a negative code and, in why, a sentence: -EINVAL: no
 * URL; -ETIMEDOUT; -ECONNREFUSED: it can't be connected to; -EPROTO: it
 * answers something else; -ENOMEM.
 *
 * The certificate is checked as everywhere, but for a relay on this very
 * machine (127.0.0.1, ::1, localhost): its certificate has another name, and
 * nothing secret is sent.
 */
#define CLIENT_WHY_MAX	256
int	client_health(const char *url, const char *ca_file, int64_t timeout_ms,
	    struct buf *body, char why[CLIENT_WHY_MAX])
	    AC_NONNULL(1, 4, 5) AC_MUST_CHECK;

#endif
