"""Nothing runs when nothing happens. How often a program woke is what the
kernel counts: each wait that it ended is a voluntary switch."""

import pathlib
import time

from harness import Agent, Daemon, until

REST = 4        # seconds: more than any tick, less than between two pings


def switches(pid):
    """Of all threads, so far."""
    n = 0
    for task in pathlib.Path("/proc/%d/task" % pid).iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                n += int(line.split()[1])
    return n


def comes_to_rest(pid, what):
    """Some time in which it doesn't wake at all."""
    seen = [switches(pid), time.monotonic()]

    def probe():
        now = switches(pid)
        if now != seen[0]:
            seen[:] = [now, time.monotonic()]
        return time.monotonic() - seen[1] >= REST
    until(probe, "%s to sleep for %d seconds" % (what, REST), every=0.1)


def test_a_daemon_sleeps_while_nothing_happens(relay, started, root):
    d = started(Daemon(relay.url, root=root))
    friend = Agent(relay, "friend")
    friend.msg(d.id, "good night")
    message = d.received(friend.id, "good night")
    comes_to_rest(d.pid, "the daemon")
    # And is awake when it is wanted.
    friend.msg(d.id, "good morning")
    d.received(friend.id, "good morning")
    assert message["content"] == "good night"


def test_reading_is_seen_without_looking_for_it(relay, started, root):
    """A file that leaves new/ is an event: unread.md and status.json follow."""
    d = started(Daemon(relay.url, root=root))
    friend = Agent(relay, "friend")
    friend.msg(d.id, "read me")
    d.received(friend.id, "read me")
    until(lambda: d.status()["unread"] == 1, "one unread")
    comes_to_rest(d.pid, "the daemon")
    for f in (d.box(friend.id) / "new").iterdir():
        f.rename(d.box(friend.id) / "cur" / f.name)
    until(lambda: d.status()["unread"] == 0, "none unread")
    until(lambda: "read me" not in (d.dir / "unread.md").read_text(),
          "an unread.md without it")
