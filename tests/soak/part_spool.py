"""The daemon's files: many appenders, readers of the rings, a full disk, a
disk that fails, a relay that is out for mischief."""

import collections
import json
import os
import subprocess
import sys
import threading
import time

import harness
from harness import until
from image import Small
from load import CHANNEL, Account, Peer, settle

# One appender is one process: open, append a line, close, as echo >> does.
APPENDER = """
import os, sys
path, tag, count, to = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
for n in range(count):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    line = ('{"to":"%s","content":"%s-%d"}\\n' % (to, tag, n)).encode()
    assert os.write(fd, line) == len(line)
    os.close(fd)
"""


def one(name, relay, account, **kw):
    p = Peer(name, relay.url, account, **kw).start(wait=True)
    until(lambda: (p.dir / p.channel / "out").is_dir(), "the box")
    return p


def joined(relay, *peers):
    """Until the relay has them all as members."""
    a = harness.Agent(relay)

    def probe():
        a.send("LIST_AGENTS", channel=CHANNEL)
        m = a.next()
        return m["type"] == "AGENTS" and \
            all(p.id in m["list"] for p in peers)
    until(probe, "all to be members")
    a.close()


def quiet(peer, count, timeout):
    """Read until so many have come, or none comes for a while."""
    since, last = time.monotonic(), -1
    while len(peer.heard) < count and time.monotonic() - since < timeout:
        peer.look()
        if len(peer.heard) != last:
            last, since = len(peer.heard), time.monotonic()
        time.sleep(0.01)


def appenders(lines, seed=0, writers=8):
    """D3: writers append while the daemon drains."""
    account = Account()
    relay = harness.Relay(*harness.FAST)
    a, b = one("alice", relay, account), one("bob", relay, account)
    joined(relay, a, b)
    each = lines // writers
    began = time.monotonic()
    procs = [subprocess.Popen(
        [sys.executable, "-c", APPENDER, str(a.dir / "outbox.jsonl"),
         "w%d" % w, str(each), CHANNEL]) for w in range(writers)]
    total = each * writers
    while any(p.poll() is None for p in procs):
        b.look()
        time.sleep(0.01)
    assert not any(p.returncode for p in procs)
    quiet(b, total, 30)
    settle((a, b), 10)
    said = ["w%d-%d" % (w, n) for w in range(writers) for n in range(each)]
    failed = a.failed()
    account.wrong += ["failed/: %s: %s" % x for x in failed.items()]
    account.expect_once(said, b.heard, "bob")
    size = os.path.getsize(a.dir / "outbox.jsonl")
    if size:
        account.wrong.append("outbox.jsonl has %d bytes left" % size)
    account.notes.append("%d lines/s" %
                         (total / (time.monotonic() - began)))
    for p in (a, b):
        p.ring()
        p.proc.stop()
    relay.stop()
    return account


def dropped(files, seed=0):
    """D3: files dropped while the daemon was stopped; each is sent once."""
    account = Account()
    relay = harness.Relay(*harness.FAST)
    a = one("alice", relay, account)
    assert a.proc.stop() == 0
    for _ in range(files):
        a.say(drop=True)
    a.start(wait=True)
    settle((a,), 60)
    said = collections.Counter(m["content"]
                               for m in harness.history(relay, CHANNEL))
    account.expect_once(a.said, said, "history")
    account.wrong += ["failed/ %s: %s" % x for x in a.failed().items()]
    a.proc.stop()
    relay.stop()
    return account


def ring_reader(messages, seed=0):
    """D8: inbox.jsonl is whole at every look during fast deliveries."""
    account = Account()
    relay = harness.Relay(*harness.FAST)
    b = one("bob", relay, account)
    agent = harness.Agent(relay, name="sender")
    agent.join(CHANNEL)
    path = b.dir / "inbox.jsonl"
    stop = threading.Event()
    looks = [0]

    def look():
        last = None
        while not stop.is_set():
            try:
                raw = path.read_bytes()
            except FileNotFoundError:
                continue
            if raw == last:
                continue
            last = raw
            looks[0] += 1
            if raw and raw[-1:] != b"\n":
                account.torn.append("ends with %r" % raw[-80:])
            got = raw.split(b"\n")[:-1]
            if len(got) > 1000:
                account.wrong.append("%d lines" % len(got))
            for line in got[:2] + got[-3:]:
                try:
                    json.loads(line)
                except ValueError:
                    account.torn.append("%r" % line[:200])
    t = threading.Thread(target=look)
    t.start()
    try:
        for first in range(0, messages, 500):
            agent.send_many([{"type": "MSG", "to": CHANNEL,
                              "content": "m-%d %s" % (n, "x" * (n % 211))}
                             for n in range(first,
                                            min(first + 500, messages))])
            # Cut off and come back, bob must find all of it in the relay's
            # history (20,000); and what is unread must not be archived.
            agent.barrier()
            agent.frames.clear()
            until(lambda: b.look() is not None and
                  len(b.heard) > first - 5000, "bob to follow", 60, 0)
        quiet(b, messages, 10)
    finally:
        stop.set()
        t.join()
    heard = collections.Counter()
    # What we read while it was being archived is in both places.
    for text, n in b.archived().items():
        if not b.heard[text]:
            b.heard[text] = n
    for text, n in b.heard.items():
        heard[text.split()[0]] += n
    account.expect_once(["m-%d" % n for n in range(messages)], heard, "bob")
    if not looks[0]:
        account.wrong.append("nobody looked")
    account.notes.append("%d looks" % looks[0])
    b.ring()
    b.proc.stop()
    agent.close()
    relay.stop()
    return account


def disk_full_daemon(messages, seed=0):
    """D4: it says so, stays connected, and goes on when there is space."""
    account = Account()
    # Once freed there is room for all of it, read or not.
    disk = Small(messages * 8 + (8 << 10))
    try:
        relay = harness.Relay(*harness.FAST)
        a = one("alice", relay, account)
        b = one("bob", relay, account, root=disk.at)
        joined(relay, a, b)
        for n in range(3):
            disk.fill()
            for _ in range(messages // 3):
                a.say(size=200)
            until(lambda: b.status.get("state") == "full",
                  lambda: "bob to be full: %s" % b.status)
            assert b.proc.alive()
            disk.free()
            began = time.monotonic()
            until(lambda: b.status.get("state") == "connected",
                  lambda: "space to be noticed: %s" % b.status)
            took = time.monotonic() - began
            account.notes.append("noticed in %.1f s" % took)
            if took > 5:
                account.late.append("space noticed after %.1f s" % took)
            quiet(b, len(a.said), 10)
        # And the other way: what this agent says while there is none.
        disk.fill()
        said = []
        for _ in range(20):
            try:
                said.append(b.say())
            except (OSError, AssertionError):
                pass            # the agent itself was told
        disk.free()
        settle((a, b), 20)
        account.expect_once(a.said, b.heard, "bob")
        heard = collections.Counter(
            {k: n for k, n in a.heard.items() if k in said})
        account.expect_once(said, heard, "alice")
        b.ring()
        assert b.proc.stop() == 0
        a.proc.stop()
        relay.stop()
    finally:
        harness.reap()
        disk.close()
    return account


def disk_full_relay(messages, seed=0):
    """R1: what can't be written is not delivered, and not forgotten."""
    account = Account()
    disk = Small(8 << 10)
    # Few must be long: the journal may have room for 64 KB of them.
    size = max(200, (192 << 10) // messages)
    try:
        relay = harness.Relay(*harness.FAST, spool=disk.at / "relay")
        a, b = one("alice", relay, account), one("bob", relay, account)
        joined(relay, a, b)
        def told():
            return relay.err.count('"event":"store"')
        for n in range(3):
            before = told()
            disk.fill()
            for _ in range(messages // 3):
                a.say(size=size)
                b.say(size=size)
            until(lambda: a.status.get("queued"), "lines to be waiting")
            until(lambda: told() > before, "the relay to find the disk full")
            disk.free()
            settle((a, b), 20)
        for p, other in ((a, b), (b, a)):
            account.expect_once(other.said, p.heard, p.name)
            account.wrong += ["%s: failed/ %s: %s" % (p.name, x, y)
                              for x, y in p.failed().items()]
        if relay.alive():
            relay.stop()
        else:
            account.wrong.append("the relay ended: " + relay.err[-300:])
        a.proc.stop(), b.proc.stop()
    finally:
        harness.reap()
        disk.close()
    return account


class Traced:
    """While it lasts, programs started run under strace with a fault."""

    def __init__(self, calls, fault):
        self.program = harness.directory("strace") / "agentchat"
        self.program.write_text(
            "#!/bin/sh\nexec strace -f -qq -o /dev/null -e trace=%s "
            "-e inject=%s:%s %s \"$@\"\n" % (calls, calls, fault,
                                             harness.AGENTCHAT))
        self.program.chmod(0o755)

    def __enter__(self):
        self.was, harness.AGENTCHAT = harness.AGENTCHAT, str(self.program)

    def __exit__(self, *exc):
        harness.AGENTCHAT = self.was


def sync_fails(times, seed=0):
    """EIO of a sync ends the program with an error; then nothing is lost."""
    calls = "fsync,fdatasync,syncfs,sync_file_range"
    account = Account()
    relay = harness.Relay(*harness.FAST)
    a, b = one("alice", relay, account), one("bob", relay, account)
    joined(relay, a, b)
    for n in range(times):
        p, other = ((a, b), (b, a))[n % 2]
        p.proc.stop()
        with Traced(calls, "error=EIO:when=%d+" % (5 + 3 * n)):
            p.start()
        end = time.monotonic() + harness.DEADLINE
        while p.proc.alive() and time.monotonic() < end:
            try:
                p.say(), other.say()
            except FileNotFoundError:
                pass
            p.look(), other.look()
            time.sleep(0.01)
        if p.proc.alive():
            account.wrong.append("%s lives on after EIO" % p.name)
            p.kill()
        elif p.proc.wait() == 0:
            account.wrong.append("%s ends with 0 after EIO" % p.name)
        p.start(wait=True)
        relay.stop()
        with Traced(calls, "error=EIO:when=%d+" % (5 + 3 * n)):
            try:
                relay = relay.again()
                end = time.monotonic() + harness.DEADLINE
                while relay.alive() and time.monotonic() < end:
                    p.say(), other.say()
                    p.look(), other.look()
                    time.sleep(0.01)
                if relay.alive():
                    account.wrong.append("the relay lives on after EIO")
                    relay.kill()
                elif relay.wait() == 0:
                    account.wrong.append("the relay ends with 0 after EIO")
            except AssertionError:
                pass            # ended before it listened
        relay.kill()
        harness.reap()
        relay = harness.Relay(*harness.FAST, spool=relay.spool,
                              port=relay.port)
        for x in (a, b):
            x.start(wait=True)
    settle((a, b), 30)
    for p, other in ((a, b), (b, a)):
        account.expect_once(other.said, p.heard, p.name)
        account.wrong += ["%s: failed/ %s: %s" % (p.name, x, y)
                          for x, y in p.failed().items()]
        p.ring()
    a.proc.stop(), b.proc.stop(), relay.stop()
    return account


def catch_up(messages, seed=0):
    """D5: what was missed comes in order, without doubles."""
    account = Account()
    relay = harness.Relay(*harness.FAST)
    b = one("bob", relay, account)
    agent = harness.Agent(relay, name="sender")
    agent.join(CHANNEL)
    until(lambda: CHANNEL in (b.dir / "cursor").read_text(), "a position")
    b.proc.kill()
    for first in range(0, messages, 500):
        agent.send_many([{"type": "MSG", "to": CHANNEL, "content": "m-%d" % n}
                         for n in range(first, min(first + 500, messages))])
        agent.barrier()
    began = time.monotonic()
    b.start()
    order = {}
    new = b.dir / CHANNEL / "new"
    while len(order) < messages and time.monotonic() - began < 60:
        for name in sorted(os.listdir(new)):
            raw = (new / name).read_bytes()
            b.hear(CHANNEL, name, raw)
            os.unlink(new / name)
            order[name] = json.loads(raw)["seq"]
    took = time.monotonic() - began
    account.expect_once(["m-%d" % n for n in range(messages)], b.heard, "bob")
    # A listing isn't made in one instant; the order of names is what counts.
    seqs = [order[name] for name in sorted(order)]
    if seqs != sorted(seqs):
        account.wrong.append("out of order")
    account.notes.append("in %.1f s" % took)
    if messages >= 10000 and took > messages / 1000:
        account.late.append("%.1f s for %d messages" % (took, messages))
    b.ring()
    b.proc.stop()
    agent.close()
    relay.stop()
    return account


class Liar:
    """A relay that makes names up: WELCOME, then messages from anybody."""
    BAD = ("@../../x", "@", "@..", "@a/b", "#../../x", "#.", "@\0x", "@" +
           "n" * 300, "", "@.hidden", "@new/../../y", "#a/../b", "@~root")

    def __init__(self, messages):
        self.messages, self.sent = messages, 0
        self.port = None
        ready = threading.Event()

        async def serve():
            import websockets
            server = await websockets.serve(self.session, "127.0.0.1", 0,
                                            compression=None)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
        harness.Background.call(serve())
        ready.wait()
        self.url = "ws://127.0.0.1:%d" % self.port

    async def session(self, ws, path=None):
        import websockets
        try:
            json.loads(await ws.recv())
            await ws.send(json.dumps({
                "type": "WELCOME", "agent_id": "@11111111",
                "server": "liar"}))
            for n in range(self.sent, self.messages):
                bad = self.BAD[n % len(self.BAD)]
                sender = bad if n % 3 else "@%08x" % n
                to = bad if n % 3 == 2 else "@11111111"
                await ws.send(json.dumps({
                    "type": "MSG", "from": sender, "to": to,
                    "content": "lie %d" % n, "ts": 1700000000000 + n}))
                self.sent = n + 1
            await ws.send(json.dumps({
                "type": "MSG", "from": "@ffffffff", "to": "@11111111",
                "content": "the end", "ts": 1800000000000}))
            async for _ in ws:
                pass
        except websockets.ConnectionClosed:
            pass


def hostile_names(messages, seed=0):
    """D7: no path outside the instance, no file lost, 256 directories."""
    account = Account()
    root = harness.directory("names")
    (root / "x").write_text("mine")
    outside = set(os.listdir(root.parent))
    liar = Liar(messages)
    p = Peer("bob", liar.url, account, root=root).start(wait=True)
    ring = p.dir / "inbox.jsonl"
    until(lambda: ring.exists() and b"the end" in ring.read_bytes(),
          "the end of %d names" % messages, timeout=60 + messages / 500,
          every=0.2)
    account.work = liar.sent
    boxes = [x for x in os.listdir(p.dir) if x[0] == "@"]
    if len(boxes) > 257:
        account.wrong.append("%d directories" % len(boxes))
    strange = {x for x in os.listdir(root) if not x.startswith(".key-")}
    strange -= {"x", "daemons", ".gitignore"}
    strange |= {x for x in os.listdir(root / "daemons")
                if x != "bob" and not x.startswith(".key-")}
    strange |= set(os.listdir(root.parent)) - outside - {"log"}
    strange |= {x for x in os.listdir(p.dir) if x[0] in "#@" and
                not x[1:].replace("_", "").replace("-", "").isalnum()}
    if strange:
        account.wrong.append("strange: %s" % sorted(strange)[:5])
    if (root / "x").read_text() != "mine":
        account.wrong.append("a file was overwritten")
    account.notes.append("%d boxes" % len(boxes))
    p.proc.stop()
    return account
