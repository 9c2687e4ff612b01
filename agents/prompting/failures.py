"""What went wrong between us and a provider, in words that say what to set or do."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agents.prompting.providers import Choice

__all__ = ["Failure", "explain"]

MAX_DETAIL = 500
#: How Google says that a key is wrong, in an answer that else says that the request is (400).
_WRONG_KEY = "API key not valid"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer. A passing one may be gone after a while."""

    text: str
    is_passing: bool = False
    retry_after: float | None = None

    def after(self, tries: int) -> Failure:
        times = "once" if tries == 1 else f"{tries} times"
        return replace(self, text=f"{self.text} (asked {times})")


def explain(error: BaseException, choice: Choice) -> Failure:
    """The failure that an error of the client library stands for. No text of it holds the key."""
    from pydantic_ai import exceptions as known

    is_passing = isinstance(
        error,
        known.ModelRateLimitError
        | known.ModelUnavailableError
        | known.ModelServerError
        | known.ModelConnectionError
        | known.ModelRequestTimeout
        | known.UnexpectedModelBehavior,
    )
    after = error.retry_after if isinstance(error, known.ModelAPIError) else None
    return Failure(f"{_reason_of(error, choice)}{_detail_of(error, choice)}", is_passing, after)


def _reason_of(error: BaseException, choice: Choice) -> str:
    from pydantic_ai import exceptions as known

    where = "MODEL_BASE_URL" if choice.base_url else "the address of the provider"
    reasons = {
        known.ModelAuthenticationError: "{place} does not accept the key in {key_name}: set another one",
        known.ModelNotFoundError: "{place} knows no model “{name}”: look at the profile's model,"
        " MODEL_DEFAULT and {where}",
        known.ModelQuotaExceededError: "the account at {place} has used up its quota: raise it there",
        known.ModelContextWindowExceededError: "the conversation has outgrown what “{name}” can hold: give"
        " the step less to read, or a model with a larger context",
        known.ModelRateLimitError: "{place} lets no more requests through for now",
        known.ModelUnavailableError: "{place} is overloaded or out of order",
        known.ModelServerError: "{place} is out of order",
        known.ModelRequestTimeout: "{place} did not answer in time",
        known.ModelTimeoutError: "{place} did not answer in time: look at {where}",
        known.ModelConnectionError: "the connection to {place} failed: look at {where}",
        known.UnexpectedModelBehavior: "“{name}” answered with something that cannot be read",
        known.AgentRunError: "{place} refused the request",
    }
    is_of_key = isinstance(error, known.ModelHTTPError) and _WRONG_KEY in str(error)
    told_by = known.ModelAuthenticationError if is_of_key else type(error)
    reason = next(
        (text for kind, text in reasons.items() if issubclass(told_by, kind)), "{place} cannot be asked"
    )
    return reason.format(place=choice.place, name=choice.name, key_name=choice.key_name, where=where)


def _detail_of(error: BaseException, choice: Choice) -> str:
    text = " ".join(str(getattr(error, "message", "") or error).split())
    if choice.key:
        text = text.replace(choice.key, f"[{choice.key_name}]")
    return f" — {text[:MAX_DETAIL]}" if text else ""
