"""Profiles and skills."""

from __future__ import annotations

import factory
from factory.django import DjangoModelFactory

from agents.models import Profile, Runtime, Skill
from tests.factories.workspace import TenantFactory


class ProfileFactory(DjangoModelFactory[Profile]):
    tenant = factory.SubFactory(TenantFactory)
    name = factory.Sequence(lambda n: f"Profile {n}")
    runtime = Runtime.SHELL

    class Meta:
        model = Profile


class SkillFactory(DjangoModelFactory[Skill]):
    tenant = factory.SubFactory(TenantFactory)
    name = factory.Sequence(lambda n: f"Skill {n}")
    runtime = Runtime.SHELL
    body = "true"

    class Meta:
        model = Skill
