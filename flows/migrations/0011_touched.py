"""Each row says when the database last wrote it."""

import django.db.models.functions.datetime
from django.db import migrations, models

TRIGGER = "CREATE TRIGGER touch BEFORE UPDATE ON flows_flowrun FOR EACH ROW EXECUTE FUNCTION touch_row()"


class Migration(migrations.Migration):
    dependencies = [("flows", "0010_runs_to_claim"), ("workspace", "0007_touched_rows")]

    operations = [
        migrations.AddField(
            model_name="flowrun",
            name="touched_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
        ),
        migrations.RunSQL(TRIGGER, "DROP TRIGGER touch ON flows_flowrun"),
    ]
