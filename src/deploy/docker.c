/*
 * docker.c - Dockerfile, docker-compose.yml and .dockerignore.
 *
 * The image is built from the release's tarball and nothing else, and holds
 * what the relay needs at run time and nothing else. It runs as a user of its
 * own, needs no capability, and writes to one directory.
 */
#include "config.h"

#include "deploy/internal.h"

#include <inttypes.h>

#define BASE	"docker.io/library/debian:bookworm-slim"
#define TARBALL	PACKAGE_NAME "-" PACKAGE_VERSION ".tar.xz"

static const char *const build_packages[] = {
	"gcc", "libc6-dev", "libcjson-dev", "libedit-dev",
	"libinotifytools0-dev", "libsodium-dev", "libuv1-dev",
	"libwebsockets-dev", "libyaml-dev", "make", "pkg-config", "xz-utils",
};

static const char *const run_packages[] = {
	"ca-certificates", "libcjson1", "libedit2", "libsodium23", "libuv1",
	"libwebsockets-evlib-uv", "libwebsockets17", "libyaml-0-2",
};

static void
put_install(struct buf *b, const char *const *packages, size_t n)
{
	buf_adds(b, "RUN apt-get update \\\n"
	    " && apt-get install -y --no-install-recommends \\\n");
	for (size_t i = 0; i < n; i++)
		buf_addf(b, "    %s \\\n", packages[i]);
	buf_adds(b, " && rm -rf /var/lib/apt/lists/*");
}

void
put_serve(struct buf *b, const struct deploy_conf *conf)
{
	buf_addf(b, "[\"serve\", \"--host\", \"0.0.0.0\", \"--port\", "
	    "\"%" PRId64 "\"", deploy_inner_port(conf));
	if (conf->name[0] != '\0') {
		buf_adds(b, ", \"--name\", ");
		put_quoted(b, conf->name);
	}
	if (conf->cert[0] != '\0')
		buf_adds(b, ", \"--cert\", \"" DEPLOY_CERT
		    "\", \"--key\", \"" DEPLOY_KEY "\"");
	buf_adds(b, ", \"--spool\", \"" DEPLOY_SPOOL "/relay\"]");
}

static void
put_health(struct buf *b, const struct deploy_conf *conf)
{
	buf_addf(b, "[\"CMD\", \"agentchat\", \"health\", "
	    "\"%s://127.0.0.1:%" PRId64 "\"]",
	    conf->cert[0] != '\0' ? "wss" : "ws", deploy_inner_port(conf));
}

static void
put_builder(struct buf *b)
{
	buf_adds(b, "FROM " BASE " AS build\n");
	put_install(b, build_packages, AC_COUNTOF(build_packages));
	buf_adds(b, "\nWORKDIR /src\n"
	    "COPY " TARBALL " ./\n"
	    "RUN tar -xf " TARBALL " --strip-components=1 \\\n"
	    " && ./configure --prefix=/usr --disable-werror \\\n"
	    "    CFLAGS=\"-O2 -g -D_FORTIFY_SOURCE=2 "
	    "-fstack-protector-strong\" \\\n"
	    " && make -j\"$(nproc)\" \\\n"
	    " && make install-strip DESTDIR=/out\n");
}

void
deploy_put_dockerfile(struct buf *b, const struct deploy_conf *conf)
{
	int64_t port = deploy_inner_port(conf);

	buf_adds(b, "# An agentchat relay. Made by 'agentchat deploy "
	    "--provider docker'.\n"
	    "# Build it where " TARBALL " is ('make dist').\n\n");
	put_builder(b);
	buf_adds(b, "\nFROM " BASE "\n");
	put_install(b, run_packages, AC_COUNTOF(run_packages));
	buf_addf(b, " \\\n"
	    " && groupadd --gid %d agentchat \\\n"
	    " && useradd --uid %d --gid %d --no-create-home \\\n"
	    "    --home-dir " DEPLOY_SPOOL " --shell /usr/sbin/nologin "
	    "agentchat \\\n"
	    " && install -d -o %d -g %d -m 0700 " DEPLOY_SPOOL "\n"
	    "COPY --from=build /out/usr/ /usr/\n",
	    DEPLOY_UID, DEPLOY_UID, DEPLOY_UID, DEPLOY_UID, DEPLOY_UID);
	buf_addf(b, "ENV AGENTCHAT_DIR=" DEPLOY_SPOOL "\n"
	    "USER %d:%d\n"
	    "WORKDIR " DEPLOY_SPOOL "\n"
	    "VOLUME [\"" DEPLOY_SPOOL "\"]\n"
	    "EXPOSE %" PRId64 "\n"
	    "STOPSIGNAL SIGTERM\n"
	    "HEALTHCHECK --interval=30s --timeout=5s --start-period=10s "
	    "--retries=3 \\\n"
	    "    CMD [\"agentchat\", \"health\", \"ws://127.0.0.1:%" PRId64
	    "\"]\n"
	    "ENTRYPOINT [\"agentchat\"]\n"
	    "CMD [\"serve\", \"--host\", \"0.0.0.0\", \"--port\", \"%" PRId64
	    "\", \"--spool\", \"" DEPLOY_SPOOL "/relay\"]\n",
	    DEPLOY_UID, DEPLOY_UID, port, port, port);
}

void
deploy_put_dockerignore(struct buf *b)
{
	buf_adds(b, "# Only the release's tarball goes into the image.\n"
	    "*\n"
	    "!" PACKAGE_NAME "-*.tar.xz\n");
}

/* A path in a compose file: there '$' means a variable. */
static void
put_path(struct buf *b, const char *path)
{
	buf_addc(b, '"');
	for (; *path != '\0'; path++) {
		if (*path == '"' || *path == '\\')
			buf_addc(b, '\\');
		if (*path == '$')
			buf_addc(b, '$');
		buf_addc(b, *path);
	}
	buf_addc(b, '"');
}

static void
put_bind(struct buf *b, const char *source, const char *target)
{
	buf_adds(b, "      - type: bind\n        source: ");
	put_path(b, source);
	buf_addf(b, "\n        target: %s\n        read_only: true\n", target);
}

static void
put_volumes(struct buf *b, const struct deploy_conf *conf)
{
	if (!deploy_keeps(conf) && conf->cert[0] == '\0')
		return;
	buf_adds(b, "    volumes:\n");
	if (deploy_keeps(conf))
		buf_adds(b, "      - type: volume\n"
		    "        source: spool\n"
		    "        target: " DEPLOY_SPOOL "\n");
	if (conf->cert[0] != '\0') {
		put_bind(b, conf->cert, DEPLOY_CERT);
		put_bind(b, conf->key, DEPLOY_KEY);
	}
}

static void
put_tmpfs(struct buf *b, const struct deploy_conf *conf)
{
	buf_adds(b, "    tmpfs:\n      - /tmp:mode=1777,size=16m\n");
	/* Else the image's VOLUME would be kept, under a name of its own. */
	if (!deploy_keeps(conf))
		buf_addf(b, "      - " DEPLOY_SPOOL ":mode=0700,uid=%d,gid=%d,"
		    "size=%" PRId64 "k\n", DEPLOY_UID, DEPLOY_UID,
		    conf->storage >> 10);
}

static void
put_port(struct buf *b, const struct deploy_conf *conf)
{
	bool v6 = false;

	for (const char *s = conf->host; *s != '\0'; s++)
		v6 |= *s == ':';
	buf_addf(b, "    ports:\n      - '%s%s%s:%" PRId64 ":%" PRId64 "'\n",
	    v6 ? "[" : "", conf->host, v6 ? "]" : "", conf->port,
	    deploy_inner_port(conf));
}

static void
put_limits(struct buf *b, const struct deploy_conf *conf)
{
	buf_addf(b, "    user: \"%d:%d\"\n"
	    "    cap_drop:\n      - ALL\n"
	    "    deploy:\n      resources:\n        limits:\n"
	    "          cpus: \"", DEPLOY_UID, DEPLOY_UID);
	put_milli(b, conf->cpu_milli);
	buf_addf(b, "\"\n          memory: %" PRId64 "k\n"
	    "    read_only: true\n"
	    "    security_opt:\n      - no-new-privileges:true\n"
	    "    stop_grace_period: 20s\n", conf->memory >> 10);
}

/* Keys in the order that dclint asks for. */
void
deploy_put_compose(struct buf *b, const struct deploy_conf *conf)
{
	buf_adds(b, "# An agentchat relay. Made by 'agentchat deploy "
	    "--provider docker'.\n"
	    "services:\n  relay:\n");
	if (conf->image[0] != '\0') {
		buf_adds(b, "    image: ");
		put_quoted(b, conf->image);
		buf_addc(b, '\n');
	} else {
		buf_adds(b, "    build:\n      context: .\n");
	}
	put_volumes(b, conf);
	put_port(b, conf);
	buf_adds(b, "    networks:\n      - relay\n    command: ");
	put_serve(b, conf);
	buf_adds(b, "\n    restart: unless-stopped\n"
	    "    healthcheck:\n      test: ");
	put_health(b, conf);
	buf_adds(b, "\n      interval: 30s\n      timeout: 5s\n"
	    "      start_period: 10s\n      retries: 3\n");
	put_limits(b, conf);
	put_tmpfs(b, conf);
	buf_adds(b, "networks:\n  relay:\n    name: ");
	put_quoted(b, deploy_network(conf));
	buf_addc(b, '\n');
	if (deploy_keeps(conf))
		buf_adds(b, "volumes:\n  spool: {}\n");
}
