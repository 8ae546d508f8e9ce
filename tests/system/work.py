"""The signed texts of work, written from agentchat-protocol(7) alone."""

import hashlib
import json
import time

from harness import Agent, Key

STEPS = ("ACCEPT", "REJECT", "COMPLETE", "DISPUTE")


def number(x):
    """As JavaScript prints it (of the numbers that these tests use)."""
    if isinstance(x, float) and x == int(x) and abs(x) < 1e21:
        x = int(x)
    return json.dumps(x)


def canon(o):
    """Canonical JSON: keys sorted by UTF-16 unit, nothing between."""
    if isinstance(o, dict):
        return "{%s}" % ",".join(
            "%s:%s" % (canon(k), canon(o[k])) for k in
            sorted(o, key=lambda k: k.encode("utf-16-be")))
    if isinstance(o, (int, float)) and not isinstance(o, bool):
        return number(o)
    if isinstance(o, list):
        return "[%s]" % ",".join(map(canon, o))
    return json.dumps(o, ensure_ascii=False)


def digest(o):
    """What `prev` is: SHA-256 of a step's text."""
    bare = {k: v for k, v in o.items() if k not in ("sig", "sig2")}
    return hashlib.sha256(canon(bare).encode()).hexdigest()


def plain(m, id="", stake=False, zeros=False):
    """The published text of sig."""
    def text(name):
        x = m.get(name)
        if x is None or (x == 0 and not zeros):
            return ""
        return x if isinstance(x, str) else number(x)
    t = m["type"]
    if t == "PROPOSAL":
        names = ["to", "task", "amount", "currency", "payment_code",
                 "expires"] + (["elo_stake"] if stake else [])
        return "|".join(map(text, names))
    names = {"ACCEPT": ["payment_code"] + (["elo_stake"] if stake else []),
             "REJECT": ["reason"], "COMPLETE": ["proof"],
             "DISPUTE": ["reason"]}[t]
    return "|".join([t, id] + list(map(text, names)))


def proposal_id(now=None):
    n, text = int((now or time.time()) * 1000), ""
    while n:
        text = "0123456789abcdefghijklmnopqrstuvwxyz"[n % 36] + text
        n //= 36
    return "prop_%s_%s" % (text, hashlib.sha256(
        str(time.monotonic_ns()).encode()).hexdigest()[:8])


def signed(key, m, id=None, prev=None, strong=True, me=None, **form):
    """The message with its signatures. A step's text is kept in .text."""
    m = dict(m)
    core = {k: v for k, v in m.items() if k != "id" and v is not None}
    m["sig"] = key.sign(plain(m, id or "", **form))
    if strong:
        m.setdefault("ts", int(time.time() * 1000))
        core["ts"] = m["ts"]
        core.update({"from": me or key.id, "pubkey": key.base64})
        if m["type"] == "PROPOSAL":
            m["id"] = core["id"] = id
        else:
            core["prev"] = prev
        m["sig2"] = key.sign(canon(core))
    return m


def proposal_of(told):
    """The step object that a relayed PROPOSAL tells of."""
    names = ("id", "from", "to", "pubkey", "task", "amount", "currency",
             "payment_code", "terms", "elo_stake", "sig", "sig2")
    o = {k: told[k] for k in names if k in told}
    o["type"] = "PROPOSAL"
    if "expires_in" in told:
        o["expires"] = told["expires_in"]
    o["ts"] = told["sent_ts"]
    return o


def step_of(told):
    names = ("type", "proposal_id", "from", "pubkey", "prev", "payment_code",
             "elo_stake", "proof", "reason", "sig", "sig2")
    o = {k: told[k] for k in names if k in told}
    o["ts"] = told["sent_ts"]
    return o


class Worker(Agent):
    """An agent that signs."""

    def __init__(self, relay, name="worker", key=None, **kw):
        super().__init__(relay, name, key=key or Key(), **kw)

    def propose(self, to, task="dig", strong=True, form=None, **fields):
        """Send a PROPOSAL, and the echo of it."""
        m = dict(type="PROPOSAL", to=getattr(to, "id", to), task=task,
                 **fields)
        m = signed(self.key, m, id=proposal_id(), strong=strong,
                   me=self.id, **(form or {}))
        self.send(**m)
        return self.expect("PROPOSAL", **{"from": self.id})

    def step(self, type, deal, strong=True, form=None, wait=True, **fields):
        """Make a step on what a relay has told last of a deal."""
        id = deal["proposal_id"]
        prev = digest(proposal_of(deal) if deal["type"] == "PROPOSAL"
                      else step_of(deal))
        m = dict(type=type, proposal_id=id, **fields)
        m = signed(self.key, m, id=id, prev=prev, strong=strong,
                   me=self.id, **(form or {}))
        self.send(**m)
        return self.expect(type, proposal_id=id) if wait else None
