"""The relay in the sandbox of its systemd unit: it serves, and writes its
state directory only. There is no systemd in it: confine.py does what the unit
asks for. And what systemd-analyze thinks of the units."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

import harness
from harness import Agent, Key, Proc, directory, run
from test_notify import DEPLOY, Manager

HERE = pathlib.Path(__file__).resolve().parent
UNIT = DEPLOY / "agentchat-relay.service.in"
UID = "65432"       # confine.py's


def may_confine():
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "--mount", "true"], capture_output=True).returncode == 0


needs_root = pytest.mark.skipif(
    not may_confine(), reason="not root, or no mount namespaces")
needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="no systemd-analyze")
# With the filter for system calls, and without where nobody knows its groups.
calls = pytest.mark.parametrize("calls", [
    pytest.param("yes", marks=needs_systemd), "no"])


def confined(calls, state, program=None, **env):
    """The line before the program, and the environment."""
    wrap = (sys.executable, HERE / "confine.py", UNIT, state)
    # LeakSanitizer stops threads by ptrace, and its log would be hidden.
    for name in "ASAN_OPTIONS", "UBSAN_OPTIONS":
        env[name] = "detect_leaks=0:exitcode=99:log_path=stderr"
    if program is not None:
        env["CONFINE_PROGRAM"] = program
    return dict(wrap=wrap, env=dict(env, CONFINE_CALLS=calls))


class Relay(Proc):
    """harness.Relay, confined."""

    def __init__(self, calls, state, **env):
        super().__init__("serve", "--spool", "/mnt/state", "--port", "0",
                         "--host", "127.0.0.1", name="confined",
                         **confined(calls, state, **env))
        self.url = json.loads(self.out_lines(1)[0])["listening"]
        self.port = int(self.url.rsplit(":", 1)[1])

    def proc(self, name):
        return pathlib.Path("/proc/%d/%s" % (self.pid, name))

    def status(self, key):
        return re.search(r"^%s:\s*(.*)$" % key,
                         self.proc("status").read_text(), re.M)[1].split("\t")


@needs_root
@calls
def test_the_relay_serves_and_writes_its_state_directory_only(calls):
    state, manager = directory("state"), Manager(abstract=True)
    relay = Relay(calls, state, WATCHDOG_USEC="2000000", **manager.env)
    assert manager.hear() == ["READY=1"]
    assert relay.status("Uid") == relay.status("Gid") == [UID] * 4
    for caps in "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb":
        assert relay.status(caps) == ["0" * 16]
    assert relay.status("NoNewPrivs") == ["1"]
    assert relay.status("Seccomp") == ["2" if calls == "yes" else "0"]
    writable = {line.split()[4] for line in
                relay.proc("mountinfo").read_text().splitlines()
                if "rw" in line.split()[5].split(",")}
    assert writable == {"/mnt/state", "/tmp", "/var/tmp", "/proc"}

    away = Agent(relay, "away", key=Key(), caps=["ack"])
    away.close()
    a, b = Agent(relay, "a", caps=["stored"]), Agent(relay, "b")
    for agent in a, b:
        agent.join("#general")
    a.create("#private", invite_only=True)
    a.msg("#general", "hello")
    assert b.expect("MSG")["content"] == "hello"
    a.expect("STORED")
    a.msg(away.id, "a letter")
    a.expect("STORED")
    back = Agent(relay, "away", key=away.key, caps=["ack"])
    assert back.expect("MSG")["content"] == "a letter"
    relay.signal(signal.SIGHUP)         # ExecReload
    assert run("health", relay.url).code == 0
    assert manager.hear_until("WATCHDOG=1")

    # What is private is read and let go again, or was never touched.
    for path in "tmp", "var/tmp":
        assert os.listdir(relay.proc("root") / path) == []
    assert {p.stat().st_uid for p in state.rglob("*")} == {int(UID)}
    assert (state / "#general").is_dir()
    assert relay.stop() == 0
    assert "STOPPING=1" in manager.hear_until("STOPPING=1")
    for word in "not permitted", "ermission denied", "ead-only":
        assert word not in relay.err
    manager.sock.close()

    again = Relay(calls, state)
    c = Agent(again, "c")
    c.send("JOIN", channel="#general")
    assert "hello" in json.dumps(c.expect("MSG"))      # its history
    assert again.stop() == 0


@needs_root
@calls
def test_the_sandbox_would_stop_a_relay_that_does_more(calls):
    """The test above can fail."""
    state = directory("state")
    script = "; ".join("(%s) 2>/dev/null && echo %s" % (x, name) for name, x in {
        "usr": "echo >/usr/x", "etc": "echo >/etc/x", "var": "echo >/var/x",
        "run": "echo >/run/x", "dev": "echo >/dev/x", "mnt": "echo >/mnt/x",
        "home": "ls /root", "sys": "echo >/sys/kernel/x",
        "tunable": "echo >/proc/sys/kernel/hostname", "init": "ls /proc/1",
        "state": "echo >/mnt/state/x", "tmp": "echo >/tmp/x",
        "null": "echo >/dev/null"}.items())
    p = run("-c", script + "; true", **confined(calls, state,
                                                program="/bin/sh"))
    assert (p.code, p.out.split()) == (0, ["state", "tmp", "null"]), p.err
    assert [x.name for x in state.iterdir()] == ["x"]


CALLS = """
import ctypes, socket, mmap, os
libc = ctypes.CDLL(None, use_errno=True)
def tried(what):
    try:
        what()
    except OSError as e:
        return e.errno
    return 0
def call(name, *args):
    return 0 if getattr(libc, name)(*args) != -1 else ctypes.get_errno()
print(tried(lambda: socket.socket(socket.AF_INET)),
      tried(lambda: socket.socket(socket.AF_PACKET)),
      tried(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
      tried(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE)),
      tried(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE |
                              mmap.PROT_EXEC)),
      call("unshare", 0x10000000), call("personality", 0),
      call("mount", b"a", b"/tmp", b"tmpfs", 0, None),
      tried(lambda: os.sched_setscheduler(0, 0, os.sched_param(0))),
      tried(lambda: os.chmod("/mnt/state", 0o2700)))
"""


@needs_root
@needs_systemd
def test_system_calls_that_the_unit_forbids_fail():
    p = run("-c", CALLS, **confined("yes", directory("state"),
                                    program=os.path.realpath(sys.executable)))
    assert p.code == 0, p.err
    assert p.out.split() == ["0", "97", "97", "0", "1", "1", "1", "1", "1",
                             "1"]


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_units():
    d = directory("units")
    for path in DEPLOY.glob("*.in"):
        name = path.stem.replace("@", "@alice")
        (d / name).write_text(path.read_text().replace(
            "@bindir@/agentchat", str(harness.AGENTCHAT)))
    relay, daemon = d / "agentchat-relay.service", \
        d / "agentchat-daemon@alice.service"
    env = dict(os.environ, XDG_RUNTIME_DIR=str(d))
    for args in (relay,), ("--user", daemon):
        p = subprocess.run(["systemd-analyze", "verify", "--man=no", *args],
                           env=env, capture_output=True, text=True)
        assert (p.returncode, p.stderr) == (0, ""), p.stderr
    # 10 is everything allowed, in tenths: agentchat-serve(1) says how much.
    p = subprocess.run(["systemd-analyze", "security", "--offline=true",
                        "--no-pager", "--threshold=12", relay],
                       capture_output=True, text=True)
    assert p.returncode == 0, p.stdout + p.stderr
