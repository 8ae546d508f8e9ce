"""kill -9 of the daemon and of the relay, under load in both directions; and
one that is stopped for a minute."""

import random
import signal
import time

import harness
from load import Account, Peer, back, balance, settle
from harness import until


def pair(account, relay, *args):
    a = Peer("alice", relay.url, account, *args)
    b = Peer("bob", relay.url, account, *args)
    for p in (a, b):
        p.start(wait=True)
    until(lambda: all((p.dir / p.channel / "out").is_dir() for p in (a, b)),
          "boxes")
    return a, b


def work(a, b, pause):
    a.work(pause, to=[b.id])
    b.work(pause, to=[a.id])


def finish(account, peers, timeout=90):
    for p in peers:
        p.rest()
    settle(peers, timeout)
    balance(account, peers)
    return account


def kill_daemon(times, pause=0.01, seed=0):
    """Half the kills strike while it starts, half while it works."""
    rnd = random.Random(seed)
    account = Account()
    relay = harness.Relay(*harness.FAST)
    a, b = pair(account, relay)
    work(a, b, pause)
    for n in range(times):
        p = rnd.choice((a, b))
        how = rnd.random()
        if how < 0.5:
            time.sleep(rnd.uniform(0, 0.15))
        else:
            before = sum(p.heard.values())
            end = time.monotonic() + 5
            while sum(p.heard.values()) < before + rnd.randint(1, 20) and \
                    time.monotonic() < end:
                time.sleep(0.002)
        p.kill()
        p.start()
    finish(account, (a, b))
    account.notes.append("%d kills" % times)
    a.proc.stop(), b.proc.stop(), relay.stop()
    return account


def kill_relay(times, pause=0.02, seed=0):
    """The relay dies; a daemon that is too patient afterwards dies too.

    A daemon whose sessions don't last waits longer each time, so without the
    second kind of kill a thousand of the first would take hours.
    """
    rnd = random.Random(seed)
    account = Account()
    relay = harness.Relay(*harness.FAST)
    a, b = pair(account, relay)
    work(a, b, pause)
    also = 0
    for n in range(times):
        p = rnd.choice((a, b))
        before = sum(p.heard.values())
        end = time.monotonic() + 2
        while sum(p.heard.values()) < before + rnd.randint(1, 30) and \
                time.monotonic() < end:
            time.sleep(0.002)
        relay.kill()
        relay = relay.again()
        end = time.monotonic() + rnd.uniform(0, 0.8)
        while time.monotonic() < end and \
                any(p.status.get("state") != "connected" for p in (a, b)):
            time.sleep(0.005)
        for p in (a, b):
            if p.status.get("state") != "connected":
                p.kill()
                p.start()
                also += 1
    finish(account, (a, b))
    account.notes.append("%d kills, and %d of daemons" % (times, also))
    a.proc.stop(), b.proc.stop(), relay.stop()
    return account


def stopped(seconds, seed=0):
    """SIGSTOP of a daemon, then of the relay, while everybody talks on."""
    account = Account()
    relay = harness.Relay(*harness.FAST)
    a, b = pair(account, relay)
    work(a, b, 0.02)
    for p in (b.proc, relay):
        before = sum(b.heard.values())
        until(lambda: sum(b.heard.values()) > before + 20, "traffic")
        p.signal(signal.SIGSTOP)
        time.sleep(seconds)
        account.notes.append("after %g s alice is %s" % (
            seconds, a.status.get("state")))
        p.signal(signal.SIGCONT)
        back(a, b)
    finish(account, (a, b))
    a.proc.stop(), b.proc.stop(), relay.stop()
    return account
