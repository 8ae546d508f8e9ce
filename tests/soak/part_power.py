"""The power is cut: ext4 on a loop image, shut down at random points.

An agent that cares syncs what it puts down: that must arrive. One that doesn't
may lose what nobody had confirmed, but not what has a receipt in sent/ or has
gone from outbox.jsonl. A file that the agent had taken away may be back, if
the disk had not heard of it: the name says so. What the relay calls stored is
there afterwards, in a new epoch. What it had passed on and lost is said to it
again: who still has the file isn't told twice.
"""

import collections
import json
import os
import random
import threading
import time

import harness
import load
from harness import until
from image import Image
from load import Account, Peer


def sync_directory(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Careful(Peer):
    """Syncs what it says, and notes at once what it is told."""

    def __init__(self, *a, **kw):
        super().__init__(*a, **kw)
        self.durable = {}           # contents whose sync succeeded
        self.confirmed = {}         # receipt name to the message's id
        self.gone = set()           # lines that outbox.jsonl had no more
        self.lines = []             # said without sync
        self.ids = collections.Counter()    # msg_id heard
        self.names = set()          # id heard: what its sender calls it
        self.contents = collections.defaultdict(set)    # content to msg_ids
        self.cut = threading.Event()

    def say(self, to=None, drop=None, size=0):
        text = self.content(size)
        careful = self.random.random() < 0.5
        try:
            if self.random.random() < 0.3:
                made = self.dir / ("." + text)
                box = self.dir / self.channel / "out"
                with open(made, "wb", buffering=0) as f:
                    f.write(text.encode())
                    os.fsync(f)
                os.rename(made, box / text)
                sync_directory(box)
                self.keep(text, "file")
                return
            line = json.dumps({"to": self.channel, "content": text}) + "\n"
            with open(self.dir / "outbox.jsonl", "ab", buffering=0) as f:
                n = f.write(line.encode())
                if careful and n == len(line):
                    os.fsync(f)
            if n == len(line) and careful:
                self.keep(text, "line")
            elif n == len(line):
                self.lines.append(text)
        except OSError:
            pass                    # the disk is gone: nothing was promised

    def keep(self, text, how):
        """It is synced. What succeeds after the cut proves nothing: a sync
        that was under way may be told that all went well."""
        if not self.cut.is_set():
            self.durable[text] = how

    def watch(self):
        """Receipts, and what has gone from outbox.jsonl, as of now."""
        try:
            said = list(self.lines)
            raw = (self.dir / "outbox.jsonl").read_bytes()
            names = os.listdir(self.dir / "sent")
            if self.cut.is_set():
                return
            there = {x.split(b'"')[7].decode() for x in raw.split(b"\n")
                     if x.count(b'"') == 8}
            # A file that shrank or was swapped while we read is no witness.
            self.gone |= {x for x in said if x not in there}
        except OSError:
            return
        for name in names:
            if name in self.confirmed or name[0] == ".":
                continue
            try:
                raw = (self.dir / "sent" / name).read_bytes()
            except OSError:
                continue
            if raw.strip(b"\0"):    # else a cut left it empty, for now
                self.confirmed[name] = json.loads(raw)["id"]

    def empty(self):
        """Receipts that say nothing."""
        d = self.dir / "sent"
        return [x for x in os.listdir(d)
                if not (d / x).read_bytes().strip(b"\0")]

    def look(self):
        try:
            return super().look()
        except OSError:
            return 0

    def hear(self, box, name, raw):
        try:
            m = json.loads(raw)
        except ValueError:
            self.account.torn.append("%s: %s: %r" % (self.name, name,
                                                     raw[:100]))
            return
        if m["type"] == "MSG":
            self.ids[m["msg_id"]] += 1
            self.names.add(m["id"])
            self.contents[m["content"]].add(m["msg_id"])

    def kept(self):
        """Contents of the files that are there: their msg_ids."""
        found = collections.defaultdict(set)
        for sub in ("new", "cur"):
            d = self.dir / self.channel / sub
            for name in os.listdir(d):
                m = json.loads((d / name).read_bytes())
                found[m["content"]].add(m["msg_id"])
        return found

    def take_own(self):
        """Our echoes: which content has which msg_id."""
        d = self.dir / self.channel / "cur"
        for name in os.listdir(d):
            raw = (d / name).read_bytes()
            if not raw.endswith(b"\n"):
                self.account.torn.append("%s: cur/%s: %r" % (
                    self.name, name, raw[:100]))
                continue
            m = json.loads(raw)
            if m["from"] == self.id:
                self.contents[m["content"]].add(m["msg_id"])


def start(image, port=0):
    harness.AGENTCHAT = str(image.program)
    return harness.Relay(*harness.FAST, spool=image.at / "relay", port=port)


def cut_power(times, pause=0.005, seed=0, span=1.0):
    program = harness.AGENTCHAT
    image = Image()
    try:
        return _cut_power(image, times, pause, seed, span)
    finally:
        harness.AGENTCHAT = program
        harness.reap()
        image.close()


def _cut_power(image, times, pause, seed, span):
    rnd = random.Random(seed)
    account = Account()
    relay = start(image)
    port = relay.port
    peers = []
    for name in ("alice", "bob"):
        root = image.at / name
        root.mkdir()
        peers.append(Careful(name, relay.url, account, root=root).start())
    for n in range(times + 1):
        for p in peers:
            until(lambda: p.status.get("state") == "connected" and
                  (p.dir / p.channel / "out").is_dir(), "connection",
                  timeout=60)
        if n == times:
            break
        for p in peers:
            p.work(pause)
            t = threading.Thread(target=p._work, args=(p.watch, 0.005),
                                 daemon=True)
            t.start()
            p.threads.append(t)
        time.sleep(rnd.uniform(0.02, span))
        for p in peers:
            p.cut.set()
        image.cut()
        for p in peers:
            p.rest()
            p.cut.clear()
            p.kill()
            p.lines = []        # they may be gone, or not
        relay.kill()
        harness.reap()
        image.back()
        relay = start(image, port)
        for p in peers:
            p.start()
    load.settle(peers, 30)
    for p in peers:
        p.look()
        p.take_own()
        p.watch()
    for p, other in (peers, peers[::-1]):
        heard = set(p.contents)
        account.work += len(other.durable) + len(other.confirmed)
        account.lost += ["%s: %s (%s), synced by its agent" % (
            p.name, x, how) for x, how in other.durable.items()
            if x not in heard]
        account.lost += ["%s: %s, gone from outbox.jsonl" % (p.name, x)
                         for x in other.gone if x not in heard]
        account.lost += ["%s: %s, receipt %s" % (p.name, i, name)
                         for name, i in other.confirmed.items()
                         if i not in p.names]
        account.doubled += ["%s: %s is %s" % (p.name, x, sorted(i))
                            for x, i in p.kept().items() if len(i) > 1]
        again = sum(n - 1 for n in p.ids.values())
        account.notes.append("%s: %d synced, %d receipts, %d gone, "
                             "%d files back, %d said again" % (
                                 p.name, len(other.durable),
                                 len(other.confirmed), len(other.gone),
                                 again, sum(len(i) - 1 for i in
                                            p.contents.values())))
        account.wrong += ["%s: failed/: %s: %s" % (p.name, x, y)
                          for x, y in p.failed().items() if x]
        account.torn += ["%s: sent/%s" % (p.name, x) for x in p.empty()]
        p.ring()
        p.ring(p.channel)
    for p in peers:
        p.proc.stop()
    relay.stop()
    return account
