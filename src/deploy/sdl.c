/*
 * sdl.c - Akash's Stack Definition Language, and an example deploy.yaml.
 *
 * The provider's ingress speaks HTTP on port 80 and TLS on 443 and hands
 * WebSockets through, up to 60 s of silence; the relay pings every 25 s.
 */
#include "config.h"

#include "deploy/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ROOT_BYTES	(INT64_C(256) << 20)	/* beside a volume */

static void
put_service(struct buf *b, const struct deploy_conf *conf)
{
	buf_adds(b, "services:\n  relay:\n    image: ");
	put_quoted(b, conf->image);
	buf_adds(b, "\n    args: ");
	put_serve(b, conf);
	buf_addf(b, "\n    expose:\n"
	    "      - port: %" PRId64 "\n"
	    "        as: 80\n", deploy_inner_port(conf));
	if (conf->domain[0] != '\0') {
		buf_adds(b, "        accept:\n          - ");
		put_quoted(b, conf->domain);
		buf_addc(b, '\n');
	}
	buf_adds(b, "        http_options:\n"
	    "          read_timeout: 60000\n"
	    "          send_timeout: 60000\n"
	    "        to:\n"
	    "          - global: true\n");
	if (deploy_keeps(conf))
		buf_adds(b, "    params:\n      storage:\n        spool:\n"
		    "          mount: " DEPLOY_SPOOL "\n"
		    "          readOnly: false\n");
}

static void
put_size(struct buf *b, const char *before, int64_t bytes)
{
	buf_addf(b, "%ssize: ", before);
	put_bytes(b, bytes);
	buf_addc(b, '\n');
}

static void
put_storage(struct buf *b, const struct deploy_conf *conf)
{
	buf_adds(b, "        storage:\n");
	if (!deploy_keeps(conf)) {
		put_size(b, "          ", conf->storage);
		return;
	}
	put_size(b, "          - ", ROOT_BYTES);
	buf_adds(b, "          - name: spool\n");
	put_size(b, "            ", conf->storage);
	buf_adds(b, "            attributes:\n"
	    "              persistent: true\n"
	    "              class: beta3\n");
}

void
deploy_put_sdl(struct buf *b, const struct deploy_conf *conf)
{
	buf_adds(b, "# An agentchat relay. Made by 'agentchat deploy "
	    "--provider akash'.\n"
	    "---\n"
	    "version: \"2.0\"\n");
	put_service(b, conf);
	buf_adds(b, "profiles:\n  compute:\n    relay:\n      resources:\n"
	    "        cpu:\n          units: ");
	put_milli(b, conf->cpu_milli);
	buf_adds(b, "\n        memory:\n");
	put_size(b, "          ", conf->memory);
	put_storage(b, conf);
	buf_adds(b, "  placement:\n    akash:\n      pricing:\n        relay:\n"
	    "          denom: uact\n          amount: ");
	/* Quoted: a number with a point is not to become a float on the way. */
	buf_addc(b, '"');
	put_micro(b, conf->price_micro);
	buf_addf(b, "\"\ndeployment:\n  relay:\n    akash:\n"
	    "      profile: relay\n      count: %" PRId64 "\n", conf->count);
}

/* As it stands if YAML reads it so, else between quotes. */
static void
put_scalar(struct buf *b, const char *text)
{
	size_t plain = strspn(text, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@"), len = strlen(text);

	if (plain == len && strchr(":@", text[0]) == NULL &&
	    text[len - 1] != ':' && strcmp(text, "null") != 0)
		buf_adds(b, text);
	else
		put_quoted(b, text);
}

/* "key: value  # what", or the same commented out. */
static void
put_setting(struct buf *b, bool on, const char *key, const char *value,
    const char *what)
{
	size_t start = b->len;

	buf_addf(b, "%s%s: ", on ? "" : "# ", key);
	put_scalar(b, value);
	while (b->len - start < 32 && buf_err(b) == 0)
		buf_addc(b, ' ');
	buf_addf(b, " # %s\n", what);
}

/* A text that is set, or an example of it, commented out. */
static void
put_text(struct buf *b, const char *key, const char *value,
    const char *example, const char *what)
{
	bool on = *value != '\0';

	put_setting(b, on, key, on ? value : example, what);
}

static void
put_number(struct buf *b, const char *key, int64_t n, const char *example,
    const char *what)
{
	char text[24] = "";

	if (n != 0)
		snprintf(text, sizeof(text), "%" PRId64, n);
	put_text(b, key, text, example, what);
}

static void
put_resources(struct buf *b, const struct deploy_conf *conf)
{
	buf_adds(b, "\nresources:\n  cpu: ");
	put_milli(b, conf->cpu_milli);
	buf_adds(b, "\n  memory: ");
	put_bytes(b, conf->memory);
	buf_adds(b, "\n  storage: ");
	put_bytes(b, conf->storage);
	buf_adds(b, "\n\n");
}

static void
put_volumes_setting(struct buf *b, const struct deploy_conf *conf,
    const char *what)
{
	put_setting(b, true, "volumes", deploy_keeps(conf) ? "true" : "false",
	    what);
}

static void
put_for_docker(struct buf *b, const struct deploy_conf *conf)
{
	put_setting(b, true, "host", conf->host,
	    "where this machine publishes the port");
	put_volumes_setting(b, conf, "keep messages in a volume");
	put_setting(b, true, "network", deploy_network(conf),
	    "name of the Docker network");
	buf_adds(b, conf->cert[0] != '\0' ? "tls:\n" : "# tls:\n");
	put_text(b, "  cert", conf->cert, "./fullchain.pem",
	    "then wss://; user 10001 must");
	put_text(b, "  key", conf->key, "./privkey.pem",
	    "be able to read both files");
}

static void
put_for_akash(struct buf *b, const struct deploy_conf *conf)
{
	struct buf text = BUF_INIT;

	put_setting(b, true, "network", deploy_network(conf),
	    "sandbox, testnet or mainnet (real money)");
	put_setting(b, true, "wallet", conf->wallet[0] != '\0' ?
	    conf->wallet : "./wallet.json",
	    "mode 0600; see agentchat-deploy(1)");
	put_span(&text, conf->duration_ms);
	put_setting(b, true, "duration", text.p != NULL ? text.p : "24h",
	    "then 'deploy --reap' closes it");
	buf_clear(&text);
	put_micro(&text, conf->price_micro);
	put_setting(b, true, "max_price", text.p != NULL ? text.p : "100",
	    "uact per block (about 6 s), at most");
	if (buf_err(&text) < 0)
		b->failed = true;
	buf_fini(&text);
	put_number(b, "deposit", conf->deposit, "1440000",
	    "uact; default: max_price for duration");
	put_text(b, "domain", conf->domain, "relay.example.org",
	    "default: a name of the provider's");
	put_volumes_setting(b, conf, "true: persistent storage, fewer bids");
	put_number(b, "count", conf->count, "1",
	    "relays; they don't share messages");
}

void
deploy_put_example(struct buf *b, const struct deploy_conf *conf)
{
	bool akash = conf->provider == DEPLOY_AKASH;

	buf_addf(b, "# deploy.yaml - a relay on %s: agentchat-deploy.yaml(5).\n"
	    "# A flag (--port 7000, --set KEY=VALUE) beats the environment\n"
	    "# (AGENTCHAT_DEPLOY_PORT=7000), which beats this file.\n\n",
	    akash ? "Akash" : "Docker");
	put_setting(b, true, "provider", akash ? "akash" : "docker",
	    "docker or akash");
	put_text(b, "image", conf->image, DEPLOY_IMAGE, akash ?
	    "a tag of its own, not :latest" : "default: build one here");
	put_number(b, "port", conf->port, "6667", akash ?
	    "inside; the provider's ingress has 80, 443" : "of this machine");
	put_text(b, "name", conf->name, "my-relay",
	    "what the relay calls itself");
	put_resources(b, conf);
	if (akash)
		put_for_akash(b, conf);
	else
		put_for_docker(b, conf);
}
