"""Whether anything has a profile is looked up by an index, also by the database, before one is deleted."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("chats", "0008_find_touched")]

    operations = [
        AddIndexConcurrently(
            model_name="chat",
            index=models.Index(
                fields=["profile"], condition=models.Q(profile__isnull=False), name="chat_by_profile"
            ),
        ),
    ]
