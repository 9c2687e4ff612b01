"""What every tenant-owned table shares: a time-ordered key, the tenant first, and one way to ask for rows."""

from __future__ import annotations

import uuid
from typing import Self

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import Now, Upper
from uuid_utils.compat import uuid7

__all__ = ["TenantOwned", "TenantQuerySet", "name_index"]


class TenantQuerySet[M: models.Model](models.QuerySet[M]):
    """Rows of one tenant are asked for with `for_tenant`; nothing that a member sees is read without it."""

    def for_tenant(self, tenant_id: uuid.UUID) -> Self:
        return self.filter(tenant_id=tenant_id)


class TenantOwned(models.Model):
    """Base of each table that belongs to a tenant.

    Keys are UUIDv7, ordered by time, made in Python so that any PostgreSQL from 15 on can store them.
    The tenant has no index of its own: each index of a tenant-owned table begins with it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(
        "workspace.Tenant", on_delete=models.PROTECT, db_index=False, related_name="+", editable=False
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True


def name_index(name: str) -> GinIndex:
    """An index that finds any part of `name` in either case, over all tenants: what `icontains` asks for."""
    return GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name=name)
