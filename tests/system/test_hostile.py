"""Hostile and broken clients: the offender gets an ERROR or a close, everybody
else notices nothing, and the relay lives on."""

import json
import pathlib
import struct
import threading

import pytest

import harness
from harness import (BINARY, CLOSE, PING, PONG, TEXT, Agent, Raw, Relay,
                     frame, fresh)

ELSEWHERE = "127.0.0.2"     # an address whose quota others do not share


class Pair:
    """Two well-behaved agents who keep talking."""

    def __init__(self, relay):
        self.relay = relay
        self.channel = fresh()
        self.a, self.b = Agent(relay, "good-a"), Agent(relay, "good-b")
        self.a.create(self.channel)
        self.b.join(self.channel)
        self.a.expect("AGENT_JOINED")
        self.n = 0

    def talk(self):
        self.n += 1
        for one, other in ((self.a, self.b), (self.b, self.a)):
            text = "%s %d" % (one.name, self.n)
            echo = one.msg(self.channel, text)
            m = other.expect("MSG")
            assert (m["content"], m["seq"]) == (text, echo["seq"])
            assert not one.passed and not other.passed, (
                one.passed, other.passed)

    def still_well(self):
        self.talk()
        assert self.relay.alive(), self.relay.err[-4000:]
        # and newcomers get in
        x = Agent(self.relay, "newcomer")
        x.nothing()
        x.close()


@pytest.fixture
def pair(relay):
    p = Pair(relay)
    p.talk()
    yield p
    p.still_well()


def ident():
    return frame(json.dumps({"type": "IDENTIFY", "name": "raw"}))


def msg(text):
    return json.dumps({"type": "MSG", "to": "#general", "content": text})


# ----------------------------------------------------------- hostile text

DEEP = '{"type":"PING","x":' + "[" * 1100 + "]" * 1100 + "}"
DEEP_OBJECTS = '{"type":"PING","x":' + '{"a":' * 1100 + "1" + "}" * 1101
KEYS = "{" + ",".join('"k%d":1' % n for n in range(6000)) + \
    ',"type":"PING"}'

TEXTS = {
    "null": "null",
    "list": "[]",
    "number-as-target": '{"type":"MSG","to":5}',
    "deep-lists": DEEP,
    "deep-objects": DEEP_OBJECTS,
    "open-brackets": "[" * 60000,
    "open-objects": '{"a":' * 10000,
    "many-keys": KEYS,
    "duplicate-type": '{"type":"PING","type":"PING"}',
    "duplicate-from": '{"type":"MSG","from":"@a","from":"@b",'
                      '"to":"#general","content":"x"}',
    "duplicate-escaped": '{"type":"PING","ty\\u0070e":"PING"}',
    "lone-high": '{"type":"MSG","to":"#general","content":"\\ud800"}',
    "lone-low": '{"type":"MSG","to":"#general","content":"a\\udc00b"}',
    "swapped-pair": '{"type":"MSG","to":"#general",'
                    '"content":"\\udc00\\ud800"}',
    "nul": '{"type":"MSG","to":"#general","content":"a\\u0000b"}',
    "nul-in-key": '{"type":"PING","a\\u0000b":1}',
    "nul-in-target": '{"type":"MSG","to":"#general\\u0000x",'
                     '"content":"x"}',
    "raw-nul": '{"type":"PING"}\0',
    "raw-control": '{"type":"MSG","to":"#general","content":"a\x01b"}',
    "trailing": '{"type":"PING"}{"type":"PING"}',
    "huge-number": '{"type":"JOIN","channel":"#general","since":1e999}',
    "long-number": '{"type":"JOIN","channel":"#general","since":' +
                   "9" * 60000 + "}",
    "path-channel": '{"type":"CREATE_CHANNEL","channel":"#../../etc"}',
    "path-target": '{"type":"MSG","to":"@../../x","content":"x"}',
    "long-target": '{"type":"MSG","to":"@' + "x" * 300 +
                   '","content":"x"}',
    "long-type": '{"type":"' + "X" * 60000 + '"}',
    "server-type": '{"type":"STORED","j":1}',
    "format-string": '{"type":"%s%s%s%n%n%n"}',
    "bom": '\ufeff{"type":"PING"}',
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("identified", [True, False])
def test_bad_text_gets_an_error(pair, name, identified):
    bad = Agent(pair.relay, "bad", identify=identified, source=ELSEWHERE)
    bad.text(TEXTS[name])
    got = bad.next()
    if isinstance(got, harness.Closed):
        assert got.code in (1002, 1003, 1007, 1008, 1009), got
        return
    assert got["type"] == "ERROR", got
    assert got["code"] in ("INVALID_MSG", "INVALID_NAME", "AUTH_REQUIRED",
                           "AGENT_NOT_FOUND"), got
    if not identified:
        bad.identify()      # one mistake is no reason to be shut out
    bad.nothing("MSG", "JOINED")
    bad.join("#general")


def test_a_bad_line_among_good_ones(pair):
    bad = Agent(pair.relay, source=ELSEWHERE)
    bad.text('{"type":"PING"}\nnull\n{"type":"PING"}\n[]\n')
    assert bad.next()["type"] == "PONG"
    assert bad.next()["code"] == "INVALID_MSG"
    assert bad.next()["type"] == "PONG"
    assert bad.next()["code"] == "INVALID_MSG"


def test_errors_do_not_cost_others_a_reply(pair):
    """Five hundred mistakes at once, each answered or the door closed."""
    bad = Agent(pair.relay, source=ELSEWHERE)
    try:
        bad.send_many("null" for _ in range(500))
    except Exception:
        pass            # hung up on while sending
    first = bad.next()
    assert isinstance(first, harness.Closed) or first["type"] == "ERROR"
    pair.talk()


# --------------------------------------------------------- hostile frames


@pytest.mark.parametrize("identified", [True, False])
@pytest.mark.parametrize("length", [65536 + 200, 1 << 20, 8 << 20])
def test_larger_frames_close_with_1009(pair, identified, length):
    with Raw(pair.relay, ELSEWHERE) as bad:
        bad.identify() if identified else bad.handshake()
        bad.send(frame(b"x" * length))
        code, texts = bad.ends()
        assert code in (1009, None), code   # None: reset while we sent
        if length < 1 << 20:
            assert code == 1009


def test_a_frame_of_full_size_is_fine(pair):
    good = Agent(pair.relay, source=ELSEWHERE)
    m = json.dumps({"type": "PING"})
    good.text(m + " " * (65536 - len(m)))
    good.expect("PONG")


def test_a_megabyte_of_garbage_instead_of_http(pair):
    with Raw(pair.relay, ELSEWHERE) as bad:
        bad.send(bytes(range(256)) * 4096)
        while bad.more():
            pass


def test_a_megabyte_of_garbage_instead_of_frames(pair):
    with Raw(pair.relay, ELSEWHERE) as bad:
        bad.identify()
        bad.send(bytes(range(255, -1, -1)) * 4096)
        code, texts = bad.ends()
        assert code in (1002, 1007, 1009, None)
        assert all(m["type"] == "ERROR" for m in texts)


def test_bytes_one_by_one_are_one_message(pair):
    with Raw(pair.relay, ELSEWHERE) as slow:
        data = slow.request()
        for n in range(len(data)):
            slow.send(data[n:n + 1])
        assert slow.status() == 101
        for data in (ident(), frame('{"type":"JOIN","channel":"#general"}'),
                     frame(msg("in pieces"))):
            for n in range(len(data)):
                slow.send(data[n:n + 1])
        types = []
        while True:
            m = slow.message()
            types.append(m["type"])
            if m["type"] == "MSG" and not m.get("replay"):
                assert m["content"] == "in pieces"
                break
        assert types[:2] == ["WELCOME", "JOINED"]


def test_many_frames_in_one_packet(pair):
    with Raw(pair.relay, ELSEWHERE) as bad:
        bad.identify()
        bad.send(frame('{"type":"PING"}') * 500)
        for _ in range(500):
            assert bad.message()["type"] == "PONG"


def test_fragments_make_one_message(pair):
    with Raw(pair.relay, ELSEWHERE) as good:
        good.identify()
        text = '{"type":"PING"}'
        data = b"".join(frame(c, TEXT if n == 0 else 0,
                              fin=n == len(text) - 1)
                        for n, c in enumerate(text))
        good.send(data)
        assert good.message()["type"] == "PONG"
        # A control frame between fragments is legal.
        good.send(frame('{"type":', fin=False) + frame("hey", PING) +
                  frame('"PING"}', 0))
        assert sorted([good.read(), good.read()]) == \
            [(TEXT, b'{"type":"PONG"}'), (PONG, b"hey")]


def test_utf8_split_between_fragments_is_whole(pair):
    data = json.dumps({"type": "MSG", "to": "#general", "content":
                       "\u20ac\U0001f600"}, ensure_ascii=False).encode()
    with Raw(pair.relay, ELSEWHERE) as good:
        good.identify()
        good.send(frame('{"type":"JOIN","channel":"#general"}'))
        good.send(b"".join(frame(data[n:n + 1], TEXT if n == 0 else 0,
                                 fin=n == len(data) - 1)
                           for n in range(len(data))))
        while True:
            m = good.message()
            assert m["type"] != "ERROR", m
            if m["type"] == "MSG" and m["content"] == "\u20ac\U0001f600":
                break


def test_endless_fragments_are_closed(pair):
    with Raw(pair.relay, ELSEWHERE) as bad:
        bad.identify()
        bad.send(frame("x" * 1000, fin=False))
        for _ in range(100):
            if not bad.send(frame("x" * 1000, 0, fin=False)):
                break
        code, _ = bad.ends()
        assert code in (1009, None)


def test_endless_empty_fragments_do_no_harm(pair):
    with Raw(pair.relay, ELSEWHERE) as bad:
        bad.identify()
        bad.send(frame("", fin=False) + frame("", 0, fin=False) * 5000)
        pair.talk()


INVALID_UTF8 = {
    "ff": b"\xff",
    "overlong": b"\xc0\xaf",
    "overlong-nul": b"\xc0\x80",
    "surrogate": b"\xed\xa0\x80",
    "too-high": b"\xf4\x90\x80\x80",
    "cut": b"\xe2\x82",
    "stray": b"\x80",
}


@pytest.mark.parametrize("name", INVALID_UTF8)
def test_invalid_utf8_closes_with_1007(pair, name):
    with Raw(pair.relay, ELSEWHERE) as bad:
        bad.identify()
        bad.send(frame(b'{"type":"MSG","to":"#general","content":"' +
                       INVALID_UTF8[name] + b'"}'))
        code, texts = bad.ends()
        assert code == 1007, (code, texts)


PROTOCOL_ERRORS = {
    "reserved-bit-1": frame('{"type":"PING"}', rsv=4),
    "reserved-bit-2": frame('{"type":"PING"}', rsv=2),
    "reserved-bit-3": frame('{"type":"PING"}', rsv=1),
    "reserved-opcode-3": frame("x", 3),
    "reserved-opcode-7": frame("x", 7),
    "reserved-opcode-11": frame("x", 11),
    "oversized-ping": frame("x" * 126, PING),
    "oversized-close": frame(struct.pack(">H", 1000) + b"x" * 200, CLOSE),
    "fragmented-ping": frame("x", PING, fin=False),
    "continuation-of-nothing": frame('{"type":"PING"}', 0),
    "new-message-inside-another": frame('{"type":', fin=False) +
    frame('{"type":"PING"}'),
}


@pytest.mark.parametrize("name", PROTOCOL_ERRORS)
def test_protocol_errors_close_with_1002(pair, name):
    with Raw(pair.relay, ELSEWHERE) as bad:
        bad.identify()
        bad.send(PROTOCOL_ERRORS[name])
        code, texts = bad.ends()
        # No close frame is a close as well; another code would be a lie.
        assert code in (1002, None), (code, texts)
        assert not [m for m in texts if m["type"] == "PONG"]


def test_an_unmasked_frame_harms_nobody(pair):
    """It ought to be closed with 1002; libwebsockets reads it all the same,
    and doesn't tell. What it must not do is confuse what follows."""
    with Raw(pair.relay, ELSEWHERE) as bad:
        bad.identify()
        bad.send(frame('{"type":"PING"}', masked=False) +
                 frame('{"type":"NOPE"}'))
        op, payload = bad.read()
        if op == TEXT:
            assert json.loads(payload)["type"] == "PONG"
            assert bad.message()["code"] == "INVALID_MSG"
        else:
            assert op in (CLOSE, None)


CLOSES = {
    "empty": b"",
    "1000": struct.pack(">H", 1000),
    "1000-bye": struct.pack(">H", 1000) + b"bye",
    "one-byte": b"x",
    "0": struct.pack(">H", 0),
    "1005": struct.pack(">H", 1005),
    "65535": struct.pack(">H", 65535),
    "invalid-utf8": struct.pack(">H", 1000) + b"\xff\xff",
}


@pytest.mark.parametrize("name", CLOSES)
def test_close_frames_of_every_kind_end_it(pair, name):
    with Raw(pair.relay, ELSEWHERE) as bad:
        bad.identify()
        bad.send(frame(CLOSES[name], CLOSE))
        bad.ends()


def test_binary_frames_are_not_taken_for_text(pair):
    with Raw(pair.relay, ELSEWHERE) as bad:
        bad.identify()
        bad.send(frame(b"\0\1\2", BINARY))
        op, payload = bad.read()
        if op == TEXT:
            assert json.loads(payload)["code"] == "INVALID_MSG"
        else:
            assert op in (CLOSE, None)


def test_negative_and_absurd_lengths(pair):
    for length in (1 << 63, (1 << 63) - 1, 1 << 40):
        with Raw(pair.relay, ELSEWHERE) as bad:
            bad.identify()
            bad.send(frame(b"x" * 100, length=length))
            code, _ = bad.ends()
            assert code in (1002, 1009, None)


# ------------------------------------------------------- hostile handshakes


@pytest.mark.parametrize("upgrade", ["h2c", "foo", "WebSocket2", "",
                                     "websocket, h2c", "h2c, websocket"])
def test_other_upgrades_are_refused(pair, upgrade):
    with Raw(pair.relay, ELSEWHERE) as bad:
        bad.send(bad.request(upgrade=upgrade, extra="HTTP2-Settings: AAMAAABk"
                             "AAQAAP__\r\n" if "h2c" in upgrade else ""))
        assert bad.status() != 101


REQUESTS = {
    "empty-lines": b"\r\n\r\n",
    "no-path": b"GET\r\n\r\n",
    "no-headers": b"GET / HTTP/1.1\r\n\r\n",
    "post": b"POST / HTTP/1.1\r\nHost: x\r\n"
            b"Content-Length: 99999999\r\n\r\n",
    "http-9": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "long-path": b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "many-headers": b"GET / HTTP/1.1\r\n" + b"X-H: y\r\n" * 5000 + b"\r\n",
    "control-bytes": b"GET / HTTP/1.1\r\nHost: x\r\n\x00\x01: y\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
    "http2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 100,
}


@pytest.mark.parametrize("name", REQUESTS)
def test_other_requests_do_not_upgrade(pair, name):
    with Raw(pair.relay, ELSEWHERE) as bad:
        bad.send(REQUESTS[name])
        bad.finish()
        assert b" 101 " not in bad.buffer[:20]


def test_half_open_handshakes_keep_nobody_out(pair):
    """Fifty that send half a request: others still get in, and in the end
    the fifty are thrown out."""
    half = [Raw(pair.relay, "127.0.0.3") for _ in range(50)]
    for raw in half:
        raw.send(b"GET / HTTP/1.1\r\nHost: x\r\nUpgr")
    pair.still_well()
    for raw in half:
        while raw.more():
            pass
        raw.sock.close()


def test_who_never_identifies_is_thrown_out(pair):
    mute = [Raw(pair.relay, "127.0.0.4").handshake() for _ in range(8)]
    pair.still_well()
    for raw in mute:
        code, texts = raw.ends()
        assert all(m["type"] == "ERROR" for m in texts), texts
        raw.sock.close()


def test_unidentified_connections_of_an_address_are_bounded(pair):
    many = []
    refused = 0
    for _ in range(40):
        raw = Raw(pair.relay, "127.0.0.5")
        raw.send(raw.request())
        many.append(raw)
        if raw.status() != 101:
            refused += 1
            continue
        # A relay may also close right after the handshake.
        raw.send(frame('{"type":"PING"}'))
        op, _ = raw.read()
        refused += op in (CLOSE, None)
    assert refused >= 40 - 16, refused
    pair.still_well()
    for raw in many:
        raw.sock.close()
    # Their places are free again.
    harness.until(lambda: accepted(pair.relay, "127.0.0.5"),
                  "a place for 127.0.0.5")


def accepted(relay, source):
    with Raw(relay, source) as raw:
        raw.send(raw.request())
        if raw.status() != 101:
            return False
        raw.send(ident())
        op, _ = raw.read()
        return op == TEXT


# ------------------------------------------------------------------- floods


def test_ping_flood(pair):
    with Raw(pair.relay, ELSEWHERE) as bad:
        bad.identify()
        sender = threading.Thread(
            target=lambda: bad.send(frame("x" * 100, PING) * 5000))
        sender.start()
        for _ in range(50):
            pair.talk()
        sender.join()
        # One pong may answer many pings. It is still heard, or thrown out.
        bad.send(frame('{"type":"PING"}'))
        while True:
            op, payload = bad.read()
            if op in (None, CLOSE, TEXT):
                break
            assert (op, payload) == (PONG, b"x" * 100)


def test_ping_flood_without_reading(pair):
    with Raw(pair.relay, ELSEWHERE, rcvbuf=4096) as bad:
        bad.identify()
        bad.sock.setblocking(False)
        data = frame('{"type":"PING"}') * 1000
        for _ in range(200):
            try:
                bad.sock.send(data)
            except (BlockingIOError, ConnectionError):
                break
            pair.talk()
        pair.talk()


def test_join_and_leave_flood(pair):
    bad = Agent(pair.relay, source=ELSEWHERE)
    bad.send_many({"type": ("JOIN", "LEAVE")[n % 2], "channel": "#general"}
                  for n in range(1000))
    pair.talk()
    bad.barrier()


def test_channels_per_session_are_bounded(pair):
    bad = Agent(pair.relay, source=ELSEWHERE)
    bad.send_many({"type": "CREATE_CHANNEL", "channel": fresh("#flood")}
                  for _ in range(120))
    answers = [m["type"] for m in bad.barrier()]
    assert answers.count("JOINED") <= 100
    assert answers.count("ERROR") == 120 - answers.count("JOINED")


def test_reconnect_flood(pair):
    for _ in range(20):
        socks = [Raw(pair.relay, "127.0.0.6") for _ in range(10)]
        for n, raw in enumerate(socks):
            if n % 3 == 0:
                raw.send(raw.request())
            if n % 3 == 1:
                raw.reset()
            else:
                raw.sock.close()
    pair.talk()


def test_a_reader_that_never_reads_is_dropped_and_a_hundred_others_read_on(
        relay):
    channel = fresh()
    speaker = Agent(relay, "speaker")
    speaker.create(channel)
    readers = [Agent(relay, "reader") for _ in range(100)]
    for r in readers:
        r.join(channel)
    with Raw(relay, ELSEWHERE, rcvbuf=4096) as stuck:
        stuck.identify("stuck")
        stuck.send(frame(json.dumps({"type": "JOIN", "channel": channel})))
        speaker.expect("AGENT_JOINED", agent=stuck.id)
        flooder = Agent(relay, "flooder")
        dropped = False
        for n in range(12):
            flooder.send_many({"type": "MSG", "to": stuck.id, "content":
                               "x" * 4096} for _ in range(200))
            speaker.msg(channel, "m%d" % n)
            for r in readers:
                assert r.expect("MSG")["content"] == "m%d" % n
            flooder.text('{"type":"PING"}')
            while flooder.next()["type"] != "PONG":
                pass        # echoes; AGENT_NOT_FOUND once it is dropped
            if any(m["type"] == "AGENT_LEFT" for m in speaker.barrier()):
                dropped = True
                break
        if not dropped:
            speaker.expect("AGENT_LEFT", agent=stuck.id)
        for r in readers:
            if not any(m["type"] == "AGENT_LEFT" for m in r.passed):
                r.expect("AGENT_LEFT", agent=stuck.id)
    speaker.msg(channel, "after")
    for r in readers:
        assert r.expect("MSG")["content"] == "after"


def test_log_injection_is_escaped(started):
    r = started(Relay())
    with Raw(r) as bad:
        bad.send(b"GET /\x1b[31mred HTTP/1.1\r\nHost: x\x1b[0m\r\n\r\n")
        bad.finish()
    a = Agent(r, identify=False)
    a.send("IDENTIFY", name="x\n{\"level\":\"error\"}")
    a.expect("ERROR")
    a.text('{"type":"\\u001b[31m\\n"}')
    a.expect("ERROR")
    a.close()
    assert r.stop() == 0
    assert "\x1b" not in r.err
    for line in r.err.splitlines():
        assert isinstance(json.loads(line), dict), line


def test_both_give_up_what_they_dont_need(started):
    """Seen from outside; that Landlock holds is tests/unit/test_base.c."""
    relay = started(harness.Relay(*harness.FAST))
    d = started(harness.Daemon(relay.url, root=harness.directory("confined")))
    for p in (relay, d):
        assert "NoNewPrivs:\t1" in pathlib.Path(
            "/proc/%d/status" % p.pid).read_text()
        assert '"confined"' in p.err
