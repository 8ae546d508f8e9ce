"""What a relay lets strangers take of it: memory, connections, descriptors.
Who is refused is told so, the others notice nothing, and what becomes free can
be used."""

import json
import os
import resource

import pytest

import harness
from harness import FAST, Agent, Daemon, Key, Raw, Relay, directory, frame, \
    until
from test_metrics import samples, scrape

MEMORY = 32 << 20


def resident(relay):
    """VmHWM, the most that it ever was, in bytes; 0 under a sanitizer."""
    with open("/proc/%d/exe" % relay.pid, "rb") as f:
        program = f.read()
    if b"__asan_init" in program or b"__tsan_init" in program:
        return 0
    with open("/proc/%d/status" % relay.pid) as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    raise AssertionError("no VmHWM")


def refused_for_memory(agent):
    m = agent.refused("RATE_LIMITED")
    assert "memory" in m["message"] and m["retry_ms"] > 0, m


def fill_with_channels(relay):
    """Until the relay takes no more: how many it took."""
    made = 0
    while True:
        a = Agent(relay, "maker")
        a.send_many({"type": "CREATE_CHANNEL", "channel": "#c%d" % (made + n)}
                    for n in range(100))
        got = a.barrier()
        taken = sum(m["type"] == "JOINED" for m in got)
        no = [m for m in got if m["type"] == "ERROR"]
        a.close()
        made += taken
        assert made < 100000
        assert all(m["code"] == "RATE_LIMITED" and "memory" in m["message"]
                   for m in no), no[0]
        # To be a member counts too, and ends with the session.
        if taken == 0:
            return made


def letters(a, to):
    """As many as one sender may leave, and then the refusal."""
    a.send_many({"type": "MSG", "to": to, "content": "n %d" % n}
                for n in range(300))
    got = a.barrier()
    assert {m.get("code") for m in got if m["type"] == "ERROR"} == \
        {"MAILBOX_FULL"}
    return sum(m["type"] == "MSG" for m in got)


def talk(a, b, text):
    a.msg("#general", text, id="g" + text)
    assert b.expect("MSG", to="#general")["content"] == text
    a.msg(b.id, text, id="d" + text)
    assert b.expect("MSG", to=b.id)["content"] == text


@pytest.fixture
def full(started):
    """A relay whose memory is full of what stays, and two who know it."""
    relay = started(Relay(*FAST, "--max-memory", "32M", "--queue-max", "16M",
                          "--max-unidentified", "1000"))
    relay.people = [Agent(relay, n, key=Key()) for n in ("anna", "bert")]
    for p in relay.people:
        p.join("#general")
    relay.away = Key()
    Agent(relay, "away", key=relay.away, caps=["ack"]).close()
    senders = [Agent(relay, "sender") for _ in range(4)]
    relay.letters = sum(letters(s, relay.away.id) for s in senders)
    for s in senders:
        s.close()
    assert relay.letters == 1000
    assert fill_with_channels(relay) > 1000
    for p in relay.people:
        p.barrier()
    return relay


def test_memory_that_strangers_fill_has_a_limit(full):
    anna, bert = full.people
    stranger = Agent(full, "stranger")
    # No more keys, channels and letters to the absent...
    stranger.send("CREATE_CHANNEL", channel="#one-more")
    refused_for_memory(stranger)
    stranger.send("MSG", to=full.away.id, content="hello?")
    refused_for_memory(stranger)
    minted = Agent(full, "minted", key=Key(), prove=False)
    minted.send(**minted.key.proof(minted.expect("CHALLENGE")))
    refused_for_memory(minted)
    # ...but who is there can talk, and more than what fits into the ids
    # that are remembered; a resend is known all the same.
    for n in range(100):
        talk(anna, bert, "%d" % n)
    anna.msg("#general", "99", id="g99")
    bert.nothing()
    stranger.join("#general")
    assert anna.expect("AGENT_JOINED")
    assert resident(full) < MEMORY


def test_readers_that_do_not_read_are_ended_when_memory_is_full(full):
    anna, bert = full.people
    stuck = [Raw(full, rcvbuf=4096) for _ in range(12)]
    for s in stuck:
        s.identify("stuck")
        s.send(frame(json.dumps({"type": "JOIN", "channel": "#general"})))
    for s in stuck:
        anna.expect("AGENT_JOINED", agent=s.id)
        bert.expect("AGENT_JOINED", agent=s.id)
    said = 0

    def enough():
        nonlocal said
        anna.send_many({"type": "MSG", "to": "#general", "content":
                        "\u20ac" * 4096} for _ in range(100))
        said += sum(m["type"] == "MSG" for m in anna.barrier())
        return samples(scrape(full))[
            'agentchat_drops_total{reason="out_of_memory"}'] > 3
    until(enough, "readers to be ended", timeout=60)
    heard = [m for m in bert.barrier() if m["type"] == "MSG"]
    assert len(heard) == said
    for s in stuck:
        s.sock.close()
    until(lambda: samples(scrape(full))["agentchat_connections"] == 2,
          "the others to be gone")
    anna.barrier()
    bert.barrier()
    Agent(full, "new").close()
    talk(anna, bert, "after")
    assert resident(full) < MEMORY


def test_room_that_becomes_free_is_used(full):
    away = Agent(full, "away", key=full.away, caps=["ack"])
    seqs = []
    while len(seqs) < full.letters:
        seqs.append(away.expect("MSG")["mailbox_seq"])
    away.send("ACK", mailbox_seq=seqs[-1])
    away.barrier()
    away.create("#at-last")
    # Kept is what was taken: a relay started anew has it all.
    before = samples(scrape(full))["agentchat_channels"]
    harness.Agent.close_all()
    assert full.stop() == 0
    again = full.again()
    try:
        assert samples(scrape(again))["agentchat_channels"] == before
        talk(*pair(again, full.people), "here again")
    finally:
        harness.Agent.close_all()
        assert again.stop() == 0


def pair(relay, people):
    both = [Agent(relay, p.name, key=p.key) for p in people]
    for p in both:
        p.join("#general")
        p.barrier()
    both[0].barrier()
    return both


# -------------------------------------------------------------- connections


def asks(relay, source="127.0.0.1"):
    """A handshake, and what HTTP says to it; None: nothing."""
    raw = Raw(relay, source)
    raw.send(raw.request())
    raw.answer = raw.status()
    return raw


def drops(relay):
    return samples(scrape(relay))['agentchat_drops_total'
                                  '{reason="connection_limit"}']


@pytest.mark.parametrize("option, sources", [
    ("--max-connections", ("127.0.0.1", "127.0.0.6", "127.0.0.7")),
    ("--max-per-address", ("127.0.0.5",)),
])
def test_connections_beyond_the_limit_are_refused(started, option, sources):
    relay = started(Relay(*FAST, option, "6"))
    people = [Agent(relay, n, key=Key(), source=s)
              for n, s in (("anna", sources[-1]), ("bert", sources[0]))]
    for p in people:
        p.join("#general")
    people[0].barrier()
    inside = [asks(relay, sources[n % len(sources)]) for n in range(4)]
    assert [r.answer for r in inside] == [101] * 4
    for source in sources * 3:
        with asks(relay, source) as over:
            assert over.answer != 101
            assert not over.more(), "it is closed"
    assert drops(relay) == len(sources) * 3
    assert '"why":"%s"' % option[2:] in relay.err
    talk(*people, "not disturbed")
    if option == "--max-per-address":
        Agent(relay, "elsewhere", source="127.0.0.8").close()
    inside[0].sock.close()

    def gets_in():
        with asks(relay, sources[0]) as again:
            return again.answer == 101
    until(gets_in, "the free place to be given")
    for raw in inside:
        raw.sock.close()


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def test_a_relay_without_descriptors_refuses_and_recovers(started):
    relay = started(Relay(*FAST))
    people = [Agent(relay, n, key=Key()) for n in ("anna", "bert")]
    for p in people:
        p.join("#general")
    people[0].barrier()
    limit = descriptors(relay.pid) + 8
    resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (limit, limit))
    many = []
    for _ in range(40):
        raw = Raw(relay)
        raw.send(raw.request())
        many.append(raw)
    until(lambda: descriptors(relay.pid) >= limit - 1, "them to be used up")
    for n in range(50):
        talk(*people, "still %d" % n)
    for raw in many:
        raw.sock.close()

    def gets_in():
        with asks(relay) as again:
            return again.answer == 101
    until(gets_in, "it to take connections again")
    Agent(relay, "new").close()
    talk(*people, "after")


def test_a_daemon_without_descriptors_says_so_and_recovers(started, relay):
    d = started(Daemon(relay.url, root=directory("root")))
    until(lambda: (d.box("#general") / "agents").exists(), "to have joined")
    other = Agent(relay, "other")
    other.join("#general")
    limit = descriptors(d.pid)
    resource.prlimit(d.pid, resource.RLIMIT_NOFILE, (limit, 4096))
    other.send_many({"type": "MSG", "to": "#general", "content":
                     "message %d" % n} for n in range(20))
    other.barrier()
    (d.dir / "#wanted").mkdir()
    until(lambda: "descriptors" in d.err or "Too many open files" in d.err,
          "it to be said")
    assert d.alive()
    resource.prlimit(d.pid, resource.RLIMIT_NOFILE, (4096, 4096))
    until(lambda: [m["content"] for m in d.new("#general")] ==
          ["message %d" % n for n in range(20)], "the messages")
    other.msg("#general", "after")
    d.received("#general", "after")
    d.connected()
