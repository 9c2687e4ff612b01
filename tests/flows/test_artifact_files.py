from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.base import ContentFile

from flows.models import Artifact
from tests.factories.flows import FlowRunFactory

pytestmark = pytest.mark.django_db


def test_an_artifacts_file_lies_in_the_data_folder():
    run = FlowRunFactory()
    artifact = Artifact(
        tenant=run.tenant,
        run=run,
        name="build.bin",
        content_type="application/octet-stream",
        size_bytes=3,
        is_scanned=False,
    )
    artifact.file.save("build.bin", ContentFile(b"\x00\x01\x02"))
    try:
        assert Path(artifact.file.path).is_relative_to(settings.DATA_DIR)
    finally:
        artifact.file.delete(save=False)
