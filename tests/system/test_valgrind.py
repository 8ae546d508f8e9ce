"""What runs for months under valgrind: a relay, daemons and commands that use
all that they have, and give it back when they are told to end. The sanitizers
look at each test; this looks at reads of what was never written, too."""

import os
import shutil

import pytest

import harness
from harness import FAST, Agent, Daemon, Key, Relay, run, until

VALGRIND = shutil.which("valgrind")
FOUND = 98
# It is some twenty times slower.
DEADLINE = 6 * harness.DEADLINE


def sanitized():
    """Is the program built with a sanitizer? The two exclude each other."""
    with open(harness.AGENTCHAT, "rb") as f:
        return b"__asan_init" in f.read()


pytestmark = [
    pytest.mark.skipif(VALGRIND is None, reason="valgrind is not installed"),
    pytest.mark.skipif(sanitized(), reason="built with a sanitizer"),
]


@pytest.fixture(autouse=True)
def under_valgrind(monkeypatch, tmp_path):
    """From here on the program is run by valgrind; its pid stays the same."""
    wrapper = tmp_path / "agentchat"
    wrapper.write_text("""#!/bin/sh
exec %s -q --trace-children=yes --error-exitcode=%d --leak-check=full \\
    --show-leak-kinds=definite,indirect \\
    --errors-for-leak-kinds=definite,indirect \\
    --log-file=%s/valgrind.%%p %s "$@"
""" % (VALGRIND, FOUND, tmp_path, harness.AGENTCHAT))
    wrapper.chmod(0o755)
    monkeypatch.setattr(harness, "AGENTCHAT", str(wrapper))
    monkeypatch.setattr(harness, "DEADLINE", DEADLINE)
    yield
    logs = list(tmp_path.glob("valgrind.*"))
    assert logs, "nothing ran under valgrind"
    found = "".join(p.read_text() for p in logs)
    assert "ERROR SUMMARY" not in found and " at 0x" not in found, found


def test_relay_and_daemons_end_clean(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    relay = Relay(*FAST)
    anna = Daemon(relay.url, root=root, name="anna", wait=False)
    anna.state("connected", timeout=DEADLINE)
    friend = Agent(relay, "friend", Key())
    friend.join("#general")
    friend.msg("#general", "hello")
    anna.received("#general", "hello", DEADLINE)
    (anna.box("#general") / "out" / "x").write_text("and to you\n")
    anna.sent("x", DEADLINE)
    os.mkdir(anna.box("#dev"))
    until(lambda: (anna.box("#dev") / "agents").exists(), "#dev", DEADLINE)
    anna.outbox({"to": "@nobody00", "content": "?"}, "no json",
                {"to": friend.id, "content": "just you"})
    friend.expect("MSG", content="just you")
    anna.failed("@nobody00", DEADLINE)
    # The relay goes and comes back, and the daemon with it.
    assert relay.stop(DEADLINE) == 0
    anna.state("waiting", timeout=DEADLINE)
    again = relay.again()
    anna.state("connected", timeout=DEADLINE)
    assert anna.stop(DEADLINE) == 0
    assert again.stop(DEADLINE) == 0


def test_commands_end_clean(tmp_path):
    relay = Relay(*FAST)
    patient = ("-t", "%ds" % DEADLINE)
    for line, code in ((("send", *patient, relay.url, "#general", "hi"), 0),
                       (("send", *patient, relay.url, "#nosuch", "hi"), 4),
                       (("health", *patient, relay.url), 0)):
        assert run(*line, timeout=DEADLINE).code == code, line
    assert relay.stop(DEADLINE) == 0
