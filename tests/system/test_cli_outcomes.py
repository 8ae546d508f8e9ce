"""What every command ends with when there is nobody to talk to, when it is
refused, and when all is well: a row for each command of the table, so that a
new one without a row fails. (Wrong lines and help: test_cli_table.py.)"""

import collections
import json
import re
import signal

import pytest

import harness
from harness import FAST, Daemon, Proc, Relay, run

OK, FAILED, USAGE, NOT_FOUND, REFUSED, TIMEOUT, TRY_AGAIN = 0, 1, 2, 3, 4, 5, 75
NOBODY = "ws://127.0.0.1:1"     # where no relay is
NO_AGENT = "@deadbeef"

# A line is (exit code, what standard error says, operands and options...).
# alone: no relay, no daemon. refused: by the relay, or by what is there.
# well: the code is 0 and standard error empty, so only the operands.
Row = collections.namedtuple("Row", "alone refused well")

NO_RELAY = (TRY_AGAIN, "connect")
NO_INSTANCE = (NOT_FOUND, "no daemon instance 'default'.*agentchat daemon")
NO_DEAL = (REFUSED, "PROPOSAL_NOT_FOUND", "{dir}", "prop_none")
NO_ONE = (REFUSED, "AGENT_NOT_FOUND.*LIST_AGENTS")
NO_CHANNEL = (REFUSED, "CHANNEL_NOT_FOUND.*LIST_CHANNELS")
TAKEN = (REFUSED, "CHANNEL_EXISTS.*choose another")
DEAL = "a deal is made with all five in test_work.py"

ROWS = {
    "serve": Row(None, (TRY_AGAIN, "in use|another", "--host", "127.0.0.1",
                        "--port", "{port}", "--spool", "{new}"), "serves"),
    "connect": Row((*NO_RELAY, NOBODY),
                   (REFUSED, "#nosuch.*/create", "{url}", "-j", "#nosuch"),
                   ("{url}",)),
    "daemon": Row((*NO_RELAY, NOBODY, "--dir", "{new}", "-b"),
                  (TRY_AGAIN, "running", "{url}", "{dir}"),
                  ("--list", "{dir}")),
    "status": Row((*NO_INSTANCE, "--dir", "{new}"), None, ("{dir}",)),
    "send": Row((*NO_RELAY, NOBODY, "#general", "x"),
                (*NO_CHANNEL, "{dir}", "#nosuch", "x"),
                ("{dir}", "#general", "hello")),
    "reply": Row((*NO_INSTANCE, "--dir", "{new}", "x", "y"),
                 (NOT_FOUND, "'nosuch'.*msg_id", "{dir}", "nosuch", "y"),
                 ("{dir}", "{said}", "in reply")),
    "read": Row((*NO_INSTANCE, "--dir", "{new}"), None, ("{dir}",)),
    "wait": Row((*NO_INSTANCE, "--dir", "{new}"), None,
                ("{dir}", "-t", "1ms", "--timeout-ok")),
    "listen": Row((*NO_RELAY, NOBODY), (*NO_CHANNEL, "{url}", "#nosuch"),
                  ("{url}", "#general", "--replay", "-m", "1")),
    "channels": Row((*NO_RELAY, NOBODY), None, ("{url}",)),
    "agents": Row((*NO_RELAY, NOBODY, "#general"),
                  (*NO_CHANNEL, "{url}", "#nosuch"), ("{url}", "#general")),
    "create": Row((*NO_RELAY, NOBODY, "#x"), (*TAKEN, "{url}", "#general"),
                  ("{dir}", "#made")),
    "invite": Row((*NO_RELAY, NOBODY, "#x", NO_AGENT),
                  (*NO_ONE, "{dir}", "#general", NO_AGENT),
                  ("{dir}", "#general", "{friend}")),
    "propose": Row((*NO_RELAY, NOBODY, NO_AGENT, "x"),
                   (*NO_ONE, "{dir}", NO_AGENT, "x"), DEAL),
    "accept": Row((*NO_RELAY, NOBODY, "prop_x"), NO_DEAL, DEAL),
    "reject": Row((*NO_RELAY, NOBODY, "prop_x"), NO_DEAL, DEAL),
    "complete": Row((*NO_RELAY, NOBODY, "prop_x"), NO_DEAL, DEAL),
    "dispute": Row((*NO_RELAY, NOBODY, "prop_x", "so bad"),
                   (*NO_DEAL, "so bad"), DEAL),
    "receipts": Row((NOT_FOUND, "/nonexistent", "list", "--file",
                     "/nonexistent"), None, ("list", "{dir}")),
    "ratings": Row((NOT_FOUND, "/nonexistent", "--file", "/nonexistent"),
                   None, ("{dir}",)),
    "identity": Row((NOT_FOUND, "identity --generate", "--show", "--file",
                     "/nonexistent"),
                    (FAILED, "--force", "--generate", "--file", "{key}"),
                    ("--show", "--file", "{key}")),
    "verify": Row((*NO_RELAY, NOBODY, NO_AGENT),
                  (*NO_ONE, "{url}", NO_AGENT), ("{url}", "{me}")),
    "deploy": Row((NOT_FOUND, "/nonexistent", "--config", "/nonexistent"),
                  (FAILED, "--force", "--provider", "docker", "--output",
                   "{full}"),
                  ("--list", "{dir}")),
    "health": Row((TRY_AGAIN, "connect", NOBODY), None, ("{url}",)),
    "doctor": Row((NOT_FOUND, "no spool", "--dir", "/nonexistent"), None,
                  ("{dir}",)),
    "setup": Row((NOT_FOUND, "/nonexistent", "claude", "--yes", "-C",
                  "/nonexistent"), None,
                 ("generic", "--yes", "-C", "{new}")),
    "help": Row(None, None, ("help",)),
}
COMMANDS = [x.split("\t")[0] for x in
            run("help", "--words", "commands").out.splitlines()]


@pytest.fixture(scope="module")
def world():
    """A relay, a daemon in it, somebody to talk to, and a key."""
    relay = Relay(*FAST)
    root = harness.directory("world")
    daemon = Daemon(relay.url, root=root)
    friend = Daemon(relay.url, root=root, name="friend")
    friend.outbox({"to": "#general", "content": "hello"})
    said = daemon.received("#general", "hello")["msg_id"]
    key, full = root / "key.json", root / "full"
    assert run("identity", "--generate", "--file", key).code == OK
    assert run("deploy", "--provider", "docker", "--output", full).code == OK
    (full / "Dockerfile").write_text("FROM mine\n")
    yield {"url": relay.url, "port": str(relay.port), "dir": str(root),
           "key": str(key), "full": str(full),
           "friend": friend.id, "me": daemon.id, "said": said}
    assert [p.stop() for p in (daemon, friend, relay)] == [OK] * 3


def line(command, words, world):
    """The command line: {dir} is an option, the others stand for a word."""
    found = [command]
    for w in words:
        if w == "{dir}":
            found += ["--dir", world["dir"]]
        elif w == "{new}":
            found.append(str(harness.directory("new")))
        else:
            found.append(w.format(**world) if w.startswith("{") else w)
    return found


def test_every_command_has_a_row():
    assert set(ROWS) == set(COMMANDS)


def bad(command, world, code, says, *words):
    p = run(*line(command, words, world))
    assert p.code == code, p.story()
    assert re.search(says, p.err, re.S), p.story()


@pytest.mark.parametrize("command", [c for c in ROWS if ROWS[c].alone])
def test_alone(command, world):
    bad(command, world, *ROWS[command].alone)


@pytest.mark.parametrize("command", [c for c in ROWS if ROWS[c].refused])
def test_refused(command, world):
    bad(command, world, *ROWS[command].refused)


@pytest.mark.parametrize("command", [
    c for c in ROWS if isinstance(ROWS[c].well, tuple)])
def test_well(command, world):
    p = run(*line(command, ROWS[command].well, world))
    assert (p.code, p.err) == (OK, ""), p.story()


def test_serving_well():
    relay = Proc("serve", "--host", "127.0.0.1", "--port", "0", "--spool",
                 harness.directory("new"))
    assert json.loads(relay.out_lines(1)[0])["listening"]
    relay.signal(signal.SIGTERM)
    assert relay.wait() == OK


def test_deals_are_tested_where_the_rows_say():
    text = (harness.pathlib.Path(__file__).parent /
            "test_work.py").read_text()
    for command, row in ROWS.items():
        if row.well == DEAL:
            assert re.search(r'"%s"' % command, text), command
