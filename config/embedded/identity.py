"""As whom PostgreSQL runs. It refuses root, so root needs another face for it.

Three ways, in this order: a normal user is itself; root enters a user namespace in which it bears another
number; where the kernel refuses that, root becomes ``nobody`` that keeps one capability, the right to pass
folders it does not own, so that no mode of a parent folder has to change.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from config.embedded.layout import EmbeddedError
from config.parent_death import call_libc

PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522

NO_WAY_FOR_ROOT = (
    "PostgreSQL does not run as root, and this machine allows neither a user namespace nor a change of user: "
    "start as a normal user, or set DATABASE_URL"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """``enter`` runs in the child before exec; ``uid`` and ``gid``, as seen from here, must own the data."""

    name: str
    uid: int
    gid: int
    enter: Callable[[], None]


def choose_identity(reachable: Iterable[Path]) -> Identity:
    """The first way in which every path of ``reachable`` can be used. Raises EmbeddedError when none is."""
    if os.geteuid() != 0:
        return as_oneself()
    paths = tuple(reachable)
    for build in (in_namespace, as_nobody):
        identity = build()
        if identity is not None and works(identity, paths):
            return identity
    raise EmbeddedError(NO_WAY_FOR_ROOT)


def as_oneself() -> Identity:
    return Identity("oneself", os.geteuid(), os.getegid(), lambda: None)


def in_namespace() -> Identity | None:
    """Root outside, another number inside. initdb wants that number to have a name in the user database."""
    inside = find_other_user()
    if inside is None or not hasattr(os, "unshare"):
        return None

    def enter() -> None:
        os.unshare(os.CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{inside.pw_uid} 0 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{inside.pw_gid} 0 1", encoding="ascii")

    return Identity("namespace", 0, 0, enter)


def as_nobody() -> Identity | None:
    other = find_other_user()
    if other is None:
        return None

    def enter() -> None:
        os.setgroups([])
        os.setgid(other.pw_gid)
        if sys.platform == "linux":
            call_libc("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setuid(other.pw_uid)
        # Refused where root itself was given no such right; then the folders must be open enough.
        with contextlib.suppress(OSError):
            keep_folder_right()

    return Identity("nobody", other.pw_uid, other.pw_gid, enter)


def keep_folder_right() -> None:
    bit = 1 << CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    # effective, permitted, inheritable: the low words, then the high ones
    data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    call_libc("capset", ctypes.byref(header), ctypes.byref(data))
    call_libc("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def find_other_user() -> pwd.struct_passwd | None:
    others = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    return next((entry for entry in others if entry.pw_name == "nobody"), others[0] if others else None)


def works(identity: Identity, paths: Iterable[Path]) -> bool:
    """Try it in a child: enter, then reach every path."""
    child = os.fork()
    if child == 0:
        try:
            identity.enter()
            reached = all(os.access(path, os.R_OK | os.X_OK, effective_ids=True) for path in paths)
            os._exit(0 if reached else 1)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def give_folder(folder: Path, identity: Identity) -> None:
    """Make the identity own the folder and all in it, if it does not; only root ever needs to."""
    if folder.stat().st_uid == identity.uid or os.geteuid() != 0:
        return
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.lchown(Path(parent, name), identity.uid, identity.gid)
    os.chown(folder, identity.uid, identity.gid)
