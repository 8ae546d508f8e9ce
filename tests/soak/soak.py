#!/usr/bin/env python3
"""soak.py [-s SCALE] [-j JOBS] [-l] [PART...]: the long forms of what is
promised.

Runs the parts that are named, or all, and prints a table: promise, work done,
lost, doubled, verdict. JOBS of them run at a time, but those that measure time
run alone, after the others. SCALE multiplies the amount of work (1: the full
length, within 40 minutes on two cores; 0.01: a few seconds each). Exits 1 if
any part failed. AGENTCHAT is the program, AGENTCHAT_TEST_KEEP=1 keeps the
files of a run.
"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

import harness                                          # noqa: E402
import image                                            # noqa: E402
import load                                             # noqa: E402
import part_kill                                        # noqa: E402
import part_net                                         # noqa: E402
import part_power                                       # noqa: E402
import part_relay                                       # noqa: E402
import part_spool                                       # noqa: E402

Part = collections.namedtuple("Part", "name promise run full least needs "
                              "alone", defaults=(None, False))
ROW = "%-9s %-16s %9s %6s %8s %6s  %s"


def strace():
    return None if shutil.which("strace") else "no strace"


PARTS = (
    Part("kill-daemon", "D1", part_kill.kill_daemon, 1000, 10),
    Part("kill-relay", "D1 R2 R3", part_kill.kill_relay, 1000, 5),
    Part("power", "D2 R1 R2", part_power.cut_power, 50, 2,
         image.unsupported),
    Part("appenders", "D3", part_spool.appenders, 160000, 1600),
    Part("dropped", "D3", part_spool.dropped, 20000, 200),
    Part("disk-full", "D4", part_spool.disk_full_daemon, 3000, 60,
         image.unsupported),
    Part("disk-full-relay", "R1", part_spool.disk_full_relay, 3000, 60,
         image.unsupported),
    Part("sync-fails", "D2 R1", part_spool.sync_fails, 20, 1, strace),
    Part("network", "D5", part_net.cut_network, 60, 3,
         part_net.unsupported),
    Part("names", "D7", part_spool.hostile_names, 1000000, 2000),
    Part("ring", "D8", part_spool.ring_reader, 100000, 2000),
    Part("resend", "R2 R3", part_relay.resend, 300, 4),
    Part("reconnects", "R6", part_relay.reconnects, 10000, 100),
    Part("mailbox", "R4", part_relay.mailbox, 1200, 60),
    Part("wiped", "R2", part_relay.wiped, 20, 1),
    Part("stopped", "D1 D5", part_kill.stopped, 60, 1),
    Part("catch-up", "D5", part_spool.catch_up, 10000, 500, alone=True),
    Part("stalled", "R5", part_relay.stalled, 6000, 50, alone=True),
    Part("records", "R8", part_relay.many_records, 1000000, 8000, alone=True),
)


def run(part, scale, seed):
    """One part: (Account, seconds, why it was skipped or broke)."""
    why = part.needs and part.needs()
    if why:
        return load.Account(), 0, "skipped: " + why
    began = time.monotonic()
    amount = max(part.least, round(part.full * scale))
    try:
        account = part.run(amount, seed=seed)
        why = None
    except BaseException as e:
        if isinstance(e, KeyboardInterrupt):
            raise
        traceback.print_exc()
        account, why = load.Account(), "broke: %s" % e
        for p in harness.processes[-4:]:
            print(p.story()[-1500:])
    finally:
        harness.Agent.close_all()
        harness.reap()
        harness.processes.clear()
    found = harness.reports()
    if found:
        account.wrong.append("sanitizer: " + found[0][-300:])
    return account, time.monotonic() - began, why


def report(part, scale, seed):
    """Run it here and print its row; is it good, or was it skipped?"""
    account, took, why = run(part, scale, seed)
    good = account.good() and not account.late and not why
    print(ROW % (part.promise, part.name, account.work, len(account.lost),
                 len(account.doubled), "%.0f" % took,
                 why or ("kept" if good else "BROKEN") +
                 (": " + ", ".join(account.notes)
                  if account.notes else "")), flush=True)
    if account.story():
        print("    " + account.story().replace("\n", "\n    "))
    return good or bool(why) and why.startswith("skipped")


def report_beside(part, scale, seed):
    """The same in a process of its own, beside others."""
    p = subprocess.run([sys.executable, __file__, "--row", "-s", str(scale),
                        "--seed", str(seed), part.name],
                       stdout=subprocess.PIPE, text=True, check=False)
    print(p.stdout, end="", flush=True)
    return p.returncode == 0


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    ap.add_argument("-s", "--scale", type=float,
                    default=float(os.environ.get("SCALE") or 1))
    ap.add_argument("--seed", type=int, default=int(time.time()))
    ap.add_argument("-j", "--jobs", type=int, default=os.cpu_count())
    ap.add_argument("-l", "--list", action="store_true")
    ap.add_argument("--row", action="store_true", help=argparse.SUPPRESS)
    ap.add_argument("part", nargs="*")
    args = ap.parse_args()
    if args.list:
        for p in PARTS:
            print("%-16s %-9s %d" % (p.name, p.promise, p.full))
        return 0
    unknown = set(args.part) - {p.name for p in PARTS}
    if unknown:
        ap.error("no part " + ", ".join(sorted(unknown)))
    if not os.access(harness.AGENTCHAT, os.X_OK):
        ap.error("no program %s: set AGENTCHAT" % harness.AGENTCHAT)
    parts = [p for p in PARTS if not args.part or p.name in args.part]
    if args.row:
        return 0 if report(parts[0], args.scale, args.seed) else 1
    began = time.monotonic()
    print("scale %g, seed %d" % (args.scale, args.seed))
    print(ROW % ("promise", "part", "work", "lost", "doubled", "s",
                 "verdict"), flush=True)
    with concurrent.futures.ThreadPoolExecutor(max(args.jobs, 1)) as pool:
        good = list(pool.map(
            lambda p: report_beside(p, args.scale, args.seed),
            [p for p in parts if not p.alone]))
    good += [report_beside(p, args.scale, args.seed)
             for p in parts if p.alone]
    print("%d kept, %d broken, in %.0f s" % (
        sum(good), len(good) - sum(good), time.monotonic() - began))
    return 0 if all(good) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        harness.cleanup()
