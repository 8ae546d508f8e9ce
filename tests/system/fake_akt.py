"""A stand-in for akt, Akash's program: the commands that deploy uses, with
the output that akt 1.0 has (one JSON line per step, all at its end).

$FAKE_DIR holds chain.json, {"dseq": "state"}, and gets a line of log.jsonl
per run: argv and environment. $FAKE_MODE says what goes wrong. A key is kept
as the hash of its mnemonic, so that finding the words is the deployer's doing.
"""

import hashlib
import json
import os
import pathlib
import signal
import sys
import time

DIR = pathlib.Path(os.environ["FAKE_DIR"])
MODE = os.environ.get("FAKE_MODE", "")
HOME = pathlib.Path(os.environ["AKT_HOME"])
ADDRESS = os.environ.get("FAKE_ADDRESS", "akash1" + "q" * 38)
PROVIDER = "akash1provider"


def chain(**change):
    path = DIR / "chain.json"
    try:
        now = json.loads(path.read_text())
    except FileNotFoundError:
        now = {}
    if change:
        now.update(change)
        tell("chain.json", json.dumps(now))
    return now


def tell(name, text):
    """A file that a test looks for: whole as soon as it is there."""
    new = DIR / (name + ".new")
    new.write_text(str(text))
    new.rename(DIR / name)


def log(args):
    with open(DIR / "log.jsonl", "a") as f:
        f.write(json.dumps({"argv": args, "env": dict(os.environ),
                            "mode": oct(HOME.stat().st_mode & 0o777)}) + "\n")


def line(workflow, step, result="completed", errors=(), **more):
    return json.dumps(dict(workflow=workflow, id="wf_1", step=step,
                           result=result, errors=list(errors), txs=[],
                           **more)) + "\n"


def put(*lines):
    sys.stdout.write("".join(lines))
    sys.stdout.flush()


def fail(text, code=1):
    sys.stderr.write("Error: " + text + "\n")
    sys.exit(code)


def wait_for_interrupt(dseq):
    """Nothing is told before the end, as akt does it."""
    def interrupted(sig, frame):
        put(line("deploy", "create-deployment", outputs={"dseq": dseq}),
            line("deploy", "wait-for-bids", "error", ["context canceled"],
                 dseq=int(dseq), cleanup="akt close " + dseq))
        os._exit(1)
    signal.signal(signal.SIGINT, interrupted)
    tell("waiting", os.getpid())
    while True:
        signal.pause()


def deploy(args):
    sdl, dseq = args[1], str(len(chain()) + 1000001)
    assert pathlib.Path(sdl).read_text().startswith("# An agentchat relay")
    if MODE == "create-fails":
        put(line("deploy", "create-deployment", "error",
                 ["insufficient funds: \x1b[31m5uact"]))
        fail("workflow failed")
    if MODE == "silent":
        return
    if MODE == "in-flight":
        def canceled(sig, frame):
            put(line("deploy", "create-deployment", "error",
                     ["context canceled"]))
            os._exit(1)
        signal.signal(signal.SIGINT, canceled)
    if MODE in ("in-flight", "slow"):
        tell("waiting", os.getpid())
        while not (DIR / "go").exists():
            time.sleep(0.01)
    chain(**{dseq: "active"})
    created = line("deploy", "create-deployment", outputs={"dseq": dseq})
    bids = line("deploy", "wait-for-bids")
    chosen = line("deploy", "select-bid", outputs={"provider": PROVIDER,
                                                   "price": "3uact"})
    leased = line("deploy", "create-lease",
                  outputs={"dseq": dseq, "provider": PROVIDER})
    sent = line("deploy", "send-manifest")
    ready = {"dseq": dseq, "provider": PROVIDER, "ready": True,
             "uris": {"relay": ["abc.ingress.example"]}}
    done = line("deploy", "display-result", outputs=ready) + \
        line("deploy", "wait-for-ready", outputs=ready)
    more = {"dseq": int(dseq), "cleanup": "akt close " + dseq}
    if MODE == "no-bids":
        put(created, line("deploy", "wait-for-bids", "error",
                          ["timeout waiting for bids"], **more))
        fail("workflow failed")
    if MODE == "lease-fails":
        put(created, bids, chosen, line("deploy", "create-lease", "error",
                                        ["bid is closed"], **more))
        fail("workflow failed")
    if MODE == "manifest-fails":
        put(created, bids, chosen, leased,
            line("deploy", "send-manifest", "error",
                 ["provider gateway timeout"], provider=PROVIDER, **more))
        fail("workflow failed")
    if MODE == "garbage":
        put("panic: not JSON\n", created, "{\"step\":\n", bids, chosen,
            leased, sent, done)
        return
    if MODE == "only-garbage":
        put("\x00\xff{}\n[1,2]\nnull\n")
        return
    if MODE == "truncated":
        put(created, (bids + chosen + leased)[:-20])
        return
    if MODE == "endless":
        put(created, "x" * (3 << 20))
        time.sleep(600)
    if MODE == "flood":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        put(created)
        while True:
            os.write(1, b"[]\n" * 20000)
            os.write(2, b"\n" * 20000)
    if MODE == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if MODE == "wait":
        wait_for_interrupt(dseq)
    if MODE == "deaf":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        put(created)
        tell("waiting", os.getpid())
        time.sleep(600)
    if MODE == "lies":
        put(line("deploy", "create-deployment", outputs={"dseq": "0x10"}),
            line("deploy", "create-deployment", outputs={"dseq": -1}),
            line("update", "create-lease"), bids)
        return
    put(created, bids, chosen, leased, sent, done)


def close(args):
    dseq = args[1]
    if MODE == "close-fails":
        put(line("close", "close-deployment", "error", ["no connection"]))
        fail("workflow failed")
    if chain().get(dseq) != "active":
        put(line("close", "close-deployment", "error",
                 ["deployment is not active"]))
        fail("workflow failed")
    chain(**{dseq: "closed"})
    put(line("close", "close-deployment", outputs={"dseq": dseq}),
        line("close", "display-result"))


def query(args):
    def one(dseq, state):
        return {"deployment": {"id": {"owner": ADDRESS, "dseq": dseq},
                               "state": state}, "groups": []}
    if MODE == "query-fails":
        fail("no connection")
    if args[2] == "active":
        print(json.dumps({"deployments": [one(d, s) for d, s in
                                          chain().items() if s == "active"],
                          "pagination": {"next_key": None}}, indent=2))
    elif args[2] in chain():
        print(json.dumps(one(args[2], chain()[args[2]])))
    else:
        fail("deployment not found")


def keys(args):
    key = HOME / "keyring"
    if args[2] == "add":
        words = sys.stdin.readline()
        if MODE == "key-refused":
            fail("invalid mnemonic: " + words)
        key.write_text(hashlib.sha256(words.encode()).hexdigest())
        sys.stdout.write("address: " + ADDRESS + "\n" + words)
    else:
        assert key.exists(), "no key"
        print("akash1" + "z" * 38 if MODE == "other-key" else ADDRESS)


def main():
    args = sys.argv[1:]
    log(args)
    if args[:1] == ["--context"]:
        assert (HOME / "context").read_text() == args[1]
        args = args[2:]
    if args[:2] == ["context", "keys"]:
        keys(args)
    elif args[:2] == ["context", "create"]:
        assert (HOME / "network").exists() and (HOME / "rings").exists()
        (HOME / "context").write_text(args[2])
    elif args[:3] == ["context", "network", "create"]:
        if MODE == "setup-fails":
            fail("disk full")
        (HOME / "network").write_text(args[3])
    elif args[:3] == ["context", "keyring", "create"]:
        (HOME / "rings").write_text(" ".join(args[3:]))
    elif args[0] == "deploy":
        deploy(args)
    elif args[0] == "close":
        close(args)
    elif args[:2] == ["query", "deployment"]:
        query(args)
    elif args[:2] == ["provider", "lease-status"]:
        print(json.dumps({"services": {"relay": {
            "available": 1, "total": 1, "uris": ["new.ingress.example"]}}}))
    else:
        fail("unknown command " + " ".join(args), 2)


main()
