"""Commands as a person or a script runs them: exit codes, standard output and
standard error are the contract."""

import json
import os
import signal
import socket
import subprocess

import pytest

import harness
from harness import Agent, Daemon, Proc, fresh, lines, load, run, until

OK, FAILED, USAGE, NOT_FOUND, REFUSED, TIMEOUT, TRY_AGAIN = \
    0, 1, 2, 3, 4, 5, 75


@pytest.fixture(scope="module")
def nowhere():
    """A URL at which nobody listens (and nobody will: the port is held)."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    yield "ws://127.0.0.1:%d" % s.getsockname()[1]
    s.close()


@pytest.fixture
def background(root):
    """Start daemons in the background below root; ended whatever happens."""
    before = set(harness.survivors())

    def start(url, name, *args, code=OK):
        p = run("daemon", url, "--dir", root, "--name", name, "--background",
                *args)
        assert p.code == code, (p.code, p.out, p.err)
        return p
    yield start
    run("daemon", "--stop-all", "--dir", root)
    # They have let go of their instances; the processes go right after.
    until(lambda: set(harness.survivors()) <= before, lambda:
          "the end of %s" % (set(harness.survivors()) - before))


@pytest.fixture
def duo(relay, root, started):
    """A daemon (instance "default"), a friend on the wire, and a channel that
    is theirs, so that nobody's history is in it."""
    channel = fresh("#duo")
    d = started(Daemon(relay.url, "--channels", channel, root=root))
    friend = Agent(relay, "friend")
    until(lambda: (d.box(channel) / "agents").exists(), channel)
    friend.join(channel)
    until(lambda: friend.id in (d.box(channel) / "agents").read_text(),
          "the friend in the daemon's roster")
    friend.channel = channel
    return d, friend


def roster_of(agent):
    agent.send("LIST_AGENTS", channel="#general")
    return agent.expect("AGENTS")["list"]


def pid_of(root, name):
    return int((root / "daemons" / name / "daemon.pid").read_text())


def silent(p):
    assert (p.code, p.out, p.err) == (OK, "", ""), (p.code, p.out, p.err)


def says(p, code, *words):
    """It failed with the code, and told people why on standard error."""
    assert p.code == code, (p.code, p.out, p.err)
    assert p.out == "", p.out
    for w in words or ("",):
        assert w.lower() in p.err.lower(), p.err
    assert p.err.endswith("\n") and len(p.err) > 10


# ---------------------------------------------------------------- background


def test_background_returns_when_it_is_connected(relay, root, background):
    p = background(relay.url, "bg")
    st = load(root / "daemons" / "bg" / "status.json")
    assert st["state"] == "connected"
    assert st["agent_id"] in p.out + p.err
    os.kill(pid_of(root, "bg"), 0)


def test_background_without_relay_is_75_and_leaves_nothing(nowhere, root,
                                                          background):
    before = set(harness.survivors())
    p = background(nowhere, "bg", code=TRY_AGAIN)
    assert p.err.strip()
    until(lambda: set(harness.survivors()) <= before, "nothing left running")
    p = run("daemon", "--status", "--dir", root, "--name", "bg")
    assert p.code == NOT_FOUND


def test_background_lets_go_of_the_terminal(relay, root, background):
    background(relay.url, "bg")
    pid = pid_of(root, "bg")
    for fd in (0, 1, 2):
        target = os.readlink("/proc/%d/fd/%d" % (pid, fd))
        assert target == "/dev/null" or "daemon.log" in target, (fd, target)
    assert os.getsid(pid) != os.getsid(0)


def test_background_works_and_stops(relay, root, background):
    background(relay.url, "bg", "--channels", "#general,#bg")
    friend = Agent(relay)
    friend.join("#general")
    out = root / "daemons" / "bg" / "#general" / "out"
    (out / "x").write_text("from the background")
    friend.expect("MSG", content="from the background")
    pid = pid_of(root, "bg")
    p = run("daemon", "--stop", "--dir", root, "--name", "bg")
    assert p.code == OK, p.err
    # It had let go when --stop returned; the process goes at once after.
    until(lambda: not os.path.exists("/proc/%d" % pid), "the end of it")
    assert run("daemon", "--status", "--dir", root, "--name",
               "bg").code == NOT_FOUND


# ------------------------------------------------- status, list, stop, second


def test_none(root):
    p = run("daemon", "--list", "--dir", root)
    assert p.code == OK and "default" not in p.out
    says(run("daemon", "--status", "--dir", root), NOT_FOUND)
    says(run("daemon", "--stop", "--dir", root), NOT_FOUND)
    p = run("daemon", "--stop-all", "--dir", root)
    assert p.code == OK, (p.code, p.err)


def test_running_and_stopped(relay, root, background):
    for name in ("one", "two"):
        background(relay.url, name)
    p = run("daemon", "--list", "--dir", root)
    assert p.code == OK
    rows = {row.split()[0]: row for row in p.out.splitlines()}
    assert {"one", "two"} <= set(rows)
    for name in ("one", "two"):
        assert str(pid_of(root, name)) in rows[name], p.out
        assert "connected" in rows[name] or "running" in rows[name], p.out
    p = run("daemon", "--status", "--dir", root, "--name", "one")
    assert p.code == OK and "connected" in p.out
    assert load(root / "daemons/one/status.json")["agent_id"] in p.out
    assert run("daemon", "--stop", "--dir", root, "--name",
               "one").code == OK
    p = run("daemon", "--list", "--dir", root)
    rows = {row.split()[0]: row for row in p.out.splitlines()}
    assert "stopped" in rows["one"], p.out
    assert "stopped" not in rows["two"], p.out
    p = run("daemon", "--status", "--dir", root, "--name", "one")
    assert p.code == NOT_FOUND and "stopped" in p.out + p.err
    # A second stop has nothing to do, and says so.
    says(run("daemon", "--stop", "--dir", root, "--name", "one"), NOT_FOUND)
    pid = pid_of(root, "two")
    assert run("daemon", "--stop-all", "--dir", root).code == OK
    until(lambda: not os.path.exists("/proc/%d" % pid), "the end of two")
    # and both start again
    background(relay.url, "one")


def test_crashed(relay, root, started):
    d = started(Daemon(relay.url, root=root, name="crash"))
    d.kill()
    p = run("daemon", "--list", "--dir", root)
    row = [r for r in p.out.splitlines() if r.startswith("crash")][0]
    assert p.code == OK and "crashed" in row, p.out
    p = run("daemon", "--status", "--dir", root, "--name", "crash")
    assert p.code == NOT_FOUND and "crashed" in p.out + p.err
    says(run("daemon", "--stop", "--dir", root, "--name", "crash"),
         NOT_FOUND)
    assert run("daemon", "--stop-all", "--dir", root).code == OK
    d = started(d.again())
    p = run("daemon", "--status", "--dir", root, "--name", "crash")
    assert p.code == OK and "connected" in p.out


def test_a_recycled_pid_is_nobody(relay, root, started):
    """The pid of somebody else in daemon.pid is neither shown nor killed."""
    d = started(Daemon(relay.url, root=root, name="re"))
    d.kill()
    other = subprocess.Popen(["sleep", "1000"])
    try:
        (d.dir / "daemon.pid").write_text("%d\n" % other.pid)
        p = run("daemon", "--list", "--dir", root)
        assert p.code == OK and str(other.pid) not in p.out
        assert run("daemon", "--status", "--dir", root, "--name",
                   "re").code == NOT_FOUND
        assert run("daemon", "--stop", "--dir", root, "--name",
                   "re").code == NOT_FOUND
        assert run("daemon", "--stop-all", "--dir", root).code == OK
        assert other.poll() is None
        d = started(d.again())
        assert pid_of(root, "re") == d.pid
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("text", ["", "x\n", "-1\n", "0\n", "1\n",
                                  "99999999999999999999\n"])
def test_nonsense_in_the_pid_file_is_nobody(relay, root, started, text):
    d = started(Daemon(relay.url, root=root, name="odd"))
    assert d.stop() == 0
    (d.dir / "daemon.pid").write_text(text)
    assert run("daemon", "--stop", "--dir", root, "--name",
               "odd").code == NOT_FOUND
    assert run("daemon", "--stop-all", "--dir", root).code == OK


def test_a_second_daemon_on_an_instance_is_75(relay, root, started):
    d = started(Daemon(relay.url, root=root, name="mine"))
    p = run("daemon", relay.url, "--dir", root, "--name", "mine")
    says(p, TRY_AGAIN, "mine")
    p = run("daemon", relay.url, "--dir", root, "--name", "mine",
            "--background")
    assert p.code == TRY_AGAIN and p.err
    assert d.alive() and pid_of(root, "mine") == d.pid
    assert d.status()["state"] == "connected"


def test_a_second_daemon_with_the_same_key_refuses(relay, root, started):
    d = started(Daemon(relay.url, root=root, name="first"))
    p = Proc("daemon", relay.url, "--dir", root, "--name", "second",
             "--identity", d.dir / "identity.json")
    assert p.wait() != 0 and p.err.strip()
    assert d.alive()


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "x" * 33, "a b"])
def test_bad_instance_names_are_refused(relay, root, name):
    p = run("daemon", relay.url, "--dir", root, "--name", name)
    assert p.code == USAGE and p.err
    assert sorted(os.listdir(root)) in ([], [".gitignore", "daemons"])


@pytest.mark.parametrize("server", ["localhost:6667", "http://x", "ws://",
                                    "ws:///x", "ftp://x"])
def test_bad_servers_are_refused(root, server):
    p = run("daemon", server, "--dir", root)
    assert p.code == USAGE and p.err


def test_channels_are_given_with_commas_repeated_or_after_the_relay(
        relay, root, started):
    """The last as the Node program has it, which takes "-c '#a' '#b'"."""
    d = started(Daemon(relay.url, "--channels", "#ca,#cb", "--channels",
                       "#cc", "#cd", "#ce", root=root, name="c"))
    for box in ("#ca", "#cb", "#cc", "#cd", "#ce"):
        until(lambda: (d.box(box) / "agents").exists(), box)
    assert not d.box("#agents").exists()


@pytest.mark.parametrize("args", [("#a", "b"), ("--status", "#a"),
                                  ("--list", "x"), ("#a b",)])
def test_a_stray_word_is_no_channel(root, args):
    p = run("daemon", "ws://127.0.0.1:1", "--dir", root, *args)
    assert p.code == USAGE and repr(args[-1]) in p.err


def test_default_channels_are_general_and_agents(relay, root, started):
    d = started(Daemon(relay.url, root=root))
    for box in ("#general", "#agents"):
        until(lambda: (d.box(box) / "agents").exists(), box)


def test_ephemeral_has_no_key(relay, root, started):
    d = started(Daemon(relay.url, "--ephemeral", root=root, name="e"))
    assert not (d.dir / "identity.json").exists()
    id = d.id
    assert d.stop() == 0
    d = started(d.again())
    assert d.id != id


def test_a_key_keeps_its_id(relay, root, started):
    d = started(Daemon(relay.url, root=root, name="k"))
    id = d.id
    assert d.stop() == 0
    d = started(d.again())
    assert d.id == id


def test_sigterm_in_any_state_is_a_clean_end(nowhere, root):
    d = Daemon(nowhere, root=root, name="w", wait=False)
    d.state("waiting", "connecting")
    assert d.stop() == 0


# -------------------------------------------------------- send with a server


def test_send_says_nothing_and_the_message_is_there(relay):
    friend = Agent(relay)
    friend.join("#general")
    silent(run("send", relay.url, "#general", "hello from a script"))
    friend.expect("MSG", content="hello from a script", to="#general")
    silent(run("send", relay.url, friend.id, "for you"))
    assert friend.expect("MSG", to=friend.id)["content"] == "for you"


def test_send_has_a_name_when_given(relay):
    friend = Agent(relay)
    friend.join("#general")
    silent(run("send", "--name", "postman", relay.url, "#general", "ring"))
    assert friend.expect("MSG", content="ring")["from_name"] == "postman"


def test_send_to_the_unknown_is_4_with_the_relays_reason(relay, root):
    says(run("send", relay.url, "#nowhere", "x", "--dir", root), REFUSED,
         "channel")
    says(run("send", relay.url, "@deadbeef", "x", "--dir", root), REFUSED,
         "agent")
    owner = Agent(relay)
    owner.create("#locked", invite_only=True)
    p = run("send", relay.url, "#locked", "x")
    says(p, REFUSED)


def test_send_without_relay_is_75(nowhere):
    says(run("send", nowhere, "#general", "x"), TRY_AGAIN)


@pytest.mark.parametrize("args", [
    (), ("#general",), ("general", "x"), ("#general", "x", "y", "z")])
def test_send_with_a_wrong_line_is_2(relay, args):
    assert run("send", relay.url, *args).code == USAGE


def test_send_of_too_much_is_refused(relay):
    p = run("send", relay.url, "#general", "x" * 5000)
    assert p.code in (USAGE, REFUSED) and p.err


def test_a_server_that_is_no_relay_is_75(started):
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(5)
    try:
        p = Proc("send", "--timeout", "1s",
                 "ws://127.0.0.1:%d" % s.getsockname()[1], "#general", "x")
        c, _ = s.accept()
        c.recv(10000)
        c.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        c.close()
        assert p.wait() in (TRY_AGAIN, TIMEOUT) and p.err
    finally:
        s.close()


# --------------------------------------------- the others, with a server


def test_channels_and_agents_of_a_relay(relay):
    channel = fresh()
    a = Agent(relay, "visible")
    a.create(channel)
    p = run("channels", relay.url)
    assert p.code == OK and not p.err
    row = [r for r in p.out.splitlines() if r.split()[0] == channel]
    assert row and "1" in row[0].split(), p.out
    assert any(r.startswith("#general") for r in p.out.splitlines())
    p = run("agents", relay.url, channel)
    assert p.code == OK and a.id in p.out and "visible" in p.out
    says(run("agents", relay.url, "#nowhere"), REFUSED)
    p = run("channels", "--json", relay.url)
    assert p.code == OK
    assert channel in json.dumps([json.loads(x) for x in
                                  p.out.splitlines()])


def test_create_and_invite(relay, root):
    channel = fresh()
    silent(run("create", relay.url, channel))
    Agent(relay).join(channel)
    says(run("create", relay.url, channel), REFUSED)
    says(run("create", relay.url, "#a/b"), USAGE)


def test_private_create_and_invite_with_a_key(relay, root, started):
    channel = fresh("#priv")
    d = started(Daemon(relay.url, root=root, name="owner"))
    key = d.dir / "identity.json"
    assert d.stop() == 0
    silent(run("create", "-i", key, "--private", relay.url, channel))
    guest = Agent(relay, "guest")
    guest.send("JOIN", channel=channel)
    guest.refused("NOT_INVITED")
    silent(run("invite", "-i", key, relay.url, channel, guest.id))
    assert channel in guest.expect("MSG")["content"]
    guest.join(channel)
    says(run("invite", "-i", key, relay.url, channel, "@deadbeef"), REFUSED)
    says(run("invite", relay.url, channel, guest.id), REFUSED)


@pytest.mark.parametrize("args", [
    ("channels",), ("agents", "#general"), ("create", "#x"),
    ("invite", "#x", "@deadbeef"), ("listen", "#general")])
def test_without_relay_all_are_75(nowhere, args):
    says(run(args[0], nowhere, *args[1:]), TRY_AGAIN)


def test_listen_streams_json_lines(relay):
    p = Proc("listen", relay.url, "#general", "#agents")
    a = Agent(relay, "speaker")
    a.join("#general")
    a.join("#agents")
    until(lambda: len(roster_of(a)) >= 2, "the listener in #general")

    def both():
        a.send("LIST_AGENTS", channel="#agents")
        return len(a.expect("AGENTS")["list"]) >= 2
    until(both, "the listener in #agents")
    a.msg("#general", "one")
    a.msg("#agents", "two\nlines")

    def heard():
        return {m["content"]: m for m in lines(p.out_path)
                if m["type"] == "MSG"}
    until(lambda: len(heard()) >= 2, lambda: "two messages, has " + p.out)
    assert heard()["one"]["from"] == a.id
    assert heard()["two\nlines"]["to"] == "#agents"
    p.signal(signal.SIGTERM)
    assert p.wait() in (OK, 128 + 15, -15)


def test_listen_ends_after_so_many(relay):
    p = Proc("listen", "-m", "2", relay.url, "#general")
    a = Agent(relay)
    a.join("#general")
    until(lambda: len(roster_of(a)) >= 2, "the listener")
    n = 0
    while p.alive():
        n += 1
        a.msg("#general", "m%d" % n)
        assert n < 2000
    assert p.wait() == OK
    got = [json.loads(x) for x in p.out.splitlines()]
    assert len([m for m in got if m["type"] == "MSG"]) == 2


def test_listen_in_an_unknown_channel_is_4(relay):
    says(run("listen", relay.url, "#nowhere"), REFUSED, "channel")


def test_listen_into_a_closed_pipe_ends(relay):
    r, w = os.pipe()
    os.close(r)
    p = subprocess.Popen([harness.AGENTCHAT, "listen", relay.url, "#general"],
                         stdout=w, stderr=subprocess.DEVNULL,
                         env=harness.environment())
    os.close(w)
    try:
        a = Agent(relay)
        a.join("#general")
        # What was said before may have ended it already.
        until(lambda: p.poll() is not None or len(roster_of(a)) >= 2,
              "the listener")
        a.msg("#general", "into the void")
        p.wait(harness.DEADLINE)
    finally:
        p.kill()
        p.wait()


# ------------------------------------------------ through the local daemon


def local(d, command, *args, **kw):
    return run(command, "--dir", d.root, *args, **kw)


def test_local_send_waits_for_the_receipt(duo):
    d, friend = duo
    silent(local(d, "send", friend.channel, "through the daemon"))
    m = friend.expect("MSG", content="through the daemon")
    assert m["from"] == d.id
    assert any(r["seq"] == m["seq"] for r in d.receipts())
    silent(local(d, "send", friend.id, "psst"))
    friend.expect("MSG", content="psst", to=friend.id)


def test_local_send_of_what_looks_like_json_is_text(duo):
    d, friend = duo
    text = '{"content":"hidden","in_reply_to":"x"}'
    silent(local(d, "send", friend.channel, text))
    assert friend.expect("MSG", **{"from": d.id})["content"] == text


def test_local_send_to_the_unknown_is_4_with_the_relays_reason(duo):
    d, friend = duo
    says(local(d, "send", "@deadbeef", "x"), REFUSED, "agent")


def test_local_send_without_daemon(root, relay, started):
    says(run("send", "--dir", root, "#general", "x"), NOT_FOUND)
    d = started(Daemon(relay.url, root=root))
    assert d.stop() == 0
    says(local(d, "send", "#general", "x"), NOT_FOUND)


def test_local_send_without_relay(root, nowhere, started):
    """The daemon keeps it; the command says that it is not sent yet."""
    d = started(Daemon(nowhere, root=root, wait=False))
    d.state("waiting", "connecting")
    p = local(d, "send", "--timeout", "1s", "#general", "later")
    assert p.code in (TIMEOUT, TRY_AGAIN) and p.err, (p.code, p.err)


def test_read_prints_and_moves(duo):
    d, friend = duo
    for n in range(3):
        friend.msg(friend.channel, "news %d" % n)
    d.received(friend.channel, "news 2")
    p = local(d, "read", "--peek")
    assert p.code == OK and "news 1" in p.out
    assert len(d.new(friend.channel)) == 3
    p = local(d, "read")
    assert p.code == OK, p.err
    at = [p.out.index("news %d" % n) for n in range(3)]
    assert at == sorted(at) and "friend" in p.out
    assert d.new(friend.channel) == []
    assert len([n for n in os.listdir(d.box(friend.channel) / "cur")]) >= 3
    p = local(d, "read")
    assert p.code == OK and "news" not in p.out


def test_read_as_json(duo):
    d, friend = duo
    friend.msg(friend.channel, "quote \" and\nline")
    friend.msg(d.id, "direct")
    d.received(friend.channel, 'quote " and\nline')
    d.received(friend.id, "direct")
    p = local(d, "read", "--json")
    got = [json.loads(x) for x in p.out.splitlines()]
    assert [m["content"] for m in got] == ['quote " and\nline', "direct"]


def test_read_shows_no_terminal_escapes(duo):
    d, friend = duo
    friend.msg(friend.channel, "\x1b[31mred\x1b]0;title\x07 \u202ereversed")
    until(lambda: d.new(friend.channel), "it")
    p = local(d, "read")
    assert p.code == OK and "red" in p.out
    assert "\x1b" not in p.out and "\u202e" not in p.out \
        and "\x07" not in p.out


def test_wait_wakes_for_what_is_new_and_not_for_what_is_old(duo):
    d, friend = duo
    friend.msg(friend.channel, "old news")
    d.received(friend.channel, "old news")
    p = Proc("wait", "--dir", d.root, "--timeout", "30s")
    # It can't be seen from outside when it has begun to wait, so speak until
    # it answers: whatever it prints is not the old news.
    n = 0
    while p.alive():
        n += 1
        friend.msg(friend.channel, "new %d" % n)
        assert n < 5000
    assert p.wait() == OK
    assert "new " in p.out and "old news" not in p.out


def test_wait_gives_up_with_5(duo):
    d, _ = duo
    p = local(d, "wait", "--timeout", "100ms", "--from", "@deadbeef")
    assert "in time" in p.err
    assert p.code == TIMEOUT and p.out == ""
    p = local(d, "wait", "--timeout", "100ms", "--from", "@deadbeef",
              "--timeout-ok")
    assert p.code == OK and p.out == ""


def test_wait_without_daemon_is_3(root):
    says(run("wait", "--dir", root, "--timeout", "1s"), NOT_FOUND)


def test_status_channels_agents_of_the_daemon(duo):
    d, friend = duo
    p = local(d, "status")
    assert p.code == OK and "connected" in p.out and d.id in p.out
    p = local(d, "channels")
    assert p.code == OK
    assert friend.channel in p.out
    p = local(d, "agents", friend.channel)
    assert p.code == OK
    for x in (d.id, friend.id, "friend"):
        assert x in p.out
    p = local(d, "status", "--json")
    assert json.loads(p.out)["agent_id"] == d.id
    p = local(d, "agents", "#nowhere")
    assert p.code == NOT_FOUND and p.err


def test_status_and_the_like_without_daemon(root):
    for args in (("status",), ("channels",), ("agents", "#general"),
                 ("read",)):
        p = run(args[0], "--dir", root, *args[1:])
        assert p.code == NOT_FOUND and p.err and not p.out, (args, p.code)


def test_local_listen_follows_the_spool(duo):
    d, friend = duo
    friend.msg(friend.channel, "before")
    d.received(friend.channel, "before")
    p = Proc("listen", "--dir", d.root)
    n = 0

    def heard():
        nonlocal n
        n += 1
        friend.msg(friend.channel, "live %d" % n)
        return [m for m in lines(p.out_path) if m["type"] == "MSG"]
    got = until(heard, "something")
    assert got[0]["content"].startswith("live ")
    p.signal(signal.SIGTERM)
    p.wait()
    # Listening takes nothing away.
    assert [m["content"] for m in d.new(friend.channel)][0] == "before"


def test_instances_are_told_apart(relay, root, started):
    one = started(Daemon(relay.url, root=root, name="one"))
    two = started(Daemon(relay.url, root=root, name="two"))
    silent(local(one, "send", "-I", "one", two.id, "from one"))
    two.received(one.id, "from one")
    p = local(one, "status", "-I", "two")
    agent = [r for r in p.out.splitlines() if r.startswith("agent")][0]
    assert two.id in agent and one.id not in agent
    p = run("read", "-I", "two", env={"AGENTCHAT_DIR": str(root)})
    assert p.code == OK and "from one" in p.out


# ----------------------------------------------------------------- the frame


def test_help(relay):
    for args in (("help",), ("--help",)):
        p = run(*args)
        assert p.code == OK and not p.err
        for word in ("serve", "send", "listen", "daemon"):
            assert word in p.out
    for command in ("serve", "send", "listen", "daemon", "channels",
                    "agents", "create", "invite", "read", "wait", "status"):
        p = run(command, "--help")
        assert p.code == OK and "agentchat " + command in p.out and not p.err


@pytest.mark.parametrize("args", [
    (), ("nosuch",), ("send", "--nosuch"), ("serve", "--port", "70000"),
    ("serve", "--port", "x"), ("serve", "extra"), ("serve", "--rate", "-1"),
    ("daemon",), ("daemon", "--list", "--stop"), ("listen", "-m", "0")])
def test_wrong_lines_are_2(args, root):
    p = run(*args, env={"AGENTCHAT_DIR": str(root)})
    assert p.code == USAGE and p.err, (p.code, p.out, p.err)
    assert not p.out


def test_a_write_error_is_no_success(relay):
    with open("/dev/full", "w") as full:
        p = subprocess.run([harness.AGENTCHAT, "channels", relay.url],
                           stdout=full, stderr=subprocess.PIPE, text=True,
                           env=harness.environment())
    assert p.returncode == FAILED and p.stderr
