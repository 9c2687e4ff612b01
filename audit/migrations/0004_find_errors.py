"""Errors of a transcript are found in their order, however rare they are in it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0003_redactions"),
        ("workspace", "0004_sealed_rows"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="transcriptentry",
            index=models.Index(
                condition=models.Q(("kind", "error"), ("is_error", True), _connector="OR"),
                fields=["tenant", "transcript", "seq"],
                name="entry_errors",
            ),
        ),
    ]
