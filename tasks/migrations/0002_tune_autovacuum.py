"""The small partial indexes of live rows turn over fast: vacuum long before a fifth of the table is dead."""

from django.db import migrations

TUNE = "ALTER TABLE tasks_backgroundtask SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 1)"
RESET = (
    "ALTER TABLE tasks_backgroundtask RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_cost_delay)"
)


class Migration(migrations.Migration):
    dependencies = [("tasks", "0001_initial")]

    operations = [migrations.RunSQL(TUNE, RESET)]
