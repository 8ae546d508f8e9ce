"""Deals: proposals and their steps at the relay and through files, and their
receipts. The signed texts are made here from the manual (work.py), so that
two implementations have to agree."""

import base64
import json
import math
import random
import re
import time

import pytest

from fakerelay import Postman
from harness import (Agent, Daemon, FAST, Key, Relay, directory, lines, load,
                     run, until)
from work import Worker, digest, proposal_id, proposal_of, signed, step_of


def pair(relay, **kw):
    return Worker(relay, "ann", **kw), Worker(relay, "bob", **kw)


def word(agent, word, **fields):
    """An ERROR whose message begins with the precise word."""
    m = agent.refused("INVALID_PROPOSAL", **fields)
    assert m["message"].startswith(word + ":"), m
    return m


def accepted(a, b, **fields):
    """A deal that b has accepted: what both were told."""
    p = a.propose(b, **fields)
    told = b.expect("PROPOSAL", proposal_id=p["proposal_id"])
    b.step("ACCEPT", told)
    return a.expect("ACCEPT", proposal_id=p["proposal_id"])


# -------------------------------------------------------------- the relay


def test_a_proposal_is_told_to_both(relay):
    a, b = pair(relay)
    echo = a.propose(b, "dig | deep", amount=2.50, currency="USD", expires=60,
                     terms="a|b", payment_code="pc")
    told = b.expect("PROPOSAL")
    for m in (echo, told):
        assert (m["from"], m["to"], m["status"]) == (a.id, b.id, "pending")
        assert (m["task"], m["amount"], m["terms"]) == ("dig | deep", 2.5,
                                                        "a|b")
        assert m["expires"] == m["created_at"] + 60000
        assert m["pubkey"] == a.key.base64
    assert proposal_of(told) == proposal_of(echo)


@pytest.mark.parametrize("how, who", [
    ("COMPLETE", 0), ("COMPLETE", 1), ("DISPUTE", 0), ("DISPUTE", 1)])
def test_either_party_ends_an_accepted_deal(relay, how, who):
    both = pair(relay)
    told = accepted(*both)
    fields = {"proof": "p"} if how == "COMPLETE" else {"reason": "r"}
    both[who].step(how, told, **fields)
    for x in both[1 - who:2 - who]:
        m = x.expect(how)
        assert m["status"] == how.lower().rstrip("e") + "ed"
        assert m["from"] == both[who].id
        assert m["proposal"]["task"] == "dig"
        assert m["accept"]["from"] == both[1].id
        assert m["prev"] == digest(m["accept"])
        assert m["accept"]["prev"] == digest(m["proposal"])


def test_a_rejected_proposal_is_over(relay):
    a, b = pair(relay)
    p = a.propose(b)
    told = b.expect("PROPOSAL")
    b.step("REJECT", told, reason="no")
    assert a.expect("REJECT")["reason"] == "no"
    b.step("ACCEPT", told, wait=False)
    word(b, "INVALID_PROPOSAL")


@pytest.mark.parametrize("form", [{}, {"stake": True}, {"zeros": True},
                                  {"stake": True, "zeros": True}])
@pytest.mark.parametrize("fields", [
    {}, {"amount": 0}, {"amount": 1e21, "expires": 0}, {"elo_stake": 25},
    {"amount": 0.1, "currency": "€", "payment_code": "|", "elo_stake": 0}])
def test_all_published_texts_are_good(relay, form, fields):
    a, b = pair(relay)
    a.propose(b, strong=False, form=form, **fields)
    told = b.expect("PROPOSAL")
    stake = {k: v for k, v in fields.items() if k == "elo_stake"}
    b.step("ACCEPT", told, strong=False, form=form, payment_code="x|y",
           **stake)
    told = a.expect("ACCEPT")
    a.step("COMPLETE", told, strong=False, proof="z|")
    assert b.expect("COMPLETE")["proof"] == "z|"


def test_no_key_no_work(relay):
    a, b = Agent(relay, "eph"), Worker(relay)
    a.send("PROPOSAL", to=b.id, task="x", sig="abc")
    a.refused("SIGNATURE_REQUIRED")
    a.send("ACCEPT", proposal_id="x", sig="abc")
    a.refused("SIGNATURE_REQUIRED")
    b.send("PROPOSAL", to=b.id, task="x")
    b.refused("SIGNATURE_REQUIRED")
    m = signed(b.key, {"type": "PROPOSAL", "to": a.id, "task": "x"},
               strong=False)
    b.send(**m)
    word(b, "SIGNATURE_REQUIRED")
    a.nothing()


def test_a_key_that_is_only_named_may_sign(relay):
    """As old clients do, which ignore the challenge."""
    a, b = pair(relay, prove=False)
    told = accepted(a, b, strong=False)
    assert told["verified"] is False
    b.step("COMPLETE", told, strong=False)
    assert a.expect("COMPLETE")["status"] == "completed"


@pytest.mark.parametrize("field, value", [
    ("task", "other"), ("to", None), ("amount", 6), ("currency", "EUR"),
    ("payment_code", "y"), ("expires", 61)])
def test_a_proposal_with_another_text_is_refused(relay, field, value):
    a, b = pair(relay)
    c = Worker(relay, "cat")
    for strong in (False, True):
        m = signed(a.key, {"type": "PROPOSAL", "to": b.id, "task": "t",
                           "amount": 5, "currency": "USD", "expires": 60,
                           "payment_code": "x"}, id=proposal_id(),
                   strong=strong)
        m[field] = c.id if field == "to" else value
        a.send(**m)
        word(a, "VERIFICATION_FAILED")
    b.nothing()
    c.nothing()


@pytest.mark.parametrize("field, value", [
    ("terms", "other"), ("ts", 1), ("id", "prop_1_00000000"),
    ("elo_stake", 3), ("sig2", "AAAA")])
def test_sig2_covers_what_sig_leaves_out(relay, field, value):
    a, b = pair(relay)
    m = signed(a.key, {"type": "PROPOSAL", "to": b.id, "task": "t",
                       "terms": "all"}, id=proposal_id())
    m[field] = value
    a.send(**m)
    word(a, "VERIFICATION_FAILED")
    b.nothing()


def test_an_accept_is_tied_to_what_it_accepts(relay):
    a, b = pair(relay)
    one, two = a.propose(b, "one"), a.propose(b, "two")
    m = {"type": "ACCEPT", "proposal_id": one["id"]}
    b.send(**signed(b.key, m, id=one["id"],
                    prev=digest(proposal_of(two))))
    word(b, "VERIFICATION_FAILED")
    b.step("ACCEPT", one)


def test_wrong_key_wrong_text_stranger_unknown(relay):
    a, b = pair(relay)
    c = Worker(relay, "cat")
    p = a.propose(b)
    b.expect("PROPOSAL")
    id = p["id"]
    for type in ("ACCEPT", "REJECT", "COMPLETE", "DISPUTE"):
        extra = {"reason": "r"} if type == "DISPUTE" else {}
        m = dict(type=type, proposal_id=id, **extra)
        c.send(**signed(c.key, m, id=id, strong=False))
        word(c, "NOT_PROPOSAL_PARTY")
        b.send(**signed(c.key, m, id=id, strong=False))
        word(b, "VERIFICATION_FAILED")
        b.send(**signed(b.key, m, id="prop_1_00000000", strong=False))
        word(b, "VERIFICATION_FAILED")
        b.send(**dict(signed(b.key, m, id=id, strong=False),
                      proposal_id="prop_1_00000000"))
        word(b, "PROPOSAL_NOT_FOUND")
    for type in ("ACCEPT", "REJECT"):
        a.send(**signed(a.key, dict(type=type, proposal_id=id), id=id,
                        strong=False))
        word(a, "NOT_PROPOSAL_PARTY")
    b.step("ACCEPT", p)


def test_expired_proposals_cannot_be_answered(relay):
    a, b = pair(relay)
    p = a.propose(b, expires=0.001)
    ends = b.expect("PROPOSAL")["expires"]
    until(lambda: time.time() * 1000 > ends, "the proposal to expire")
    for type in ("ACCEPT", "REJECT"):
        b.step(type, p, wait=False)
        word(b, "PROPOSAL_EXPIRED")
    b.step("COMPLETE", p, wait=False)
    word(b, "INVALID_PROPOSAL")


@pytest.mark.parametrize("bad", [
    {"amount": -1}, {"expires": -1}, {"expires": 1e10}, {"elo_stake": -5},
    {"task": ""}])
def test_impossible_proposals_are_no_messages(relay, bad):
    a, b = pair(relay)
    m = dict({"type": "PROPOSAL", "to": b.id, "task": "t"}, **bad)
    a.send(**signed(a.key, m, strong=False))
    a.refused("INVALID_MSG")
    b.nothing()


def test_nobody_deals_with_himself_or_with_nobody(relay):
    a = Worker(relay)
    for to, code in ((a.id, "INVALID_PROPOSAL"), ("@00000000",
                                                 "AGENT_NOT_FOUND")):
        a.send(**signed(a.key, {"type": "PROPOSAL", "to": to, "task": "t"},
                        strong=False))
        a.refused(code)


def test_a_resend_is_confirmed_and_a_copy_refused(relay):
    a, b = pair(relay)
    m = signed(a.key, {"type": "PROPOSAL", "to": b.id, "task": "t"},
               id=proposal_id())
    a.send(**m)
    first = a.expect("PROPOSAL")
    b.expect("PROPOSAL")
    a.send(**m)
    again = a.expect("PROPOSAL")
    assert again["msg_id"] == first["msg_id"] and again["replay"] is True
    thief = Worker(relay, "thief", key=None)
    copy = {k: v for k, v in m.items() if k not in ("id", "sig2", "ts")}
    a.send(**copy)
    word(a, "INVALID_PROPOSAL")
    thief.send(**copy)
    word(thief, "VERIFICATION_FAILED")
    step = signed(b.key, {"type": "ACCEPT", "proposal_id": m["id"],
                          "id": "r1"}, id=m["id"],
                  prev=digest(proposal_of(first)))
    b.send(**step)
    b.expect("ACCEPT")
    a.expect("ACCEPT")
    b.send(**step)
    assert b.expect("ACCEPT")["replay"] is True
    b.send(**dict(step, id="r2"))
    assert word(b, "INVALID_PROPOSAL")["re"] == "r2"
    a.nothing("ACCEPT", "PROPOSAL")
    b.nothing("PROPOSAL")


def test_the_same_work_may_be_proposed_again(relay):
    """Chains tell one from the other; the old signatures can't."""
    a, b = pair(relay)
    one, two = a.propose(b), a.propose(b)
    assert one["sig"] == two["sig"] and one["id"] != two["id"]
    b.step("ACCEPT", one)
    b.step("REJECT", two)
    m = {"type": "PROPOSAL", "to": b.id, "task": "old way"}
    a.send(**signed(a.key, m, strong=False))
    a.expect("PROPOSAL")
    a.send(**signed(a.key, m, strong=False))
    word(a, "INVALID_PROPOSAL")
    a.send(**signed(a.key, dict(m, expires=60), strong=False))
    a.expect("PROPOSAL")


def test_a_party_may_ask_for_the_newest_step(relay):
    a, b = pair(relay)
    c = Worker(relay, "cat")
    told = accepted(a, b)
    for x in (a, b):
        x.send("GET_PROPOSAL", proposal_id=told["proposal_id"])
        m = x.expect("ACCEPT", replay=True)
        assert step_of(m) == step_of(told)
    c.send("GET_PROPOSAL", proposal_id=told["proposal_id"])
    word(c, "NOT_PROPOSAL_PARTY")
    c.send("GET_PROPOSAL", proposal_id="prop_1_00000000")
    word(c, "PROPOSAL_NOT_FOUND")
    Agent(relay).send("GET_PROPOSAL", proposal_id=told["proposal_id"])


def test_killed_between_accept_and_complete_nothing_is_lost(started):
    r = Relay(*FAST)
    a, b = pair(r, caps=["ack"])
    used = signed(a.key, {"type": "PROPOSAL", "to": b.id, "task": "once"},
                  strong=False)
    a.send(**used)
    a.expect("PROPOSAL")
    open_ = a.propose(b, "open")
    told = accepted(a, b)
    a.drop()
    b.drop()
    r.kill()
    r = started(r.again())
    b = Worker(r, "bob", key=b.key, caps=["ack"])
    # b has not said that it has them: its letters come once more.
    assert len([m for m in b.barrier() if m["type"] == "PROPOSAL"]) == 3
    done = b.step("COMPLETE", told, proof="p")
    assert done["queued"] is True
    b.step("ACCEPT", open_)
    a = Worker(r, "ann", key=a.key, caps=["ack"])
    got = a.barrier()
    assert [m["type"] for m in got] == ["ACCEPT", "COMPLETE", "ACCEPT"]
    assert step_of(got[1]) == step_of(done)
    a.send("ACK", mailbox_seq=got[-1]["mailbox_seq"])
    a.step("COMPLETE", told, wait=False)
    word(a, "INVALID_PROPOSAL")
    a.send(**used)
    word(a, "INVALID_PROPOSAL")     # a signature is accepted once
    a.close()
    a = Worker(r, "ann", key=a.key)
    a.nothing()


def test_deals_outlive_the_segments_that_they_were_in(started):
    r = Relay(*FAST, "--journal-segment", "64k", "--history", "10",
              "--reputation")
    a, b = pair(r)
    told, open_ = accepted(a, b), a.propose(b, "open")
    over = accepted(a, b)
    a.step("COMPLETE", over)
    a.join("#general")
    b.barrier()
    segments = r.spool / "journal"
    before = set(p.name for p in segments.iterdir())

    def fill():
        a.send_many([{"type": "MSG", "to": "#general", "content": "x" * 4000}
                     for _ in range(50)])
        a.barrier()
        return not before & set(p.name for p in segments.iterdir())
    until(fill, "the first segments to go", timeout=60, every=0.2)
    a.drop()
    b.drop()
    r.kill()
    r = started(r.again())
    a, b = Worker(r, "ann", key=a.key), Worker(r, "bob", key=b.key)
    b.step("ACCEPT", open_)
    assert b.step("COMPLETE", told)["proposal"]["task"] == "dig"
    a.step("COMPLETE", over, wait=False)
    word(a, "INVALID_PROPOSAL")
    a.send("GET_RATING", agent=b.id)
    assert a.expect("RATING")["rating"] == 1216     # an hour hasn't passed


# ------------------------------------------------------------- a model


class Model:
    """What a relay should make of any step, told in the simplest way."""

    def __init__(self):
        self.deals = {}

    def step(self, type, id, who):
        d = self.deals.get(id)
        if d is None:
            return "PROPOSAL_NOT_FOUND"
        if who not in (d["from"], d["to"]):
            return "NOT_PROPOSAL_PARTY"
        if type in ("ACCEPT", "REJECT"):
            if who != d["to"]:
                return "NOT_PROPOSAL_PARTY"
            if d["status"] == "expired":
                return "PROPOSAL_EXPIRED"
            if d["status"] != "pending":
                return "INVALID_PROPOSAL"
            d["status"] = {"ACCEPT": "accepted", "REJECT": "rejected"}[type]
        else:
            if d["status"] != "accepted":
                return "INVALID_PROPOSAL"
            d["status"] = {"COMPLETE": "completed",
                           "DISPUTE": "disputed"}[type]
        return None


@pytest.mark.parametrize("seed", range(4))
def test_any_actions_end_where_the_model_says(relay, seed):
    rnd = random.Random(seed)
    people = [Worker(relay, "w%d" % i) for i in range(3)]
    model, told = Model(), {}
    for _ in range(150):
        who = rnd.choice(people)
        if rnd.random() < .25 or not told:
            to = rnd.choice([p for p in people if p is not who])
            brief = rnd.random() < .2
            m = who.propose(to, "task %d" % rnd.getrandbits(64),
                            strong=rnd.random() < .5,
                            **({"expires": .001} if brief else {}))
            if brief:
                until(lambda: time.time() * 1000 > m["expires"],
                      "the proposal to expire")
            model.deals[m["id"]] = {"from": who.id, "to": to.id, "status":
                                    "expired" if brief else "pending"}
            told[m["id"]] = m
            continue
        id = rnd.choice(list(told) + ["prop_1_0000000f"])
        type = rnd.choice(["ACCEPT", "REJECT", "COMPLETE", "DISPUTE"])
        m = dict(type=type, proposal_id=id, id="%x" % rnd.getrandbits(60))
        m["reason" if type in ("REJECT", "DISPUTE") else "proof"] = "x"
        if type == "ACCEPT":
            del m["proof"]
        forged = rnd.random() < .15
        key = Key() if forged else who.key
        strong = rnd.random() < .5 and id in told
        prev = None
        if strong:
            t = told[id]
            prev = digest(proposal_of(t) if t["type"] == "PROPOSAL" else
                          step_of(t))
        who.send(**signed(key, m, id=id, prev=prev, strong=strong,
                          me=who.id))
        before = dict(model.deals.get(id, {}))
        want = model.step(type, id, who.id)
        if forged and want != "PROPOSAL_NOT_FOUND" and \
                (not before or who.id in (before["from"], before["to"])):
            if before:
                model.deals[id] = before
            want = "VERIFICATION_FAILED"
        if want:
            word(who, want)
            continue
        got = who.expect(type, proposal_id=id)
        assert got["status"] == model.deals[id]["status"]
        told[id] = got
    # The relay's own word for where each deal is.
    for id, d in model.deals.items():
        who = next(p for p in people if p.id == d["from"])
        who.send("GET_PROPOSAL", proposal_id=id)
        while True:
            m = who.next()
            assert m["type"] != "ERROR", m
            if m.get("replay") and m.get("proposal_id") == id:
                break
        # That it has expired is for its reader's clock to say.
        assert m["status"] == d["status"].replace("expired", "pending")


# -------------------------------------------------------------- reputation


def test_ratings_only_where_they_are_kept(relay):
    a = Worker(relay)
    a.send("GET_RATING", agent=a.id)
    a.refused("NOT_ALLOWED")
    a.send("LEADERBOARD")
    a.refused("NOT_ALLOWED")
    a.join("#general")
    a.send("LIST_AGENTS", channel="#general")
    assert "ratings" not in a.expect("AGENTS")


def test_a_relay_rates_and_is_not_fooled_by_a_pair(started):
    r = Relay(*FAST, "--reputation")
    a, b = pair(r)
    c = Worker(r, "cat")

    def rating(x):
        a.send("GET_RATING", agent=x.id)
        m = a.expect("RATING", agent=x.id)
        return m["rating"], m["transactions"]

    assert rating(a) == (1200, 0)
    a.step("COMPLETE", accepted(a, b))
    assert rating(a) == rating(b) == (1216, 1)
    a.step("COMPLETE", accepted(a, b))          # within the hour
    b.step("COMPLETE", accepted(b, a))
    assert rating(a) == rating(b) == (1216, 1)
    c.step("DISPUTE", accepted(c, a), reason="bad")
    e = 1 / (1 + 10 ** ((1200 - 1216) / 400))
    loss = round(32 * e)
    assert rating(a) == (1216 - loss, 2)
    assert rating(c) == (1200 + math.floor(loss / 2 + .5), 1)
    a.send("LEADERBOARD", limit=2)
    board = a.expect("LEADERBOARD")["list"]
    assert [x["agent"] for x in board] == [b.id, c.id]
    a.join("#general")
    b.join("#general")
    a.send("LIST_AGENTS", channel="#general")
    assert a.expect("AGENTS")["ratings"] == {a.id: 1216 - loss, b.id: 1216}
    for limit in (0, 101, 1.5):
        a.send("LEADERBOARD", limit=limit)
        if limit != 1.5:
            a.refused("INVALID_MSG")
    want = rating(a), rating(b), rating(c)
    for x in (a, b, c):
        x.drop()
    r.kill()
    r = started(r.again())
    a = Worker(r, "ann", key=a.key)
    assert (rating(a), rating(b), rating(c)) == want


# ---------------------------------------------------------- through files


def proposals(d):
    return {p.stem: load(p) for p in d.dir.glob("proposals/*.json")}


def status(d, id, want):
    return until(lambda: (load(d.dir / "proposals" / (id + ".json")) or
                          {}).get("status") == want, "%s to be %s" %
                 (id, want))


@pytest.fixture
def two(relay, started):
    a = started(Daemon(relay.url, root=directory("a")))
    b = started(Daemon(relay.url, root=directory("b")))
    return a, b


def deal(a, b, end="COMPLETE", **fields):
    """All of a deal by files: its id."""
    known = set(proposals(b))
    a.outbox(dict({"type": "PROPOSAL", "to": b.id, "task": "dig|deep"},
                  **fields))
    id = until(lambda: (set(proposals(b)) - known or {None}).pop(),
               "a proposal")
    b.outbox({"type": "ACCEPT", "proposal_id": id, "payment_code": "x|y"})
    status(a, id, "accepted")
    a.outbox({"type": end, "proposal_id": id,
              "proof" if end == "COMPLETE" else "reason": "p|q"})
    for d in (a, b):
        status(d, id, {"COMPLETE": "completed", "DISPUTE": "disputed"}[end])
        until(lambda: any(x["proposal_id"] == id for x in
                          lines(d.root / "receipts.jsonl")), "the receipt")
    return id


def test_files_only_and_both_hold_the_same_receipt(two):
    a, b = two
    id = deal(a, b, amount=5, currency="USD", terms="t|s", expires=600)
    deal(b, a, end="DISPUTE")
    deal(a, b, amount=0.5)
    for d in two:
        assert len(lines(d.root / "receipts.jsonl")) == 3
        p = run("receipts", "verify", "--dir", d.root)
        assert (p.code, p.err) == (0, "")
        assert p.out.count("strong") == 3
        # It is written behind the receipt.
        until(lambda: sum(x["transactions"] for x in
                          (load(d.root / "ratings.json") or {}).values()) == 6,
              "the ratings")
    assert (a.root / "receipts.jsonl").read_text() == \
        (b.root / "receipts.jsonl").read_text()
    assert load(a.root / "ratings.json") == load(b.root / "ratings.json")
    m = load(b.dir / "proposals" / (id + ".json"))
    assert m["verified"] is True and m["task"] == "dig|deep"
    assert (m["from"], m["to"], m["amount"]) == (a.id, b.id, 5)
    # It came as a message too, with its signature checked.
    got = [x for x in b.new(a.id) if x["type"] == "PROPOSAL"]
    assert got and all(x["verified"] for x in got)


def leaves(o, path=()):
    if isinstance(o, dict):
        for k, v in o.items():
            yield from leaves(v, path + (k,))
    else:
        yield path, o


def changed(v):
    """The same with one byte changed."""
    if isinstance(v, str):
        c = "A" if v[:1] != "A" else "B"
        return c + v[1:]
    return v + 1


def edited(o, path, value):
    o = json.loads(json.dumps(o))
    at = o
    for k in path[:-1]:
        at = at[k]
    at[path[-1]] = value
    return o


def verify(receipts, tmp):
    path = tmp / "r.jsonl"
    path.write_text("".join(json.dumps(x) + "\n" for x in receipts))
    p = run("receipts", "verify", path)
    return p.code, p.out.splitlines()


def test_one_byte_of_any_field_and_it_fails(two, root):
    a, b = two
    deal(a, b, amount=5, currency="USD", terms="terms", expires=600,
         payment_code="pay", elo_stake=3)
    deal(a, b, end="DISPUTE", terms="other")
    good = lines(a.root / "receipts.jsonl")
    assert verify(good, root)[0] == 0
    bad, names = [], []
    for receipt in good:
        for path, v in leaves(receipt):
            bad.append(edited(receipt, path, changed(v)))
            names.append(".".join(path))
        for path in [()] + [(k,) for k in receipt if
                            isinstance(receipt[k], dict)]:
            bad.append(edited(receipt, path + ("more",), 1))
            names.append(".".join(path) + ".more")
    code, out = verify(bad, root)
    assert code == 1 and len(out) == len(bad)
    for line, name in zip(out, names):
        assert re.fullmatch(r"line \d+: FAILED: [\w.-]+", line), (line, name)
    # The right check is named where only one can fail.
    for name, check in (("proposal.terms", "proposal.sig2"),
                        ("proposal.sig", "proposal.sig"),
                        ("accept.prev", "accept.prev"),
                        ("complete.proof", "complete.sig"),
                        ("dispute.reason", "dispute.sig")):
        assert out[names.index(name)].endswith("FAILED: " + check), name


def test_an_accept_of_another_proposal_fails(two, root):
    a, b = two
    deal(a, b, terms="cheap")
    deal(a, b, terms="dear")
    one, two_ = lines(a.root / "receipts.jsonl")
    code, out = verify([dict(one, accept=two_["accept"])], root)
    assert code == 1 and "accept.proposal_id" in out[0]
    # Even where a proposer uses an id twice, for the old signatures' sake.
    proposal = dict(one["proposal"], terms="dear")
    code, out = verify([dict(one, proposal=proposal)], root)
    assert code == 1 and "proposal.sig2" in out[0]


def test_the_absent_party_gets_it_all_on_return(relay, started):
    a = started(Daemon(relay.url, root=directory("a")))
    b = Daemon(relay.url, root=directory("b"))
    bid = b.id
    b.kill()
    a.outbox({"type": "PROPOSAL", "to": bid, "task": "while you are away"})
    id = until(lambda: (set(proposals(a)) or {None}).pop(), "the echo")
    b = started(b.again())
    status(b, id, "pending")
    a.kill()
    b.outbox({"type": "ACCEPT", "proposal_id": id})
    status(b, id, "accepted")
    b.outbox({"type": "COMPLETE", "proposal_id": id})
    status(b, id, "completed")
    a = started(a.again())
    status(a, id, "completed")
    until(lambda: len(lines(a.root / "receipts.jsonl")) == 1, "the receipt")
    assert lines(a.root / "receipts.jsonl") == lines(b.root /
                                                     "receipts.jsonl")


def test_a_receipt_that_a_crash_took_is_written_again(two):
    """Told again, a step mends what is missing, and doubles nothing."""
    a, b = two
    id = deal(a, b)
    before = (a.root / "receipts.jsonl").read_text()
    # The line was torn, and the step comes once more.
    (a.root / "receipts.jsonl").write_text(before[:100])
    a.outbox({"type": "GET_PROPOSAL", "proposal_id": id})
    until(lambda: (a.root / "receipts.jsonl").read_text() == before,
          "the receipt to be mended")
    b.outbox({"type": "GET_PROPOSAL", "proposal_id": id})
    until(lambda: len([x for x in b.receipts() if "reply" in x]) >= 1 and
          len(b.receipts()) == 2, "the answer")
    assert (b.root / "receipts.jsonl").read_text() == before


def test_refusals_come_to_failed(two):
    a, b = two
    a.outbox({"type": "ACCEPT", "proposal_id": "prop_1_00000000"})
    assert "PROPOSAL_NOT_FOUND" in a.failed("outbox")[1]


# -------------------------------------------- a relay that changes what it tells


class Changing(Postman):
    """Tells daemons of deals what it is told to, and commands the same."""
    newest = None

    async def on_GET_PROPOSAL(self, c, o):
        await c.say_(dict(self.newest, replay=True))


@pytest.fixture
def lying():
    r = Changing()
    yield r
    r.close()


def base64_of(pem):
    """The 44 characters of a key."""
    der = base64.b64decode("".join(pem.split("\n")[1:-2]))
    return base64.b64encode(der[-32:]).decode()


def as_told(m, key, to, **more):
    """A signed PROPOSAL or step as a relay tells of it."""
    o = {k: v for k, v in m.items() if k not in ("ts", "expires", "id")}
    id = m.get("proposal_id") or m["id"]
    o.update({"proposal_id": id, "from": key.id, "to": to,
              "pubkey": key.base64, "sent_ts": m.get("ts"), "ts": 5})
    if m["type"] == "PROPOSAL":
        o.update(id=id, status="pending", created_at=5)
    o.update(more)
    return {k: v for k, v in o.items() if v is not None}


def test_what_a_relay_has_changed_is_not_agreed_to(lying, started):
    key = Key()
    d = started(Daemon(lying.url, root=directory("d")))
    c = lying.conn()

    def offer(seq, **changes):
        m = signed(key, {"type": "PROPOSAL", "to": c.id, "task": "dig",
                         "terms": "by hand"}, id=proposal_id(), me=key.id)
        c.say(as_told(m, key, c.id, mailbox_seq=seq, msg_id="m%d" % seq,
                      **changes))
        id = m["id"]
        deal = until(lambda: proposals(d).get(id), "the proposal")
        d.outbox({"type": "ACCEPT", "proposal_id": id})
        return id, (deal["verified"], deal["strong"])

    id, says = offer(1)
    assert says == (True, True)
    assert c.wait("ACCEPT", proposal_id=id)["sig2"]
    # Without sig2 nobody signs for the terms: the agent is told.
    id, says = offer(2, terms="with a spoon", sig2=None)
    assert says == (True, False)
    bad = [offer(3, terms="with a spoon"), offer(4, task="dig deep"),
           offer(5, task="dig deep", sig2=None), offer(6, elo_stake=9),
           offer(7, sig2="A" * 88), offer(8, sent_ts=4)]
    until(lambda: len(list((d.dir / "failed").glob("*.reason"))) == len(bad),
          "the refusals")
    for reason in (d.dir / "failed").glob("*.reason"):
        assert "not what the other agent signed" in reason.read_text()
    assert [says for _, says in bad] == [(False, False)] * len(bad)
    assert len(c.of("ACCEPT")) == 2


def test_an_accept_of_something_else_is_not_verified(lying, started):
    key = Key()
    d = started(Daemon(lying.url, root=directory("d")))
    c = lying.conn()
    for n, honest in enumerate((True, False)):
        d.outbox({"type": "PROPOSAL", "to": key.id, "task": "dig %d" % n,
                  "terms": "cheap"})
        mine = c.wait("PROPOSAL", task="dig %d" % n)
        id = mine["id"]
        identity = json.loads((d.dir / "identity.json").read_text())
        me = Key()
        me.id, me.base64 = c.id, base64_of(identity["pubkey"])
        told = as_told(mine, me, key.id, msg_id="p%d" % n)
        c.say(told)
        status(d, id, "pending")
        prev = digest(dict(proposal_of(told), **({} if honest else
                                                 {"terms": "dear"})))
        m = signed(key, {"type": "ACCEPT", "proposal_id": id}, id=id,
                   prev=prev)
        c.say(as_told(m, key, c.id, mailbox_seq=n + 1, msg_id="a%d" % n,
                      prev=prev, status="accepted", updated_at=6))
        deal = status(d, id, "accepted") and proposals(d)[id]
        assert (deal["verified"], deal["strong"]) == (honest, honest)


def test_a_command_does_not_sign_what_a_relay_has_changed(lying, root):
    run("identity", "-g", "-f", root / "b.json")
    me = json.loads(run("identity", "-s", "--json", "-f",
                        root / "b.json").out)["agent_id"]
    key = Key()
    m = signed(key, {"type": "PROPOSAL", "to": me, "task": "dig",
                     "terms": "by hand"}, id=proposal_id())
    lying.newest = as_told(m, key, me, terms="with a spoon")
    p = run("accept", lying.url, m["id"], "-i", root / "b.json")
    assert p.code == 4 and "not signed" in p.err, (p.code, p.err)
    assert not lying.conns[0].of("ACCEPT")


# ------------------------------------------------------------- the commands


def test_commands_through_the_daemon(two):
    a, b = two
    p = run("propose", b.id, "dig", "-a", "2.5", "-c", "EUR", "-p", "pay",
            "-e", "10m", "-t", "terms", "--dir", a.root)
    assert (p.code, p.err) == (0, "")
    id = p.out.strip()
    m = until(lambda: proposals(b).get(id), "the proposal")
    assert (m["amount"], m["currency"], m["terms"]) == (2.5, "EUR", "terms")
    assert m["expires"] == m["created_at"] + 600000
    p = run("accept", id, "-p", "there", "--dir", b.root)
    assert (p.code, p.out, p.err) == (0, "", "")
    p = run("accept", id, "--dir", b.root)
    assert p.code == 4
    assert "INVALID_PROPOSAL: It is accepted: it can be completed" in p.err
    p = run("complete", id, "--proof", "done", "--json", "--dir", b.root)
    assert p.code == 0 and json.loads(p.out)["proof"] == "done"
    id = run("propose", b.id, "more", "--dir", a.root).out.strip()
    until(lambda: id in proposals(b), "the proposal")
    assert run("reject", id, "-r", "no", "--dir", b.root).code == 0
    status(a, id, "rejected")
    assert run("dispute", id, "bad", "--dir", a.root).code == 4
    assert run("dispute", id, "--dir", a.root).code == 2


def test_commands_with_a_relay_make_strong_receipts(relay, root):
    ids, keys = [], []
    for n in "ab":
        keys.append(root / (n + ".json"))
        ids.append(run("identity", "-g", "-f", keys[-1]).out.strip())
    # b is known to the relay once it has proved its key.
    assert run("channels", relay.url, "-i", keys[1]).code == 0
    p = run("propose", relay.url, ids[1], "dig", "-i", keys[0])
    assert p.code == 0, p.err
    id = p.out.strip()
    assert run("accept", relay.url, id, "-i", keys[1]).code == 0
    p = run("complete", relay.url, id, "-i", keys[1], "--json")
    told = json.loads(p.out)
    names = ("type", "proposal_id", "from", "pubkey", "prev", "sig", "sig2")
    end = dict({k: told[k] for k in names}, ts=told["sent_ts"])
    receipt = {"type": "COMPLETE", "proposal_id": id, "complete": end,
               "proposal": told["proposal"], "accept": told["accept"]}
    code, out = verify([receipt], root)
    assert (code, out) == (0, ["line 1: strong: " + id])
    p = run("reject", relay.url, id)
    assert p.code == 1 and "key" in p.err
    p = run("dispute", relay.url, id, "no", "-i", keys[0])
    assert p.code == 4 and "INVALID_PROPOSAL" in p.err


def test_receipts_are_listed_exported_and_summed(two, root):
    a, b = two
    id = deal(a, b, amount=5, currency="USD")
    deal(a, b, amount=2.5, currency="USD")
    deal(a, b, end="DISPUTE")
    p = run("receipts", "list", "--dir", a.root)
    assert p.code == 0 and p.out.count("completed") == 2 and id in p.out
    p = run("receipts", "export", "--dir", a.root)
    assert json.loads(p.out) == lines(a.root / "receipts.jsonl")
    p = run("receipts", "export", "--format", "yaml", "--dir", a.root)
    assert run("receipts", "export", "-f", "yaml", "--dir",
               a.root).out == p.out
    assert p.out.count("-\n") == 3 and '"proposal_id": "%s"' % id in p.out
    p = run("receipts", "summary", "--file", a.root / "receipts.jsonl")
    assert re.search(r"completed +2\ndisputed +1\n", p.out)
    assert "7.5 USD" in p.out
    p = run("receipts", "list", "--dir", a.root, "-i",
            a.dir / "identity.json")
    assert len(p.out.splitlines()) == 3
    run("identity", "-g", "-f", root / "other.json")
    p = run("receipts", "list", "--dir", a.root, "-i", root / "other.json")
    assert (p.code, p.out) == (0, "")
    assert run("receipts", "list", "--dir", root).code == 0
    assert run("receipts", "verify", root / "nosuch").code == 3
