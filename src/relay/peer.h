/*
 * peer.h - sessions: what each still has to be sent, and how it ends.
 */
#ifndef AC_RELAY_PEER_H
#define AC_RELAY_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/buf.h"
#include "ident/ident.h"
#include "relay/dedupe.h"
#include "wire/limits.h"

struct agent;
struct challenge;
struct lws;
struct member;
struct relay;
struct relay_conf;

#define IDENTIFY_MS	10000
#define HELD_MS		10000
#define CLOSE_MS	5000		/* for a closing peer to take its last bytes */
#define SLOW_BYTES	(256 << 10)
#define SLOW_MS		10000

/*
 * What a peer still has to be sent. Frames of this loop turn are shared: they
 * lie in relay->shared and a peer notes which parts are its. What can't be
 * sent at the end of the turn is copied to own, and goes first.
 */
enum share {			/* so that what goes to many lies side by side */
	SHARE_MSG,		/* messages */
	SHARE_TELL,		/* who came and went */
	SHARE_REPLY,		/* what one peer gets */
	SHARES
};
#define SENDQ_PARTS 8
struct sendq {
	size_t		 len;		/* bytes waiting, all in all */
	struct buf	 own;
	size_t		 counted;	/* of own, in mem.c */
	size_t		 held;	/* bytes that libwebsockets couldn't write yet */
	unsigned	 nparts;
	struct sendq_part {
		uint32_t	off, len;
		enum share	share;
	}		 parts[SENDQ_PARTS];
};

enum peer_state {
	PEER_NEW,		/* has to IDENTIFY */
	PEER_HELD,		/* identified, WELCOME waits for the proof */
	PEER_KNOWN,
	PEER_CLOSING,		/* takes its last bytes */
	PEER_STATES
};

struct bucket {			/* rate.c */
	double		 tokens;
	int64_t		 at_ms;
};

struct peer {
	struct relay	*relay;
	struct lws	*wsi;
	enum peer_state	 state;
	uint64_t	 serial;	/* of this relay's life */
	char		 id[IDENT_ID_MAX];
	uint8_t		 id_len;
	char		 name[WIRE_NAME_MAX + 1];
	char		 address[46];
	struct agent	*agent;		/* verified: the key's owner */
	bool		 has_key, verified;
	bool		 cap_ack, cap_stored;
	unsigned char	 key[IDENT_KEY_LEN];
	struct challenge *challenge;	/* auth.c's, while one is open */
	struct bucket	 bucket;
	unsigned	 joins;
	LIST_HEAD(, member) in;
	unsigned	 chans;
	struct dedupe	 dedupe;	/* for sessions without agent */
	uint64_t	 letters;	/* mailbox_seq of the last one queued */
	const char	*presence;	/* SET_PRESENCE; static, NULL: online */
	uint64_t	 mark;		/* last time it was told something once */
	int64_t		 nick_ms;	/* last SET_NICK */

	struct buf	 in_buf;	/* a message that came in pieces */
	struct sendq	 q;
	bool		 dirty;		/* on relay->dirty */
	bool		 behind;	/* pump again when the queue is empty */
	bool		 mail_behind;	/* not all letters are queued yet */
	uint64_t	 unstored;	/* j of its newest message; 0: all stored */
	TAILQ_ENTRY(peer) unstoreds;
	int64_t		 since_ms;	/* of the state */
	int64_t		 slow_ms;	/* queue is long since; 0: it isn't */
	TAILQ_ENTRY(peer) slows;
	LIST_ENTRY(peer) all;
	TAILQ_ENTRY(peer) dirties;
	TAILQ_ENTRY(peer) waiting;	/* NEW, HELD, CLOSING: for the timer */
	TAILQ_ENTRY(peer) looks;	/* by look_ms: is it still there? */
	int64_t		 look_ms;
	uint8_t		 silent;	/* looks since it was last heard */
	size_t		 written;	/* bytes since the last look */
	bool		 is_waiting;
	bool		 is_unidentified; /* counted as such for its address */
};

/* ---- peer.c */

struct peer *peer_new(struct relay *, struct lws *) AC_NONNULL(1, 2);
/* The socket is gone: leave everything, tell the others, free. */
void	peer_gone(struct peer *) AC_NONNULL(1);
/* Leave every channel and the id, telling the others. */
void	peer_leave_all(struct peer *) AC_NONNULL(1);
/*
 * Queue one JSON text as a frame. Over the queue's bound, or out of memory,
 * the peer is closed: it never gets half of what it should.
 */
void	peer_put(struct peer *, const char *json, size_t len)
	    AC_NONNULL(1, 2);
/* Queue a part of relay->shared that holds whole frames. */
void	peer_put_shared(struct peer *, enum share, size_t off, size_t len)
	    AC_NONNULL(1);
/* Queue what relay->json holds, and clear it. */
void	peer_reply(struct peer *) AC_NONNULL(1);
/* The same for a long series to one peer, such as a replay: not shared. */
void	peer_reply_own(struct peer *) AC_NONNULL(1);
/* Append a frame to relay->shared; its place. Failure shows in buf_err(). */
size_t	peer_share(struct relay *, enum share, const char *json, size_t len,
	    size_t *frame_len) AC_NONNULL(1, 3, 5);
/* ERROR. text NULL: the code's own sentence; re: from relay->msg's id. */
void	peer_error(struct peer *, int rc, const char *text) AC_NONNULL(1);
/* The same with the id that it answers ("" for none). */
void	peer_error_re(struct peer *, int rc, const char *text, const char *re)
	    AC_NONNULL(1, 4);
/* Stop listening to it; close with a WebSocket status once it is flushed. */
void	peer_close(struct peer *, uint16_t code, const char *why)
	    AC_NONNULL(1, 3);
/* The same without what is queued. */
void	peer_drop(struct peer *, uint16_t code, const char *why)
	    AC_NONNULL(1, 3);
/* Write the queue with one call; close what can't be written. */
void	peer_flush(struct peer *) AC_NONNULL(1);
/* The socket can be written again. */
void	peer_writable(struct peer *) AC_NONNULL(1);
size_t	peer_queued(const struct peer *) AC_NONNULL(1);
void	peer_forget_input(struct peer *) AC_NONNULL(1);
void	peer_set_state(struct peer *, enum peer_state) AC_NONNULL(1);
/* The 1 s timer: late identification, slow readers, closing and dead ones. */
void	peer_tick(struct relay *, int64_t now_ms) AC_NONNULL(1);
/* A server's frame header for len bytes into out (10 bytes); its length. */
size_t	peer_frame_header(unsigned char out[10], size_t len) AC_NONNULL(1);

/* ---- rate.c */

void	bucket_init(struct bucket *, const struct relay_conf *)
	    AC_NONNULL(1, 2);
/* Take cost tokens if they are there. rate 0: no limit. */
bool	bucket_take(struct bucket *, const struct relay_conf *, double cost)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/* ---- listen.c: what peer.c needs of libwebsockets */

int	listen_write(struct peer *, const char *frames, size_t len)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;	/* -1: dead */
bool	listen_choked(const struct peer *) AC_NONNULL(1);
void	listen_want_write(struct peer *) AC_NONNULL(1);
void	listen_kill(struct peer *) AC_NONNULL(1);

/* Change by how much an address has open. */
void	address_count(struct relay *, const char *text, int sessions,
	    int unidentified) AC_NONNULL(1, 2);

#endif
