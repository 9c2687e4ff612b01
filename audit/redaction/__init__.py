"""Credentials out of texts, their names in. No Django inside; see `docs/redaction.md`."""

from audit.redaction.detector import DETECTOR, Detector
from audit.redaction.engine import Redactor
from audit.redaction.findings import Finding, Redacted
from audit.redaction.live import LiveText, Piece
from audit.redaction.needles import MIN_LENGTH, refusal
from audit.redaction.pieces import is_too_deep
from audit.redaction.streams import redact_stream

__all__ = [
    "DETECTOR",
    "MIN_LENGTH",
    "Detector",
    "Finding",
    "LiveText",
    "Piece",
    "Redacted",
    "Redactor",
    "is_too_deep",
    "redact_stream",
    "refusal",
]
