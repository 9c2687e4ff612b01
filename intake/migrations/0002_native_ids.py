"""The other tool's id of a session is found over all tenants."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("intake", "0001_initial"),
        ("workspace", "0002_search_by_name"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="importedsession",
            index=models.Index(fields=["native_id"], name="imported_by_native_id"),
        ),
    ]
