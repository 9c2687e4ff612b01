"""The form for a secret says why a value cannot be registered."""

from __future__ import annotations

import pytest

from workspace.admin_forms import SecretForm

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("value", "reason"),
    [("changeme", "a common word"), ("pw12", "fewer than 8 characters"), ("aaaaaaaaa", "one or two")],
)
def test_a_value_that_ordinary_text_holds_is_refused_with_the_reason(value: str, reason: str) -> None:
    form = SecretForm(data={"name": "API_KEY", "value": value})
    form.full_clean()
    assert reason in form.errors["value"][0]


def test_a_fit_value_is_taken_as_it_was_typed() -> None:
    form = SecretForm(data={"name": "API_KEY", "value": " kn0wn" + "-s3cr3t "})
    form.full_clean()
    assert "value" not in form.errors
    assert form.cleaned_data["value"] == " kn0wn" + "-s3cr3t "
