"""agentchat doctor on spools that really are damaged: it says what is wrong,
changes nothing unless told to, mends views, and never loses a message."""

import json
import os
import shutil

import pytest

import harness
from harness import Agent, Daemon, Relay, run, until

OK, FAILED, NOT_FOUND, TRY_AGAIN = 0, 1, 3, 75
SMALL = harness.FAST + ("--journal-segment", "128k")


def damage(path, at=0.5, bit=1):
    """Flip a bit, at a part of the file's length."""
    raw = bytearray(path.read_bytes())
    raw[int(len(raw) * at)] ^= bit
    path.write_bytes(raw)


@pytest.fixture(scope="module")
def made():
    """A root with a relay and an agent that has sent, failed and got mail,
    all stopped in good order."""
    root = harness.directory("doctor")
    relay = Relay(*SMALL, spool=root / "relay")
    d = Daemon(relay.url, "--channels", "#general", root=root, name="alice")
    other = Agent(relay, "other")
    other.join("#general")
    for n in range(20):
        other.msg("#general", "m-%02d %s" % (n, "x" * 100))
    other.msg(d.id, "for you")
    d.received("#general", "m-19 " + "x" * 100)
    d.received(other.id, "for you")
    for n in range(20):
        d.outbox({"to": "#general", "content": "mine %d" % n})
    d.outbox("{no json")
    d.failed("outbox")
    until(lambda: len(d.receipts()) == 20, "receipts")
    flood = Agent(relay, "flood")
    flood.create("#flood")
    for n in range(5):          # synced in between: marks vouch for it
        flood.send_many({"type": "MSG", "to": "#flood",
                         "content": "f-%d %s" % (i, "y" * 500)}
                        for i in range(100 * n, 100 * n + 100))
        flood.barrier()
    ring = root / "relay" / "#flood" / "inbox.jsonl"
    until(lambda: len(harness.lines(ring)) == 500, "the relay's ring")
    new = d.dir / "#general" / "new"
    for name in sorted(os.listdir(new))[:5]:
        os.rename(new / name, d.dir / "#general" / "cur" / name)
    other.close(), flood.close()
    assert d.stop() == 0 and relay.stop() == 0
    return root


@pytest.fixture
def root(made):
    """A copy of it to break."""
    to = harness.directory("patient")
    shutil.rmtree(to)
    shutil.copytree(made, to, symlinks=True)
    yield to
    shutil.rmtree(to)


def snapshot(root):
    found = {}
    for at, dirs, files in os.walk(root):
        for name in dirs + files:
            path = os.path.join(at, name)
            st = os.lstat(path)
            found[path] = (st.st_mode, st.st_ino, st.st_size, st.st_mtime_ns)
    return found


def doctor(root, *args):
    """(exit code, findings that aren't notes, all of the output)."""
    p = run("doctor", "--dir", root, "--json", *args)
    objects = [json.loads(x) for x in p.out.splitlines()]
    return p.code, [x for x in objects
                    if x.get("kind") in ("wrong", "mended")], objects


def messages(root):
    """What was said, wherever in the instance it is now: a sorted list."""
    dir = root / "daemons" / "alice"
    found = []
    for box in list(dir.glob("#*/new")) + list(dir.glob("#*/cur")) + \
            list(dir.glob("@*/new")) + [dir / "quarantine"]:
        if not box.is_dir():
            continue
        for path in box.iterdir():
            if path.is_symlink() or not path.is_file():
                continue
            try:
                found.append(json.loads(path.read_text())["content"])
            except (ValueError, KeyError, OSError):
                pass
    return sorted(found)


def test_all_is_well_and_nothing_is_touched(made):
    before = snapshot(made)
    code, bad, objects = doctor(made)
    assert (code, bad) == (OK, []), objects
    assert snapshot(made) == before
    p = run("doctor", "--dir", made)
    assert p.code == OK and p.out.count("all well") == 2, p.out
    total = objects[-2]
    assert (total["spool"], total["unread"], total["read"]) == \
        ("daemons/alice", 16, 25)
    assert (total["sent"], total["failed"], total["queued"]) == (20, 1, 0)
    assert objects[-1]["messages"] == 540


def first(root, glob):
    return sorted((root / "daemons" / "alice").glob(glob))[0]


def ring(root):
    return root / "daemons/alice/#general/inbox.jsonl"


def replace(make):
    def change(path):
        path.unlink()
        make(path)
    return change


def no_newline(path):
    path.write_bytes(path.read_bytes()[:-10])


def torn(path):
    with open(path, "ab") as f:
        f.write(b'{"type":"MSG","co')


def zeros(path):
    raw = path.read_bytes()
    path.write_bytes(raw[:300] + b"\0" * 200 + raw[500:])


def linked(path):
    os.link(path, path.parent.parent.parent / "another")


def long_ring(path):
    path.write_bytes(path.read_bytes() * 60)


MESSAGE = "#general/new/*"
DAMAGES = {
    "instance writable": ("", lambda p: p.chmod(0o770), "mode"),
    "box writable": ("#general", lambda p: p.chmod(0o777), "mode"),
    "new writable": ("#general/new", lambda p: p.chmod(0o722), "mode"),
    "key readable": ("identity.json", lambda p: p.chmod(0o644), "mode"),
    "message writable": (MESSAGE, lambda p: p.chmod(0o666), "mode"),
    "message is a link": (MESSAGE, replace(
        lambda p: p.symlink_to("/etc/passwd")), "kind"),
    "message is a FIFO": (MESSAGE, replace(os.mkfifo), "kind"),
    "message is a directory": (MESSAGE, replace(os.mkdir), "kind"),
    "message has two names": (MESSAGE, linked, "link"),
    "message is empty": (MESSAGE, lambda p: p.write_bytes(b""), "content"),
    "message is torn": (MESSAGE, no_newline, "content"),
    "message is no JSON": (MESSAGE, lambda p: p.write_bytes(b"hello\n"),
                           "content"),
    "ring is torn": ("#general/inbox.jsonl", torn, "ring"),
    "ring has zeros": ("#general/inbox.jsonl", zeros, "ring"),
    "ring is too long": ("inbox.jsonl", long_ring, "ring"),
    "ring is gone": ("inbox.jsonl", lambda p: p.unlink(), "ring"),
    "ring is empty": ("inbox.jsonl", lambda p: p.write_bytes(b""), "ring"),
    "ring is a link": ("#general/inbox.jsonl", replace(
        lambda p: p.symlink_to("/etc/passwd")), "kind"),
    "roster": ("#general/agents", lambda p: p.write_bytes(
        p.read_bytes() + b"nobody knows\n"), "roster"),
    "cursor is flipped": ("cursor", lambda p: damage(p, 0.99, 0x40),
                          "cursor"),
    "cursor is empty": ("cursor", lambda p: p.write_bytes(b""), "cursor"),
    "cursor is a link": ("cursor", replace(
        lambda p: p.symlink_to("/etc/passwd")), "kind"),
    "queue is flipped": ("queue/0*", lambda p: damage(p, 0.3), "queue"),
    "receipt is no JSON": ("sent/*.json", damage, None),
    "reason without message": ("failed/*.json", lambda p: p.unlink(),
                               "content"),
    "status is torn": ("status.json", no_newline, "status"),
    "outbox is a link": ("outbox.jsonl", replace(
        lambda p: p.symlink_to("/etc/passwd")), "kind"),
    "pid is left": ("", lambda p: (p / "daemon.pid").write_text("1\n"),
                    "pid"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named_and_mended(root, name):
    glob, change, kind = DAMAGES[name]
    instance = root / "daemons" / "alice"
    path = first(root, glob) if glob else instance
    before = messages(root)
    content = path.read_bytes() if path.is_file() else b""
    change(path)
    if kind is None:            # a bit in a string may still be JSON
        path.write_bytes(b"}" + content)
        kind = "content"

    was = snapshot(root)
    code, bad, objects = doctor(root)
    assert code == FAILED and {x["code"] for x in bad} == {kind}, objects
    wrong = str(path.relative_to(instance)) if path != instance else "."
    if kind == "queue":
        wrong = "queue"
    elif name == "reason without message":
        wrong += ".reason"
    assert bad[0]["path"] in (wrong, "daemon.pid"), bad
    assert bad[0]["kind"] == "wrong" and bad[0]["cure"]
    assert snapshot(root) == was            # it only looked

    code, bad, objects = doctor(root, "--repair")
    assert code == OK and kind in {x["code"] for x in bad}, objects
    assert {x["kind"] for x in bad} == {"mended"}
    code, bad, objects = doctor(root)
    assert (code, bad) == (OK, []), objects
    # Nothing that could be read is lost, and nothing is there twice.
    after = messages(root)
    gone = [x for x in before if x not in after]
    assert len(gone) == (1 if content and path.name not in os.listdir(
        path.parent) and MESSAGE == glob else 0), gone
    assert len(after) == len(set(after))


def test_the_daemon_starts_again_after_repair(root):
    instance = root / "daemons" / "alice"
    (instance / "cursor").write_bytes(b"agentchat-cursor 1\nlocal x\n")
    damage(first(root, "queue/0*"), 0.3)
    ring(root).write_bytes(b"\0" * 5000)
    before = messages(root)
    relay = Relay(*SMALL, spool=root / "relay")
    p = run("daemon", relay.url, "--dir", root, "--name", "alice")
    assert p.code != OK and "doctor --repair" in p.err
    assert run("doctor", "--dir", root, "--repair", "alice").code == OK
    d = Daemon(relay.url, root=root, name="alice")
    a = Agent(relay, "again")
    a.join("#general")
    a.msg("#general", "still there?")
    d.received("#general", "still there?")
    d.outbox({"to": "#general", "content": "yes"})
    a.expect("MSG", content="yes")
    assert d.stop() == 0
    assert set(before) <= set(messages(root))
    assert run("doctor", "--dir", root, "alice").code == OK
    a.close()
    assert relay.stop() == 0


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
def test_a_ring_comes_back_as_it_was(root, at):
    for path in (ring(root), root / "daemons/alice/inbox.jsonl",
                 root / "relay/#flood/inbox.jsonl"):
        raw = path.read_bytes()
        lines = raw.split(b"\n")
        n = max(i for i, x in enumerate(lines[:int(len(lines) * at) + 1])
                if b'"MSG"' in x)
        lines[n] = lines[n][:20] + b"\x01" + lines[n][21:]
        path.write_bytes(b"\n".join(lines))
        code, bad, objects = doctor(root, "--repair")
        assert code == OK and [x["code"] for x in bad] == ["ring"], objects
        again = path.read_bytes()
        assert [x.rstrip() for x in again.split(b"\n")] == \
            [x.rstrip() for x in raw.split(b"\n")], path
        aside = path.relative_to(root / "daemons/alice" if "alice" in
                                 str(path) else root / "relay")
        assert (path.parents[len(aside.parts) - 1] / "quarantine" /
                str(aside).replace("/", "_")).exists()


def test_what_is_not_for_doctor_to_guess(root):
    instance = root / "daemons" / "alice"
    with open(instance / "known_agents", "a") as f:
        f.write("@12345678 whose?\n")
    (instance / "archive").mkdir()
    (instance / "archive" / "2026-01-01.jsonl").write_text('{"a":1}\n{"b"')
    for args in ((), ("--repair",), ()):
        code, bad, objects = doctor(root, *args)
        assert code == FAILED, objects
        assert {x["code"] for x in bad} == {"known_agents", "lines"}
        assert {x["kind"] for x in bad} == {"wrong"}


def test_a_link_in_place_of_a_channel_is_moved_away(root):
    (root / "daemons/alice/#evil").symlink_to("/etc")
    code, bad, _ = doctor(root)
    assert code == FAILED and bad[0]["path"] == "#evil"
    assert doctor(root, "--repair")[0] == OK
    assert os.readlink(root / "daemons/alice/quarantine/#evil") == "/etc"


def test_what_is_moved_away_twice_has_two_names(root):
    for n in range(3):
        (root / "daemons/alice/#general/new/x").write_text("no message")
        assert doctor(root, "--repair")[0] == OK
    assert sorted(os.listdir(root / "daemons/alice/quarantine")) == \
        ["#general_new_x", "#general_new_x.1", "#general_new_x.2"]


def test_hostile_names_dont_drive_the_terminal(root):
    new = root / "daemons/alice/#general/new"
    (new / "a\x1b]0;x\x07\nb").write_text("x")
    with open(os.path.join(os.fsencode(new), b"\xff\xfe"), "w") as f:
        f.write("x")
    p = run("doctor", "--dir", root)
    assert p.code == FAILED and "\x1b" not in p.out and "\x07" not in p.out
    assert doctor(root)[0] == FAILED


def test_one_kind_of_trouble_is_not_told_a_thousand_times(root):
    for n in range(100):
        (root / ("daemons/alice/#general/new/x%d" % n)).write_text("x")
    code, bad, objects = doctor(root)
    assert code == FAILED and len(bad) == 20
    assert [x for x in objects if "wrong" in x][0]["wrong"] == 100


def test_a_running_daemon_is_looked_at_and_not_mended(made, root):
    relay = Relay(*SMALL, spool=root / "relay")
    d = Daemon(relay.url, root=root, name="alice")
    code, bad, objects = doctor(root)
    assert (code, bad) == (OK, []), objects
    assert sum(x.get("code") == "running" for x in objects) == 2
    for which in ("alice", "relay"):
        p = run("doctor", "--dir", root, "--repair", which)
        assert p.code == TRY_AGAIN and "stop it" in p.err, p.err
    assert d.alive() and relay.alive()
    d.kill()
    code, bad, _ = doctor(root, "alice")
    assert code == FAILED and {x["code"] for x in bad} == {"pid", "status"}
    assert doctor(root, "--repair", "alice")[0] == OK
    assert harness.load(d.dir / "status.json")["state"] == "stopped"
    assert relay.stop() == 0


def test_a_root_that_others_may_write_to(root):
    root.chmod(0o777)
    code, bad, _ = doctor(root)
    assert code == FAILED and bad[0]["code"] == "mode"
    code, bad, objects = doctor(root, "--repair")
    assert code == OK and len(objects) > 2
    assert root.stat().st_mode & 0o777 == 0o755


def test_nothing_there_is_3(root):
    assert run("doctor", "--dir", root / "none").code == NOT_FOUND
    assert run("doctor", "--dir", root, "bob").code == NOT_FOUND
    assert run("doctor", "--spool", root / "none").code == NOT_FOUND
    assert not (root / "none").exists()
    shutil.rmtree(root / "relay")
    assert run("doctor", "--dir", root, "relay").code == NOT_FOUND
    assert run("doctor", "--dir", root).code == OK
    shutil.rmtree(root / "daemons")
    assert run("doctor", "--dir", root).code == NOT_FOUND


# ------------------------------------------------------- a relay's journal


def segments(root):
    return sorted((root / "relay" / "journal").glob("0*"))


def serves(root, *args):
    """Does the relay start, and does what it holds hang together?"""
    p = harness.Proc("serve", "--port", 0, "--spool", root / "relay", *args)
    until(lambda: p.out or not p.alive(), "the relay to start or to refuse")
    if not p.out:
        return p.wait(), p.err
    return p.stop(), p.err


def test_a_flipped_bit_in_the_journal(root):
    damage(segments(root)[1], 0.5)
    was = snapshot(root)
    code, bad, objects = doctor(root, "relay")
    assert code == FAILED and bad[0]["code"] == "journal", objects
    assert "serve --repair" in bad[0]["cure"] and snapshot(root) == was
    assert "can't be read" in bad[0]["what"]
    # It is the relay that goes on without, with a new epoch.
    assert doctor(root, "--repair", "relay")[0] == FAILED
    assert serves(root)[0] != OK
    assert serves(root, "--repair")[0] == OK
    code, bad, objects = doctor(root, "relay")
    assert (code, bad) == (OK, []), objects


def test_a_segment_that_is_gone(root):
    segments(root)[1].unlink()
    code, bad, objects = doctor(root, "relay")
    assert code == FAILED and bad[0]["code"] == "journal", objects
    assert "gone" in bad[0]["what"]
    assert serves(root)[0] != OK
    assert serves(root, "--repair")[0] == OK
    assert doctor(root, "relay")[0] == OK


def test_the_beginning_is_gone(root):
    segments(root)[0].unlink()
    code, bad, objects = doctor(root, "relay")
    assert code == FAILED and bad[0]["code"] == "epoch", objects
    assert serves(root)[0] == OK
    assert doctor(root, "relay")[0] == OK


@pytest.mark.parametrize("left", [0.5, 0.99])
def test_a_torn_tail_is_no_damage(root, left):
    last = segments(root)[-1]
    os.truncate(last, int(last.stat().st_size * left))
    was = snapshot(root)
    code, bad, objects = doctor(root, "relay")
    assert (code, bad) == (OK, []), objects
    assert any(x.get("code") == "tail" for x in objects)
    assert snapshot(root) == was
    assert serves(root)[0] == OK


def test_another_file_in_place_of_a_segment(root):
    segment = segments(root)[1]
    segment.unlink()
    segment.symlink_to("/etc/passwd")
    code, bad, objects = doctor(root, "relay")
    assert code == FAILED and bad[0]["code"] == "journal", objects
