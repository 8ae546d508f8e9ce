"""GET /metrics counts what the relay does, in Prometheus' text format."""

import re
import shutil
import subprocess
import urllib.request

import pytest

import harness
from harness import Agent, Key, Raw, Relay, until

SAMPLE = re.compile(r'([a-z_]+)(\{[a-z]+="[^"\\\n]*"\})? '
                    r'(\d+|\d+\.\d+(?:e-\d+)?)')


def scrape(relay):
    with urllib.request.urlopen(relay.url.replace("ws:", "http:") +
                                "/metrics") as answer:
        assert answer.headers["Content-Type"].startswith(
            "text/plain; version=0.0.4")
        return answer.read().decode()


def samples(text):
    """Every sample by name and label, as strictly as promtool reads it: each
    family has HELP and TYPE, in this order, once, before all of its samples,
    which stand together."""
    got, kinds, helped, family = {}, {}, None, None
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            _, _, helped, words = line.split(" ", 3)
            assert helped not in kinds and words[-1] == "."
        elif line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert family == helped and family not in kinds
            assert family.startswith("agentchat_")
            assert kind in ("counter", "gauge", "histogram")
            kinds[family] = kind
            assert (kind == "counter") == family.endswith("_total")
        else:
            name, label, value = SAMPLE.fullmatch(line).groups()
            assert family == (re.sub("_(bucket|sum|count)$", "", name)
                              if kinds[family] == "histogram" else name), line
            assert name + (label or "") not in got
            got[name + (label or "")] = float(value)
    for name in (x for x in kinds if kinds[x] == "histogram"):
        counts = [v for k, v in got.items()
                  if k.startswith(name + "_bucket{le=")]
        bounds = [float(k.split('"')[1]) for k in got
                  if k.startswith(name + "_bucket{le=")]
        assert counts == sorted(counts) and bounds == sorted(set(bounds))
        assert bounds[-1] == float("inf") and counts[-1] == \
            got[name + "_count"]
    return got


def test_it_counts_what_happens(started):
    relay = started(Relay(*harness.FAST))
    before = samples(scrape(relay))
    assert before["agentchat_messages_total"] == 0
    a, b = Agent(relay, "a", caps=["stored"]), Agent(relay, "b")
    a.join("#general")
    b.join("#general")
    a.create("#private", invite_only=True)
    for n in range(5):
        a.msg("#general", str(n))
    a.send("MSG", to="#nowhere", content="x")
    a.refused("CHANNEL_NOT_FOUND")
    if not any(m["type"] == "STORED" for m in a.passed):
        a.expect("STORED")              # else all may have come by now
    now = samples(scrape(relay))
    assert now["agentchat_messages_total"] == 5
    assert now["agentchat_deliveries_total"] == 10
    # IDENTIFY and JOIN twice, CREATE_CHANNEL, six MSG.
    assert now["agentchat_received_total"] == 11
    # Two WELCOME, three JOINED, an AGENT_JOINED, the ten, an ERROR, and
    # STORED at least once.
    assert now["agentchat_sent_total"] >= 18
    assert now["agentchat_sessions"] == 2
    assert now["agentchat_channels"] == before["agentchat_channels"] == 2
    assert now['agentchat_refusals_total{code="CHANNEL_NOT_FOUND"}'] == 1
    assert now["agentchat_journal_bytes"] > before["agentchat_journal_bytes"]
    assert now["agentchat_journal_sync_seconds_count"] >= 1
    assert now["agentchat_journal_sync_seconds_count"] == \
        now['agentchat_journal_sync_seconds_bucket{le="+Inf"}']
    assert relay.stop() == 0


def test_faults_and_letters_show(started):
    relay = started(Relay(*harness.FAST))
    away = Agent(relay, "away", key=Key(), caps=["ack"])
    away.close()
    a = Agent(relay, "a")
    a.msg(away.id, "letter")
    liar = Agent(relay, "liar", key=Key(), identify=False)
    liar.send("IDENTIFY", name="liar", pubkey=liar.pubkey)
    challenge = liar.expect("CHALLENGE")
    proof = liar.key.proof(challenge)
    proof["signature"] = Key().proof(challenge)["signature"]
    liar.send(**proof)
    liar.refused("VERIFICATION_FAILED")
    with Raw(relay) as raw:
        raw.handshake()
        raw.send(harness.frame(b"\x00", op=harness.BINARY))
        until(lambda: samples(scrape(relay))[
            'agentchat_drops_total{reason="protocol"}'] == 1, "the drop")
    now = samples(scrape(relay))
    assert now["agentchat_mailbox_messages"] == 1
    assert now["agentchat_known_agents"] == 1
    assert now["agentchat_auth_failures_total"] == 1
    assert relay.stop() == 0


def test_who_answers_no_ping_is_taken_for_dead(started):
    relay = started(Relay(*harness.FAST, "--idle-ping", "2s"))
    quiet = Agent(relay, "quiet")       # answers, and says nothing else
    with Raw(relay) as raw:
        raw.identify("dead")
        assert raw.read()[0] == harness.PING
        assert raw.ends()[0] == 1011
    now = samples(scrape(relay))
    assert now['agentchat_drops_total{reason="dead"}'] == 1
    assert now["agentchat_sessions"] == 1
    quiet.barrier()
    assert relay.stop() == 0


def test_names_and_contents_are_nobodys_business(started):
    relay = started(Relay(*harness.FAST))
    a = Agent(relay, "tell-nobody", key=Key())
    a.create("#tell-nobody", invite_only=True)
    a.create("#tell-nobody-either")
    a.msg("#tell-nobody-either", "tell-nobody")
    a.send("MSG", to="#tell-nobody-else", content="x")
    a.refused("CHANNEL_NOT_FOUND")
    text = scrape(relay)
    assert "tell" not in text and a.id not in text and \
        a.id.lstrip("@") not in text
    labels = {m[1] for m in re.finditer(r'\{([a-z]+)=', text)}
    assert labels == {"version", "code", "reason", "le"}
    assert relay.stop() == 0


HOSTILE = [
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100000 + b"\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
    b"GET /met\0rics HTTP/1.1\r\n\r\n", bytes(range(256)) * 8,
    b"GET http://evil/metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /metrics/../metrics HTTP/9.9\r\n\r\n", b"GET /metrics",
    b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    b"Connection: close\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999"
    b"\r\nConnection: close\r\n\r\nx",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01",
    b"\r\n" * 1000, b"GET " + b"/" * 70000 + b" HTTP/1.1\r\n\r\n"]


def test_hostile_requests_change_nothing_and_disturb_nobody(started):
    relay = started(Relay())
    a = Agent(relay, "a")
    a.join("#general")
    before = samples(scrape(relay))
    for request in HOSTILE:
        with Raw(relay) as raw:
            raw.send(request)       # and hang up, whatever it is at
    # Asked a hundred times at once, and never read.
    with Raw(relay) as raw:
        raw.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        now = samples(scrape(relay))
    assert {k: v for k, v in now.items() if "sync" not in k} == \
        {k: v for k, v in before.items() if "sync" not in k}
    a.msg("#general", "still here")
    assert relay.stop() == 0


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool")
def test_promtool_finds_nothing(started):
    relay = started(Relay())
    subprocess.run(["promtool", "check", "metrics"], check=True,
                   input=scrape(relay).encode())
    assert relay.stop() == 0
