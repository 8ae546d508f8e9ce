"""The network between two namespaces goes away for a minute."""

import os
import secrets
import shutil
import subprocess
import time

import harness
from harness import until
from image import sh
from load import Account, Peer, back
from part_kill import finish, work


def unsupported():
    if os.geteuid() != 0:
        return "not root"
    if not shutil.which("ip"):
        return "no ip"
    if subprocess.run(["ip", "netns", "add", "ac-probe"],
                      capture_output=True, check=False).returncode:
        return "no network namespaces"
    sh("ip", "netns", "del", "ac-probe")
    return None


class Net:
    """Two namespaces and a cable; programs of .inside() are on the far end.
    """

    def __init__(self):
        tag = secrets.token_hex(3)
        self.far = "ac-" + tag
        self.near_if, self.far_if = "aca" + tag, "acb" + tag
        # An address range of our own: others may test at the same time.
        self.net = "10.%d.%d" % (secrets.randbelow(200) + 20,
                                 secrets.randbelow(250) + 1)
        sh("ip", "netns", "add", self.far)
        sh("ip", "link", "add", self.near_if, "type", "veth", "peer", "name",
           self.far_if, "netns", self.far)
        sh("ip", "addr", "add", self.net + ".1/24", "dev", self.near_if)
        sh("ip", "link", "set", self.near_if, "up")
        for words in (("addr", "add", self.net + ".2/24", "dev",
                       self.far_if), ("link", "set", self.far_if, "up"),
                      ("link", "set", "lo", "up")):
            sh("ip", "-n", self.far, *words)
        self.program = harness.directory("net") / "agentchat"
        self.program.write_text("#!/bin/sh\nexec ip netns exec %s %s \"$@\"\n"
                                % (self.far, harness.AGENTCHAT))
        self.program.chmod(0o755)

    def cable(self, plugged):
        sh("ip", "-n", self.far, "link", "set", self.far_if,
           "up" if plugged else "down")

    def close(self):
        subprocess.run(["ip", "netns", "del", self.far], check=False)
        subprocess.run(["ip", "link", "del", self.near_if], check=False,
                       capture_output=True)


class FarPeer(Peer):
    net = None

    def start(self, wait=False):
        was, harness.AGENTCHAT = harness.AGENTCHAT, str(self.net.program)
        try:
            return super().start(wait)
        finally:
            harness.AGENTCHAT = was


def cut_network(seconds, seed=0):
    """D5: both talk on while the link is dead, and then all arrives."""
    account = Account()
    net = Net()
    try:
        relay = harness.Relay(*harness.FAST, "--bind", "0.0.0.0")
        a = Peer("alice", relay.url, account).start(wait=True)
        b = FarPeer("bob", "ws://%s.1:%d" % (net.net, relay.port), account)
        b.net = net
        b.start(wait=True)
        until(lambda: all((p.dir / p.channel / "out").is_dir()
                          for p in (a, b)), "boxes")
        work(a, b, 0.02)
        until(lambda: sum(b.heard.values()) > 20, "traffic")
        net.cable(False)
        time.sleep(seconds)
        seen = b.status.get("state")
        account.notes.append("after %g s bob is %s" % (seconds, seen))
        if seconds >= 46 and seen == "connected":
            account.wrong.append("the dead link was not noticed")
        net.cable(True)
        back(a, b)
        finish(account, (a, b))
        a.proc.stop(), b.proc.stop(), relay.stop()
    finally:
        harness.reap()
        net.close()
    return account
