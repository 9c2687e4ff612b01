"""What was written of late is a range of an index."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("flows", "0011_touched")]

    operations = [
        AddIndexConcurrently(
            model_name="flowrun",
            index=models.Index(fields=["tenant", "touched_at"], name="flowrun_touched"),
        ),
    ]
