"""agentchat identity, with python3-cryptography as the other implementation."""

import base64
import hashlib
import json
import os
import pty
import select
import signal
import stat
import termios
import time

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

import harness


@pytest.fixture
def place():
    """A directory to be in, and a function that runs the command there."""
    return Place(harness.directory("identity"))


class Place:
    def __init__(self, path):
        self.path = path
        self.file = path / ".agentchat" / "identity.json"

    def run(self, *args, **kw):
        return harness.run("identity", *args, cwd=self.path, **kw)

    def ok(self, *args, **kw):
        p = self.run(*args, **kw)
        assert p.code == 0, p.story()
        return p.out

    def refused(self, code, *args, **kw):
        p = self.run(*args, **kw)
        assert p.code == code, p.story()
        assert p.out == ""
        assert p.err.startswith("agentchat identity: ")
        return p.err

    def secret(self, text, *args):
        """Run with a passphrase on descriptor 0."""
        path = self.path / "passphrase"
        path.write_text(text)
        with open(path, "rb") as f:
            return self.run(*args, "--passphrase-fd", "0", stdin=f)

    def json(self):
        return json.loads(self.file.read_text())

    def put(self, value, mode=0o600, name="other.json"):
        path = self.path / name
        path.write_text(value if isinstance(value, str)
                        else json.dumps(value, indent=2))
        path.chmod(mode)
        return path


def id_of(pem):
    return "@" + hashlib.sha256(pem.encode()).hexdigest()[:8]


def raw(private):
    return private.private_bytes(serialization.Encoding.Raw,
                                 serialization.PrivateFormat.Raw,
                                 serialization.NoEncryption())


def private_pem(private):
    return private.private_bytes(serialization.Encoding.PEM,
                                 serialization.PrivateFormat.PKCS8,
                                 serialization.NoEncryption()).decode()


def b64(data):
    return base64.b64encode(data).decode()


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"),
                      ensure_ascii=False).encode()


def check(key64, signature, statement):
    """Raises InvalidSignature."""
    key = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(key64))
    key.verify(base64.b64decode(signature), canonical(statement))


# ------------------------------------------------------- making and showing


def test_generates_a_key_that_others_read(place):
    agent_id = place.ok("-g", "-n", "alice").strip()
    got = place.json()
    assert got["name"] == "alice"
    assert id_of(got["pubkey"]) == agent_id
    private = serialization.load_pem_private_key(got["privkey"].encode(),
                                                 None)
    public = serialization.load_pem_public_key(got["pubkey"].encode())
    public.verify(private.sign(b"text"), b"text")
    assert private_pem(private) == got["privkey"]
    assert abs(time.time() - time.mktime(time.strptime(
        got["created"][:19], "%Y-%m-%dT%H:%M:%S")) + time.timezone) < 86400


def test_keeps_it_where_nobody_else_looks(place):
    place.ok("--generate")
    assert stat.S_IMODE(place.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.file.parent.stat().st_mode) == 0o700
    assert (place.file.parent / ".gitignore").read_text() == "*\n"
    assert sorted(os.listdir(place.file.parent)) == [".gitignore",
                                                     "identity.json"]


def test_dir_environment_and_file_say_where(place):
    a = place.ok("-g", "--dir", "a").strip()
    b = place.ok("-g", env={"AGENTCHAT_DIR": "b"}).strip()
    c = place.ok("-g", "-f", "c/key.json").strip()
    assert id_of(json.loads((place.path / "a/identity.json").read_text())
                 ["pubkey"]) == a
    assert id_of(json.loads((place.path / "b/identity.json").read_text())
                 ["pubkey"]) == b
    assert stat.S_IMODE((place.path / "c").stat().st_mode) == 0o700
    assert json.loads(place.ok("--json", "-f", "c/key.json"))[
        "agent_id"] == c
    assert not place.file.exists()


def test_shows_and_exports_the_public_half_only(place):
    place.ok("-g", "-n", "alice")
    got = place.json()
    shown = place.ok()
    assert shown == place.ok("--show")
    assert "alice" in shown and id_of(got["pubkey"]) in shown
    assert place.ok("-e") == got["pubkey"]
    card = json.loads(place.ok("-e", "--json"))
    assert card == {"name": "alice", "agent_id": id_of(got["pubkey"]),
                    "pubkey": got["pubkey"], "created": got["created"]}
    private = serialization.load_pem_private_key(got["privkey"].encode(),
                                                 None)
    for out in (shown, place.ok("--json"), place.ok("-e", "--json"),
                place.ok("--verify-chain", "--json")):
        assert "priv" not in out.lower()
        assert b64(raw(private))[:30] not in out
        assert got["privkey"].split("\n")[1][30:60] not in out


@pytest.mark.parametrize("form", ["pem", "raw", "both", "later", "later64"])
def test_reads_what_others_wrote(place, form):
    key = harness.Key()
    seed = raw(key.private)
    both = b64(seed + base64.b64decode(key.base64))
    value = {
        "pem": {"name": "x", "pubkey": key.pem,
                "privkey": private_pem(key.private)},
        "raw": {"name": "x", "pubkey": key.base64, "privkey": b64(seed)},
        "both": {"name": "x", "pubkey": key.base64, "privkey": both},
        "later": {"publicKey": key.pem, "agentId": key.id[1:], "name": "x",
                  "privateKey": private_pem(key.private)},
        "later64": {"publicKey": key.base64, "privateKey": both,
                    "agentId": key.id[1:]},
    }[form]
    place.put(value)
    got = json.loads(place.ok("--json", "-f", "other.json"))
    assert got["agent_id"] == key.id
    assert got["pubkey"] == key.pem
    assert got["name"] == value.get("name", "agent-" + key.id[1:])
    # and signs with it
    place.ok("--rotate", "-f", "other.json")
    link = json.loads((place.path / "other.json").read_text())["chain"][0]
    check(key.base64, link["sig"], without_sigs(link))


# ----------------------------------------------------------- what it refuses


def test_never_overwrites_a_key_unless_forced(place):
    first = place.ok("-g").strip()
    before = place.file.read_bytes()
    assert "--force" in place.refused(1, "-g")
    assert place.file.read_bytes() == before
    second = place.ok("-g", "--force").strip()
    assert first != second
    assert id_of(place.json()["pubkey"]) == second


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o644])
def test_refuses_a_key_that_others_can_touch(place, mode):
    place.ok("-g")
    place.file.chmod(mode)
    for args in ((), ("-e",), ("--rotate",), ("--revoke",)):
        assert "600" in place.refused(1, *args)


def test_refuses_links_and_other_things(place):
    place.ok("-g")
    (place.path / "link.json").symlink_to(place.file)
    assert "link" in place.refused(1, "-f", "link.json")
    os.mkfifo(place.path / "fifo", 0o600)
    place.refused(1, "-f", "fifo")
    place.refused(1, "-f", ".")
    place.refused(3, "-f", "absent.json")
    place.refused(3, "--dir", "absent")


def test_refuses_what_is_no_identity(place):
    a, b = harness.Key(), harness.Key()
    good = {"name": "x", "pubkey": a.pem, "privkey": private_pem(a.private)}
    bad = ["", "{", "[]", "null", {}, {"name": "x"},
           dict(good, privkey=private_pem(b.private)),
           dict(good, pubkey=b.base64),
           dict(good, pubkey=good["privkey"]),
           dict(good, pubkey=a.pem + "x"),
           dict(good, pubkey=[a.pem]),
           dict(good, chain={}),
           json.dumps(good)[:-1],
           json.dumps(good) + "x",
           json.dumps(good)[:-1] + ', "name": "y"}']
    for value in bad:
        place.put(value)
        place.refused(1, "-f", "other.json")
        place.refused(1, "--rotate", "-f", "other.json")
    place.put(dict(good, privkey=None))     # fit for being looked at
    place.ok("-f", "other.json")
    place.refused(1, "--rotate", "-f", "other.json")
    place.put(good)
    place.ok("-f", "other.json")


def test_a_directory_open_to_others_is_refused(place):
    (place.path / "open").mkdir()
    (place.path / "open").chmod(0o777)
    assert "others" in place.refused(1, "-g", "--dir", "open")


def test_wrong_lines_change_nothing(place):
    place.ok("-g")
    before = place.file.read_bytes()
    for args in (("-g", "-s"), ("--rotate", "--revoke"), ("-x",), ("reason",),
                 ("-g", "reason"), ("--force",), ("--rotate", "--force"),
                 ("-n", "bob"), ("--rotate", "-n", "bob"), ("--passphrase",),
                 ("-e", "--passphrase"), ("--passphrase-fd", "0"),
                 ("--rotate", "--passphrase-fd", "zero"),
                 ("--rotate", "--passphrase=secret"),
                 ("--rotate", "--passphrase", "secret"),
                 ("-g", "--force", "-n", "no good"),
                 ("-g", "--force", "-n", "x" * 33),
                 ("--revoke", "a", "b"),
                 ("--revoke", "x" * 256)):
        assert "Usage" in place.refused(2, *args), args
    assert place.file.read_bytes() == before


def test_help_names_every_option(place):
    out = harness.run("help", "identity").out
    for name in ("generate", "show", "export", "rotate", "revoke",
                 "verify-chain", "file", "name", "force", "passphrase",
                 "passphrase-fd", "json", "dir"):
        assert "--" + name in out


# ----------------------------------------------------------------- the chain


def without_sigs(link):
    return {k: v for k, v in link.items() if k not in ("sig", "next_sig")}


def test_a_rotation_can_be_followed_by_others(place):
    ids = [place.ok("-g").strip()]
    keys = [place.json()["pubkey"]]
    for _ in range(3):
        ids.append(place.ok("--rotate").strip())
        keys.append(place.json()["pubkey"])
    assert len(set(ids)) == 4
    card = json.loads(place.ok("-e", "--json"))
    at = b64(serialization.load_pem_public_key(keys[0].encode()).public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw))
    for n, link in enumerate(card["chain"]):
        assert link["type"] == "AGENTCHAT_ROTATE" and link["n"] == n
        assert link["prev"] == at
        check(link["prev"], link["sig"], without_sigs(link))
        check(link["next"], link["next_sig"], without_sigs(link))
        with pytest.raises(InvalidSignature):
            check(link["prev"], link["sig"], dict(without_sigs(link), ts=1))
        at = link["next"]
    assert at == b64(serialization.load_pem_public_key(
        keys[3].encode()).public_bytes(serialization.Encoding.Raw,
                                       serialization.PublicFormat.Raw))
    got = json.loads(place.ok("--verify-chain", "--json"))
    assert got == {"ok": True, "first": ids[0], "last": ids[3],
                   "rotations": 3, "revoked": False}
    shown = place.ok()
    assert all(x in shown for x in ids)


def linked(*keys):
    """A card with a history, made by Python."""
    chain = []
    for n, (a, b) in enumerate(zip(keys, keys[1:])):
        link = {"type": "AGENTCHAT_ROTATE", "n": n, "prev": a.base64,
                "next": b.base64, "ts": 1706889600000 + n}
        text = canonical(link).decode()
        chain.append(dict(link, sig=a.sign(text), next_sig=b.sign(text)))
    return {"name": "x", "pubkey": keys[-1].pem, "chain": chain}


def test_a_history_made_by_others_is_checked(place):
    keys = [harness.Key() for _ in range(4)]
    card = linked(*keys)
    place.put(card, mode=0o644)

    def verify():
        return place.run("--verify-chain", "-f", "other.json", "--json")
    p = verify()
    assert p.code == 0, p.story()
    assert json.loads(p.out)["first"] == keys[0].id

    def altered(change):
        copy = json.loads(json.dumps(card))
        change(copy)
        place.put(copy, mode=0o644)
        p = verify()
        assert p.code == 1 and p.out == "", p.story()
        return p.err
    chain = card["chain"]
    assert "rotation 2 of 3" in altered(
        lambda c: c["chain"][1].update(ts=chain[1]["ts"] + 1))
    assert "rotation 1 of 3" in altered(
        lambda c: c["chain"][0].update(sig=chain[1]["sig"]))
    assert "rotation 3 of 3" in altered(
        lambda c: c["chain"][2].update(next_sig=chain[2]["sig"]))
    altered(lambda c: c["chain"].pop())
    altered(lambda c: c["chain"].pop(0))
    altered(lambda c: c["chain"].pop(1))
    altered(lambda c: c["chain"].reverse())
    altered(lambda c: c["chain"][0].update(note="unsigned"))
    altered(lambda c: c["chain"][0].pop("ts"))
    altered(lambda c: c.update(pubkey=harness.Key().pem))


def test_a_stranger_cannot_be_declared_successor(place):
    mine, victim = harness.Key(), harness.Key()
    card = linked(mine, victim)
    text = canonical(without_sigs(card["chain"][0])).decode()
    card["chain"][0]["next_sig"] = mine.sign(text)
    place.put(card, mode=0o644)
    assert "rotation 1 of 1" in place.refused(1, "--verify-chain", "-f",
                                              "other.json")


def test_a_broken_history_is_not_continued(place):
    place.ok("-g")
    place.ok("--rotate")
    got = place.json()
    got["chain"][0]["ts"] += 1
    place.file.write_text(json.dumps(got))
    before = place.file.read_bytes()
    assert "history" in place.refused(1, "--rotate")
    assert "history" in place.refused(1, "--revoke")
    assert place.file.read_bytes() == before


REASON = 'laptop "lost" \\ \u2028 \U0001f600'


def test_a_revocation_is_signed_and_final(place):
    place.ok("-g")
    card = json.loads(place.ok("--revoke", REASON))
    statement = dict(card["revoked"])
    signature = statement.pop("sig")
    assert statement["type"] == "AGENTCHAT_REVOKE"
    assert statement["reason"] == REASON
    check(statement["key"], signature, statement)
    for args in (("--rotate",), ("--revoke",)):
        assert "revoked" in place.refused(1, *args)
    assert "revoked" in place.ok()
    got = json.loads(place.ok("--verify-chain", "--json"))
    assert got["revoked"] is True
    # What was printed is what others check.
    place.put(card, mode=0o644)
    place.ok("--verify-chain", "-f", "other.json")
    card["revoked"]["reason"] = "no reason"
    place.put(card, mode=0o644)
    assert "revocation" in place.refused(1, "--verify-chain", "-f",
                                         "other.json")


def test_a_reason_cannot_drive_the_terminal(place):
    place.ok("-g")
    place.ok("--revoke", "\x1b[2J\u202e\nid  @00000000")
    shown = place.ok()
    assert "\x1b" not in shown and "\u202e" not in shown
    assert "\nid  @00000000" not in shown


# ------------------------------------------------------------- passphrases


def test_a_passphrase_locks_the_key(place):
    p = place.secret("open sesame\nnot this\n", "-g", "-n", "x")
    assert p.code == 0, p.story()
    agent_id = p.out.strip()
    got = place.json()
    assert "privkey" not in got and "PRIVATE" not in place.file.read_text()
    assert got["kdf"] == "argon2id"
    assert json.loads(place.ok("--json"))["locked"] is True
    assert place.ok("-e") == got["pubkey"]

    before = place.file.read_bytes()
    for wrong in ("open sesame \n", "open sesam", "OPEN SESAME\n",
                  "not this\n"):
        p = place.secret(wrong, "--rotate")
        assert p.code == 1 and "passphrase" in p.err, p.story()
    for none in ("", "\n"):
        p = place.secret(none, "--rotate")
        assert p.code == 1 and "empty" in p.err, p.story()
    assert place.file.read_bytes() == before

    # Without a newline, too; and the new key has the same lock.
    p = place.secret("open sesame", "--rotate")
    assert p.code == 0, p.story()
    assert "privkey" not in place.json()
    assert p.out.strip() != agent_id
    p = place.secret("open sesame", "--revoke", "why")
    assert p.code == 0, p.story()
    assert "privkey" not in place.json()
    assert place.run("--verify-chain").code == 0


def test_an_open_key_is_locked_by_rotation(place):
    place.ok("-g")
    assert "privkey" in place.json()
    p = place.secret("secret", "--rotate")
    assert p.code == 0, p.story()
    assert "privkey" not in place.json()


def test_a_passphrase_too_long_is_said_to_be(place):
    p = place.secret("x" * 1024, "-g")
    assert p.code == 0, p.story()
    p = place.secret("x" * 1025, "-g", "--force")
    assert p.code == 1, p.story()


def test_without_a_terminal_nothing_hangs(place):
    """setsid: no controlling terminal, so /dev/tty can't be opened."""
    place.secret("secret", "-g")
    p = Terminal(place, "--rotate", controlling=False)
    assert p.ends() == 1
    assert "--passphrase-fd" in p.text


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, place, *args, controlling=True):
        env = harness.environment()
        self.master, slave = pty.openpty()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                harness.begin()
                if controlling:
                    os.close(os.open(os.ttyname(slave), os.O_RDWR))
                null = os.open(os.devnull, os.O_RDWR)
                os.dup2(null, 0)
                os.dup2(slave, 1)
                os.dup2(slave, 2)
                os.closerange(3, 100)
                os.chdir(place.path)
                os.execve(harness.AGENTCHAT,
                          [harness.AGENTCHAT, "identity", *args], env)
            finally:
                os._exit(126)
        self.slave = slave      # kept: its settings are looked at
        self.text = ""

    def expect(self, text):
        """Wait until that has been printed, after what was before."""
        def probe():
            if select.select([self.master], [], [], 0.01)[0]:
                self.text += os.read(self.master, 4096).decode()
            return text in self.text
        harness.until(probe, lambda: "%r, has %r" % (text, self.text))
        before, self.text = self.text.split(text, 1)
        return before

    def type(self, text):
        os.write(self.master, text.encode())

    def echoes(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def ends(self):
        """Its exit code, negative for a signal."""
        status = []

        def probe():
            if select.select([self.master], [], [], 0.01)[0]:
                self.text += os.read(self.master, 4096).decode()
            pid, code = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                status.append(code)
            return bool(pid)
        harness.until(probe, "the command to end")
        while select.select([self.master], [], [], 0)[0]:
            self.text += os.read(self.master, 4096).decode()
        code = os.waitstatus_to_exitcode(status[0])
        self.echo_at_end = self.echoes()
        os.close(self.slave)
        os.close(self.master)
        return code


def test_the_terminal_asks_twice_and_shows_nothing(place):
    t = Terminal(place, "-g", "--passphrase")
    t.expect("Passphrase for the new key: ")
    assert not t.echoes()
    t.type("open sesame\n")
    assert "sesame" not in t.expect("Once more: ")
    t.type("open sesame\n")
    assert t.ends() == 0
    assert "sesame" not in t.text
    assert t.echo_at_end
    assert "privkey" not in place.json()

    t = Terminal(place, "--rotate")
    t.expect("Passphrase: ")
    t.type("open sesame\n")
    assert t.ends() == 0
    assert place.secret("open sesame", "--rotate").code == 0


def test_a_slip_of_the_finger_makes_no_key(place):
    t = Terminal(place, "-g", "--passphrase")
    t.expect("Passphrase for the new key: ")
    t.type("open sesame\n")
    t.expect("Once more: ")
    t.type("open sesane\n")
    assert t.ends() == 1
    assert "differ" in t.text
    assert not place.file.exists()


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM,
                                 signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(place, sig):
    t = Terminal(place, "-g", "--passphrase")
    t.expect("Passphrase for the new key: ")
    assert not t.echoes()
    if sig == signal.SIGINT:
        t.type("half\x03")
    else:
        os.kill(t.pid, sig)
    assert t.ends() == -sig
    assert t.echo_at_end
    assert not place.file.exists()


def test_end_of_input_is_no_passphrase(place):
    t = Terminal(place, "-g", "--passphrase")
    t.expect("Passphrase for the new key: ")
    t.type("\x04")
    assert t.ends() == 1
    assert t.echo_at_end
    assert not place.file.exists()
