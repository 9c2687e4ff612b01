"""What redaction yields: text without credentials, and what stood where, without its value or length."""

from dataclasses import dataclass
from dataclasses import field as dataclass_field


@dataclass(frozen=True, slots=True)
class Finding:
    """One replaced credential.

    `name` is the registered name of a known secret, else the rule that knows its shape, else (for text that
    could not be scanned) "unscanned: " and why. `start` and `end` are the place of what stands there now, in
    characters of the redacted text. `field` says which text of a JSON value it is ("/arguments/command"; a
    key's own text ends in " (key)"). `digest` is an HMAC of the value: equal for the same secret, whatever
    encoding it was found in, as long as it is a known one; "" for text that was not scanned. `source_start`
    and `source_end` are the place in the text as it came in: to be shown to who has it, never to be stored.
    """

    name: str
    is_known: bool
    start: int
    end: int
    field: str
    digest: str
    source_start: int = dataclass_field(default=0, compare=False)
    source_end: int = dataclass_field(default=0, compare=False)

    @property
    def is_alert(self) -> bool:
        """Whether this says that text was withheld, which somebody should look into."""
        return not self.digest


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text that may be stored, and what was replaced in it, in the order of the places."""

    text: str
    findings: tuple[Finding, ...] = ()
