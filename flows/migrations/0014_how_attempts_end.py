"""An attempt knows whether its worker handed it back, and whether the run went on without its step."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("flows", "0013_what_triggers_say")]

    operations = [
        migrations.AddField(
            "steprun", "was_handed_back", models.BooleanField(db_default=False, default=False)
        ),
        migrations.AddField(
            "steprun", "was_passed_over", models.BooleanField(db_default=False, default=False)
        ),
    ]
