"""Which model is meant, where its key is, and what has to be set where one is missing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.conf import settings

if TYPE_CHECKING:
    from pydantic_ai.models import Model
    from pydantic_ai.providers import Provider

__all__ = ["KEY_NAMES", "URL_KEY_NAME", "Choice", "ModelNotSet", "build", "choose", "hide_keys"]

#: Providers that one key opens, and the names that their keys usually have, the first one to be told.
KEY_NAMES: dict[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "openai-chat": ("OPENAI_API_KEY",),
    "google": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "alibaba": ("ALIBABA_API_KEY", "DASHSCOPE_API_KEY"),
    "cerebras": ("CEREBRAS_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "fireworks": ("FIREWORKS_API_KEY",),
    "moonshotai": ("MOONSHOTAI_API_KEY",),
    "nebius": ("NEBIUS_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "ovhcloud": ("OVHCLOUD_API_KEY",),
    "sambanova": ("SAMBANOVA_API_KEY",),
    "together": ("TOGETHER_API_KEY",),
    "zai": ("ZAI_API_KEY",),
}
#: The key of the server at MODEL_BASE_URL. One that wants none is asked without.
URL_KEY_NAME = "MODEL_API_KEY"
ALL_KEY_NAMES = frozenset({URL_KEY_NAME, *(name for names in KEY_NAMES.values() for name in names)})


class ModelNotSet(Exception):
    """There is no model to ask; the text says what to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A model to be asked. `provider` is "" for the server at `base_url`, which speaks OpenAI's protocol."""

    provider: str
    name: str
    key_name: str
    key: str = field(repr=False)
    base_url: str = ""

    @property
    def place(self) -> str:
        """Who is asked, as it is told to people."""
        return self.provider or self.base_url


def choose(model: str, environment: Mapping[str, str]) -> Choice:
    """The model of this name, or the default for "". Raises `ModelNotSet`.

    A key among `environment`, the secrets of the work, goes before the server's own. Where a model is reached
    is for the server's environment alone to say, so that no work can send the server's key elsewhere.
    """
    wanted = model or settings.MODEL_DEFAULT
    if not wanted:
        raise ModelNotSet("there is no model: name one in the profile, or set MODEL_DEFAULT")
    provider, colon, name = wanted.partition(":")
    if colon and name and provider in KEY_NAMES:
        key_name, key = _find_key(KEY_NAMES[provider], environment)
        if not key:
            raise ModelNotSet(
                f"there is no key for {provider}: set {key_name} where the worker runs, or register a secret"
                f" of that name and list it in the profile"
            )
        return Choice(provider=provider, name=name, key_name=key_name, key=key)
    if not settings.MODEL_BASE_URL:
        raise ModelNotSet(
            f"“{wanted}” names no provider that can be used here: write it as PROVIDER:MODEL with one of"
            f" {', '.join(KEY_NAMES)}, or set MODEL_BASE_URL to a server that speaks OpenAI's protocol"
        )
    key_name, key = _find_key((URL_KEY_NAME,), environment)
    return Choice(provider="", name=wanted, key_name=key_name, key=key, base_url=settings.MODEL_BASE_URL)


def _find_key(names: tuple[str, ...], environment: Mapping[str, str]) -> tuple[str, str]:
    for source in (environment, os.environ, {URL_KEY_NAME: settings.MODEL_API_KEY}):
        for name in names:
            if value := source.get(name, "").strip():
                return name, value
    return names[0], ""


def hide_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for commands that a model runs: without the keys of models."""
    return {name: value for name, value in environment.items() if name not in ALL_KEY_NAMES}


def build(choice: Choice) -> Model:
    """The client for this model; the first one in a process loads the library. Raises `ModelNotSet`."""
    from pydantic_ai.exceptions import UserError
    from pydantic_ai.models import infer_model

    if choice.provider:
        try:
            return infer_model(f"{choice.provider}:{choice.name}", lambda name: _open(name, choice.key))
        except (UserError, ImportError) as error:
            raise ModelNotSet(f"“{choice.name}” of {choice.provider} cannot be used: {error}") from error
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    server = OpenAICompatibleProvider(
        "openai-compatible", base_url=choice.base_url, api_key=choice.key or "none-is-set"
    )
    return OpenAIChatModel(choice.name, provider=server)


def _open(name: str, key: str) -> Provider[Any]:
    from pydantic_ai.providers import infer_provider_class

    opened: Provider[Any] = infer_provider_class(name)(api_key=key)  # type: ignore[call-arg]
    return opened
