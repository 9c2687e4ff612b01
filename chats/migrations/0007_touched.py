"""Each row says when the database last wrote it."""

import django.db.models.functions.datetime
from django.db import migrations, models

TRIGGER = "CREATE TRIGGER touch BEFORE UPDATE ON chats_chat FOR EACH ROW EXECUTE FUNCTION touch_row()"


class Migration(migrations.Migration):
    dependencies = [("chats", "0006_what_is_awaited"), ("workspace", "0007_touched_rows")]

    operations = [
        migrations.AddField(
            model_name="chat",
            name="touched_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
        ),
        migrations.RunSQL(TRIGGER, "DROP TRIGGER touch ON chats_chat"),
    ]
