"""Which model is asked with which key, and what is said where one is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from agents.prompting.providers import KEY_NAMES, ModelNotSet, choose, hide_keys
from agents.runtimes.model import RUNTIME
from config.doctor import examine_model
from config.environment import read_url
from tests.agents.work import make_work


@pytest.fixture(autouse=True)
def _nothing_set(settings, monkeypatch) -> None:
    settings.MODEL_DEFAULT = settings.MODEL_BASE_URL = settings.MODEL_API_KEY = ""
    for names in KEY_NAMES.values():
        for name in names:
            monkeypatch.delenv(name, raising=False)


def test_what_is_missing_is_named(settings, tmp_path: Path) -> None:
    work = make_work(tmp_path, "Go.")
    assert "set MODEL_DEFAULT" in RUNTIME.find_missing(work)
    settings.MODEL_DEFAULT = "anthropic:claude-small"
    assert "set ANTHROPIC_API_KEY where the worker runs" in RUNTIME.find_missing(work)
    settings.MODEL_DEFAULT = "claude-small"
    assert "set MODEL_BASE_URL" in RUNTIME.find_missing(work)
    settings.MODEL_BASE_URL = "http://127.0.0.1:1/v1"
    assert RUNTIME.find_missing(work) == ""


def test_the_model_of_a_profile_goes_before_the_default(settings) -> None:
    settings.MODEL_DEFAULT = "anthropic:claude-small"
    choice = choose("google:gemini-small", {"GOOGLE_API_KEY": "a"})
    assert (choice.provider, choice.name) == ("google", "gemini-small")


def test_a_key_of_the_profile_goes_before_the_servers(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-server")
    assert choose("openai:small", {}).key == "of-the-server"
    assert choose("openai:small", {"OPENAI_API_KEY": "of-the-profile"}).key == "of-the-profile"


def test_a_second_name_of_a_key_will_do(monkeypatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "a")
    assert choose("google:small", {}).key_name == "GEMINI_API_KEY"


def test_names_with_colons_belong_to_the_server_at_the_base_url(settings) -> None:
    settings.MODEL_BASE_URL = "http://127.0.0.1:1/v1"
    choice = choose("qwen3:8b", {"OPENAI_API_KEY": "not for this one"})
    assert (choice.provider, choice.name, choice.key) == ("", "qwen3:8b", "")


def test_work_cannot_say_where_the_servers_key_is_sent(settings) -> None:
    settings.MODEL_BASE_URL, settings.MODEL_API_KEY = "http://127.0.0.1:1/v1", "of-the-server"
    given = {"MODEL_BASE_URL": "http://elsewhere.example/v1", "OPENAI_BASE_URL": "http://elsewhere.example"}
    assert choose("small", given).base_url == "http://127.0.0.1:1/v1"


def test_a_key_is_not_shown_by_accident() -> None:
    choice = choose("openai:small", {"OPENAI_API_KEY": "very-secret"})
    assert "very-secret" not in repr(choice)


def test_commands_of_a_model_do_not_see_its_keys() -> None:
    given = {"OPENAI_API_KEY": "a", "MODEL_API_KEY": "b", "DEPLOY_KEY": "c"}
    assert hide_keys(given) == {"DEPLOY_KEY": "c"}


def test_a_provider_that_nobody_knows_is_refused_with_those_that_are() -> None:
    with pytest.raises(ModelNotSet, match=r"“unknown:x” names no provider.*anthropic, openai"):
        choose("unknown:x", {})


def test_the_doctor_tells_of_the_key_and_not_what_it_is(settings, monkeypatch) -> None:
    assert examine_model().is_ok
    assert "MODEL_DEFAULT is not set" in examine_model().detail
    settings.MODEL_DEFAULT = "anthropic:claude-small"
    assert "set ANTHROPIC_API_KEY" in examine_model().remedy
    monkeypatch.setenv("ANTHROPIC_API_KEY", "very-secret")
    finding = examine_model()
    assert finding.is_ok
    assert finding.detail == "claude-small at anthropic, key: ANTHROPIC_API_KEY"


@pytest.mark.parametrize("url", ["ftp://a/v1", "localhost:8080", "http://me:pass@host/v1"])
def test_an_address_that_is_none_is_refused_by_name(monkeypatch, url: str) -> None:
    monkeypatch.setenv("MODEL_BASE_URL", url)
    with pytest.raises(ImproperlyConfigured, match="MODEL_BASE_URL must look like"):
        read_url("MODEL_BASE_URL")
