"""One redactor for one piece of work: shared inside of its block, never beyond it."""

from __future__ import annotations

import contextvars
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.headlines import make_headline, make_title
from audit.redactors import one_redactor, redactor_for
from audit.services import append_entries, redact
from tests.factories.workspace import TenantFactory
from workspace.actors import SYSTEM
from workspace.models import Secret
from workspace.services import set_secret

pytestmark = pytest.mark.django_db


def readings(captured: CaptureQueriesContext) -> int:
    table = f'FROM "{Secret._meta.db_table}"'
    return sum(table in query["sql"] for query in captured.captured_queries)


def new_secret(tenant, name: str) -> str:
    value = "kX" + uuid.uuid4().hex
    set_secret(tenant_id=tenant.pk, name=name, value=value, actor=SYSTEM)
    return value


def test_all_texts_of_a_block_share_one_reading_of_the_secrets():
    tenant = TenantFactory()
    with (
        CaptureQueriesContext(
            connection,
        ) as captured,
        one_redactor(tenant.pk),
    ):
        make_title(tenant.pk, "one")
        make_headline(tenant.pk, "two")
        append_entries(tenant_id=tenant.pk, session=("chat", uuid.uuid4()), entries=[])
        with one_redactor(tenant.pk):
            redact(tenant_id=tenant.pk, text="three")
    assert readings(captured) == 1


def test_a_given_redactor_is_used():
    tenant = TenantFactory()
    redactor = redactor_for(tenant.pk)
    with CaptureQueriesContext(connection) as captured:
        make_title(tenant.pk, "one", redactor)
        redact(tenant_id=tenant.pk, text="two", redactor=redactor)
    assert readings(captured) == 0


def test_a_block_of_one_tenant_gives_nothing_to_another():
    ours, theirs = TenantFactory(), TenantFactory()
    values = {tenant.pk: new_secret(tenant, "KEY_OF_ONE") for tenant in (ours, theirs)}
    with one_redactor(ours.pk) as outer, one_redactor(theirs.pk) as inner:
        assert outer is not inner
        for tenant, other in ((ours, theirs), (theirs, ours)):
            assert redact(tenant_id=tenant.pk, text=values[tenant.pk]) == "[KEY_OF_ONE]"
            assert redact(tenant_id=tenant.pk, text=values[other.pk]) != "[KEY_OF_ONE]"


def test_the_redactor_is_gone_after_its_block_also_where_the_context_was_copied():
    tenant = TenantFactory()
    with one_redactor(tenant.pk) as redactor:
        copied = contextvars.copy_context()
        assert redactor_for(tenant.pk) is redactor
    assert redactor_for(tenant.pk) is not redactor
    assert copied.run(redactor_for, tenant.pk) is not redactor


def test_a_secret_set_inside_a_block_is_looked_for_after_it():
    tenant = TenantFactory()
    with one_redactor(tenant.pk):
        value = new_secret(tenant, "LATE_KEY")
        assert "LATE_KEY" not in redact(tenant_id=tenant.pk, text=value)
    assert redact(tenant_id=tenant.pk, text=value) == "[LATE_KEY]"
