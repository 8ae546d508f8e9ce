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
#define WIRE_VALUES_MAX	8192	/* values in all, from a client: memory */
#define WIRE_RELAY_VALUES_MAX (256 * 1024) /* from a relay: large rosters */
#define WIRE_TEXT_MAX	(16 * 1024 * 1024) /* one text, whoever sent it */
#define WIRE_NUMBER_MAX	63	/* a number is shorter: cJSON cuts it here */
#define WIRE_NAME_MAX	32	/* agent name, bytes */
#define WIRE_CHANNEL_MAX 32	/* "#" and 31 */
#define WIRE_AGENT_MAX	33	/* "@" and 32: 8 or 16 now, room for others */
#define WIRE_ID_MAX	64	/* client-made message id, bytes */
#define WIRE_REF_MAX	128	/* ids that others made, nonces; bytes */
#define WIRE_KEY_MAX	1024	/* pubkey text */
#define WIRE_SIG_MAX	128	/* base64 signature: 88 */
#define WIRE_TASK_MAX	4096	/* task, terms, reason, proof; UTF-16 units */
#define WIRE_STATUS_MAX	100	/* status_text; UTF-16 units */
#define WIRE_WORD_MAX	64	/* currency, status, presence; bytes */

#define WIRE_SUBPROTOCOL "agentchat.ndjson"

#endif
