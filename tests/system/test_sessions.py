"""Who gets a session, and what others see of it: relays that want proof,
proofs that are bound to a relay, and presence."""

import json
import random
import string

import pytest
import websockets

from fakerelay import Conn, FakeRelay
from harness import (Agent, Background, Daemon, FAST, Key, Relay, lines, run,
                     until)


@pytest.fixture
def relays():
    opened = []

    def add(r):
        opened.append(r)
        return r
    yield add
    for r in opened:
        r.close()


# ------------------------------------------------------- relays that want proof


@pytest.fixture
def strict(started):
    return started(Relay(*FAST, "--require-verified"))


def test_a_strict_relay_welcomes_only_after_the_proof(strict):
    Agent(strict, key=Key()).barrier()
    a = Agent(strict, identify=False)
    a.send("IDENTIFY", name="nokey")
    a.refused("AUTH_REQUIRED")
    a.nothing("WELCOME")
    key = Key()
    for proof in (lambda c: Key().proof(c),
                  lambda c: dict(key.proof(c), challenge_id="another")):
        a = Agent(strict, identify=False)
        a.send("IDENTIFY", name="liar", pubkey=key.pem)
        challenge = a.next()
        assert challenge["type"] == "CHALLENGE"
        a.send("MSG", to="#general", content="before the proof")
        a.refused("AUTH_REQUIRED")
        a.send(**proof(challenge))
        a.refused("VERIFICATION_FAILED")
        _, seen = a.expect_close()
        assert not [m for m in seen if m["type"] == "WELCOME"]


def test_daemon_and_commands_prove_themselves_to_a_strict_relay(
        strict, started, root):
    d = started(Daemon(strict.url, root=root))
    p = run("send", strict.url, "--dir", root, "-i", d.dir / "identity.json",
            "#general", "x")
    assert p.code == 0, p.err
    p = run("send", strict.url, "--ephemeral", "#general", "x")
    assert p.code == 4 and "wants a key" in p.err, (p.code, p.err)


# ------------------------------------------- challenges that are passed on


class Middleman(FakeRelay):
    """Passes everything on between who dials it and a relay, but the proof
    as spoil() would have it."""

    def __init__(self, relay, spoil):
        self.victim, self.spoil = relay, spoil
        super().__init__()

    async def serve(self, ws, path=None):
        c = Conn(self, ws)
        self.conns.append(c)
        async with websockets.connect(self.victim.url) as up:
            async def down():
                async for frame in up:
                    c.raw.append(frame)
                    await ws.send(frame)
            task = Background.loop.create_task(down())
            try:
                async for frame in ws:
                    o = json.loads(frame)
                    c.got.append(o)
                    if o["type"] == "VERIFY_IDENTITY":
                        frame = json.dumps(self.spoil(o))
                    await up.send(frame)
            except websockets.ConnectionClosed:
                pass
            finally:
                task.cancel()


def told(c, kind):
    return [m for m in map(json.loads, list(c.raw)) if m["type"] == kind]


@pytest.mark.parametrize("spoil, code", [
    (lambda o: o, "VERIFICATION_FAILED"),
    (lambda o: {k: v for k, v in o.items() if k != "bound_sig"},
     "VERIFICATION_FAILED"),
    (lambda o: dict(o, bound_sig=o["signature"]), "VERIFICATION_FAILED"),
    (lambda o: dict(o, bound_sig=None), "VERIFICATION_FAILED")])
def test_a_relay_that_passes_a_challenge_on_gains_nothing(
        relays, started, root, spoil, code):
    """The same key at both: what it says to one is no proof to the other."""
    relay = Relay(*FAST)
    relay.stop()
    relay = started(Relay(*FAST, "--public-name", "elsewhere.example:1",
                          "--public-name", "127.0.0.1:%d" % relay.port,
                          spool=relay.spool, port=relay.port))
    d = started(Daemon(relay.url, root=root))
    me = d.id
    d.stop()
    relay.kill()        # that it is bound, it knows from its journal
    relay = started(Relay(*relay.args, spool=relay.spool, port=relay.port))
    other = Agent(relay)
    other.send("MSG", to=me, content="for the key alone")
    assert other.expect("MSG")["queued"] is True
    thief = relays(Middleman(relay, spoil))
    victim = started(Daemon(thief.url, root=root, wait=False))
    until(lambda: thief.conns and told(thief.conns[0], "ERROR"),
          "the refusal")
    c = thief.conns[0]
    assert c.of("VERIFY_IDENTITY")[0]["bound_sig"]
    assert told(c, "ERROR")[0]["code"] == code
    assert not told(c, "VERIFIED") and not told(c, "MSG")
    victim.stop()
    d = started(d.again())
    d.received(other.id, "for the key alone")


def test_a_proof_for_another_name_is_refused_from_the_first_time(
        relays, started, root):
    relay = started(Relay(*FAST, "--public-name", "relay.example:443"))
    d = started(Daemon(relay.url, root=root, wait=False))
    until(lambda: "auth" in relay.err, "the relay to complain")
    # It is no more than who names a key: nothing waits for it.
    other = Agent(relay)
    other.join("#general")
    line = {"to": "#general", "content": "who am I?"}
    d.outbox(line)
    assert other.expect("MSG", content="who am I?")["verified"] is False


def test_a_relay_may_take_no_proof_that_does_not_name_it(
        relays, started, root):
    """Then a key that it never saw is as safe from a middleman."""
    assert run("serve", "--require-bound").code == 2
    relay = Relay(*FAST)
    relay.stop()
    relay = started(Relay(*FAST, "--require-bound", "--public-name",
                          "127.0.0.1:%d" % relay.port, spool=relay.spool,
                          port=relay.port))
    thief = relays(Middleman(relay, lambda o: {
        k: v for k, v in o.items() if k != "bound_sig"}))
    victim = started(Daemon(thief.url, root=root, wait=False))
    until(lambda: thief.conns and told(thief.conns[0], "ERROR"),
          "the refusal")
    assert told(thief.conns[0], "ERROR")[0]["code"] == "VERIFICATION_FAILED"
    assert not told(thief.conns[0], "VERIFIED")
    victim.stop()
    # The key itself, dialling the relay's name, is welcome.
    d = started(Daemon(relay.url, root=root))
    friend = Agent(relay)
    friend.join("#general")
    d.outbox({"to": "#general", "content": "it is me"})
    assert friend.expect("MSG", content="it is me")["verified"] is True


# -------------------------------------------------------------- mutations


def test_of_many_mutated_nonces_none_is_taken(relay):
    """What the relay checks with has its 10,000 in unit/test_ident."""
    rnd = random.Random(3)
    letters = string.ascii_lowercase + string.digits + "|"
    for _ in range(100):
        key = Key()
        a = Agent(relay, key=key, prove=False)
        c = a.expect("CHALLENGE")
        field = rnd.choice(["nonce", "challenge_id"])
        at, text = rnd.randrange(len(c[field])), c[field]
        wrong = rnd.choice([text[:at] + text[at + 1:],
                            text[:at] + rnd.choice(letters) + text[at:],
                            text[:at] + rnd.choice(letters) + text[at + 1:],
                            text.upper(), ""])
        if wrong == text:
            wrong += "x"
        a.send(**dict(key.proof(dict(c, **{field: wrong})),
                      challenge_id=c["challenge_id"]))
        a.refused("VERIFICATION_FAILED")
        a.close()


# ---------------------------------------------------------------- presence


def together(relay, *names):
    """Agents in a channel of their own, and its name."""
    agents = [Agent(relay, n) for n in names]
    channel = "#" + "".join(random.choices(string.ascii_lowercase, k=12))
    agents[0].create(channel)
    for a in agents[1:]:
        a.join(channel)
    for a in agents:
        a.barrier()
    return channel, agents


def test_presence_is_told_to_who_shares_a_channel_and_once(relay):
    channel, (a, b) = together(relay, "ann", "bob")
    a.create(channel + "2")
    b.join(channel + "2")
    a.barrier()
    stranger = Agent(relay)
    a.send("SET_PRESENCE", status="away", status_text="at lunch 🍜")
    assert b.expect("PRESENCE_CHANGED") == {
        "type": "PRESENCE_CHANGED", "agent_id": a.id, "name": "ann",
        "presence": "away", "status_text": "at lunch 🍜"}
    for x in (a, b, stranger):
        x.nothing("PRESENCE_CHANGED")
    for status in ("online", "busy", "offline", "listening"):
        a.send("SET_PRESENCE", status=status, status_text=None)
        m = b.expect("PRESENCE_CHANGED", presence=status)
        assert "status_text" not in m
    for bad in ({"status": "asleep"}, {"status": ""}, {},
                {"status": "away", "status_text": "x" * 101},
                {"status": 1}):
        a.send("SET_PRESENCE", **bad)
        a.refused("INVALID_MSG")
    b.nothing("PRESENCE_CHANGED")


def test_who_comes_later_sees_who_is_away(relay):
    channel, (a, b) = together(relay, "ann", "bob")
    b.send("LIST_AGENTS", channel=channel)
    assert "presences" not in b.expect("AGENTS")
    a.send("SET_PRESENCE", status="busy")
    b.expect("PRESENCE_CHANGED")
    b.send("LIST_AGENTS", channel=channel)
    assert b.expect("AGENTS")["presences"] == {a.id: "busy"}
    c = Agent(relay, "cat")
    m = c.join(channel)
    assert m["presences"] == {a.id: "busy"} and m["names"][a.id] == "ann"
    a.send("SET_PRESENCE", status="online")
    b.expect("PRESENCE_CHANGED")
    b.send("LIST_AGENTS", channel=channel)
    assert "presences" not in b.expect("AGENTS")


def test_a_nick_is_told_once_to_each_and_not_soon_again(relay):
    channel, (a, b) = together(relay, "ann", "bob")
    a.create(channel + "2")
    b.join(channel + "2")
    a.barrier()
    for nick in ("x" * 25, "", "two words", "-<b>"):
        a.send("SET_NICK", nick=nick)
        a.refused(("INVALID_NAME", "INVALID_MSG"))
    a.send("SET_NICK", nick="x" * 24)
    for x in (a, b):
        m = x.expect("NICK_CHANGED")
        assert m == {"type": "NICK_CHANGED", "agent_id": a.id,
                     "old_nick": "ann", "new_nick": "x" * 24}
        x.nothing("NICK_CHANGED")
    a.send("SET_NICK", nick="again")
    a.refused("INVALID_MSG")
    a.msg(channel, "hello")
    assert b.expect("MSG")["from_name"] == "x" * 24
    b.send("LIST_AGENTS", channel=channel)
    assert b.expect("AGENTS")["names"][a.id] == "x" * 24


def test_typing_goes_to_the_others_of_the_channel(relay):
    channel, (a, b) = together(relay, "ann", "bob")
    stranger = Agent(relay)
    a.send("TYPING", channel=channel)
    assert b.expect("TYPING") == {"type": "TYPING", "channel": channel,
                                  "from": a.id, "from_name": "ann"}
    a.nothing("TYPING")
    for name in (channel, "#nowhere"):
        stranger.send("TYPING", channel=name)
        stranger.refused("CHANNEL_NOT_FOUND")


def test_the_roster_shows_name_and_presence(relay, started, root):
    a = Agent(relay, "ann")
    a.join("#general")
    a.send("SET_PRESENCE", status="busy")
    a.barrier()
    d = started(Daemon(relay.url, root=root, name="dora"))
    roster = d.dir / "#general" / "agents"

    def shows(*want):
        until(lambda: roster.exists() and
              set(want) <= set(roster.read_text().splitlines()),
              lambda: "%s in the roster, has %r" % (want, roster.read_text()))
    shows(a.id + " ann busy", d.id + " dora")
    for where in ((), (relay.url,)):
        p = run("agents", *where, "#general", "--dir", root, "-I", "dora")
        assert a.id + " ann busy\n" in p.out, p.out
        p = run("agents", *where, "#general", "--dir", root, "--json", "-I",
                "dora")
        assert {"agent": a.id, "name": "ann", "presence": "busy"} in \
            [json.loads(x) for x in p.out.splitlines()], p.out
    a.send("SET_NICK", nick="anna")
    shows(a.id + " anna busy")
    a.send("SET_PRESENCE", status="online")
    shows(a.id + " anna")
    # The agent behind the daemon says how it is, by a line.
    d.outbox({"type": "SET_PRESENCE", "status": "away"})
    assert a.expect("PRESENCE_CHANGED", agent_id=d.id)["presence"] == "away"
    a.send("SET_PRESENCE", status="listening")
    until(lambda: [m for m in lines(d.dir / "inbox.jsonl")
                   if m["type"] == "PRESENCE_CHANGED" and
                   m["presence"] == "listening"], "the event in inbox.jsonl")
