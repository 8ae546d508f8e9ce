"""Agents that work while things break, and an account of what became of it.

A Peer is an agent as the manual describes it: it knows files only. It appends
to outbox.jsonl and drops files into out/, reads new/ and takes away what it
has read at once, and keeps a ledger of both. What it said must be found in the
other's ledger once, or in its own failed/ with a reason.
"""

import collections
import json
import os
import random
import threading
import time

import harness

CHANNEL = "#load"


class Account:
    """What was done, and how often each thing arrived where."""

    def __init__(self):
        self.work = 0
        self.lost = []
        self.doubled = []
        self.torn = []
        self.wrong = []
        self.late = []          # figures missed: only the long form minds
        self.notes = []

    def expect_once(self, said, heard, where):
        """said: what must be there; heard: a Counter of what is."""
        self.work += len(said)
        self.lost += ["%s: %s" % (where, x) for x in said if not heard[x]]
        self.doubled += ["%s: %s x%d" % (where, x, n)
                         for x, n in heard.items() if n > 1]
        said = set(said)
        self.wrong += ["%s: %s was never said" % (where, x)
                       for x in heard if x not in said]

    def good(self):
        return not (self.lost or self.doubled or self.torn or self.wrong)

    def story(self, most=8):
        out = []
        for name in ("lost", "doubled", "torn", "wrong", "late"):
            found = getattr(self, name)
            if found:
                out.append("%s (%d): %s" % (name, len(found), "; ".join(
                    str(x)[:300] for x in found[:most])))
        return "\n".join(out)


class Peer:
    """A daemon, and an agent at its files."""

    def __init__(self, name, url, account, *args, channel=CHANNEL, root=None):
        self.name, self.url, self.account = name, url, account
        self.args = ("--channels", channel) + args
        self.channel = channel
        self.root = root or harness.directory("peer-" + name)
        self.dir = self.root / "daemons" / name
        self.said = []              # to the channel
        self.said_dm = []
        self.heard = collections.Counter()
        self.order = {}             # sender's tag to last number in channel
        self.files = set()          # names that were taken away
        self.stop = threading.Event()
        self.threads = []
        self.proc = None
        self.count = 0
        self.lock = threading.Lock()
        self.random = random.Random(name)

    # -- the daemon

    def start(self, wait=False):
        self.proc = harness.Daemon(self.url, *self.args, root=self.root,
                                   name=self.name, wait=wait)
        return self

    def kill(self):
        self.proc.kill()

    @property
    def status(self):
        try:
            return harness.load(self.dir / "status.json") or {}
        except ValueError:
            return {}           # a power cut emptied it: it comes again

    @property
    def id(self):
        return self.status["agent_id"]

    # -- the agent

    def content(self, size=0):
        self.count += 1
        text = "%s-%06d" % (self.name, self.count)
        return text + (" " + "x" * (size - len(text) - 1)
                       if size > len(text) else "")

    def say(self, to=None, drop=None, size=0):
        """Say something new, as a line or as a file."""
        with self.lock:
            text = self.content(size)
            to = to or self.channel
            if drop is None:
                drop = self.random.random() < 0.3
            if drop:
                made = self.dir / ("." + text[:40])
                made.write_text(text)
                os.rename(made, self.dir / to / "out" / text[:40])
            else:
                line = json.dumps({"to": to, "content": text}) + "\n"
                fd = os.open(self.dir / "outbox.jsonl",
                             os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                n = os.write(fd, line.encode())
                os.close(fd)
                assert n == len(line), "short append"
            (self.said if to == self.channel else self.said_dm).append(text)
            return text

    def look(self):
        """Read what is new, and take it away: how many there were."""
        n = 0
        try:
            boxes = [x for x in os.listdir(self.dir) if x[0] in "#@"]
        except FileNotFoundError:
            return 0
        for box in boxes:
            d = self.dir / box / "new"
            try:
                names = sorted(os.listdir(d))
            except FileNotFoundError:
                continue
            for name in names:
                try:
                    raw = (d / name).read_bytes()
                    if self.random.random() < 0.5:
                        os.unlink(d / name)
                    else:
                        os.rename(d / name, self.dir / box / "cur" / name)
                except FileNotFoundError:
                    continue        # too many unread: it was archived
                self.hear(box, name, raw)
                n += 1
        return n

    def archived(self):
        """What went from a full new/ to archive/: contents and how often."""
        found = collections.Counter()
        for day in self.dir.glob("archive/*.jsonl"):
            for line in day.read_bytes().splitlines():
                found[json.loads(line)["content"]] += 1
        return found

    def hear(self, box, name, raw):
        try:
            m = json.loads(raw)
            assert raw.endswith(b"\n") and raw.count(b"\n") == 1
        except (ValueError, AssertionError):
            self.account.torn.append("%s: %s/%s: %r" %
                                     (self.name, box, name, raw[:200]))
            return
        if (box, name) in self.files:
            self.account.doubled.append("%s: file %s/%s came again" %
                                        (self.name, box, name))
        self.files.add((box, name))
        if m["type"] != "MSG" or m["from"] == "@server":
            return
        key = m["content"] if box[0] == "#" else "dm " + m["content"]
        self.heard[key] += 1

    def ring(self, box=None):
        """inbox.jsonl is whole, short, and names nothing twice."""
        path = (self.dir / box if box else self.dir) / "inbox.jsonl"
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return
        if raw and not raw.endswith(b"\n"):
            self.account.torn.append("%s ends with %r" % (path, raw[-100:]))
        lines = raw.split(b"\n")[:-1]
        if len(lines) > 1000:
            self.account.wrong.append("%s: %d lines" % (path, len(lines)))
        seen = collections.Counter()
        for line in lines:
            try:
                m = json.loads(line)
            except ValueError:
                self.account.torn.append("%s: %r" % (path, line[:200]))
                continue
            if m.get("type") == "MSG":
                seen[m["to"] + " " + m["content"]] += 1
        self.account.doubled += ["%s: %s x%d" % (path, x, n)
                                 for x, n in seen.items() if n > 1]

    def _work(self, step, pause):
        while not self.stop.is_set():
            try:
                step()
            except FileNotFoundError:
                pass            # the daemon hasn't made it yet
            except Exception as e:
                self.account.wrong.append("%s: agent: %r" % (self.name, e))
                return
            self.stop.wait(pause * self.random.uniform(0.3, 1.7))

    def work(self, pause=0.01, to=()):
        """Begin to talk and to read, in threads."""
        def talk():
            self.say(self.random.choice([None] * 3 + list(to)))
        for step, p in ((talk, pause), (self.look, 0.01)):
            t = threading.Thread(target=self._work, args=(step, p))
            t.daemon = True
            t.start()
            self.threads.append(t)

    def rest(self):
        self.stop.set()
        for t in self.threads:
            t.join()
        self.threads = []
        self.stop.clear()

    def pending(self):
        """What this agent has put down and the daemon has not yet sent."""
        try:
            n = os.path.getsize(self.dir / "outbox.jsonl")
        except FileNotFoundError:
            n = 0
        for box in os.listdir(self.dir):
            if box[0] in "#@" and (self.dir / box / "out").is_dir():
                n += len(os.listdir(self.dir / box / "out"))
        st = self.status
        return n + st.get("queued", 0) if st.get("state") == "connected" \
            else 1

    def failed(self):
        """What stands in failed/: content to reason."""
        found = {}
        d = self.dir / "failed"
        if not d.is_dir():
            return found
        for name in os.listdir(d):
            if name.endswith(".reason") or name.startswith("."):
                continue
            text = (d / name).read_text()
            try:
                text = json.loads(text)["content"]
            except (ValueError, TypeError, KeyError):
                pass
            found[text] = (d / (name + ".reason")).read_text()
        return found

    def own(self):
        """Echoes of what we said to the channel, in cur/."""
        heard = collections.Counter()
        d = self.dir / self.channel / "cur"
        for name in os.listdir(d):
            try:
                m = json.loads((d / name).read_bytes())
            except (ValueError, FileNotFoundError):
                continue
            if m["from"] == self.id:
                heard[m["content"]] += 1
        return heard


def back(*peers, timeout=120):
    """Wait until what is said from now on is heard again, among those who
    talk on. (Their outbox.jsonl is no sign: it need not be empty before they
    fall silent.)"""
    said = {p: len(p.said) for p in peers}
    harness.until(lambda: all(any(x in p.heard for x in other.said[n:])
                              for other, n in said.items()
                              for p in peers if p is not other),
                  lambda: "all to be back: %s" % [p.status for p in peers],
                  timeout)


def lacking(peers):
    """Is anything that was said, and has not failed, still to arrive?"""
    for p in peers:
        there = set(p.heard) | set(p.archived())
        for other in peers:
            if other is p:
                continue
            failed = other.failed()
            if any(x not in there and x not in failed for x in other.said):
                return True
            if any("dm " + x not in there and x not in there and
                   x not in failed for x in other.said_dm):
                return True
    return False


def settle(peers, timeout=120):
    """Wait until all that was said has arrived, or nothing moves any more."""
    last, since = None, time.monotonic()
    while True:
        for p in peers:
            p.look()
        now = [(p.pending(), sum(p.heard.values())) for p in peers]
        if now != last:
            last, since = now, time.monotonic()
        quiet = time.monotonic() - since
        if all(n == 0 for n, _ in now) and quiet > 1.5 and \
                not lacking(peers):
            return
        if quiet > timeout:
            return
        time.sleep(0.05)


def balance(account, peers):
    """Everybody heard what everybody else said to the channel, once."""
    for p in peers:
        said, dm = [], []
        for other in peers:
            if other is not p:
                failed = other.failed()
                account.wrong += ["%s: failed/: %s: %s" % (other.name, x, y)
                                  for x, y in failed.items()
                                  if not y.startswith("MAILBOX_FULL")]
                said += [x for x in other.said if x not in failed]
                dm += ["dm " + x for x in other.said_dm if x not in failed]
        account.expect_once(said + dm, p.heard, p.name)
        account.doubled += ["%s: own %s x%d" % (p.name, x, n)
                            for x, n in p.own().items() if n > 1]
        p.ring()
        for box in os.listdir(p.dir):
            if box[0] in "#@":
                p.ring(box)
                left = os.listdir(p.dir / box / "tmp")
                if left:
                    account.wrong.append("%s: left in %s/tmp: %s" % (
                        p.name, box, left[:3]))
