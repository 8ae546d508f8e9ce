"""README.md is true: what it says to type is typed, in one shell, and what it
shows is what comes. Only the relay's port is another, and ids, process
numbers and times are those of today."""

import pathlib
import re
import socket
import subprocess

import pytest

import harness
from harness import until

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def sections():
    """{heading: [lines]} of README.md."""
    found, lines = {}, []
    for line in README.read_text().splitlines():
        if line.startswith("## "):
            lines = found.setdefault(line[3:], [])
        lines.append(line)
    return found


def session(lines):
    """[(command, [lines that it prints])] of the indented examples."""
    steps = []
    for line in lines:
        if line.startswith("    $ "):
            steps.append((line[6:], []))
        elif line.startswith("    ") and steps:
            if line.startswith("     ") and steps[-1][1]:
                steps[-1][1][-1] += line[5:]    # it was too long for the page
            else:
                steps[-1][1].append(line[4:])
    return steps


def pattern(line):
    """A regular expression for a line that README.md shows."""
    p = re.escape(line)
    p = re.sub(r"\d{4}\\-\d\d\\-\d\d\\ \d\d:\d\d:\d\d",
               r"\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d", p)
    p = re.sub(r"(pid\\ )\d+", r"\1\\d+", p)
    p = re.sub(r'("ts":)\d+', r"\1\\d+", p)
    p = re.sub(r'("msg_id":")[a-z0-9]+\\-\d+', r"\1[a-z0-9]+-[0-9a-f]+", p)
    return p.replace(re.escape("..."), ".*")


class Shell:
    """One shell, that says when a command is done."""

    def __init__(self, cwd, **env):
        e = dict(harness.environment(), NO_COLOR="1", **env)
        e["PATH"] = "%s:%s" % (pathlib.Path(harness.AGENTCHAT).parent,
                               e["PATH"])
        self.p = subprocess.Popen(["bash", "--norc"], cwd=cwd, env=e,
                                  text=True, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)

    def run(self, command):
        self.p.stdin.write(command + "\necho \" --done-- $?\"\n")
        self.p.stdin.flush()
        got = []
        for line in self.p.stdout:
            if line.startswith(" --done-- "):
                return [x for x in got if x], int(line.split()[1])
            got.append(line.rstrip("\n"))
        raise AssertionError("the shell ended at %s: %s" % (command, got))

    def shows(self, command, lines):
        got, code = self.run(command)
        return code == 0 and len(got) >= lines

    def close(self):
        self.p.stdin.write("kill $(jobs -p) 2>/dev/null; wait\n")
        self.p.stdin.close()
        self.p.wait(harness.DEADLINE)
        self.p.stdout.close()


@pytest.fixture
def shell():
    s = Shell(harness.directory("readme"))
    yield s
    s.close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


def looks(command):
    """May it be asked again until the other end has got there?"""
    if command.startswith(("cat ", "ls ")):
        return command
    # read takes what it prints: look first.
    return command.replace(" read ", " read --peek ") \
        if " read " in command else None


def test_sixty_seconds(shell):
    steps = session(sections()["Sixty seconds with it"])
    assert len(steps) > 10
    port, ids = free_port(), {}

    def today(text):
        text = text.replace("6667", port)
        for theirs, ours in ids.items():
            text = text.replace(theirs, ours)
        return text

    for command, shown in steps:
        line = today(command)
        if line.endswith("&"):
            line = line.replace("serve ", "serve --port %s " % port) \
                .replace(" &", " > relay.out &")
            shell.run(line)
            until(lambda: shell.shows("cat relay.out", 1), "the relay")
            got, code = shell.run("cat relay.out")
        else:
            peek = looks(line)
            if peek:
                until(lambda: shell.shows(peek, len(shown)),
                      lambda: "%s: %s" % (line, shell.run(peek)))
            got, code = shell.run(line)
        assert code == 0, (line, got)
        if not shown:
            continue
        assert len(got) == len(shown), (line, got)
        for theirs, ours in zip(shown, got):
            born = re.search(r" as (@[0-9a-f]{8})$", theirs)
            if born:
                ids[born.group(1)] = ours.rsplit(" ", 1)[1]
            assert re.fullmatch(pattern(today(theirs)), ours), \
                (line, today(theirs), ours)


def test_every_command_in_it_is_one(shell):
    """agentchat WORD in an example is a command, and its options exist."""
    text = README.read_text()
    lines = re.findall(r"^    (?:\$ )?agentchat (.+?)(?:  +.*)?$", text, re.M)
    assert len(lines) > 12
    for line in lines:
        for one in line.split(" | ") if " | channels" in line else [line]:
            words = one.replace("agentchat ", "").split()
            out, code = shell.run("agentchat help " + words[0])
            assert code == 0, one
            for option in re.findall(r"(?<![\w-])--?[a-zA-Z][a-z-]*", one):
                assert re.search(r"(?<![\w-])%s\b" % option, "\n".join(out)), \
                    (one, option)


def test_its_exit_codes_are_those_of_the_manual():
    said = re.search(r"Exit codes: (.*?)\.\n\n", README.read_text(),
                     re.S).group(1)
    codes = [int(x) for x in re.findall(r"\b\d+\b", said)]
    assert codes == [0, 1, 2, 3, 4, 5, 75]
    page = (README.parent / "doc" / "man" / "agentchat.1").read_text()
    for code in codes:
        assert re.search(r"^\.It %d\b" % code, page, re.M), code


def test_the_two_commands_are_there():
    text = README.read_text()
    for script in ("scripts/demo", "scripts/test"):
        assert re.search(r"^    %s$" % script, text, re.M)
        assert (README.parent / script).stat().st_mode & 0o111
