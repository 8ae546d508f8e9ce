"""Relays of other makes, and some that lie: what a daemon meets out there.

They run in the harness's background loop, in this process, so that a test can
look at what came and say what is answered.
"""

import hashlib
import json
import time

import websockets

from harness import DEADLINE, Background, until


class Conn:
    """A session of a daemon with a fake relay."""

    def __init__(self, relay, ws):
        self.relay, self.ws = relay, ws
        self.got = []           # objects, once they have been answered
        self.raw = []           # frames
        self.name = self.id = self.pubkey = None

    async def say_(self, *objects):
        for o in objects:
            await self.ws.send(o if isinstance(o, (str, bytes, list)) else
                               json.dumps(o))

    def say(self, *objects):
        """From the test: send now. A list is one frame in as many pieces."""
        Background.call(self.say_(*objects))

    def close(self, code=1000):
        Background.call(self.ws.close(code))

    def abort(self):
        """As a cable that is cut, but noticed."""
        Background.loop.call_soon_threadsafe(self.ws.transport.abort)

    def of(self, kind):
        return [o for o in list(self.got) if o.get("type") == kind]

    def wait(self, kind, timeout=DEADLINE, **fields):
        """The first object of this kind with these fields that came, and
        has had its answer: what is said from now on comes after it."""
        return until(lambda: next(
            (o for o in self.of(kind)
             if all(o.get(k) == v for k, v in fields.items())), None),
            lambda: "%s %s from the daemon, came %s" %
            (kind, fields, self.got[-5:]), timeout)


class FakeRelay:
    subprotocols = None

    def __init__(self, ssl=None, port=0):
        self.conns = []
        self.members = {}

        async def open_():
            return await websockets.serve(
                self.serve, "127.0.0.1", port, ping_interval=None,
                max_size=None, subprotocols=self.subprotocols, ssl=ssl)
        self.server = Background.call(open_())
        self.port = self.server.sockets[0].getsockname()[1]
        self.url = "%s://127.0.0.1:%d" % ("wss" if ssl else "ws", self.port)

    def close(self):
        async def end():
            self.server.close()
            await self.server.wait_closed()
        Background.call(end())

    async def serve(self, ws, path=None):
        c = Conn(self, ws)
        self.conns.append(c)
        try:
            async for frame in ws:
                c.raw.append(frame)
                for line in frame.split("\n"):
                    o = json.loads(line)
                    try:
                        await self.on(c, o)
                    finally:
                        c.got.append(o)
        except websockets.ConnectionClosed:
            pass
        finally:
            for m in self.members.values():
                m.discard(c)

    def conn(self, n=0, timeout=DEADLINE):
        """The nth connection, once its IDENTIFY has been answered."""
        until(lambda: len(self.conns) > n and self.conns[n].of("IDENTIFY"),
              lambda: "connection %d, had %d" % (n, len(self.conns)), timeout)
        return self.conns[n]

    async def on(self, c, o):
        handler = getattr(self, "on_" + o["type"], None)
        if handler:
            await handler(c, o)

    async def on_PING(self, c, o):
        await c.say_({"type": "PONG"})


class NodeRelay(FakeRelay):
    """As agentchat 0.7 in Node: no seq, no re, no id, no caps; the newest 20
    messages of a channel come again at each JOIN."""

    channels = ("#general", "#agents")

    def __init__(self, **kw):
        self.history = {name: [] for name in self.channels}
        self.refuse = []        # codes to answer the next MSGs with
        self.deaf = False       # take MSGs and say nothing
        self.count = 0
        super().__init__(**kw)

    async def error(self, c, code, message="Said no."):
        await c.say_({"type": "ERROR", "code": code, "message": message})

    async def on_IDENTIFY(self, c, o):
        self.count += 1
        c.id, c.pubkey = "@daemon%02d" % self.count, o.get("pubkey")
        c.name = o["name"]
        await c.say_({"type": "WELCOME", "agent_id": c.id, "server": "node"})

    async def on_JOIN(self, c, o):
        name = o["channel"]
        if name not in self.history:
            return await self.error(c, "CHANNEL_NOT_FOUND")
        self.members.setdefault(name, set()).add(c)
        await c.say_({"type": "JOINED", "channel": name, "agents": [
            m.id for m in self.members[name]]})
        for m in self.history[name][-20:]:
            await c.say_(dict(m, replay=True))

    async def on_CREATE_CHANNEL(self, c, o):
        self.history[o["channel"]] = []
        self.members.setdefault(o["channel"], set()).add(c)
        await c.say_({"type": "JOINED", "channel": o["channel"],
                      "agents": [c.id]})

    async def publish(self, m):
        self.history[m["to"]].append(m)
        for member in list(self.members.get(m["to"], ())):
            await member.say_(m)

    def post(self, channel, content, sender="@stranger"):
        """From the test: somebody else says something."""
        Background.call(self.publish({
            "type": "MSG", "from": sender, "to": channel,
            "content": content, "ts": int(time.time() * 1000)}))

    async def on_MSG(self, c, o):
        if self.deaf:
            return
        if self.refuse:
            return await self.error(c, self.refuse.pop(0))
        m = {"type": "MSG", "from": c.id, "to": o["to"],
             "content": o["content"], "ts": int(time.time() * 1000)}
        if "sig" in o:
            m["sig"] = o["sig"]
        if o["to"] in self.history:
            await self.publish(m)
        elif o["to"].startswith("#"):
            await self.error(c, "CHANNEL_NOT_FOUND")
        elif o["to"] == "@stranger":
            await c.say_(m)
        else:
            await self.error(c, "AGENT_NOT_FOUND")


class OurRelay(FakeRelay):
    """As our own relay, from a script: numbers, resume, STORED when told."""

    subprotocols = ["agentchat.ndjson"]

    def __init__(self, **kw):
        self.epoch = "e1"
        self.channels = {"#general": [], "#agents": []}
        self.stored = True      # say STORED at once
        self.silent = False     # answer no MSG at all
        self.verify = True
        self.rate, self.burst = 10000, 10000
        self.j = 0
        super().__init__(**kw)

    async def on_IDENTIFY(self, c, o):
        c.pubkey, c.id = o.get("pubkey"), "@0000feed"
        c.name = o["name"]
        await self.welcome(c)

    async def welcome(self, c):
        await c.say_({"type": "WELCOME", "agent_id": c.id, "server": "ours",
                      "name": c.name, "verified": not self.verify,
                      "epoch": self.epoch, "caps": ["ack", "stored"],
                      "rate": {"per_second": self.rate,
                               "burst": self.burst},
                      "limits": {"content": 4096, "frame": 65536}})
        if self.verify:
            await c.say_({"type": "VERIFIED", "agent_id": c.id})

    def message(self, channel, seq, content, sender="@stranger", **more):
        return dict({"type": "MSG", "from": sender, "to": channel,
                     "content": content, "seq": seq,
                     "ts": 1700000000000 + seq,
                     "msg_id": "%s-%s-%d" % (self.epoch, channel[1:], seq)},
                    **more)

    def mail(self, to, seq, content, sender="@1f3a9c02", **more):
        """As message(), to an agent that may be away."""
        return dict({"type": "MSG", "from": sender, "to": to,
                     "content": content, "mailbox_seq": seq,
                     "ts": 1700000000000 + seq,
                     "msg_id": "%s-mail-%d" % (self.epoch, seq)}, **more)

    def add(self, channel, *contents):
        """Into the history, told to nobody: they come by JOIN."""
        for content in contents:
            h = self.channels[channel]
            h.append(self.message(channel, len(h) + 1, content))

    async def on_JOIN(self, c, o):
        name = o["channel"]
        h = self.channels.get(name)
        if h is None:
            return await c.say_({
                "type": "ERROR", "code": "CHANNEL_NOT_FOUND", "message":
                "No such channel.", "re": o.get("id")})
        self.members.setdefault(name, set()).add(c)
        await c.say_({"type": "JOINED", "channel": name, "agents": [c.id],
                      "names": {c.id: c.name},
                      "seq": h[-1]["seq"] if h else 0})
        if o.get("epoch") == self.epoch:
            again = [m for m in h if m["seq"] > o.get("since", 0)]
        elif "since" in o:
            await c.say_({"type": "GAP", "channel": name,
                          "epoch": self.epoch})
            again = h
        else:
            again = h[-20:]
        for m in again:
            await c.say_(dict(m, replay=True))

    async def on_MSG(self, c, o):
        if self.silent:
            return
        h = self.channels.get(o["to"])
        if h is None:
            return await c.say_({
                "type": "ERROR", "code": "AGENT_NOT_FOUND", "message":
                "No such agent.", "re": o["id"]})
        m = next((m for m in h if m.get("id") == o["id"]), None)
        if m is None:
            m = self.message(o["to"], len(h) + 1, o["content"], c.id,
                             id=o["id"])
            h.append(m)
        self.j += 1
        await c.say_(dict(m, j=self.j))
        if self.stored:
            await c.say_({"type": "STORED", "j": self.j})


class Postman(OurRelay):
    """Gives a daemon the id and the mail that it is told to."""

    async def on_IDENTIFY(self, c, o):
        c.pubkey, c.name = o.get("pubkey"), o["name"]
        c.id = "@" + hashlib.sha256(c.pubkey.encode()).hexdigest()[:8]
        await self.welcome(c)
