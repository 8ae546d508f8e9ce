"""The relay is killed and comes back on the same spool: what was confirmed is
there, and nobody has to do anything about it."""

import pytest

import harness
from harness import Agent, Closed, Daemon, Key, Relay, directory, history

LOAD = harness.FAST + ("--history", "100000")


@pytest.fixture
def hub(started):
    """A relay that tests kill and start again: hub.restart()."""
    class Hub:
        def __init__(self):
            self.relay = started(Relay(*LOAD))

        def restart(self, clean=False):
            if clean:
                assert self.relay.stop() == 0
            else:
                self.relay.kill()
            self.relay = started(self.relay.again())
            return self.relay
    return Hub()


def talk_until_killed(relay, kill_after, senders=3):
    """Senders pour messages into #general; SIGKILL once so many are STORED.

    Returns (every echo seen, echoes confirmed by STORED, the epoch)."""
    agents = [Agent(relay, "s%d" % n, key=Key(), caps=["stored"])
              for n in range(senders)]
    for a in agents:
        a.join("#general")
    epoch = agents[0].welcome["epoch"]
    sent = 0
    heard = []
    while sent < kill_after:
        for a in agents:
            a.send_many({"type": "MSG", "to": "#general", "id":
                         "%s-%d" % (a.name, n), "content": "%s says %d" %
                         (a.name, n)} for n in range(sent, sent + 20))
        sent += 20
        # All of this round by the first of them is confirmed.
        heard.append(agents[0].expect("MSG", id="s0-%d" % (sent - 1)))
        last = heard[-1]["j"]
        while heard[-1].get("type") != "STORED" or heard[-1]["j"] < last:
            heard.append(agents[0].expect("STORED"))
    # More is on its way when it dies.
    for a in agents:
        a.send_many({"type": "MSG", "to": "#general", "id": "%s-%d" %
                     (a.name, n), "content": "%s says %d" % (a.name, n)}
                    for n in range(sent, sent + 50))
    relay.kill()
    echoes, stored = {}, {}
    for a in agents:
        seen = a.passed + (heard if a is agents[0] else [])
        while True:
            m = a.next()
            if isinstance(m, Closed):
                break
            seen.append(m)
        top = max((m["j"] for m in seen if m["type"] == "STORED"), default=0)
        for m in seen:
            if m["type"] == "MSG":
                echoes[m["msg_id"]] = m
                if m["from"] == a.id and m["j"] <= top:
                    stored[m["msg_id"]] = m
    return echoes, stored, epoch


@pytest.mark.parametrize("kill_after", [20, 200])
def test_what_was_stored_is_there_after_kill(hub, kill_after):
    echoes, stored, epoch = talk_until_killed(hub.relay, kill_after)
    assert len(stored) >= 20
    hub.restart()
    kept = history(hub.relay, "#general")
    by_id = {m["msg_id"]: m for m in kept}
    assert not [m for m in stored.values() if m["msg_id"] not in by_id]
    for id, m in echoes.items():
        # The machine did not die: what anybody has seen is there as well.
        assert id in by_id, m
        for field in ("seq", "ts", "from", "content", "id"):
            assert by_id[id][field] == m[field]
    assert [m["seq"] for m in kept] == list(range(1, len(kept) + 1))
    assert len({(m["from"], m["id"]) for m in kept}) == len(kept)
    a = Agent(hub.relay)
    assert a.welcome["epoch"] == epoch
    a.join("#general")
    m = a.msg("#general", "and on")
    assert m["seq"] == len(kept) + 1 and m["ts"] >= kept[-1]["ts"]


def test_three_kills_in_a_row_lose_and_reuse_nothing(hub):
    seen = {}
    for round in range(3):
        echoes, stored, epoch = talk_until_killed(hub.relay, 40)
        for m in echoes.values():
            assert seen.setdefault(m["seq"], m["msg_id"]) == m["msg_id"]
        hub.restart()
    kept = {m["seq"]: m["msg_id"] for m in history(hub.relay, "#general")}
    assert sorted(kept) == list(range(1, len(kept) + 1))
    assert all(kept[seq] == id for seq, id in seen.items())


@pytest.mark.parametrize("clean", [False, True])
def test_channels_and_privacy_survive(hub, clean):
    owner_key, guest_key = Key(), Key()
    owner = Agent(hub.relay, key=owner_key)
    owner.create("#dev")
    owner.msg("#dev", "public")
    owner.create("#club", invite_only=True)
    owner.msg("#club", "private")
    guest = Agent(hub.relay, key=guest_key)
    owner.send("INVITE", channel="#club", agent=guest.id)
    guest.expect("MSG", **{"from": owner.id})
    hub.restart(clean)
    x = Agent(hub.relay)
    x.send("LIST_CHANNELS")
    names = [c["name"] for c in x.expect("CHANNELS")["list"]]
    assert "#dev" in names and "#club" not in names
    x.send("JOIN", channel="#club")
    x.refused("NOT_INVITED")
    x.join("#dev")
    assert x.expect("MSG")["content"] == "public"
    guest = Agent(hub.relay, key=guest_key)
    guest.join("#club")
    assert guest.expect("MSG", to="#club")["content"] == "private"


@pytest.mark.parametrize("clean", [False, True])
def test_mailboxes_survive(hub, clean):
    key = Key()
    b = Agent(hub.relay, key=key, caps=["ack"])
    a = Agent(hub.relay, caps=["stored"])
    first = a.msg(key.id, "read before")
    m = b.expect("MSG")
    b.send("ACK", mailbox_seq=m["mailbox_seq"])
    b.barrier()
    echo = a.msg(key.id, "not read before")
    while a.expect("STORED")["j"] < echo["j"]:
        pass
    assert first["j"] < echo["j"]
    hub.restart(clean)
    b = Agent(hub.relay, key=key, caps=["ack"])
    got = [x for x in b.barrier() if x["type"] == "MSG"]
    assert [x["content"] for x in got] == ["not read before"]
    assert got[0]["mailbox_seq"] == m["mailbox_seq"] + 1
    b.send("ACK", mailbox_seq=got[0]["mailbox_seq"])
    b.barrier()
    hub.restart(clean)
    # A key that was seen once is known: it has a mailbox though it is away.
    a = Agent(hub.relay)
    assert a.msg(key.id, "third")["queued"] is True
    b = Agent(hub.relay, key=key, caps=["ack"])
    got = [x for x in b.barrier() if x["type"] == "MSG"]
    assert [x["content"] for x in got] == ["third"]
    assert got[0]["mailbox_seq"] > m["mailbox_seq"] + 1


@pytest.mark.parametrize("clean", [False, True])
def test_ids_are_remembered(hub, clean):
    key = Key()
    a = Agent(hub.relay, key=key, caps=["stored"])
    a.join("#general")
    first = a.msg("#general", "once", id="n1")
    while a.expect("STORED")["j"] < first["j"]:
        pass
    hub.restart(clean)
    watch = Agent(hub.relay)
    watch.join("#general", since=first["seq"],
               epoch=watch.welcome["epoch"])
    a = Agent(hub.relay, key=key, caps=["stored"])
    assert a.id == key.id
    a.join("#general", since=first["seq"], epoch=a.welcome["epoch"])
    again = a.msg("#general", "once", id="n1")
    assert (again["seq"], again["msg_id"]) == \
        (first["seq"], first["msg_id"])
    a.send("MSG", to="#general", content="other", id="n1")
    assert a.refused("INVALID_MSG")["re"] == "n1"
    watch.nothing("MSG")


def test_a_resent_id_is_stored_again_for_the_asker(hub):
    """A resend after a crash is confirmed durably, or a daemon would wait."""
    key = Key()
    a = Agent(hub.relay, key=key, caps=["stored"])
    a.join("#general")
    a.msg("#general", "once", id="n1")
    hub.restart()
    a = Agent(hub.relay, key=key, caps=["stored"])
    a.join("#general")
    a.send("MSG", to="#general", content="once", id="n1")
    echo = a.expect("MSG", id="n1", content="once")
    if echo.get("replay"):
        echo = a.expect("MSG", id="n1", content="once")
    # Durable since before: j is at or below what any STORED says. One that
    # says so must come, by itself or with the next message.
    a.msg("#general", "next")
    while a.expect("STORED")["j"] < echo["j"]:
        pass


def test_a_clean_stop_keeps_the_epoch(hub):
    a = Agent(hub.relay)
    epoch = a.welcome["epoch"]
    hub.restart(clean=True)
    assert Agent(hub.relay).welcome["epoch"] == epoch


def test_another_spool_has_another_epoch(hub, started):
    other = started(Relay(*LOAD))
    assert Agent(hub.relay).welcome["epoch"] != \
        Agent(other).welcome["epoch"]


def test_a_second_relay_on_one_spool_is_refused(hub):
    p = harness.run("serve", "--port", "0", "--host", "127.0.0.1",
                    "--spool", hub.relay.spool)
    assert p.code != 0 and p.err.strip() and not p.out
    Agent(hub.relay).join("#general")


def test_a_taken_port_is_refused(hub):
    p = harness.run("serve", "--port", hub.relay.port, "--host",
                    "127.0.0.1", "--spool", directory("relay"))
    assert p.code != 0 and p.err.strip() and not p.out


def test_daemons_come_back_by_themselves_and_nothing_is_lost(hub, started,
                                                            root):
    a = started(Daemon(hub.relay.url, root=root, name="a"))
    b = started(Daemon(hub.relay.url, root=root, name="b"))
    total = 0
    for round in range(3):
        text = ["%d-%d" % (round, n) for n in range(200)]
        a.outbox(*({"to": "#general", "content": "a " + t} for t in text))
        b.outbox(*({"to": "#general", "content": "b " + t} for t in text))
        total += 200
        if round < 2:
            harness.until(lambda: len(a.new("#general")) > total - 190,
                          "messages under way", every=0.02)
            hub.restart(clean=round == 1)
    for x, other in ((a, "b "), (b, "a ")):
        def complete():
            return len(x.new("#general")) >= total
        harness.until(complete, lambda: "%d messages at %s, has %d: %s" % (
            total, x.instance, len(x.new("#general")), x.status()),
            timeout=60, every=0.05)
        x.connected()
        got = [m["content"] for m in x.new("#general")]
        assert got == [other + "%d-%d" % (r, n) for r in range(3)
                       for n in range(200)]
    kept = history(hub.relay, "#general")
    assert [m["seq"] for m in kept] == list(range(1, 2 * total + 1))
    # Every message that the agents put down has its receipt.
    for x in (a, b):
        harness.until(lambda: x.status()["queued"] == 0, "an empty queue")
        assert x.status()["sent"] == total and x.status()["failed"] == 0
        seqs = {m["seq"] for m in kept if m["from"] == x.id}
        assert {r["seq"] for r in x.receipts()} == seqs


def test_a_daemon_started_before_its_relay_waits_for_it(started, root):
    r = Relay(*LOAD)
    assert r.stop() == 0
    d = started(Daemon(r.url, root=root, name="early", wait=False))
    d.state("waiting", "connecting")
    d.outbox({"to": "#general", "content": "written while alone"})
    r = started(r.again())
    d.connected()
    d.sent("outbox")
    assert [m["content"] for m in history(r, "#general")] == \
        ["written while alone"]
