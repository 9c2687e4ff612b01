"""What was written of late is a range of an index."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("chats", "0007_touched")]

    operations = [
        AddIndexConcurrently(
            model_name="chat",
            index=models.Index(fields=["tenant", "touched_at"], name="chat_touched"),
        ),
    ]
