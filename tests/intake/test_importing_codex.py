"""Rollouts of Codex become sessions: chats, sub-threads under them, forks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit.models import MessageUsage, RawRecord, Transcript, TranscriptEntry
from chats.models import Chat
from intake.reports import FileOutcome
from tasks.models import BackgroundTask
from tests.factories.workspace import MembershipFactory
from tests.intake.codex_records import CHILD, FORK, START, THREAD, Rollout, fork_of, iso, parent_and_child
from tests.intake.imports import run, write
from workspace.models import Membership

pytestmark = pytest.mark.django_db


@pytest.fixture
def member() -> Membership:
    return MembershipFactory()


def texts(chat: Chat | BackgroundTask) -> list[str]:
    rows = TranscriptEntry.objects.filter(transcript__session_id=chat.pk, kind="message", is_meta=False)
    return list(rows.order_by("seq").values_list("text", flat=True))


def test_a_rollout_becomes_a_chat_and_the_same_again_changes_nothing(member, tmp_path):
    rollout = Rollout()
    rollout.turn("Fix the build", "Looking.", "Done.")
    rollout.tokens((100, 20, 10))
    file = write(tmp_path / "rollout.jsonl", rollout)
    (report,) = run(member, file)
    chat, transcript = Chat.objects.get(), Transcript.objects.get()
    assert (report.outcome, report.format, report.problems) == (FileOutcome.IMPORTED, "codex", [])
    assert (chat.title, chat.status, chat.message_count, chat.repo) == ("Fix the build", "idle", 3, "shop")
    assert (transcript.source, transcript.native_session_id) == ("codex", THREAD)
    assert (transcript.input_tokens, transcript.cache_read_tokens, transcript.output_tokens) == (80, 20, 10)
    assert RawRecord.objects.count() == len(rollout.rows)
    assert [again.outcome for again in run(member, file)] == [FileOutcome.UNCHANGED]


def test_a_rollout_that_grew_adds_only_what_is_new(member, tmp_path):
    rollout = Rollout()
    rollout.turn("One", "First.")
    file = write(tmp_path / "rollout.jsonl", rollout)
    run(member, file)
    rollout.turn("Two", "Second.")
    (report,) = run(member, write(file, rollout))
    assert report.outcome == FileOutcome.GROWN
    assert texts(Chat.objects.get()) == ["One", "First.", "Two", "Second."]


@pytest.mark.parametrize("first", ["parent", "child"])
@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("meta", [{}, {"parent_thread_id": THREAD, "session_id": THREAD}])
def test_a_sub_thread_is_a_task_under_its_parent_whichever_comes_first(member, tmp_path, first, runs, meta):
    parent, child = parent_and_child(**meta)
    names = ("a.jsonl", "b.jsonl") if first == "parent" else ("b.jsonl", "a.jsonl")
    files = sorted([write(tmp_path / names[0], parent), write(tmp_path / names[1], child)])
    for paths in [files] if runs == 1 else [[file] for file in files]:
        run(member, *paths)
    task, chat = BackgroundTask.objects.get(), Chat.objects.get()
    assert (task.source_kind, task.source_id, task.source_call_id) == ("chat", chat.pk, "call_1")
    assert (task.is_folded, task.status, task.prompt) == (True, "completed", "Read docs/")
    call = TranscriptEntry.objects.get(pk=task.source_entry_id)
    assert (call.tool_name, call.transcript.session_id) == ("spawn_agent", chat.pk)
    assert texts(chat) == ["Review the docs", "On it."]
    assert texts(task) == ["Read docs/", "They are fine."]
    assert {report.outcome for report in run(member, *files)} == {FileOutcome.UNCHANGED}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
@pytest.mark.parametrize("names_root", [True, False])
def test_sub_threads_of_sub_threads_hang_under_those(member, tmp_path, order, names_root):
    root = {"session_id": THREAD} if names_root else {}
    parent, child = parent_and_child(**root)
    grandchild = Rollout(thread=FORK, parent_thread_id=CHILD, thread_source="subagent", **root)
    grandchild.turn("Read one page", "Read.")
    files = [write(tmp_path / f"{n}.jsonl", one) for n, one in enumerate((parent, child, grandchild))]
    for number in order:
        run(member, files[number])
    inner = BackgroundTask.objects.get(title="Read one page")
    outer = BackgroundTask.objects.get(title="Read docs/")
    assert (inner.source_kind, inner.source_id) == ("background_task", outer.pk)
    assert (outer.source_kind, outer.source_id) == ("chat", Chat.objects.get().pk)


def test_what_a_sub_thread_copied_of_its_parent_is_kept_as_records_alone(member, tmp_path):
    parent, child = parent_and_child(forked_from_id=THREAD)
    copies = [{**row, "timestamp": child.rows[0]["timestamp"]} for row in parent.rows]
    child.rows[1:1] = copies
    run(member, write(tmp_path / "a.jsonl", child))
    assert texts(BackgroundTask.objects.get()) == ["Read docs/", "They are fine."]
    assert not Chat.objects.exists()
    assert RawRecord.objects.count() == len(child.rows)
    run(member, write(tmp_path / "b.jsonl", parent))
    assert texts(Chat.objects.get()) == ["Review the docs", "On it."]


@pytest.mark.parametrize("keeps_times", [True, False])
@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("has_turns", [True, False])
@pytest.mark.parametrize("fork_first", [True, False])
def test_a_forks_copies_belong_to_the_thread_that_they_were_copied_from(
    member, tmp_path, keeps_times, is_named, has_turns, fork_first
):
    parent = Rollout()
    for number, (prompt, answer) in enumerate((("One", "First."), ("Two", "Second."))):
        if has_turns:
            parent.turn(prompt, answer)
        else:
            parent.user(prompt)
            parent.answer(answer)
        parent.tokens(((100, 0, 10), (250, 0, 20))[number], last=(150 if number else 100, 0, 10))
    fork = fork_of(parent, keeps_times=keeps_times, is_named=is_named, has_turns=has_turns)
    if has_turns:
        parent.turn("Also", "Fourth.")
    files = [write(tmp_path / "parent.jsonl", parent), write(tmp_path / "fork.jsonl", fork)]
    for file in reversed(files) if fork_first else files:
        run(member, file)
    chats = {chat.title: chat for chat in Chat.objects.all()}
    assert chats.keys() == {"One", "Three"}
    more = ["Also", "Fourth."] if has_turns else []
    assert texts(chats["One"]) == ["One", "First.", "Two", "Second.", *more]
    assert texts(chats["Three"]) == ["Three", "Third."]
    note = TranscriptEntry.objects.get(transcript__session_id=chats["Three"].pk, kind="system")
    assert note.text == f"Forked from session {THREAD}"
    spent = dict(Transcript.objects.values_list("session_id", "input_tokens"))
    assert (spent[chats["One"].pk], spent[chats["Three"].pk]) == (250, 50)
    assert chats["One"].last_message_at < START + timedelta(minutes=5)
    assert {report.outcome for report in run(member, *files)} == {FileOutcome.UNCHANGED}
    assert MessageUsage.objects.count() == 3


def test_a_fork_of_a_fork_leaves_each_thread_its_own(member, tmp_path):
    parent = Rollout()
    parent.turn("One", "First.")
    fork = fork_of(parent, keeps_times=False, is_named=True, has_turns=True)
    again = Rollout(thread=CHILD, at=fork.at + timedelta(hours=1), forked_from_id=FORK)
    again.rows += [{**row, "timestamp": iso(again.at)} for row in fork.rows]
    again.at += timedelta(seconds=20)
    again.turn("Five", "Fifth.")
    run(member, write(tmp_path / "again.jsonl", again))
    found = {chat.title: texts(chat) for chat in Chat.objects.all()}
    assert found == {
        "One": ["One", "First."],
        "Three": ["Three", "Third."],
        "Five": ["Five", "Fifth."],
    }


def numbered(rollout: Rollout, first: int = 0) -> Rollout:
    for number, row in enumerate(rollout.rows, first):
        row["ordinal"] = number
    return rollout


def test_a_thread_that_goes_on_in_another_file_loses_none_of_its_records(member, tmp_path):
    first = Rollout(history_mode="paginated")
    first.turn("Same", "Yes.")
    base = {"thread_id": THREAD, "end_ordinal_exclusive": len(first.rows)}
    second = Rollout(at=first.at, history_mode="paginated", history_base=base)
    second.turn("Same", "Yes.")
    write(tmp_path / "a.jsonl", numbered(first))
    write(tmp_path / "b.jsonl", numbered(second, len(first.rows)))
    run(member, tmp_path)
    assert texts(Chat.objects.get()) == ["Same", "Yes.", "Same", "Yes."]
    assert not TranscriptEntry.objects.filter(kind="system").exists()


def test_a_fork_that_refers_to_its_origin_says_so_and_copies_nothing(member, tmp_path):
    fork = Rollout(thread=FORK, history_mode="paginated", history_base={"thread_id": THREAD})
    fork.turn("Three", "Third.")
    run(member, write(tmp_path / "a.jsonl", numbered(fork, 7)))
    chat = Chat.objects.get()
    assert texts(chat) == ["Three", "Third."]
    assert TranscriptEntry.objects.get(kind="system").text == f"Forked from session {THREAD}"


def test_a_sub_thread_that_says_where_it_begins_is_taken_by_its_word(member, tmp_path):
    parent, child = parent_and_child(parent_thread_id=THREAD, subagent_history_start_ordinal=3)
    told = [row for row in parent.rows if row["type"] == "response_item"][:2]
    child.rows[1:1] = [{**row, "timestamp": child.rows[1]["timestamp"]} for row in told]
    run(member, write(tmp_path / "a.jsonl", numbered(child)))
    assert texts(BackgroundTask.objects.get()) == ["Read docs/", "They are fine."]
    assert RawRecord.objects.count() == len(child.rows)


@pytest.mark.parametrize("late", [True, False])
def test_a_sub_thread_that_only_an_event_names_is_linked_to_the_call(member, tmp_path, late):
    parent, child = parent_and_child()
    parent.rows[6]["payload"]["output"] = '{"task_name": "/root/docs"}'
    told = {"agent_thread_id": CHILD, "agent_path": "/root/docs", "kind": "started"}
    if late:
        parent.event("item_completed", item={"type": "SubAgentActivity", "id": "call_1", **told})
    else:
        parent.event("sub_agent_activity", event_id="call_1", **told)
    run(member, write(tmp_path / "a.jsonl", parent), write(tmp_path / "b.jsonl", child))
    assert BackgroundTask.objects.get().source_call_id == "call_1"
