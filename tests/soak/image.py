"""File systems to break: a loop image whose power is cut, a small tmpfs.

Need root; unsupported() says why a machine can't have them.
"""

import errno
import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import uuid

import harness
from harness import until

GOINGDOWN = 0x8004587d          # _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2                # as if the power had gone


def sh(*argv):
    return subprocess.run(argv, check=True, capture_output=True,
                          text=True).stdout


def unsupported():
    """Why no file system can be mounted here; None if one can."""
    if os.geteuid() != 0:
        return "not root"
    for tool in ("mkfs.ext4", "losetup", "unshare", "mount"):
        if not shutil.which(tool):
            return "no " + tool
    return None


class Image:
    """An ext4 file system on a loop device.

    cut() drops what the disk doesn't have yet; back() mounts what is left, as
    another boot: programs that ask see another boot id (run by .program).
    """

    def __init__(self, mb=96):
        self.dir = harness.directory("image")
        self.file = self.dir / "disk"
        self.at = self.dir / "at"
        self.at.mkdir()
        self.boot = self.dir / "boot_id"
        with open(self.file, "wb") as f:
            f.truncate(mb << 20)
        sh("mkfs.ext4", "-q", "-E", "lazy_itable_init=0", "-J", "size=4",
           str(self.file))
        self.program = self.dir / "agentchat"
        self.program.write_text(
            "#!/bin/sh\n"
            "exec unshare -m --propagation slave sh -c '\n"
            "mount --bind %s /proc/sys/kernel/random/boot_id &&\n"
            "exec \"$0\" \"$@\"' %s \"$@\"\n" %
            (self.boot, harness.AGENTCHAT))
        self.program.chmod(0o755)
        self.loop = None
        self.mount()

    def mount(self):
        self.boot.write_text(str(uuid.uuid4()) + "\n")
        self.loop = sh("losetup", "-f", "--show", str(self.file)).strip()
        sh("mount", "-t", "ext4", self.loop, str(self.at))

    def umount(self):
        def gone():
            try:
                sh("umount", str(self.at))
                return True
            except subprocess.CalledProcessError as e:
                return "not mounted" in e.stderr
        until(gone, "the image to be unmounted")

        def free():
            # Other mount namespaces may still be on their way out: then it
            # is freed with the last of them, at any time.
            if sh("losetup", "-j", str(self.file)).strip():
                subprocess.run(["losetup", "-d", self.loop], check=False,
                               stderr=subprocess.DEVNULL)
                return False
            return True
        until(free, "the loop device to be free")

    def cut(self):
        fd = os.open(self.at, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, GOINGDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def back(self):
        self.umount()
        self.mount()

    def close(self):
        try:
            self.umount()
        except (AssertionError, subprocess.CalledProcessError):
            subprocess.run(["umount", "-l", str(self.at)], check=False)


class Small:
    """A tmpfs of so many KiB and inodes, and a file that fills it."""

    def __init__(self, kb, inodes=0):
        self.at = harness.directory("small")
        sh("mount", "-t", "tmpfs", "-o", "size=%dk%s,mode=0700" % (
            kb, ",nr_inodes=%d" % inodes if inodes else ""), "none",
           str(self.at))
        self.ballast = self.at / ".ballast"

    def fill(self):
        """Until not even a byte fits."""
        with open(self.ballast, "ab", buffering=0) as f:
            for size in (1 << 20, 4096, 1):
                while True:
                    try:
                        if f.write(b"\0" * size) < size and size == 1:
                            break
                    except OSError as e:
                        assert e.errno == errno.ENOSPC, e
                        break

    def free(self):
        self.ballast.unlink()

    def close(self):
        subprocess.run(["umount", "-l", str(self.at)], check=False)


assert pathlib.Path("/proc").exists()
