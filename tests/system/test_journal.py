"""The journal stays in proportion to what is alive in it, and nothing that is
alive goes with an old segment."""

import os

import pytest

import harness
from harness import Agent, Key, Relay, history, until

SEGMENT = 64 << 10
SMALL = harness.FAST + ("--journal-segment", "64k", "--history", "200")


def size(relay):
    d = os.path.join(relay.spool, "journal")
    total = 0
    for f in os.listdir(d):
        try:
            total += os.stat(os.path.join(d, f)).st_size
        except FileNotFoundError:
            pass                # removed just now
    return total


def segments(relay):
    return sorted(os.listdir(os.path.join(relay.spool, "journal")))


@pytest.mark.parametrize("kill", [False, True])
def test_quiet_things_survive_a_flood(started, kill):
    relay = started(Relay(*SMALL))
    owner, reader = Key(), Key()
    a = Agent(relay, "owner", key=owner, caps=["stored"])
    b = Agent(relay, "reader", key=reader, caps=["ack"])
    reader_id = b.id
    b.close()
    a.create("#quiet")
    a.create("#private", invite_only=True)
    a.send("INVITE", channel="#private", agent=reader_id)
    a.expect("MSG", to=reader_id)
    for n in range(30):
        a.msg("#quiet", "quiet %d" % n, id="q%d" % n)
    for n in range(5):
        a.msg(reader_id, "letter %d" % n)
    before = [(m["seq"], m["msg_id"], m["content"])
              for m in history(relay, "#quiet")]
    first = segments(relay)[0]

    a.join("#general")
    flood = Agent(relay, "flood")
    flood.join("#general")
    sent = 0

    def flooded():
        """More traffic until the first segment has been emptied twice over
        and the journal is small again."""
        nonlocal sent
        if sent < 4000:
            flood.send_many({"type": "MSG", "to": "#general",
                             "content": "%d %s" % (sent + n, "x" * 300)}
                            for n in range(200))
            sent += 200
        flood.barrier()
        return (sent >= 4000 and size(relay) < 8 * SEGMENT and
                first not in segments(relay))
    until(flooded, "the old segments to go", timeout=60)

    if kill:
        relay.kill()
    else:
        assert relay.stop() == 0
    relay = started(relay.again())

    after = [(m["seq"], m["msg_id"], m["content"])
             for m in history(relay, "#quiet")]
    assert after == before
    general = history(relay, "#general")
    assert [m["seq"] for m in general] == \
        list(range(sent - 199, sent + 1))

    b = Agent(relay, "reader", key=reader, caps=["ack"])
    letters = [b.expect("MSG")["content"] for _ in range(6)]
    assert letters[1:] == ["letter %d" % n for n in range(5)]
    b.join("#private")

    # A resend is known although its message may have moved or gone.
    a = Agent(relay, "owner", key=owner, caps=["stored"])
    a.join("#quiet", since=30, epoch=a.welcome["epoch"])
    again = a.msg("#quiet", "quiet 7", id="q7")
    assert (again["seq"], again["msg_id"]) == before[7][:2]
    assert a.expect("STORED")["j"] >= again["j"]
    assert len(history(relay, "#quiet")) == 30
    a.msg("#quiet", "new")
    assert history(relay, "#quiet")[-1]["seq"] == 31
    assert relay.stop() == 0


def test_cleaning_twice_changes_nothing(started):
    """What has moved once moves again when its segment is old again."""
    relay = started(Relay(*SMALL))
    a = Agent(relay, "a", key=Key())
    a.create("#quiet")
    for n in range(10):
        a.msg("#quiet", "quiet %d" % n)
    flood = Agent(relay, "flood")
    flood.join("#general")
    gone = set()
    seen = set()

    def enough():
        flood.send_many({"type": "MSG", "to": "#general",
                         "content": "x" * 1000} for _ in range(100))
        flood.barrier()
        now = set(segments(relay))
        gone.update(seen - now)
        seen.update(now)
        return len(gone) >= 6
    until(enough, "six segments to go", timeout=60)
    assert [m["content"] for m in history(relay, "#quiet")] == \
        ["quiet %d" % n for n in range(10)]
    relay.kill()
    relay = started(relay.again())
    assert [m["content"] for m in history(relay, "#quiet")] == \
        ["quiet %d" % n for n in range(10)]
    assert relay.stop() == 0


def test_the_journal_stays_below_its_limit(started):
    limit = 1 << 20
    relay = started(Relay(*harness.FAST, "--max-spool", "1M"))
    key = Key()
    a = Agent(relay, "a", key=key, caps=["ack"])
    reader_id = a.id
    a.create("#quiet")
    a.msg("#quiet", "long ago")
    a.close()
    flood = Agent(relay, "flood")
    flood.join("#general")
    flood.msg(reader_id, "a letter")
    sent, most, refused, seqs = 0, 0, 0, []
    while sent < 20 * limit:
        flood.send_many({"type": "MSG", "to": "#general",
                         "content": "x" * 2000} for _ in range(50))
        for m in flood.barrier():
            if m["type"] == "MSG":
                seqs.append(m["seq"])
                sent += 2000
            else:
                assert m["type"] == "ERROR", m
                refused += 1
        most = max(most, size(relay))
    assert most < limit + (256 << 10), most
    # What was refused has no number: there is no gap.
    assert seqs == list(range(1, len(seqs) + 1))
    for again in range(2):
        b = Agent(relay)
        joined = b.join("#general", since=0, epoch=b.welcome["epoch"])
        got = [b.expect("MSG")]
        while got[-1]["seq"] < joined["seq"]:
            got.append(b.expect("MSG"))
        b.close()
        got = [m["seq"] for m in got]
        assert got == sorted(set(got)) and got[-1] == len(seqs)
        # Copies of older ones may be found again after a crash.
        assert again or got == list(range(got[0], len(seqs) + 1))
        relay.kill()
        relay = started(relay.again())
    a = Agent(relay, "a", key=key, caps=["ack"])
    assert a.expect("MSG")["content"] == "a letter"
    a.join("#quiet")
    assert relay.stop() == 0
