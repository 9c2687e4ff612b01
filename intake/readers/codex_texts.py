"""What a text in the user's place of a Codex session is: a person's, or put there by the program."""

import re

from intake.readers.claude_texts import TextClass, UserText, naming

_INJECTED_TAGS = frozenset(
    {
        "permissions", "skill", "skills", "instructions", "INSTRUCTIONS", "image", "personality", "memory",
        "apps", "plugins",
    }
)  # fmt: skip
_INJECTED_STARTS = (
    "# AGENTS.md instructions",
    "# Collaboration Mode:",
    "## Memory",
    "Another language model started to solve this problem",
)
# What a program wraps in a tag of two words; `</` of the same tag ends it.
_WRAPPED = re.compile(r"<(?P<tag>[A-Za-z]+(?:_[a-z]+)*)(?: [^<>]*)?>")
_REQUEST = re.compile(r"^## My request for Codex:\s*$", re.MULTILINE)
_SHELL = re.compile(r"<user_shell_command>\s*<command>\s*(.*?)\s*</command>(.*)", re.DOTALL)


def classify(text: str) -> UserText:
    """Tell what a text is. Unknown markup counts as a person's: people paste markup too."""
    bare = text.strip()
    if bare.startswith("<turn_aborted>"):
        return UserText(TextClass.INTERRUPT, text)
    shell = _SHELL.match(bare)
    if shell:
        return UserText(TextClass.COMMAND, f"! {shell[1]}", f"! {shell[1]}")
    if bare.startswith("<subagent_notification>"):
        return UserText(TextClass.NOTIFICATION, text)
    if not bare or bare.startswith(_INJECTED_STARTS) or _is_wrapped(bare):
        return UserText(TextClass.INJECTED, text)
    request = _REQUEST.search(text)
    written = text[request.end() :].strip() if request else ""
    return UserText(TextClass.PROMPT, text, naming(written or bare))


def _is_wrapped(text: str) -> bool:
    found = _WRAPPED.match(text)
    if not found:
        return False
    tag = found["tag"]
    is_program = "_" in tag or tag in _INJECTED_TAGS
    return is_program and (text.endswith(f"</{tag}>") or tag in _INJECTED_TAGS)
