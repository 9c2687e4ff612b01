"""Files of a run come as downloads; what can be shown safely has a preview."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile
from django.test import Client

from flows.models import Artifact, FlowRun
from tests.flows.worlds import World

PNG = b"\x89PNG\r\n\x1a\n rest of an image"
DIFF = """diff --git a/shop/cart.py b/shop/cart.py
index 1..2 100644
--- a/shop/cart.py
+++ b/shop/cart.py
@@ -1,2 +1,2 @@
 def total():
-    return 0
+    return sum(prices)
diff --git a/gone.py b/gone.py
--- a/gone.py
+++ /dev/null
@@ -1 +0,0 @@
-import this
"""


@pytest.fixture
def run(world: World, settings, tmp_path) -> FlowRun:
    settings.MEDIA_ROOT = tmp_path
    return world.start()


def keep(run: FlowRun, name: str, content: bytes, *, media_type: str, is_file: bool = False) -> Artifact:
    artifact = Artifact(
        tenant=run.tenant,
        run=run,
        name=name,
        content_type=media_type,
        size_bytes=len(content),
        is_scanned=not is_file,
    )
    if is_file:
        artifact.file.save("kept", ContentFile(content), save=False)
    else:
        artifact.text = content.decode()
    artifact.save()
    return artifact


def ask(world: World, client: Client, artifact: Artifact, part: str = ""):
    client.force_login(world.owner.user)
    return client.get(f"/w/{world.tenant.slug}/flow-runs/{artifact.run_id}/artifacts/{artifact.pk}/{part}")


@pytest.mark.parametrize("is_file", [False, True])
def test_an_artifact_comes_as_a_file_of_its_name_that_no_browser_shows(world, client, run, is_file):
    artifact = keep(run, "out/Übersicht.html", b"<b>hi</b>", media_type="text/html", is_file=is_file)
    answer = ask(world, client, artifact)
    assert answer.getvalue() == b"<b>hi</b>"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=utf-8''%C3%9Cbersicht.html"


def test_a_text_is_shown_as_text_whatever_it_holds(world, client, run):
    artifact = keep(run, "page.html", b"<script>alert(1)</script>", media_type="text/html")
    page = ask(world, client, artifact, "preview/").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert(1)" not in page


def test_a_diff_is_shown_by_file_with_line_numbers_and_signs(world, client, run):
    artifact = keep(run, "change.diff", DIFF.encode(), media_type="text/x-diff")
    page = ask(world, client, artifact, "preview/").content.decode()
    table = page.partition('<table class="diff">')[2].partition("</table>")[0]
    assert table.index("shop/cart.py") < table.index("return sum(prices)") < table.index("gone.py")
    assert table.count('class="removed"') == 2
    assert table.count('class="added"') == 1
    assert "index 1..2" not in table


def test_a_long_text_is_cut_and_says_so(world, client, run):
    artifact = keep(run, "log.txt", b"x" * 300_000, media_type="text/plain")
    page = ask(world, client, artifact, "preview/").content.decode()
    assert "This is its beginning" in page
    assert "x" * 200_001 not in page


def test_an_image_is_shown_and_may_do_nothing_by_itself(world, client, run):
    artifact = keep(run, "chart.png", PNG, media_type="image/png", is_file=True)
    page = ask(world, client, artifact, "preview/").content.decode()
    assert f"artifacts/{artifact.pk}/image/" in page
    image = ask(world, client, artifact, "image/")
    assert image.getvalue() == PNG
    assert image.headers["Content-Type"] == "image/png"
    assert image.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize(
    ("content", "media_type"),
    [(b"<svg onload=alert(1)>", "image/svg+xml"), (b"<html>", "image/png"), (PNG, "application/zip")],
)
def test_what_only_calls_itself_an_image_is_not_shown(world, client, run, content, media_type):
    artifact = keep(run, "chart.png", content, media_type=media_type, is_file=True)
    assert ask(world, client, artifact, "image/").status_code == 404
    assert "Download it to look at it" in ask(world, client, artifact, "preview/").content.decode()


def test_an_empty_file_says_that_it_is_empty(world, client, run):
    artifact = keep(run, "empty.txt", b"", media_type="text/plain")
    assert "The file is empty." in ask(world, client, artifact, "preview/").content.decode()


def test_a_line_break_at_the_end_of_a_name_is_no_part_of_the_header(world, client, run):
    artifact = keep(run, "out/log.txt\n", b"x", media_type="text/plain")
    answer = ask(world, client, artifact)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="log.txt"'


def test_a_diff_with_line_numbers_past_all_files_is_shown_without_them(world, client, run):
    text = f"--- a\n+++ b\n@@ -{'9' * 5000} +1 @@\n+added here\n"
    artifact = keep(run, "odd.diff", text.encode(), media_type="text/x-diff")
    page = ask(world, client, artifact, "preview/")
    assert page.status_code == 200
    assert "added here" in page.content.decode()
