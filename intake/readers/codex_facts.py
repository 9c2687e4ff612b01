"""Where and how a Codex session ran, from its `session_meta` and from the context of each turn."""

import re

from audit.entries import RunFacts
from intake.readers.fields import Object, name_of, object_of, text_of

# What started the program, where the record of the source does not say it.
_ORIGINATORS = (
    ("vscode", "vscode"),
    ("desktop", "desktop"),
    ("web", "web"),
    ("cloud", "web"),
    ("sdk", "api"),
    ("mcp", "api"),
)
_SOURCES = {
    "cli": "cli",
    "exec": "cli",
    "vscode": "vscode",
    "mcp": "api",
    "appserver": "api",
    "app_server": "api",
}
_HOSTED = re.compile(r"(?:[a-z+]+://|[^@/\s]+@)[^/:\s]+(?::\d+)?[/:](?P<path>[^?#\s]+)", re.IGNORECASE)


def facts_of_meta(meta: Object, runtime: str) -> RunFacts:
    git = object_of(meta, "git")
    return RunFacts(
        origin=_origin(meta),
        runtime=runtime,
        repo=_repo(name_of(git, "repository_url")),
        branch=_branch(git),
        cwd=text_of(meta, "cwd"),
        commit=name_of(git, "commit_hash"),
        version=name_of(meta, "cli_version"),
    )


def facts_of_turn(turn: Object, runtime: str) -> RunFacts:
    policy = object_of(turn, "sandbox_policy")
    sandbox = name_of(policy, "type") or name_of(policy, "mode") or name_of(turn, "sandbox_policy")
    return RunFacts(runtime=runtime, model=name_of(turn, "model"), sandbox=sandbox, cwd=text_of(turn, "cwd"))


def _origin(meta: Object) -> str:
    originator = name_of(meta, "originator").lower()
    for word, origin in _ORIGINATORS:
        if word in originator:
            return origin
    return _SOURCES.get(name_of(meta, "source").lower(), "cli" if originator.startswith("codex") else "")


def _branch(git: Object) -> str:
    branch = name_of(git, "branch")
    return "" if branch == "HEAD" else branch


def _repo(url: str) -> str:
    """The owner and name in the address of a repository; an address may hold a password and is not kept."""
    found = _HOSTED.match(url)
    parts = (found["path"] if found else "").removesuffix("/").removesuffix(".git").split("/")
    return "/".join(parts[-2:])
