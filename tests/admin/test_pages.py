"""Every page of the admin, for every model, on real rows."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.admin.rows import MAKERS, our_models
from workspace.operating.model_admins import OperatorAdmin

pytestmark = pytest.mark.django_db

MODELS = pytest.mark.parametrize("model", sorted(MAKERS, key=lambda m: m.__name__), ids=lambda m: m.__name__)


def page_of(model: type[Model], name: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def test_no_model_of_ours_is_missing_from_the_admin():
    models = our_models()
    assert len(models) > 20
    assert {model for model in models if not admin.site.is_registered(model)} == set()
    assert set(models) == set(MAKERS)


def test_every_admin_class_is_an_operators():
    for model, model_admin in admin.site._registry.items():
        assert isinstance(model_admin, OperatorAdmin), model


@MODELS
def test_the_list_shows_its_newest_row_first(desk: Client, model: type[Model]):
    older, newer = MAKERS[model](), MAKERS[model]()
    page = desk.get(page_of(model, "changelist"))
    assert page.status_code == 200
    keys = [row.pk for row in page.context["cl"].result_list]
    assert keys.index(newer.pk) < keys.index(older.pk)


@MODELS
def test_a_row_is_found_by_its_id(desk: Client, model: type[Model]):
    wanted, other = MAKERS[model](), MAKERS[model]()
    page = desk.get(page_of(model, "changelist"), {"q": str(wanted.pk)})
    keys = [row.pk for row in page.context["cl"].result_list]
    assert wanted.pk in keys
    assert other.pk not in keys


@MODELS
def test_a_search_for_a_word_that_nothing_has_lists_nothing(desk: Client, model: type[Model]):
    MAKERS[model]()
    page = desk.get(page_of(model, "changelist"), {"q": "zebrafish"})
    assert page.status_code == 200
    assert page.context["cl"].result_list == []


@MODELS
def test_each_filter_answers(desk: Client, model: type[Model]):
    row = MAKERS[model]()
    page = desk.get(page_of(model, "changelist"))
    specs = page.context["cl"].filter_specs
    assert specs
    for spec in specs:
        for choice in spec.choices(page.context["cl"]):
            answer = desk.get(page_of(model, "changelist") + choice["query_string"])
            assert answer.status_code == 200, choice
            assert "e=1" not in answer.request["QUERY_STRING"]
    if hasattr(row, "tenant"):
        answer = desk.get(page_of(model, "changelist"), {"workspace": row.tenant.slug})
        assert row.pk in [shown.pk for shown in answer.context["cl"].result_list]


@MODELS
def test_a_row_has_a_page_of_its_own(desk: Client, model: type[Model]):
    row = MAKERS[model]()
    assert desk.get(page_of(model, "change", row.pk)).status_code == 200
    assert desk.get(page_of(model, "history", row.pk)).status_code == 200


@MODELS
def test_a_row_cannot_be_deleted(desk: Client, model: type[Model]):
    row = MAKERS[model]()
    assert desk.get(page_of(model, "delete", row.pk)).status_code == 403
    assert desk.post(page_of(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [str(row.pk)], "index": "0", "post": "yes"}
    desk.post(page_of(model, "changelist"), chosen)
    assert model._default_manager.filter(pk=row.pk).exists()


@MODELS
def test_a_list_takes_the_same_number_of_queries_however_many_rows_it_has(desk: Client, model: type[Model]):
    url = page_of(model, "changelist")
    for _ in range(3):
        MAKERS[model]()
    desk.get(url)
    with CaptureQueriesContext(
        connection,
    ) as few:
        desk.get(url)
    for _ in range(6):
        MAKERS[model]()
    with CaptureQueriesContext(connection) as many:
        page = desk.get(url)
    assert len(page.context["cl"].result_list) >= 9
    assert len(many) == len(few), "\n".join(query["sql"] for query in many.captured_queries)


@MODELS
def test_no_list_counts_its_table_or_asks_for_distinct_values(desk: Client, model: type[Model]):
    MAKERS[model]()
    with CaptureQueriesContext(connection) as asked:
        desk.get(page_of(model, "changelist"))
    table = model._meta.db_table
    own = [query["sql"] for query in asked.captured_queries if f'FROM "{table}"' in query["sql"]]
    assert own
    for sql in own:
        assert not re.search(r"\bCOUNT\(|\bDISTINCT\b", sql), sql


def test_the_index_and_each_apps_page_answer(desk: Client):
    assert desk.get(reverse("admin:index")).status_code == 200
    for label in sorted({model._meta.app_label for model in MAKERS}):
        assert desk.get(reverse("admin:app_list", args=[label])).status_code == 200
