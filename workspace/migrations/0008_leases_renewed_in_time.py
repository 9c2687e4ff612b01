"""A lease that is renewed while it holds shows nothing new: it touches no row."""

from django.db import migrations

# What is generated is not known yet before an update, so it is left out of what is compared.
TOUCH = """
CREATE OR REPLACE FUNCTION touch_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    aside CONSTANT text[] := '{lease_expires_at,is_open,search_text}';
BEGIN
    IF OLD.lease_expires_at > clock_timestamp() AND NEW.lease_expires_at > OLD.lease_expires_at
        AND to_jsonb(NEW) - aside = to_jsonb(OLD) - aside
    THEN
        RETURN NEW;
    END IF;
    NEW.touched_at := clock_timestamp();
    RETURN NEW;
END $$;
"""

BACK = """
CREATE OR REPLACE FUNCTION touch_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.touched_at := clock_timestamp();
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("workspace", "0007_touched_rows")]

    operations = [migrations.RunSQL(TOUCH, BACK)]
