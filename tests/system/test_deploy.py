"""agentchat deploy: what is generated, and the way through a stand-in akt."""

import itertools
import json
import os
import pathlib
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest

import harness
from harness import Proc, directory, run, until

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = HERE.parent.parent / "deploy"
WORDS = ("abandon ability able about above absent absorb abstract absurd "
         "abuse access accident")
OK, FAILED, USAGE, NOT_FOUND, TIMEOUT, AGAIN = 0, 1, 2, 3, 5, 75
INTERRUPTED = -signal.SIGINT
NODE = {"@akashnetwork/chain-sdk": "1.0.0-alpha.25", "dclint": "3.1.0",
        "dockerfile-utils": "0.16.3"}


@pytest.fixture
def here():
    return directory("deploy")


def deploy(*args, cwd, env=None, **kw):
    return run("deploy", *args, cwd=cwd, env=env, **kw)


# --------------------------------------------------------------- deploy.yaml


@pytest.mark.parametrize("text, where, what", [
    ("provider: akash\nresources:\n  memory: 512Mb\n", "3:11", "512Mb"),
    ("provider: akash\nresources:\n  memory: 0.5Gi\n", "3:11", "0.5Gi"),
    ("provider: akash\nresources:\n  memory: 999999999Ti\n", "3:11", "size"),
    ("resources:\n  storage: 1G\n", "2:12", "1G"),
    ("resources:\n  cpu: half\n", "2:8", "half"),
    ("resources:\n  cpu: 0\n", "2:8", "cores"),
    ("resources:\n  cpus: 1\n", "2:3", "resources.cpus"),
    ("resources: 1\n", "1:1", "below it"),
    ("resources: []\n", "1:1", "resources"),
    ("provider: kubernetes\n", "1:11", "kubernetes"),
    ("colour: red\n", "1:1", "colour"),
    ("colour: {a: 1}\n", "1:1", "colour"),
    ("port: 6667\nport: 6668\n", "2:1", "twice"),
    ("tls: {cert: a, key: b}\ntls: {cert: a, key: b}\n", "2:1", "twice"),
    ("provider: docker\ntls:\n  cert: a.pem\n", "2:1", "both cert and key"),
    ("tls:\n  key: a.pem\n", "1:1", "both cert and key"),
    ("port: 0\n", "1:7", "0"), ("port: 65536\n", "1:7", "65536"),
    ("port: 6667x\n", "1:7", "6667x"), ("port: -1\n", "1:7", "-1"),
    ("port:\n", "1:6", "missing"), ("port: ~\n", "1:7", "missing"),
    ("port: [1]\n", "1:7", "lists"), ("port: {a: 1}\n", "1:1", "one value"),
    ("port: &a 1\nname: *a\n", "1:7", "anchors"),
    ("name: *a\n", "1:7", "alias"), ("port: !!int 1\n", "1:7", "tags"),
    ("&a port: 1\n", "1:1", "anchors"), ("!!str port: 1\n", "1:1", "tags"),
    ("--- &a\nport: 1\n", "1:5", "anchors"),
    ("--- !!map\nport: 1\n", "1:5", "tags"),
    ("tls: &t {cert: a, key: b}\n", "1:6", "anchors"),
    ("resources: {cpu: &c 1}\n", "1:18", "anchors"),
    ("*a : 1\n", "1:1", "alias"), ("\"port\\0x\": 1\n", "1:1", "NUL"),
    ("resources.cpu: 1\n", "1:1", "resources.cpu"),
    ("tls.cert: a.pem\n", "1:1", "tls.cert"),
    ("? {a: 1}\n: 2\n", "1:3", "word"), ("? [a]\n: 2\n", "1:3", "word"),
    ("- port\n", "1:1", "key: value"), ("port\n", "1:1", "key: value"),
    ("---\nport: 1\n---\nport: 2\n", "3:1", "one document"),
    ("name: b: c\n", "1:8", "YAML"), ("\tport: 1\n", "1:1", "YAML"),
    ("port: \"1\n", "2:1", "YAML"),
    ("duration: 24\n", "1:11", "24"), ("duration: 5m\n", "1:11", "5m"),
    ("volumes: yes\n", "1:10", "yes"), ("host: example.org\n", "1:7", "host"),
    ("domain: nodots\n", "1:9", "nodots"),
    ("max_price: 1e3\n", "1:12", "1e3"), ("deposit: 1.5\n", "1:10", "1.5"),
    ("count: 17\n", "1:8", "17"),
])
def test_a_wrong_setting_is_told_with_its_place(here, text, where, what):
    (here / "deploy.yaml").write_text(text)
    p = deploy("--provider", "docker", cwd=here)
    assert p.code == USAGE and p.out == ""
    assert "deploy.yaml:%s: " % where in p.err and what in p.err, p.err
    assert os.listdir(here) == ["deploy.yaml"]


HOSTILE = ["\"x\\ny\"", "\"x\\\"y\"", "\"$(id)\"", "\"${HOME}\"", "\"a b\"",
           "\"a'b\"", "\"\\u202ex\"", "\"-x\"", "\"\"", "\"a\\0b\"", "\"#x\"",
           "\"x: y\"", "\"%s\"" % ("x" * 300), "\"../x\"", "\"{a}\"",
           "\"x\\ty\"", "\"\\u00e9\"", "\"`id`\"", "\"a\\\\\""]


@pytest.mark.parametrize("key", ["name", "image", "domain", "network"])
@pytest.mark.parametrize("value", HOSTILE)
def test_what_could_mean_more_is_refused(here, key, value):
    (here / "deploy.yaml").write_text("image: a/b:1\nprovider: akash\n" +
                                      "%s: %s\n" % (key, value)
                                      if key != "image" else
                                      "provider: akash\nimage: %s\n" % value)
    p = deploy("--generate-sdl", cwd=here)
    assert p.code == USAGE, p.err
    assert "\x1b" not in p.err and "\u202e" not in p.err
    assert os.listdir(here) == ["deploy.yaml"]


@pytest.mark.parametrize("image", [
    "a", "a:1", "a/b", "a.b/c", "localhost:5000/a:1", "ghcr.io/a/b__c/d-e:v1",
    "ghcr.io/a/b@sha256:" + "0" * 64, "a:1@sha256:" + "f" * 64,
    "Registry.example:443/a:T.a-g_1"])
def test_an_image_that_docker_takes_is_taken(here, image):
    p = deploy("--generate-sdl", "--provider", "akash", "--image", image,
               cwd=here)
    assert p.code == OK, p.err
    assert '    image: "%s"\n' % image in (here / "akash-sdl.yaml").read_text()


@pytest.mark.parametrize("image", [
    "A", "a:", "a@sha256:00", "a/", "/a", "a//b", "a..b", "a_-b", "a:1:2",
    "a@", "-a", "a:-1", "x/" * 140 + "x", "a:" + "x" * 129, "a b",
    "ghcr.io:x/a", "ghcr.io:/a", "a@sha256:" + "G" * 64])
def test_an_image_that_docker_refuses_is_refused(here, image):
    p = deploy("--generate-sdl", "--provider", "akash", "--image=" + image,
               cwd=here)
    assert p.code == USAGE and os.listdir(here) == [], p.err


def test_flag_beats_environment_beats_file(here):
    (here / "deploy.yaml").write_text("provider: docker\nport: 7001\n"
                                      "resources:\n  cpu: 1\n")
    compose = here / "docker-compose.yml"

    def ports(*args, **env):
        assert deploy("--force", *args, cwd=here, env=env).code == OK
        return re.search(r"'0.0.0.0:(\d+):(\d+)'", compose.read_text())[1]
    assert ports() == "7001"
    assert ports(AGENTCHAT_DEPLOY_PORT="7002") == "7002"
    assert ports("--port", "7003", AGENTCHAT_DEPLOY_PORT="7002") == "7003"
    assert ports("--set", "port=7004") == "7004"
    ports(AGENTCHAT_DEPLOY_RESOURCES_CPU="250m")
    assert 'cpus: "0.25"' in compose.read_text()
    p = deploy("--force", cwd=here, env={"AGENTCHAT_DEPLOY_PORT": "x"})
    assert p.code == USAGE and "$AGENTCHAT_DEPLOY_PORT: port: 'x'" in p.err
    p = deploy("--set", "nosuch=1", cwd=here)
    assert p.code == USAGE and "nosuch" in p.err
    assert deploy("--set", "port", cwd=here).code == USAGE


def test_a_floating_image_is_a_warning_and_never_submitted(here):
    for image in ("ghcr.io/yourusername/agentchat:latest", "agentchat"):
        p = deploy("--provider", "akash", "--image", image, "--generate-sdl",
                   "--force", cwd=here)
        assert p.code == OK and image in p.err
        p = deploy("--provider", "akash", "--image", image, "--yes", cwd=here)
        assert p.code == USAGE and image in p.err
    assert os.listdir(here) == ["akash-sdl.yaml"]


@pytest.mark.parametrize("settings", [
    "provider=docker", "provider=docker image=a/b:1 name=null",
    "provider=docker host=:: volumes=false network=null port=443",
    "provider=docker host=::1 network=123 tls.cert=@a "
    "'tls.key=a: #\"b'",
    "provider=akash image=a/b:1", "provider=akash image=a/b:1 count=3 "
    "deposit=700001 domain=a.example volumes=true network=testnet "
    "wallet=null duration=90m max_price=0.25 name=true "
    "resources.cpu=250m resources.memory=131073Ki resources.storage=1Ti"])
def test_init_config_is_read_back_without_change(here, settings):
    flags = [x for s in shlex.split(settings) for x in ("--set", s)]
    assert deploy("--init-config", *flags, cwd=here).code == OK
    p = deploy("--dry-run", cwd=here)
    (here / "empty.yaml").write_text("")
    q = deploy("--dry-run", *flags, "--config", "empty.yaml", cwd=here)
    assert (p.code, q.code) == (OK, OK), p.err + q.err
    assert p.out == q.out
    q = deploy("--dry-run", *flags, "--config", "/dev/null", cwd=here)
    assert q.code == FAILED     # not a regular file


def test_init_config_writes_nothing_that_it_would_refuse(here):
    p = deploy("--init-config", "--set", "tls.cert=a.pem", cwd=here)
    assert p.code == USAGE and "together" in p.err
    assert os.listdir(here) == []


# ---------------------------------------------------------------- the files


def test_files_are_never_overwritten_silently(here):
    docker = ("--provider", "docker")
    assert deploy(*docker, cwd=here).code == OK
    names = {"Dockerfile", "docker-compose.yml", ".dockerignore"}
    assert set(os.listdir(here)) == names
    before = {n: (here / n).read_text() for n in names}
    assert deploy(*docker, cwd=here).code == OK     # the same: nothing to do
    (here / "Dockerfile").write_text("mine")
    (here / ".dockerignore").unlink()
    p = deploy(*docker, "--port", "7000", cwd=here)
    assert p.code == FAILED and "Dockerfile, docker-compose.yml" in p.err
    # None of them is written when one can't be.
    assert (here / "Dockerfile").read_text() == "mine"
    assert not (here / ".dockerignore").exists()
    assert (here / "docker-compose.yml").read_text() == \
        before["docker-compose.yml"]
    assert deploy(*docker, "--force", cwd=here).code == OK
    assert {n: (here / n).read_text() for n in names} == before
    assert deploy(*docker, "--output", "sub", cwd=here).code == OK
    assert set(os.listdir(here / "sub")) == names


@pytest.mark.parametrize("path, args", [
    ("docker/Dockerfile", ("--provider", "docker")),
    ("docker/docker-compose.yml", ("--provider", "docker")),
    ("docker/.dockerignore", ("--provider", "docker")),
    ("docker/deploy.yaml", ("--provider", "docker", "--init-config")),
    ("akash/akash-sdl.yaml", ("--provider", "akash", "--generate-sdl",
                              "--image", "ghcr.io/you/agentchat:0.1.0")),
    ("akash/deploy.yaml", ("--provider", "akash", "--init-config",
                           "--image", "ghcr.io/you/agentchat:0.1.0")),
])
def test_the_examples_are_what_is_generated(here, path, args):
    assert deploy(*args, cwd=here).code == OK
    made = (here / pathlib.Path(path).name).read_text()
    assert made == (EXAMPLES / path).read_text(), \
        "make it anew: agentchat deploy " + " ".join(args)


def test_a_dry_run_writes_nothing(here):
    p = deploy("--dry-run", "--provider", "docker", cwd=here)
    assert p.code == OK and "# ---- .dockerignore" in p.out
    p = deploy("--dry-run", "--provider", "akash", "--image", "a/b:1",
               "--dir", "root", cwd=here)
    assert p.code == OK and "1.440000 ACT" in p.out
    assert "# akt --context sandbox deploy root/deploy/sdl-sandbox.yaml " \
        "--bid-select cheapest --bid-timeout 5m --deposit 1440000uact " \
        "--yes -o jsonl\n" in p.out
    assert os.listdir(here) == []


@pytest.mark.parametrize("args, ceiling", [
    ((), "1.440000"), (("--duration", "7d"), "10.080000"),
    (("--set", "max_price=0.5"), "0.500000"),   # the chain's least
    (("--set", "count=3"), "4.320000"),
    (("--set", "deposit=700001"), "0.700001")])
def test_the_cost_is_bounded_and_told(here, args, ceiling):
    p = deploy("--dry-run", "--provider", "akash", "--image", "a/b:1", *args,
               cwd=here)
    assert p.code == OK and ceiling + " ACT" in p.out
    assert "--deposit %duact" % round(float(ceiling) * 1e6) in p.out


# -------------------------------------------------------- others' validators


@pytest.fixture(scope="module")
def node():
    """A directory with the npm packages; skipped where there are none."""
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("no npm")
    d = directory("npm")
    (d / "package.json").write_text('{"private":true}')
    p = subprocess.run(
        ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund",
         "--fetch-retries=1", "--fetch-timeout=30000", "--cache",
         str(d / "cache")] + ["%s@%s" % x for x in NODE.items()],
        cwd=d, capture_output=True, text=True, timeout=150)
    if p.returncode != 0:
        pytest.skip("npm can't install: " + p.stderr[-200:])
    return d


CHECK_SDL = """
import {yaml, generateManifest, generateManifestVersion}
  from '@akashnetwork/chain-sdk';
import {readFileSync} from 'node:fs';
const plain = (k, v) => typeof v === 'bigint' ? v.toString() :
  v instanceof Uint8Array ? Buffer.from(v).toString() : v;
const out = [];
for (const text of JSON.parse(readFileSync(0, 'utf8'))) {
  const r = generateManifest(yaml([text]));
  if (r.ok) await generateManifestVersion(r.value.groups);
  out.push(r.ok ? {service: r.value.groups[0].services[0],
    price: r.value.groupSpecs[0].resources[0].price} : {error: r.value});
}
console.log(JSON.stringify(out, plain));
"""

BYTES = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}


def matrix():
    """200 configurations, and what an SDL of each must say."""
    cpus = [("0.01", 10), ("0.5", 500), ("1.5", 1500), ("250m", 250),
            ("64", 64000)]
    sizes = [("16Mi", "1Gi"), ("512Mi", "10Gi"), ("131073Ki", "1Ti"),
             ("2Gi", "100Mi")]
    prices = ["1", "100", "0.25", "12345.678901", "1000000"]
    more = [{}, {"domain": "relay.example.org", "name": "a.b_c-D9"}]
    ports = itertools.cycle([6667, 1024, 65535, 80, 443])
    counts = itertools.cycle([1, 2, 16])
    images = itertools.cycle([
        "ghcr.io/you/agentchat:0.1.0", "localhost:5000/a:1",
        "docker.io/a/b__c@sha256:" + "0" * 64])
    volumes = itertools.cycle(["false", "false", "true"])
    for (cpu, milli), size, price, extra in itertools.product(
            cpus, sizes, prices, more):
        yield dict(extra, image=next(images), port=next(ports),
                   count=next(counts), max_price=price,
                   volumes=next(volumes), **{
                       "resources.cpu": cpu, "resources.memory": size[0],
                       "resources.storage": size[1]}), milli


def in_bytes(text):
    return str(int(text[:-2]) * BYTES[text[-2:]])


def sdl(settings, cwd):
    args = [x for k, v in settings.items() for x in
            ("--set", "%s=%s" % (k, v))]
    p = subprocess.run([harness.AGENTCHAT, "deploy", "--provider", "akash",
                        "--generate-sdl", "--force"] + args, cwd=cwd,
                       env=harness.environment(), capture_output=True,
                       text=True)
    assert p.returncode == 0, p.stderr
    return (cwd / "akash-sdl.yaml").read_text()


def check_service(got, settings, milli):
    s = got["service"]
    assert s["image"] == settings["image"]
    assert s["count"] == settings["count"]
    r = s["resources"]
    assert r["cpu"]["units"]["val"] == str(milli)
    assert r["memory"]["quantity"]["val"] == \
        in_bytes(settings["resources.memory"])
    volume = r["storage"][-1]
    assert volume["quantity"]["val"] == in_bytes(settings["resources.storage"])
    kept = {a["key"]: a["value"] for a in volume["attributes"]}
    assert kept.get("persistent") == \
        ("true" if settings["volumes"] == "true" else None)
    assert got["price"]["denom"] == "uact"
    assert float(got["price"]["amount"]) == float(settings["max_price"])
    inner = settings["port"] if settings["port"] >= 1024 else 6667
    expose, = s["expose"]
    assert (expose["port"], expose["externalPort"]) == (inner, 80)
    assert expose["global"] is True and expose["proto"] == "TCP"
    assert expose["hosts"] == ([settings["domain"]] if "domain" in settings
                               else [])
    assert expose["httpOptions"]["readTimeout"] == 60000
    args = s["args"]
    assert args[0] == "serve"
    assert args[args.index("--port") + 1] == str(inner)
    assert "name" not in settings or \
        args[args.index("--name") + 1] == settings["name"]


def test_akashs_own_library_reads_200_sdls_as_they_were_meant(node, here):
    cases = list(matrix())
    assert len(cases) == 200
    (node / "check.mjs").write_text(CHECK_SDL)
    texts = [sdl(settings, here) for settings, _ in cases]
    p = subprocess.run(["node", "check.mjs"], cwd=node, text=True,
                       input=json.dumps(texts), capture_output=True,
                       timeout=120)
    assert p.returncode == 0, p.stderr
    answers = json.loads(p.stdout)
    assert len(answers) == 200
    for (settings, milli), got in zip(cases, answers):
        assert "error" not in got, (settings, got)
        check_service(got, settings, milli)


def test_the_library_would_see_a_wrong_sdl(node):
    """The check above can fail."""
    (node / "check.mjs").write_text(CHECK_SDL)
    text = (EXAMPLES / "akash" / "akash-sdl.yaml").read_text()
    bad = [text.replace("units: 0.5", "units: 0"),
           text.replace("uact", "usd"),
           text.replace("profile: relay", "profile: other")]
    p = subprocess.run(["node", "check.mjs"], cwd=node, text=True,
                       input=json.dumps(bad), capture_output=True)
    assert p.returncode == 0, p.stderr
    assert all("error" in x for x in json.loads(p.stdout)), p.stdout


@pytest.mark.parametrize("args", [
    (), ("--image", "a/b:1"), ("--set", "volumes=false"),
    ("--set", "tls.cert=/etc/a $b.pem", "--set", "tls.key=/etc/'k\".pem"),
    ("--port", "443", "--host", "::1", "--name", "relay-1")])
def test_linters_have_nothing_to_say(node, here, args):
    assert deploy("--provider", "docker", *args, cwd=here).code == OK
    bin = node / "node_modules" / ".bin"
    # docker-compose 1.29 knows no "name", which that rule asks for.
    p = subprocess.run([bin / "dclint", "docker-compose.yml",
                        "--max-warnings", "0", "--disable-rule",
                        "require-project-name-field"], cwd=here,
                       capture_output=True, text=True)
    assert p.returncode == 0, p.stdout + p.stderr
    p = subprocess.run([bin / "dockerfile-utils", "lint", "Dockerfile"],
                       cwd=here, capture_output=True, text=True)
    assert p.returncode == 0 and p.stdout.strip() == "", p.stdout + p.stderr


@pytest.mark.parametrize("args", [
    (), ("--set", "volumes=false"), ("--network", "123"),
    ("--network", "null", "--host", "::", "--name", "null"),
    ("--set", "tls.cert=/etc/a $b.pem", "--set", "tls.key=/etc/'k\".pem")])
def test_docker_compose_takes_the_file(here, args):
    if not shutil.which("docker-compose"):
        pytest.skip("no docker-compose")
    assert deploy("--provider", "docker", *args, cwd=here).code == OK
    p = subprocess.run(["docker-compose", "config"], cwd=here,
                       capture_output=True, text=True)
    assert p.returncode == 0, p.stderr
    for path in ("/etc/a $$b.pem", "/etc/'k\".pem") if "tls" in str(args) \
            else ():
        assert path in p.stdout.replace("''", "'"), p.stdout


# --------------------------------------------------------------- through akt


class Akash:
    """A directory with a wallet, a root and an akt that isn't."""

    def __init__(self):
        self.dir = directory("akash")
        self.fake = self.dir / "fake"
        self.root = self.dir / "root"
        self.wallet = self.dir / "wallet.json"
        self.address = "akash1" + "q" * 38
        for d in (self.fake, self.dir / "bin"):
            d.mkdir()
        akt = self.dir / "bin" / "akt"
        akt.write_text("#!/bin/sh\nexec %s %s \"$@\"\n" %
                       (sys.executable, HERE / "fake_akt.py"))
        akt.chmod(0o755)
        self.write_wallet()

    def write_wallet(self, mode=0o600, **change):
        w = {"version": 1, "network": "sandbox", "address": self.address,
             "pubkey": "A" * 44, "mnemonic": WORDS,
             "created": "2026-02-02T00:00:00.000Z"}
        w.update(change)
        self.wallet.write_text(json.dumps(
            {k: v for k, v in w.items() if v is not None}))
        self.wallet.chmod(mode)

    def env(self, mode=""):
        return {"PATH": "%s:%s" % (self.dir / "bin", os.environ["PATH"]),
                "FAKE_DIR": str(self.fake), "FAKE_MODE": mode,
                "AGENTCHAT_DIR": str(self.root), "AKT_NODE": "http://evil",
                "AKT_HOME": "/nowhere"}

    def deploy(self, *args, mode="", cls=run, **kw):
        return cls("deploy", *args, cwd=self.dir, env=self.env(mode), **kw)

    def up(self, *args, mode="", **kw):
        return self.deploy("--provider", "akash", "--image", "a/b:1",
                           "--wallet", self.wallet, "--yes", *args,
                           mode=mode, **kw)

    def age(self):
        """The deploy without dseq was three minutes ago."""
        rec = self.record("pending")
        rec["created"] -= 180000
        path = self.root / "deploy" / "akash-sandbox-pending.json"
        path.write_text(json.dumps(rec))

    def chain(self):
        return harness.load(self.fake / "chain.json") or {}

    def log(self):
        return harness.lines(self.fake / "log.jsonl")

    def record(self, name):
        return harness.load(self.root / "deploy" /
                            ("akash-sandbox-%s.json" % name))

    def list(self):
        p = self.deploy("--list", "--json")
        assert p.code == OK, p.err
        return {r["dseq"]: r["state"] for r in
                map(json.loads, p.out.splitlines())}

    def no_secret(self):
        """The words are in the wallet file and nowhere else."""
        texts = [json.dumps(x) for x in self.log()]
        files = [p for d in (self.dir, harness.TMP / "log")
                 for p in d.rglob("*") if p.is_file() and p != self.wallet]
        assert len(files) > 2
        texts += [p.read_text(errors="replace") for p in files]
        for text in texts:
            assert "ability able" not in text and "access accident" not in text


@pytest.fixture
def akash():
    a = Akash()
    yield a
    a.no_secret()


DSEQ = "1000001"


def test_a_relay_is_deployed_watched_and_closed(akash):
    p = akash.up("--json")
    assert p.code == OK, p.err
    got = json.loads(p.out)
    assert got["dseq"] == DSEQ and got["state"] == "active"
    assert got["provider"] == "akash1provider"
    assert got["uri"] == "abc.ingress.example"
    assert got["expires"] - got["created"] == 24 * 3600 * 1000
    assert "send-manifest: completed" in p.err and "1.440000 ACT" in p.err
    assert akash.record(DSEQ)["state"] == "active"
    assert akash.record("pending") is None
    p = akash.deploy("--status", DSEQ)
    assert p.code == OK and "1 of 1 running" in p.out
    assert "wss://new.ingress.example" in p.out
    assert "on the chain: active" in p.out
    assert "new.ingress.example" in akash.deploy("--list").out
    assert akash.list() == {DSEQ: "active"}
    assert akash.deploy("--close", DSEQ).code == OK
    assert akash.chain() == {DSEQ: "closed"}
    assert akash.list() == {DSEQ: "closed"}
    assert akash.deploy("--close", DSEQ).code == OK     # and stays so


def test_akt_gets_our_home_and_none_of_the_users_settings(akash):
    assert akash.up().code == OK
    for entry in akash.log():
        env = entry["env"]
        assert [k for k in env if k.startswith("AKT_")] == ["AKT_HOME"]
        assert env["AKT_HOME"].startswith(str(akash.root / "deploy"))
        assert entry["mode"] == "0o700"
    deploys = [e["argv"] for e in akash.log() if "deploy" in e["argv"]]
    assert deploys == [["--context", "sandbox", "deploy",
                        str(akash.root / "deploy" / "sdl-sandbox.yaml"),
                        "--bid-select", "cheapest", "--bid-timeout", "5m",
                        "--deposit", "1440000uact", "--yes", "-o", "jsonl"]]
    # The key is there now: the second time needs no wallet and no setup.
    n = len(akash.log())
    p = akash.deploy("--provider", "akash", "--image", "a/b:1", "--yes")
    assert p.code == OK, p.err
    assert len(akash.log()) == n + 1
    assert set(akash.list().values()) == {"active"}


@pytest.mark.parametrize("mode, code, state, said", [
    ("no-bids", TIMEOUT, "failed", "no provider has bid"),
    ("lease-fails", FAILED, "failed", "create-lease failed: bid is closed"),
    ("manifest-fails", FAILED, "failed", "provider gateway timeout"),
    ("garbage", FAILED, "failed", "not understood"),
    ("truncated", FAILED, "failed", "not understood"),
    ("endless", FAILED, "failed", "too long"),
])
def test_a_failure_tells_the_dseq_and_how_to_close_it(akash, mode, code,
                                                      state, said):
    p = akash.up(mode=mode)
    assert p.code == code and said in p.err, p.err
    assert p.out == ""
    assert "agentchat deploy --close " + DSEQ in p.err
    assert akash.list() == {DSEQ: state}
    assert akash.record("pending") is None
    assert akash.deploy("--close", DSEQ).code == OK
    assert akash.chain() == {DSEQ: "closed"}


@pytest.mark.parametrize("mode", ["killed", "only-garbage", "lies"])
def test_a_dseq_that_akt_did_not_tell_is_asked_of_the_chain(akash, mode):
    p = akash.up(mode=mode)
    assert p.code == FAILED
    assert "deployment %s is active" % DSEQ in p.err, p.err
    assert akash.list() == {DSEQ: "found"}
    # It may be somebody else's: nothing closes it by itself.
    assert "nothing to close" in akash.deploy("--reap").err
    assert akash.chain() == {DSEQ: "active"}
    assert akash.deploy("--close", DSEQ).code == OK
    assert akash.list() == {DSEQ: "closed"}


def test_nothing_is_invented_where_nothing_was_created(akash):
    p = akash.up(mode="create-fails")
    assert p.code == FAILED and "insufficient funds" in p.err
    assert "\x1b" not in p.err and "--close" not in p.err
    assert akash.list() == {"0": "creating"}    # akt may not know
    p = akash.up(mode="silent")
    assert p.code == FAILED and "cut off" in p.err
    assert akash.list() == {"0": "creating"} and akash.chain() == {}
    akash.age()
    p = akash.deploy("--reap")
    assert p.code == OK, p.err
    assert akash.list() == {}


def test_a_deployment_that_comes_to_the_chain_late_is_found(akash):
    """akt was told to stop, and says that it failed; the chain says no."""
    p = akash.up(mode="in-flight", cls=Proc)
    until(lambda: harness.load(akash.fake / "waiting"), "akt to wait")
    p.signal(signal.SIGINT)
    assert p.wait() == INTERRUPTED
    assert "--reap" in p.err, p.err
    # What is done before it is there doesn't close the question.
    assert akash.deploy("--reap").code == OK
    assert akash.up().code == OK
    assert akash.list() == {"0": "creating", DSEQ: "active"}
    (akash.fake / "chain.json").write_text(
        json.dumps({DSEQ: "active", "42": "active"}))
    p = akash.deploy("--reap")
    assert p.code == OK and "agentchat deploy --close 42" in p.err
    assert akash.list() == {"42": "found", DSEQ: "active"}


def test_an_akt_that_goes_on_after_our_death_is_waited_for(akash):
    p = akash.up(mode="slow", cls=Proc)
    until(lambda: harness.load(akash.fake / "waiting"), "akt to wait")
    p.kill()
    # The chain's no would be wrong a moment later.
    q = akash.deploy("--reap")
    assert q.code == AGAIN and "akt that one left" in q.err
    p = akash.deploy("--list")
    assert "(not known)" in p.out and "--reap" in p.err
    (akash.fake / "go").touch()
    until(lambda: akash.deploy("--reap").code == OK, "akt's end")
    assert akash.list() == {DSEQ: "found"}
    assert akash.deploy("--close", DSEQ).code == OK
    assert akash.chain() == {DSEQ: "closed"}


def test_what_is_there_needs_no_settings(akash):
    assert akash.up().code == OK
    (akash.dir / "deploy.yaml").write_text("wallet: nosuch.json\nport: x\n")
    akash.wallet.rename(akash.dir / "gone")
    for args in (("--list",), ("--status", DSEQ), ("--reap",),
                 ("--close", DSEQ)):
        p = akash.deploy(*args)
        assert p.code == OK, p.err
    assert akash.chain() == {DSEQ: "closed"}
    (akash.dir / "gone").rename(akash.wallet)


def test_a_deploy_that_was_killed_is_found_by_the_next(akash):
    p = akash.up(mode="deaf", cls=Proc)
    until(lambda: harness.load(akash.fake / "waiting"), "akt to wait")
    until(lambda: akash.record(DSEQ), "the dseq on disk")
    # Another one meanwhile must not get in between.
    q = akash.up()
    assert q.code == AGAIN and "another deploy" in q.err
    p.kill()
    os.kill(harness.load(akash.fake / "waiting"), signal.SIGKILL)
    assert akash.list() == {DSEQ: "creating"}
    # Killed even before akt said anything: only the pending record is there.
    rec = akash.record(DSEQ)
    rec["dseq"] = "0"
    (akash.root / "deploy" / "akash-sandbox-pending.json").write_text(
        json.dumps(rec))
    (akash.root / "deploy" / ("akash-sandbox-%s.json" % DSEQ)).unlink()
    until(lambda: akash.up().code != AGAIN, "the lock to be free")
    assert akash.list() == {DSEQ: "found", "1000002": "active"}


def test_a_chain_that_cannot_be_asked_keeps_the_question_open(akash):
    assert akash.up("--yes", mode="query-fails").code == OK
    pending = akash.root / "deploy" / "akash-sandbox-pending.json"
    rec = akash.record(DSEQ)
    rec["dseq"] = "0"
    pending.write_text(json.dumps(rec))
    p = akash.up(mode="query-fails")
    assert p.code == FAILED and pending.exists()
    assert len(akash.chain()) == 1
    akash.age()
    assert akash.up().code == OK and not pending.exists()


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_akt_tell_its_dseq_first(akash, sig):
    p = akash.up(mode="wait", cls=Proc)
    until(lambda: harness.load(akash.fake / "waiting"), "akt to wait")
    for name in ("cmdline", "environ"):
        with open("/proc/%d/%s" % (p.pid, name), "rb") as f:
            assert b"ability" not in f.read()
    no_words_in_memory(p.pid)
    p.signal(sig)
    assert p.wait() == -sig
    assert "agentchat deploy --close " + DSEQ in p.err, p.err
    assert akash.list() == {DSEQ: "failed"}


def no_words_in_memory(pid):
    """What the mnemonic was read into has been overwritten."""
    with open("/proc/%d/maps" % pid) as maps, \
            open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for area in maps:
            at, end = (int(x, 16) for x in area.split()[0].split("-"))
            # A sanitizer's shadow is terabytes, and holds no text.
            if "rw" not in area.split()[1] or end - at > 1 << 30:
                continue
            try:
                mem.seek(at)
                data = mem.read(end - at)
            except (OSError, ValueError, OverflowError):
                continue
            found = data.find(b"ability able about")
            assert found == -1, (area, data[max(0, found - 99):found + 99])


def test_an_akt_that_hangs_is_stopped(akash):
    p = akash.up("--timeout", "1s", mode="wait")
    assert p.code == TIMEOUT and "too long" in p.err
    assert akash.list() == {DSEQ: "failed"}


def test_an_akt_that_is_deaf_too_is_killed(akash):
    p = akash.up("--timeout", "1s", mode="deaf", timeout=60)
    assert p.code == TIMEOUT and "agentchat deploy --close " + DSEQ in p.err
    pid = int((akash.fake / "waiting").read_text())
    until(lambda: not pathlib.Path("/proc/%d" % pid).exists(), "its death")
    assert akash.list() == {DSEQ: "failed"}


def test_an_akt_that_never_stops_talking_is_stopped(akash):
    p = akash.up("--timeout", "1s", mode="flood", timeout=60)
    assert p.code == TIMEOUT and "agentchat deploy --close " + DSEQ in p.err
    assert akash.list() == {DSEQ: "failed"}


# ------------------------------------------------------------------- money


def test_spending_needs_a_yes(akash):
    args = ("--provider", "akash", "--image", "a/b:1", "--wallet",
            akash.wallet)
    p = akash.deploy(*args)
    assert p.code == USAGE and "--yes" in p.err and akash.log() == []
    assert ask(akash, args, b"n\n") == FAILED and akash.log() == []
    assert ask(akash, args, b"\n") == FAILED and akash.log() == []
    assert ask(akash, args, b"y\n") == OK
    assert akash.list() == {DSEQ: "active"}


def ask(akash, args, answer):
    """Run it on a terminal of its own, and answer there."""
    ours, theirs = pty.openpty()
    env = dict(harness.environment(), **akash.env())
    p = subprocess.Popen([harness.AGENTCHAT, "deploy", *map(str, args)],
                         stdin=theirs, stdout=subprocess.DEVNULL,
                         stderr=theirs, env=env, cwd=akash.dir,
                         start_new_session=True)
    os.close(theirs)
    text = b""
    try:
        while b"[y/N]" not in text:
            text += os.read(ours, 4096)
        os.write(ours, answer)
        while True:
            text += os.read(ours, 4096)
    except OSError:
        pass
    os.close(ours)
    return p.wait(harness.DEADLINE)


def test_what_is_over_is_reaped_and_nothing_else(akash):
    for _ in range(3):
        assert akash.up().code == OK
    path = akash.root / "deploy" / "akash-sandbox-1000002.json"
    rec = json.loads(path.read_text())
    rec["expires"] = int(time.time() * 1000) - 1
    path.write_text(json.dumps(rec))
    p = akash.deploy("--reap", mode="close-fails")
    assert p.code == FAILED and "agentchat deploy --close 1000002" in p.err
    assert akash.list()["1000002"] == "active"
    assert akash.deploy("--reap").code == OK
    assert akash.chain() == {DSEQ: "active", "1000002": "closed",
                             "1000003": "active"}
    p = akash.deploy("--reap")
    assert p.code == OK and "nothing to close" in p.err


def test_one_that_was_closed_elsewhere_is_known_as_closed(akash):
    assert akash.up().code == OK
    (akash.fake / "chain.json").write_text('{"%s":"closed"}' % DSEQ)
    p = akash.deploy("--status", DSEQ)
    assert p.code == OK and akash.list() == {DSEQ: "closed"}
    assert akash.up().code == OK
    (akash.fake / "chain.json").write_text('{"1000002":"closed"}')
    assert akash.deploy("--close", "1000002").code == OK
    assert akash.list() == {DSEQ: "closed", "1000002": "closed"}


def test_what_is_not_recorded_is_not_there(akash):
    for how in ("--close", "--status"):
        p = akash.deploy(how, "42")
        assert p.code == NOT_FOUND and "recorded" in p.err
        assert akash.deploy(how, "x").code == USAGE
        assert akash.deploy(how, "-1").code == USAGE
        assert akash.deploy(how).code == USAGE
    assert akash.deploy("--list").out == ""
    assert akash.deploy("--list", "--reap").code == USAGE
    assert akash.up().code == OK
    assert akash.deploy("--close", "42").code == NOT_FOUND


def test_a_broken_record_is_told(akash):
    assert akash.up().code == OK
    (akash.root / "deploy" / "akash-sandbox-7.json").write_text("{")
    p = akash.deploy("--list")
    assert p.code == FAILED and DSEQ in p.out and "1 record" in p.err


def test_without_akt_there_is_the_sdl_and_3(akash):
    env = dict(akash.env(), PATH="/nowhere")
    p = run("deploy", "--provider", "akash", "--image", "a/b:1", "--yes",
            cwd=akash.dir, env=env)
    assert p.code == NOT_FOUND and "akash-network/akt" in p.err
    assert 'version: "2.0"' in p.out
    assert not akash.root.exists()
    akash.wallet.touch()
    (akash.fake / "x").touch()
    (akash.fake / "y").touch()


# --------------------------------------------------------------- the wallet


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_wallet_that_others_can_get_at_is_refused(akash, mode):
    akash.write_wallet(mode=mode)
    p = akash.up()
    assert p.code == FAILED and "chmod 600" in p.err
    assert akash.log() == []


def test_a_wallet_behind_a_link_is_refused(akash):
    real = akash.dir / "real.json"
    akash.wallet.rename(real)
    akash.wallet.symlink_to(real)
    p = akash.up()
    assert p.code == FAILED and "symbolic link" in p.err
    assert akash.log() == []
    real.unlink()


@pytest.mark.parametrize("change, said", [
    ({"version": 2}, "version"), ({"version": None}, "version"),
    ({"version": "1"}, "version"), ({"network": "mainnet"}, "mainnet"),
    ({"network": None}, "network"), ({"address": "cosmos1qqq"}, "address"),
    ({"address": "akash1" + "b" * 38}, "address"),
    ({"pubkey": None}, "pubkey"), ({"pubkey": 5}, "pubkey"),
    ({"created": None}, "created"), ({"mnemonic": "abandon"}, "mnemonic"),
    ({"mnemonic": WORDS + " accident"}, "mnemonic"),
    ({"mnemonic": WORDS.replace(" ", "  ", 1)}, "mnemonic"),
    ({"mnemonic": WORDS.upper()}, "mnemonic"),
    ({"mnemonic": WORDS.replace(" ", "\n", 1)}, "mnemonic"),
    ({"mnemonic": None}, "mnemonic"), ({"mnemonic": 5}, "mnemonic"),
])
def test_a_wallet_that_is_none_is_refused(akash, change, said):
    akash.write_wallet(**change)
    p = akash.up()
    assert p.code == FAILED and said in p.err, p.err
    assert "abandon" not in p.err.lower() and akash.log() == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "\x00\x00",
                                  '{"version":1}trailing', "x" * 70000])
def test_a_wallet_file_with_something_else_is_refused(akash, text):
    akash.wallet.write_text(text)
    p = akash.up()
    assert p.code == FAILED and "wallet" in p.err and akash.log() == []


@pytest.mark.parametrize("mode, said", [
    ("key-refused", "refuses the wallet's mnemonic"),
    ("other-key", "another address"), ("setup-fails", "disk full")])
def test_a_key_that_is_not_taken_leaves_nothing_behind(akash, mode, said):
    p = akash.up(mode=mode)
    assert p.code == FAILED and said in p.err, p.err
    assert not list((akash.root / "deploy").glob("akt-*"))
    assert akash.chain() == {} and akash.list() == {}
    assert akash.up().code == OK


def test_another_wallet_is_not_mixed_up_with_the_first(akash):
    assert akash.up().code == OK
    akash.write_wallet(address="akash1" + "p" * 38)
    p = akash.up()
    assert p.code == FAILED and "another wallet" in p.err
    assert len(akash.chain()) == 1


def test_no_wallet_at_all_is_3(akash):
    p = akash.deploy("--provider", "akash", "--image", "a/b:1", "--yes")
    assert p.code == NOT_FOUND and "--wallet" in p.err
    p = akash.deploy("--provider", "akash", "--image", "a/b:1", "--yes",
                     "--wallet", "nosuch.json")
    assert p.code == NOT_FOUND and "nosuch.json" in p.err
