"""agentchat health and the relay's /health: well, not well, and not there."""

import datetime
import http.server
import ipaddress
import json
import socket
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import harness
from harness import Agent, Raw, Relay, fresh, run

OK, FAILED, USAGE, TIMEOUT, AGAIN = 0, 1, 2, 5, 75


def ask(relay, request):
    """The answer to one HTTP request: (status, headers, body)."""
    with Raw(relay) as raw:
        raw.send(request.encode())
        raw.finish()
        head, _, body = raw.buffer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode().lower(), body


def get(relay, path="/health"):
    return ask(relay, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
               "\r\n" % path)


def test_a_relay_that_is_well(relay):
    p = run("health", relay.url)
    assert (p.code, p.out, p.err) == (OK, "", "")
    p = run("health", "--json", relay.url)
    got = json.loads(p.out)
    assert p.code == OK and got["status"] == "ok" and got["server"]
    status, head, body = get(relay)
    assert status == 200 and "application/json" in head
    assert "cache-control: no-store" in head
    assert json.loads(body).keys() == got.keys()


def test_the_port_of_the_environment_is_asked(relay):
    assert run("health", env={"PORT": str(relay.port)}).code == OK
    assert run("health", env={"PORT": "x"}).code == USAGE
    assert run("health", "127.0.0.1").code == USAGE


def test_sessions_and_public_channels_are_counted(relay):
    def numbers():
        got = json.loads(get(relay)[2])
        return got["sessions"], got["channels"]
    sessions, channels = numbers()
    a = Agent(relay)
    a.create(fresh())
    assert numbers() == (sessions + 1, channels + 1)
    # That there is one more private channel is nobody's business.
    a.create(fresh(), invite_only=True)
    assert numbers() == (sessions + 1, channels + 1)


def test_asking_often_leaves_no_session_and_disturbs_nobody(relay):
    a = Agent(relay)
    a.join("#general")
    for _ in range(50):
        assert get(relay)[0] == 200
    a.msg("#general", "still here")


@pytest.mark.parametrize("request_line", [
    "POST /health", "PUT /health", "GET /", "GET /healthz", "GET /health/",
    "GET /health/../x", "GET /HEALTH",
    "GET /health%00", "HEAD /health"])
def test_only_that_page_is_there(relay, request_line):
    try:
        status, _, body = ask(relay, request_line +
                              " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                              "Content-Length: 0\r\n\r\n")
    except IndexError:
        return          # hung up without an answer
    assert status >= 400 and b"sessions" not in body
    assert get(relay)[0] == 200


def test_nobody_there_is_75():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        url = "ws://127.0.0.1:%d" % s.getsockname()[1]
        p = run("health", url)
    assert p.code == AGAIN and "can't be connected to" in p.err


def test_no_answer_is_5():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        p = run("health", "--timeout", "300ms",
                "ws://127.0.0.1:%d" % s.getsockname()[1])
    assert p.code == TIMEOUT


class Other:
    """An HTTP server that is no relay."""

    def __init__(self, status, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Location", "http://127.0.0.1:1/")
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass

            def log_message(self, *args):
                pass
        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        self.url = "ws://127.0.0.1:%d" % self.server.server_port

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.mark.parametrize("status, body", [
    (200, b""), (200, b"hello"), (200, b"{}"), (200, b'{"status":"stopping"}'),
    (503, b'{"status":"ok"}'), (500, b'{"status":"ok"}'), (404, b"no"),
    (302, b'{"status":"ok"}'), (200, b'{"status":"ok"'), (200, b'["ok"]'),
    (200, b'{"status":"\x1b[2J"}'), (200, b"LONG")])
def test_another_answer_is_1(status, body):
    with Other(status, body.replace(b"LONG", b"x" * 200000)) as other:
        p = run("health", other.url)
    assert p.code in (FAILED, AGAIN), p.err
    assert p.code == FAILED or status == 302
    assert p.out == "" and p.err and "\x1b" not in p.err


def certificate(d, name):
    """A certificate of its own for a name: (certificate, key) files."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime(2026, 1, 1)
    cert = x509.CertificateBuilder().subject_name(who).issuer_name(who) \
        .public_key(key.public_key()).serial_number(1) \
        .not_valid_before(now - datetime.timedelta(days=400)) \
        .not_valid_after(now + datetime.timedelta(days=36500)) \
        .add_extension(x509.SubjectAlternativeName(
            [x509.DNSName(name),
             x509.IPAddress(ipaddress.ip_address("127.9.9.9"))]), False) \
        .sign(key, hashes.SHA256())
    (d / "cert.pem").write_bytes(
        cert.public_bytes(serialization.Encoding.PEM))
    (d / "key.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    return d / "cert.pem", d / "key.pem"


class TlsRelay(Relay):
    """Relay, but for the scheme of the line that it prints."""

    def __init__(self, cert, key):
        self.spool = harness.directory("relay")
        harness.Proc.__init__(
            self, "serve", "--port", "0", "--host", "127.0.0.1", "--spool",
            self.spool, "--cert", cert, "--key", key, name="relay-tls")
        self.url = json.loads(self.out_lines(1)[0])["listening"]
        self.port = int(self.url.rsplit(":", 1)[1].strip("/"))


def test_over_tls_a_relay_on_this_machine_may_have_another_name(started):
    r = started(TlsRelay(*certificate(harness.directory("tls"),
                                      "relay.example.org")))
    assert r.url.startswith("wss://")
    p = run("health", "--json", "wss://127.0.0.1:%d" % r.port)
    assert p.code == OK and json.loads(p.out)["status"] == "ok", p.err
    assert run("health", "wss://localhost:%d" % r.port).code == OK
    assert run("health", "ws://127.0.0.1:%d" % r.port).code != OK


def test_a_certificate_of_elsewhere_is_checked(started):
    """0.0.0.0 is this machine too, but not by a name that is trusted."""
    r = started(TlsRelay(*certificate(harness.directory("tls"),
                                      "relay.example.org")))
    p = run("health", "wss://0.0.0.0:%d" % r.port)
    assert p.code == AGAIN and p.err
