"""A machine that isn't as it should be: no inotify, a clock that jumps, a
process that is stopped for a while."""

import errno
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest
import websockets

import harness
from fakerelay import OurRelay, Postman
from harness import FAST, Daemon, Relay, directory, history, until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent /
                       "soak"))

import image                                            # noqa: E402

CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

/* The wall clock is off by what stands in $CLOCK_FILE, in seconds. */
static time_t
off(void)
{
	FILE *f = fopen(getenv("CLOCK_FILE"), "re");
	long long n = 0;

	if (f != NULL) {
		if (fscanf(f, "%lld", &n) != 1)
			n = 0;
		fclose(f);
	}
	return (time_t)n;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	int rc;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	rc = real(id, ts);
	if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
		ts->tv_sec += off();
	return rc;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	struct timespec ts;

	(void)tz;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *t)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (t != NULL)
		*t = ts.tv_sec;
	return ts.tv_sec;
}
"""


class Program:
    """While it lasts, programs started are run by this shell script."""

    def __init__(self, script):
        self.path = directory("program") / "agentchat"
        self.path.write_text("#!/bin/sh\n" + script)
        self.path.chmod(0o755)

    def __enter__(self):
        self.was, harness.AGENTCHAT = harness.AGENTCHAT, str(self.path)

    def __exit__(self, *exc):
        harness.AGENTCHAT = self.was


def talk(d, other, tag):
    """All that an agent does with files works, one way and the other."""
    d.outbox({"to": "#general", "content": tag + " line"})
    other.received("#general", tag + " line")
    made = d.dir / ("." + tag)
    made.write_text(tag + " file")
    os.rename(made, d.dir / "#general" / "out" / tag)
    other.received("#general", tag + " file")
    other.outbox({"to": "#general", "content": tag + " answer"})
    d.received("#general", tag + " answer")
    (d.dir / ("#" + tag)).mkdir()
    until(lambda: (d.dir / ("#" + tag) / "agents").exists(), "to have joined")
    (d.dir / ("#" + tag) / "out").joinpath("x").write_text("hello")
    d.sent("#%s.x" % tag)


@pytest.fixture
def relay(started):
    return started(Relay(*FAST))


@pytest.fixture
def other(started, relay):
    d = started(Daemon(relay.url, root=directory("other"), name="other"))
    until(lambda: (d.dir / "#general" / "agents").exists(), "to have joined")
    return d


def test_poll_works_without_inotify(started, relay, other):
    d = started(Daemon(relay.url, "--poll", root=directory("root")))
    until(lambda: (d.dir / "#general" / "agents").exists(), "to have joined")
    assert not [x for x in harness.open_files(d.pid) if "inotify" in x]
    talk(d, other, "poll")


@pytest.mark.parametrize("limit", ["instances 0", "watches 0", "watches 4"])
def test_out_of_watches_it_polls_and_says_so(started, relay, other, limit):
    what, n = limit.split()
    try:
        subprocess.run(["unshare", "-r", "sh", "-c",
                        "echo %s > /proc/sys/user/max_inotify_%s" % (n, what)],
                       check=True, capture_output=True)
    except (subprocess.CalledProcessError, FileNotFoundError):
        pytest.skip("no user namespace of our own")
    with Program("exec unshare -r sh -c '"
                 "echo %s > /proc/sys/user/max_inotify_%s; "
                 "exec \"$0\" \"$@\"' %s \"$@\"\n" % (
                     n, what, harness.AGENTCHAT)):
        d = started(Daemon(relay.url, root=directory("root")))
    until(lambda: (d.dir / "#general" / "agents").exists(), "to have joined")
    talk(d, other, "few")
    said = [json.loads(x) for x in d.err.splitlines() if '"trouble"' in x]
    assert said and "max_user_" in said[0]["trouble"], d.err


def test_a_clock_that_jumps_confuses_nobody(started):
    cc = shutil.which("cc")
    if not cc:
        pytest.skip("no cc")
    at = directory("clock")
    (at / "clock.c").write_text(CLOCK)
    subprocess.run([cc, "-shared", "-fPIC", "-o", at / "clock.so",
                    at / "clock.c", "-ldl"], check=True)
    clock = at / "now"
    clock.write_text("0\n")
    env = "LD_PRELOAD=%s CLOCK_FILE=%s ASAN_OPTIONS=$ASAN_OPTIONS" \
        ":verify_asan_link_order=0 " % (at / "clock.so", clock)
    with Program("exec env %s %s \"$@\"\n" % (env, harness.AGENTCHAT)):
        relay = started(Relay(*FAST))
        d = started(Daemon(relay.url, root=directory("root")))
        other = started(Daemon(relay.url, root=directory("other")))
        until(lambda: all((x.dir / "#general" / "agents").exists()
                          for x in (d, other)), "to have joined")
        said = []
        for n, hours in enumerate((0, -1, 10 * 365 * 24, -48, 0)):
            new = at / "new"
            new.write_text("%d\n" % (hours * 3600))
            os.rename(new, clock)
            for m in range(3):
                said.append("m-%d-%d" % (n, m))
                d.outbox({"to": "#general", "content": said[-1]})
            other.received("#general", said[-1])
            if n % 2:
                other.kill()
                other = started(other.again())
            else:
                relay.kill()
                relay = started(relay.again())
                for x in (d, other):
                    x.connected()
        d.outbox({"to": "#general", "content": "end"})
        other.received("#general", "end")
    new = other.new("#general")
    assert [m["content"] for m in new] == said + ["end"]
    assert [m["seq"] for m in new] == sorted(m["seq"] for m in new)
    assert [m["ts"] for m in new] == sorted(m["ts"] for m in new)
    until(lambda: len(d.receipts()) == len(said) + 1, "receipts")


def test_who_was_stopped_goes_on(started, relay, other):
    d = started(Daemon(relay.url, root=directory("root")))
    until(lambda: (d.dir / "#general" / "agents").exists(), "to have joined")
    said = ["m%d" % n for n in range(300)]
    d.signal(signal.SIGSTOP)
    try:
        other.outbox(*({"to": "#general", "content": x} for x in said))
        until(lambda: len(other.receipts()) == 300, "300 receipts")
        d.outbox({"to": "#general", "content": "put down meanwhile"})
    finally:
        d.signal(signal.SIGCONT)
    other.received("#general", "put down meanwhile")
    d.received("#general", said[-1])
    assert [m["content"] for m in d.new("#general")] == said
    relay.signal(signal.SIGSTOP)
    try:
        d.outbox({"to": "#general", "content": "while the relay sleeps"})
        until(lambda: d.status().get("queued") == 1, "it to be queued")
    finally:
        relay.signal(signal.SIGCONT)
    other.received("#general", "while the relay sleeps")


def test_what_was_refused_before_a_kill_is_not_sent_after_it(started, relay,
                                                             other):
    """Killed between the files in failed/ and the queue's forgetting."""
    d = started(Daemon(relay.url, root=directory("root")))
    until(lambda: (d.dir / "#general" / "agents").exists(), "to have joined")
    assert relay.stop() == 0
    lines = [json.dumps({"to": "#general", "content": x})
             for x in ("refused", "another", "third")]
    d.outbox(*lines)
    (d.dir / "#general" / "out" / "x").write_text("dropped\n")
    until(lambda: d.status().get("queued") == 4, "four to be queued")
    d.kill()
    for name, text in (("#general.outbox.1", lines[0] + "\n"),
                       ("#general.outbox.2", lines[0] + "\n"),
                       ("#general.x.4", '{"to":"#general","content":'
                        '"dropped\\n"}\n')):
        (d.dir / "failed" / (name + ".json")).write_text(text)
        (d.dir / "failed" / (name + ".json.reason")).write_text("No.\n")
    relay = started(relay.again())
    d = started(d.again())
    other.received("#general", "third")
    until(lambda: d.status().get("queued") == 0, "all to be sent")
    # 2 is in failed/ with another text: that was another queue's.
    assert [m["content"] for m in other.new("#general")] == \
        ["another", "third"]


def no_more_files(d):
    """Make files until the file system has no inode left: what was made."""
    made = []
    while True:
        path = d / ("ballast%d" % len(made))
        try:
            path.touch()
        except OSError as e:
            assert e.errno == errno.ENOSPC, e
            return made
        made.append(path)


@pytest.mark.skipif(bool(image.unsupported()), reason="no tmpfs of our own")
def test_without_inodes_it_waits_until_there_are(started, relay, other):
    disk = image.Small(64 << 10, inodes=300)
    try:
        d = started(Daemon(relay.url, root=disk.at))
        until(lambda: (d.dir / "#general" / "agents").exists(), "to join")
        ballast = no_more_files(disk.at)
        said = ["n%d" % n for n in range(50)]
        other.outbox(*({"to": "#general", "content": s} for s in said))
        d.state("full")
        # Bytes there are, so that an agent can still append.
        d.outbox({"to": "#general", "content": "from the full one"})
        assert d.new("#general") == []
        for path in ballast:
            path.unlink()
        d.connected()
        d.received("#general", said[-1])
        other.received("#general", "from the full one")
        assert [m["content"] for m in d.new("#general")] == said
        assert [m["content"] for m in history(relay, "#general")
                if m["from"] == d.id] == ["from the full one"]
        assert d.stop() == 0
    finally:
        harness.reap()
        disk.close()


@pytest.mark.skipif(bool(image.unsupported()), reason="no tmpfs of our own")
def test_mail_that_finds_no_room_is_not_taken_for_known(started):
    disk, fake = image.Small(64 << 10, inodes=300), Postman()
    try:
        d = started(Daemon(fake.url, root=disk.at))

        def mail(seq, content):
            return fake.mail(d.id, seq, content, id=content)
        c = fake.conn(0)
        c.wait("JOIN", channel="#agents")
        c.say(mail(1, "first"))
        c.wait("ACK", mailbox_seq=1)
        # Numbers begin anew: from here on it looks inside.
        fake.epoch = "e2"
        c.abort()
        c = fake.conn(1)
        c.wait("JOIN", channel="#agents")
        c.say(mail(1, "second"))
        c.wait("ACK", mailbox_seq=1)
        ballast = no_more_files(disk.at)
        c.say(mail(2, "third"))
        d.state("full")
        for path in ballast:
            path.unlink()
        c.wait("ACK", mailbox_seq=2)
        assert "third" in [m["content"] for m in d.new("@1f3a9c02")]
    finally:
        fake.close()
        harness.reap()
        disk.close()


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace")
def test_a_flood_waits_at_the_relay_while_the_disk_is_slow(started, root):
    fake = OurRelay()
    try:
        # One sync of many takes so long that all of it could come meanwhile.
        # (LeakSanitizer and strace can't both have it.)
        with Program("export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0\n"
                     "exec strace -f -qq -o /dev/null -e trace=syncfs -e "
                     "inject=syncfs:delay_enter=6000000:when=6 %s \"$@\"\n" %
                     harness.AGENTCHAT):
            d = started(Daemon(fake.url, root=root))
        c = fake.conn()
        c.wait("JOIN", channel="#agents")
        pid, count = d.connected()["pid"], 1500
        for first in range(1, count, 100):
            c.say(*(fake.message("#general", n, "%08d" % n + "x" * 24000)
                    for n in range(first, first + 100)))
        # All is taken, and so most of it must be through: two batches and
        # what sockets hold are less than half.
        new = d.box("#general") / "new"
        assert len(os.listdir(new)) > count / 2
        until(lambda: len(os.listdir(new)) == count, "all of them",
              timeout=3 * harness.DEADLINE)
        assert [m["content"][:8] for m in d.new("#general")] == \
            ["%08d" % n for n in range(1, count + 1)]
        os.kill(pid, signal.SIGTERM)    # strace keeps ours for itself
        assert d.wait() == 0
    finally:
        fake.close()


def test_a_frame_without_end_is_not_kept(started, root):
    fake = OurRelay()
    try:
        d = started(Daemon(fake.url, root=root))
        c = fake.conn()
        c.wait("JOIN", channel="#agents")
        with pytest.raises(websockets.ConnectionClosed):
            c.say(["x" * (1 << 20)] * 32)
        c = fake.conn(1)
        c.wait("JOIN", channel="#general")
        c.say(fake.message("#general", 1, "after"))
        d.received("#general", "after")
        assert "frame without end" in d.err
    finally:
        fake.close()
