"""What runs of work that is truly done need: a place to work, files to keep, and which claim did what."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("flows", "0008_what_is_awaited")]

    operations = [
        migrations.AddField("flow", "repo_path", models.CharField(blank=True, max_length=500)),
        migrations.AddField("flow", "wants_review", models.BooleanField(default=False)),
        migrations.AddField("flowstep", "artifacts", models.JSONField(blank=True, default=list)),
        migrations.AddField("flowstep", "backoff_seconds", models.PositiveIntegerField(default=1)),
        migrations.AddField("steprun", "due_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("steprun", "fence", models.PositiveBigIntegerField(blank=True, null=True)),
        migrations.AddField("steprun", "was_cut_off", models.BooleanField(default=False)),
    ]
