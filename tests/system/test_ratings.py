"""Receipts and what they make of ratings. The formula is written here from
agentchat-protocol(7) alone, so that two implementations have to agree."""

import json
import math
import random
import re
import subprocess

import pytest

import harness
from harness import Key, load, run
from work import canon, digest, plain


def rate(deals):
    """The formula, from the manual: [(a, b, outcome, amount)]."""
    r, n = {}, {}

    def half_up(x):
        return math.floor(x + 0.5)

    def k(x, amount):
        base = 32 if n[x] < 30 else 24 if n[x] < 100 else 16
        if amount:
            return base * min(1 + math.log10(amount + 1), 3)
        return base

    for a, b, outcome, amount in deals:
        for x in (a, b):
            r.setdefault(x, 1200)
            n.setdefault(x, 0)
        ea = 1 / (1 + 10 ** ((r[b] - r[a]) / 400))
        eb = 1 / (1 + 10 ** ((r[a] - r[b]) / 400))
        ka, kb = k(a, amount), k(b, amount)
        if outcome == "done":
            da, db = (max(1, half_up(ka * (1 - ea))),
                      max(1, half_up(kb * (1 - eb))))
        elif outcome == "fault":
            loss = max(1, half_up(ka * ea))
            da, db = -loss, half_up(loss / 2)
        else:
            da, db = (-max(1, half_up(ka * ea)), -max(1, half_up(kb * eb)))
        for x, d in ((a, da), (b, db)):
            r[x] = max(100, r[x] + d)
            n[x] += 1
    return {x: (r[x], n[x]) for x in r}


MIXED = ["done", "done", "fault", "both"]


def random_deals(rnd, agents, count, outcomes=MIXED):
    amounts = [0, 0, 0.5, 1, 9, 99, 100, 1e6, 3.75]
    for _ in range(count):
        a, b = rnd.sample(agents, 2)
        yield a, b, rnd.choice(outcomes), rnd.choice(amounts)


@pytest.mark.parametrize("seed, agents, outcomes", [
    (1, 8, ["fault", "both"]), (2, 40, MIXED), (3, 400, MIXED)])
def test_10000_deals_of_all_outcomes_are_rated_as_the_formula_says(seed, agents, outcomes):
    """Through the library's own rule: no receipt of today's says that nobody
    in particular is at fault."""
    program = harness.AGENTCHAT.rsplit("/", 1)[0] + "/tests/system/elo"
    names = ["@a%d" % i for i in range(agents)]
    deals = list(random_deals(random.Random(seed), names, 10000, outcomes))
    text = "".join("%s %s %s %r\n" % d for d in deals)
    out = subprocess.run([program], input=text, text=True,
                         capture_output=True, check=True).stdout
    got = {x: (int(r), int(n)) for x, r, n in
           (line.split() for line in out.splitlines())}
    want = rate(deals)
    assert got == want
    # The floor has been met, and every K.
    assert min(r for r, n in want.values()) == 100 or outcomes is MIXED
    assert max(n for r, n in want.values()) > 100 or agents == 400


def receipt(rnd, a, b, by, end, amount, ts, strong):
    """A receipt as two agents and a relay would make it."""
    id = "prop_%x_%08x" % (ts, rnd.getrandbits(32))

    def step(key, m):
        m.update({"from": key.id, "pubkey": key.base64, "ts": ts})
        text = canon(m)
        m["sig"] = key.sign(plain(m, id))
        if strong:
            m["sig2"] = key.sign(text)
        return m
    p = {"type": "PROPOSAL", "id": id, "to": b.id, "task": "t"}
    if amount:
        p["amount"] = amount
    p = step(a, p)
    c = step(b, {"type": "ACCEPT", "proposal_id": id, "prev": digest(p)})
    e = {"type": end, "proposal_id": id, "prev": digest(c)}
    if end == "DISPUTE":
        e["reason"] = "bad"
    e = step(by, e)
    return {"type": end, "proposal_id": id, "proposal": p, "accept": c,
            end.lower(): e}


def ratings_of(path, root, *args):
    out = root / "ratings.json"
    p = run("ratings", "-r", "-e", "--receipts", path, "--file", out, *args,
            timeout=120)
    assert p.code == 0, p.err
    assert json.loads(p.out) == load(out)
    return {x: (v["rating"], v["transactions"])
            for x, v in load(out).items()}


def test_receipts_are_rated_whatever_their_order_and_once(root):
    rnd = random.Random(7)
    keys = {k.id: k for k in (Key() for _ in range(6))}
    deals, papers = [], []
    for n, (a, b, outcome, amount) in enumerate(random_deals(
            rnd, sorted(keys), 700)):
        if outcome == "both":
            continue
        a, b = keys[a], keys[b]
        # In the model the first loses; here who disputes is at either end.
        first = rnd.random() < .5
        if outcome == "done":
            paper = receipt(rnd, a, b, rnd.choice([a, b]), "COMPLETE",
                            amount, n + 1, n % 2 == 0)
        else:
            paper = receipt(rnd, b if first else a, a if first else b, b,
                            "DISPUTE", amount, n + 1, n % 2 == 0)
        deals.append((a.id, b.id, outcome, amount))
        papers.append(paper)
    want = rate(deals)
    assert max(n for r, n in want.values()) > 100
    strong = rate([d for d, p in zip(deals, papers)
                   if "sig2" in p["proposal"]])
    # Twice, out of order, and among what must not count.
    all_ = [json.dumps(p) for p in papers + papers[:200]]
    me = rnd.choice(list(keys.values()))
    other = rnd.choice([k for k in keys.values() if k is not me])
    all_.append(json.dumps(receipt(rnd, me, me, me, "COMPLETE", 99, 5, True)))
    forged = receipt(rnd, me, other, me, "COMPLETE", 99, 6, True)
    forged["accept"]["sig"] = me.sign("ACCEPT|%s|" % forged["proposal_id"])
    all_.append(json.dumps(forged))
    all_ += ["", "not JSON", "{}", '{"type":"COMPLETE"}']
    rnd.shuffle(all_)
    path = root / "receipts.jsonl"
    path.write_text("\n".join(all_))
    assert ratings_of(path, root) == want
    assert ratings_of(path, root, "--strong") == strong


def quarrels_and_business(rnd, few, many, count):
    """Deals as (a, b, outcome, amount, ts): a few agents that only dispute,
    with each other, so that they meet the floor, and many, some of whom work
    far more than others do. Several at one time, too."""
    weights = [1 / (i + 1) for i in range(len(many))]
    amounts = [0, 0, 0.01, 1, 9, 99, 100, 1e6, 1e21, 3.75]
    for n in range(count):
        quarrel = rnd.random() < .25
        a, b = rnd.sample(few, 2) if quarrel else \
            rnd.choices(many, weights, k=2)
        while a == b:
            b = rnd.choice(many)
        yield (a, b, "fault" if quarrel else rnd.choice(MIXED[:3]),
               rnd.choice(amounts), 1 + n // 3)


def test_10000_random_receipts_are_rated_as_the_formula_says(root):
    """Signed as agents sign them; who disputes may have proposed or not."""
    rnd = random.Random(11)
    keys = {k.id: k for k in (Key() for _ in range(410))}
    ids = sorted(keys)
    deals = []
    with open(root / "receipts.jsonl", "w") as f:
        papers = []
        for n, (a, b, outcome, amount, ts) in enumerate(
                quarrels_and_business(rnd, ids[:10], ids[10:], 10000)):
            ends = [a, b] if rnd.random() < .5 else [b, a]
            by = rnd.choice(ends) if outcome == "done" else b
            paper = receipt(rnd, keys[ends[0]], keys[ends[1]], keys[by],
                            "COMPLETE" if outcome == "done" else "DISPUTE",
                            amount, ts, n % 2 == 0)
            deals.append((ts, *ends, paper["proposal_id"],
                          (a, b, outcome, amount)))
            papers.append(json.dumps(paper) + "\n")
        rnd.shuffle(papers)
        f.writelines(papers)
    want = rate([d[-1] for d in sorted(deals)])
    # Every K has been used, the floor met, and halves were rounded.
    assert min(r for r, n in want.values()) == 100
    assert len({(n >= 30) + (n >= 100) for r, n in want.values()}) == 3
    assert sum(n for r, n in want.values()) == 20000
    assert ratings_of(root / "receipts.jsonl", root) == want


def test_ratings_are_shown(root):
    (root / "ratings.json").write_text(json.dumps({
        "@a": {"rating": 1250, "transactions": 4},
        "@b": {"rating": 1100, "transactions": 2},
        "@c": {"rating": 1300, "transactions": 2}}))
    file = ("--file", root / "ratings.json")
    assert run("ratings", *file).out.split() == [
        "@c", "1300", "2", "@a", "1250", "4", "@b", "1100", "2"]
    assert run("ratings", "@b", *file).out.split() == ["@b", "1100", "2"]
    assert run("ratings", "@zz", *file).out.split() == ["@zz", "1200", "0"]
    assert run("ratings", "-l", "1", *file).out.split() == ["@c", "1300", "2"]
    key = root / "key.json"
    id = run("identity", "-g", "-f", key).out.strip()
    assert run("ratings", "-i", key, *file).out.split() == [id, "1200", "0"]
    assert run("ratings", "-i", key, "@b", *file).code == 2
    assert run("ratings", "-i", root / "no", *file).code == 3
    out = run("ratings", "-s", *file).out
    assert re.search(r"agents +3\ntransactions +4\nhighest +1300", out)
    assert json.loads(run("ratings", "-e", *file).out)["@a"]["rating"] == 1250
    (root / "ratings.json").write_text("[]")
    assert run("ratings", *file).code == 1
