"""The relay's operator speaks and listens through plain files."""

import os
import pathlib

import harness
from harness import Agent, Relay, history, lines, until


def out(relay, channel, name):
    return os.path.join(relay.spool, channel, "out", name)


def test_a_file_in_out_is_said_by_the_server(started):
    relay = started(Relay(*harness.FAST))
    a = Agent(relay)
    a.join("#general")
    with open(out(relay, "#general", "x"), "w") as f:
        f.write("maintenance at noon \u2028 \"quoted\"\n")
    m = a.expect("MSG")
    assert m["from"] == "@server" and m["to"] == "#general"
    assert m["content"] == 'maintenance at noon \u2028 "quoted"'
    assert m["seq"] == 1
    until(lambda: not os.listdir(os.path.dirname(out(relay, "#general", ""))),
          "the file to be taken")
    assert relay.stop() == 0


def test_what_was_put_down_while_it_was_away_is_said_once(started):
    relay = started(Relay(*harness.FAST))
    relay.kill()
    for n in range(300):
        with open(out(relay, "#agents", "%03d" % n), "w") as f:
            f.write("note %d" % n)
    for _ in range(3):
        relay = started(relay.again())
        relay.kill()
    relay = started(relay.again())
    assert [m["content"] for m in history(relay, "#agents")] == \
        ["note %d" % n for n in range(300)]
    assert relay.stop() == 0


def test_the_ring_of_a_channel_is_its_history(started):
    relay = started(Relay(*harness.FAST))
    a = Agent(relay)
    a.join("#general")
    for n in range(50):
        a.msg("#general", "message %d" % n)
    ring = pathlib.Path(relay.spool) / "#general" / "inbox.jsonl"

    def contents():
        return [m["content"] for m in lines(ring)]
    until(lambda: len(contents()) == 50, "the ring to follow")
    assert contents() == ["message %d" % n for n in range(50)]
    relay.kill()
    relay = started(relay.again())
    a = Agent(relay)
    a.join("#general")
    a.msg("#general", "message 50")
    until(lambda: len(contents()) == 51, "the ring to go on")
    assert contents() == ["message %d" % n for n in range(51)]
    assert relay.stop() == 0


def test_a_file_that_is_not_text_is_not_said(started):
    relay = started(Relay(*harness.FAST))
    a = Agent(relay)
    a.join("#general")
    with open(out(relay, "#general", "a"), "wb") as f:
        f.write(b"\xff\xfe\x00")
    with open(out(relay, "#general", "b"), "w") as f:
        f.write("text")
    assert a.expect("MSG")["content"] == "text"
    assert not [m for m in a.passed if m["type"] == "MSG"]
    assert "not said" in relay.err
    assert relay.stop() == 0
