"""The one process that owns the embedded services of a data folder.

``python -m config.embedded.supervisor DATA_DIR [--throwaway]`` takes the folder's owner lock, detaches and
returns; it returns at once when another supervisor holds the lock. From then on each part runs while some
process holds that part's users lock, and dies with the supervisor. With no users left at all it exits.
"""

from __future__ import annotations

import copy
import os
import select
import signal
import sys
import time
import traceback
from pathlib import Path

from config import locks
from config.embedded.layout import EmbeddedError, Layout
from config.embedded.postgres import Postgres
from config.embedded.runner import Runner
from config.embedded.state import State, write_state
from config.embedded.valkey import Valkey

LOOK_SECONDS = 0.25
LOOK_SECONDS_STARTING = 0.03
# Somebody who only looks whether the owner lock is held keeps it for an instant.
PATIENCE_WITH_LOOKERS_SECONDS = 0.5


class Supervisor:
    def __init__(self, layout: Layout, owner_lock: int, *, durable: bool) -> None:
        self.layout = layout
        self.owner_lock = owner_lock
        parts = (Postgres(layout, durable=durable), Valkey(layout, durable=durable))
        self.runners = [Runner(part, layout.users_lock(part.name)) for part in parts]
        self.asked_to_stop = False
        self._told: State | None = None
        self._wakeup = -1

    def run(self) -> None:
        """Returns once the parts are stopped: nobody uses them, a signal came, or the folder is gone."""
        self._listen_to_signals()
        self._tell()
        try:
            while not self.asked_to_stop and self._folder_is_ours() and self._look():
                self._tell()
                self._wait()
        finally:
            for runner in self.runners:
                runner.stop()
            if self._folder_is_ours():
                self._tell()
                self.layout.leave_sockets()

    def _look(self) -> bool:
        """Look after every part. False when none has users, with all users shut out."""
        unused = [runner for runner in self.runners if runner.shut_out_users()]
        for runner in self.runners:
            if runner in unused:
                runner.stop()
            else:
                runner.look()
        if len(unused) == len(self.runners):
            return False
        for runner in unused:
            runner.admit_users()
        return True

    def _tell(self) -> None:
        state = State(os.getpid(), {runner.part.name: runner.state for runner in self.runners})
        if state != self._told:
            write_state(self.layout.state_file, state)
            self._told = copy.deepcopy(state)

    def _folder_is_ours(self) -> bool:
        """False once the folder was removed or replaced under us."""
        try:
            return os.path.samestat(os.stat(self.layout.owner_lock), os.fstat(self.owner_lock))
        except FileNotFoundError:
            return False

    def _listen_to_signals(self) -> None:
        self._wakeup, writing_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writing_end, warn_on_full_buffer=False)
        # The end of a child only has to wake the loop.
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: setattr(self, "asked_to_stop", True))

    def _wait(self) -> None:
        starting = any(runner.state.status == "starting" for runner in self.runners)
        patience_seconds = LOOK_SECONDS_STARTING if starting else LOOK_SECONDS
        ready, _, _ = select.select([self._wakeup], [], [], patience_seconds)
        if ready:
            os.read(self._wakeup, 1024)


def detach() -> bool:
    """False in the process that was started, True in the one that stays."""
    if os.fork():
        return False
    os.setsid()
    os.chdir("/")
    return True


def main(arguments: list[str]) -> int:
    layout = Layout(Path(arguments[0]))
    layout.make_folders()
    owner_lock = locks.open_lock(layout.owner_lock)
    if not locks.take_exclusive(owner_lock, patience_seconds=PATIENCE_WITH_LOOKERS_SECONDS):
        return 0
    # What a dead supervisor wrote must not be taken for our word.
    layout.state_file.unlink(missing_ok=True)
    # The lock belongs to the open file, which both sides of the fork share: it is held without a gap.
    if not detach():
        return 0
    try:
        Supervisor(layout, owner_lock, durable="--throwaway" not in arguments).run()
    except BaseException:
        print(time.strftime("%F %T"), traceback.format_exc(), file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except EmbeddedError as error:
        sys.exit(str(error))
