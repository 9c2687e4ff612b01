"""The workspace that a command is about."""

from __future__ import annotations

from django.core.management.base import CommandError

from workspace.models import Tenant

__all__ = ["find_tenant"]


def find_tenant(slug: str | None) -> Tenant:
    """The workspace of this name, or the only one where none is named. Raises CommandError."""
    known = list(Tenant.objects.order_by("slug")[:20])
    names = ", ".join(tenant.slug for tenant in known) or "none"
    if slug is None and len(known) == 1:
        return known[0]
    if slug is None:
        raise CommandError(f"--workspace: say which; there are: {names}", returncode=2)
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise CommandError(f"--workspace: there is no workspace {slug!r}; there are: {names}", returncode=2)
    return tenant
