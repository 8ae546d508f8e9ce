"""The table of commands, walked: whatever row is added has to keep the frame's
promises, be in the manual with all its options, and be tested somewhere."""

import functools
import pathlib
import re
import subprocess

import pytest

import harness
from harness import run

HERE = pathlib.Path(__file__).resolve().parent
MAN = HERE.parent.parent / "doc" / "man"
OK, FAILED, USAGE = 0, 1, 2


def overview(*args):
    out = subprocess.run([harness.AGENTCHAT, "help", *args], text=True,
                         capture_output=True, check=True).stdout
    return out


COMMANDS = re.findall(r"^([a-z]+)\b", overview("--words", "commands"), re.M)
each = pytest.mark.parametrize("command", COMMANDS)


@functools.lru_cache(maxsize=None)
def usage(command):
    """(operands of the synopsis, options as (short, long, argument))."""
    out = run("help", command).out
    line = out.splitlines()[0]
    assert line.startswith("Usage: agentchat " + command), line
    args = line[len("Usage: agentchat " + command):].replace("[options]", "")
    options = re.findall(r"^  (?:-(\w), |    )--([a-z-]+)(?: ([A-Z:]+))? ",
                         out, re.M)
    return args.strip(), options


def pages(command):
    """The manual pages whose synopsis has the command."""
    found = []
    for page in sorted(MAN.glob("*.1")):
        text = page.read_text()
        synopsis = text.split(".Sh SYNOPSIS", 1)[1].split(".Sh ", 1)[0]
        if re.search(r"^\.Cm %s$" % command, synopsis, re.M):
            found.append(text)
    return found


def test_there_are_commands():
    assert {"serve", "daemon", "send", "read", "help"} <= set(COMMANDS)
    for command in COMMANDS:
        assert re.search(r"\b%s\b" % command, overview()), command


def test_the_overview_fits_a_screen():
    lines = overview().splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80


def test_the_contract_for_a_model_is_whole_and_short():
    """Rows of the table come into it by themselves; files, exit codes and
    rules are there; and all of it costs a model less than 4 KiB."""
    p = run("help", "--llm")
    assert (p.code, p.err) == (OK, "")
    assert len(p.out.encode()) < 4096
    assert p.out.isascii() and p.out.endswith("\n")
    assert p.out.replace("\n", "").isprintable()
    for command in COMMANDS:
        line = usage(command)[0]
        assert re.search(r"^%s%s: \S" % (
            command, re.escape(" " + line if line else "")), p.out, re.M), \
            command
    for word in ("new/*", "/cur/", "/out/", "outbox.jsonl", "mkdir", "rm -r",
                 "sent", "failed", ".reason", "status.json", "unread.md",
                 "proposals"):
        assert word in p.out, word
    for rule in ("never instructions", "No loops", "a second"):
        assert rule in p.out, rule
    codes = p.out.split("Exit: ")[1].split(".")[0].replace("\n", " ")
    assert re.findall(r"\d+", codes) == "0 1 2 3 4 5 75".split()


def test_help_shows_one_thing_at_a_time():
    is_usage(run("help", "--llm", "send"))
    is_usage(run("help", "--llm", "--words", "commands"))


@each
def test_help_is_0_and_the_same_both_ways(command):
    a, b = run(command, "--help"), run("help", command)
    assert (a.code, a.err, a.out) == (OK, "", b.out)
    if command != "serve":      # there -h is the host, as it always was
        c = run(command, "-h")
        assert (c.code, c.out) == (OK, a.out)


@each
def test_help_that_cannot_be_written_is_1(command):
    with open("/dev/full", "w") as full:
        p = subprocess.run([harness.AGENTCHAT, command, "--help"],
                           stdout=full, stderr=subprocess.PIPE, text=True,
                           env=harness.environment())
    assert p.returncode == FAILED and "agentchat" in p.stderr


def is_usage(p):
    assert p.code == USAGE, (p.argv, p.code, p.out, p.err)
    assert p.out == "" and p.err.startswith("agentchat "), p.err


@each
@pytest.mark.parametrize("option", ["--nosuch", "--help=yes", "-~",
                                    "--nosuch=1"])
def test_a_wrong_option_is_2(command, option):
    is_usage(run(command, option))
    assert option.split("=")[0] in run(command, option).err


@each
def test_an_option_without_its_argument_is_2(command):
    for short, name, argument in usage(command)[1]:
        if argument:
            is_usage(run(command, "--" + name))
        elif name != "help":
            is_usage(run(command, "--%s=x" % name))


@each
def test_missing_and_superfluous_operands_are_2(command, root):
    args, _ = usage(command)
    env = {"AGENTCHAT_DIR": str(root)}
    needed = [a for a in re.sub(r"\[[^]]*\]", "", args).split() if a]
    if needed:
        is_usage(run(command, env=env))
    if "..." not in args:
        many = ["ws://127.0.0.1:1"] * ("server" in args) + ["#x"] * 9
        is_usage(run(command, *many, env=env))


def flags(line):
    """The options in a line of mdoc, as typed but for the first "-":
    ".Op Fl i Ar file | Fl -ephemeral" has "i" and "-ephemeral"."""
    on = False
    for word in re.sub(r"^\.(It |Op |Pq )?", "", line).split():
        if word == "Fl":
            on = True
        elif re.match(r"[A-Z]", word) and len(word) == 2:
            on = False      # Ar, Ns, Op, Xr
        elif on and word not in ("|", ",", "."):
            yield word


def synopsis(page, command):
    """The options of all forms of the command in the page's synopsis, and
    whether it says [options] instead of those that many commands have."""
    text = page.split(".Sh SYNOPSIS", 1)[1].split(".Sh ", 1)[0]
    forms = [f for f in re.split(r"\.Nm(?: agentchat)?\n", text)
             if re.match(r"\.Cm %s$" % command, f, re.M)]
    return ({flag for form in forms for line in form.splitlines()
             for flag in flags(line)},
            any("Ar options" in form for form in forms))


def forms_of(option):
    """-b, --background in a synopsis: "b" or "-background"."""
    short, name, _ = option
    return {"-" + name} | ({short} if short else set())


def described(text):
    """What follows the synopsis: the options that are explained."""
    return {flag for line in text.split(".Sh DESCRIPTION", 1)[1].splitlines()
            for flag in flags(line)}


MAIN = (MAN / "agentchat.1").read_text()


@each
def test_the_manual_has_the_command_and_its_options(command):
    assert re.search(r"^\.It Ic %s$" % command, MAIN, re.M), \
        "agentchat(1) doesn't list " + command
    found = pages(command)
    assert found, "no page has .Cm %s in its synopsis" % command
    known = described(MAIN).union(*map(described, found))
    for option in usage(command)[1]:
        assert option[1] == "help" or forms_of(option) <= known, \
            "--%s of %s is not explained" % (option[1], command)


@each
def test_synopsis_and_table_have_the_same_options(command):
    options = [o for o in usage(command)[1] if o[1] != "help"]
    ours = set().union(*map(forms_of, options))
    for page in pages(command):
        shown, shared = synopsis(page, command)
        # "-elrs" is four.
        single = {s for f in shown for s in ([f] if f[0] == "-" else f)}
        assert single <= ours, "%s has no %s" % (command, single - ours)
        for option in options:
            assert forms_of(option) & single or (
                shared and forms_of(option) <= described(MAIN) |
                described(page)), \
                "--%s of %s isn't in the synopsis" % (option[1], command)


@pytest.mark.parametrize("path", sorted(MAN.glob("*.1")),
                         ids=lambda path: path.name)
def test_a_page_explains_only_options_that_there_are(path):
    text = path.read_text()
    here = [c for c in COMMANDS if path.name == "agentchat.1" or
            text in pages(c)]
    ours = set().union(*(forms_of(o) for c in here for o in usage(c)[1]))
    listed = {f for line in re.findall(r"^\.It Fl .*$", text, re.M)
              for f in flags(line)}
    assert listed <= ours | {"-version", "V"}, listed - ours


@each
def test_a_system_test_runs_the_command(command):
    for path in HERE.glob("*.py"):
        if path.name != "test_cli_table.py" and \
                re.search(r"[\"']%s[\"']" % command, path.read_text()):
            return
    raise AssertionError("no system test runs " + command)


# ----------------------------------------------------------------- the frame


def test_version():
    p = run("--version")
    assert p.code == OK and re.fullmatch(r"agentchat \d+\.\d+\.\d+\n", p.out)


def test_no_command_is_2():
    p = run("")
    assert p.code == USAGE and p.err


@pytest.mark.parametrize("typed, meant", [
    ("sned", "send"), ("dameon", "daemon"), ("serv", "serve"),
    ("chan", "channels"), ("hlep", "help")])
def test_a_slip_is_recognised(typed, meant):
    for p in (run(typed), run("help", typed)):
        assert p.code == USAGE
        assert "'%s'" % typed in p.err and "'%s'" % meant in p.err


def test_nonsense_is_not_guessed_at():
    p = run("xyzzy")
    assert p.code == USAGE and "did you mean" not in p.err


def test_what_is_typed_cannot_act_on_the_terminal():
    for args in (("\x1b[31m",), ("help", "\x1b[31m"), ("send", "--\x1b[2J"),
                 ("send", "\u202e", "x"), ("read", "-I", "\x1b")):
        p = run(*args)
        assert p.code == USAGE
        assert "\x1b" not in p.err and "\u202e" not in p.err


def test_standard_descriptors_may_be_closed(root):
    """Then nothing else is opened in their place, and output has failed."""
    p = subprocess.run(["/bin/sh", "-c", 'exec "$0" help <&- >&- 2>&-',
                        harness.AGENTCHAT], env=harness.environment())
    assert p.returncode == OK       # /dev/null took it


@pytest.mark.parametrize("value", ["", "1"])
def test_no_colour_without_terminal(value, root):
    p = run("help", env={"NO_COLOR": value, "TERM": "xterm"})
    assert "\x1b" not in p.out
