"""A daemon that dies at a system call, or whose disk fails: what was lost,
doubled or torn by it? Needs strace(1), which injects deaths and errors."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import harness
from harness import FAST, Agent, Daemon, Relay, directory, lines, until

STRACE = shutil.which("strace")
pytestmark = pytest.mark.skipif(not STRACE, reason="needs strace")

# With AGENTCHAT_SOAK every one of these is a death, else every fifth.
POINTS = [(calls, n) for calls, most in (
    ("syncfs", 3), ("sync_file_range", 8), ("renameat2", 16),
    ("renameat,rename", 24), ("fdatasync", 6),
    ("pwrite64,pwritev2,pwritev,writev", 12),
    ("fsync", 10), ("unlinkat", 16), ("mkdirat", 4))
    for n in range(1, most + 1)]
if not os.environ.get("AGENTCHAT_SOAK"):
    POINTS = POINTS[::5]


def can_trace():
    p = subprocess.run([STRACE, "-o", "/dev/null", "true"],
                       capture_output=True)
    return p.returncode == 0


class Traced:
    """A daemon under strace, with something injected."""

    def __init__(self, url, root, name, inject):
        env = harness.environment()
        # LeakSanitizer can't work under ptrace.
        env["ASAN_OPTIONS"] += ":detect_leaks=0"
        self.log = open(directory("traced") / "err", "w+")
        self.popen = subprocess.Popen(
            [STRACE, "-f", "-qq", "-o", "/dev/null", "-e",
             "trace=" + inject.split(":")[0], "-e", "inject=" + inject,
             harness.AGENTCHAT, "daemon", url, "--dir", root, "--name", name],
            env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=self.log)

    def ended(self):
        return self.popen.poll() is not None

    def kill(self):
        """strace doesn't take its child along."""
        pid = self.popen.pid
        try:
            with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
                for child in f.read().split():
                    os.kill(int(child), 9)
        except (FileNotFoundError, ProcessLookupError):
            pass
        self.popen.kill()
        self.popen.wait()


@pytest.fixture
def tracing():
    if not can_trace():
        pytest.skip("ptrace is not permitted")
    traced = []

    def start(*args):
        traced.append(Traced(*args))
        return traced[-1]
    yield start
    for t in traced:
        t.kill()


@pytest.fixture
def memory():
    """A directory on a tmpfs, or None. Ask for it before started."""
    if not os.path.ismount("/dev/shm"):
        yield None
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as path:
        yield pathlib.Path(path)


def settled(daemon):
    st = daemon.status()
    return st.get("state") == "connected" and st.get("queued") == 0


def test_death_at_any_call_loses_and_doubles_nothing(started, tracing):
    relay = started(Relay(*FAST))
    root = directory("root")
    a = started(Daemon(relay.url, root=root, name="anna"))
    b = Daemon(relay.url, root=root, name="bert")
    ids = {"anna": a.id, "bert": b.id}
    assert b.stop() == 0
    said = {"anna": [], "bert": []}
    mailed = {"anna": [], "bert": []}

    def speak(d, other):
        n = len(said[d.instance])
        said[d.instance].append("%s %d" % (d.instance, n))
        mailed[d.instance].append("%s dm %d" % (d.instance, n))
        d.outbox({"to": "#general", "content": said[d.instance][-1]},
                 {"to": ids[other], "content": mailed[d.instance][-1]})

    died = 0
    for calls, n in POINTS:
        t = tracing(relay.url, root, "bert",
                    "%s:signal=SIGKILL:when=%d" % (calls, n))
        for _ in range(3):
            speak(a, "bert")
            speak(b, "anna")
        # It dies, or it has done all that there was to do.
        until(lambda: t.ended() or (
            len(b.new("#general")) == len(said["anna"]) and settled(b)),
            "the end of %s %d" % (calls, n))
        died += t.ended()
        t.kill()
    assert died >= len(POINTS) / 2, "only %d of %d" % (died, len(POINTS))
    b = started(Daemon(relay.url, root=root, name="bert"))
    until(lambda: settled(a) and settled(b), "both settled", 60)
    for d, other in ((a, "bert"), (b, "anna")):
        for box, want in (("#general", said[other]),
                          (ids[other], mailed[other])):
            until(lambda: len(d.new(box)) >= len(want), lambda:
                  "%d in %s, has %d" % (len(want), box, len(d.new(box))))
            assert [m["content"] for m in d.new(box)] == want
            assert os.listdir(d.box(box) / "tmp") == []
            ids_in_ring = [m["msg_id"] for m in lines(
                d.box(box) / "inbox.jsonl") if m["type"] == "MSG"]
            assert len(ids_in_ring) == len(set(ids_in_ring))
        assert os.listdir(d.dir / "failed") == []


# The key of a stranger is noted in a file of its own: then all is synced.
# Single files are synced on some file systems only; tmpfs is one.
@pytest.mark.parametrize("call, strangers", [
    ("syncfs", True), ("sync_file_range", False), ("fdatasync", False)])
def test_a_failed_sync_is_final_and_nothing_is_acknowledged(
        memory, started, tracing, call, strangers):
    relay = started(Relay(*FAST))
    root = directory("root") if call != "sync_file_range" else memory
    if root is None:
        pytest.skip("no tmpfs")
    a = started(Daemon(relay.url, root=root, name="anna"))
    b = Daemon(relay.url, root=root, name="bert")
    bert = b.id
    if not strangers:
        a.outbox({"to": "#general", "content": "hello"})
        b.received("#general", "hello")
    assert b.stop() == 0
    t = tracing(relay.url, root, "bert", call + ":error=EIO:when=1+")
    a.outbox({"to": bert, "content": "kept"})
    a.sent(bert)
    until(t.ended, "the end of a daemon whose disk fails")
    assert t.popen.returncode != 0
    assert b.new(a.id) == []
    assert "error" in (b.status().get("error") or "")
    b = started(Daemon(relay.url, root=root, name="bert"))
    b.received(a.id, "kept")
    assert len(b.new(a.id)) == 1


FLOOD = 2000


@pytest.fixture
def flooded(memory, started, tracing):
    """flooded(inject): a box, while FLOOD messages come into it at once."""
    talkers = []

    def start(inject):
        relay = started(Relay(*FAST, "--queue-max", "64M"))
        root = memory or directory("root")
        # Made first: only what is of interest here is slow or fails.
        assert Daemon(relay.url, root=root, name="anna").stop() == 0
        traced = tracing(relay.url, root, "anna", inject)
        box = root / "daemons/anna/#general"
        talkers.append(Agent(relay, "talker"))
        talkers[0].join("#general")
        until(lambda: len(members(talkers[0])) == 2, "anna to be there")
        talkers[0].send_many({"type": "MSG", "to": "#general", "content":
                              "m%d" % n} for n in range(FLOOD))
        return traced, talkers[0], box
    yield start
    for t in talkers:
        t.close()


def members(talker):
    talker.send("LIST_AGENTS", channel="#general")
    return talker.expect("AGENTS")["list"]


def test_a_flood_ends_where_its_box_is_taken_away(flooded):
    """Large batches are shown by a thread that has to look, too."""
    _, talker, box = flooded("renameat2:delay_exit=2000")
    until(lambda: len(os.listdir(box / "new")) > 300, "300 files")
    os.rmdir(box / "cur")
    then = len(os.listdir(box / "new"))
    until(lambda: members(talker) == [talker.id], "anna to have left")
    now = len(os.listdir(box / "new"))
    # 32 are shown per look, and what was large was a batch of hundreds.
    assert now - then < 150, (then, now)


def test_a_flood_is_shown_in_order_though_renames_fail(flooded):
    traced, _, box = flooded("renameat2:error=ENOSPC:when=150..151")
    until(lambda: len(os.listdir(box / "new")) == FLOOD,
          lambda: "all, has %d" % len(os.listdir(box / "new")), timeout=60)
    names = sorted(os.listdir(box / "new"))
    assert [json.loads((box / "new" / n).read_text())["content"]
            for n in names] == ["m%d" % n for n in range(FLOOD)]
    shown = [os.stat(box / "new" / n).st_ctime_ns for n in names]
    assert shown == sorted(shown)
    events = [json.loads(line)["event"]
              for line in open(traced.log.name).read().splitlines()]
    assert events.count("disk_full") == events.count("disk_has_space") == 1
    with open(box.parent / "status.json") as f:
        assert json.load(f)["dropped"] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a tmpfs")
def test_a_full_disk_delays_and_loses_nothing(started):
    relay = started(Relay(*FAST))
    a = started(Daemon(relay.url, root=directory("root"), name="anna"))
    disk = directory("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o",
                       "size=600k,nr_inodes=400,mode=700", "none", disk],
                      capture_output=True).returncode != 0:
        pytest.skip("mount is not permitted")
    try:
        b = Daemon(relay.url, root=disk / "spool", name="bert")
        until(lambda: (b.box("#general") / "agents").exists(), "the roster")
        want = ["message %d" % n for n in range(500)]
        a.outbox(*({"to": "#general", "content": c} for c in want))
        b.state("full")
        until(lambda: len(a.receipts()) == 500, "500 receipts")
        assert b.alive() and len(b.new("#general")) < 500
        subprocess.run(["mount", "-o", "remount,size=20m,nr_inodes=20000",
                        disk], check=True)
        until(lambda: len(b.new("#general")) == 500, lambda:
              "500 messages, has %d" % len(b.new("#general")))
        assert [m["content"] for m in b.new("#general")] == want
        b.connected()
        assert b.stop() == 0
    finally:
        b.kill()
        subprocess.run(["umount", disk], check=True)


def test_at_the_spools_limit_it_waits_for_the_agent_to_remove_some(started):
    relay = started(Relay(*FAST))
    a = started(Daemon(relay.url, root=directory("root"), name="anna"))
    b = started(Daemon(relay.url, "--max-spool", "1M",
                       root=directory("root"), name="bert"))
    until(lambda: (b.box("#general") / "agents").exists(), "the roster")
    want = ["message %d" % n for n in range(600)]
    a.outbox(*({"to": "#general", "content": c} for c in want))
    a.outbox({"to": b.id, "content": "a letter"})
    st = b.state("full")
    assert "--max-spool" in st["error"]
    said = harness.run("daemon", "--status", "--dir", b.root, "--name",
                       "bert")
    assert "full" in said.out and "--max-spool" in said.out
    until(lambda: len(a.receipts()) == 601, "all receipts")
    members = harness.Agent(relay).join("#general")["agents"]
    assert b.id in members, "it stays connected"
    assert not (b.box(a.id) / "new").exists() or not b.new(a.id)
    got = []

    def read():
        """As an agent does that removes what it has read."""
        new = b.box("#general") / "new"
        for n in sorted(os.listdir(new)):
            got.append(json.loads((new / n).read_text())["content"])
            (new / n).unlink()
        return len(got) >= len(want)
    until(read, lambda: "all, has %d" % len(got), timeout=60)
    assert got == want
    b.received(a.id, "a letter")
    b.connected()


def test_json_of_the_last_status_is_whole(started):
    """status.json is replaced, never written over: no reader sees half."""
    relay = started(Relay(*FAST))
    d = started(Daemon(relay.url, root=directory("root")))
    d.outbox(*({"to": "#general", "content": "m%d" % n} for n in range(300)))

    def done():
        return json.loads(d.status_path.read_text())["sent"] == 300
    until(done, "300 sent", every=0)
