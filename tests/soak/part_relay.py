"""The relay's journal, its sessions and its numbering."""

import collections
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import time

import harness
from harness import Agent, Key, Raw, until
from load import CHANNEL, Account, settle
from part_kill import finish, pair, work
from part_spool import joined


def resend(times, seed=0):
    """R2, R3: seq has no gap, a resent id is not delivered again."""
    rnd = random.Random(seed)
    account = Account()
    relay = harness.Relay(*harness.FAST)
    key = Key()
    maker = Agent(relay, name="maker")
    maker.create(CHANNEL)
    maker.drop()
    said, unsure = [], []
    n = 0
    for _ in range(times):
        agent = Agent(relay, name="sender", key=key, caps=["stored"])
        agent.join(CHANNEL)
        fresh = ["s-%d" % (n + i) for i in range(rnd.randint(1, 40))]
        n += len(fresh)
        said += fresh
        agent.send_many([{"type": "MSG", "to": CHANNEL, "content": x,
                          "id": x, "ts": 1} for x in unsure + fresh])
        time.sleep(rnd.uniform(0, 0.02))
        relay.kill()
        # All again whose echo we can't be sure of: some are there already.
        unsure = (unsure + fresh)[-200:]
        agent.drop()
        relay = relay.again()
    agent = Agent(relay, name="sender", key=key)
    agent.join(CHANNEL)
    agent.send_many([{"type": "MSG", "to": CHANNEL, "content": x, "id": x,
                      "ts": 1} for x in unsure])
    agent.barrier()
    reader = Agent(relay, name="reader")
    m = reader.join(CHANNEL, since=0, epoch=agent.welcome["epoch"])
    got = [x for x in reader.barrier() if x["type"] == "MSG"]
    while got and got[-1]["seq"] < m["seq"]:
        got.append(reader.expect("MSG"))
    account.expect_once(said, collections.Counter(
        x["content"] for x in got), "history")
    seqs = [x["seq"] for x in got]
    account.wrong += ["seq %d follows %d" % (y, x)
                      for x, y in zip(seqs, seqs[1:]) if y != x + 1]
    agent.close(), reader.close()
    relay.stop()
    return account


def many_records(records, seed=0):
    """R8: a start that replays a large journal; then all is as it was."""
    account = Account()
    relay = harness.Relay(*harness.FAST, "--sync", "never",
                          "--history", str(records),    # all are kept
                          "--rate", "1000000000", "--rate-burst",
                          "1000000000")
    agents = [Agent(relay, name="a%d" % i, subprotocols=["agentchat.ndjson"])
              for i in range(4)]
    for i, a in enumerate(agents):
        a.create("#r%d" % i)
    last, sent = {}, 0
    while sent < records:
        for i, a in enumerate(agents):
            a.send_many(["\n".join(
                json.dumps({"type": "MSG", "to": "#r%d" % i,
                            "content": "x"}) for _ in range(500))] * 2)
            sent += 1000
        for i, a in enumerate(agents):
            got = [x for x in a.barrier() if x["type"] == "MSG"]
            last[i] = got[-1]["seq"]
            a.frames.clear()
    for a in agents:
        a.drop()
    relay.kill()
    p = harness.run("doctor", "--spool", relay.spool, "--json", timeout=120)
    account.work = json.loads(p.out.splitlines()[-1])["records"]
    if account.work < records:
        account.wrong.append("%d records in the journal" % account.work)
    began = time.monotonic()
    relay = relay.again()
    took = time.monotonic() - began
    account.notes.append("started in %.1f s" % took)
    a = Agent(relay)
    for i in last:
        m = a.join("#r%d" % i)
        if m["seq"] != sent // len(agents) or m["seq"] != last[i]:
            account.lost.append("#r%d ends at %d, not %d" % (
                i, m["seq"], last[i]))
    if records >= 1000000 and took > records / 1e5:
        account.late.append("start took %.1f s" % took)
    a.close()
    relay.stop()
    return account


def stalled(messages, seed=0, members=100):
    """R5: one of many reads nothing; it is cut off, the others notice not."""
    account = Account()
    relay = harness.Relay(*harness.FAST, "--max-unidentified", "1000")
    agents = [Agent(relay, name="m%d" % i) for i in range(members - 1)]
    agents[0].create(CHANNEL)
    for a in agents[1:]:
        a.join(CHANNEL)
    sender = agents[0]
    lazy = Raw(relay, rcvbuf=4096)
    lazy.identify("lazy")
    lazy.send(harness.frame(json.dumps({"type": "JOIN", "channel": CHANNEL})))
    until(lambda: lazy.id in (sender.send("LIST_AGENTS", channel=CHANNEL) or
                              sender.expect("AGENTS"))["list"], "lazy")
    for n in range(messages):
        sender.send("MSG", to=CHANNEL, content="m-%d %s" % (n, "x" * 3000))
        agents[1].expect("MSG")
    if messages * 1500 > 8 << 20:       # what the kernel's buffers take
        left = [x for x in sender.barrier() + sender.passed
                if x["type"] == "AGENT_LEFT" and x["agent"] == lazy.id]
        if not left:
            account.wrong.append("who reads nothing was not cut off")
    for i, a in enumerate(agents[2:]):
        heard = collections.Counter(x["content"].split()[0]
                                    for x in a.barrier()
                                    if x["type"] == "MSG")
        account.expect_once(["m-%d" % n for n in range(messages)], heard,
                            "member %d" % i)
    lazy.sock.close()
    Agent.close_all()
    relay.stop()
    if messages >= 6000:
        late_because_of_one(account, members - 1)
    return account


def late_because_of_one(account, members):
    """How late is the latest in a hundred, without and with one that stalls?

    Python would measure itself: this is for the benchmark's load generator.
    """
    fan = os.path.join(os.path.dirname(harness.AGENTCHAT), "tests/bench/fan")
    if not os.access(fan, os.X_OK):
        account.notes.append("p99 not measured: no " + fan)
        return
    p99 = {(): [], ("-z",): []}
    for _ in range(5):
        for how, found in p99.items():
            relay = harness.Relay(*harness.FAST)
            p = subprocess.run([fan, "-l", *how, "-m", str(members), "-b",
                                "2000", "-d", "8", "-s", str(relay.pid),
                                str(relay.port)], capture_output=True,
                               text=True, check=False)
            relay.stop()
            if p.returncode:
                account.wrong.append(p.stderr.strip())
                return
            rows = dict(x.split("\t")[:2] for x in p.stdout.splitlines())
            found.append(float(rows["delivery p99"]) / 1000)
    before, after = [statistics.median(x) for x in p99.values()]
    account.notes.append("p99 %.2f ms without it, %.2f ms with it" % (
        before, after))
    if after > before * 1.1:
        account.late.append("p99 grew from %.2f to %.2f ms" % (before, after))


def wiped(times, seed=0):
    """A relay that has lost its disk: a new epoch, and no confusion."""
    account = Account()
    relay = harness.Relay(*harness.FAST)
    a, b = pair(account, relay)
    joined(relay, a, b)
    for n in range(times):
        work(a, b, 0.01)
        before = sum(b.heard.values())
        until(lambda: sum(b.heard.values()) > before + 20, "traffic")
        for p in (a, b):
            p.rest()
        settle((a, b), 20)
        relay.kill()
        shutil.rmtree(relay.spool)
        os.mkdir(relay.spool, 0o700)
        relay = relay.again()
        # What is said now waits for both to be there again.
        for p in (a, b):
            p.kill()
            p.start(wait=True)
        joined(relay, a, b)
    finish(account, (a, b))
    a.proc.stop(), b.proc.stop(), relay.stop()
    return account


def mailbox(letters, seed=0):
    """R4: a letter lasts until its ACK, the relay killed in between."""
    account = Account()
    relay = harness.Relay(*harness.FAST)
    key = Key()
    to = Agent(relay, name="away", key=key, caps=["ack"])
    to.drop()
    sender = Agent(relay, name="sender", key=Key())
    said, full = [], 0
    for n in range(letters):
        sender.send("MSG", to=to.id, content="l-%d" % n)
        m = sender.next()
        if m["type"] == "ERROR":
            assert m["code"] == "MAILBOX_FULL", m
            full += 1
        else:
            said.append("l-%d" % n)
    if letters > 1000 and not full:
        account.wrong.append("a mailbox without bound")
    heard, upto = collections.Counter(), 0
    while True:
        sender.drop()
        relay.kill()
        relay = relay.again()
        to = Agent(relay, name="away", key=key, caps=["ack"])
        got = [x for x in to.barrier() + to.passed if x["type"] == "MSG"]
        sender = Agent(relay, name="other")
        if not got:
            break
        # Half is acknowledged, the rest must come again.
        half = got[:(len(got) + 1) // 2]
        heard.update(x["content"] for x in half)
        upto = half[-1]["mailbox_seq"]
        to.send("ACK", mailbox_seq=upto)
        to.barrier()
        to.drop()
    account.expect_once(said, heard, "mailbox")
    account.notes.append("%d refused: full" % full)
    Agent.close_all()
    relay.stop()
    return account


def crowd_of(relay, clients):
    """So many sessions, asked for one behind the other without waiting."""
    crowd = [Raw(relay, "127.0.%d.%d" % (1 + n // 250, 1 + n % 250))
             for n in range(clients)]
    for raw in crowd:
        raw.send(raw.request())
    for raw in crowd:
        assert raw.status() == 101
        raw.send(harness.frame('{"type":"IDENTIFY","name":"crowd"}'))
    for raw in crowd:
        assert raw.message()["type"] == "WELCOME"
    return crowd


def reconnects(clients, seed=0):
    """R6: all but two vanish and come again at once; the two talk on."""
    account = Account()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients = min(clients, hard - 500)
    relay = harness.Relay(*harness.FAST, "--max-unidentified", "0")

    def sockets():
        return sum(x.startswith("socket:")
                   for x in harness.open_files(relay.pid))
    a, b = pair(account, relay)
    work(a, b, 0.02)
    before = sockets()
    crowd = []
    for _ in range(3):
        for raw in crowd:
            raw.reset()
        crowd = crowd_of(relay, clients)
    account.notes.append("%d at once, three times" % clients)
    for raw in crowd:
        raw.reset()
    until(lambda: sockets() <= before, "the relay to let them go")
    finish(account, (a, b))
    for p in (a, b):
        if p.proc.err.count('"connected"') != 1:
            account.wrong.append("%s was cut off" % p.name)
        p.proc.stop()
    relay.stop()
    return account
