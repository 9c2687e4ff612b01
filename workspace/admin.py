"""The operator's pages of workspaces and people. See `docs/admin.md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.options import ActionLocation
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from workspace import accounts, secrets, services, tokens
from workspace.actors import Actor
from workspace.admin_forms import AccountForm, PasswordForm, SecretForm, TenantForm
from workspace.models import (
    ApiToken,
    EarlierValue,
    Initiative,
    Membership,
    Plan,
    RotationCheck,
    Secret,
    SeenSession,
    SignInLink,
    Tenant,
    TenantKey,
    User,
)
from workspace.operating.actions import REFUSALS, explain_refusal, operator_of, service_action
from workspace.operating.filters import CreatedFilter, TenantFilter, by_reference
from workspace.operating.model_admins import NamedAdmin, OperatorAdmin, PersonalAdmin, RecordAdmin

# Roles are memberships here: a group would promise rights that nothing reads.
admin.site.unregister(Group)


@admin.register(Tenant)
class TenantAdmin(RecordAdmin):
    form = TenantForm
    list_display = ("name", "slug", "suspended_at", "created_at")
    list_filter = (("suspended_at", admin.EmptyFieldListFilter), CreatedFilter)
    list_select_related = ()
    search_help_text = "Words of the name, or an id."
    word_lookups = ("name__icontains",)
    add_fields = ("slug", "name", "owner")
    edit_fields = ("name", "quiet_after_minutes", "end_chats_after_minutes")
    actions = ("suspend", "lift_suspension")

    def create(self, obj: Tenant, *, values: Mapping[str, Any], actor: Actor) -> Model:
        return services.create_tenant(
            slug=values["slug"], name=values["name"], owner=values["owner"], actor=actor
        )

    @service_action("Suspend", confirm="Its pages answer 404 to all its members until this is lifted.")
    def suspend(self, tenant: Tenant, actor: Actor) -> None:
        services.suspend_tenant(tenant_id=tenant.pk, actor=actor)

    @service_action("Lift the suspension of")
    def lift_suspension(self, tenant: Tenant, actor: Actor) -> None:
        services.lift_suspension(tenant_id=tenant.pk, actor=actor)


@admin.register(User)
class UserAdmin(RecordAdmin):
    form = AccountForm
    list_display = ("email", "name", "is_active", "is_superuser", "last_login", "created_at")
    list_filter = ("is_active", "is_superuser", CreatedFilter)
    list_select_related = ()
    search_help_text = "Words of the name, the beginning of an e-mail address, or an id."
    word_lookups = ("name__icontains", "email__startswith")
    add_fields = ("email", "name")
    edit_fields = ("email", "name", "time_zone")
    hidden = ("password", "groups", "user_permissions")
    change_form_template = "admin/change_account.html"
    actions = (
        "sign_in_link",
        "deactivate",
        "reactivate",
        "make_operator",
        "take_operator_access",
    )

    def create(self, obj: User, *, values: Mapping[str, Any], actor: Actor) -> Model:
        return services.create_user(email=values["email"], name=values["name"])

    def change(self, obj: User, *, values: Mapping[str, Any], actor: Actor) -> None:
        accounts.change_account(user_id=obj.pk, values=values, actor=actor)

    @admin.action(description="Make a sign-in link", location=ActionLocation.CHANGE_FORM)
    def sign_in_link(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Shows the link on a page of its own, once: a message would keep it in a cookie or the session."""
        user = queryset.get()
        try:
            token = accounts.hand_out_sign_in_link(user_id=user.pk, actor=operator_of(request))
        except REFUSALS as refusal:
            self.message_user(request, explain_refusal(refusal), messages.ERROR)
            return None
        self.log_change(request, user, "Made a sign-in link")
        link = request.build_absolute_uri(reverse("workspace:sign-in-link", args=[token]))
        minutes = int(services.SIGN_IN_LINK_LIFETIME.total_seconds() // 60)
        context = {"link": link, "minutes": minutes, "original": user}
        return self._page(request, "admin/sign_in_link.html", f"Sign-in link for {user.email}", context)

    @service_action("Deactivate", confirm="They are shut out everywhere at once.")
    def deactivate(self, user: User, actor: Actor) -> None:
        accounts.deactivate_user(user_id=user.pk, actor=actor)

    @service_action("Reactivate")
    def reactivate(self, user: User, actor: Actor) -> None:
        accounts.reactivate_user(user_id=user.pk, actor=actor)

    @service_action("Make an operator of", confirm="An operator sees and stops the work of all workspaces.")
    def make_operator(self, user: User, actor: Actor) -> None:
        accounts.make_operator(user_id=user.pk, actor=actor)

    @service_action("Take operator access from", confirm="They can no longer come here.")
    def take_operator_access(self, user: User, actor: Actor) -> None:
        accounts.take_operator_access(user_id=user.pk, actor=actor)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.password_view)
        return [path("<uuid:user_id>/password/", view, name="workspace_user_password"), *super().get_urls()]

    @method_decorator(sensitive_post_parameters())
    def password_view(self, request: HttpRequest, user_id: Any) -> HttpResponse:
        """Set a person's password, or switch signing in by password off for them."""
        user = User.objects.filter(pk=user_id).first()
        if user is None:
            raise Http404("there is no such person")
        form = PasswordForm(user, request.POST or None)
        if request.method == "POST" and form.is_valid():
            changed = accounts.set_password(
                user_id=user.pk, password=form.password, actor=operator_of(request)
            )
            self.log_change(request, user, "Set the password" if form.password else "Removed the password")
            self.message_user(request, f"The password of {user.email} has changed.", messages.SUCCESS)
            if request.user == changed:
                update_session_auth_hash(request, changed)
            return HttpResponseRedirect(reverse("admin:workspace_user_change", args=[user.pk]))
        fieldsets = [(None, {"fields": list(form.base_fields)})]
        context = {
            "form": form,
            "adminForm": helpers.AdminForm(form, fieldsets, {}),  # type: ignore[arg-type]
            "original": user,
        }
        return self._page(
            request, "admin/auth/user/change_password.html", f"Password of {user.email}", context
        )

    def _page(
        self, request: HttpRequest, template: str, title: str, context: Mapping[str, Any]
    ) -> HttpResponse:
        common = {**self.admin_site.each_context(request), "opts": self.opts, "title": title}
        return TemplateResponse(request, template, {**common, "media": self.media, **context})


@admin.register(SignInLink)
class SignInLinkAdmin(PersonalAdmin):
    list_display = ("user", "created_at", "expires_at", "used_at")
    list_filter = (("used_at", admin.EmptyFieldListFilter), CreatedFilter)
    list_select_related = ("user",)
    hidden = ("token_hash",)


@admin.register(Membership)
class MembershipAdmin(PersonalAdmin, RecordAdmin):
    list_display = ("user", "tenant", "role", "created_at")
    list_filter = (TenantFilter, "role", CreatedFilter)
    list_select_related = ("user", "tenant")
    autocomplete_fields = ("user",)
    add_fields = ("workspace", "user", "role")
    edit_fields = ("role",)
    actions = ("remove",)

    def create(self, obj: Membership, *, values: Mapping[str, Any], actor: Actor) -> Model:
        return services.set_member_role(
            tenant_id=obj.tenant_id, user=values["user"], role=values["role"], actor=actor
        )

    def change(self, obj: Membership, *, values: Mapping[str, Any], actor: Actor) -> None:
        services.set_member_role(tenant_id=obj.tenant_id, user=obj.user, role=obj.role, actor=actor)

    @service_action("Remove", confirm="They lose access to the workspace; what they did there stays.")
    def remove(self, membership: Membership, actor: Actor) -> None:
        services.remove_member(tenant_id=membership.tenant_id, user=membership.user, actor=actor)


@admin.register(SeenSession)
class SeenSessionAdmin(OperatorAdmin):
    list_display = ("session_kind", "session_id", "version", "membership", "tenant", "seen_at")
    list_filter = (TenantFilter, by_reference("membership"), CreatedFilter)
    list_select_related = ("tenant", "membership")
    search_help_text = "An id: its own, or that of the membership."
    parents = ("membership",)


@admin.register(Initiative)
class InitiativeAdmin(NamedAdmin):
    list_display = ("name", "tenant", "archived_at", "created_at")
    list_filter = (TenantFilter, ("archived_at", admin.EmptyFieldListFilter), CreatedFilter)
    add_fields = ("workspace", "name", "summary")
    edit_fields = ("name", "summary")


@admin.register(Plan)
class PlanAdmin(NamedAdmin):
    list_display = ("name", "tenant", "initiative", "archived_at", "created_at")
    list_filter = (TenantFilter, ("archived_at", admin.EmptyFieldListFilter), CreatedFilter)
    list_select_related = ("tenant", "initiative")
    raw_id_fields = ("initiative",)
    add_fields = ("workspace", "name", "initiative", "body")
    edit_fields = ("name", "initiative", "body")


@admin.register(ApiToken)
class ApiTokenAdmin(PersonalAdmin):
    list_display = ("name", "prefix", "user", "tenant", "expires_at", "revoked_at", "last_used_at")
    list_filter = (TenantFilter, ("revoked_at", admin.EmptyFieldListFilter), CreatedFilter)
    list_select_related = ("user", "tenant")
    search_help_text = "The token's prefix, the beginning of its owner's e-mail address, or an id."
    hidden = ("token_hash",)
    actions = ("revoke",)

    def q_word(self, word: str) -> Q:
        return super().q_word(word) | Q(prefix__startswith=word)

    @service_action("Revoke", confirm="A revoked token cannot be made valid again.")
    def revoke(self, token: ApiToken, actor: Actor) -> None:
        tokens.revoke_token(tenant_id=token.tenant_id, token_id=token.pk, actor=actor)


@admin.register(Secret)
class SecretAdmin(NamedAdmin):
    form = SecretForm
    list_display = ("name", "tenant", "created_by", "created_at", "rotated_by", "rotated_at")
    list_select_related = ("tenant", "created_by", "rotated_by")
    hidden = ("sealed", "digest")
    add_fields = ("workspace", "name", "value", "note")
    edit_fields = ("value", "note")
    actions = ("forget_earlier_values", "delete_secret")

    @method_decorator(sensitive_post_parameters())
    def changeform_view(self, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().changeform_view(*args, **kwargs)

    def create(self, obj: Secret, *, values: Mapping[str, Any], actor: Actor) -> Model:
        return secrets.create_secret(
            tenant_id=obj.tenant_id,
            name=obj.name,
            value=values["value"],
            note=values["note"],
            actor=actor,
        )

    @transaction.atomic
    def change(self, obj: Secret, *, values: Mapping[str, Any], actor: Actor) -> None:
        row: dict[str, Any] = {"tenant_id": obj.tenant_id, "name": obj.name, "actor": actor}
        if value := values.get("value"):
            secrets.rotate_secret(**row, value=value)
        if "note" in values:
            secrets.describe_secret(**row, note=values["note"])

    @service_action(
        "Forget earlier values of",
        confirm="Texts that come later and hold an earlier value will hold it as it is.",
    )
    def forget_earlier_values(self, secret: Secret, actor: Actor) -> None:
        secrets.forget_earlier_values(tenant_id=secret.tenant_id, name=secret.name, actor=actor)

    @service_action(
        "Delete",
        confirm="Its value is no longer recognised: texts that come later will hold it as it is.",
    )
    def delete_secret(self, secret: Secret, actor: Actor) -> None:
        secrets.delete_secret(tenant_id=secret.tenant_id, name=secret.name, actor=actor)


class SealedAdmin(OperatorAdmin):
    """Rows of which only their being there is shown."""

    hidden = ("sealed", "digest")


@admin.register(TenantKey)
class TenantKeyAdmin(SealedAdmin):
    list_display = ("tenant", "key_id", "created_at")


@admin.register(EarlierValue)
class EarlierValueAdmin(SealedAdmin):
    list_display = ("secret", "tenant", "created_at")
    list_filter = (TenantFilter, CreatedFilter)
    list_select_related = ("secret", "tenant")


@admin.register(RotationCheck)
class RotationCheckAdmin(OperatorAdmin):
    list_display = ("secret", "step", "checked_by", "tenant", "created_at")
    list_filter = (TenantFilter, "step", CreatedFilter)
    list_select_related = ("secret", "checked_by", "tenant")
