/*
 * cmd_deploy.c - agentchat deploy: a relay on Docker or Akash.
 *
 * Settings come from the file, then the environment, then the flags, each
 * through the same table (deploy.h). This file gets them together and writes
 * files; what is done on Akash is in deploy_akash.c.
 */
#include "config.h"

#include "cli/cmd.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cli/deploy_akash.h"
#include "cli/out.h"

enum {
	OPT_PROVIDER = OPT_OWN, OPT_WALLET, OPT_IMAGE, OPT_HOST, OPT_NETWORK,
	OPT_DOMAIN, OPT_DURATION, OPT_SET, OPT_OUTPUT, OPT_FORCE,
	OPT_INIT, OPT_SDL, OPT_DRY, OPT_STATUS, OPT_CLOSE, OPT_LIST, OPT_REAP
};

#define FLAGS_MAX	64
#define DEFAULT_CONFIG	"deploy.yaml"
#define SDL_NAME	"akash-sdl.yaml"

static const struct cmd_opt deploy_opts[] = {
	{ OPT_PROVIDER, "provider", "NAME", "docker or akash" },
	{ OPT_WALLET, "wallet", "FILE", "akash: the wallet that pays" },
	{ 'f', "config", "FILE", "settings [deploy.yaml if there]" },
	{ OPT_IMAGE, "image", "IMAGE", "container image, with a tag" },
	{ 'n', "name", "NAME", "the relay's name" },
	{ 'p', "port", "PORT", "where it listens [6667]" },
	{ OPT_HOST, "host", "ADDR", "docker: where the port is published" },
	{ OPT_NETWORK, "network", "NAME", "akash: sandbox, testnet, mainnet" },
	{ OPT_DOMAIN, "domain", "DOMAIN", "akash: a domain of yours" },
	{ OPT_DURATION, "duration", "SPAN", "akash: how long it is to live" },
	{ OPT_SET, "set", "KEY=VALUE", "any setting; repeatable" },
	{ OPT_OUTPUT, "output", "DIR", "where files are written [.]" },
	{ OPT_FORCE, "force", NULL, "replace files that are there" },
	{ OPT_INIT, "init-config", NULL, "write an example deploy.yaml" },
	{ OPT_SDL, "generate-sdl", NULL, "akash: only write " SDL_NAME },
	{ OPT_DRY, "dry-run", NULL, "show what would be done" },
	{ 'y', "yes", NULL, "spend without asking" },
	{ OPT_STATUS, "status", NULL, "akash: how is deployment DSEQ?" },
	{ OPT_CLOSE, "close", NULL, "akash: end deployment DSEQ" },
	{ OPT_LIST, "list", NULL, "akash: the deployments recorded here" },
	{ OPT_REAP, "reap", NULL, "akash: close those whose time is over" },
	CMD_OPT_TIMEOUT("patience with akt [15m, 2m to ask or close]"),
	CMD_OPT_DIR,
	CMD_OPT_JSON,
	CMD_OPT_END
};

/* Flags that are settings, to be applied after file and environment. */
struct flags {
	struct flag {
		const char	*name;	/* for messages */
		char		 key[64];
		const char	*value;
	}		 flag[FLAGS_MAX];
	size_t		 n;
};

struct line {
	struct cmd_line	 cl;
	struct flags	 flags;
	const char	*config, *output;
	int		 mode;		/* an option; 0: deploy */
	bool		 force, yes;
};

static void
add_flag(struct line *l, const char *name, const char *key, size_t len,
    const char *value)
{
	struct flag *f = &l->flags.flag[l->flags.n];

	if (l->flags.n == FLAGS_MAX)
		exit(cmd_usage(l->cl.cmd, "too many settings"));
	f->name = name;
	snprintf(f->key, sizeof(f->key), "%.*s",
	    len < sizeof(f->key) ? (int)len : (int)sizeof(f->key) - 1, key);
	f->value = value;
	l->flags.n++;
}

static void
add_set(struct line *l)
{
	const char *eq = strchr(l->cl.arg, '=');

	if (eq == NULL)
		exit(cmd_usage(l->cl.cmd, "--set wants KEY=VALUE, "
		    "for example resources.cpu=1"));
	add_flag(l, "--set", l->cl.arg, (size_t)(eq - l->cl.arg), eq + 1);
}

static void
set_mode(struct line *l, int mode)
{
	if (l->mode != 0 && l->mode != mode)
		exit(cmd_usage(l->cl.cmd, "one of --init-config, "
		    "--generate-sdl, --dry-run, --status, --close, --list "
		    "and --reap"));
	l->mode = mode;
}

/* The flag's long name is the setting's key. */
static void
add_named(struct line *l, int c)
{
	for (const struct cmd_opt *o = deploy_opts; o->c != 0; o++)
		if (o->c == c)
			add_flag(l, o->name, o->name, strlen(o->name),
			    l->cl.arg);
}

static void
parse(struct line *l)
{
	int c;

	while ((c = cmd_getopt(&l->cl)) != -1) {
		switch (c) {
		case 'f':
			l->config = l->cl.arg;
			break;
		case OPT_OUTPUT:
			l->output = l->cl.arg;
			break;
		case OPT_FORCE:
			l->force = true;
			break;
		case 'y':
			l->yes = true;
			break;
		case OPT_SET:
			add_set(l);
			break;
		case OPT_INIT:
		case OPT_SDL:
		case OPT_DRY:
		case OPT_STATUS:
		case OPT_CLOSE:
		case OPT_LIST:
		case OPT_REAP:
			set_mode(l, c);
			break;
		default:
			add_named(l, c);
			break;
		}
	}
	if (l->cl.name != NULL)
		add_flag(l, "name", "name", 4, l->cl.name);
	if ((l->mode == OPT_STATUS || l->mode == OPT_CLOSE) !=
	    (l->cl.argc == 1))
		exit(l->cl.argc == 1 ? cmd_usage(l->cl.cmd, "'%s' is too much",
		    l->cl.argv[0]) : cmd_usage(l->cl.cmd, "which deployment? "
		    "'deploy --list' shows them"));
}

/* -------------------------------------------------------------- settings */

static int
from_file(struct line *l, struct deploy_conf *conf)
{
	const char *path = l->config != NULL ? l->config : DEFAULT_CONFIG;
	char why[DEPLOY_WHY_MAX];
	struct buf b = BUF_INIT;
	int rc = deploy_read(path, &b);

	if (rc == -ENOENT && l->config == NULL) {
		buf_fini(&b);
		return EXIT_OK;
	}
	if (rc < 0)
		rc = cmd_fail(l->cl.cmd, cmd_code(rc), "%s: %s", path,
		    rc == -EFBIG ? "too long" : ac_strerror(rc));
	else if (deploy_conf_parse(conf, path, b.p != NULL ? b.p : "", b.len,
	    why) < 0)
		rc = cmd_fail(l->cl.cmd, EXIT_USAGE, "%s", why);
	buf_fini(&b);
	return rc;
}

/* resources.cpu is AGENTCHAT_DEPLOY_RESOURCES_CPU. */
static int
from_environment(struct line *l, struct deploy_conf *conf)
{
	char name[96], why[DEPLOY_WHY_MAX];
	const char *key, *value;

	for (size_t i = 0; (key = deploy_conf_key(i)) != NULL; i++) {
		int n = snprintf(name, sizeof(name), "AGENTCHAT_DEPLOY_%s",
		    key);

		for (char *s = name; s < name + n; s++)
			*s = *s == '.' ? '_' : (char)toupper((unsigned char)*s);
		value = getenv(name);
		if (value == NULL || *value == '\0')
			continue;
		if (deploy_conf_set(conf, key, value, why) < 0)
			return cmd_fail(l->cl.cmd, EXIT_USAGE, "$%s: %s",
			    name, why);
	}
	return EXIT_OK;
}

static int
from_flags(struct line *l, struct deploy_conf *conf)
{
	char why[DEPLOY_WHY_MAX];

	for (size_t i = 0; i < l->flags.n; i++) {
		const struct flag *f = &l->flags.flag[i];

		if (deploy_conf_set(conf, f->key, f->value, why) < 0)
			return cmd_fail(l->cl.cmd, EXIT_USAGE, "%s%s: %s",
			    strncmp(f->name, "--", 2) == 0 ? "" : "--",
			    f->name, why);
	}
	return EXIT_OK;
}

/* What is there is in the records: a bad setting must not keep it running. */
static bool
is_about_records(int mode)
{
	return mode == OPT_STATUS || mode == OPT_CLOSE || mode == OPT_LIST ||
	    mode == OPT_REAP;
}

static int
settings(struct line *l, struct deploy_conf *conf)
{
	int code = EXIT_OK;

	deploy_conf_init(conf);
	/* An example doesn't come from the file that it is to become. */
	if (l->mode != OPT_INIT && !is_about_records(l->mode))
		code = from_file(l, conf);
	if (code == EXIT_OK && !is_about_records(l->mode))
		code = from_environment(l, conf);
	if (code == EXIT_OK)
		code = from_flags(l, conf);
	return code;
}

/* ----------------------------------------------------------------- files */

static int
write_files(struct line *l, struct deploy_file *f, size_t n)
{
	const char *dir = l->output != NULL ? l->output : ".";
	char why[DEPLOY_WHY_MAX];
	struct buf b = BUF_INIT;
	int rc = deploy_write(dir, f, n, l->force, why), code;

	for (size_t i = 0; i < n && rc == 0; i++)
		buf_addf(&b, "%s/%s\n", dir, f[i].name);
	for (size_t i = 0; i < n; i++)
		buf_fini(&f[i].text);
	if (rc < 0)
		code = cmd_fail(l->cl.cmd, rc == -EEXIST ? EXIT_FAILED :
		    cmd_code(rc), "%s", why);
	else
		code = out_put(&b);
	buf_fini(&b);
	return code;
}

static int
init_config(struct line *l, struct deploy_conf *conf)
{
	struct deploy_file f = { DEFAULT_CONFIG, BUF_INIT };
	char why[DEPLOY_WHY_MAX];

	if (conf->provider == DEPLOY_NONE)
		conf->provider = DEPLOY_DOCKER;
	if (conf->provider == DEPLOY_AKASH && conf->image[0] == '\0')
		snprintf(conf->image, sizeof(conf->image), "%s",
		    DEPLOY_IMAGE);
	if (deploy_conf_check(conf, why) < 0)
		return cmd_fail(l->cl.cmd, EXIT_USAGE, "%s", why);
	deploy_put_example(&f.text, conf);
	return write_files(l, &f, 1);
}

static int
generate_sdl(struct line *l, const struct deploy_conf *conf)
{
	struct deploy_file f = { SDL_NAME, BUF_INIT };

	if (conf->provider != DEPLOY_AKASH)
		return cmd_usage(l->cl.cmd, "--generate-sdl is for "
		    "--provider akash");
	deploy_put_sdl(&f.text, conf);
	return write_files(l, &f, 1);
}

static void
put_docker(struct deploy_file f[3], const struct deploy_conf *conf)
{
	f[0] = (struct deploy_file){ "Dockerfile", BUF_INIT };
	f[1] = (struct deploy_file){ "docker-compose.yml", BUF_INIT };
	f[2] = (struct deploy_file){ ".dockerignore", BUF_INIT };
	deploy_put_dockerfile(&f[0].text, conf);
	deploy_put_compose(&f[1].text, conf);
	deploy_put_dockerignore(&f[2].text);
}

static int
docker_up(struct line *l, const struct deploy_conf *conf)
{
	struct deploy_file f[3];
	int code;

	put_docker(f, conf);
	code = write_files(l, f, AC_COUNTOF(f));
	if (code == EXIT_OK && conf->image[0] != '\0')
		cmd_say(l->cl.cmd, "then, there: docker compose up --detach");
	else if (code == EXIT_OK)
		cmd_say(l->cl.cmd, "put " PACKAGE_NAME "-" PACKAGE_VERSION
		    ".tar.xz (make dist) beside them, then, there: "
		    "docker compose up --build --detach");
	return code;
}

static int
docker_dry(const struct deploy_conf *conf)
{
	struct deploy_file f[3];
	struct buf b = BUF_INIT;
	int code;

	put_docker(f, conf);
	for (size_t i = 0; i < AC_COUNTOF(f); i++) {
		buf_addf(&b, "%s# ---- %s\n", i > 0 ? "\n" : "", f[i].name);
		buf_add(&b, f[i].text.p, f[i].text.len);
		if (buf_err(&f[i].text) < 0)
			b.failed = true;
		buf_fini(&f[i].text);
	}
	code = out_put(&b);
	buf_fini(&b);
	return code;
}

/* ------------------------------------------------------------------- run */

static int
check(struct line *l, const struct deploy_conf *conf)
{
	char why[DEPLOY_WHY_MAX];

	if (deploy_conf_check(conf, why) < 0)
		return cmd_fail(l->cl.cmd, EXIT_USAGE, "%s", why);
	if (conf->image[0] != '\0' && deploy_image_floats(conf))
		cmd_say(l->cl.cmd, "image %s: without a tag of its own it is "
		    "another one tomorrow, and Akash refuses it: "
		    "give it a version", conf->image);
	return EXIT_OK;
}

static int
deploy_run(const struct cmd *self, int argc, char **argv)
{
	struct line l = { .mode = 0 };
	struct deploy_conf conf;
	struct akash_line a;
	int code;

	cmd_line_init(&l.cl, self, argc, argv);
	parse(&l);
	code = settings(&l, &conf);
	if (code != EXIT_OK)
		return code;
	a = (struct akash_line){ .cl = &l.cl, .conf = &conf, .yes = l.yes };
	switch (l.mode) {
	case OPT_INIT:
		return init_config(&l, &conf);
	case OPT_LIST:
		return akash_list(&a);
	case OPT_REAP:
		return akash_reap(&a);
	case OPT_CLOSE:
		return akash_close(&a, l.cl.argv[0]);
	case OPT_STATUS:
		return akash_status(&a, l.cl.argv[0]);
	}
	code = check(&l, &conf);
	if (code != EXIT_OK)
		return code;
	if (l.mode == OPT_SDL)
		return generate_sdl(&l, &conf);
	if (conf.provider == DEPLOY_DOCKER)
		return l.mode == OPT_DRY ? docker_dry(&conf) :
		    docker_up(&l, &conf);
	return l.mode == OPT_DRY ? akash_dry(&a) : akash_up(&a);
}

const struct cmd cmd_deploy = {
	.name = "deploy",
	.args = "[dseq]",
	.summary = "Put a relay on Docker or Akash",
	.about = "docker: writes a Dockerfile and a compose file. akash: "
	    "deploys through akt,\nwhich costs money, after asking.",
	.opts = deploy_opts,
	.max_args = 1,
	.run = deploy_run,
};
