"""Tenants, people and their roles, initiatives and plans."""

from __future__ import annotations

import factory
from factory.django import DjangoModelFactory

from workspace.models import Initiative, Membership, Plan, Role, Tenant, User
from workspace.sealing import make_tenant_key


class TenantFactory(DjangoModelFactory[Tenant]):
    """A tenant with the key that its marks and digests are made with."""

    slug = factory.Sequence(lambda n: f"workspace-{n}")
    name = factory.Sequence(lambda n: f"Workspace {n}")

    class Meta:
        model = Tenant
        skip_postgeneration_save = True

    @factory.post_generation  # type: ignore[untyped-decorator]
    def key(self: Tenant, create: bool, extracted: object, **kwargs: object) -> None:
        if create:
            make_tenant_key(self.pk)


class UserFactory(DjangoModelFactory[User]):
    """A person without a password (they sign in by link) and without a tenant."""

    email = factory.Sequence(lambda n: f"person-{n}@example.com")
    name = factory.Sequence(lambda n: f"Person {n}")
    password = "!"

    class Meta:
        model = User

    class Params:
        superuser = factory.Trait(is_staff=True, is_superuser=True)


class MembershipFactory(DjangoModelFactory[Membership]):
    """A member of a tenant; `viewer=True` and `admin=True` give the other roles."""

    tenant = factory.SubFactory(TenantFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.MEMBER

    class Meta:
        model = Membership

    class Params:
        viewer = factory.Trait(role=Role.VIEWER)
        admin = factory.Trait(role=Role.ADMIN)


class OwnerFactory(UserFactory):
    """A user who is a member of the tenant of the row that they own; for use as `owner` of a session."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    membership = factory.RelatedFactory(
        MembershipFactory, factory_related_name="user", tenant=factory.SelfAttribute("...tenant")
    )


class InitiativeFactory(DjangoModelFactory[Initiative]):
    tenant = factory.SubFactory(TenantFactory)
    name = factory.Sequence(lambda n: f"Initiative {n}")

    class Meta:
        model = Initiative


class PlanFactory(DjangoModelFactory[Plan]):
    """A plan that stands alone; `under_initiative=True` puts it under one of the same tenant."""

    tenant = factory.SubFactory(TenantFactory)
    name = factory.Sequence(lambda n: f"Plan {n}")
    body = "What is to be done, and why."

    class Meta:
        model = Plan

    class Params:
        under_initiative = factory.Trait(
            initiative=factory.SubFactory(InitiativeFactory, tenant=factory.SelfAttribute("..tenant"))
        )
