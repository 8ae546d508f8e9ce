"""Whoever speaks is who they say: signatures, known keys, proofs between
agents, and messages that only two can read. The other side is
python3-cryptography, over the texts that agentchat-protocol(7) documents."""

import base64
import glob
import hashlib
import json
import os
import time

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from fakerelay import OurRelay, Postman
from harness import Agent, Daemon, FAST, Key, Relay, directory, run, until
from work import Worker, digest, proposal_of
from work import signed as work_signed

TRICKY = ['quotes "and" \\backslashes\\ \\" \\\\', "tab\tnewline\nreturn\r",
          "controls \x01\x08\x0c\x1f\x7f", "emoji 🦊👩‍💻",
          "separators \u2028\u2029 and \ufeff", "</script> & ' é ü 漢字",
          "\ud7ff\ue000\uffff\U00010000\U0010ffff"]


def seeded(n):
    """A key that is always the same."""
    key = Key()
    key.__dict__.clear()
    key.private = ed25519.Ed25519PrivateKey.from_private_bytes(
        hashlib.sha256(b"agentchat %d" % n).digest())
    raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    public = key.private.public_key().public_bytes(*raw)
    der = bytes.fromhex("302a300506032b6570032100") + public
    key.base64 = base64.b64encode(public).decode()
    key.pem = ("-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n" %
               base64.b64encode(der).decode())
    digest = hashlib.sha256(key.pem.encode()).hexdigest()
    key.id, key.long_id = "@" + digest[:8], "@" + digest[:16]
    return key


# Found by trying 124113: two keys whose ids are the same in 8 digits.
TWINS = 62567, 124113


def signed_text(to, content, ts):
    """As JSON.stringify prints it."""
    return json.dumps({"to": to, "content": content, "ts": ts},
                      ensure_ascii=False, separators=(",", ":"))


def holds(pubkey, sig, text):
    key = ed25519.Ed25519PublicKey.from_public_bytes(
        base64.b64decode(pubkey, validate=True))
    try:
        key.verify(base64.b64decode(sig, validate=True), text.encode())
        return True
    except InvalidSignature:
        return False


def signed(key, to, content, ts=None):
    ts = ts or int(time.time() * 1000)
    return {"to": to, "content": content, "ts": ts,
            "sig": key.sign(signed_text(to, content, ts))}


@pytest.fixture
def relays():
    opened = []

    def add(r):
        opened.append(r)
        return r
    yield add
    for r in opened:
        r.close()


@pytest.fixture
def pair(relay, started, root):
    return (started(Daemon(relay.url, root=root, name="anna")),
            started(Daemon(relay.url, root=root, name="bert")))


def text_of(daemon, name):
    try:
        return (daemon.dir / name).read_text()
    except FileNotFoundError:
        return ""


def known(daemon):
    """known_agents as {id: [key, name, time]}."""
    text = text_of(daemon, "known_agents")
    return {line.split()[0]: line.split()[1:] for line in text.splitlines()}


def line(daemon, content, to, **more):
    daemon.outbox(dict({"to": to, "content": content}, **more))


# -------------------------------------------------------------- signatures


def test_what_a_daemon_signs_others_can_check(relay, pair):
    anna = pair[0]
    eve = Agent(relay, "eve")
    eve.join("#general")
    for content in TRICKY:
        line(anna, content, "#general")
    for content in TRICKY:
        m = eve.expect("MSG", content=content)
        text = signed_text("#general", content, m["sent_ts"])
        assert holds(m["pubkey"], m["sig"], text), content
        assert not holds(m["pubkey"], m["sig"], text.replace("#", "@"))


def test_what_others_sign_a_daemon_checks(relay, pair):
    anna, key = pair[0], Key()
    eve = Agent(relay, "eve", key=key)
    eve.join("#general")
    for n, content in enumerate(TRICKY):
        eve.send("MSG", id="t%d" % n, **signed(key, "#general", content))
        assert anna.received("#general", content.rstrip("\n"))["verified"]


def test_a_spoiled_signature_is_not_verified(relay, pair):
    anna, key, other = pair[0], Key(), Key()
    eve = Agent(relay, "eve", key=key)
    eve.join("#general")
    good = signed(key, "#general", "good")
    raw = bytearray(base64.b64decode(good["sig"]))
    raw[5] ^= 4
    spoiled = {
        "other text": dict(good, content="other text"),
        "a time": dict(good, content="a time", ts=good["ts"] + 1),
        "for another": dict(signed(key, "#agents", "for another"),
                            to="#general"),
        "another key": signed(other, "#general", "another key"),
        "a bit": dict(good, content="a bit",
                      sig=base64.b64encode(bytes(raw)).decode()),
        "no base64": dict(good, content="no base64", sig="x" * 88),
        "unsigned": {"to": "#general", "content": "unsigned"},
    }
    for fields in spoiled.values():
        eve.send("MSG", **fields)
    eve.send("MSG", **good)
    assert anna.received("#general", "good")["verified"] is True
    for content in spoiled:
        assert anna.received("#general", content)["verified"] is False


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00", "\\ud800x",
                                    "\\udc00\\ud800"])
def test_lone_surrogates_are_refused_on_both_sides(relay, relays, started,
                                                   root, escape):
    eve = Agent(relay)
    eve.join("#general")
    eve.text('{"type":"MSG","to":"#general","content":"%s"}' % escape)
    eve.refused("INVALID_MSG")
    fake = relays(OurRelay())
    d = started(Daemon(fake.url, root=root))
    c = fake.conn()
    c.wait("JOIN", channel="#general")
    c.say('{"type":"MSG","from":"@stranger","to":"#general","seq":1,'
          '"ts":1,"content":"%s"}' % escape)
    c.say(fake.message("#general", 1, "after"))
    d.received("#general", "after")
    assert [m["content"] for m in d.new("#general")] == ["after"]


# --------------------------------------------------------------- known keys


def test_the_first_key_is_noted_where_people_read_it(relay, pair):
    anna, key = pair[0], Key()
    eve = Agent(relay, "eve", key=key)
    eve.join("#general")
    eve.send("MSG", to="#general", content="unsigned")
    anna.received("#general", "unsigned")
    assert key.id not in known(anna)
    eve.send("MSG", **signed(key, "#general", "hello"))
    anna.received("#general", "hello")
    noted = known(anna)[key.id]
    assert noted[:2] == [key.base64, "eve"]
    time.strptime(noted[2][:19], "%Y-%m-%dT%H:%M:%S")
    eve.send("MSG", **signed(key, "#general", "again"))
    anna.received("#general", "again")
    text = (anna.dir / "known_agents").read_text()
    assert text.count(key.base64) == 1
    assert (anna.dir / "known_agents").stat().st_mode & 0o077 == 0


def say_as(fake, conn, key, seq, content, sender=None):
    m = signed(key, "#general", content)
    m = dict(fake.message("#general", seq, content, sender or key.id),
             sig=m["sig"], sent_ts=m["ts"], pubkey=key.base64,
             from_name="twin", key_changed=False, verified=True)
    fake.channels["#general"].append(m)
    conn.say(m)


def test_a_changed_key_is_loud(relays, started, root):
    """Another key with the same id, as a relay without memory would let."""
    one, two = (seeded(n) for n in TWINS)
    assert one.id == two.id and one.base64 != two.base64
    fake = relays(OurRelay())
    d = started(Daemon(fake.url, root=root))
    c = fake.conn()
    c.wait("JOIN", channel="#general")
    say_as(fake, c, one, 1, "the first")
    m = d.received("#general", "the first")
    assert m["verified"] is True and "key_changed" not in m
    say_as(fake, c, two, 2, "the second")
    m = d.received("#general", "the second")
    assert m["verified"] is False and m["key_changed"] is True
    assert known(d)[one.id][0] == one.base64
    assert "key_changed" in d.err
    until(lambda: "ANOTHER KEY" in text_of(d, "unread.md"),
          "unread.md to say it")
    # It is remembered, and a person may decide otherwise.
    d.stop()
    d = started(d.again())
    c = fake.conn(1)
    c.wait("JOIN", channel="#general")
    say_as(fake, c, two, 3, "the third")
    assert d.received("#general", "the third")["key_changed"] is True
    text = (d.dir / "known_agents").read_text()
    (d.dir / "known_agents").write_text("# gone\n" + "".join(
        x + "\n" for x in text.splitlines() if one.id not in x))
    say_as(fake, c, two, 4, "the fourth")
    m = d.received("#general", "the fourth")
    assert m["verified"] is True and "key_changed" not in m
    assert known(d)[one.id][0] == two.base64


def test_a_key_that_does_not_fit_the_id_proves_nothing(relays, started, root):
    fake = relays(OurRelay())
    d = started(Daemon(fake.url, root=root))
    c = fake.conn()
    c.wait("JOIN", channel="#general")
    key, other = Key(), Key()
    say_as(fake, c, key, 1, "posing", other.id)
    m = d.received("#general", "posing")
    assert m["verified"] is False and other.id not in known(d)


def test_a_broken_known_agents_stops_the_start(relay, started, root):
    d = started(Daemon(relay.url, root=root))
    d.stop()
    path = d.dir / "known_agents"
    for bad in ("@1f3a9c02 nonsense x y\n", "%s %s a b\n" %
                ("@00000000", Key().base64)):
        path.write_text("# fine\n" + bad)
        p = Daemon(relay.url, root=root, wait=False)
        assert p.wait() != 0
        assert "known_agents, line 2" in p.err
    path.write_text("")
    d = started(d.again())


def test_colliding_ids_are_told_apart_for_ever(started):
    relay = started(Relay(*FAST))
    one, two = (seeded(n) for n in TWINS)
    a = Agent(relay, "one", key=one)
    b = Agent(relay, "two", key=two)
    assert a.id == one.id and b.id == two.long_id
    a.close(), b.close()
    relay.kill()
    relay = started(relay.again())
    # The other way round now: who came first stays first.
    b, a = Agent(relay, "two", key=two), Agent(relay, "one", key=one)
    assert (a.id, b.id) == (one.id, two.long_id)
    a.send("MSG", to=two.long_id, content="to the second")
    b.expect("MSG", content="to the second")
    a.expect("MSG", content="to the second")
    a.nothing("MSG")


# ------------------------------------------------- who only knows the pubkey


def test_who_knows_my_pubkey_is_not_me(relay):
    key, owner = Key(), Agent(relay, "owner")
    owner.create("#trust-den", invite_only=True)
    me = Agent(relay, "me", key=key, caps=["ack"])
    owner.send("INVITE", channel="#trust-den", agent=me.id)
    me.expect("MSG", **{"from": owner.id})
    # Displace me: the stranger is kept waiting for a proof.
    thief = Agent(relay, "thief", pubkey=key.pem, identify=False)
    thief.send("IDENTIFY", name="thief", pubkey=key.pem)
    challenge = thief.expect("CHALLENGE")
    thief.send(**Key().proof(challenge))
    thief.expect("ERROR")
    thief.expect_close()
    me.barrier()
    me.close()
    owner.barrier()
    # Mail for me, while I'm away.
    owner.send("MSG", to=key.id, content="for your eyes")
    owner.expect("MSG", content="for your eyes", queued=True)
    thief = Agent(relay, "thief", key=key, prove=False, caps=["ack"])
    thief.expect("CHALLENGE")
    thief.send("ACK", mailbox_seq=1)
    thief.refused("AUTH_REQUIRED")
    thief.send("JOIN", channel="#trust-den")
    thief.refused("NOT_INVITED")
    thief.nothing("MSG")
    # Act on what was proposed to me.
    boss = Worker(relay, "boss")
    deal = boss.propose(key.id)
    told = {"type": "ACCEPT", "proposal_id": deal["id"]}
    for by in (Key(), boss.key):
        thief.send(**work_signed(by, told, id=deal["id"], me=key.id,
                                 prev=digest(proposal_of(deal))))
        assert "VERIFICATION_FAILED" in thief.refused(
            "INVALID_PROPOSAL")["message"]
    thief.send("GET_PROPOSAL", proposal_id=deal["id"])
    thief.refused("AUTH_REQUIRED")
    thief.nothing("MSG", "PROPOSAL", "ACCEPT")
    # With the key all of it works.
    me = Agent(relay, "me", key=key, caps=["ack"])
    closed, _ = thief.expect_close(1000)
    m = me.expect("MSG", content="for your eyes")
    me.send("ACK", mailbox_seq=m["mailbox_seq"])
    me.join("#trust-den")
    me.send(**work_signed(key, told, id=deal["id"],
                          prev=digest(proposal_of(deal))))
    assert boss.expect("ACCEPT")["from"] == key.id


# ------------------------------------------------------ proofs between agents


def verify(relay, agent, *args):
    return run("verify", relay.url, agent, "--ephemeral", *args)


def test_a_daemon_proves_its_key_to_who_asks(relay, pair, root):
    anna, bert = pair
    p = verify(relay, anna.id, "--dir", root, "-I", "bert")
    assert p.code == 0, p.err
    identity = json.loads((anna.dir / "identity.json").read_text())
    der = serialization.load_pem_public_key(identity["pubkey"].encode())
    key = base64.b64encode(der.public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw)).decode()
    assert p.out == "%s %s\n" % (anna.id, key)
    p = verify(relay, anna.id, "--json", "--dir", root, "-I", "bert")
    assert json.loads(p.out) == {"agent_id": anna.id, "pubkey": key,
                                 "proved": True, "known": "new"}
    line(anna, "hi", "#general")
    bert.received("#general", "hi")
    p = verify(relay, anna.id, "--json", "--dir", root, "-I", "bert")
    assert json.loads(p.out)["known"] == "same"


def test_who_cannot_prove_a_key_is_not_verified(relay, root):
    plain, key = Agent(relay, "plain"), Key()
    p = verify(relay, plain.id, "--dir", root)
    assert p.code == 4 and "no key" in p.err
    p = verify(relay, "@00000000", "--dir", root)
    assert p.code == 4 and "AGENT_NOT_FOUND" in p.err
    liar = Agent(relay, "liar", key=key)
    asker = Agent(relay, "asker")
    for sign in (lambda n: Key().sign(n), lambda n: key.sign(n + "x"),
                 lambda n: "junk"):
        nonce = "n" * 32
        asker.send("VERIFY_REQUEST", target=key.id, nonce=nonce)
        asked = liar.expect("VERIFY_REQUEST")
        liar.send("VERIFY_RESPONSE", request_id=asked["request_id"],
                  nonce=asked["nonce"], sig=sign(asked["nonce"]))
        asker.expect("VERIFY_FAILED", target=key.id)
    # Each request is good for one answer.
    liar.send("VERIFY_RESPONSE", request_id=asked["request_id"],
              nonce=asked["nonce"], sig=key.sign(asked["nonce"]))
    liar.refused("VERIFICATION_EXPIRED")


def test_the_asker_sees_the_proof_itself(relay, pair):
    eve = Agent(relay, "eve")
    eve.send("VERIFY_REQUEST", target=pair[0].id, nonce="0123456789abcdef")
    m = eve.expect("VERIFY_SUCCESS", agent=pair[0].id)
    key = serialization.load_pem_public_key(m["pubkey"].encode())
    key.verify(base64.b64decode(m["sig"]), b"0123456789abcdef")
    assert m["nonce"] == "0123456789abcdef"


def test_a_relay_that_only_says_so_is_not_believed(relays, root):
    key = Key()

    class Liar(OurRelay):
        answer = {}

        async def on_VERIFY_REQUEST(self, c, o):
            await c.say_(dict({"type": "VERIFY_SUCCESS", "request_id": "r",
                               "agent": key.id, "pubkey": key.pem,
                               "nonce": o["nonce"]}, **self.answer))
    fake = relays(Liar())
    fake.verify = False
    p = verify(fake, key.id, "--dir", root)
    assert p.code == 1 and "does not show the proof" in p.err
    for answer in ({"sig": key.sign("another text")},
                   {"sig": Key().sign("x")}, {"pubkey": Key().pem},
                   {"agent": Key().id}):
        Liar.answer = answer
        p = verify(fake, key.id, "--dir", root)
        assert p.code == 4 and p.out == "", (answer, p.err)


@pytest.mark.parametrize("nonce", [
    "AGENTCHAT_AUTH|nonce|id|1700000000000",
    "AGENTCHAT_AUTH2|host:1|nonce|id|1700000000000",
    '{"to":"#general","content":"I owe you","ts":1}',
    "@1f3a9c02|paint the fence|10|EUR||", "ACCEPT|prop_abc_12345678|",
    "short", "x" * 129, "sixteen or more\n", "emoji 🦊🦊🦊🦊🦊🦊"])
def test_a_daemon_signs_no_nonce_that_means_something(relays, started, root,
                                                      nonce):
    fake = relays(OurRelay())
    d = started(Daemon(fake.url, root=root))
    c = fake.conn()
    c.wait("JOIN", channel="#agents")
    c.say({"type": "VERIFY_REQUEST", "request_id": "bad", "from": "@stranger",
           "nonce": nonce})
    c.say({"type": "VERIFY_REQUEST", "request_id": "good",
           "from": "@stranger", "nonce": "A1+/=_-z" * 2})
    good = c.wait("VERIFY_RESPONSE", request_id="good")
    assert holds_pem(c.pubkey, good["sig"], "A1+/=_-z" * 2)
    assert len(c.of("VERIFY_RESPONSE")) == 1


def holds_pem(pem, sig, text):
    try:
        serialization.load_pem_public_key(pem.encode()).verify(
            base64.b64decode(sig), text.encode())
        return True
    except InvalidSignature:
        return False


# --------------------------------------------------------------- encryption

SECRET = "the fox sleeps at noon \\ \" 🦊 "


def everything_in(path):
    found = b""
    for name in glob.glob(str(path) + "/**", recursive=True):
        if os.path.isfile(name):
            with open(name, "rb") as f:
                found += f.read()
    return found


def test_the_relay_sees_no_word_of_what_is_encrypted(started, root):
    relay = started(Relay(*FAST, "--log-messages"))
    anna = started(Daemon(relay.url, root=root, name="anna"))
    bert = started(Daemon(relay.url, root=root, name="bert"))
    line(anna, SECRET + "in", bert.id, encrypt=True)
    m = bert.received(anna.id, SECRET + "in")
    assert m["encrypted"] is True and m["verified"] is True
    assert "enc" not in m and "enc_error" not in m
    # What is kept is signed as if it had come in the clear.
    assert holds(m["pubkey"], m["sig"],
                 signed_text(bert.id, SECRET + "in", m["sent_ts"]))
    own = until(lambda: [json.loads(p.read_text()) for p in
                         (anna.dir / bert.id / "cur").iterdir()],
                "anna's own copy")[0]
    assert own["content"] == SECRET + "in" and own["encrypted"] is True
    until(lambda: "encrypted" in text_of(bert, "unread.md"),
          "unread.md to say so")
    # By file, in answer, while the other is away.
    bert.stop()
    (anna.dir / bert.id / "out" / "x").write_text(json.dumps(
        {"content": SECRET + "away", "encrypt": True,
         "in_reply_to": "a-message"}))
    anna.sent(bert.id + ".x")
    on_disk = everything_in(relay.spool)
    assert b"encrypted message" in on_disk, "the journal was looked into"
    bert = started(bert.again())
    m = bert.received(anna.id, SECRET + "away")
    assert m["encrypted"] is True and m["in_reply_to"] == "a-message"
    for text in (on_disk, everything_in(relay.spool), relay.err.encode(),
                 relay.out.encode()):
        for word in (b"fox", b"sleeps", b"noon", b"a-message"):
            assert word not in text


def test_the_command_encrypts_too(relay, pair, root):
    anna, bert = pair
    p = run("send", "--encrypt", "-I", "anna", "--dir", root, bert.id,
            "by the daemon")
    assert p.code == 0, p.err
    assert bert.received(anna.id, "by the daemon")["encrypted"] is True
    other = directory("other")
    assert run("identity", "-g", "-n", "carl", "--dir", other).code == 0
    p = run("send", relay.url, "--encrypt", "--dir", other, bert.id,
            "by a relay")
    assert p.code == 0, p.err
    carl = next(b for b in os.listdir(bert.dir) if b[0] == "@" and
                b != anna.id)
    assert bert.received(carl, "by a relay")["encrypted"] is True
    p = run("send", "--encrypt", "-I", "anna", "--dir", root, "#general", "x")
    assert p.code == 2
    p = run("send", relay.url, "--encrypt", "--ephemeral", bert.id, "x")
    assert p.code == 1 and "key" in p.err


def test_what_cannot_be_encrypted_is_not_sent(relay, relays, started, root):
    anna = started(Daemon(relay.url, root=root, name="anna"))
    plain = Agent(relay, "plain")
    line(anna, "psst", plain.id, encrypt=True)
    assert "key" in anna.failed(plain.id)[1]
    line(anna, "psst", "@00000000", encrypt=True)
    assert "AGENT_NOT_FOUND" in anna.failed("@00000000")[1]
    line(anna, "psst", "#general", encrypt=True)
    assert "encrypted" in anna.failed("#general")[1]
    plain.nothing("MSG")
    none = started(Daemon(relay.url, "--ephemeral", root=root, name="none"))
    line(none, "psst", anna.id, encrypt=True)
    assert "no key" in none.failed(anna.id)[1]
    fake = relays(OurRelay())
    d = started(Daemon(fake.url, root=root, name="far"))
    line(d, "psst", "@stranger", encrypt=True)
    assert "doesn't pass encrypted" in d.failed("@stranger")[1]
    assert not fake.conn().of("MSG")


def test_a_plain_client_sees_a_notice(relay, started, root):
    anna, key = started(Daemon(relay.url, root=root)), Key()
    old = Agent(relay, "old", key=key)
    line(anna, SECRET, key.id, encrypt=True)
    asked = old.expect("VERIFY_REQUEST")
    old.send("VERIFY_RESPONSE", request_id=asked["request_id"],
             nonce=asked["nonce"], sig=key.sign(asked["nonce"]))
    m = old.expect("MSG")
    assert "encrypted" in m["content"] and len(m["content"]) < 100
    assert set(m["enc"]) == {"v", "nonce", "box"} and m["enc"]["v"] == 1
    assert known(anna)[key.id][0] == key.base64


def letters(relay, started, root, *contents):
    """Encrypted messages from anna to bert, as bert's session gets them from
    the relay. Neither daemon runs any more."""
    anna = started(Daemon(relay.url, root=root, name="anna"))
    bert = started(Daemon(relay.url, root=root, name="bert"))
    line(bert, "hello", anna.id)
    to = bert.id
    anna.received(to, "hello")
    bert.sent("outbox")     # or the next one would send it again
    bert.stop()
    identity = json.loads((bert.dir / "identity.json").read_text())
    key = Key()
    key.private = serialization.load_pem_private_key(
        identity["privkey"].encode(), None)
    key.pem = identity["pubkey"]
    for content in contents:
        line(anna, content, to, encrypt=True)
    spy = Agent(relay, "bert", key=key, caps=["ack"])
    got = [spy.expect("MSG") for _ in contents]
    spy.close()
    anna.stop()
    return got


def test_a_box_that_comes_again_is_not_shown_again(relay, relays, started,
                                                   root):
    one, two = letters(relay, started, root, "one", "two")
    fake = relays(Postman())
    d = started(Daemon(fake.url, root=root, name="bert"))
    c = fake.conn()
    c.say(dict(one, mailbox_seq=1))
    d.received(one["from"], "one")
    c.wait("ACK", mailbox_seq=1)
    c.say(dict(one, mailbox_seq=2, msg_id="another", ts=one["ts"] + 5))
    c.say(dict(two, mailbox_seq=3))
    d.received(one["from"], "two")
    c.wait("ACK", mailbox_seq=3)
    d.stop()
    d = started(d.again())
    c = fake.conn(1)
    c.say(dict(one, mailbox_seq=4, msg_id="a third", ts=one["ts"] + 9))
    c.say(dict(two, mailbox_seq=5, msg_id="a fourth", ts=one["ts"] + 9))
    c.wait("ACK", mailbox_seq=5)
    assert [m["content"] for m in d.new(one["from"])] == ["one", "two"]
    assert "came before" in d.err


def test_a_box_belongs_to_its_message(relay, relays, started, root):
    one, two = letters(relay, started, root, "one", "two")
    fake = relays(Postman())
    d = started(Daemon(fake.url, root=root, name="bert"))
    c = fake.conn()
    flipped = one["enc"]["box"]
    flipped = ("B" if flipped[9] == "A" else "A").join((flipped[:9],
                                                        flipped[10:]))
    notice = one["content"]
    bad = [dict(one, enc=two["enc"]), dict(one, id="another"),
           dict(one, enc=dict(one["enc"], box=flipped)),
           dict(one, enc=dict(one["enc"], nonce=two["enc"]["nonce"])),
           dict(one, enc=dict(one["enc"], v=2)),
           dict(one, enc={"v": 1}), dict(one, enc={}),
           dict(one, enc=dict(one["enc"], box="")),
           dict(one, enc=dict(one["enc"], box=1)),
           dict(one, sent_ts=one["sent_ts"] + 1),
           dict(one, pubkey=Key().base64)]
    for n, m in enumerate(bad):
        c.say(dict(m, mailbox_seq=n + 1, msg_id="bad%d" % n))
    # Sent on in the name of another: it has no key to sign it with.
    c.say(dict(one, **{"from": "@deadbeef"}, mailbox_seq=len(bad) + 1))
    c.wait("ACK", mailbox_seq=len(bad) + 1)
    got = d.new(one["from"]) + d.new("@deadbeef")
    assert len(got) == len(bad) + 1
    for m in got:
        assert m["content"] == notice and "encrypted" not in m, m
        assert len(m["enc_error"]) > 10 and "enc" in m
    # What only looks like a daemon's word is none.
    c.say({"type": "MSG", "from": "@deadbeef", "to": c.id, "ts": 1,
           "content": "trust me", "encrypted": True, "verified": True,
           "enc_error": "", "key_changed": False,
           "mailbox_seq": len(bad) + 2})
    m = d.received("@deadbeef", "trust me")
    assert m["verified"] is False and not {"encrypted", "enc_error",
                                           "key_changed"} & set(m)
    # And the good ones still open.
    c.say(dict(one, mailbox_seq=len(bad) + 3), dict(
        two, mailbox_seq=len(bad) + 4))
    d.received(one["from"], "two")


# --------------------------------------------------------- locked identities


def test_a_daemon_unlocks_its_key(relay, started, root):
    secret = root / "passphrase"
    secret.write_text("correct horse\n")
    with open(secret) as f:
        p = run("identity", "-g", "-n", "anna", "--dir", root,
                "--passphrase-fd", "0", stdin=f)
    assert p.code == 0, p.err
    p = run("daemon", relay.url, "--dir", root)
    assert p.code == 1 and "--passphrase-fd" in p.err
    with open(secret) as f:
        p = run("daemon", relay.url, "--dir", root, "-b",
                "--passphrase-fd", "0", stdin=f)
    assert p.code == 0, p.err
    # A command leaves the daemon's key alone, and asks for nothing.
    p = run("send", relay.url, "--dir", root, "#general", "not as anna")
    assert p.code == 0 and "Passphrase" not in p.err, p.err
    assert run("daemon", "--dir", root, "--stop").code == 0
    with open(secret) as f:
        p = run("send", relay.url, "--dir", root, "#general", "as anna",
                "--json", "--passphrase-fd", "0", stdin=f)
    assert p.code == 0 and json.loads(p.out)["sig"], p.err
    secret.write_text("wrong\n")
    for command in (("send", relay.url, "#general", "x"),
                    ("daemon", relay.url)):
        with open(secret) as f:
            p = run(*command, "--dir", root, "--passphrase-fd", "0", stdin=f)
        assert p.code == 1 and "not the passphrase" in p.err, p.err
    assert "horse" not in everything_in(root / "daemons").decode(
        errors="replace")
