#!/usr/bin/env python3
"""bench.py [-n ROUNDS] [-s SCALE] [-d DIR] [-w OUT] [PART...]: what it costs.

Runs each part ROUNDS times, one after the other so that what the machine does
besides disturbs all alike, and prints medians, with the least and the most.
The ratio of two figures of one run says more than either: machines are noisy.
DIR is where files are written (TMPDIR or /tmp). With -w the curves go to
OUT/fan.tsv and OUT/idle.tsv, which fan.gp and idle.gp draw. AGENTCHAT is the
program, BENCH_BIN the folder with parts and fan.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

import harness                                          # noqa: E402

BIN = pathlib.Path(os.environ.get("BENCH_BIN", HERE))
LIFTED = ("--rate", "1e9", "--rate-burst", "1e9", "--max-unidentified", "0",
          "--queue-max", "256M")
COUNT = {"parts": 6000, "wire": 200000, "journal": 100000, "end": 300,
         "receive": 7500, "commands": 20, "send": 100}
MANY = 10000
BARE = "bare write and rename"
FLOODED = ["#bench%d" % i for i in range(4)]
MEMBERS = (10, 30, 100, 300, 1000)
IDLE = (0, 1000, 3000, 10000)


def percentile(samples, p):
    samples = sorted(samples)
    return samples[int((len(samples) - 1) * p)]


def lines_of(argv):
    """Run a measuring program: {name: (value, unit)}."""
    out = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE,
                         text=True, check=True).stdout
    rows = [line.split("\t") for line in out.splitlines()]
    return {name: (float(value), unit) for name, value, unit in rows}


def spent(samples, what):
    return {what + " p50": (percentile(samples, .5) * 1000, "ms"),
            what + " p99": (percentile(samples, .99) * 1000, "ms")}


# ---- parts: each a function of a fresh directory and the scale

def files(where, scale):
    out, n = {}, max(200, int(COUNT["parts"] * scale))
    for part in ("bare", "spool", "nosync"):
        here = where / part
        here.mkdir()
        out.update(lines_of([BIN / "parts", part, here, n]))
    bare = out[BARE][0]
    out["spool delivery / bare"] = (out["spool delivery"][0] / bare, "")
    out["spool delivery without sync / bare"] = (
        out["spool delivery without sync"][0] / bare, "")
    return out


def journal(where, scale):
    return lines_of([BIN / "parts", "journal", where,
                     max(200, int(COUNT["journal"] * scale))])


def wire(where, scale):
    return lines_of([BIN / "parts", "wire",
                     max(1000, int(COUNT["wire"] * scale))])


def against_relay(*argv):
    relay = harness.Relay(*LIFTED)
    try:
        return lines_of([BIN / "fan", *argv, "-s", relay.pid,
                         relay.port])
    finally:
        relay.stop()


def fan(where, scale, members=100):
    return against_relay("-m", members, "-d", 2 * scale)


def lone(where, scale, idle=0):
    return against_relay("-l", "-m", 10, "-i", idle, "-d", 2 * scale)


def pair(where):
    """A relay and two daemons, whose roots are in where."""
    relay = harness.Relay(*LIFTED)
    return relay, [harness.Daemon(relay.url, "--channels", "#bench",
                                  root=where / name, name=name)
                   for name in ("a", "b")]


def box_of(daemon, channel="#bench"):
    """Its new/, once it is there."""
    box = daemon.box(channel)
    harness.until(lambda: (box / "out").is_dir(), "the channel's directory")
    return box / "new"


def append(daemon, text):
    line = json.dumps({"to": "#bench", "content": text}) + "\n"
    fd = os.open(daemon.dir / "outbox.jsonl",
                 os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, line.encode())
    os.close(fd)


def end_to_end(where, scale):
    """Appended to outbox.jsonl at A: a file in new/ at B."""
    relay, (a, b) = pair(where)
    new, took = box_of(b), []
    box_of(a)
    try:
        for i in range(max(20, int(COUNT["end"] * scale))):
            began = time.monotonic()
            append(a, "number %d" % i)
            while not os.listdir(new):
                # Who spins takes one processor from those he waits for.
                time.sleep(.0001)
                if time.monotonic() - began > 10:
                    raise TimeoutError("message %d has not come" % i)
            took.append(time.monotonic() - began)
            for name in os.listdir(new):
                os.rename(new / name, new.parent / "cur" / name)
        return spent(took, "outbox to remote file")
    finally:
        for p in (a, b, relay):
            p.stop()


def last_file(box, text):
    """The file of the message, once the end of the box's ring has it.

    Cheaper than to list new/, which those who write to it wait for."""
    try:
        with open(box / "inbox.jsonl", "rb") as f:
            f.seek(max(0, f.seek(0, os.SEEK_END) - 4096))
            last = f.read().rpartition(b"\n")[0].rpartition(b"\n")[2]
    except FileNotFoundError:
        return None
    if text.encode() not in last:
        return None
    m = json.loads(last)
    return box / "new" / ("%013d.%08d.%s" % (m["ts"], m["seq"],
                                              m["from"].lstrip("@")))


def receive(where, scale):
    """A flood, one channel after the other: how fast it becomes files.

    The daemon is stopped while it is said, so that neither who says it nor
    the relay is measured. One channel would not do: in a box with more than
    MANY unread the daemon archives the oldest."""
    each = min(max(100, int(COUNT["receive"] * scale)), MANY)
    n, bare_s = each * len(FLOODED), 0
    for name in FLOODED:
        bare = where / ("bare-" + name[1:])
        bare.mkdir()
        rate, unit = lines_of([BIN / "parts", "bare", bare, each])[BARE]
        bare_s += each / rate
    out = {BARE: (n / bare_s, unit)}
    relay = harness.Relay(*LIFTED)
    b = harness.Daemon(relay.url, "--channels", ",".join(FLOODED),
                       root=where / "b", name="b")
    news = [box_of(b, name) for name in FLOODED]
    try:
        talker = harness.Agent(relay, "talker")
        for name in FLOODED:
            talker.join(name)
        os.kill(b.pid, signal.SIGSTOP)
        talker.send_many({"type": "MSG", "to": FLOODED[i // each], "content":
                          "number %d %s" % (i, "x" * 120)} for i in range(n))
        talker.send("PING")
        talker.expect("PONG")       # the relay has it all
        before_s, began = processor_s(b.pid), time.monotonic()
        os.kill(b.pid, signal.SIGCONT)
        last = harness.until(lambda: last_file(news[-1].parent, "number %d " %
                                               (n - 1)),
                             "the last", timeout=120)
        harness.until(last.exists, "its file", every=0.001)
        took = time.monotonic() - began
        assert [len(os.listdir(new)) for new in news] == [each] * len(news)
        spent_s = processor_s(b.pid) - before_s
        talker.close()
        out["messages to files, sustained"] = (n / took, "/s")
        out["sustained / bare"] = (n / took / out[BARE][0], "")
        out["daemon's processor per message"] = (spent_s / n * 1e6, "us")
        with open("/proc/%d/statm" % b.pid, encoding="ascii") as f:
            pages = int(f.read().split()[1])
        out["daemon's memory after it"] = (
            pages * os.sysconf("SC_PAGE_SIZE") / 1e6, "MB")
        return out
    finally:
        harness.Agent.close_all()
        for p in (b, relay):
            p.stop()


def processor_s(pid):
    """User and system, since it was started."""
    with open("/proc/%d/stat" % pid, encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run_once(*argv):
    began = time.monotonic()
    done = subprocess.run([harness.AGENTCHAT, *map(str, argv)],
                          stdout=subprocess.DEVNULL, check=False)
    return time.monotonic() - began, done.returncode


def with_many(new, at):
    """status and read, with ten thousand files in new/."""
    out = {}
    for i in range(MANY):
        text = json.dumps({"type": "MSG", "from": "@somebody", "to": "#bench",
                           "ts": 1700000000000 + i, "from_name": "somebody",
                           "content": "number %d %s" % (i, "x" * 100)})
        name = "%d.%08d.somebody" % (1700000000000 + i, i)
        (new / name).write_text(text + "\n", encoding="ascii")
    out.update(lines_of([BIN / "parts", "read", new.parent, MANY]))
    for argv in (("status",), ("read", "--peek"), ("read",)):
        took, rc = run_once(*argv, *at)
        if rc:
            raise RuntimeError("%s has failed" % argv[0])
        out["%s of 10,000 files" % " ".join(argv)] = (took * 1000, "ms")
    return out


def round_trips(relay, count):
    """What send waits for, and has no part in: the relay has it safe."""
    talker, took = harness.Agent(relay, "talker", caps=["stored"]), []
    talker.join("#bench")
    for i in range(count):
        began = time.monotonic()
        talker.send("MSG", to="#bench", content="hi", id="trip %d" % i)
        talker.expect("STORED")
        took.append(time.monotonic() - began)
    talker.close()
    return took


def commands(where, scale):
    """send through the spool; what waits to be read; waking from wait."""
    relay, (a, b) = pair(where)
    new, out = box_of(b), {}
    box_of(a)
    at_a = ("--dir", a.dir.parent.parent, "-I", a.dir.name)
    at_b = ("--dir", b.dir.parent.parent, "-I", b.dir.name)
    try:
        n = max(5, int(COUNT["send"] * scale))
        sends = lines_of([BIN / "run", n, harness.AGENTCHAT, "send", *at_a,
                          "#bench", "hi"])
        trip = spent(round_trips(relay, n), "relay's round trip, MSG to STORED")
        for p, (value, _) in sends.items():
            out["send" + p.removeprefix("run")] = (value / 1000, "ms")
        out.update(trip)
        out["send p50 less the round trip's"] = (
            out["send p50"][0] - next(iter(trip.values()))[0], "ms")
        harness.until(lambda: len(os.listdir(new)) == 2 * n, "the last")
        took = []
        for name in os.listdir(new):
            os.rename(new / name, new.parent / "cur" / name)
        for i in range(max(5, int(COUNT["commands"] * scale))):
            p = subprocess.Popen([harness.AGENTCHAT, "wait", *map(str, at_b)],
                                 stdout=subprocess.PIPE)
            harness.until(lambda p=p: watches(p.pid), "wait to watch")
            append(a, "wake %d" % i)
            while not os.listdir(new):
                pass
            began = time.monotonic()
            p.communicate(timeout=10)
            took.append(time.monotonic() - began)
            for name in os.listdir(new):
                os.rename(new / name, new.parent / "cur" / name)
        out.update(spent(took, "file in new/ to wait's exit"))
        out.update(with_many(new, at_b))
        return out
    finally:
        for p in (a, b, relay):
            p.stop()


def watches(pid):
    """Has it an inotify descriptor?"""
    try:
        return any("inotify" in x for x in harness.open_files(pid))
    except OSError:
        return False


PARTS = {"files": files, "journal": journal, "wire": wire, "fan": fan,
         "lone": lone, "end-to-end": end_to_end, "receive": receive,
         "commands": commands}


# ---- putting it together

def measure(run, base, scale):
    where = pathlib.Path(base) / ("agentchat-bench-%d" % os.getpid())
    where.mkdir()
    try:
        return run(where, scale)
    finally:
        shutil.rmtree(where, ignore_errors=True)


def machine():
    cpu = platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            cpu = next(l.split(":")[1].strip() for l in f
                       if l.startswith("model name"))
    except (OSError, StopIteration):
        pass
    commit = subprocess.run(["git", "-C", str(HERE), "rev-parse", "--short",
                             "HEAD"], capture_output=True, text=True,
                            check=False).stdout.strip() or "a release"
    return "%d x %s, %s %s; commit %s" % (
        os.cpu_count(), cpu, platform.system(), platform.release(), commit)


def show(name, all_of):
    values = [v for v, _ in all_of]
    print("| %s | %.4g %s | %.4g - %.4g |" % (
        name, statistics.median(values), all_of[0][1], min(values),
        max(values)), flush=True)


def table(names, rounds, scale, base):
    print("| | median of %d | range |\n|---|---|---|" % rounds)
    found = {name: {} for name in names}
    for _ in range(rounds):
        for name in names:
            for what, figure in measure(PARTS[name], base, scale).items():
                found[name].setdefault(what, []).append(figure)
    for name in names:
        for what, figures in found[name].items():
            show("%s: %s" % (name, what), figures)


def curve(path, head, xs, rounds, run):
    """x, then the medians of the figures that head names."""
    rows = ["# x\t" + "\t".join(head)]
    got = {x: [] for x in xs}
    for _ in range(rounds):
        for x in xs:
            got[x].append(run(x))
    for x in xs:
        rows.append("%d\t%s" % (x, "\t".join(
            "%.6g" % statistics.median(r[name][0] for r in got[x])
            for name in head)))
    path.write_text("\n".join(rows) + "\n", encoding="ascii")


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("-n", "--rounds", type=int, default=5)
    ap.add_argument("-s", "--scale", type=float, default=1)
    ap.add_argument("-d", "--dir",
                    default=os.environ.get("TMPDIR") or "/tmp")
    ap.add_argument("-w", "--write", type=pathlib.Path)
    ap.add_argument("part", nargs="*")
    args = ap.parse_args()
    if set(args.part) - set(PARTS):
        ap.error("the parts are " + ", ".join(PARTS))
    print(machine() + "\n", flush=True)
    if args.write is None:
        table(args.part or list(PARTS), args.rounds, args.scale, args.dir)
    else:
        curve(args.write / "fan.tsv",
              ("deliveries", "deliveries per second of the relay's processor"),
              MEMBERS, args.rounds, lambda n: fan(None, args.scale, n))
        curve(args.write / "idle.tsv", ("delivery p50", "delivery p99"),
              IDLE, args.rounds, lambda n: lone(None, args.scale, n))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        harness.Agent.close_all()
        harness.reap()
        harness.cleanup()
