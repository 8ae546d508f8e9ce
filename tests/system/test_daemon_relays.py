"""The daemon at relays that aren't ours, or that are and misbehave."""

import base64
import datetime
import http.server
import ipaddress
import json
import os
import socket
import ssl
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import harness
from fakerelay import NodeRelay, OurRelay, Postman
from harness import Daemon, Proc, directory, lines, until


@pytest.fixture
def relays():
    """relays(r) closes r after the test."""
    opened = []

    def add(r):
        opened.append(r)
        return r
    yield add
    for r in opened:
        r.close()


def start(relay, root, started, *args):
    return started(Daemon(relay.url, *args, root=root))


def contents(daemon, box):
    return [m["content"] for m in daemon.new(box)]


def joined(daemon, *channels):
    for c in channels or ("#general", "#agents"):
        until(lambda: (daemon.box(c) / "agents").exists(), "the roster of " +
              c)


def put(daemon, text, box="#general", name="x"):
    part = daemon.dir / ".part"
    part.write_text(text)
    os.rename(part, daemon.box(box) / "out" / name)


# --------------------------------------------------------- without our extras


def test_a_node_relay_carries_messages_both_ways(relays, root, started):
    relay = relays(NodeRelay())
    d = start(relay, root, started)
    joined(d)
    put(d, "to all\n")
    receipt = d.sent("#general.x")
    assert relay.history["#general"][0]["content"] == "to all"
    assert receipt["ts"] == relay.history["#general"][0]["ts"]
    relay.post("#general", "from one")
    m = d.received("#general", "from one")
    assert m["verified"] is False and "spooled_at" in m
    d.outbox({"to": "@stranger", "content": "psst"})
    d.sent("@stranger.outbox")
    assert contents(d, "#general") == ["from one"]
    own = os.listdir(d.box("#general") / "cur")
    assert len(own) == 1


def test_what_a_node_relay_replays_is_not_doubled(relays, root, started):
    relay = relays(NodeRelay())
    d = start(relay, root, started)
    joined(d)
    for n in range(5):
        relay.post("#general", "m%d" % n)
    d.received("#general", "m4")
    for name in sorted(os.listdir(d.box("#general") / "new"))[:2]:
        os.unlink(d.box("#general") / "new" / name)
    relay.conn(0).close()
    relay.history["#general"].append({
        "type": "MSG", "from": "@stranger", "to": "#general",
        "content": "missed", "ts": 1700000000000})
    relay.conn(1).wait("JOIN", channel="#general")
    d.received("#general", "missed")
    assert sorted(contents(d, "#general")) == ["m2", "m3", "m4", "missed"]
    # And the same after a restart, which has only the files to go by.
    assert d.stop() == 0
    d = started(d.again())
    relay.conn(2).wait("JOIN", channel="#general")
    relay.post("#general", "last")
    d.received("#general", "last")
    assert sorted(contents(d, "#general")) == ["last", "m2", "m3", "m4",
                                               "missed"]


def test_at_a_node_relay_sender_time_and_content_tell_messages_apart(
        relays, root, started):
    relay = relays(NodeRelay())
    d = start(relay, root, started)
    joined(d)
    for ts, sender, text in ((1700000000000, "@stranger", "same"),
                             (1700000000000, "@stranger", "same"),
                             (1700000000001, "@stranger", "same"),
                             (1700000000001, "@anybody0", "same"),
                             (1700000000001, "@anybody0", "other")):
        harness.Background.call(relay.publish({
            "type": "MSG", "from": sender, "to": "#general",
            "content": text, "ts": ts}))
    d.received("#general", "other")
    relay.conn(0).close()
    # Away, it is told of the newest twenty only, as the manual says.
    for n in (*range(29), 28, 29):
        relay.history["#general"].append({
            "type": "MSG", "from": "@stranger", "to": "#general",
            "content": "away %02d" % n, "ts": 1700000000002 + n})
    relay.conn(1).wait("JOIN", channel="#general")
    d.received("#general", "away 29")
    assert sorted(contents(d, "#general")) == sorted(
        ["away %02d" % n for n in range(11, 30)] + ["other"] + ["same"] * 4)


def test_a_rate_limited_message_is_sent_again_in_order(relays, root, started):
    relay = relays(NodeRelay())
    d = start(relay, root, started)
    joined(d)
    relay.refuse = ["RATE_LIMITED", "RATE_LIMITED"]
    d.outbox(*({"to": "#general", "content": "n%d" % n} for n in range(3)))
    until(lambda: len(d.receipts()) == 3, "3 receipts")
    assert [m["content"] for m in relay.history["#general"]] == \
        ["n0", "n1", "n2"]
    assert d.status()["failed"] == 0


def test_a_nameless_error_belongs_to_the_message_on_the_way(relays, root,
                                                            started):
    relay = relays(NodeRelay())
    d = start(relay, root, started)
    joined(d)
    d.outbox({"to": "#general", "content": "good"},
             {"to": "@nobody", "content": "lost"},
             {"to": "#general", "content": "fine"})
    text, reason = d.failed("@nobody.outbox")
    assert json.loads(text)["content"] == "lost"
    assert reason.startswith("AGENT_NOT_FOUND: ")
    until(lambda: len(d.receipts()) == 2, "2 receipts")
    assert len(os.listdir(d.dir / "failed")) == 2


def test_a_channel_that_is_not_there_is_made(relays, root, started):
    relay = relays(NodeRelay())
    d = start(relay, root, started)
    joined(d)
    os.mkdir(d.box("#new"))
    joined(d, "#new")
    assert relay.conn().wait("CREATE_CHANNEL")["channel"] == "#new"
    put(d, "first", "#new")
    d.sent("#new.x")


def test_an_unconfirmed_message_goes_again_to_a_node_relay(relays, root,
                                                           started):
    relay = relays(NodeRelay())
    d = start(relay, root, started)
    joined(d)
    relay.deaf = True
    put(d, "again")
    first = relay.conn(0).wait("MSG")
    relay.conn(0).abort()
    relay.deaf = False
    assert relay.conn(1).wait("MSG") == first
    d.sent("#general.x")


# ------------------------------------------------------------ who we are


def test_the_proof_of_the_key_is_bound_to_the_relay(relays, root, started):
    for first in (False, True):
        relay = relays(OurRelay())

        async def on_identify(c, o, relay=relay, first=first):
            c.name, c.pubkey, c.id = o["name"], o["pubkey"], "@0000feed"
            if not first:
                await c.say_({"type": "WELCOME", "agent_id": c.id,
                              "verified": False, "epoch": "e1"})
            await c.say_({"type": "CHALLENGE", "challenge_id": "c1",
                          "nonce": "n0nce", "expires_at": 2 ** 50})

        async def on_verify(c, o, relay=relay, first=first):
            if first:
                await relay.welcome(c)
            await c.say_({"type": "VERIFIED", "agent_id": c.id})
        relay.on_IDENTIFY = on_identify
        relay.on_VERIFY_IDENTITY = on_verify
        d = start(relay, harness.directory("root"), started)
        c = relay.conn()
        o = c.wait("VERIFY_IDENTITY")
        key = serialization.load_pem_public_key(c.pubkey.encode())
        end = "n0nce|c1|%d" % o["timestamp"]
        key.verify(base64.b64decode(o["signature"]),
                   ("AGENTCHAT_AUTH|" + end).encode())
        key.verify(base64.b64decode(o["bound_sig"]),
                   ("AGENTCHAT_AUTH2|127.0.0.1:%d|%s" %
                    (relay.port, end)).encode())
        joined(d)


def test_a_challenge_that_hides_another_text_is_not_signed(relays, root,
                                                           started):
    relay = relays(OurRelay())

    async def on_identify(c, o):
        c.name = o["name"]
        await c.say_({"type": "CHALLENGE", "challenge_id": "c1",
                      "nonce": "n|victim:6667|real", "expires_at": 2 ** 50})
    relay.on_IDENTIFY = on_identify
    d = started(Daemon(relay.url, root=root, wait=False))
    relay.conn(1)
    assert not relay.conns[0].of("VERIFY_IDENTITY")
    assert d.alive()


def test_a_ban_is_final_and_being_displaced_is_not(relays, root, started):
    relay = relays(OurRelay())
    d = start(relay, root, started)
    relay.conn().say({"type": "ERROR", "code": "INVALID_MSG",
                      "message": "Disconnected: somebody else is you."})
    relay.conn().close()
    st = d.state("waiting")
    assert "place" in st["error"]
    assert d.stop() == 0

    async def on_identify(c, o):
        c.name = o["name"]
        await c.say_({"type": "ERROR", "code": "BANNED",
                      "message": "You are banned: ask the operator."})
    relay.on_IDENTIFY = on_identify
    p = Proc("daemon", relay.url, "--dir", root)
    assert p.wait() != 0
    assert "banned" in p.err


# --------------------------------------------------------------- confirmation


def test_a_receipt_waits_for_stored(relays, root, started):
    relay = relays(OurRelay())
    relay.stored = False
    d = start(relay, root, started)
    joined(d)
    d.outbox(*({"to": "#general", "content": "n%d" % n} for n in range(100)))
    # 64 on the way, none confirmed, and no more until they are.
    until(lambda: relay.j == 64, "64 messages")
    relay.conn().say({"type": "PING"})
    assert d.receipts() == []
    relay.conn().say({"type": "STORED", "j": 10})
    until(lambda: len(d.receipts()) == 10, "10 receipts")
    until(lambda: relay.j == 74, "10 more messages")
    relay.stored = True
    relay.conn().say({"type": "STORED", "j": 74})
    until(lambda: len(d.receipts()) == 100, "100 receipts")
    assert [m["content"] for m in relay.channels["#general"]] == \
        ["n%d" % n for n in range(100)]
    assert sorted(r["seq"] for r in d.receipts()) == list(range(1, 101))


def test_what_was_not_stored_is_sent_again_with_its_id(relays, root, started):
    relay = relays(OurRelay())
    relay.stored = False
    d = start(relay, root, started)
    joined(d)
    d.outbox(*({"to": "#general", "content": "n%d" % n} for n in range(5)))
    until(lambda: relay.j == 5, "5 messages")
    before = relay.conn(0).of("MSG")
    relay.conn(0).abort()
    relay.stored = True
    c = relay.conn(1)
    until(lambda: len(c.of("MSG")) == 5, "them again")
    assert c.of("MSG") == before
    until(lambda: len(d.receipts()) == 5, "5 receipts")
    assert len(relay.channels["#general"]) == 5
    assert contents(d, "#general") == []


def test_channels_are_made_as_the_rate_allows(relays, root, started):
    relay = relays(OurRelay())
    relay.rate, relay.burst = 50, 5
    bucket = {"tokens": 5.0, "at": time.monotonic(), "refused": 0}

    async def on_create(c, o):
        now = time.monotonic()
        bucket["tokens"] = min(5, bucket["tokens"] +
                               (now - bucket["at"]) * 50)
        bucket["at"] = now
        if bucket["tokens"] < 1:
            bucket["refused"] += 1
            return await c.say_({"type": "ERROR", "code": "RATE_LIMITED",
                                 "message": "Slower.", "re": o["id"]})
        bucket["tokens"] -= 1
        relay.channels[o["channel"]] = []
        await c.say_({"type": "JOINED", "channel": o["channel"],
                      "agents": [c.id], "seq": 0})
    relay.on_CREATE_CHANNEL = on_create
    d = start(relay, root, started)
    names = ["#c%d" % n for n in range(30)]
    for name in names:
        os.mkdir(d.box(name))
    joined(d, *names)
    assert bucket["refused"] <= 5
    # Nothing was asked for twice.
    assert len(relay.conn().of("JOIN")) == 32


# ------------------------------------------------------------------ receiving


def test_a_gap_is_asked_for_again(relays, root, started):
    relay = relays(OurRelay())
    relay.add("#general", "m1")
    d = start(relay, root, started)
    d.received("#general", "m1")
    relay.add("#general", "m2", "m3", "m4")
    relay.conn().say(relay.channels["#general"][-1])    # 4 before 2 and 3
    d.received("#general", "m4")
    assert contents(d, "#general") == ["m1", "m2", "m3", "m4"]
    assert relay.conn().wait("JOIN", since=1)["epoch"] == "e1"


def test_what_is_lost_is_marked(relays, root, started):
    relay = relays(OurRelay())
    relay.add("#general", "m1")
    d = start(relay, root, started)
    d.received("#general", "m1")
    relay.channels["#general"].append(relay.message("#general", 5, "m5"))
    relay.conn().say(relay.channels["#general"][-1])
    d.received("#general", "m5")
    marks = until(lambda: [m for m in lines(d.box("#general") /
                                            "inbox.jsonl")
                           if m["type"] == "GAP"], "a mark")
    assert (marks[0]["from"], marks[0]["to"]) == (2, 4)


def test_a_number_that_goes_back_ends_the_session(relays, root, started):
    relay = relays(OurRelay())
    relay.add("#general", "m1", "m2", "m3")
    d = start(relay, root, started)
    d.received("#general", "m3")
    relay.conn(0).say(relay.message("#general", 2, "again?"))
    assert relay.conn(1).wait("JOIN", channel="#general")["since"] == 3
    relay.conn(1).say(relay.message("#general", 2 ** 63, "absurd"))
    relay.conn(2).wait("JOIN", channel="#general", since=3)
    relay.add("#general", "m4")
    relay.conn(2).say(relay.channels["#general"][-1])
    d.received("#general", "m4")
    assert contents(d, "#general") == ["m1", "m2", "m3", "m4"]


def test_a_new_numbering_doubles_and_loses_nothing(relays, root, started):
    relay = relays(OurRelay())
    relay.add("#general", *("m%d" % n for n in range(1, 31)))
    d = start(relay, root, started)
    d.received("#general", "m30")
    seen = contents(d, "#general")      # the newest 20 of a fresh JOIN
    assert seen == ["m%d" % n for n in range(11, 31)]
    # The agent has deleted one; it must not come back.
    os.unlink(d.box("#general") / "new" /
              sorted(os.listdir(d.box("#general") / "new"))[5])
    # The power failed: the last two are lost, two others came.
    h = relay.channels["#general"]
    del h[28:]
    relay.epoch = "e2"
    for n in (29, 30):
        h.append(dict(relay.message("#general", n, "new%d" % n),
                      ts=1700000001000 + n))
    relay.conn(0).abort()
    o = relay.conn(1).wait("JOIN", channel="#general")
    assert (o["since"], o["epoch"]) == (30, "e1")
    d.received("#general", "new30")
    got = contents(d, "#general")
    seen.remove("m16")
    # Nor does what was said before we came.
    assert got == seen + ["new29", "new30"]
    # From here on it is the new one that counts.
    relay.conn(1).abort()
    o = relay.conn(2).wait("JOIN", channel="#general")
    assert (o["since"], o["epoch"]) == (30, "e2")


def test_what_the_relay_has_lost_and_hears_again_comes_once(relays, root,
                                                            started):
    relay = relays(Postman())
    d = start(relay, root, started)
    c = relay.conn(0)
    c.wait("JOIN", channel="#general")

    def ts(seq):
        return 1700000000000 + seq + 1000 * int(relay.epoch[1:])

    def say(seq, content, name):
        return relay.message("#general", seq, content, id=name, ts=ts(seq))

    def mail(seq, content, name):
        return relay.mail(d.id, seq, content, id=name, ts=ts(seq))

    relay.channels["#general"].append(say(1, "kept", "s-1"))
    c.say(say(1, "kept", "s-1"), say(2, "lost", "s-2"),
          mail(1, "lost too", "d-1"))
    d.received("#general", "lost")
    c.wait("ACK", mailbox_seq=1)
    # The agent has done with it.
    new = d.box("#general") / "new"
    os.unlink(new / max(os.listdir(new)))
    # The power failed before anything but the first was stored.
    relay.epoch = "e2"
    c.abort()
    c = relay.conn(1)
    c.wait("JOIN", channel="#general")
    c.say(say(2, "lost", "s-2"), mail(1, "lost too", "d-1"),
          mail(2, "lost too", "d-2"), say(3, "lost", "s-3"),
          say(4, "other", "s-2"))
    c.wait("ACK", mailbox_seq=2)
    d.received("#general", "other")
    assert contents(d, "#general") == ["kept", "lost", "other"]
    assert contents(d, "@1f3a9c02") == ["lost too", "lost too"]
    # That it was had counts as had, also after a restart.
    c.say(say(5, "kept", "s-1"))
    until(lambda: "channel #general 5 e2" in
          (d.dir / "cursor").read_text(), "the position")
    assert contents(d, "#general") == ["kept", "lost", "other"]
    # And what is said once more after that is new.
    c.say(say(6, "kept", "s-1"))
    until(lambda: contents(d, "#general")[-1] == "kept", "the other one")


def test_mail_is_acknowledged_when_it_is_in_new(relays, root, started):
    relay = relays(OurRelay())
    d = start(relay, root, started)

    def mail(n):
        return relay.mail("@0000feed", n, "d%d" % n, sender="@stranger")
    relay.conn(0).say(mail(1), mail(2))
    relay.conn(0).wait("ACK", mailbox_seq=2)
    assert contents(d, "@stranger") == ["d1", "d2"]
    os.unlink(d.box("@stranger") / "new" /
              sorted(os.listdir(d.box("@stranger") / "new"))[0])
    # Our ACK was lost: they come again, and are acknowledged again.
    relay.conn(0).abort()
    relay.conn(1).say(mail(1), mail(2), mail(3))
    relay.conn(1).wait("ACK", mailbox_seq=3)
    assert contents(d, "@stranger") == ["d2", "d3"]


def test_frames_come_in_any_pieces(relays, root, started):
    relay = relays(OurRelay())
    d = start(relay, root, started)
    joined(d)
    text = json.dumps(relay.message("#general", 1, "in pieces"))
    relay.conn().say([c for c in text])
    d.received("#general", "in pieces")
    several = "\n".join(json.dumps(relay.message("#general", n, "m%d" % n))
                        for n in range(2, 500))
    relay.conn().say(several, [several[:0] or "\n", json.dumps(
        relay.message("#general", 500, "m500"), indent=1).replace("\n", " ")])
    d.received("#general", "m500")
    assert len(d.new("#general")) == 500


# ----------------------------------------------------------------- hostility


def tree(path):
    return {str(p.relative_to(path)) for p in path.rglob("*")}


def test_hostile_names_make_no_paths(relays, root, started):
    relay = relays(OurRelay())
    d = start(relay, root, started)
    joined(d)
    outside = tree(root.parent) - {x for x in tree(root.parent)
                                   if x.startswith(root.name)}
    bad = ["", "@", "@../../x", "@..", "../x", "/etc/x", "@a/b", "@a\nb",
           "@" + "a" * 300, "@\u202e", "#no", "@a b", "@.", "@%2e%2e"]
    c = relay.conn()
    n = 0
    for name in bad:
        for o in ({"from": name, "to": "#general", "seq": n + 1},
                  {"from": name, "to": c.id},
                  {"from": "@stranger", "to": name},
                  {"from": "@stranger", "to": "#" + name[1:]}):
            c.say(dict({"type": "MSG", "content": "x", "ts": 1}, **o))
        c.say({"type": "JOINED", "channel": name, "agents": [name]},
              {"type": "AGENT_JOINED", "channel": "#general", "agent": name,
               "name": name},
              {"type": "GAP", "channel": name, "from": 1, "to": 2})
    for n in range(1000):
        c.say(json.dumps({"type": "MSG", "from": "@s", "to": "#c%d" % n,
                          "content": "x", "seq": 1, "ts": 1}))
    relay.add("#general", "still here")
    c.say(relay.channels["#general"][-1])
    d.received("#general", "still here")
    boxes = {x for x in os.listdir(d.dir) if x[0] in "#@"}
    assert boxes == {"#general", "#agents"}
    now = tree(root.parent) - {x for x in tree(root.parent)
                               if x.startswith(root.name)}
    # Only logs and what other tests have may have come.
    assert not {x for x in now - outside if not x.startswith("log")}
    assert (d.box("#general") / "agents").read_text().split() == \
        ["@0000feed", d.status()["name"]]


def test_strangers_fill_no_more_than_256_directories(relays, root, started):
    relay = relays(OurRelay())
    d = start(relay, root, started)
    c = relay.conn()
    for n in range(1, 301):
        c.say(json.dumps({"type": "MSG", "from": "@s%07d" % n, "to": c.id,
                          "content": "m%d" % n, "ts": n, "mailbox_seq": n}))
    c.wait("ACK", mailbox_seq=300)
    boxes = [x for x in os.listdir(d.dir) if x[0] == "@"]
    assert len(boxes) <= 257 and "@other" in boxes
    assert sum(len(d.new(b)) for b in boxes) == 300


def test_nonsense_is_let_pass_and_too_much_ends_the_session(relays, root,
                                                             started):
    relay = relays(OurRelay())
    d = start(relay, root, started)
    joined(d)
    c = relay.conn(0)
    c.say("null", "[]", "5", '"x"', "{", "{}", "", "\n\n", '{"type":5}',
          '{"type":"MSG"}', '{"type":"WELCOME","agent_id":"@x"}',
          '{"type":"MSG","from":"@a","to":"#general","content":5}',
          '{"type":"MSG","from":"@a","from":"@b","to":"#general",'
          '"content":"x","seq":1}', "[" * 20000, "\x00\x1b[2J",
          '{"type":"NEWER","x":{}}', '{"type":"ERROR","code":"X"}',
          '{"type":"STORED","j":99999999999999999999}',
          '{"type":"JOINED","channel":"#general","agents":{}}', b"\xff\xfe")
    relay.add("#general", "after all that")
    c.say(relay.channels["#general"][-1])
    d.received("#general", "after all that")
    relay.add("#general", "and after that")
    c.say(["x" * (1 << 20)] * 17)
    d.received("#general", "and after that")


def test_a_terminal_is_not_driven_by_what_others_write(relays, root, started):
    relay = relays(OurRelay())
    d = start(relay, root, started)
    joined(d)
    text = "\x1b]0;x\x07\n# Heading\n\u202e\u200b`rm -rf`"
    relay.conn().say(relay.message("#general", 1, text, from_name="e\x1b[1m"))
    d.received("#general", text)
    file = next((d.box("#general") / "new").iterdir()).read_bytes()
    assert file.count(b"\n") == 1 and b"\x1b" not in file
    digest = until(lambda: (d.dir / "unread.md").read_text()
                   if "#general @" in (d.dir / "unread.md").read_text()
                   else None, "the digest")
    assert "\x1b" not in digest and "\u202e" not in digest
    assert "\n# Heading" not in digest and "`" not in digest


# ------------------------------------------------------------- no connection


def test_who_is_no_relay_is_told_apart(root, started, relays):
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302 if self.path == "/away" else 200)
            self.send_header("Location", "ws://127.0.0.1:1/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = "ws://127.0.0.1:%d" % server.server_address[1]
    try:
        for path, words in (("/", "no relay"), ("/away", "redirect")):
            p = harness.run("send", url + path, "#general", "x")
            assert p.code == 75 and words in p.err, p.err
    finally:
        server.shutdown()
        server.server_close()
    p = harness.run("send", "ws://name.invalid", "#general", "x")
    assert p.code == 75 and "not found" in p.err, p.err
    p = harness.run("send", "ws://127.0.0.1:1", "#general", "x")
    assert p.code == 75 and "refused" in p.err, p.err


def test_a_relay_that_takes_calls_and_says_nothing_is_called_again(
        root, started):
    silent = socket.create_server(("127.0.0.1", 0))
    silent.settimeout(harness.DEADLINE)
    url = "ws://127.0.0.1:%d" % silent.getsockname()[1]
    d = started(Daemon(url, root=root, wait=False))
    held = [silent.accept()]
    # A command gives up by itself, before the handshake's limit or after it.
    for timeout, words in (("1s", "in time"), ("50s", "does not answer")):
        p = harness.run("channels", "-t", timeout, url)
        assert p.code == 75 and words in p.err, (p.code, p.err)
        held.append(silent.accept())
    held.append(silent.accept())
    assert "does not answer" in d.state("waiting")["error"]
    for s, _ in held:
        s.close()
    silent.close()


def certificate(name, days=(-1, 1)):
    """A context for a server, and its certificate: for a host name, and valid
    between these days from today."""
    d = directory("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    kind, value = name.split(":")
    san = x509.DNSName(value) if kind == "DNS" else \
        x509.IPAddress(ipaddress.ip_address(value))
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.utcnow()
    made = x509.CertificateBuilder(
        who, who, key.public_key(), x509.random_serial_number(),
        now + datetime.timedelta(days=days[0]),
        now + datetime.timedelta(days=days[1])).add_extension(
            x509.SubjectAlternativeName([san]), False).add_extension(
            x509.BasicConstraints(True, None), True).sign(
                key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (d / "cert.pem").write_bytes(made.public_bytes(pem))
    (d / "key.pem").write_bytes(key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(d / "cert.pem", d / "key.pem")
    return context, d / "cert.pem"


def test_only_a_certificate_that_holds_is_taken(relays, root, started):
    good, good_pem = certificate("IP:127.0.0.1")
    wrong, wrong_pem = certificate("DNS:elsewhere.example")
    old, old_pem = certificate("IP:127.0.0.1", (-3, -1))
    early, early_pem = certificate("IP:127.0.0.1", (1, 3))
    for context, store, words in (
            (good, None, "self"), (good, wrong_pem, "self"),
            (wrong, wrong_pem, "mismatch"), (old, old_pem, "expired"),
            (early, early_pem, "not yet valid")):
        relay = relays(NodeRelay(ssl=context))
        env = {"SSL_CERT_FILE": str(store)} if store else {}
        p = harness.run("send", relay.url, "#general", "x", env=env)
        assert p.code == 75, (p.out, p.err)
        assert "certificate" in p.err and words in p.err, p.err
        p = harness.run("send", relay.url, "#general", "x",
                        *(("--ca", store) if store else ()))
        assert p.code == 75 and words in p.err, (p.out, p.err)
        d = started(Daemon(relay.url, *(("--ca", store) if store else ()),
                           root=directory("root"), wait=False))
        assert words in d.state("waiting")["error"]
        assert relay.conns == []
    relay = relays(NodeRelay(ssl=good))
    p = harness.run("send", relay.url, "#general", "x", "--ca", good_pem)
    assert p.code == 0, p.err
    d = started(Daemon(relay.url, "--ca", good_pem, root=directory("root")))
    relay = relays(NodeRelay(ssl=good))
    p = harness.run("send", relay.url, "#general", "x",
                    env={"SSL_CERT_FILE": str(good_pem)})
    assert p.code == 0, p.err
    assert relay.history["#general"][0]["content"] == "x"
    # It is the name that counts, not the address behind it.
    named, named_pem = certificate("DNS:localhost")
    relay = relays(NodeRelay(ssl=named))
    env = {"SSL_CERT_FILE": str(named_pem)}
    p = harness.run("send", relay.url, "#general", "x", env=env)
    assert p.code == 75 and "mismatch" in p.err, p.err
    p = harness.run("send", relay.url.replace("127.0.0.1", "localhost"),
                    "#general", "x", env=env)
    assert p.code == 0, p.err
