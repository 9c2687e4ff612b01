"""The database itself notes when a row that pages show was written: whatever wrote it, and told nobody."""

from django.db import migrations, models

TOUCH = """
CREATE FUNCTION touch_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.touched_at := clock_timestamp();
    RETURN NEW;
END $$;
"""

# Of several tenants the rows are locked in one order, so that two renames never wait for each other.
OUTDATE = """
CREATE FUNCTION outdate_rows_of_tenant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE workspace_tenant SET rows_outdated_at = clock_timestamp() WHERE id = NEW.tenant_id;
    RETURN NULL;
END $$;

CREATE FUNCTION outdate_rows_of_person() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE workspace_tenant SET rows_outdated_at = clock_timestamp() WHERE id IN (
        SELECT id FROM workspace_tenant
        WHERE id IN (SELECT tenant_id FROM workspace_membership WHERE user_id = NEW.id)
        ORDER BY id FOR NO KEY UPDATE
    );
    RETURN NULL;
END $$;

CREATE FUNCTION outdate_own_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.rows_outdated_at := clock_timestamp();
    RETURN NEW;
END $$;

CREATE TRIGGER rename AFTER UPDATE ON workspace_initiative FOR EACH ROW
    WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION outdate_rows_of_tenant();
CREATE TRIGGER rename AFTER UPDATE ON workspace_plan FOR EACH ROW
    WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION outdate_rows_of_tenant();
CREATE TRIGGER rename AFTER UPDATE ON workspace_user FOR EACH ROW
    WHEN (OLD.name IS DISTINCT FROM NEW.name OR OLD.email IS DISTINCT FROM NEW.email)
    EXECUTE FUNCTION outdate_rows_of_person();
CREATE TRIGGER set_quiet_time BEFORE UPDATE ON workspace_tenant FOR EACH ROW
    WHEN (OLD.quiet_after_minutes IS DISTINCT FROM NEW.quiet_after_minutes) EXECUTE FUNCTION outdate_own_rows();
"""

BACK = """
DROP TRIGGER set_quiet_time ON workspace_tenant;
DROP TRIGGER rename ON workspace_user;
DROP TRIGGER rename ON workspace_plan;
DROP TRIGGER rename ON workspace_initiative;
DROP FUNCTION outdate_own_rows;
DROP FUNCTION outdate_rows_of_person;
DROP FUNCTION outdate_rows_of_tenant;
"""


class Migration(migrations.Migration):
    dependencies = [("workspace", "0006_end_chats_after")]

    operations = [
        migrations.AddField(
            model_name="tenant",
            name="rows_outdated_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.RunSQL(TOUCH, "DROP FUNCTION touch_row"),
        migrations.RunSQL(OUTDATE, BACK),
    ]
