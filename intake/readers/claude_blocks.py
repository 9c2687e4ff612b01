"""Content blocks of Claude's messages as text: what is no text is named, with its type and size."""

from collections.abc import Iterator

from audit.entries import JSON
from intake.readers.fields import Object, object_of, text_of


def blocks_of(message: Object) -> Iterator[tuple[int, dict[str, JSON]]]:
    content = message.get("content")
    for index, block in enumerate(content if isinstance(content, list) else [content]):
        if isinstance(block, str):
            yield index, {"type": "text", "text": block}
        elif isinstance(block, dict):
            yield index, block


def content_text(content: JSON) -> str:
    """The text of a content field that is a string or a list of blocks; images as placeholders."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        return ""
    parts = [
        part if isinstance(part, str) else placeholder(part)
        for part in content
        if isinstance(part, str | dict)
    ]
    return "\n".join(part for part in parts if part)


def placeholder(block: Object) -> str:
    """A block's text, or what to show in the place of something that is no text."""
    kind = text_of(block, "type")
    if kind == "text" or (text_of(block, "text") and kind not in ("image", "document")):
        return text_of(block, "text")
    if kind == "tool_reference":
        return f"[tool: {text_of(block, 'tool_name') or text_of(block, 'name')}]"
    if kind == "web_search_result":
        return f"{text_of(block, 'title')} {text_of(block, 'url')}".strip()
    source = object_of(block, "source") or object_of(block, "file")
    encoded = text_of(source, "data") or text_of(source, "base64")
    details = [text_of(source, "media_type") or text_of(source, "type"), _size(encoded)]
    details = [detail for detail in details if detail]
    return f"[{kind or 'block'}: {', '.join(details)}]" if details else f"[{kind or 'block'}]"


def _size(encoded: str) -> str:
    size = len(encoded) * 3 // 4
    if not size:
        return ""
    return f"{size} bytes" if size < 1024 else f"{size / 1024:.0f} KB"
