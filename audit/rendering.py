"""Text of transcripts as sanitised HTML: Markdown with highlighted code, kept beside the text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from audit.entries import EntryKind
from audit.models import RenderedEntry, TranscriptEntry

__all__ = ["RENDERER_VERSION", "render_prose", "rendered_texts"]

#: Moves with each change of what the same text renders to: older HTML is then left unused.
RENDERER_VERSION = 2
MARKDOWN_KINDS = frozenset({EntryKind.MESSAGE, EntryKind.THINKING})
#: Longer texts are shown as they are: rendering costs 10 ms for 700 characters.
MAX_MARKDOWN = 100_000
MAX_HIGHLIGHT = 50_000
MAX_PROSE = 20_000
TAGS = {
    *("p", "br", "hr", "em", "strong", "s", "del", "code", "pre", "blockquote", "ul", "ol", "li"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "a", "span"),
}


def rendered_texts(entries: Iterable[TranscriptEntry]) -> dict[object, SafeString]:
    """HTML by entry id for the entries whose text is Markdown; made now and kept where it was missing."""
    wanted = {e.pk: e for e in entries if e.kind in MARKDOWN_KINDS and 0 < len(e.text) <= MAX_MARKDOWN}
    if not wanted:
        return {}
    tenant_id = next(iter(wanted.values())).tenant_id
    kept = RenderedEntry.objects.for_tenant(tenant_id).filter(
        entry_id__in=wanted, renderer_version=RENDERER_VERSION
    )
    html = dict(kept.values_list("entry_id", "html"))
    missing = {pk: render_markdown(entry.text) for pk, entry in wanted.items() if pk not in html}
    RenderedEntry.objects.bulk_create(
        [
            RenderedEntry(tenant_id=tenant_id, entry_id=pk, renderer_version=RENDERER_VERSION, html=text)
            for pk, text in missing.items()
        ],
        ignore_conflicts=True,
    )
    return {pk: mark_safe(text) for pk, text in {**html, **missing}.items()}  # noqa: S308 - nh3 made it


@lru_cache(maxsize=256)
def render_prose(text: str, *, level: int) -> SafeString | str:
    """A prompt or a result as HTML whose headings begin at `level`; a long one as it is.

    Made once a process and text: unlike a transcript's entries these are few, and seen again and again.
    """
    if len(text) > MAX_PROSE:
        return text
    return mark_safe(render_markdown(text, level=level))  # noqa: S308 - nh3 made it


def render_markdown(text: str, *, level: int = 4) -> str:
    """Sanitised HTML. Images become their text: a transcript never loads anything from elsewhere.

    Headings begin at `level` and leave none out: an entry of a transcript stands under an h3 of its page.
    """
    return nh3.clean(
        _markdown.render(text, {"level": level}),
        tags=TAGS,
        attributes={"a": {"href"}, "span": {"class"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


def _highlight(code: str, language: str, attributes: str) -> str:
    if not language or len(code) > MAX_HIGHLIGHT:
        return escape(code)
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return escape(code)
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True, classprefix="t-")))


def _make_markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "highlight": _highlight})
    markdown.enable(["table", "strikethrough"])
    markdown.core.ruler.push("lower_headings", _lower_headings)
    markdown.core.ruler.push("plain_empty_heads", _plain_empty_heads)
    markdown.add_render_rule("image", _name_image)
    return markdown


def _name_image(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    token = tokens[index]
    return escape(f"[image: {token.content or token.attrs.get('src', '')}]")


def _lower_headings(state: StateCore) -> None:
    used = sorted({token.tag for token in state.tokens if token.type == "heading_open"})
    highest = state.env["level"]
    level = highest - 1
    for token in state.tokens:
        if token.type == "heading_open":
            level = min(highest + used.index(token.tag), level + 1, 6)
            token.tag = f"h{level}"
        elif token.type == "heading_close":
            token.tag = f"h{level}"


def _plain_empty_heads(state: StateCore) -> None:
    """The empty corner of a table is no heading of anything."""
    for before, token, after in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        if before.type == "th_open" and not token.content:
            before.tag = after.tag = "td"


_markdown = _make_markdown()
