"""Redactions on pages are chips drawn from findings; nothing else looks like one."""

from __future__ import annotations

import uuid

import pytest
from django.utils.safestring import SafeString, mark_safe

from audit.entries import EntryKind, NewEntry
from audit.marking import Marker
from audit.models import RedactionFinding
from audit.presenting import EntryView, Links, present_entries
from audit.services import append_entries
from audit.transcripts import find_transcript, read_window
from tests.factories.workspace import TenantFactory, UserFactory
from workspace.actors import Actor
from workspace.services import set_secret

VALUE = "hunter2-" + "correct-horse"
CHIP = '<mark class="redaction" title="A credential: its value is not kept">DEPLOY_KEY</mark>'


def views_of(*entries: NewEntry) -> list[EntryView]:
    tenant, session = TenantFactory(), ("chat", uuid.uuid4())
    set_secret(tenant_id=tenant.pk, name="DEPLOY_KEY", value=VALUE, actor=Actor.member(UserFactory()))
    append_entries(tenant_id=tenant.pk, session=session, entries=entries)
    transcript = find_transcript(tenant.pk, session)
    assert transcript is not None
    window = read_window(transcript)
    return present_entries(window.entries, window.results, links=Links("/", "/0/", {}))


def entry(kind: EntryKind, **fields: object) -> NewEntry:
    return NewEntry(kind=kind, native_id=uuid.uuid4().hex, **fields)  # type: ignore[arg-type]


@pytest.mark.django_db
def test_a_redaction_in_a_message_is_a_chip_with_its_name():
    (view,) = views_of(entry(EntryKind.MESSAGE, role="user", text=f"Use **{VALUE}** or `{VALUE}`"))
    assert view.text == f"<p>Use <strong>{CHIP}</strong> or <code>{CHIP}</code></p>\n"
    assert isinstance(view.text, SafeString)


@pytest.mark.django_db
def test_words_that_look_like_a_redaction_are_left_as_words():
    made_up, _ = views_of(
        entry(EntryKind.MESSAGE, role="user", text="the [DEPLOY_KEY] is set"),
        entry(EntryKind.MESSAGE, role="user", text=f"export {VALUE}"),
    )
    assert "<mark" not in made_up.text


@pytest.mark.django_db
def test_redactions_in_calls_results_and_edits_are_chips():
    call, edit, status = views_of(
        entry(
            EntryKind.TOOL_CALL,
            tool_name="Bash",
            call_id="c",
            arguments={"command": f"login {VALUE} <now>", "env": {"a/b": [VALUE]}},
        ),
        entry(EntryKind.TOOL_RESULT, call_id="c", text=f"<ok>\n{VALUE}"),
        entry(EntryKind.FILE_EDIT, path="a.env", before="K=1\n", after=f"K={VALUE}\n"),
        entry(EntryKind.STATUS, text=f"with {VALUE}"),
    )
    assert call.tool is not None
    assert call.tool.argument_line == f'<span class="as-written">login {CHIP} &lt;now&gt;</span>'
    assert call.tool.arguments.count(CHIP) == 2
    assert call.tool.output == f'<span class="as-written">&lt;ok&gt;\n{CHIP}</span>'
    assert edit.edit is not None
    assert [CHIP in line.text for hunk in edit.edit.hunks for line in hunk.lines] == [False, True]
    assert CHIP in status.text


@pytest.mark.django_db
def test_every_finding_of_an_entry_is_found_again_in_it():
    arguments = {VALUE: {"a~b": f"{VALUE} {VALUE}"}}
    (view,) = views_of(entry(EntryKind.TOOL_CALL, tool_name="x", arguments=arguments))
    assert RedactionFinding.objects.count() == 3
    assert view.tool is not None
    assert view.tool.arguments.count(CHIP) == 3


def test_text_without_a_redaction_stays_the_text_it_was():
    plain, html = "<b>", mark_safe("<b>x</b>")
    marker = Marker({"[A]": ("A", "")})
    assert marker.mark(plain) is plain
    assert marker.mark(html) is html
    assert marker.mark("<b> [A]") == (
        '<span class="as-written">&lt;b&gt; '
        '<mark class="redaction" title="A credential: its value is not kept">A</mark></span>'
    )


def test_a_chip_leads_to_the_page_of_its_name_but_not_out_of_a_link():
    marker = Marker({"[A]": ("A", "/w/acme/secrets/A/")})
    assert '<a href="/w/acme/secrets/A/">A</a></mark>' in marker.mark("x [A]")
    assert "<a " not in marker.mark("x [A]", is_linked=False)
    in_link = marker.mark(mark_safe('<p><a href="/x">see [A]</a> and [A]</p>'))
    assert in_link.count("<a ") == 2
    assert in_link.count("<mark ") == 2
