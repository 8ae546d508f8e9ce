"""GET /metrics counts what the relay does, in Prometheus' text format."""

import re
import shutil
import subprocess
import urllib.request

import pytest

import harness
from harness import Agent, Key, Raw, Relay, until

SAMPLE = re.compile(r'([a-z_]+)(\{[a-z]+="[^"\\\n]*"\})? (\S+)')


def scrape(relay):
    with urllib.request.urlopen(relay.url.replace("ws:", "http:") +
                                "/metrics") as answer:
        assert answer.headers["Content-Type"].startswith(
            "text/plain; version=0.0.4")
        return answer.read().decode()


def samples(text):
    """Every sample by name and label; each must have been described."""
    got, kinds = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in kinds
            kinds[name] = kind
        elif not line.startswith("# HELP "):
            name, label, value = SAMPLE.fullmatch(line).groups()
            family = re.sub("_(bucket|sum|count)$", "", name)
            assert family in kinds or name in kinds, line
            assert (kinds.get(name) == "counter") == name.endswith("_total")
            assert name + (label or "") not in got
            got[name + (label or "")] = float(value)
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
    a.expect("STORED")
    now = samples(scrape(relay))
    assert now["agentchat_messages_total"] == 5
    assert now["agentchat_deliveries_total"] == 10
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


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool")
def test_promtool_finds_nothing(started):
    relay = started(Relay())
    subprocess.run(["promtool", "check", "metrics"], check=True,
                   input=scrape(relay).encode())
    assert relay.stop() == 0
