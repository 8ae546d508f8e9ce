"""What a service manager hears from the relay and the daemon: a datagram
socket plays systemd, and the units that we install are looked at."""

import pathlib
import signal
import socket

import pytest

import harness
from harness import Proc, Relay

DEPLOY = pathlib.Path(__file__).resolve().parent.parent.parent / \
    "deploy" / "systemd"


class Manager:
    """$NOTIFY_SOCKET, and what comes there."""

    def __init__(self, abstract):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.settimeout(harness.DEADLINE)
        path = str(harness.directory("notify") / "s")
        self.sock.bind("\0" + path if abstract else path)
        self.env = {"NOTIFY_SOCKET": "@" + path if abstract else path}

    def hear(self):
        return self.sock.recv(4096).decode().split("\n")

    def hear_until(self, word):
        """Everything up to that word, with it."""
        heard = []
        while word not in heard:
            heard += self.hear()
        return heard


@pytest.fixture(params=[False, True], ids=["path", "abstract"])
def manager(request):
    m = Manager(request.param)
    yield m
    m.sock.close()


def serve(manager, env):
    return Proc("serve", "--port", "0", "--host", "127.0.0.1", "--spool",
                harness.directory("relay"), env=dict(manager.env, **env))


def test_the_relay_is_ready_when_it_listens_and_says_when_it_stops(manager):
    relay = serve(manager, {})
    assert manager.hear() == ["READY=1"]
    assert "listening" in relay.out     # said before it was ready
    relay.signal(signal.SIGTERM)
    assert manager.hear() == ["STOPPING=1"]     # and no watchdog: none asked
    assert relay.wait() == 0


def test_the_relay_feeds_the_watchdog_from_its_loop(manager):
    relay = serve(manager, {"WATCHDOG_USEC": "30000000"})
    assert manager.hear() == ["READY=1"]
    assert manager.hear() == ["WATCHDOG=1"]
    assert manager.hear() == ["WATCHDOG=1"]
    relay.signal(signal.SIGTERM)
    assert manager.hear_until("STOPPING=1")
    assert relay.wait() == 0


@pytest.mark.parametrize("where", ["/nonexistent/s", "relative", "@", ""])
def test_a_manager_that_does_not_hear_stops_nobody(where):
    relay = Proc("serve", "--port", "0", "--host", "127.0.0.1", "--spool",
                 harness.directory("relay"), env={"NOTIFY_SOCKET": where,
                                                  "WATCHDOG_USEC": "1"})
    relay.out_lines(1)
    assert relay.stop() == 0
    assert ('"event":"notify"' in relay.err) == (where != "")


def test_the_daemon_is_ready_although_the_relay_is_away(manager):
    free = socket.socket()
    free.bind(("127.0.0.1", 0))         # bound, not listening: refuses
    daemon = Proc("daemon", "ws://127.0.0.1:%d" % free.getsockname()[1],
                  "--dir", harness.directory("root"),
                  env=dict(manager.env, WATCHDOG_USEC="60000000"))
    assert manager.hear() == ["READY=1"]
    assert manager.hear() == ["WATCHDOG=1"]
    daemon.signal(signal.SIGTERM)
    assert "READY=1" not in manager.hear_until("STOPPING=1")
    assert daemon.wait() == 0
    free.close()


# ----------------------------------------------------------------- the units


def settings(name):
    found = {}
    for line in (DEPLOY / name).read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def arguments(unit, **values):
    """ExecStart's words behind the program, as systemd would expand them."""
    words = []
    for word in unit["ExecStart"][0].split()[1:]:
        for name, value in values.items():
            if word == "$" + name:              # split into words
                words += value.split()
                break
            word = word.replace("${%s}" % name, value)
        else:
            words.append(word)
    return words


def test_the_relay_unit_starts_a_relay(manager):
    """Its state directory is a symbolic link, as DynamicUser= makes it."""
    unit = settings("agentchat-relay.service.in")
    assert unit["Type"] == ["notify"] and unit["DynamicUser"] == ["yes"]
    base = harness.directory("state")
    (base / "private").mkdir()
    (base / "link").symlink_to("private")
    relay = Proc(*arguments(unit, STATE_DIRECTORY=str(base / "link"),
                            OPTIONS="--port 0 --host 127.0.0.1"),
                 env=manager.env)
    assert manager.hear() == ["READY=1"]
    assert relay.stop() == 0
    assert (base / "private" / "#general").is_dir()


def test_the_daemon_unit_starts_a_daemon(manager):
    unit = settings("agentchat-daemon@.service.in")
    assert unit["Type"] == ["notify"]
    relay = Relay()
    root = harness.directory("root")
    line = [w.replace("%i", "alice") for w in
            arguments(unit, SERVER=relay.url, OPTIONS="-c dev")]
    daemon = Proc(*line, env=dict(manager.env, AGENTCHAT_DIR=str(root)))
    assert manager.hear() == ["READY=1"]
    harness.until(lambda: (root / "daemons/alice/#dev/agents").exists(),
                  "a roster")
    assert daemon.stop() == 0
