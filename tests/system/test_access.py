"""Who may come in: the operator's lists, ADMIN_*, and certificates."""

import json
import signal
import socket
import ssl
import subprocess

import pytest

from harness import Agent, FAST, Key, Relay, Proc, directory, run, until

ADMIN = "an admin key of some length"


@pytest.fixture
def guarded(started):
    path = directory("admin") / "key"
    path.write_text(ADMIN + "\n")
    path.chmod(0o600)
    return started(Relay(*FAST, "--admin-key-file", path))


def knock(relay, key):
    """IDENTIFY with a key: WELCOME, CHALLENGE, or the code of the refusal."""
    a = Agent(relay, "knock", pubkey=key.pem, identify=False)
    a.send("IDENTIFY", name="knock", pubkey=key.pem)
    m = a.next()
    a.close()
    return m.get("code", m["type"])


def test_a_ban_in_the_file_ends_the_session(guarded):
    bad, worse, good = Key(), Key(), Key()
    a, b, c = (Agent(guarded, key=k) for k in (bad, worse, good))
    (guarded.spool / "ban").write_text(
        "# by id, and by key\n\n%s\n  %s ; spam\n" % (bad.id, worse.base64))
    guarded.signal(signal.SIGHUP)
    for agent in (a, b):
        _, seen = agent.expect_close()
        assert any(m["type"] == "BANNED" for m in seen), seen
    c.barrier()
    assert knock(guarded, bad) == knock(guarded, worse) == "BANNED"
    (guarded.spool / "ban").write_text("")
    until(lambda: knock(guarded, bad) == "WELCOME", "the ban to be lifted")


def test_an_allow_list_lets_in_who_is_on_it_and_proves_it(guarded):
    good, other = Key(), Key()
    stranger = Agent(guarded)
    (guarded.spool / "allow").write_text(good.id + "\n")
    stranger.expect_close()
    assert knock(guarded, other) == "NOT_ALLOWED"
    assert knock(guarded, good) == "CHALLENGE"
    Agent(guarded, key=good).barrier()


def test_a_broken_list_keeps_the_one_before(guarded):
    bad = Key()
    (guarded.spool / "ban").write_text(bad.id + "\n")
    until(lambda: knock(guarded, bad) == "BANNED", "the ban")
    (guarded.spool / "ban").write_text("no entry at all\n")
    until(lambda: "keeps the list" in guarded.err, "the complaint")
    assert knock(guarded, bad) == "BANNED"


def test_admins_kick_ban_and_unban(guarded):
    key, admin = Key(), Agent(guarded, "admin")

    def do(what, **more):
        admin.send(what, agent_id=key.id, admin_key=ADMIN, **more)
        m = admin.expect("ADMIN_RESULT", agent_id=key.id)
        assert m["success"] is True
    a = Agent(guarded, key=key)
    for wrong in (ADMIN + "x", "", ADMIN[:-1]):
        admin.send("ADMIN_KICK", agent_id=key.id, admin_key=wrong)
        admin.refused("NOT_ALLOWED")
    a.barrier()
    do("ADMIN_KICK", reason="go")
    _, seen = a.expect_close()
    assert [m["reason"] for m in seen if m["type"] == "KICKED"] == ["go"]
    a = Agent(guarded, key=key)
    do("ADMIN_BAN")
    a.expect_close()
    assert knock(guarded, key) == "BANNED"
    assert key.id in (guarded.spool / "ban").read_text()
    do("ADMIN_UNBAN")
    assert knock(guarded, key) == "WELCOME"
    assert ADMIN not in guarded.err


def test_without_admin_key_nobody_is_admin(relay):
    a = Agent(relay)
    a.send("ADMIN_BAN", agent_id=a.id, admin_key="")
    a.refused("NOT_ALLOWED")


# ------------------------------------------------------------- certificates


def certificate(place, name, days="2"):
    cert, key = place / (name + ".crt"), place / (name + ".key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", days, "-subj",
         "/CN=" + name, "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def served(port):
    """The certificate that a new connection gets, as DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        with context.wrap_socket(s) as tls:
            return tls.getpeercert(binary_form=True), tls.version()


def der(cert):
    return ssl.PEM_cert_to_DER_cert(cert.read_text())


def test_a_new_certificate_is_taken_and_a_broken_one_is_not(started):
    place = directory("tls")
    one, two = certificate(place, "one"), certificate(place, "two")
    cert, key = place / "cert", place / "key"

    def put(pair):
        cert.write_bytes(pair[0].read_bytes())
        key.write_bytes(pair[1].read_bytes())
    put(one)
    relay = started(Proc("serve", "--port", "0", "--host", "127.0.0.1",
                         "--spool", place / "spool", "--cert", cert, "--key",
                         key, *FAST))
    url = json.loads(relay.out_lines(1)[0])["listening"]
    assert url.startswith("wss://")
    port = int(url.rsplit(":", 1)[1].strip("/"))
    assert served(port)[0] == der(one[0])
    old = started(Proc("listen", url, "#general", "--ca", one[0],
                       "--ephemeral"))
    until(lambda: '"event":"session"' in relay.err, "the session")
    # A pair that doesn't belong together keeps the one that was there.
    cert.write_bytes(two[0].read_bytes())
    relay.signal(signal.SIGHUP)
    until(lambda: "keeps the certificate" in relay.err, "the complaint")
    assert served(port)[0] == der(one[0])
    put(two)
    relay.signal(signal.SIGHUP)
    until(lambda: served(port)[0] == der(two[0]), "the new certificate")
    # New sessions trust the new one; the old session goes on.
    p = run("send", url, "#general", "x", "--ca", one[0], "--ephemeral")
    assert p.code == 75 and "certificate" in p.err, p.err
    p = run("send", url, "#general", "still here", "--ca", two[0],
            "--ephemeral")
    assert p.code == 0, p.err
    until(lambda: "still here" in old.out, "the old session to hear it")
    p = run("channels", url, "--ephemeral")
    assert p.code == 75 and "certificate" in p.err, p.err
    old.signal(signal.SIGTERM)
    old.wait()
