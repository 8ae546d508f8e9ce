"""Completions for bash, zsh and fish: made from the table, so all of it is in
each, and what they offer is what the spool has."""

import re
import shutil
import subprocess

import pytest

import harness
from harness import run

OK, USAGE, NOT_FOUND = 0, 2, 3
SHELLS = ("bash", "zsh", "fish")
ALICE, BOB = "@1f3a9c02", "@deadbeef"


@pytest.fixture(scope="module")
def scripts():
    """The three files, where shells look for what they are to source."""
    d = harness.directory("completions")
    found = {}
    for shell in SHELLS:
        p = run("help", "--completions", shell)
        assert (p.code, p.err) == (OK, "")
        found[shell] = d / ("_agentchat" if shell == "zsh" else shell)
        found[shell].write_text(p.out)
    return found


@pytest.fixture(scope="module")
def spool():
    """An instance as a daemon leaves it: two boxes, a roster."""
    root = harness.directory("root")
    alice = root / "daemons" / "alice"
    for box in ("#general", "#dev", ALICE):
        for sub in ("new", "cur", "tmp", "out"):
            (alice / box / sub).mkdir(parents=True)
    (alice / "#general" / "agents").write_text(
        "%s carol\n%s bob\n" % (ALICE, BOB))
    # No daemon wrote this: nothing of it may reach a shell.
    (alice / "#dev" / "agents").write_text(
        "%s\n$(touch x) y\n@a;b z\n%s $(touch x)\n" % (BOB, ALICE))
    return root


def needed(*shell):
    if shutil.which(shell[0]) is None:
        pytest.skip(shell[0] + " is not installed")
    return list(shell)


def table():
    """{command: [(short, long), ...]} as help has them."""
    found = {}
    for command in re.findall(r"^([a-z]+)\t",
                              run("help", "--words", "commands").out, re.M):
        found[command] = re.findall(
            r"^  (?:-(\w), |    )--([a-z-]+)", run("help", command).out, re.M)
    assert len(found) > 10
    return found


TABLE = table()


def section(script, shell, command):
    """The part of a script that is about one command."""
    if shell == "fish":
        mark = "'__agentchat_on %s'" % command
        return "".join(x + "\n" for x in script.splitlines() if mark in x)
    return re.search(r"^\t%s\)\n(.*?) ;;$" % command, script,
                     re.M | re.S).group(1)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("command", TABLE)
def test_every_option_of_the_table_is_there(scripts, shell, command):
    text = section(scripts[shell].read_text(), shell, command)
    for short, name in TABLE[command]:
        if shell == "fish":
            assert re.search(r" -l %s " % name, text), name
            assert not short or " -s %s -l %s " % (short, name) in text
        elif shell == "zsh":
            assert re.search(r"'\*--%s=?\[" % name, text), name
            assert not short or re.search(r"'\*-%s\+?\[" % short, text)
        else:
            flags = re.search("flags='(.*)'", text).group(1).split()
            assert "--" + name in flags
            assert not short or "-" + short in flags


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_can_read_it(scripts, shell):
    subprocess.run(needed(shell, "-n", scripts[shell]), check=True)


def words(kind, *args):
    p = run("help", "--words", kind, *args)
    assert (p.code, p.err) == (OK, "")
    return [x.split("\t") for x in p.out.splitlines()]


def test_words_are_the_commands(spool):
    found = [w[0] for w in words("commands")]
    assert len(found) == len(set(found)) and set(found) == {
        w for w in re.findall(r"[a-z]+", run("help").out) if w in found}
    for name, summary in words("commands"):
        assert summary + ".\n" in run("help", name).out


def test_words_are_what_the_spool_has_and_nothing_strange(spool):
    alice = ("--dir", spool, "-I", "alice")
    assert words("instances", "--dir", spool) == [["alice"]]
    assert words("channels", *alice) == [["#dev"], ["#general"]]
    assert words("agents", *alice) == [[ALICE, "carol"], [BOB, "bob"]]
    assert words("boxes", *alice) == [["#dev"], ["#general"],
                                      [ALICE, "carol"], [BOB, "bob"]]


def test_words_of_nothing(spool):
    empty = harness.directory("empty")
    assert words("instances", "--dir", empty) == []
    assert run("help", "--words", "boxes", "--dir", empty).code == NOT_FOUND
    assert run("help", "--words", "wishes").code == USAGE
    assert run("help", "--completions", "tcsh").code == USAGE
    assert run("help", "--completions", "zsh", "send").code == USAGE


def complete(scripts, spool, line):
    """What bash would offer for a line."""
    program = """
source "$1"
COMP_LINE=$2 COMP_POINT=${#2}
read -ra COMP_WORDS <<<"$2"
[[ $2 == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_WORDS[0]=$3
compopt() { :; }        # it works only while Tab is pressed
_agentchat
printf '%s\\n' "${COMPREPLY[@]}"
"""
    env = dict(harness.environment(), AGENTCHAT_DIR=str(spool),
               AGENTCHAT_INSTANCE="alice")
    p = subprocess.run(
        needed("bash", "--norc", "-c", program, "bash", scripts["bash"],
               line, harness.AGENTCHAT),
        env=env, cwd=spool, capture_output=True, text=True, check=True,
        timeout=harness.DEADLINE)
    assert p.stderr == ""
    return p.stdout.split()


@pytest.mark.parametrize("typed, offered", [
    ("se", ["serve", "send", "setup"]),
    ("send ", ["\\#dev", "\\#general", ALICE, BOB]),
    ("send #g", ["\\#general"]),
    ("send \\#g", ["\\#general"]),
    ("send '#g", ["#general"]),
    ('send "#', ["#dev", "#general"]),
    ("send @d", [BOB]),
    ("send -r x @", [ALICE, BOB]),
    ("send --no", ["--no-wait"]),
    ("agents ", ["\\#dev", "\\#general"]),
    ("wait --from ", [ALICE, BOB]),
    ("wait --from=@1", [ALICE]),
    ("read -I ", ["alice"]),
    ("read --dir=/nonexistent -I ", []),
    ("read --dir /nonexistent ", []),
    ("read --dir daem", ["daemons"]),
    ("daemon --stop --name a", ["alice"]),
    ("help ser", ["serve"]),
    ("nosuch ", []),
    ("send --reply-to ", []),
])
def test_bash_offers(scripts, spool, typed, offered):
    assert complete(scripts, spool, "agentchat " + typed) == offered


@pytest.mark.parametrize("typed, offered", [
    ("ser", ["serve"]),
    ("send '#g", ["#general"]),
    ("send @d", [BOB]),
    ("wait --from @1", [ALICE]),
    ("read -I ", ["alice"]),
    ("send --no-w", ["--no-wait"]),
])
def test_fish_offers(scripts, spool, typed, offered):
    line = "%s %s" % (harness.directory("bin") / "agentchat", typed)
    (harness.pathlib.Path(line.split()[0])).symlink_to(harness.AGENTCHAT)
    env = dict(harness.environment(), AGENTCHAT_DIR=str(spool),
               AGENTCHAT_INSTANCE="alice", HOME=str(spool))
    p = subprocess.run(
        needed("fish", "--no-config", "-c",
               "source $argv[1]; complete -C $argv[2]", scripts["fish"],
               line), env=env, cwd=spool, capture_output=True, text=True,
        check=True, timeout=harness.DEADLINE)
    got = [x.split("\t")[0] for x in p.stdout.splitlines()]
    assert [x.replace("\\#", "#").strip("'") for x in got] == offered
