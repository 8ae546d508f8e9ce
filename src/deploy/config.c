/*
 * config.c - the settings of a deployment, and deploy.yaml.
 *
 * One table has every setting; the file, the environment and the command's
 * flags all come through it. The file is read event by event, so that what
 * is wrong is told with its place, and so that nothing clever gets in: no
 * anchors, aliases, tags, doubled keys or second documents.
 */
#include "config.h"

#include "deploy/internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#define BLOCK_MS	6000	/* of Akash, or a little more */
#define DEPOSIT_MIN	500000	/* uact: less is refused by the chain */

static const struct setting {
	const char	*key;
	value_fn	*take;
	size_t		 at;	/* of the field in struct deploy_conf */
} settings[] = {
#define FIELD(f) offsetof(struct deploy_conf, f)
	{ "provider",		value_provider,	FIELD(provider) },
	{ "image",		value_image,	FIELD(image) },
	{ "resources.cpu",	value_cpu,	FIELD(cpu_milli) },
	{ "resources.memory",	value_bytes,	FIELD(memory) },
	{ "resources.storage",	value_bytes,	FIELD(storage) },
	{ "wallet",		value_path,	FIELD(wallet) },
	{ "duration",		value_duration,	FIELD(duration_ms) },
	{ "port",		value_port,	FIELD(port) },
	{ "host",		value_host,	FIELD(host) },
	{ "name",		value_name,	FIELD(name) },
	{ "tls.cert",		value_path,	FIELD(cert) },
	{ "tls.key",		value_path,	FIELD(key) },
	{ "volumes",		value_bool,	FIELD(volumes) },
	{ "network",		value_network,	FIELD(network) },
	{ "domain",		value_domain,	FIELD(domain) },
	{ "max_price",		value_price,	FIELD(price_micro) },
	{ "deposit",		value_deposit,	FIELD(deposit) },
	{ "count",		value_count,	FIELD(count) },
#undef FIELD
};

static const char *const sections[] = { "resources", "tls" };

#define KEY_MAX 64

/* One reading of one file. */
struct reader {
	yaml_parser_t		 yaml;
	const char		*file;
	struct deploy_conf	*conf;
	char			*why;
	uint32_t		 seen;	/* settings, sections: a bit each */
};

_Static_assert(AC_COUNTOF(settings) + AC_COUNTOF(sections) <= 32,
    "a bit of seen for each");

void
deploy_conf_init(struct deploy_conf *conf)
{
	*conf = (struct deploy_conf){
		.host = "0.0.0.0",
		.port = DEPLOY_PORT,
		.cpu_milli = 500,
		.memory = INT64_C(512) << 20,
		.storage = INT64_C(1) << 30,
		.duration_ms = INT64_C(24) * 3600000,
		.price_micro = INT64_C(100) * 1000000,
		.count = 1,
		.volumes = -1,
	};
}

const char *
deploy_conf_key(size_t i)
{
	return i < AC_COUNTOF(settings) ? settings[i].key : NULL;
}

static const struct setting *
find(const char *key)
{
	for (size_t i = 0; i < AC_COUNTOF(settings); i++)
		if (strcmp(settings[i].key, key) == 0)
			return &settings[i];
	return NULL;
}

int
deploy_conf_set(struct deploy_conf *conf, const char *key, const char *value,
    char why[DEPLOY_WHY_MAX])
{
	const struct setting *s = find(key);
	char what[DEPLOY_WHY_MAX];
	int rc;

	if (s == NULL)
		return why_say(why, -ENOENT, "there is no setting '%.100s'",
		    key);
	rc = s->take((char *)conf + s->at, value, what);
	if (rc < 0)
		why_say(why, rc, "%s: %.400s", key, what);
	return rc;
}

/* --------------------------------------------------------------- the file */

static int
wrong_at(struct reader *r, const yaml_mark_t *at, const char *what)
{
	return why_say(r->why, -EINVAL, "%.120s:%zu:%zu: %.350s", r->file,
	    at->line + 1, at->column + 1, what);
}

static int
next(struct reader *r, yaml_event_t *e)
{
	const yaml_parser_t *y = &r->yaml;
	char what[256];
	yaml_mark_t at;

	if (yaml_parser_parse(&r->yaml, e))
		return 0;
	if (y->error == YAML_MEMORY_ERROR)
		return why_say(r->why, -ENOMEM, "out of memory");
	at = y->problem_mark;
	snprintf(what, sizeof(what), "no YAML: %s", y->problem != NULL ?
	    y->problem : "it can't be read");
	return wrong_at(r, &at, what);
}

/* Take note of a setting or section; false: it was there before. */
static bool
first_time(struct reader *r, size_t bit)
{
	uint32_t mask = UINT32_C(1) << bit;
	bool first = (r->seen & mask) == 0;

	r->seen |= mask;
	return first;
}

/* The number of a section; AC_COUNTOF(sections): it is none. */
static size_t
section(const char *key)
{
	size_t i = 0;

	while (i < AC_COUNTOF(sections) && strcmp(sections[i], key) != 0)
		i++;
	return i;
}

static int
unknown_key(struct reader *r, const char *key, const yaml_mark_t *at)
{
	char what[KEY_MAX + 64];

	snprintf(what, sizeof(what), section(key) < AC_COUNTOF(sections) ?
	    "%.*s: its settings stand below it, indented" :
	    "there is no setting '%.*s'", KEY_MAX, key);
	return wrong_at(r, at, what);
}

/* Nothing here may mean anything but what it says. */
static bool
decorated(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return e->data.scalar.anchor != NULL ||
		    e->data.scalar.tag != NULL;
	case YAML_SEQUENCE_START_EVENT:
		return e->data.sequence_start.anchor != NULL ||
		    e->data.sequence_start.tag != NULL;
	case YAML_MAPPING_START_EVENT:
		return e->data.mapping_start.anchor != NULL ||
		    e->data.mapping_start.tag != NULL;
	default:
		return false;
	}
}

/* A scalar, for the setting named key. */
static int
take_scalar(struct reader *r, const char *key, const yaml_mark_t *key_at,
    const yaml_event_t *e)
{
	const struct setting *s = find(key);
	const char *text = (const char *)e->data.scalar.value;
	char what[DEPLOY_WHY_MAX];
	int rc;

	if (s == NULL)
		return unknown_key(r, key, key_at);
	if (!first_time(r, (size_t)(s - settings)))
		return wrong_at(r, key_at, "this setting is here twice");
	if (strlen(text) != e->data.scalar.length)
		return wrong_at(r, &e->start_mark, "a NUL in a value");
	if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    (*text == '\0' || strcmp(text, "~") == 0 ||
	    strcmp(text, "null") == 0))
		return wrong_at(r, &e->start_mark, "the value is missing");
	rc = deploy_conf_set(r->conf, key, text, what);
	return rc < 0 ? wrong_at(r, &e->start_mark, what) : 0;
}

static int	take_mapping(struct reader *, const char *prefix);

/* A mapping, as the value of key: only sections have one. */
static int
take_section(struct reader *r, const char *key, const yaml_mark_t *at)
{
	size_t i = section(key);
	uint32_t tls = 0;
	int rc;

	if (i == AC_COUNTOF(sections) && find(key) == NULL)
		return unknown_key(r, key, at);
	if (i == AC_COUNTOF(sections))
		return wrong_at(r, at, "this setting has one value, no others "
		    "below it");
	if (!first_time(r, AC_COUNTOF(settings) + i))
		return wrong_at(r, at, "this section is here twice");
	rc = take_mapping(r, key);
	if (rc < 0 || strcmp(key, "tls") != 0)
		return rc;
	for (i = 0; i < AC_COUNTOF(settings); i++)
		if (strncmp(settings[i].key, "tls.", 4) == 0)
			tls += (r->seen >> i) & 1;
	return tls == 2 ? 0 : wrong_at(r, at, "tls wants both cert and key");
}

/* The value that follows a key. */
static int
take_value(struct reader *r, const char *key, const yaml_mark_t *key_at)
{
	yaml_event_t e;
	int rc = next(r, &e);

	if (rc < 0)
		return rc;
	if (e.type == YAML_ALIAS_EVENT)
		rc = wrong_at(r, &e.start_mark, "no aliases here");
	else if (e.type == YAML_SEQUENCE_START_EVENT)
		rc = find(key) == NULL ? unknown_key(r, key, key_at) :
		    wrong_at(r, &e.start_mark, "no lists here");
	else if (decorated(&e))
		rc = wrong_at(r, &e.start_mark, "no anchors and tags here");
	else if (e.type == YAML_SCALAR_EVENT)
		rc = take_scalar(r, key, key_at, &e);
	else
		rc = take_section(r, key, key_at);
	yaml_event_delete(&e);
	return rc;
}

/*
 * The name of a setting: prefix, and what the key says. A '.' stands for a
 * section only on the command line; in a file there is one way to write it.
 */
static int
take_key(struct reader *r, const char *prefix, const yaml_event_t *e,
    char key[KEY_MAX])
{
	const char *text = (const char *)e->data.scalar.value;
	const yaml_mark_t *at = &e->start_mark;
	int n;

	if (e->type == YAML_ALIAS_EVENT)
		return wrong_at(r, at, "no aliases here");
	if (e->type != YAML_SCALAR_EVENT)
		return wrong_at(r, at, "a key is a word");
	if (decorated(e))
		return wrong_at(r, at, "no anchors and tags here");
	if (strlen(text) != e->data.scalar.length)
		return wrong_at(r, at, "a NUL in a key");
	n = snprintf(key, KEY_MAX, "%s%s%s", prefix,
	    *prefix != '\0' ? "." : "", text);
	return n >= KEY_MAX || strchr(text, '.') != NULL ?
	    unknown_key(r, key, at) : 0;
}

/* Keys and values up to the end of the mapping. */
static int
take_mapping(struct reader *r, const char *prefix)
{
	char key[KEY_MAX];
	yaml_event_t e;
	yaml_mark_t at;
	int rc;

	for (;;) {
		rc = next(r, &e);
		if (rc < 0)
			return rc;
		if (e.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&e);
			return 0;
		}
		at = e.start_mark;
		rc = take_key(r, prefix, &e, key);
		yaml_event_delete(&e);
		if (rc == 0)
			rc = take_value(r, key, &at);
		if (rc < 0)
			return rc;
	}
}

/* The whole stream: nothing, or one document that is a mapping. */
static int
take_stream(struct reader *r)
{
	bool done = false;

	for (;;) {
		yaml_event_t e;
		yaml_event_type_t type;
		yaml_mark_t at;
		bool plain;
		int rc = next(r, &e);

		if (rc < 0)
			return rc;
		type = e.type;
		at = e.start_mark;
		plain = !decorated(&e);
		yaml_event_delete(&e);
		if (!plain)
			return wrong_at(r, &at, "no anchors and tags here");
		switch (type) {
		case YAML_STREAM_START_EVENT:
		case YAML_DOCUMENT_END_EVENT:
			continue;
		case YAML_STREAM_END_EVENT:
			return 0;
		case YAML_DOCUMENT_START_EVENT:
			if (done)
				return wrong_at(r, &at, "one document only");
			done = true;
			continue;
		case YAML_MAPPING_START_EVENT:
			rc = take_mapping(r, "");
			if (rc < 0)
				return rc;
			continue;
		default:
			return wrong_at(r, &at, "settings are written as "
			    "'key: value'");
		}
	}
}

int
deploy_conf_parse(struct deploy_conf *conf, const char *file, const char *text,
    size_t len, char why[DEPLOY_WHY_MAX])
{
	struct reader r = { .file = file, .conf = conf, .why = why };
	int rc;

	if (!yaml_parser_initialize(&r.yaml))
		return why_say(why, -ENOMEM, "out of memory");
	yaml_parser_set_encoding(&r.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.yaml, (const unsigned char *)text, len);
	rc = take_stream(&r);
	yaml_parser_delete(&r.yaml);
	return rc;
}

/* --------------------------------------------------------------- together */

static int
check_akash(const struct deploy_conf *conf, char why[DEPLOY_WHY_MAX])
{
	const char *net = deploy_network(conf);

	if (conf->image[0] == '\0')
		return why_say(why, -EINVAL, "image is missing: Akash takes it "
		    "from a registry, ghcr.io/you/agentchat:1.0");
	if (conf->cert[0] != '\0')
		return why_say(why, -EINVAL, "tls is for docker: on Akash it "
		    "is the provider's ingress that speaks TLS");
	if (strcmp(net, "sandbox") != 0 && strcmp(net, "testnet") != 0 &&
	    strcmp(net, "mainnet") != 0)
		return why_say(why, -EINVAL, "network: '%s' is no Akash "
		    "network: sandbox, testnet or mainnet", net);
	return 0;
}

int
deploy_conf_check(const struct deploy_conf *conf, char why[DEPLOY_WHY_MAX])
{
	if (conf->provider == DEPLOY_NONE)
		return why_say(why, -EINVAL, "which provider? "
		    "docker or akash");
	if ((conf->cert[0] != '\0') != (conf->key[0] != '\0'))
		return why_say(why, -EINVAL, "tls.cert and tls.key go "
		    "together");
	if (conf->provider == DEPLOY_AKASH)
		return check_akash(conf, why);
	if (conf->count != 1)
		return why_say(why, -EINVAL, "count is for akash: one machine "
		    "runs one relay");
	return 0;
}

const char *
deploy_network(const struct deploy_conf *conf)
{
	if (conf->network[0] != '\0')
		return conf->network;
	return conf->provider == DEPLOY_AKASH ? "sandbox" : "agentchat";
}

int64_t
deploy_inner_port(const struct deploy_conf *conf)
{
	return conf->port >= 1024 ? conf->port : DEPLOY_PORT;
}

bool
deploy_keeps(const struct deploy_conf *conf)
{
	if (conf->volumes >= 0)
		return conf->volumes != 0;
	return conf->provider == DEPLOY_DOCKER;
}

int64_t
deploy_ceiling(const struct deploy_conf *conf)
{
	int64_t blocks = (conf->duration_ms + BLOCK_MS - 1) / BLOCK_MS;
	double uact;

	if (conf->deposit > 0)
		return conf->deposit;
	/* At most 1e12 * 16 * 6e6 / 1e6: exact enough, and it fits. */
	uact = ceil((double)conf->price_micro * (double)conf->count *
	    (double)blocks / 1e6);
	return uact < DEPOSIT_MIN ? DEPOSIT_MIN : (int64_t)uact;
}
