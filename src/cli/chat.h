/*
 * chat.h - a conversation with a relay, as `connect` has it.
 *
 * cmd_connect.c has the session and its end; chat_rooms.c who and what there
 * is: rooms (channels, and agents that we speak with), names, what is unread;
 * chat_hear.c makes lines of what the relay sends; chat_say.c takes what is
 * typed, and sees to it that it arrives once.
 */
#ifndef AC_CLI_CHAT_H
#define AC_CLI_CHAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "cli/tty.h"
#include "cli/remote.h"
#include "lib/client.h"
#include "lib/pace.h"

#define CHAT_ROOMS_MAX	128
#define CHAT_NICKS_MAX	2048
#define CHAT_KEPT_MAX	(64 << 10)	/* bytes of lines kept per room */
#define CHAT_PENDING_MAX 64		/* said, and not confirmed */
#define CHAT_ID_MAX	40		/* "@1f3a9c02", "#general" */
#define CHAT_NAME_MAX	33
#define CHAT_MSG_ID_LEN	16

struct room {
	char		 name[CHAT_ID_MAX];
	bool		 wanted;	/* a channel to be in, after a reconnect too */
	bool		 in;		/* and we are */
	unsigned	 unread, mentions;
	int64_t		 seq;		/* newest seen; -1: none */
	struct buf	 kept;		/* its newest lines, as shown */
};

struct nick {
	char		 id[CHAT_ID_MAX];
	char		 name[CHAT_NAME_MAX];	/* "": not known */
};

/* Something said, until the relay has confirmed it. */
struct said {
	char		 id[CHAT_MSG_ID_LEN + 1];
	char		 to[CHAT_ID_MAX];
	struct buf	 text;
	int64_t		 ts_ms;
	int64_t		 sent_ms;	/* mono */
	bool		 sent;		/* in this session */
};

struct chat {
	const struct cmd_line *cl;
	struct remote	 remote;
	struct loop	*loop;
	struct client	*client;
	struct tty	*tty;
	struct loop_timer *timer;	/* to connect; then to say goodbye */
	struct loop_timer *pacer;
	struct pace	 pace;
	bool		 terminal, colour;
	bool		 ready, ever_ready, stopping, input_ended;
	int		 code;		/* how it ended */
	char		 refused[256];	/* why, the last time; through a pipe */
	char		 me[CHAT_ID_MAX];
	char		 my_name[CHAT_NAME_MAX];
	char		 epoch[64];	/* of the seq in rooms */

	struct room	*rooms[CHAT_ROOMS_MAX];
	size_t		 nrooms;
	struct room	*now;		/* where what is typed goes; NULL: none */
	struct nick	*nicks;
	size_t		 nnicks, nicks_cap;
	struct said	 said[CHAT_PENDING_MAX];	/* oldest first */
	size_t		 nsaid;

	/* Through a pipe, lines are taken one after the other. */
	struct buf	 held;		/* a command, until all is confirmed */
	bool		 asked;		/* to come in or out, without answer */
};

/* ------------------------------------------------------- cmd_connect.c */

/* Say goodbye, once nothing is unconfirmed; the first code given stays. */
void	chat_end(struct chat *, int code) AC_NONNULL(1);
/* Print whole lines, clearing the buf; a reader that has gone ends it. */
void	chat_print(struct chat *, struct buf *) AC_NONNULL(1, 2);
/* Print one line about the conversation itself: "* ...". */
void	chat_note(struct chat *, const char *fmt, ...) AC_NONNULL(1, 2)
	    AC_PRINTF(2, 3);
/*
 * The same of something that wasn't accepted. Through a pipe that is how the
 * command ends, too.
 */
void	chat_refuse(struct chat *, const char *fmt, ...) AC_NONNULL(1, 2)
	    AC_PRINTF(2, 3);
/*
 * Something has changed: read on, or wait with that. Through a pipe a command
 * waits until what was said before it is confirmed, and the end comes when
 * there is nothing more to say or to wait for.
 */
void	chat_settle(struct chat *) AC_NONNULL(1);
/* Queue a message to the relay and clear the buf. false: it didn't take it. */
bool	chat_tell(struct chat *, struct buf *) AC_NONNULL(1, 2);

/* -------------------------------------------------------- chat_rooms.c */

struct room *chat_room(struct chat *, const char *name) AC_NONNULL(1, 2);
/* The same, made if need be; NULL: there are too many. */
struct room *chat_room_make(struct chat *, const char *name) AC_NONNULL(1, 2);
void	chat_room_drop(struct chat *, struct room *) AC_NONNULL(1, 2);
/* Make it the current one, and show what was said there meanwhile. */
void	chat_switch(struct chat *, struct room *) AC_NONNULL(1);
/* The current room and what is unread elsewhere stand in the prompt. */
void	chat_prompt(struct chat *) AC_NONNULL(1);
void	chat_rooms_fini(struct chat *) AC_NONNULL(1);

/* An agent's name, "" if it is not known; and the id of a name or id. */
const char *chat_name(const struct chat *, const char *id) AC_NONNULL(1, 2);
void	chat_learn(struct chat *, const char *id, const char *name)
	    AC_NONNULL(1, 2);
/* NULL: nobody, or more than one, has that name. */
const char *chat_whois(const struct chat *, const char *who) AC_NONNULL(1, 2);

/* Append an agent as a person reads it: its name, its id, in its colour. */
void	chat_put_agent(const struct chat *, struct buf *, const char *id)
	    AC_NONNULL(1, 2, 3);

/* Line ops' complete(): commands, rooms, agents. */
void	chat_complete(void *arg, const char *text, size_t len, struct buf *)
	    AC_NONNULL(1, 2, 4);

/* --------------------------------------------------------- chat_hear.c */

/* A message of the relay: shown, counted, acknowledged. */
void	chat_hear(struct chat *, const struct wire_msg *) AC_NONNULL(1, 2);
/* Put the last n lines kept of the room on the screen. */
void	chat_show_kept(struct chat *, const struct room *, unsigned n)
	    AC_NONNULL(1, 2);

/* ---------------------------------------------------------- chat_say.c */

/* A line as it was typed: something to say, or a /command. */
void	chat_typed(struct chat *, const char *, size_t len) AC_NONNULL(1, 2);
/* Ask to be let in. */
void	chat_join(struct chat *, const struct room *) AC_NONNULL(1, 2);
/* Send what may be sent now. Called when the session is ready, and on time. */
void	chat_pump(struct chat *) AC_NONNULL(1);
/* Our own message came back, or was refused; true: it was one of those. */
bool	chat_confirmed(struct chat *, const struct wire_msg *)
	    AC_NONNULL(1, 2);
bool	chat_refused(struct chat *, const struct wire_msg *) AC_NONNULL(1, 2);
/* The session ended: what was sent and not confirmed is sent again. */
void	chat_unsent(struct chat *) AC_NONNULL(1);
/* The n-th command's name, NULL behind the last: for completion. */
const char *chat_command(size_t n);

#endif
