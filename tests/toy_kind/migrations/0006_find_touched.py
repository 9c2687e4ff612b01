"""What was written of late is a range of an index."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("toy_kind", "0005_touched")]

    operations = [
        AddIndexConcurrently(
            model_name="toy",
            index=models.Index(fields=["tenant", "touched_at"], name="toy_touched"),
        ),
    ]
