"""Agents talk through files: echo, cat, mkdir, mv, rm, and nothing else."""

import json
import os
import signal
import subprocess

import pytest

import harness
from harness import FAST, Agent, Daemon, Relay, directory, fresh, lines, until


def sh(command, cwd):
    """What an agent does: a line of shell in its instance directory."""
    p = subprocess.run(["/bin/sh", "-c", command], cwd=cwd, text=True,
                       capture_output=True)
    assert p.returncode == 0, (command, p.stderr)
    return p.stdout


@pytest.fixture(scope="module")
def people(relay):
    """Two daemons, anna and bert, that stay up for the whole file."""
    root = directory("root")
    both = [Daemon(relay.url, root=root, name=n) for n in ("anna", "bert")]
    yield both
    for d in both:
        assert d.alive(), d.err[-2000:]
        assert d.stop() == 0


@pytest.fixture
def anna(people):
    return people[0]


@pytest.fixture
def bert(people):
    return people[1]


def roster(daemon, box):
    try:
        text = (daemon.box(box) / "agents").read_text()
    except FileNotFoundError:
        return {}
    return dict(line.split(" ", 1) for line in text.splitlines())


def members(relay, channel):
    a = Agent(relay)
    a.send("LIST_AGENTS", channel=channel)
    m = a.next()
    a.close()
    return m.get("list", [])


def both_join(anna, bert):
    channel = fresh("#dev")
    for d in (anna, bert):
        sh("mkdir '%s'" % channel, d.dir)
    for d in (anna, bert):
        until(lambda: set(roster(d, channel)) == {anna.id, bert.id},
              lambda: "both in %s, has %s" % (channel, roster(d, channel)))
    return channel


# ---------------------------------------------------------------- first look


def test_the_instance_has_what_the_contract_names(anna):
    names = {"README", "status.json", "daemon.pid", "inbox.jsonl",
             "outbox.jsonl", "unread.md", "sent", "failed", "#general",
             "#agents"}
    until(lambda: names <= set(os.listdir(anna.dir)), lambda: "%s, has %s" %
          (names, os.listdir(anna.dir)))
    assert {"new", "cur", "tmp", "out"} <= \
        set(os.listdir(anna.box("#general")))
    readme = (anna.dir / "README").read_text()
    assert "out/" in readme and "new/" in readme
    st = anna.status()
    assert {"state", "server", "agent_id", "name", "since", "unread",
            "queued", "sent", "failed", "archived", "dropped"} <= set(st)
    assert st["name"] == "anna" and st["state"] == "connected"
    assert int((anna.dir / "daemon.pid").read_text()) == anna.pid


def test_secrets_are_private(anna):
    assert os.stat(anna.dir / "identity.json").st_mode & 0o077 == 0
    assert os.stat(anna.root).st_mode & 0o077 == 0
    assert (anna.root / ".gitignore").read_text().strip() == "*"


def test_rosters_name_both(anna, bert):
    for d in (anna, bert):
        until(lambda: {anna.id: "anna", bert.id: "bert"}.items() <=
              roster(d, "#general").items(),
              lambda: "both names, has %s" % roster(d, "#general"))


# ------------------------------------------------------------------- sending


def test_echo_into_out_arrives_everywhere(anna, bert):
    sh("echo hi there > '#general/out/x'", anna.dir)
    m = bert.received("#general", "hi there")
    assert m["from"] == anna.id and m["to"] == "#general"
    assert m["from_name"] == "anna"
    # in both of bert's rings
    for ring in (bert.dir / "inbox.jsonl", bert.box("#general") /
                 "inbox.jsonl"):
        until(lambda: any(x.get("msg_id") == m["msg_id"]
                          for x in lines(ring)), "the message in %s" % ring)
    # a receipt, with what the relay said
    r = anna.sent("#general.x.")
    assert (r["seq"], r["ts"]) == (m["seq"], m["ts"])
    # and the dropped file is gone
    assert not os.listdir(anna.box("#general") / "out")


def test_own_messages_are_read_already(anna, bert):
    sh("echo to myself > '#general/out/y'", anna.dir)
    bert.received("#general", "to myself")

    def mine():
        cur = anna.box("#general") / "cur"
        return any("to myself" in (cur / n).read_text()
                   for n in os.listdir(cur))
    until(mine, "the echo in anna's cur/")
    assert not [m for m in anna.new("#general") if m["from"] == anna.id]


def test_a_file_moved_in_is_sent_and_dot_files_are_not(anna, bert):
    channel = both_join(anna, bert)
    sh("echo draft > '%s/out/.draft'; echo whole > /tmp/.$$ && "
       "mv /tmp/.$$ '%s/out/whole'" % (channel, channel), anna.dir)
    bert.received(channel, "whole")
    assert (anna.box(channel) / "out" / ".draft").exists()
    sh("mv '%s/out/.draft' '%s/out/draft'" % (channel, channel), anna.dir)
    bert.received(channel, "draft")
    assert len(bert.new(channel)) == 2


def test_a_file_with_an_object_may_thread(anna, bert):
    sh("""echo '{"content":"an answer","in_reply_to":"some-id"}' """
       "> '#general/out/answer'", anna.dir)
    m = bert.received("#general", "an answer")
    assert m["in_reply_to"] == "some-id"


def test_text_with_quotes_lines_and_emoji_arrives_as_it_was(anna, bert):
    text = 'line "one" \\ back\nline two\ttab \u2028 ä \u20ac \U0001f600'
    p = anna.box("#general") / "out" / ".t"
    p.write_text(text)
    p.rename(p.with_name("text"))
    bert.received("#general", text)


def test_outbox_lines_are_sent_in_order_and_the_file_is_emptied(anna, bert):
    channel = both_join(anna, bert)
    sh("for i in 1 2 3 4 5; do echo '{\"to\":\"%s\",\"content\":\"n'$i'\"}'"
       " >> outbox.jsonl; done" % channel, anna.dir)
    bert.received(channel, "n5")
    assert [m["content"] for m in bert.new(channel)] == \
        ["n%d" % n for n in range(1, 6)]
    until(lambda: os.path.getsize(anna.dir / "outbox.jsonl") == 0,
          "an empty outbox.jsonl")


def test_a_bad_outbox_line_fails_with_a_reason_and_the_rest_is_sent(anna,
                                                                  bert):
    before = anna.status()["failed"]
    anna.outbox('{"to":"#general","content":', {
        "to": "#general", "content": "after the bad line"})
    bert.received("#general", "after the bad line")
    text, reason = anna.failed("outbox")
    assert "to" in text and "#general" in text and "content" in text
    assert len(reason.strip().splitlines()) == 1 and len(reason) > 10
    until(lambda: anna.status()["failed"] == before + 1, "failed counted")


@pytest.mark.parametrize("line", [
    "null", "[]", "5", '"x"', "{}", '{"to":5,"content":"x"}',
    '{"to":"#general"}', '{"content":"x"}', '{"to":"#general","content":5}',
    '{"to":"#general","content":"\\ud800"}',
    '{"to":"@../../x","content":"x"}', '{"to":"","content":"x"}',
    '{"type":"WELCOME","agent_id":"@x"}', '{"type":"NOPE"}',
    '{"to":"#general","content":"%s"}' % ("x" * 5000),
])
def test_unsendable_lines_fail_and_nothing_hangs(anna, bert, line):
    before = set(os.listdir(anna.dir / "failed"))
    mark = fresh("mark")
    anna.outbox(line, {"to": "#general", "content": mark})
    bert.received("#general", mark)

    def fresh_failure():
        new = set(os.listdir(anna.dir / "failed")) - before
        return len([n for n in new if n.endswith(".reason")]) == 1
    until(fresh_failure, "one new reason in failed/")


def test_refusals_of_the_relay_stand_in_failed(anna):
    anna.outbox({"to": "@deadbeef", "content": "anybody?"})

    def refused():
        return [n for n in os.listdir(anna.dir / "failed")
                if n.endswith(".reason") and "anybody?" in
                (anna.dir / "failed" / n[:-7]).read_text()]
    name = until(refused, "the refusal")[0]
    reason = (anna.dir / "failed" / name).read_text()
    assert "agent" in reason.lower() and "\n" not in reason.strip(), reason


def test_concurrent_appenders_lose_nothing(anna, bert):
    channel = both_join(anna, bert)
    writer = ("i=0; while [ $i -lt 100 ]; do i=$((i+1)); "
              "echo '{\"to\":\"%s\",\"content\":\"'$W-$i'\"}' "
              ">> outbox.jsonl; done" % channel)
    procs = [subprocess.Popen(["/bin/sh", "-c", writer], cwd=anna.dir,
                              env=dict(os.environ, W=str(w)))
             for w in range(4)]
    assert [p.wait() for p in procs] == [0] * 4
    until(lambda: len(bert.new(channel)) >= 400,
          lambda: "400 messages, has %d" % len(bert.new(channel)),
          timeout=60, every=0.1)
    got = [m["content"] for m in bert.new(channel)]
    assert len(got) == len(set(got)) == 400
    for w in range(4):
        assert [c for c in got if c.startswith("%d-" % w)] == \
            ["%d-%d" % (w, i) for i in range(1, 101)]


def test_files_dropped_while_the_daemon_was_stopped_are_sent(relay, started):
    a, b = (started(Daemon(relay.url, root=directory("root"), name=n))
            for n in ("anna", "bert"))
    until(lambda: (b.box("#general") / "agents").exists(), "the roster")
    assert a.stop() == 0
    want = ["file %04d" % n for n in range(1000)]
    for text in want:
        (a.box("#general") / "out" / text).write_text(text)
    a = started(a.again())

    def heard():        # what was said before is replayed to who joins
        return sorted(m["content"] for m in b.new("#general")
                      if m["content"].startswith("file "))
    until(lambda: len(heard()) >= len(want), lambda: "%d files, has %d" % (
        len(want), len(heard())), timeout=60, every=0.2)
    assert heard() == want
    until(lambda: a.status()["queued"] == 0, "an empty queue")
    assert not os.listdir(a.box("#general") / "out")


def test_a_burst_beyond_the_relays_rate_arrives_whole_and_in_order(started):
    relay = started(Relay("--rate", "20", "--rate-burst", "5"))
    a, b = (started(Daemon(relay.url, root=directory("root"), name=n))
            for n in ("anna", "bert"))
    until(lambda: (b.box("#general") / "agents").exists(), "the roster")
    want = ["line %d" % n for n in range(60)]
    a.outbox(*({"to": "#general", "content": c} for c in want))
    queued = []

    def all_there():
        n = a.status()["queued"]
        if not queued or queued[-1] != n:
            queued.append(n)
        return len(b.new("#general")) == len(want)
    until(all_there, lambda: "%d lines, queued was %s" % (len(want), queued),
          timeout=60)
    assert [m["content"] for m in b.new("#general")] == want
    until(lambda: a.status()["queued"] == 0, "an empty queue")
    falling = queued[queued.index(max(queued)):]
    assert len(falling) > 3 and falling == sorted(falling, reverse=True)
    assert a.status()["sent"] == len(want) and a.status()["failed"] == 0
    assert os.listdir(a.dir / "failed") == []


def test_many_dropped_files_arrive_once_each(anna, bert):
    channel = both_join(anna, bert)
    sh("i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo f$i > "
       "'%s/out/f'$i; done" % channel, anna.dir)
    until(lambda: len(bert.new(channel)) >= 300,
          lambda: "300 messages, has %d" % len(bert.new(channel)),
          timeout=60, every=0.1)
    got = [m["content"].strip() for m in bert.new(channel)]
    assert sorted(got) == sorted("f%d" % i for i in range(1, 301))


# ----------------------------------------------------------------- receiving


def test_ls_is_arrival_order_and_cat_is_jsonl(anna, bert):
    channel = both_join(anna, bert)
    anna.outbox(*({"to": channel, "content": "m%d" % n} for n in range(20)))
    bert.received(channel, "m19")
    text = sh("cat '%s'/new/*" % channel, bert.dir)
    got = [json.loads(line) for line in text.split("\n")[:-1]]
    assert [m["content"] for m in got] == ["m%d" % n for n in range(20)]
    for name in os.listdir(bert.box(channel) / "new"):
        ts, seq, sender = name.split(".")
        assert len(ts) == 13 and len(seq) == 8 and "@" + sender == anna.id
    assert not os.listdir(bert.box(channel) / "tmp")


def test_marking_read_lowers_unread(anna, bert):
    channel = both_join(anna, bert)
    anna.outbox(*({"to": channel, "content": "m%d" % n} for n in range(3)))
    bert.received(channel, "m2")

    def unread():
        return sum(len(bert.new(b)) for b in os.listdir(bert.dir)
                   if b[0] in "#@")
    until(lambda: bert.status()["unread"] == unread(), "unread counted")
    before = bert.status()["unread"]
    sh("mv '%s'/new/* '%s/cur/'" % (channel, channel), bert.dir)
    until(lambda: bert.status()["unread"] == before - 3, lambda:
          "3 less unread than %d, has %s" % (before, bert.status()))


def test_the_digest_shows_what_is_unread(anna, bert):
    word = fresh("digestible")
    sh("echo %s > '#general/out/d'" % word, anna.dir)
    bert.received("#general", word)
    until(lambda: word in (bert.dir / "unread.md").read_text(), word)
    assert os.path.getsize(bert.dir / "unread.md") <= 8192


def test_presence_is_in_the_rings_and_makes_no_files(relay, anna):
    before = len(anna.new("#general"))
    x = Agent(relay, "passer-by")
    x.join("#general")
    for kind in ("AGENT_JOINED", "AGENT_LEFT"):
        for ring in (anna.dir / "inbox.jsonl",
                     anna.box("#general") / "inbox.jsonl"):
            until(lambda: any(m["type"] == kind and m.get("agent") == x.id
                              for m in lines(ring)),
                  "%s in %s" % (kind, ring))
        if kind == "AGENT_JOINED":
            until(lambda: roster(anna, "#general").get(x.id) ==
                  "passer-by", "the passer-by in the roster")
            x.close()
    until(lambda: x.id not in roster(anna, "#general"),
          "the passer-by gone from the roster")
    assert len(anna.new("#general")) == before


def test_fields_that_only_the_daemon_may_set_are_its_own(relay, anna):
    x = Agent(relay, "liar")
    x.join("#general")
    x.send("MSG", to="#general", content="trust me", verified=True,
           encrypted=True, spooled_at=1)
    m = anna.received("#general", "trust me")
    assert not m.get("verified") and not m.get("encrypted")
    assert m.get("spooled_at") != 1


def test_signatures_are_checked(relay, anna, bert):
    sh("echo signed by anna > '#general/out/s'", anna.dir)
    m = bert.received("#general", "signed by anna")
    assert m["verified"] is True and m["sig"] and m["sent_ts"]


# --------------------------------------------------------- joining, leaving


def test_mkdir_joins_and_makes_the_channel(relay, anna, bert):
    channel = both_join(anna, bert)
    assert sorted(members(relay, channel)) == sorted([anna.id, bert.id])
    for d in (anna, bert):
        assert {"new", "cur", "tmp", "out", "agents"} <= \
            set(os.listdir(d.box(channel)))
    sh("echo in dev > '%s/out/x'" % channel, anna.dir)
    bert.received(channel, "in dev")


def test_mkdir_and_echo_in_one_breath(anna, bert):
    channel = fresh("#quick")
    sh("mkdir '%s'" % channel, bert.dir)
    until(lambda: bert.id in roster(bert, channel), "bert in " + channel)
    sh("mkdir -p '%s/out' && echo first word > '%s/out/x'" %
       (channel, channel), anna.dir)
    bert.received(channel, "first word")


def test_rm_r_leaves(relay, anna, bert):
    channel = both_join(anna, bert)
    sh("echo one > '%s/out/x'" % channel, anna.dir)
    bert.received(channel, "one")
    sh("rm -r '%s'" % channel, bert.dir)
    until(lambda: members(relay, channel) == [anna.id], "bert to be gone")
    until(lambda: set(roster(anna, channel)) == {anna.id},
          "bert gone from the roster")
    sh("echo two > '%s/out/x'" % channel, anna.dir)
    anna.sent("%s.x." % channel)
    assert not bert.box(channel).exists()


def test_removing_out_alone_leaves_too(relay, anna, bert):
    channel = both_join(anna, bert)
    sh("rmdir '%s/out'" % channel, bert.dir)
    until(lambda: members(relay, channel) == [anna.id], "bert to be gone")


def test_leaving_and_joining_again(relay, anna, bert):
    channel = both_join(anna, bert)
    for _ in range(3):
        sh("rm -r '%s'" % channel, bert.dir)
        until(lambda: members(relay, channel) == [anna.id], "bert gone")
        sh("mkdir '%s'" % channel, bert.dir)
        until(lambda: len(members(relay, channel)) == 2, "bert back")
    sh("echo welcome back > '%s/out/x'" % channel, anna.dir)
    bert.received(channel, "welcome back")


def test_a_channel_may_be_left_in_a_flood(started):
    """Large batches are published by another thread, who is in the box."""
    relay = started(Relay(*FAST, "--queue-max", "64M"))
    d = started(Daemon(relay.url, "--channels", "#stay,#leave",
                       root=directory("root"), name="anna"))
    for box in ("#stay", "#leave"):
        until(lambda: len(roster(d, box)) == 1, "the roster of " + box)
    talker = Agent(relay, "talker")
    for box in ("#stay", "#leave"):
        talker.join(box)
    os.kill(d.pid, signal.SIGSTOP)
    talker.send_many({"type": "MSG", "to": box, "content": "m%d" % n}
                     for n in range(3000) for box in ("#stay", "#leave"))
    talker.send("PING")
    talker.expect("PONG")
    os.kill(d.pid, signal.SIGCONT)
    until(lambda: os.listdir(d.box("#leave") / "new"), "the first",
          every=0.001)
    # As an agent would: again, while files still come.
    until(lambda: subprocess.run(["rm", "-r", d.box("#leave")],
                                 capture_output=True).returncode == 0,
          "rm -r")
    until(lambda: len(d.new("#stay")) >= 3000,
          lambda: "3000, has %d" % len(d.new("#stay")), timeout=60, every=0.1)
    assert [m["content"] for m in d.new("#stay")] == [
        "m%d" % n for n in range(3000)]
    assert os.listdir(d.box("#stay") / "tmp") == []
    until(lambda: members(relay, "#leave") == [talker.id], "anna gone")
    sh("mkdir '#leave'", d.dir)
    until(lambda: len(members(relay, "#leave")) == 2, "anna back")
    talker.msg("#leave", "welcome back")
    d.received("#leave", "welcome back")
    talker.close()


def test_a_refused_join_leaves_the_reason(relay, anna):
    channel = fresh("#closed")
    owner = Agent(relay, "owner")
    owner.create(channel, invite_only=True)
    sh("mkdir '%s'" % channel, anna.dir)
    error = anna.box(channel) / ".error"
    until(error.exists, "the reason of the refusal")
    assert "invit" in error.read_text().lower()
    sh("rm -r '%s' && mkdir '%s'" % (channel, channel), anna.dir)
    until(error.exists, "the reason once more")
    # An invitation is all it takes then.
    owner.send("INVITE", channel=channel, agent=anna.id)
    owner.expect("AGENT_JOINED", agent=anna.id)
    until(lambda: not error.exists(), "the reason to go")
    owner.msg(channel, "you are in")
    anna.received(channel, "you are in")


def test_directories_with_other_names_are_let_be(anna):
    sh("mkdir -p notes '#a b' '#.x' && touch notes/x '#a b/x'", anna.dir)
    anna.outbox({"to": "#general", "content": "still here"})
    until(lambda: os.path.getsize(anna.dir / "outbox.jsonl") == 0, "sent")
    # But for a word that they are no channels.
    for name, mine in ("#a b", {"x"}), ("#.x", set()), ("notes", {"x"}):
        assert set(os.listdir(anna.dir / name)) - {".error"} == mine
    assert not (anna.dir / "notes" / ".error").exists()


def test_an_outbox_line_may_be_any_message(relay, anna):
    channel = fresh("#made")
    anna.outbox({"type": "CREATE_CHANNEL", "channel": channel})
    until(lambda: members(relay, channel) == [anna.id], "the channel")
    until(lambda: (anna.box(channel) / "new").exists(), "its directory")


# ------------------------------------------------------------------- DMs


def test_a_dm_is_seen_by_its_target_alone(relay, anna, bert, started):
    carl = started(Daemon(relay.url, root=directory("root"), name="carl"))
    sh("mkdir -p '%s' && until [ -d '%s/out' ]; do :; done; "
       "echo for you alone > '%s/out/x'" % ((bert.id,) * 3), anna.dir)
    m = bert.received(anna.id, "for you alone")
    assert m["from"] == anna.id and m["to"] == bert.id
    r = anna.sent("%s.x." % bert.id)
    assert r["ts"] == m["ts"]
    # Carl hears what is said after it, and nothing of it.
    sh("echo for all > '#general/out/x'", anna.dir)
    carl.received("#general", "for all")
    # What its daemon replaces meanwhile may be gone when grep opens it.
    for what, found in ("for all", True), ("for you alone", False):
        text = subprocess.run(["grep", "-rs", what, carl.dir],
                              stdout=subprocess.PIPE)
        assert (text.stdout != b"") == found
    # An answer, by the other way.
    bert.outbox({"to": anna.id, "content": "thank you"})
    anna.received(bert.id, "thank you")
    assert any(m["content"].strip() == "thank you" for m in
               lines(anna.box(bert.id) / "inbox.jsonl"))


def test_a_dm_waits_for_who_is_away(relay, anna, started, root):
    dora = Daemon(relay.url, root=root, name="dora")
    id = dora.id
    assert dora.stop() == 0
    anna.outbox({"to": id, "content": "when you are back"})
    harness.until(lambda: any(r["target"] == id for r in anna.receipts()),
                  "the receipt")
    dora = started(dora.again())
    assert dora.id == id
    dora.received(anna.id, "when you are back")
    assert len(dora.new(anna.id)) == 1


# --------------------------------------------------------------- kill -9


def test_kill_nine_of_the_receiver_loses_and_doubles_nothing(relay, started,
                                                             root):
    a = started(Daemon(relay.url, "--channels", "#kill9r", root=root,
                       name="a"))
    b = started(Daemon(relay.url, "--channels", "#kill9r", root=root,
                       name="b"))
    until(lambda: len(roster(a, "#kill9r")) == 2, "both in #kill9r")
    taken = []

    def take():
        """The agent reads: what it has taken must not come again."""
        new = b.box("#kill9r") / "new"
        for name in sorted(os.listdir(new)):
            taken.append(json.loads((new / name).read_text())["content"])
            (new / name).unlink()
        return taken
    total = 0
    for round in range(4):
        a.outbox(*({"to": "#kill9r", "content": "%d" % n}
                   for n in range(total, total + 250)))
        total += 250
        until(lambda: len(take()) > total - 240, "some messages", every=0.01)
        b.kill()
        b = started(b.again())
    until(lambda: len(take()) >= total, lambda: "%d messages, has %d" % (
        total, len(taken)), timeout=60, every=0.05)
    b.connected()
    assert sorted(taken, key=int) == ["%d" % n for n in range(total)]
    assert taken == ["%d" % n for n in range(total)]
    assert not b.new("#kill9r")


def test_kill_nine_of_the_sender_loses_and_doubles_nothing(relay, started,
                                                           root):
    a = started(Daemon(relay.url, "--channels", "#kill9s", root=root,
                       name="a"))
    until(lambda: roster(a, "#kill9s"), "#kill9s")
    watch = Agent(relay)
    watch.join("#kill9s")
    total = 0
    got = []

    def take():
        while not watch.inbox.empty():
            m = watch.next()
            if m["type"] == "MSG":
                got.append(m["content"])
        return got
    for round in range(4):
        for n in range(total, total + 250):
            a.outbox({"to": "#kill9s", "content": "%d" % n})
        total += 250
        until(lambda: len(take()) > total - 240, "some messages")
        a.kill()
        a.outbox({"to": "#kill9s", "content": "%d" % total})
        total += 1
        a = started(a.again())
    until(lambda: len(take()) >= total, lambda: "%d messages, has %d" % (
        total, len(got)), timeout=60)
    until(lambda: a.status()["queued"] == 0, "an empty queue")
    watch.barrier()
    take()
    assert got == ["%d" % n for n in range(total)]
    assert not os.listdir(a.dir / "failed")


# ---------------------------------------------------------------- the load


def test_three_daemons_a_thousand_messages_each(relay, started, root):
    """Every message in every other inbox exactly once, in order."""
    trio = [started(Daemon(relay.url, "--channels", "#load", root=root,
                           name="load%d" % n)) for n in range(3)]
    for d in trio:
        until(lambda: len(roster(d, "#load")) == 3, "all three in #load")
    for k in range(10):
        for d in trio:
            d.outbox(*({"to": "#load", "content": "%s %d" % (
                d.instance, n)} for n in range(100 * k, 100 * k + 100)))
    for d in trio:
        new = d.box("#load") / "new"
        until(lambda: len(os.listdir(new)) >= 2000,
              lambda: "2000 messages at %s, has %d: %s" % (
                  d.instance, len(os.listdir(new)), d.status()),
              timeout=90, every=0.2)
    for d in trio:
        until(lambda: d.status()["queued"] == 0, "an empty queue")
        got = [m["content"] for m in d.new("#load")]
        assert len(got) == 2000
        for other in trio:
            mine = [c for c in got if c.split()[0] == other.instance]
            assert mine == ([] if other is d else
                            ["%s %d" % (other.instance, n)
                             for n in range(1000)])
        st = d.status()
        assert (st["sent"], st["failed"], st["dropped"]) == (1000, 0, 0)
        assert len(d.receipts()) == 1000
        for ring in (d.dir / "inbox.jsonl", d.box("#load") / "inbox.jsonl"):
            kept = lines(ring)
            assert 0 < len(kept) <= 1000
            assert kept[-1]["type"] == "MSG"


def test_a_directory_that_can_be_no_channel_says_why(anna):
    for name in ("#two words", "#\u00fcber", "#", "@", "#" + 100 * "x"):
        (anna.dir / name).mkdir()
        error = anna.dir / name / ".error"
        until(error.exists, "the reason in " + name)
        assert "31 letters" in error.read_text()
        assert os.listdir(anna.dir / name) == [".error"]
        sh("rm -r '%s'" % name, anna.dir)


def test_what_is_no_plain_file_is_named_in_the_log_once(anna):
    out = anna.box("#general") / "out"
    names = [fresh("link"), fresh("fifo")]
    os.symlink("/etc/passwd", out / names[0])
    os.mkfifo(out / names[1])

    def said(name):
        return anna.err.count('"file":"%s"' % name)
    for i in range(2):
        # A file to be sent is a reason to look.
        sh("echo %d > '#general/out/%s'" % (i, fresh("x")), anna.dir)
        until(lambda: sum(map(said, names)) > i, "the next to be named")
    before = len(anna.receipts())
    sh("echo x > '#general/out/%s'" % fresh("x"), anna.dir)
    until(lambda: len(anna.receipts()) > before, "another look")
    assert [said(n) for n in names] == [1, 1]
    assert "not followed" in anna.err
    for n in names:
        assert os.path.lexists(out / n)
        os.unlink(out / n)


def test_a_damaged_queue_is_said_and_left_alone(relay):
    root = directory("root")
    d = Daemon(relay.url, root=root)
    for i in range(9):
        d.outbox({"to": d.id, "content": "note %d" % i})
    until(lambda: d.status().get("sent") == 9, "the receipts")
    assert d.stop() == 0
    part = d.dir / "queue" / "0000000000000000"
    bad = bytearray(part.read_bytes())
    bad[300:306] = b"damage"
    part.write_bytes(bad)
    p = harness.run("daemon", relay.url, "--dir", root)
    assert p.code == 1 and "damaged" in p.err and "queue" in p.err, p.err
    assert part.read_bytes() == bad
    os.rename(d.dir / "queue", d.dir / "queue.damaged")
    d = d.again()
    d.outbox({"to": d.id, "content": "anew"})
    # What was still in outbox.jsonl goes out again before it.
    until(lambda: d.status().get("sent", 0) > 0 and
          d.status().get("queued") == 0, "the receipt")
    assert d.stop() == 0
