/*
 * limits.h - bounds of the protocol; each names the attack that it stops.
 */
#ifndef AC_WIRE_LIMITS_H
#define AC_WIRE_LIMITS_H

#define WIRE_FRAME_MAX	65536	/* a peer that fills our memory with one frame */
#define WIRE_CONTENT_MAX 4096	/* UTF-16 units, as old clients count */
#define WIRE_DEPTH_MAX	16	/* stack use by nesting */
#define WIRE_KEYS_MAX	64	/* quadratic duplicate search */
#define WIRE_ITEMS_MAX	4096	/* array elements from a client */
#define WIRE_NAME_MAX	32	/* agent name, bytes */
#define WIRE_CHANNEL_MAX 32	/* "#" and 31 */
#define WIRE_AGENT_MAX	33	/* "@" and 32: 8 or 16 now, room for others */
#define WIRE_ID_MAX	64	/* client-made message id */
#define WIRE_KEY_MAX	1024	/* pubkey text */
#define WIRE_SIG_MAX	128	/* base64 signature: 88 */
#define WIRE_TASK_MAX	4096	/* task, terms, reason, proof */

#define WIRE_SUBPROTOCOL "agentchat.ndjson"

#endif
