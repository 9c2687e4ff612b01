"""The small partial indexes of live rows turn over fast: vacuum long before a fifth of the table is dead."""

from django.db import migrations

TUNE = "ALTER TABLE chats_chat SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 1)"
RESET = "ALTER TABLE chats_chat RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_cost_delay)"


class Migration(migrations.Migration):
    dependencies = [("chats", "0001_initial")]

    operations = [migrations.RunSQL(TUNE, RESET)]
