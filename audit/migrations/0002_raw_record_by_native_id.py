"""Records are looked up by the id that their source gave them."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("audit", "0001_initial")]

    operations = [
        AddIndexConcurrently(
            model_name="rawrecord",
            index=models.Index(
                fields=["tenant", "transcript", "native_id"],
                condition=~Q(native_id=""),
                name="raw_record_by_native_id",
            ),
        ),
    ]
