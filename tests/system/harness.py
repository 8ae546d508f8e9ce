"""What the system tests stand on: real processes, real sockets, real files.

Everything waits for an event or a file with a deadline; nothing sleeps for a
fixed time. Every process started here carries RUN in its environment, so that
reap() finds it whatever has become of it, and its standard error is kept, so
that a sanitizer's report in it fails the test.
"""

import asyncio
import base64
import ctypes
import glob
import hashlib
import json
import os
import pathlib
import queue
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import websockets
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

AGENTCHAT = os.path.abspath(os.environ.get("AGENTCHAT", "./agentchat"))
DEADLINE = float(os.environ.get("AGENTCHAT_TEST_DEADLINE", "20"))
RUN = "AGENTCHAT_TEST_RUN=%s" % secrets.token_hex(8)
TMP = pathlib.Path(tempfile.mkdtemp(prefix="agentchat-system-"))
REPORTS = TMP / "sanitizer"
REPORTS.mkdir()
# libedit keeps for ever the names of functions that it was given; nothing else
# here copies wide strings.
(TMP / "suppressions").write_text("leak:wcsdup\n")
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)

# ------------------------------------------------------------------ waiting


def until(probe, what, timeout=DEADLINE, every=0.005):
    """Wait until probe() returns something true, and return that."""
    end = time.monotonic() + timeout
    while True:
        got = probe()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError("waited %g s for %s" % (timeout, what() if
                                                         callable(what)
                                                         else what))
        time.sleep(every)


def open_files(pid):
    """What its descriptors lead to: paths, "socket:[123]", and so on."""
    out = []
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            out.append(os.readlink("/proc/%d/fd/%s" % (pid, fd)))
        except FileNotFoundError:       # closed since it was listed
            pass
    return out


def load(path):
    """A JSON file that is replaced by rename: its value, None if absent."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def lines(path):
    """The JSON objects of a JSONL file."""
    try:
        # Not splitlines(): U+2028 is no end of line in JSON.
        return [json.loads(x) for x in path.read_text().split("\n")[:-1]]
    except FileNotFoundError:
        return []


# ---------------------------------------------------------------- processes

processes = []


def environment():
    env = dict(os.environ)
    for name in ("AGENTCHAT_DIR", "PORT", "HOST", "SERVER_NAME",
                 "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        env.pop(name, None)
    key, value = RUN.split("=")
    env[key] = value
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
        given = env.get(name)
        env[name] = (given + ":" if given else "") + \
            "exitcode=99:print_stacktrace=1:log_path=%s/report" % REPORTS
    env["LSAN_OPTIONS"] = "suppressions=%s/suppressions:" \
        "print_suppressions=0" % TMP
    return env


def reports():
    """Sanitizer reports so far, from every process, as text."""
    found = []
    logs = list(REPORTS.iterdir()) + list(TMP.glob("log/*.err"))
    # glob.glob() doesn't mind directories that vanish under it.
    logs += map(pathlib.Path, glob.glob(str(TMP / "*/daemons/*/daemon.log")))
    for path in logs:
        text = path.read_text(errors="replace")
        for mark in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
                     "runtime error:", "AddressSanitizer:DEADLYSIGNAL"):
            if mark in text:
                found.append("%s:\n%s" % (path, text[-6000:]))
                break
    return found


def begin():
    """In a new process: it ends with us, and doesn't ignore what we were told
    to, as one is that a shell runs in the background."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for sig in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(sig, signal.SIG_DFL)


class Proc:
    """A process with its output in files; wrap stands before the program."""
    count = 0

    def __init__(self, *argv, name=None, cwd=None, stdin=None, env=None,
                 wrap=(), program=None):
        Proc.count += 1
        self.argv = [str(x) for x in (*wrap, program or AGENTCHAT, *argv)]
        self.name = "%03d-%s" % (Proc.count, name or (argv or ["none"])[0])
        log = TMP / "log"
        log.mkdir(exist_ok=True)
        self.out_path = log / (self.name + ".out")
        self.err_path = log / (self.name + ".err")
        self.cwd = cwd or TMP
        e = environment()
        e.update(env or {})
        with open(self.out_path, "wb") as out, \
                open(self.err_path, "wb") as err:
            self.popen = subprocess.Popen(
                self.argv, cwd=self.cwd, env=e, stdout=out, stderr=err,
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                preexec_fn=begin)
        processes.append(self)

    @property
    def pid(self):
        return self.popen.pid

    @property
    def out(self):
        return self.out_path.read_text(errors="replace")

    @property
    def err(self):
        return self.err_path.read_text(errors="replace")

    def alive(self):
        return self.popen.poll() is None

    def wait(self, timeout=DEADLINE):
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError("%s still runs after %g s" %
                                 (" ".join(self.argv), timeout)) from None

    def out_lines(self, n, timeout=DEADLINE):
        """Wait for n whole lines of standard output, and return them."""
        def probe():
            got = self.out.split("\n")[:-1]
            if len(got) >= n:
                return got
            assert self.alive(), "%s ended (%s): %s" % (
                self.name, self.popen.returncode, self.err[-2000:])
            return None
        return until(probe, lambda: "%d lines from %s, has:\n%s" %
                     (n, self.name, self.out), timeout)

    def signal(self, sig):
        self.popen.send_signal(sig)

    def stop(self, timeout=DEADLINE):
        """SIGTERM; its exit code, which is to be 0."""
        if self.alive():
            self.popen.terminate()
        return self.wait(timeout)

    def kill(self):
        if self.alive():
            self.popen.kill()
        self.popen.wait()

    def story(self):
        """For the report of a failed test."""
        code = self.popen.poll()
        state = "running" if code is None else "exit %d" % code
        return "$ %s  [%s, pid %d]\n%s%s" % (
            " ".join(self.argv), state, self.pid, self.out[-2000:],
            self.err[-4000:])


def run(*argv, timeout=DEADLINE, **kw):
    """Run a command to its end: the Proc, with .code, .out and .err."""
    p = Proc(*argv, **kw)
    p.code = p.wait(timeout)
    return p


def survivors():
    """Pids of processes of this run, however they have been started."""
    mark = RUN.encode()
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open("/proc/%s/environ" % entry, "rb") as f:
                if mark in f.read().split(b"\0"):
                    found.append(int(entry))
        except OSError:
            pass
    return found


def reap():
    """Kill what is left, and wait until it is gone."""
    for p in processes:
        p.kill()
    for pid in survivors():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    until(lambda: not survivors(), "killed processes to vanish")


def cleanup():
    reap()
    if not os.environ.get("AGENTCHAT_TEST_KEEP"):
        shutil.rmtree(TMP, ignore_errors=True)


def directory(name):
    """A new directory below TMP."""
    return pathlib.Path(tempfile.mkdtemp(prefix=name + "-", dir=TMP))


FAST = ("--rate", "100000", "--rate-burst", "100000")


class Relay(Proc):
    """agentchat serve on a port of its own."""

    def __init__(self, *args, spool=None, port=0, name="relay"):
        self.spool = spool or directory("relay")
        super().__init__("serve", "--port", port, "--host", "127.0.0.1",
                         "--spool", self.spool, *args, name=name)
        self.args = args
        self.url = json.loads(self.out_lines(1)[0])["listening"]
        assert self.url.startswith("ws://127.0.0.1:"), self.url
        self.port = int(self.url.rsplit(":", 1)[1].strip("/"))

    def again(self):
        """The same relay once more: same port, same spool."""
        assert not self.alive()
        return Relay(*self.args, spool=self.spool, port=self.port)


class Daemon(Proc):
    """agentchat daemon in the foreground."""

    def __init__(self, url, *args, root, name="default", wait=True):
        self.root = pathlib.Path(root)
        self.url = url
        self.args = args
        self.instance = name
        self.dir = self.root / "daemons" / name
        self.status_path = self.dir / "status.json"
        before = self.stamp()
        super().__init__("daemon", url, "--dir", root, "--name", name, *args,
                         name="daemon-" + name)
        if wait:
            until(lambda: self.stamp() != before or not self.alive(),
                  "a new status.json")
            self.connected()

    def stamp(self):
        try:
            st = os.stat(self.status_path)
            return st.st_ino, st.st_mtime_ns
        except FileNotFoundError:
            return None

    def status(self):
        return load(self.status_path) or {}

    def state(self, *states, timeout=DEADLINE):
        def probe():
            assert self.alive(), "daemon ended: " + self.err[-2000:]
            st = self.status()
            return st if st.get("state") in states else None
        return until(probe, lambda: "state %s, has %s" %
                     ("|".join(states), self.status()), timeout)

    def connected(self):
        return self.state("connected")

    def again(self):
        assert not self.alive()
        return Daemon(self.url, *self.args, root=self.root,
                      name=self.instance)

    @property
    def id(self):
        return self.status()["agent_id"]

    def box(self, name):
        return self.dir / name

    def new(self, box):
        """The messages in a box's new/, in file name order."""
        d = self.dir / box / "new"
        try:
            names = sorted(os.listdir(d))
        except FileNotFoundError:
            return []
        return [json.loads((d / n).read_text()) for n in names]

    def received(self, box, content, timeout=DEADLINE):
        """Wait until new/ of the box has that content: the message."""
        def probe():
            # echo ends what it writes with a newline; that may stay.
            return next((m for m in self.new(box)
                         if m["content"].rstrip("\n") == content), None)
        return until(probe, lambda: "%r in %s/new of %s, has %s" %
                     (content, box, self.instance,
                      [m["content"] for m in self.new(box)]), timeout)

    def outbox(self, *objects):
        """Append lines to outbox.jsonl, as an agent's echo >> does."""
        with open(self.dir / "outbox.jsonl", "a") as f:
            for o in objects:
                f.write(o if isinstance(o, str) else json.dumps(o))
                f.write("\n")
                f.flush()

    def receipts(self):
        d = self.dir / "sent"
        try:
            return [load(d / n) for n in sorted(os.listdir(d))
                    if not n.startswith(".")]
        except FileNotFoundError:
            return []

    def sent(self, name, timeout=DEADLINE):
        """Wait for a receipt whose file name holds name."""
        def probe():
            try:
                found = [n for n in os.listdir(self.dir / "sent")
                         if name in n and not n.startswith(".")]
            except FileNotFoundError:
                return None
            return load(self.dir / "sent" / found[0]) if found else None
        return until(probe, "a receipt of %s" % name, timeout)

    def failed(self, name, timeout=DEADLINE):
        """Wait for a failure whose name holds name: (text, reason)."""
        def probe():
            d = self.dir / "failed"
            try:
                found = [n for n in os.listdir(d) if name in n and
                         n.endswith(".reason") and not n.startswith(".")]
            except FileNotFoundError:
                return None
            if not found:
                return None
            return ((d / found[0][:-len(".reason")]).read_text(),
                    (d / found[0]).read_text())
        return until(probe, "%s in failed/" % name, timeout)


# --------------------------------------------------------------------- keys


class Key:
    """An Ed25519 key by python3-cryptography, as an agent would hold it."""

    def __init__(self):
        self.private = ed25519.Ed25519PrivateKey.generate()
        public = self.private.public_key()
        self.pem = public.public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        self.base64 = base64.b64encode(public.public_bytes(
            serialization.Encoding.Raw,
            serialization.PublicFormat.Raw)).decode()
        self.id = "@" + hashlib.sha256(self.pem.encode()).hexdigest()[:8]

    def sign(self, text):
        return base64.b64encode(self.private.sign(text.encode())).decode()

    def proof(self, challenge):
        """The VERIFY_IDENTITY that answers a CHALLENGE."""
        now = int(time.time() * 1000)
        text = "AGENTCHAT_AUTH|%s|%s|%d" % (
            challenge["nonce"], challenge["challenge_id"], now)
        return {"type": "VERIFY_IDENTITY", "timestamp": now,
                "challenge_id": challenge["challenge_id"],
                "signature": self.sign(text)}


# ------------------------------------------------------------------- agents


class Background:
    """One asyncio loop in a thread, for all agents of a test program."""
    loop = None

    @classmethod
    def call(cls, coroutine, timeout=DEADLINE):
        if cls.loop is None:
            cls.loop = asyncio.new_event_loop()
            threading.Thread(target=cls.loop.run_forever,
                             daemon=True).start()
        future = asyncio.run_coroutine_threadsafe(coroutine, cls.loop)
        try:
            return future.result(timeout)
        except (TimeoutError, asyncio.TimeoutError):
            future.cancel()
            raise AssertionError("no answer in %g s" % timeout) from None


class Closed:
    def __init__(self, code, reason):
        self.code, self.reason = code, reason

    def __repr__(self):
        return "closed %s %r" % (self.code, self.reason)


class Agent:
    """A session through python3-websockets.

    expect() takes messages in the order that they came; those it passes over
    are kept in .passed. An ERROR that nobody expects fails the test at once.
    """
    everyone = []

    def __init__(self, relay, name="agent", key=None, pubkey=None, caps=None,
                 identify=True, prove=True, subprotocols=None, source=None):
        url = relay if isinstance(relay, str) else relay.url
        self.name, self.key = name, key
        self.pubkey = pubkey or (key.pem if key else None)
        self.inbox = queue.Queue()
        self.passed = []
        self.frames = []
        self.ndjson = bool(subprotocols)
        kw = {"local_addr": (source, 0)} if source else {}

        async def open_():
            ws = await websockets.connect(
                url, ping_interval=None, max_size=None, max_queue=None,
                compression=None, close_timeout=2,
                subprotocols=subprotocols, **kw)
            return ws, asyncio.ensure_future(self.pump(ws))

        self.ws, self.task = Background.call(open_())
        Agent.everyone.append(self)
        self.welcome = None
        if identify:
            self.identify(caps=caps, prove=prove)

    async def pump(self, ws):
        try:
            async for frame in ws:
                self.frames.append(frame)
                # One object per frame, unless ndjson was agreed on.
                parts = frame.split("\n") if self.ndjson else [frame]
                for part in parts:
                    if part:
                        self.inbox.put(json.loads(part))
        except websockets.ConnectionClosed:
            pass
        except Exception as e:      # a frame that isn't JSON, ...
            self.inbox.put(e)
        self.inbox.put(Closed(ws.close_code, ws.close_reason))

    # -- sending

    def text(self, text):
        Background.call(self.ws.send(text))

    def send(self, type, **fields):
        self.text(json.dumps(dict(type=type, **fields)))

    def send_many(self, objects):
        """All at once, each a frame of its own, without waiting between."""
        async def burst():
            for o in objects:
                await self.ws.send(o if isinstance(o, str) else
                                   json.dumps(o))
        Background.call(burst(), timeout=60)

    def msg(self, to, content, **fields):
        """Send a MSG and wait for its echo, which is returned."""
        self.send("MSG", to=to, content=content, **fields)
        return self.expect("MSG", **{"from": self.id, "to": to,
                                     "content": content})

    # -- receiving

    def next(self, timeout=DEADLINE):
        """The next message, or Closed, whatever it is."""
        try:
            got = self.inbox.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError("%s: nothing came in %g s" %
                                 (self.name, timeout)) from None
        if isinstance(got, Exception):
            raise got
        return got

    def expect(self, type, timeout=DEADLINE, **fields):
        end = time.monotonic() + timeout
        while True:
            try:
                m = self.next(max(0, end - time.monotonic()))
            except AssertionError:
                raise AssertionError("%s waited for %s %s; came: %s" % (
                    self.name, type, fields, self.passed[-5:])) from None
            if isinstance(m, Closed):
                raise AssertionError("%s waited for %s %s: %r" %
                                     (self.name, type, fields, m))
            if m.get("type") == type and \
                    all(m.get(k) == v for k, v in fields.items()):
                return m
            if m.get("type") == "ERROR":
                raise AssertionError("%s waited for %s %s: %s" %
                                     (self.name, type, fields, m))
            self.passed.append(m)

    def refused(self, code, **fields):
        """The next ERROR has one of these codes and a sentence."""
        m = self.expect("ERROR", **fields)
        codes = (code,) if isinstance(code, str) else code
        assert m["code"] in codes, m
        assert isinstance(m["message"], str) and m["message"], m
        return m

    def expect_close(self, *codes, timeout=DEADLINE):
        """Wait for the end of the connection: its code and what came before.
        """
        seen = []
        end = time.monotonic() + timeout
        while True:
            m = self.next(max(0, end - time.monotonic()))
            if isinstance(m, Closed):
                assert not codes or m.code in codes, (m, seen)
                return m, seen
            seen.append(m)

    def barrier(self):
        """All that the relay has for us by now: PING, and what precedes PONG.
        """
        self.send("PING")
        seen = []
        while True:
            m = self.next()
            assert not isinstance(m, Closed), m
            if m.get("type") == "PONG":
                return seen
            seen.append(m)

    def nothing(self, *types):
        """Nothing (of these types) has come, and nothing is under way."""
        got = [m for m in self.barrier() if not types or m["type"] in types]
        assert not got, "%s got %s" % (self.name, got)

    # -- sessions

    def identify(self, caps=None, prove=True):
        m = {"name": self.name}
        if self.pubkey:
            m["pubkey"] = self.pubkey
        if caps is not None:
            m["caps"] = caps
        self.send("IDENTIFY", **m)
        if self.key and prove:
            self.prove()
            if not self.welcome:
                self.welcome = self.expect("WELCOME")
        else:
            self.welcome = self.expect("WELCOME")
        self.id = self.welcome["agent_id"]
        return self

    def prove(self):
        """Answer the CHALLENGE, and see VERIFIED or a WELCOME that says so.
        """
        while True:
            m = self.next()
            assert not isinstance(m, Closed), m
            if m["type"] == "WELCOME":
                self.welcome = m
                assert not m.get("verified"), m
            elif m["type"] == "CHALLENGE":
                break
            else:
                raise AssertionError(m)
        self.send(**self.key.proof(m))
        # Held back, WELCOME comes with the proof; either order will do.
        verified = None
        while not verified or not self.welcome:
            m = self.next()
            assert not isinstance(m, Closed), m
            if m["type"] == "VERIFIED":
                verified = m
            elif m["type"] == "WELCOME" and not self.welcome:
                self.welcome = m
            else:
                raise AssertionError(m)
        assert verified["agent_id"] == self.welcome["agent_id"]

    def join(self, channel, **fields):
        self.send("JOIN", channel=channel, **fields)
        return self.expect("JOINED", channel=channel)

    def create(self, channel, **fields):
        self.send("CREATE_CHANNEL", channel=channel, **fields)
        return self.expect("JOINED", channel=channel)

    def close(self):
        if self in Agent.everyone:
            Agent.everyone.remove(self)
        try:
            Background.call(self.ws.close())
        except Exception:
            pass

    def drop(self):
        """Cut the connection without a closing handshake."""
        if self in Agent.everyone:
            Agent.everyone.remove(self)

        async def abort():
            self.ws.transport.abort()
        Background.call(abort())

    @classmethod
    def close_all(cls):
        agents, cls.everyone = cls.everyone, []

        async def bye():
            await asyncio.gather(*(a.ws.close() for a in agents),
                                 return_exceptions=True)
        if agents:
            try:
                Background.call(bye())
            except AssertionError:
                pass


_names = 0


def fresh(kind="#c"):
    """A channel (or agent) name that no other test has used."""
    global _names
    _names += 1
    return "%s%d" % (kind, _names)


def history(relay, channel):
    """All that the relay has of a channel, as a newcomer gets it."""
    a = Agent(relay)
    last = a.join(channel, since=0, epoch=a.welcome["epoch"])["seq"]
    got = [m for m in a.barrier() if m["type"] == "MSG"]
    # A long history comes as the socket takes it; a PONG may overtake it.
    while (got[-1]["seq"] if got else 0) < last:
        got.append(a.expect("MSG"))
    a.close()
    return got


# -------------------------------------------------------------- raw sockets

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(payload, op=TEXT, fin=True, rsv=0, masked=True, length=None):
    """The bytes of one WebSocket frame, right or wrong as asked."""
    if isinstance(payload, str):
        payload = payload.encode()
    head = bytes([(0x80 if fin else 0) | (rsv << 4) | op])
    n = len(payload) if length is None else length
    bit = 0x80 if masked else 0
    if n < 126:
        head += bytes([bit | n])
    elif n < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", n)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", n)
    if not masked:
        return head + payload
    mask = secrets.token_bytes(4)
    key = (mask * (len(payload) // 4 + 1))[:len(payload)]
    body = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")) \
        .to_bytes(len(payload), "big") if payload else b""
    return head + mask + body


class Raw:
    """A TCP connection whose every byte is ours."""

    def __init__(self, relay, source="127.0.0.1", rcvbuf=None):
        self.relay = relay
        self.sock = socket.socket()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.bind((source, 0))
        self.sock.settimeout(DEADLINE)
        self.sock.connect(("127.0.0.1", relay.port))
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def send(self, data):
        """Send; False if the relay has hung up on us meanwhile."""
        try:
            self.sock.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def more(self):
        try:
            got = self.sock.recv(65536)
        except ConnectionResetError:
            got = b""
        except socket.timeout:
            raise AssertionError("raw socket: nothing came in %g s, has %r" %
                                 (DEADLINE, self.buffer[-200:])) from None
        self.buffer += got
        return bool(got)

    def finish(self):
        """Say that nothing more comes, and read to the end."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass            # it has hung up already
        while self.more():
            pass

    def reset(self):
        """Vanish without a word, as a machine that restarts."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.close()

    def request(self, upgrade="websocket", version="13", extra=""):
        return ("GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                "Connection: Upgrade\r\nUpgrade: %s\r\n"
                "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: %s\r\n"
                "%s\r\n" % (self.relay.port, upgrade, base64.b64encode(
                    secrets.token_bytes(16)).decode(), version, extra)
                ).encode()

    def status(self):
        """The status code of the HTTP answer; None if there was none."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.more():
                return None
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        return int(head.split()[1])

    def handshake(self):
        self.send(self.request())
        assert self.status() == 101
        return self

    def identify(self, name="raw"):
        """Handshake and IDENTIFY: our agent id."""
        self.handshake()
        self.send(frame(json.dumps({"type": "IDENTIFY", "name": name})))
        op, payload = self.read()
        m = json.loads(payload)
        assert m["type"] == "WELCOME", m
        self.id = m["agent_id"]
        return self

    def read(self):
        """One frame: (opcode, payload); (None, b"") at end of file."""
        while True:
            b = self.buffer
            if len(b) >= 2:
                n, at = b[1] & 0x7f, 2
                if n == 126 and len(b) >= 4:
                    n, at = struct.unpack(">H", b[2:4])[0], 4
                elif n == 127 and len(b) >= 10:
                    n, at = struct.unpack(">Q", b[2:10])[0], 10
                elif n >= 126:
                    at = None
                if at is not None and len(b) >= at + n:
                    assert not b[1] & 0x80, "server frames are unmasked"
                    self.buffer = b[at + n:]
                    return b[0] & 15, b[at:at + n]
            if not self.more():
                return None, b""

    def ends(self):
        """Read to the end: (close code or None, the texts before it)."""
        texts = []
        while True:
            op, payload = self.read()
            if op is None:
                return None, texts
            if op == CLOSE:
                return (struct.unpack(">H", payload[:2])[0]
                        if len(payload) >= 2 else None), texts
            if op == TEXT:
                texts.append(json.loads(payload))

    def message(self):
        """The next text frame as JSON; a close or end of file is a failure.
        """
        while True:
            op, payload = self.read()
            assert op not in (None, CLOSE), (op, payload)
            if op == TEXT:
                return json.loads(payload)
