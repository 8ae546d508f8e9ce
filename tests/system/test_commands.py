"""What the commands do with their options, with a relay and through a daemon:
the finer points, beside the exit codes."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess

import pytest
import websockets

import harness
from harness import Agent, Daemon, Proc, fresh, load, run, until

OK, FAILED, USAGE, NOT_FOUND, REFUSED, TIMEOUT, TRY_AGAIN = \
    0, 1, 2, 3, 4, 5, 75


class Duo:
    """A daemon and a friend on the wire, alone in a channel."""

    def __init__(self, relay, root, started, *args):
        self.channel = fresh("#duo")
        self.d = started(Daemon(relay.url, "-c", self.channel, *args,
                                root=root))
        until(lambda: (self.d.box(self.channel) / "agents").exists(), "JOINED")
        self.friend = Agent(relay, "friend")
        self.friend.join(self.channel)
        until(lambda: self.friend.id in
              (self.d.box(self.channel) / "agents").read_text(),
              "the friend in the daemon's roster")
        self.root = root

    def local(self, command, *args, **kw):
        return run(command, "--dir", self.root, *args, **kw)

    def wait(self, *args):
        """A `wait` that has begun, which its open ring shows."""
        p = Proc("wait", "--dir", self.root, *args)
        until(lambda: p.popen.poll() is not None or watches(p.pid),
              "wait to look")
        return p

    def hears(self, content):
        """The friend says it, and the daemon has it unread."""
        self.friend.msg(self.channel, content)
        return self.d.received(self.channel, content)


def watches(pid):
    """Has it opened inotify, and stands it in poll()?"""
    try:
        fds = harness.open_files(pid)
        with open("/proc/%d/wchan" % pid) as f:
            asleep = f.read()
    except OSError:
        return False
    return any("inotify" in x for x in fds) and "poll" in asleep


@pytest.fixture
def duo(relay, root, started):
    return Duo(relay, root, started)


# ---------------------------------------------------------------------- send


def test_commands_through_files_load_no_network(duo, tmp_path):
    """What an agent runs all day is a small program, the rest another."""
    small = shutil.copy(harness.AGENTCHAT, tmp_path)
    needs = subprocess.run(["readelf", "-d", small], stdout=subprocess.PIPE,
                           text=True, check=True).stdout
    assert "NEEDED" in needs and "libc.so" in needs
    for library in ("websockets", "ssl", "crypto", "uv", "edit", "yaml"):
        assert "lib%s." % library not in needs
    where = ("--dir", duo.root)
    for line in (("send", duo.channel, "by the small one"), ("status",),
                 ("read", "--peek"), ("reply", "last", "x", "--help")):
        p = run(*line, *where, program=small)
        assert p.code == 0, p.err
    duo.friend.expect("MSG", content="by the small one")
    for line in (("serve",), ("daemon",), ("help",), (),
                 ("send", "ws://127.0.0.1:1", "#general", "-")):
        p = run(*line, program=small)
        assert p.code == 1 and "install it again" in p.err, p.err


def test_who_stays_loads_no_terminal(duo, relay):
    for pid in (relay.pid, duo.d.pid):
        maps = pathlib.Path("/proc/%d/maps" % pid).read_text()
        assert "/libwebsockets." in maps
        for library in ("edit", "tinfo", "yaml"):
            assert "/lib%s" % library not in maps


def test_send_takes_standard_input_whole(relay, duo):
    text = "line one\n  line two\n\n"
    for args in (("send", relay.url), ("send", "--dir", str(duo.root))):
        p = subprocess.run(
            [harness.AGENTCHAT, args[0], *args[1:], duo.channel, "-"],
            input=text, text=True, capture_output=True,
            env=harness.environment())
        assert (p.returncode, p.stdout, p.stderr) == (OK, "", "")
        # One newline, that every text file ends with, is not the message's.
        assert duo.friend.expect("MSG")["content"] == text[:-1]


@pytest.mark.parametrize("data", [b"", b"\n", b"\xff\xfe", b"a\0b"])
def test_send_refuses_what_is_no_text(relay, data):
    p = subprocess.run([harness.AGENTCHAT, "send", relay.url, "#general",
                        "-"], input=data, capture_output=True,
                       env=harness.environment())
    assert p.returncode == USAGE and p.stderr and not p.stdout


def test_send_prints_the_receipt_as_json(relay, duo):
    p = duo.local("send", "--json", duo.channel, "receipt, please")
    assert p.code == OK, p.err
    m = duo.friend.expect("MSG", content="receipt, please")
    assert json.loads(p.out)["seq"] == m["seq"]
    p = run("send", "--json", relay.url, duo.channel, "echo, please")
    m = duo.friend.expect("MSG", content="echo, please")
    assert json.loads(p.out)["msg_id"] == m["msg_id"]


def test_send_in_reply(relay, duo):
    first = duo.hears("a question")
    assert duo.local("send", "-r", first["msg_id"], duo.channel,
                     "an answer").code == OK
    m = duo.friend.expect("MSG", content="an answer")
    assert m["in_reply_to"] == first["msg_id"]
    assert run("send", "--reply-to", first["msg_id"], relay.url, duo.channel,
               "another").code == OK
    m = duo.friend.expect("MSG", content="another")
    assert m["in_reply_to"] == first["msg_id"]


def test_send_without_waiting_is_sent_all_the_same(relay, duo):
    for args in ((), (relay.url,)):
        p = duo.local("send", "--no-wait", *args, duo.channel, "off you go")
        assert (p.code, p.out, p.err) == (OK, "", "")
        duo.friend.expect("MSG", content="off you go")


def test_send_of_a_text_that_begins_with_a_dash(duo):
    assert duo.local("send", duo.channel, "--", "--json").code == OK
    duo.friend.expect("MSG", content="--json")


def test_what_is_refused_leaves_no_directory_behind(duo):
    p = duo.local("send", "@deadbeef", "x")
    assert p.code == REFUSED
    until(lambda: not duo.d.box("@deadbeef").exists(), "it gone")
    # A directory that was there before stays, whatever is refused.
    duo.hears("keep this")
    (duo.d.box(duo.channel) / "out" / "x").write_text("y" * 5000)
    until(lambda: os.listdir(duo.d.dir / "failed"), "failed/")
    assert duo.d.new(duo.channel)[-1]["content"] == "keep this"


def test_a_misspelled_channel_is_refused_and_not_made(relay, duo):
    wrong = fresh("#typo")
    for args in ((), (relay.url,)):
        p = duo.local("send", *args, wrong, "is anybody here?")
        assert (p.code, p.out) == (REFUSED, "")
        assert "CHANNEL_NOT_FOUND" in p.err
    assert not duo.d.box(wrong).exists()
    assert wrong not in duo.local("channels", relay.url).out


def test_a_channel_that_the_daemon_is_not_in_is_joined_to_send(relay, duo):
    other = fresh("#other")
    duo.friend.create(other)
    p = duo.local("send", other, "hello from outside")
    assert (p.code, p.out, p.err) == (OK, "", "")
    assert duo.friend.expect("MSG", to=other)["content"] == \
        "hello from outside"
    assert (duo.d.box(other) / "out").is_dir()


def test_a_reason_cannot_act_on_the_terminal(started):
    """The relay's words are foreign, too."""
    async def hostile(ws, path=None):
        await ws.recv()
        await ws.send(json.dumps({"type": "WELCOME", "agent_id": "@aaaaaaaa",
                                  "server": "x"}))
        async for _ in ws:
            await ws.send(json.dumps({
                "type": "ERROR", "code": "NOT_INVITED",
                "message": "no\x1b[2J\u202e\nagentchat: forged"}))

    async def serve():
        return await websockets.serve(hostile, "127.0.0.1", 0)
    server = harness.Background.call(serve())
    port = server.sockets[0].getsockname()[1]
    try:
        p = run("send", "ws://127.0.0.1:%d" % port, "#general", "x")
        assert p.code == REFUSED and "forged" in p.err
        assert "\x1b" not in p.err and "\u202e" not in p.err
        assert p.err.count("\n") == 1
    finally:
        async def close():
            server.close()
            await server.wait_closed()
        harness.Background.call(close())


# --------------------------------------------------------------------- reply


def test_reply_goes_where_it_was_said_in_its_thread(duo):
    said = duo.hears("in the channel")
    name = os.listdir(duo.d.box(duo.channel) / "new")[0]
    for given in (said["msg_id"][:-1], said["msg_id"], name, name[:20],
                  "%s/new/%s" % (duo.channel, name)):
        assert duo.local("reply", given, "to " + given).code == OK
        m = duo.friend.expect("MSG", content="to " + given)
        assert (m["to"], m["in_reply_to"]) == (duo.channel, said["msg_id"])
    duo.friend.msg(duo.d.id, "in private")
    said = duo.d.received(duo.friend.id, "in private")
    p = duo.local("reply", "--json", said["msg_id"], "among us")
    assert p.code == OK and json.loads(p.out)["target"] == duo.friend.id
    m = duo.friend.expect("MSG", content="among us")
    assert (m["to"], m["in_reply_to"]) == (duo.friend.id, said["msg_id"])
    # Our own is followed up where it went, not sent to ourselves.
    assert duo.local("reply", m["msg_id"], "and more").code == OK
    assert duo.friend.expect("MSG", content="and more")["to"] == duo.friend.id


def test_reply_to_what_only_the_ring_still_has(duo):
    said = duo.hears("read and thrown away")
    for name in os.listdir(duo.d.box(duo.channel) / "new"):
        (duo.d.box(duo.channel) / "new" / name).unlink()
    assert duo.local("reply", said["msg_id"], "late").code == OK
    assert duo.friend.expect("MSG", content="late")["in_reply_to"] == \
        said["msg_id"]


def test_reply_to_no_message_or_to_several(duo):
    first, second = duo.hears("one"), duo.hears("two")
    p = duo.local("reply", "no-such-message", "x")
    assert p.code == NOT_FOUND and "no-such-message" in p.err
    common = os.path.commonprefix([first["msg_id"], second["msg_id"]])
    p = duo.local("reply", common, "x")
    assert p.code == USAGE and "2 messages" in p.err
    assert duo.local("reply", first["msg_id"], "").code == USAGE
    assert duo.local("reply", "new/", "x").code == USAGE


# ------------------------------------------------------------------ identity


def test_commands_use_the_key_of_the_root(relay, root):
    assert run("identity", "--generate", "--dir", root,
               "--name", "keyed").code == OK
    friend = Agent(relay)
    channel = fresh()
    friend.create(channel)
    ids = set()
    for text in ("one", "two"):
        assert run("send", "--dir", root, relay.url, channel,
                   text).code == OK
        m = friend.expect("MSG", content=text)
        assert m["verified"] and m["from_name"] == "keyed"
        ids.add(m["from"])
    assert len(ids) == 1
    assert run("send", "--dir", root, "--ephemeral", relay.url, channel,
               "three").code == OK
    assert friend.expect("MSG", content="three")["from"] not in ids


def test_a_command_does_not_push_its_own_daemon_off(relay, root, started):
    assert run("identity", "--generate", "--dir", root,
               "--name", "one").code == OK
    channel = fresh()
    d = started(Daemon(relay.url, "-c", channel, root=root))
    friend = Agent(relay)
    friend.join(channel)
    since = d.status()["since"]
    p = run("send", "--dir", root, relay.url, channel, "beside it")
    assert p.code == OK and "default" in p.err
    assert friend.expect("MSG", content="beside it")["from"] != d.id
    p = run("channels", "--dir", root, relay.url)
    assert p.code == OK and not p.err
    assert d.status()["state"] == "connected"
    assert d.status()["since"] == since


def test_an_identity_that_others_may_read_is_refused(relay, root):
    key = root / "identity.json"
    assert run("identity", "--generate", "--dir", root,
               "--name", "leaky").code == OK
    os.chmod(key, 0o644)
    p = run("send", "--dir", root, relay.url, "#general", "x")
    assert p.code == FAILED and "600" in p.err
    p = run("send", "-i", root / "nothing.json", relay.url, "#general", "x")
    assert p.code == NOT_FOUND and "nothing.json" in p.err


# ---------------------------------------------------------------------- read


def test_read_takes_what_it_prints_and_no_more(duo):
    for n in range(5):
        duo.hears("m%d" % n)
    p = duo.local("read", "--tail", "2")
    assert [x.rsplit(" ", 1)[1] for x in p.out.splitlines()] == ["m3", "m4"]
    assert [m["content"] for m in duo.d.new(duo.channel)] == ["m0", "m1",
                                                              "m2"]
    p = duo.local("read", "--tail", "3", "--all", "--peek", "--json")
    assert [json.loads(x)["content"] for x in p.out.splitlines()] == \
        ["m2", "m3", "m4"]
    assert len(duo.d.new(duo.channel)) == 3


def test_read_counts_messages_and_not_what_else_lies_there(duo):
    for n in range(3):
        duo.hears("m%d" % n)
    new = duo.d.box(duo.channel) / "new"
    (new / "~large").write_bytes(b"x" * (2 << 20))
    p = duo.local("read", "--tail", "2", "--peek")
    assert [x.rsplit(" ", 1)[1] for x in p.out.splitlines()] == ["m1", "m2"]
    p = duo.local("read")
    assert p.code == OK and len(p.out.splitlines()) == 3
    assert os.listdir(new) == ["~large"]
    (new / "~large").unlink()
    p = duo.local("read")
    assert p.code == OK and not p.out and not p.err


def test_read_stops_where_nobody_listens_any_more(duo):
    new = duo.d.box(duo.channel) / "new"
    for n in range(4):
        (new / ("170000000000%d.0000000%d.x" % (n, n))).write_text(
            json.dumps({"type": "MSG", "from": "@x", "to": duo.channel,
                        "ts": 1, "content": "m%d %s" % (n, "x" * 90000)}))
    with subprocess.Popen([harness.AGENTCHAT, "read", "--dir", duo.root],
                          stdout=subprocess.PIPE) as p:
        assert b" @x: m0 x" in p.stdout.readline()
        p.stdout.close()
        assert p.wait(20) == FAILED
    assert sorted(x[-3] for x in os.listdir(new)) == ["1", "2", "3"]
    p = duo.local("read")
    assert len(p.out.splitlines()) == 3 and not os.listdir(new)


def test_read_of_one_box_leaves_the_others(duo):
    duo.hears("in the channel")
    duo.friend.msg(duo.d.id, "in private")
    duo.d.received(duo.friend.id, "in private")
    p = duo.local("read", duo.friend.id)
    assert p.code == OK and "private" in p.out and "channel" not in p.out
    assert len(duo.d.new(duo.channel)) == 1
    p = duo.local("read", "#nowhere")
    assert p.code == NOT_FOUND and p.err and not p.out


def test_what_could_not_be_printed_stays_unread(duo):
    duo.hears("precious")
    with open("/dev/full", "w") as full:
        p = subprocess.run([harness.AGENTCHAT, "read", "--dir", duo.root],
                           stdout=full, stderr=subprocess.PIPE,
                           env=harness.environment())
    assert p.returncode == FAILED and p.stderr
    r, w = os.pipe()
    os.close(r)
    p = subprocess.run([harness.AGENTCHAT, "read", "--dir", duo.root],
                       stdout=w, stderr=subprocess.PIPE,
                       env=harness.environment())
    os.close(w)
    assert p.returncode == FAILED and not p.stderr
    assert [m["content"] for m in duo.d.new(duo.channel)] == ["precious"]


def test_read_works_while_no_daemon_runs(duo):
    duo.hears("left over")
    assert duo.d.stop() == 0
    p = duo.local("read")
    assert p.code == OK and "left over" in p.out
    assert duo.d.new(duo.channel) == []


def test_a_message_is_one_line_whatever_it_holds(duo):
    duo.hears("first\nsecond\r\nthird\u2028fourth")
    p = duo.local("read")
    assert len(p.out.splitlines()) == 1 and "fourth" in p.out


# ---------------------------------------------------------------------- wait


def test_wait_prints_one_and_takes_nothing(duo):
    p = duo.wait("--json")
    duo.friend.msg(duo.channel, "wake up")
    assert p.wait() == OK
    assert json.loads(p.out)["content"] == "wake up"
    # and what is read at once after it is there
    assert "wake up" in duo.local("read").out


def test_wait_wants_what_it_was_told(duo):
    p = duo.wait("--json", "--mention", "ALICE", "--to", duo.channel,
                 "--from", duo.friend.id)
    duo.friend.msg(duo.channel, "nothing for you")
    duo.friend.msg(duo.d.id, "alice, in private")
    duo.friend.msg(duo.channel, "hello Alice!")
    assert p.wait() == OK
    assert json.loads(p.out)["content"] == "hello Alice!"
    p = duo.wait("--json", "--to", "@me")
    duo.friend.msg(duo.channel, "to all")
    duo.friend.msg(duo.d.id, "to you")
    assert p.wait() == OK and json.loads(p.out)["content"] == "to you"
    p = duo.wait("--json", "--from", "friend")
    duo.friend.msg(duo.channel, "by name")
    assert p.wait() == OK and json.loads(p.out)["content"] == "by name"


def test_wait_for_who_comes(relay, duo):
    p = duo.wait("--json", "--type", "AGENT_JOINED")
    late = Agent(relay, "late")
    late.join(duo.channel)
    assert p.wait() == OK and json.loads(p.out)["agent"] == late.id
    assert duo.local("wait", "--type", "NONSENSE").code == USAGE
    assert duo.local("wait", "--to", "general").code == USAGE


def test_own_messages_wake_nobody(duo):
    p = duo.wait("--json")
    assert duo.local("send", duo.channel, "myself").code == OK
    duo.friend.expect("MSG", content="myself")
    duo.friend.msg(duo.channel, "somebody else")
    assert p.wait() == OK
    assert json.loads(p.out)["content"] == "somebody else"


def test_wait_takes_the_unread_when_told_to(duo):
    duo.hears("already here")
    p = duo.local("wait", "--unread", "--json")
    assert p.code == OK and json.loads(p.out)["content"] == "already here"
    assert len(duo.d.new(duo.channel)) == 1
    assert duo.local("wait", "-u", "--from", "@deadbeef", "--timeout",
                     "50ms").code == TIMEOUT


def test_any_number_of_waits_wake_for_the_same_message(duo):
    waits = [duo.wait("--json") for _ in range(50)]
    duo.friend.msg(duo.channel, "all hands")
    assert [p.wait() for p in waits] == [OK] * 50
    assert {json.loads(p.out)["content"] for p in waits} == {"all hands"}


def test_wait_outlives_a_restart_of_the_daemon(duo):
    p = duo.wait("--json")
    assert duo.d.stop() == 0
    d = duo.d.again()
    try:
        until(lambda: duo.friend.barrier() is not None and d.id in
              roster(duo), "it back in the channel")
        duo.friend.msg(duo.channel, "welcome back")
        assert p.wait() == OK
        assert json.loads(p.out)["content"] == "welcome back"
    finally:
        assert d.stop() == 0


def roster(duo):
    duo.friend.send("LIST_AGENTS", channel=duo.channel)
    return duo.friend.expect("AGENTS")["list"]


# -------------------------------------------------------------------- listen


def test_listen_ends_in_time(relay, duo):
    assert run("listen", "--timeout", "50ms", relay.url).code == OK
    p = run("listen", "--timeout", "50ms", "-m", "1", relay.url, duo.channel)
    assert p.code == TIMEOUT
    assert duo.local("listen", "--timeout", "50ms").code == OK
    assert duo.local("listen", "--timeout", "50ms", "-m", "1").code == TIMEOUT


def test_listen_replays_when_told_to(relay, duo):
    for n in range(3):
        duo.hears("old %d" % n)
    p = run("listen", "--replay", "-m", "3", relay.url, duo.channel)
    got = [json.loads(x) for x in p.out.splitlines()]
    assert p.code == OK
    assert [(m["content"], m["replay"]) for m in got if m["type"] == "MSG"] \
        == [("old %d" % n, True) for n in range(3)]
    p = duo.local("listen", "--replay", "-m", "3")
    got = [json.loads(x) for x in p.out.splitlines()]
    assert [m["content"] for m in got if m["type"] == "MSG"] == \
        ["old %d" % n for n in range(3)]
    # Without, what is old isn't heard.
    p = run("listen", "--timeout", "100ms", relay.url, duo.channel)
    assert "old" not in p.out


def test_listen_follows_the_ring_through_its_cuts(duo):
    """3,000 lines: the ring is cut several times; each comes once."""
    p = Proc("listen", "--dir", duo.root, "-m", "3000", duo.channel)
    until(lambda: watches(p.pid), "listen to look")
    for k in range(30):
        duo.friend.send_many([
            {"type": "MSG", "to": duo.channel, "content": "%d" % n}
            for n in range(100 * k, 100 * k + 100)])
        # A reader may lag a ring behind, not more.
        until(lambda: len(lines_of(p)) >= 100 * k + 50, "it to keep up")
    assert p.wait() == OK
    assert lines_of(p) == ["%d" % n for n in range(3000)]
    assert not p.err


def lines_of(p):
    whole = p.out[:p.out.rfind("\n") + 1]
    return [m["content"] for m in map(json.loads, whole.splitlines())
            if m["type"] == "MSG"]


def test_listening_with_a_key_acknowledges_the_mailbox(relay, root):
    """Printed is delivered: it doesn't come again."""
    path = root / "key.json"
    assert run("identity", "--generate", "-f", path, "--name",
               "box").code == OK
    # The relay knows the key once it has been there.
    assert run("channels", "-i", path, relay.url).code == OK
    friend = Agent(relay)
    channel = fresh()
    friend.create(channel)
    assert run("send", "-i", path, relay.url, channel, "it's me").code == OK
    me = friend.expect("MSG", content="it's me")["from"]
    friend.send("MSG", to=me, content="for later")
    assert friend.expect("MSG", content="for later")["queued"]
    p = run("listen", "-i", path, "-m", "1", relay.url)
    assert p.code == OK and "for later" in p.out
    p = run("listen", "-i", path, "--timeout", "100ms", relay.url)
    assert p.code == OK and "for later" not in p.out


def test_the_end_of_the_relay_ends_listening(started):
    relay = started(harness.Relay(*harness.FAST))
    p = Proc("listen", relay.url)
    friend = Agent(relay)
    friend.join("#general")

    def there():
        friend.send("LIST_AGENTS", channel="#general")
        return len(friend.expect("AGENTS")["list"]) == 2
    until(there, "the listener")
    Agent.close_all()
    relay.kill()
    assert p.wait() == TRY_AGAIN and p.err


# -------------------------------------------------------------------- daemon


def test_an_interrupted_start_leaves_nothing(root):
    """A relay that never answers; then the command gets a signal."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(1)
    try:
        before = set(harness.survivors())
        p = Proc("daemon", "ws://127.0.0.1:%d" % s.getsockname()[1],
                 "--dir", root, "-b")
        c, _ = s.accept()
        p.signal(signal.SIGTERM)
        assert p.wait() != OK
        until(lambda: set(harness.survivors()) <= before, "nothing left")
        c.close()
    finally:
        s.close()


def test_a_background_daemon_holds_nothing_of_its_callers(relay, root):
    """Who reads a pipe that the command was started with sees its end."""
    r, w = os.pipe()
    os.set_inheritable(w, True)
    p = subprocess.Popen([harness.AGENTCHAT, "daemon", relay.url, "--dir",
                          root, "-b"], env=harness.environment(),
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         close_fds=False)
    os.close(w)
    try:
        out, err = p.communicate(timeout=harness.DEADLINE)
        assert p.returncode == OK, err
        assert os.read(r, 1) == b""
    finally:
        os.close(r)
        assert run("daemon", "--stop", "--dir", root).code == OK


def test_a_spool_that_others_may_write_to_is_refused(duo):
    os.chmod(duo.root, 0o777)
    p = duo.local("read")
    assert p.code == FAILED and "chmod" in p.err
    os.chmod(duo.root, 0o700)


def test_background_as_json(relay, root):
    p = run("daemon", relay.url, "--dir", root, "-b", "--json")
    try:
        assert p.code == OK and json.loads(p.out)["state"] == "connected"
        p = run("daemon", "--list", "--dir", root, "--json")
        row = json.loads(p.out)
        assert row["instance"] == "default" and row["running"]
        assert row["server"] == relay.url
    finally:
        assert run("daemon", "--stop", "--dir", root).code == OK
    row = json.loads(run("daemon", "--list", "--dir", root, "--json").out)
    assert not row["running"] and row["state"] == "stopped"


def test_channels_may_come_without_their_sign(relay, root, started):
    a, b = fresh("a"), fresh("b")
    d = started(Daemon(relay.url, "-c", "%s,#%s" % (a, b), root=root))
    for name in (a, b):
        until(lambda: (d.box("#" + name) / "agents").exists(), name)
    p = run("daemon", relay.url, "--dir", root, "-c", "no good")
    assert p.code == USAGE


def test_left_channels_are_not_joined_again(relay, root, started):
    d = started(Daemon(relay.url, root=root))
    until(lambda: (d.box("#agents") / "agents").exists(), "#agents")
    subprocess.run(["rm", "-r", d.box("#agents")], check=True)
    assert d.stop() == 0
    d = started(d.again())
    until(lambda: (d.box("#general") / "agents").exists(), "#general")
    assert not d.box("#agents").exists()


# ------------------------------------------------------------ channels, agents


def test_channels_of_the_daemon_say_what_is_wrong(relay, duo):
    owner = Agent(relay)
    locked = fresh("#locked")
    owner.create(locked, invite_only=True)
    os.mkdir(duo.d.box(locked))
    until(lambda: (duo.d.box(locked) / ".error").exists(), ".error")
    duo.hears("something")
    rows = {json.loads(x)["name"]: json.loads(x)
            for x in duo.local("channels", "--json").out.splitlines()}
    assert rows[duo.channel]["unread"] == 1
    assert rows[duo.channel]["agents"] == 2
    assert rows[locked]["error"] and "error" not in rows[duo.channel]
    assert locked in duo.local("channels").out


def test_agents_as_json(relay, duo):
    want = {duo.d.id: None, duo.friend.id: "friend"}
    for args in ((), (relay.url,)):
        rows = [json.loads(x) for x in
                duo.local("agents", "--json", *args,
                          duo.channel).out.splitlines()]
        got = {r["agent"]: r.get("name") for r in rows}
        assert set(want) <= set(got) and got[duo.friend.id] == "friend"


def test_create_and_invite(relay, root):
    """Only who was invited gets in, and only a member invites."""
    channel = fresh("#club")
    guest = Agent(relay, "guest")
    path = root / "key.json"
    assert run("identity", "--generate", "-f", path, "--name",
               "host").code == OK
    p = run("create", "-p", "-i", path, relay.url, channel)
    assert (p.code, p.out, p.err) == (OK, "", "")
    guest.send("JOIN", channel=channel)
    guest.refused("NOT_INVITED")
    assert run("invite", relay.url, channel, guest.id).code == REFUSED
    p = run("invite", "-i", path, relay.url, channel, guest.id)
    assert (p.code, p.out, p.err) == (OK, "", "")
    guest.join(channel)


def test_create_and_invite_through_the_daemon(relay, duo):
    """The daemon is in what it made, and so may invite."""
    open_one, club = fresh("#open"), fresh("#club")
    p = duo.local("create", open_one)
    assert (p.code, p.out, p.err) == (OK, "", "")
    until(lambda: (duo.d.box(open_one) / "out").is_dir(), "its directory")
    duo.friend.join(open_one)
    p = duo.local("create", open_one)
    assert p.code == REFUSED and "CHANNEL_EXISTS" in p.err
    assert duo.local("create", "-p", club).code == OK
    duo.friend.send("JOIN", channel=club)
    duo.friend.refused("NOT_INVITED")
    p = duo.local("invite", club, duo.friend.id)
    assert (p.code, p.out, p.err) == (OK, "", "")
    duo.friend.join(club)
    p = duo.local("invite", club, "@deadbeef")
    assert p.code == REFUSED and "AGENT_NOT_FOUND" in p.err


def test_inside_a_spool_a_command_means_that_one(relay, started):
    top = harness.directory("home")
    root = top / ".agentchat"
    for name in ("default", "alice"):
        started(Daemon(relay.url, "-c", fresh(), root=root, name=name))
    for where, instance in ((top, "default"), (root, "default"),
                            (root / "daemons", "default"),
                            (root / "daemons/alice", "alice"),
                            (root / "daemons/alice/sent", "alice")):
        p = run("status", "--json", cwd=where)
        assert p.code == OK, (where, p.err)
        assert json.loads(p.out)["instance"] == instance
    inside = root / "daemons/alice"
    assert run("status", cwd=inside, env={"AGENTCHAT_DIR": str(top / "x")}
               ).code == NOT_FOUND
    p = run("status", "--json", "-I", "default", cwd=inside)
    assert json.loads(p.out)["instance"] == "default"
    # A directory that is only called so, somewhere above, isn't a reason to
    # look there when there is one here.
    (inside / ".agentchat").mkdir(mode=0o700)
    assert run("status", cwd=inside).code == NOT_FOUND


def test_wrong_instances_are_explained(duo):
    p = duo.local("status", "-I", "nobody")
    assert p.code == NOT_FOUND and "nobody" in p.err
    p = duo.local("read", "-I", "nobody")
    assert p.code == NOT_FOUND and "default" in p.err   # the one there is
    p = duo.local("read", "-I", "../x")
    assert p.code == USAGE


def test_status_tells_what_is_unread(duo):
    duo.hears("one")
    p = duo.local("status")
    assert p.code == OK
    assert "1 in %s" % duo.channel in p.out and duo.d.id in p.out
    st = json.loads(duo.local("status", "--json").out)
    assert st["instance"] == "default" and st["agent_id"] == duo.d.id
    assert st["running"] and load(duo.d.status_path)["server"] == st["server"]
    duo.d.kill()
    p = duo.local("status", "--json")
    assert p.code == NOT_FOUND and json.loads(p.out)["state"] == "crashed"
