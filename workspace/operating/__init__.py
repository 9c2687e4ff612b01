"""What the pages of the operator's admin are made of; each app's `admin.py` declares its models."""
