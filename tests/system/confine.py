"""Run a program as a systemd unit would have it run, where there is no systemd.

	confine.py UNIT STATE-DIRECTORY PROGRAM [ARGUMENT...]

Every setting of the unit's [Service] is done here or named in ELSEWHERE;
another one is an error, so that what is added to the unit is tried too. The
program and its other half are seen in /mnt as in a build tree, the state
directory as /mnt/state. Must be root; ends with exec, in the same process.

$CONFINE_PROGRAM is another program to run, $CONFINE_CALLS=no leaves out what
systemd does by seccomp(2).
"""

import ctypes
import errno
import os
import pathlib
import re
import resource
import signal
import stat
import subprocess
import sys

# What somebody else does or looks at: the manager, or another test; and a
# user namespace, which adds nothing for whoever has no capability.
ELSEWHERE = set("""Type NotifyAccess EnvironmentFile ExecStart ExecReload
    TimeoutStartSec WatchdogSec Restart RestartSec PrivateUsers RemoveIPC
    AmbientCapabilities SystemCallErrorNumber StateDirectory
    StateDirectoryMode ProtectClock ProtectHostname ProtectKernelLogs
    ProtectKernelModules RestrictRealtime""".split())
# Done by what is done for another: no capability, everything read-only,
# /proc with processes only, no sched_setscheduler() at all.

UID = 65432         # of those that DynamicUser= takes
MS = {"ro": 1, "nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 1024,
      "nodiratime": 2048, "relatime": 1 << 21}
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH, CLONE_NEWNS = 2, 0x00020000
NAMESPACES = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000,
              0x20000000, 0x40000000, 0x80)
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 24, 38
PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
FAMILIES_MAX = 46
ALLOW, ERRNO = 0x7fff0000, 0x00050000
EQ, GT, MASKED_EQ = 4, 6, 7

libc = ctypes.CDLL(None, use_errno=True)
libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


def must(rc):
    if rc != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def mount(source, target, kind=None, flags=0, data=None):
    must(libc.mount(*[x.encode() if x is not None else None
                      for x in (source, str(target), kind)],
                    ctypes.c_ulong(flags),
                    data.encode() if data is not None else None))


def settings(unit):
    found = {}
    part = unit.read_text().split("[Service]")[1].split("[Install]")[0]
    for line in part.splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


# ------------------------------------------------------------------- mounts


def mounted():
    """What is mounted: (path, options), oldest first."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        path, options = line.split()[4:6]
        yield re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)),
                     path), options


def read_only():
    """All that is mounted, as it is now."""
    for path, options in list(mounted()):
        flags = MS_REMOUNT | MS_BIND | MS["ro"]
        for word in options.split(","):
            flags |= MS.get(word, 0)
        mount(None, path, None, flags)


def bind(source, target, flags):
    mount(source, target, None, MS_BIND)
    mount(None, target, None, MS_REMOUNT | MS_BIND | flags)


def show(program, at):
    at = pathlib.Path(at)
    at.parent.mkdir(parents=True, exist_ok=True)
    at.touch()
    bind(str(program), str(at), MS["ro"])


def private_devices():
    dev = pathlib.Path("/mnt/dev")
    dev.mkdir()
    mount("dev", dev, "tmpfs", MS["nosuid"] | MS["noexec"], "mode=755")
    for name, minor in (("null", 3), ("zero", 5), ("full", 7), ("random", 8),
                        ("urandom", 9)):
        os.mknod(dev / name, stat.S_IFCHR | 0o666, os.makedev(1, minor))
        (dev / name).chmod(0o666)
    mount(None, dev, None, MS_REMOUNT | MS_BIND | MS["ro"])
    for path, _ in reversed(list(mounted())):
        if path.startswith("/dev/"):
            must(libc.umount2(path.encode(), MNT_DETACH))
    mount(str(dev), "/dev", None, MS_BIND)
    mount(None, "/dev", None, MS_REMOUNT | MS_BIND | MS["ro"])


def arrange(unit, program, state):
    must(libc.unshare(CLONE_NEWNS))
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    if unit.pop("ProtectSystem") == ["strict"]:
        read_only()
    mount("mnt", "/mnt", "tmpfs", 0, "mode=755")
    show(program, "/mnt/agentchat")
    for name in ("src/cli/agentchat", "src/cli/agentchatd"):
        other = pathlib.Path(program).parent / name
        if other.exists():
            show(other, "/mnt/" + name)
    pathlib.Path("/mnt/state").mkdir()
    bind(state, "/mnt/state", MS["nosuid"])
    os.chown("/mnt/state", UID, UID)
    if unit.pop("PrivateDevices", None):
        private_devices()
    mount(None, "/mnt", None, MS_REMOUNT | MS_BIND | MS["ro"])
    if unit.pop("ProtectHome", None):
        for path in filter(os.path.isdir, ("/home", "/root", "/run/user")):
            mount("none", path, "tmpfs", MS["ro"], "mode=0")
    if unit.pop("PrivateTmp", None):
        for path in "/tmp", "/var/tmp":
            mount("tmp", path, "tmpfs", MS["nosuid"], "mode=1777")
    if (unit.pop("ProtectProc"), unit.pop("ProcSubset")) == \
            (["invisible"], ["pid"]):
        mount("proc", "/proc", "proc", 0, "hidepid=invisible,subset=pid")
    # Read-only, or not there, is all of these by now.
    for name in "ProtectControlGroups", "ProtectKernelTunables":
        unit.pop(name)


# ------------------------------------------------------------- system calls


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int),
                ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


class Filter:
    def __init__(self, default):
        self.lib = ctypes.CDLL("libseccomp.so.2")
        self.lib.seccomp_init.restype = ctypes.c_void_p
        for f in (self.lib.seccomp_rule_add_array, self.lib.seccomp_load):
            f.argtypes = [ctypes.c_void_p]
        self.lib.seccomp_rule_add_array.argtypes += [
            ctypes.c_uint32, ctypes.c_int, ctypes.c_uint,
            ctypes.POINTER(Compare)]
        self.ctx = self.lib.seccomp_init(ctypes.c_uint32(default))

    def rule(self, action, name, *compare):
        n = self.lib.seccomp_syscall_resolve_name(name.encode())
        if n < 0:
            return      # not of this architecture
        rc = self.lib.seccomp_rule_add_array(
            self.ctx, action, n, len(compare),
            (Compare * len(compare))(*compare) if compare else None)
        if rc != 0:
            raise OSError(-rc, name)

    def load(self):
        if self.lib.seccomp_load(self.ctx) != 0:
            raise OSError("seccomp_load")


def groups():
    """The groups of system calls, as this machine's systemd knows them."""
    text = subprocess.run(["systemd-analyze", "syscall-filter"], check=True,
                          capture_output=True, text=True).stdout
    found = {}
    for line in text.splitlines():
        word = line.split("#")[0].strip()
        if line.startswith("@"):
            found[word] = members = set()
        elif line.startswith(" ") and word:
            members.add(word)
    return found


def members(known, name):
    return set().union(*[members(known, x) if x.startswith("@") else {x}
                         for x in known[name]])


def allow_list(unit):
    known = groups()
    allowed = members(known, "@default")
    for value in unit.pop("SystemCallFilter"):
        names = set()
        for word in value.lstrip("~").split():
            names |= members(known, word) if word.startswith("@") \
                else {word}
        allowed = allowed - names if value.startswith("~") else \
            allowed | names
    f = Filter(ERRNO | errno.EPERM)
    for name in sorted(allowed):
        f.rule(ALLOW, name)
    return f


def deny_list(unit):
    """What is forbidden with some arguments only."""
    f = Filter(ALLOW)
    no = ERRNO | errno.EPERM
    if unit.pop("MemoryDenyWriteExecute", None):
        both = PROT_WRITE | PROT_EXEC
        f.rule(no, "mmap", Compare(2, MASKED_EQ, both, both))
        for name in "mprotect", "pkey_mprotect":
            f.rule(no, name, Compare(2, MASKED_EQ, PROT_EXEC, PROT_EXEC))
        f.rule(no, "shmat", Compare(2, MASKED_EQ, SHM_EXEC, SHM_EXEC))
    if unit.pop("RestrictNamespaces", None):
        f.rule(ERRNO | errno.ENOSYS, "clone3")
        for name in "unshare", "setns":
            f.rule(no, name)
        for flag in NAMESPACES:
            f.rule(no, "clone", Compare(0, MASKED_EQ, flag, flag))
    if unit.pop("RestrictSUIDSGID", None):
        for bit in stat.S_ISUID, stat.S_ISGID:
            for name, arg in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2),
                              ("mkdir", 1), ("mkdirat", 2), ("mknod", 1),
                              ("mknodat", 2)):
                f.rule(no, name, Compare(arg, MASKED_EQ, bit, bit))
    if unit.pop("LockPersonality", None):
        f.rule(no, "personality")
    may = {FAMILIES[x] for x in unit.pop("RestrictAddressFamilies")[0].split()}
    for family in range(FAMILIES_MAX):
        if family not in may:
            f.rule(ERRNO | errno.EAFNOSUPPORT, "socket",
                   Compare(0, EQ, family))
    f.rule(ERRNO | errno.EAFNOSUPPORT, "socket",
           Compare(0, GT, FAMILIES_MAX - 1))
    return f


# --------------------------------------------------------------------- main


def give_up_power(unit):
    # Who lacks CAP_SYS_RESOURCE can't raise it.
    limit = min(int(unit.pop("LimitNOFILE")[0]),
                resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if unit.pop("CapabilityBoundingSet") == [""]:
        cap = 0
        while libc.prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0:
            cap += 1
    if unit.pop("DynamicUser") == ["yes"]:
        os.setgroups([])
        os.setresgid(UID, UID, UID)
        os.setresuid(UID, UID, UID)
    os.umask(int(unit.pop("UMask")[0], 8))
    if unit.pop("NoNewPrivileges") == ["yes"]:
        must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    # The change of the user has taken it back.
    must(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))


def main():
    unit = {k: v for k, v in settings(pathlib.Path(sys.argv[1])).items()
            if k not in ELSEWHERE}
    filters = []
    if os.environ.pop("CONFINE_CALLS", "yes") == "yes":
        filters = [deny_list(unit), allow_list(unit)]   # no more after that
        if unit.pop("SystemCallArchitectures") != ["native"]:
            raise SystemExit("SystemCallArchitectures=?")
    else:
        for name in ("MemoryDenyWriteExecute", "RestrictNamespaces",
                     "RestrictSUIDSGID", "LockPersonality",
                     "RestrictAddressFamilies", "SystemCallFilter",
                     "SystemCallArchitectures"):
            unit.pop(name, None)
    arrange(unit, os.environ.pop("CONFINE_PROGRAM", sys.argv[3]), sys.argv[2])
    give_up_power(unit)
    if unit:
        raise SystemExit("confine.py doesn't know %s" % ", ".join(unit))
    os.chdir("/")
    for f in filters:
        f.load()
    program = "/mnt/agentchat"
    os.execv(program, [program] + sys.argv[4:])


main()
