"""The protocol as an independent client sees it: sessions, channels, messages,
and every error, through python3-websockets."""

import base64
import json
import re
import time

import pytest

import harness
from harness import Agent, Key, Relay, fresh

# ----------------------------------------------------------------- sessions


def test_ephemeral_id_is_eight_characters_and_never_the_same(relay):
    a, b = Agent(relay, "one"), Agent(relay, "one")
    for x in (a, b):
        assert re.fullmatch("@[a-z0-9]{8}", x.id), x.id
    assert a.id != b.id


def test_welcome_says_who_and_where(relay):
    w = Agent(relay, "carl").welcome
    assert isinstance(w["server"], str) and w["server"]
    assert w["name"] == "carl"
    assert isinstance(w["epoch"], str) and w["epoch"]
    assert w["verified"] is False
    assert isinstance(w["rate"], dict) and isinstance(w["limits"], dict)
    assert "ack" in w["caps"] and "stored" in w["caps"]


def test_welcome_has_the_name_that_the_operator_gave(started):
    r = started(Relay("--name", "hub.example"))
    assert Agent(r).welcome["server"] == "hub.example"


def test_identify_comes_first(relay):
    a = Agent(relay, identify=False)
    for m in ({"type": "JOIN", "channel": "#general"},
              {"type": "LEAVE", "channel": "#general"},
              {"type": "MSG", "to": "#general", "content": "hi"},
              {"type": "LIST_CHANNELS"},
              {"type": "LIST_AGENTS", "channel": "#general"},
              {"type": "CREATE_CHANNEL", "channel": "#x"},
              {"type": "INVITE", "channel": "#x", "agent": "@y"}):
        a.send(**m)
        a.refused("AUTH_REQUIRED")
    a.identify()
    a.join("#general")


def test_second_identify_is_refused_and_changes_nothing(relay):
    a = Agent(relay, "first")
    a.send("IDENTIFY", name="second")
    a.refused("INVALID_MSG")
    a.send("LIST_AGENTS", channel="#general")
    a.join("#general")
    a.send("LIST_AGENTS", channel="#general")
    assert a.expect("AGENTS")["names"][a.id] == "first"


@pytest.mark.parametrize("name", ["a", "A-b_9", "x" * 32])
def test_good_names(relay, name):
    assert Agent(relay, name).welcome["name"] == name


@pytest.mark.parametrize("name", ["", "x" * 33, "a b", "a.b", "../x", "ä",
                                  "a\n", "@a", "#a"])
def test_bad_names_are_refused_and_may_be_mended(relay, name):
    a = Agent(relay, identify=False)
    a.send("IDENTIFY", name=name)
    a.refused(("INVALID_NAME", "INVALID_MSG"))
    a.name = "better"
    a.identify()


@pytest.mark.parametrize("fields", [{}, {"name": 5}, {"name": None},
                                    {"name": ["a"]}, {"name": {}},
                                    {"name": "a", "pubkey": 7},
                                    {"name": "a", "caps": "ack"}])
def test_identify_with_wrong_fields_is_refused(relay, fields):
    a = Agent(relay, identify=False)
    a.send("IDENTIFY", **fields)
    a.refused(("INVALID_MSG", "INVALID_NAME"))


@pytest.mark.parametrize("key", ["", "junk", "A" * 44, "A" * 43 + "=",
                                 "-----BEGIN PUBLIC KEY-----\n",
                                 Key().pem[:-20], Key().base64[:-2],
                                 Key().base64 + "x"])
def test_a_pubkey_that_is_none_is_refused(relay, key):
    a = Agent(relay, identify=False)
    a.send("IDENTIFY", name="a", pubkey=key)
    a.refused(("INVALID_MSG", "VERIFICATION_FAILED"))


def test_persistent_id_is_the_hash_of_the_pem(relay):
    key = Key()
    assert Agent(relay, key=key).id == key.id


def test_base64_and_pem_and_padded_pem_are_the_same_key(relay):
    key = Key()
    forms = [key.pem, key.base64, key.pem.rstrip("\n"),
             key.pem.replace("\n", "\r\n")]
    for form in forms:
        a = Agent(relay, key=key, pubkey=form, prove=False)
        assert a.id == key.id, form
        a.close()


def test_challenge_has_what_the_proof_needs(relay):
    a = Agent(relay, key=Key(), prove=False)
    assert a.welcome["verified"] is False
    c = a.expect("CHALLENGE")
    assert isinstance(c["challenge_id"], str) and c["challenge_id"]
    assert isinstance(c["nonce"], str) and len(c["nonce"]) >= 32
    left = c["expires_at"] - time.time() * 1000
    assert 0 < left <= 31000, left


def test_ephemeral_agents_are_not_challenged(relay):
    Agent(relay).nothing()


def test_right_signature_verifies(relay):
    key = Key()
    a = Agent(relay, key=key, prove=False)
    a.send(**key.proof(a.expect("CHALLENGE")))
    assert a.expect("VERIFIED")["agent_id"] == key.id
    b = Agent(relay)
    channel = fresh()
    b.create(channel)
    a.join(channel)
    assert a.msg(channel, "hello")["verified"] is True
    assert b.expect("MSG", content="hello")["verified"] is True


def test_unproved_key_speaks_as_not_verified(relay):
    channel = fresh()
    b = Agent(relay)
    b.create(channel)
    a = Agent(relay, key=Key(), prove=False)
    a.join(channel)
    a.send("MSG", to=channel, content="hello")
    assert not b.expect("MSG", content="hello").get("verified")


def test_wrong_signatures_fail_and_the_nonce_is_spent(relay):
    key, other = Key(), Key()
    a = Agent(relay, key=key, prove=False)
    c = a.expect("CHALLENGE")
    a.send(**dict(key.proof(c), signature=other.proof(c)["signature"]))
    a.refused(("VERIFICATION_FAILED",))
    a.send(**key.proof(c))
    a.refused(("VERIFICATION_FAILED", "VERIFICATION_EXPIRED"))
    a.nothing("VERIFIED")


@pytest.mark.parametrize("spoil", [
    lambda p: dict(p, timestamp=p["timestamp"] + 1),
    lambda p: dict(p, signature=p["signature"][:-4]),
    lambda p: dict(p, signature=""),
    lambda p: dict(p, signature="A" * 88),
    lambda p: dict(p, signature=p["signature"] + "\n"),
    lambda p: dict(p, signature="!" * 88),
])
def test_spoiled_proofs_fail(relay, spoil):
    key = Key()
    a = Agent(relay, key=key, prove=False)
    a.send(**spoil(key.proof(a.expect("CHALLENGE"))))
    a.refused(("VERIFICATION_FAILED", "INVALID_MSG"))
    a.nothing("VERIFIED")


def test_a_signature_plus_the_order_proves_nothing(relay):
    """S and S + L satisfy the same equation; only the smaller is canonical."""
    order = 2 ** 252 + 27742317777372353535851937790883648493
    key = Key()
    a = Agent(relay, key=key, prove=False)
    proof = key.proof(a.expect("CHALLENGE"))
    raw = base64.b64decode(proof["signature"])
    s = int.from_bytes(raw[32:], "little") + order
    forged = base64.b64encode(raw[:32] + s.to_bytes(32, "little")).decode()
    a.send(**dict(proof, signature=forged))
    a.refused("VERIFICATION_FAILED")
    a.nothing("VERIFIED")


@pytest.mark.parametrize("point", [
    bytes(32), bytes([1]) + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f",
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0"
                  "d5dfac05d3c63339b13802886d53fc05"),
])
def test_a_key_of_small_order_is_none(relay, point):
    a = Agent(relay, identify=False)
    a.send("IDENTIFY", name="x", pubkey=base64.b64encode(point).decode())
    a.refused("INVALID_MSG")


def test_a_used_nonce_proves_nothing_again(relay):
    key = Key()
    a = Agent(relay, key=key, prove=False)
    c = a.expect("CHALLENGE")
    proof = key.proof(c)
    a.send(**proof)
    a.expect("VERIFIED")
    a.send(**proof)
    a.refused(("VERIFICATION_EXPIRED", "VERIFICATION_FAILED", "INVALID_MSG"))


def test_a_nonce_is_good_for_its_own_session_only(relay):
    key = Key()
    a = Agent(relay, key=key, prove=False)
    c = a.expect("CHALLENGE")
    b = Agent(relay, "thief", key=Key(), prove=False)
    b.expect("CHALLENGE")
    b.send(**key.proof(c))
    b.refused(("VERIFICATION_EXPIRED", "VERIFICATION_FAILED"))
    b.nothing("VERIFIED")


def test_verify_without_challenge_is_refused(relay):
    a = Agent(relay)
    a.send("VERIFY_IDENTITY", challenge_id="x", signature="y", timestamp=1)
    a.refused(("VERIFICATION_EXPIRED", "VERIFICATION_FAILED", "INVALID_MSG"))


def displaced(agent):
    """The agent was told so, and closed with 1000."""
    closed, seen = agent.expect_close(1000)
    errors = [m for m in seen if m["type"] == "ERROR"]
    assert errors and errors[-1]["code"] == "INVALID_MSG", seen
    assert errors[-1]["message"].startswith("Disconnected: "), seen


def test_unproved_displaces_unproved(relay):
    key = Key()
    old = Agent(relay, key=key, prove=False)
    new = Agent(relay, key=key, prove=False)
    assert new.id == old.id
    displaced(old)


def test_proved_displaces_unproved(relay):
    key = Key()
    old = Agent(relay, key=key, prove=False)
    new = Agent(relay, key=key)
    assert new.id == key.id
    displaced(old)


def test_proved_displaces_proved_after_the_proof(relay):
    key = Key()
    old = Agent(relay, key=key)
    new = Agent(relay, key=key, identify=False)
    new.send("IDENTIFY", name="again", pubkey=key.pem)
    c = new.expect("CHALLENGE")
    assert not [m for m in new.passed if m["type"] == "WELCOME"]
    old.nothing()           # still there: nothing has been proved
    new.send(**key.proof(c))
    w = new.expect("WELCOME")
    assert w["agent_id"] == key.id
    displaced(old)


def test_a_displaced_session_leaves_no_trace_in_channels(relay):
    key, channel = Key(), fresh()
    watch = Agent(relay)
    watch.create(channel)
    old = Agent(relay, key=key)
    old.join(channel)
    watch.expect("AGENT_JOINED", agent=key.id)
    new = Agent(relay, key=key)
    displaced(old)
    new.join(channel)
    watch.send("LIST_AGENTS", channel=channel)
    assert sorted(watch.expect("AGENTS")["list"]) == \
        sorted([watch.id, key.id])
    new.msg(channel, "here")
    watch.expect("MSG", content="here")


def test_unproved_never_displaces_proved(relay):
    key = Key()
    holder = Agent(relay, key=key)
    stranger = Agent(relay, identify=False)
    stranger.send("IDENTIFY", name="stranger", pubkey=key.pem)
    c = stranger.expect("CHALLENGE")
    stranger.send("JOIN", channel="#general")
    stranger.refused("AUTH_REQUIRED")
    stranger.send(**dict(Key().proof(c)))
    closed_or_error = stranger.next()
    assert closed_or_error["type"] == "ERROR", closed_or_error
    holder.nothing()


def test_unproved_newcomer_is_told_after_a_while(relay):
    """Ten seconds without proof: AUTH_REQUIRED, and the holder stays."""
    key = Key()
    holder = Agent(relay, key=key)
    stranger = Agent(relay, identify=False)
    stranger.send("IDENTIFY", name="stranger", pubkey=key.pem)
    stranger.expect("CHALLENGE")
    stranger.refused("AUTH_REQUIRED")
    assert not [m for m in stranger.passed if m["type"] == "WELCOME"]
    holder.nothing()


# ----------------------------------------------------------------- channels


def test_general_and_agents_exist_from_the_start(relay):
    a = Agent(relay)
    a.send("LIST_CHANNELS")
    names = [c["name"] for c in a.expect("CHANNELS")["list"]]
    assert "#general" in names and "#agents" in names


def test_join_tells_the_joiner_who_is_there_and_the_others_who_came(relay):
    channel = fresh()
    a, b = Agent(relay, "anna"), Agent(relay, "bert")
    m = a.create(channel)
    assert m["agents"] == [a.id]
    m = b.join(channel)
    assert sorted(m["agents"]) == sorted([a.id, b.id])
    assert m["names"] == {a.id: "anna", b.id: "bert"}
    assert m["seq"] == 0        # nothing has been said yet
    came = a.expect("AGENT_JOINED")
    assert came["channel"] == channel and came["agent"] == b.id
    assert came["name"] == "bert"
    b.nothing("AGENT_JOINED")   # not of itself


def test_joining_again_announces_nothing(relay):
    channel = fresh()
    a, b = Agent(relay), Agent(relay)
    a.create(channel)
    b.join(channel)
    a.expect("AGENT_JOINED")
    assert sorted(b.join(channel)["agents"]) == sorted([a.id, b.id])
    a.nothing("AGENT_JOINED")


def test_join_of_an_unknown_channel(relay):
    a = Agent(relay)
    a.send("JOIN", channel="#nowhere")
    a.refused("CHANNEL_NOT_FOUND")


def test_leave_tells_both_sides(relay):
    channel = fresh()
    a, b = Agent(relay), Agent(relay)
    a.create(channel)
    b.join(channel)
    b.send("LEAVE", channel=channel)
    m = b.expect("LEFT")
    assert m["channel"] == channel and m["agent"] == b.id
    m = a.expect("AGENT_LEFT")
    assert m["channel"] == channel and m["agent"] == b.id
    a.msg(channel, "alone")
    b.nothing("MSG")
    a.nothing("LEFT")


@pytest.mark.parametrize("how", ["close", "drop"])
def test_disconnecting_leaves_the_channels(relay, how):
    channel = fresh()
    a, b = Agent(relay), Agent(relay)
    a.create(channel)
    b.join(channel)
    getattr(b, how)()
    assert a.expect("AGENT_LEFT")["agent"] == b.id
    a.send("LIST_AGENTS", channel=channel)
    assert a.expect("AGENTS")["list"] == [a.id]


def test_leave_of_unknown_channels(relay):
    a = Agent(relay)
    a.send("LEAVE", channel="#nowhere")
    a.refused("CHANNEL_NOT_FOUND")


def test_list_channels_counts(relay):
    channel = fresh()
    a, b = Agent(relay), Agent(relay)
    a.create(channel)
    b.join(channel)
    a.send("LIST_CHANNELS")
    found = [c for c in a.expect("CHANNELS")["list"] if c["name"] == channel]
    assert [c["agents"] for c in found] == [2]


def test_list_agents_names_them(relay):
    channel = fresh()
    a, b = Agent(relay, "anna"), Agent(relay, "bert")
    a.create(channel)
    b.send("LIST_AGENTS", channel=channel)      # public: anybody may ask
    m = b.expect("AGENTS")
    assert m["channel"] == channel and m["list"] == [a.id]
    assert m["names"] == {a.id: "anna"}
    b.send("LIST_AGENTS", channel="#nowhere")
    b.refused("CHANNEL_NOT_FOUND")


def test_create_joins_and_a_second_create_is_refused(relay):
    channel = fresh()
    a, b = Agent(relay), Agent(relay)
    assert a.create(channel)["agents"] == [a.id]
    b.send("CREATE_CHANNEL", channel=channel)
    b.refused("CHANNEL_EXISTS")
    b.send("CREATE_CHANNEL", channel="#general", invite_only=True)
    b.refused("CHANNEL_EXISTS")


@pytest.mark.parametrize("name", ["", "#", "dev", "#a b", "#a/b", "#../x",
                                  "#.", "#ä", "#" + "x" * 32, "@x", "#a\n"])
def test_bad_channel_names_are_refused(relay, name):
    a = Agent(relay)
    for kind in ("CREATE_CHANNEL", "JOIN"):
        a.send(kind, channel=name)
        a.refused(("INVALID_NAME", "INVALID_MSG", "CHANNEL_NOT_FOUND")
                  if kind == "JOIN" else ("INVALID_NAME", "INVALID_MSG"))


def test_channel_names_of_full_length(relay):
    Agent(relay).create("#" + "x" * 31)


def test_invited_agents_enter_and_others_do_not(relay):
    channel = fresh("#p")
    owner, guest, other = (Agent(relay, n) for n in ("own", "guest", "oth"))
    owner.create(channel, invite_only=True)
    other.send("JOIN", channel=channel)
    other.refused("NOT_INVITED")
    owner.send("INVITE", channel=channel, agent=guest.id)
    told = guest.expect("MSG", **{"from": owner.id})
    assert channel in told["content"], told
    guest.join(channel)
    assert owner.expect("AGENT_JOINED")["agent"] == guest.id
    guest.msg(channel, "secret")
    owner.expect("MSG", content="secret")
    other.send("JOIN", channel=channel)
    other.refused("NOT_INVITED")
    other.nothing("MSG", "AGENT_JOINED")


def test_invite_only_without_an_invitation_for_the_creator(relay):
    """Who made it may come back."""
    channel = fresh("#p")
    owner, guest = Agent(relay, key=Key()), Agent(relay)
    owner.create(channel, invite_only=True)
    owner.send("INVITE", channel=channel, agent=guest.id)
    guest.join(channel)
    owner.send("LEAVE", channel=channel)
    owner.expect("LEFT")
    owner.join(channel)


def test_outsiders_learn_nothing_of_a_private_channel(relay):
    private, none = fresh("#p"), fresh("#n")
    owner, other = Agent(relay), Agent(relay)
    owner.create(private, invite_only=True)
    owner.msg(private, "secret")

    def answer(*args, **kw):
        other.send(*args, **kw)
        return other.expect("ERROR")
    def frame(kind, name, **fields):
        """The answer, byte for byte, but for the channel's own name."""
        where = "to" if kind == "MSG" else "channel"
        m = answer(kind, **dict(fields, **{where: name}, id="same"))
        assert m["code"] == "CHANNEL_NOT_FOUND", (kind, m)
        return other.frames[-1].replace(name, "X")
    for kind, fields in (("LEAVE", {}), ("LIST_AGENTS", {}), ("TYPING", {}),
                         ("INVITE", {"agent": owner.id}),
                         ("INVITE", {"agent": other.id}),
                         ("INVITE", {"agent": "@00000000"}),
                         ("MSG", {"content": "x"}),
                         ("MSG", {"content": "x", "ts": 1, "sig": "x"})):
        assert frame(kind, private, **fields) == frame(kind, none, **fields)
    before = answer("JOIN", channel=private)
    owner.create(private + "2", invite_only=True)
    after = answer("JOIN", channel=private + "2")
    assert before["message"] == after["message"].replace(private + "2",
                                                         private)
    assert answer("CREATE_CHANNEL", channel=private)["code"] == \
        "CHANNEL_EXISTS"
    other.send("LIST_CHANNELS")
    names = [c["name"] for c in other.expect("CHANNELS")["list"]]
    assert private not in names
    owner.send("LIST_CHANNELS")
    names = [c["name"] for c in owner.expect("CHANNELS")["list"]]
    assert private in names


def test_invite_of_unknown_agents_and_into_unknown_channels(relay):
    channel = fresh("#p")
    a = Agent(relay)
    a.create(channel, invite_only=True)
    a.send("INVITE", channel=channel, agent="@deadbeef")
    a.refused("AGENT_NOT_FOUND")
    a.send("INVITE", channel="#nowhere", agent=a.id)
    a.refused("CHANNEL_NOT_FOUND")


def test_only_members_invite(relay):
    channel = fresh()
    a, b, c = Agent(relay), Agent(relay), Agent(relay)
    a.create(channel)
    b.send("INVITE", channel=channel, agent=c.id)
    b.expect("ERROR")
    c.nothing("MSG")


def test_an_invitation_to_the_key_does_not_open_to_who_only_knows_it(relay):
    channel, key = fresh("#p"), Key()
    owner = Agent(relay)
    owner.create(channel, invite_only=True)
    guest = Agent(relay, key=key)
    owner.send("INVITE", channel=channel, agent=guest.id)
    guest.expect("MSG", **{"from": owner.id})
    guest.close()
    owner.barrier()
    thief = Agent(relay, key=key, prove=False)
    thief.expect("CHALLENGE")
    thief.send("JOIN", channel=channel)
    thief.refused("NOT_INVITED")
    thief.close()
    guest = Agent(relay, key=key)
    guest.join(channel)


# ------------------------------------------------------- replay, since, gap


def test_join_replays_the_newest_twenty(relay):
    channel = fresh()
    a, b = Agent(relay), Agent(relay)
    a.create(channel)
    sent = [a.msg(channel, "m%d" % n) for n in range(25)]
    b.join(channel)
    got = b.barrier()
    assert [m["content"] for m in got] == ["m%d" % n for n in range(5, 25)]
    for m, s in zip(got, sent[5:]):
        assert m["type"] == "MSG" and m["replay"] is True
        for field in ("from", "to", "content", "ts", "seq", "msg_id"):
            assert m[field] == s[field], field
    live = a.msg(channel, "live")
    assert not live.get("replay")
    assert not b.expect("MSG", content="live").get("replay")


@pytest.mark.parametrize("size", [0, 3])
def test_buffer_size_sets_how_many(started, size):
    r = started(Relay("--buffer-size", size, *harness.FAST))
    a, b = Agent(r), Agent(r)
    a.join("#general")
    for n in range(5):
        a.msg("#general", "m%d" % n)
    b.join("#general")
    got = b.barrier()
    assert [m["content"] for m in got] == \
        ["m%d" % n for n in range(5 - size, 5)]


def test_since_gives_what_was_missed_and_no_more(relay):
    channel = fresh()
    a = Agent(relay)
    a.create(channel)
    sent = [a.msg(channel, "m%d" % n) for n in range(60)]
    b = Agent(relay)
    b.join(channel, since=sent[9]["seq"], epoch=b.welcome["epoch"])
    got = b.barrier()
    assert [m["seq"] for m in got] == [m["seq"] for m in sent[10:]]
    assert all(m["type"] == "MSG" for m in got)     # no GAP
    c = Agent(relay)
    c.join(channel, since=sent[-1]["seq"], epoch=c.welcome["epoch"])
    c.nothing()


def test_joined_says_where_the_channel_stands(relay):
    channel = fresh()
    a, b = Agent(relay), Agent(relay)
    a.create(channel)
    last = [a.msg(channel, "m%d" % n) for n in range(3)][-1]
    assert b.join(channel)["seq"] == last["seq"]


def test_another_epoch_gives_all_after_a_gap(relay):
    channel = fresh()
    a, b = Agent(relay), Agent(relay)
    a.create(channel)
    sent = [a.msg(channel, "m%d" % n) for n in range(30)]
    b.join(channel, since=17, epoch="another-epoch")
    got = b.barrier()
    assert got[0]["type"] == "GAP" and got[0]["channel"] == channel
    assert got[0]["epoch"] == b.welcome["epoch"]
    assert [m["msg_id"] for m in got[1:]] == [m["msg_id"] for m in sent]


# ----------------------------------------------------------------- messages


def test_a_message_goes_to_every_member_and_the_sender(relay):
    channel = fresh()
    a, b, c = Agent(relay, "anna"), Agent(relay), Agent(relay)
    outsider = Agent(relay)
    a.create(channel)
    b.join(channel)
    c.join(channel)
    before = int(time.time() * 1000)
    echo = a.msg(channel, "hello\n\"world\" \\ \u2028 \U0001f600 ä",
                 id="my-1", in_reply_to="x")
    after = int(time.time() * 1000)
    assert echo["from"] == a.id and echo["from_name"] == "anna"
    assert echo["id"] == "my-1" and echo["in_reply_to"] == "x"
    assert before - 1000 <= echo["ts"] <= after + 1000
    assert isinstance(echo["seq"], int) and echo["msg_id"]
    for x in (b, c):
        m = x.expect("MSG")
        for field in ("from", "to", "content", "ts", "seq", "msg_id", "id",
                      "from_name", "in_reply_to"):
            assert m[field] == echo[field], field
    outsider.nothing()


def test_sig_and_the_senders_time_are_passed_on(relay):
    channel, key = fresh(), Key()
    a, b = Agent(relay, key=key), Agent(relay)
    b.create(channel)
    a.join(channel)
    ts = 1700000000123
    sig = key.sign(json.dumps({"to": channel, "content": "signed", "ts": ts},
                              separators=(",", ":")))
    a.send("MSG", to=channel, content="signed", ts=ts, sig=sig)
    m = b.expect("MSG", content="signed")
    assert m["sig"] == sig and m["sent_ts"] == ts
    assert m["ts"] != ts


def test_a_forged_from_is_not_believed(relay):
    channel = fresh()
    a, b = Agent(relay), Agent(relay)
    a.create(channel)
    b.join(channel)
    a.text('{"type":"MSG","from":"%s","to":"%s","content":"it is me",'
           '"verified":true,"seq":99999,"msg_id":"mine","from_name":"boss",'
           '"replay":true,"mailbox_seq":5,"j":1}' % (b.id, channel))
    m = b.expect("MSG", content="it is me")
    assert m["from"] == a.id and m["seq"] < 99999
    assert m["msg_id"] != "mine" and m["from_name"] == a.name
    assert not m.get("verified") and not m.get("replay")
    assert "mailbox_seq" not in m


def test_seq_has_no_gap_and_ts_never_goes_back(relay):
    channel = fresh()
    agents = [Agent(relay) for _ in range(4)]
    agents[0].create(channel)
    for a in agents[1:]:
        a.join(channel)
    for a in agents:
        a.send_many({"type": "MSG", "to": channel, "content": "%s %d" %
                     (a.id, n)} for n in range(50))
    streams = []
    for a in agents:
        streams.append([a.expect("MSG") for _ in range(200)])
    for s in streams:
        assert [m["seq"] for m in s] == \
            list(range(s[0]["seq"], s[0]["seq"] + 200))
        assert all(x["ts"] <= y["ts"] for x, y in zip(s, s[1:]))
        # One order for all, and each sender's own order in it.
        assert [m["msg_id"] for m in s] == [m["msg_id"] for m in streams[0]]
        for a in agents:
            mine = [m["content"] for m in s if m["from"] == a.id]
            assert mine == ["%s %d" % (a.id, n) for n in range(50)]


def test_seq_starts_at_one(relay):
    channel = fresh()
    a = Agent(relay)
    a.create(channel)
    assert a.msg(channel, "x")["seq"] == 1


def test_a_resent_id_is_confirmed_and_not_delivered(relay):
    channel = fresh()
    a, b = Agent(relay), Agent(relay)
    a.create(channel)
    b.join(channel)
    first = a.msg(channel, "once", id="n1")
    again = a.msg(channel, "once", id="n1")
    assert again["seq"] == first["seq"]
    assert again["msg_id"] == first["msg_id"]
    a.msg(channel, "next", id="n2")
    assert b.expect("MSG")["content"] == "once"
    assert b.expect("MSG")["content"] == "next"
    b.nothing("MSG")


def test_a_resent_id_with_another_body_is_refused(relay):
    channel = fresh()
    a, b = Agent(relay), Agent(relay)
    a.create(channel)
    b.join(channel)
    a.msg(channel, "once", id="n1")
    for to, content in ((channel, "other"), (b.id, "once")):
        a.send("MSG", to=to, content=content, id="n1")
        assert a.refused("INVALID_MSG")["re"] == "n1"
    b.expect("MSG", content="once")
    b.nothing("MSG")


def test_ids_of_two_sessions_do_not_meet(relay):
    channel = fresh()
    a, b = Agent(relay), Agent(relay)
    a.create(channel)
    b.join(channel)
    a.msg(channel, "from a", id="same")
    b.msg(channel, "from b", id="same")
    a.expect("MSG", content="from b")


def test_ids_of_a_key_are_remembered_over_sessions(relay):
    channel, key = fresh(), Key()
    b = Agent(relay)
    b.create(channel)
    a = Agent(relay, key=key)
    a.join(channel)
    first = a.msg(channel, "once", id="k1")
    a.close()
    a = Agent(relay, key=key)
    a.join(channel, since=first["seq"], epoch=a.welcome["epoch"])
    again = a.msg(channel, "once", id="k1")
    assert again["msg_id"] == first["msg_id"]
    b.expect("MSG", content="once")
    b.nothing("MSG")


@pytest.mark.parametrize("id", ["x" * 65, 5, [], {}])
def test_bad_ids_are_refused(relay, id):
    channel = fresh()
    a = Agent(relay)
    a.create(channel)
    a.send("MSG", to=channel, content="x", id=id)
    a.refused("INVALID_MSG")
    a.msg(channel, "x", id="x" * 64)


def test_message_to_a_channel_one_is_not_in(relay):
    channel = fresh()
    a, b = Agent(relay), Agent(relay)
    a.create(channel)
    b.send("MSG", to=channel, content="x", id="q7")
    assert b.expect("ERROR")["re"] == "q7"
    a.nothing("MSG")
    b.send("MSG", to="#nowhere", content="x", id="q8")
    assert b.refused("CHANNEL_NOT_FOUND")["re"] == "q8"


def test_length_counts_utf16_units(relay):
    channel = fresh()
    a, b = Agent(relay), Agent(relay)
    a.create(channel)
    b.join(channel)
    for good in ("x" * 4096, "ä" * 4096, "\u20ac" * 4096,
                 "\U0001f600" * 2048):
        a.msg(channel, good)
        b.expect("MSG", content=good)
    for bad in ("x" * 4097, "\U0001f600" * 2048 + "x"):
        a.send("MSG", to=channel, content=bad, id="long")
        assert a.refused("INVALID_MSG")["re"] == "long"
    b.nothing("MSG")


def test_a_dm_is_echoed_and_seen_by_nobody_else(relay):
    a, b, c = Agent(relay, "anna"), Agent(relay), Agent(relay)
    for x in (a, b, c):
        x.join("#general")
    echo = a.msg(b.id, "psst", id="d1")
    assert echo["id"] == "d1" and not echo.get("queued")
    m = b.expect("MSG", content="psst")
    assert m["from"] == a.id and m["to"] == b.id
    assert m["from_name"] == "anna" and m["ts"] == echo["ts"]
    b.nothing("MSG")
    c.nothing("MSG")


def test_a_dm_to_oneself_comes(relay):
    a = Agent(relay)
    a.msg(a.id, "note")


def test_dm_to_nobody(relay):
    a = Agent(relay)
    a.send("MSG", to="@deadbeef", content="x", id="d2")
    assert a.refused("AGENT_NOT_FOUND")["re"] == "d2"
    gone = Agent(relay)
    gone.close()
    a.send("MSG", to=gone.id, content="x")
    a.refused("AGENT_NOT_FOUND")


def test_ping_pong(relay):
    a = Agent(relay, identify=False)
    a.send("PING")
    a.expect("PONG")
    a.identify()
    a.send("PING")
    a.expect("PONG")


@pytest.mark.parametrize("text", [
    "{}", '{"type":5}', '{"type":null}', '{"type":""}', '{"type":"NOPE"}',
    '{"type":"msg","to":"#general","content":"x"}', '{"typ":"PING"}',
    '{"type":"MSG"}', '{"type":"MSG","to":"#general"}',
    '{"type":"MSG","content":"x"}',
    '{"type":"MSG","to":5,"content":"x"}',
    '{"type":"MSG","to":"#general","content":5}',
    '{"type":"MSG","to":"#general","content":null}',
    '{"type":"MSG","to":null,"content":"x"}',
    '{"type":"MSG","to":["#general"],"content":"x"}',
    '{"type":"MSG","to":"general","content":"x"}',
    '{"type":"MSG","to":"","content":"x"}',
    '{"type":"JOIN"}', '{"type":"JOIN","channel":5}', '{"type":"LEAVE"}',
    '{"type":"LIST_AGENTS"}', '{"type":"CREATE_CHANNEL"}',
    '{"type":"CREATE_CHANNEL","channel":"#y","invite_only":"yes"}',
    '{"type":"INVITE","channel":"#general"}',
    '{"type":"INVITE","agent":"@x"}',
    '{"type":"JOIN","channel":"#general","since":"5"}',
    '{"type":"WELCOME","agent_id":"@x","server":"y"}',
    '{"type":"MSG","to":"#general","content":"\\ud800"}',
    '{"type":"MSG","to":"#general","content":"a\\u0000b"}',
    "null", "[]", "5", '"x"', "true", "", " ", "x", "{", '{"type":"PING"',
    '{"type":"PING"}}', '{"type":"PING"} x', "[" * 50,
    '{"type":"PING","type":"PING"}', "{'type':'PING'}",
    '{"type":"PING",}', '{"type":"PING","x":NaN}',
    '{"type":"PING","x":1e999}', '{"type":"PING","x":"\t"}',
])
def test_what_is_no_message_gets_invalid_msg_and_nothing_happens(relay, text):
    watch = Agent(relay)
    watch.join("#general")
    a = Agent(relay)
    a.join("#general")
    a.barrier()
    a.text(text)
    if text.strip():
        a.refused(("INVALID_MSG", "INVALID_NAME"))
    else:
        a.barrier()     # an empty line: an error or nothing
    a.nothing()
    watch.nothing("MSG")


def test_errors_of_unparsable_fields_still_name_the_id(relay):
    a = Agent(relay)
    a.text('{"type":"MSG","to":5,"content":"x","id":"q9"}')
    assert a.refused("INVALID_MSG")["re"] == "q9"


def test_null_counts_as_absent(relay):
    a = Agent(relay, identify=False)
    a.text('{"type":"IDENTIFY","name":"old","pubkey":null,"caps":null}')
    assert re.fullmatch("@[a-z0-9]{8}", a.expect("WELCOME")["agent_id"])
    a.text('{"type":"JOIN","channel":"#general","since":null,"epoch":null}')
    a.expect("JOINED")
    a.text('{"type":"MSG","to":"#general","content":"x","ts":null,'
           '"sig":null,"id":null,"in_reply_to":null}')
    m = a.expect("MSG", content="x")
    assert not [k for k, v in m.items() if v is None], m
    a.text('{"type":"CREATE_CHANNEL","channel":"%s","invite_only":null}' %
           fresh())
    a.expect("JOINED")


def test_unknown_fields_are_ignored(relay):
    channel = fresh()
    a = Agent(relay)
    a.create(channel, colour="red", deep={"a": [1, {"b": None}]})
    a.msg(channel, "x", colour="red")


def test_several_objects_in_one_frame(relay):
    channel = fresh()
    a = Agent(relay)
    a.create(channel)
    a.text("".join(json.dumps({"type": "MSG", "to": channel, "content":
                               "m%d" % n}) + "\n" for n in range(5)))
    for n in range(5):
        assert a.expect("MSG")["content"] == "m%d" % n
    a.text('{"type":"PING"}\n{"type":"NOPE"}\n{"type":"PING"}')
    a.expect("PONG")
    a.refused("INVALID_MSG")
    a.expect("PONG")


def test_a_client_that_did_not_ask_gets_one_object_per_frame(relay):
    channel = fresh()
    a, b = Agent(relay), Agent(relay)
    a.create(channel)
    b.join(channel)
    a.send_many({"type": "MSG", "to": channel, "content": "m%d" % n}
                for n in range(100))
    for n in range(100):
        b.expect("MSG", content="m%d" % n)
    for f in b.frames:
        json.loads(f)
        assert "\n" not in f.strip("\n")


def test_subprotocol_ndjson_is_agreed_on(relay):
    channel = fresh()
    a = Agent(relay)
    a.create(channel)
    b = Agent(relay, subprotocols=["agentchat.ndjson"])
    assert b.ws.subprotocol == "agentchat.ndjson"
    assert a.ws.subprotocol is None
    b.join(channel)
    a.send_many({"type": "MSG", "to": channel, "content": "m%d" % n}
                for n in range(100))
    for n in range(100):
        assert b.expect("MSG")["content"] == "m%d" % n


def test_subprotocol_ndjson_is_found_among_others(relay):
    a = Agent(relay, subprotocols=["chat.unknown", "agentchat.ndjson"])
    assert a.ws.subprotocol == "agentchat.ndjson"
    a.join("#general")


# ----------------------------------------------------------- acknowledgement


def test_stored_follows_for_who_asked(relay):
    channel = fresh()
    a, plain = Agent(relay, caps=["stored"]), Agent(relay)
    a.create(channel)
    plain.join(channel)
    last = 0
    for n in range(10):
        echo = a.msg(channel, "m%d" % n)
        assert echo["j"] > last
        last = echo["j"]
    while a.expect("STORED")["j"] < last:
        pass
    plain.barrier()
    assert not [m for m in plain.passed if m["type"] == "STORED"]


def test_stored_is_cumulative_and_rises(relay):
    channel = fresh()
    a = Agent(relay, caps=["stored"])
    a.create(channel)
    a.send_many({"type": "MSG", "to": channel, "content": "m%d" % n}
                for n in range(200))
    echoes, stored = [], []
    while len(echoes) < 200 or not stored or stored[-1] < echoes[-1]:
        m = a.next()
        if m["type"] == "MSG":
            echoes.append(m["j"])
        elif m["type"] == "STORED":
            stored.append(m["j"])
    assert stored == sorted(stored) and echoes == sorted(echoes)


def test_mailbox_keeps_dms_for_a_known_agent_that_is_away(relay):
    key = Key()
    Agent(relay, key=key).close()
    a = Agent(relay)
    until_gone(a, key.id)
    for n in range(3):
        echo = a.msg(key.id, "while away %d" % n)
        assert echo["queued"] is True, echo
    b = Agent(relay, key=key, caps=["ack"])
    got = [m for m in b.barrier() if m["type"] == "MSG" and
           m["content"] != "are you there?"]
    assert [m["content"] for m in got] == \
        ["while away %d" % n for n in range(3)]
    seqs = [m["mailbox_seq"] for m in got]
    assert seqs == sorted(set(seqs)) and got[0]["from"] == a.id


def until_gone(agent, id):
    """Wait until the relay has noticed that id's connection is closed."""
    def probe():
        echo = agent.msg(id, "are you there?")
        return echo.get("queued")
    harness.until(probe, id + " to be away")


def drained(agent):
    """Acknowledge all of the mailbox."""
    got = [m for m in agent.barrier() if m["type"] == "MSG"]
    if got:
        agent.send("ACK", mailbox_seq=got[-1]["mailbox_seq"])
        agent.nothing("MSG", "ERROR")
    return got


def test_mailbox_forgets_only_what_was_acknowledged(relay):
    key = Key()
    Agent(relay, key=key).close()
    a = Agent(relay)
    until_gone(a, key.id)
    b = Agent(relay, key=key, caps=["ack"])
    drained(b)
    for n in range(4):
        a.msg(key.id, "m%d" % n)
    got = [b.expect("MSG") for _ in range(4)]
    b.send("ACK", mailbox_seq=got[1]["mailbox_seq"])
    b.barrier()
    b.drop()
    b = Agent(relay, key=key, caps=["ack"])
    again = [b.expect("MSG") for _ in range(2)]
    assert [m["content"] for m in again] == ["m2", "m3"]
    assert [m["mailbox_seq"] for m in again] == \
        [m["mailbox_seq"] for m in got[2:]]
    assert [m["msg_id"] for m in again] == [m["msg_id"] for m in got[2:]]
    b.send("ACK", mailbox_seq=again[-1]["mailbox_seq"])
    b.barrier()
    b.close()
    Agent(relay, key=key, caps=["ack"]).nothing("MSG")


def test_mailbox_of_a_client_without_ack_empties_when_it_was_sent(relay):
    key = Key()
    Agent(relay, key=key).close()
    a = Agent(relay)
    until_gone(a, key.id)
    b = Agent(relay, key=key)
    b.expect("MSG")
    b.barrier()
    b.close()
    Agent(relay, key=key).nothing("MSG")


def test_who_only_knows_the_key_does_not_read_the_mailbox(relay):
    key = Key()
    Agent(relay, key=key).close()
    a = Agent(relay)
    until_gone(a, key.id)
    a.msg(key.id, "private")
    thief = Agent(relay, key=key, prove=False, caps=["ack"])
    thief.expect("CHALLENGE")
    thief.send("ACK", mailbox_seq=1000)
    thief.nothing("MSG")
    thief.close()
    b = Agent(relay, key=key, caps=["ack"])
    b.expect("MSG", content="private")


def test_a_bad_ack_is_no_harm(relay):
    a = Agent(relay, key=Key(), caps=["ack"])
    a.send("ACK", mailbox_seq=10 ** 15)
    a.barrier()
    b = Agent(relay)
    b.msg(a.id, "still works")
    m = a.expect("MSG", content="still works")
    a.send("ACK", mailbox_seq=m["mailbox_seq"])
    a.nothing("ERROR")


# ------------------------------------------------------------------- limits


def test_burst_of_ten_then_rate_limited(started):
    r = started(Relay())
    a, b = Agent(r), Agent(r)
    a.join("#general")
    b.join("#general")
    a.send_many({"type": "MSG", "to": "#general", "content": "m%d" % n,
                 "id": "i%d" % n} for n in range(30))
    told = [a.next() for _ in range(31)]    # 30 answers, AGENT_JOINED of b
    echoes = [m for m in told if m["type"] == "MSG"]
    errors = [m for m in told if m["type"] == "ERROR"]
    assert len(echoes) + len(errors) == 30
    assert 10 <= len(echoes) < 30
    assert [m["content"] for m in echoes[:10]] == \
        ["m%d" % n for n in range(10)]
    assert {m["code"] for m in errors} == {"RATE_LIMITED"}
    # Every one is accounted for, and what was refused was not delivered.
    assert sorted([m["id"] for m in echoes] + [m["re"] for m in errors]) == \
        sorted("i%d" % n for n in range(30))
    got = [m["content"] for m in b.barrier() if m["type"] == "MSG"]
    assert got == [m["content"] for m in echoes]


def test_the_limit_is_per_session(started):
    r = started(Relay())
    a, b = Agent(r), Agent(r)
    a.join("#general")
    b.join("#general")
    a.send_many({"type": "MSG", "to": "#general", "content": "m%d" % n}
                for n in range(30))
    a.refused("RATE_LIMITED")
    b.msg("#general", "still mine")


def test_rate_and_burst_are_configurable(started):
    r = started(Relay("--rate", "0.001", "--rate-burst", "3"))
    a = Agent(r)
    assert 3 in a.welcome["rate"].values(), a.welcome
    a.join("#general")
    a.send_many({"type": "MSG", "to": "#general", "content": "m%d" % n}
                for n in range(6))
    told = [a.next() for _ in range(6)]
    assert [m["content"] for m in told if m["type"] == "MSG"] == \
        ["m0", "m1", "m2"]
    assert [m["code"] for m in told if m["type"] != "MSG"] == \
        ["RATE_LIMITED"] * 3


def test_ping_and_the_first_joins_are_free(started):
    r = started(Relay("--rate", "0.001", "--rate-burst", "3"))
    a = Agent(r)
    for n in range(50):
        a.send("PING")
    for n in range(50):
        a.expect("PONG")
    for n in range(50):
        a.join(("#general", "#agents")[n % 2])
    for n in range(3):
        a.msg("#general", "m%d" % n)


def test_inviting_is_not_free(started):
    r = started(Relay("--rate", "0.001", "--rate-burst", "5"))
    a, b = Agent(r), Agent(r)
    a.create("#p", invite_only=True)
    a.send_many({"type": "INVITE", "channel": "#p", "agent": b.id}
                for _ in range(20))
    a.refused("RATE_LIMITED")
    assert len([m for m in b.barrier() if m["type"] == "MSG"]) < 20


# --------------------------------------------------------------------- logs


def test_message_bodies_are_not_logged_unless_asked(started):
    for args, expected in (((), False), (("--log-messages",), True)):
        r = started(Relay(*args))
        a = Agent(r)
        a.join("#general")
        a.msg("#general", "xyzzy-the-body")
        a.close()
        assert r.stop() == 0
        assert ("xyzzy-the-body" in r.err) == expected, r.err
        for line in r.err.splitlines():
            json.loads(line)


def test_sigterm_closes_with_1001(started):
    r = started(Relay())
    a = Agent(r)
    r.signal(15)
    a.expect_close(1001)
    assert r.wait() == 0


def test_environment_is_the_fallback_for_options(started):
    p = started(harness.Proc(
        "serve", "--spool", harness.directory("relay"),
        env={"PORT": "0", "HOST": "127.0.0.1", "SERVER_NAME": "from-env"}))
    url = json.loads(p.out_lines(1)[0])["listening"]
    assert url.startswith("ws://127.0.0.1:")
    assert Agent(url).welcome["server"] == "from-env"
