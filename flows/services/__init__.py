"""Every write to flows and their runs: `definition` makes flows, the other modules run them.

Each service is one transaction: the rows, the transcript's line, the audit entry, and once it has committed
the announcement. An illegal move raises `IllegalMove`, a stale one `StaleVersion`, and changes nothing.
"""

from flows.services.attempts import pass_step, retry_step, take_up_step
from flows.services.background import send_to_background
from flows.services.decisions import AlreadyDecided, approve_checkpoint, reject_checkpoint, skip_checkpoint
from flows.services.definition import archive_flow, create_flow, read_design, restore_flow, update_flow
from flows.services.runs import (
    begin_run,
    block_run,
    cancel_run,
    complete_run,
    interrupt_run,
    resume_run,
    retry_run,
)
from flows.services.starting import start_run
from flows.services.steps import (
    add_entries,
    fail_step,
    finish_step,
    make_folder_line,
    pause_at_checkpoint,
    renew_checkpoint,
    see_checkpoint,
    see_edits,
    skip_step,
    start_step,
)

__all__ = [
    "AlreadyDecided",
    "add_entries",
    "approve_checkpoint",
    "archive_flow",
    "begin_run",
    "block_run",
    "cancel_run",
    "complete_run",
    "create_flow",
    "fail_step",
    "finish_step",
    "interrupt_run",
    "make_folder_line",
    "pass_step",
    "pause_at_checkpoint",
    "read_design",
    "reject_checkpoint",
    "renew_checkpoint",
    "restore_flow",
    "resume_run",
    "retry_run",
    "retry_step",
    "see_checkpoint",
    "see_edits",
    "send_to_background",
    "skip_checkpoint",
    "skip_step",
    "start_run",
    "start_step",
    "take_up_step",
    "update_flow",
]
