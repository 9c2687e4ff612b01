"""Starting a run from the command line: whose, of which flow, with which values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from audit.entries import JSON
from flows.models import Flow, FlowRun
from flows.services import start_run
from sessions_app.kinds import Origin
from workspace.actors import Actor
from workspace.models import Membership, Role, Tenant
from workspace.placement import Placement

__all__ = ["read_parameters", "start"]

TRUE, FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def refuse(words: str) -> CommandError:
    return CommandError(words, returncode=2)


def start(tenant: Tenant, options: Mapping[str, Any]) -> FlowRun:
    """Raises CommandError for a flow, a parameter or an owner that is not there or not as it must be."""
    flow = find_flow(tenant, options["name"])
    owner = find_owner(tenant, options["owner"])
    try:
        return start_run(
            tenant_id=tenant.pk,
            flow_id=flow.pk,
            placement=Placement(owner_id=owner.user_id),
            actor=Actor.member(owner.user),
            parameters=read_parameters(flow, options["parameter"]),
            title=options["title"],
            origin=Origin.CLI,
        )
    except ValidationError as error:
        raise refuse("\n".join(error.messages)) from None


def find_flow(tenant: Tenant, name: str) -> Flow:
    flows = Flow.objects.for_tenant(tenant.pk).filter(archived_at__isnull=True)
    flow = flows.filter(name__iexact=name).first()
    if flow is None:
        known = ", ".join(flows.order_by("name").values_list("name", flat=True)[:20]) or "none"
        raise refuse(f"there is no flow “{name}”; there are: {known}")
    return flow


def find_owner(tenant: Tenant, email: str | None) -> Membership:
    members = Membership.objects.for_tenant(tenant.pk).select_related("user").exclude(role=Role.VIEWER)
    if email is not None:
        member = members.filter(user__email=email.strip().lower()).first()
        if member is None:
            told = f"--owner: {email} is no member of the workspace {tenant.slug} who runs things"
            raise refuse(told)
        return member
    member = members.filter(role=Role.ADMIN).order_by("created_at", "id").first()
    if member is None:
        raise refuse("--owner: this workspace has no admin; say whose run it is")
    return member


def read_parameters(flow: Flow, given: Iterable[str]) -> dict[str, JSON]:
    """The values of `-p key=value`, each by its parameter's type; those that are missing are found later."""
    types = {parameter["name"]: parameter.get("type", "string") for parameter in flow.parameters}
    values: dict[str, JSON] = {}
    for pair in given:
        name, is_pair, text = pair.partition("=")
        if not is_pair:
            raise refuse(f"-p {pair}: write -p KEY=VALUE")
        if name not in types:
            known = ", ".join(types) or "none"
            raise refuse(f"-p {pair}: there is no parameter {name}; there are: {known}")
        values[name] = read_value(pair, types[name], text)
    return values


def read_value(pair: str, type_name: str, text: str) -> JSON:
    if type_name == "boolean":
        if text.lower() not in TRUE | FALSE:
            raise refuse(f"-p {pair}: write true or false")
        return text.lower() in TRUE
    if type_name == "number":
        try:
            return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
        except ValueError:
            raise refuse(f"-p {pair}: write a number") from None
    return text
