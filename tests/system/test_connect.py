"""connect: a conversation at a terminal, recorded by tmux, and the same line
by line through a pipe."""

import os
import re
import shutil
import subprocess

import pytest

import harness
from harness import Agent, Relay, fresh, run, until

OK, USAGE, REFUSED, TRY_AGAIN = 0, 2, 4, 75
needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None,
                                reason="no tmux: apt-get install tmux")


class Screen:
    """A terminal of 80 x 24 with `agentchat connect` in it."""

    def __init__(self, relay, name, channel, *args, colour=False):
        self.dir = harness.directory("tmux")
        env = harness.environment()
        env.update(LC_ALL="C.UTF-8", TERM="xterm-256color")
        env.pop("TMUX", None)
        env.pop("NO_COLOR", None)
        if not colour:
            env["NO_COLOR"] = "1"
        self.env = env
        self.exit = self.dir / "exit"
        line = " ".join("'%s'" % x for x in (
            harness.AGENTCHAT, "connect", "--dir", str(self.dir / "root"),
            "--name", name, "--join", channel, *args, relay.url))
        # The shell stays, so that what connect leaves behind is seen.
        self.tmux("new-session", "-d", "-x", "80", "-y", "24",
                  "%s; echo $? > '%s'; stty -a; exec cat" % (line, self.exit))

    def tmux(self, *args):
        p = subprocess.run(["tmux", "-f", "/dev/null", "-S",
                            str(self.dir / "socket"), *args], env=self.env,
                           text=True, capture_output=True)
        assert p.returncode == 0, (args, p.stderr)
        return p.stdout

    def type(self, text, key="Enter"):
        if text:
            self.tmux("send-keys", "-l", text)
        if key:
            self.tmux("send-keys", key)

    def lines(self, *args):
        return [x.rstrip() for x in
                self.tmux("capture-pane", "-p", *args).split("\n")]

    def shows(self, pattern, *args):
        """Wait until a line of the screen matches, and return it."""
        def probe():
            return next((x for x in self.lines(*args)
                         if re.search(pattern, x)), None)
        return until(probe, lambda: "%s on the screen:\n%s" %
                     (pattern, "\n".join(self.lines(*args))))

    def end(self):
        subprocess.run(["tmux", "-S", str(self.dir / "socket"),
                        "kill-server"], env=self.env, capture_output=True)


@pytest.fixture
def screens(relay):
    made = []

    def add(*args, **kw):
        made.append(Screen(kw.pop("relay", relay), *args, **kw))
        return made[-1]
    yield add
    for s in made:
        s.end()


def prompt(screen):
    """The line that is being typed: the last that isn't empty."""
    return [x for x in screen.lines() if x][-1]


@needs_tmux
def test_a_conversation_of_two(relay, screens):
    channel = fresh("#talk")
    alice = screens("alice", "#general")
    alice.shows(r"\* joined #general")
    alice.type("/join " + channel)
    alice.shows(r"\* no channel " + channel)
    alice.type("/create " + channel)
    alice.shows(r"\* joined " + channel)
    bob = screens("bob", channel)
    bob.shows(r"\* joined " + channel)
    alice.shows(r"\* @\w+ \(bob\) joined " + channel)
    alice.type("hello, is anybody there?")
    said = r"^\d\d:\d\d @\w+ \(alice\): hello, is anybody there\?$"
    bob.shows(said)
    alice.shows(said)
    # What alice typed isn't there twice.
    assert sum("anybody" in x for x in alice.lines()) == 1
    # A line that comes leaves alone what is being typed.
    alice.type("I am still typ", key=None)
    alice.shows(r"^\[%s\] I am still typ$" % channel)
    bob.type("yes, bob is")
    alice.shows(r"\(bob\): yes, bob is$")
    until(lambda: prompt(alice) == "[%s] I am still typ" % channel,
          "the text being typed below it")
    alice.type("ing")
    bob.shows(r"\(alice\): I am still typing$")
    # Private: unread for bob until he goes there.
    alice.type("/msg bob a secret \u00e4\u2713")
    bob.shows(r"^\[%s @\w+:1\]" % channel)
    bob.type("/to alice")
    bob.shows(r"\(alice\): a secret \u00e4\u2713$")
    bob.shows(r"^\[@\w+\]")
    # Tab completes; /quit leaves the terminal as it was.
    bob.type("/wh", key="Tab")
    bob.type(channel)
    bob.shows(r"\* in %s:.*alice.*" % channel)
    for screen in (alice, bob):
        screen.type("/quit")
        until(lambda: screen.exit.exists() and screen.exit.read_text(),
              "the exit")
        assert screen.exit.read_text().strip() == "0"
        screen.shows(r"\bicanon\b")
        screen.shows(r"(^|\s)echo\b")


@needs_tmux
def test_a_long_line_being_typed_is_kept_whole(relay, screens):
    channel = fresh("#long")
    friend = Agent(relay, "friend")
    friend.create(channel)
    alice = screens("alice", channel)
    alice.shows(r"\* joined")
    text = "0123456789" * 20
    alice.type(text, key=None)

    def typed():
        return "".join(alice.lines()).endswith("[%s] %s" % (channel, text))
    until(typed, "three rows of it")
    for n in range(3):
        friend.msg(channel, "interruption %d" % n)
        alice.shows(r"interruption %d$" % n)
        until(typed, "it still there")
    assert sum("0123456789" in x for x in alice.lines()) == 3
    alice.type("")
    assert friend.expect("MSG", content=text)
    alice.type("gone", key="C-c")       # drops it, and goes on
    alice.type("here")
    assert friend.expect("MSG", content="here")
    alice.type("", key="C-d")
    until(alice.exit.exists, "the exit")


@needs_tmux
def test_what_others_write_cannot_act_on_the_terminal(relay, screens):
    channel = fresh("#evil")
    friend = Agent(relay, "friend")
    friend.create(channel)
    alice = screens("alice", channel)
    alice.shows(r"\* joined")
    friend.msg(channel, "\x1b[2J\x1b]0;title\x07 \u202e over\nagentchat: forged")
    line = alice.shows(r"forged")
    assert r"\x1b[2J" in line and r"\u202e" in line and r"\n" in line


@needs_tmux
def test_names_have_colours_unless_no_color(relay, screens):
    channel = fresh("#colour")
    friend = Agent(relay, "friend")
    friend.create(channel)
    for colour in (True, False):
        s = screens("c%d" % colour, channel, colour=colour)
        s.shows(r"\* joined")
        friend.msg(channel, "in colour? %s" % colour)
        s.shows("in colour")
        shown = s.shows("in colour", "-e")
        assert ("\x1b[" in shown) == colour


@needs_tmux
def test_it_comes_back_after_the_relay(screens, started):
    relay = started(Relay(*harness.FAST))
    s = screens("alice", "#general", relay=relay)
    s.shows(r"\* joined")
    relay.kill()
    s.shows(r"offline\]")
    s.type("said while it was away")
    relay = started(relay.again())
    s.shows(r"^\[#general\]")
    s.shows(r"\(alice\): said while it was away$")


# ---------------------------------------------------------------- the pipe


def talk(relay, text, *args, timeout=harness.DEADLINE):
    p = subprocess.run([harness.AGENTCHAT, "connect", "--dir",
                        harness.directory("root"), "--name", "piper",
                        relay.url, *args], input=text, text=True,
                       capture_output=True, timeout=timeout,
                       env=harness.environment())
    return p.returncode, p.stdout, p.stderr


def test_lines_in_are_messages_out(relay):
    channel = fresh("#pipe")
    friend = Agent(relay, "friend")
    friend.create(channel)
    text = "".join("line %d\n" % n for n in range(200))
    code, out, err = talk(relay, text + "no newline", "-j", channel,
                          "#general")
    assert (code, err) == (OK, "")
    assert "* joined #general" in out
    for n in range(200):
        assert friend.expect("MSG")["content"] == "line %d" % n
    assert friend.expect("MSG")["content"] == "no newline"
    said = [x for x in out.splitlines() if x[0] != "*"]
    assert len(said) == 201 and "\x1b" not in out
    assert re.fullmatch(r"\d\d:\d\d %s @\w+ \(piper\): line 0" % channel,
                        said[0])


def test_commands_work_through_a_pipe(relay):
    a, b = fresh("#a"), fresh("#b")
    friend = Agent(relay, "friend")
    friend.create(a)
    friend.create(b)
    code, out, err = talk(relay, "in a\n/join %s\nin b\n//not a command\n"
                          "/msg %s alone\n/nonsense\n/help\n/quit\nnever\n" %
                          (b, friend.id), "-j", a)
    assert (code, err) == (OK, "")
    got = [friend.expect("MSG") for _ in range(4)]
    assert [(m["to"], m["content"]) for m in got] == [
        (a, "in a"), (b, "in b"), (b, "/not a command"),
        (friend.id, "alone")]
    assert "/nonsense" in out and "/history" in out and "never" not in out


def test_a_command_waits_for_what_was_said_before_it(relay):
    channel = fresh("#club")
    code, out, err = talk(relay, "before\n/create %s\ninside\n/leave %s\n"
                          "after\n/history 9\n" % (channel, channel))
    assert (code, err) == (OK, "")
    said = re.findall(r"^\d\d:\d\d (#\w+) .*: (\w+)$", out, re.M)
    assert said[:3] == [("#general", "before"), (channel, "inside"),
                        ("#general", "after")]
    assert "* left " + channel in out and "offline" not in out


def test_what_is_refused_is_told_and_is_the_exit_code(relay):
    code, out, err = talk(relay, "/msg @deadbeef nobody hears this\n")
    assert code == REFUSED and "AGENT_NOT_FOUND" in out
    code, out, err = talk(relay, "x" * 5000 + "\n")
    assert code == REFUSED and "not sent" in out


def test_a_pipe_outruns_no_rate(started):
    """More at once than the relay takes: slower, and all of it."""
    relay = started(Relay("--rate", "40", "--rate-burst", "5"))
    friend = Agent(relay, "friend")
    friend.join("#general")
    code, out, err = talk(relay, "".join("%d\n" % n for n in range(60)))
    assert (code, err) == (OK, "")
    assert [friend.expect("MSG")["content"] for _ in range(60)] == \
        [str(n) for n in range(60)]


def test_connect_without_a_relay(relay):
    p = run("connect", "ws://127.0.0.1:1")
    assert p.code == TRY_AGAIN and p.err and not p.out
    assert run("connect", relay.url, "-j", "no good!").code == USAGE
    assert run("connect", relay.url, "general").code == USAGE


def test_the_shells_terminal_keeps_its_flags(relay):
    """Standard input is shared: it must not be left non-blocking."""
    r, w = os.pipe()
    p = harness.Proc("connect", relay.url, stdin=r)
    p.out_lines(2)
    assert os.get_blocking(r)
    os.close(w)
    assert p.wait() == OK
    os.close(r)
