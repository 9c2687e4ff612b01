from __future__ import annotations

from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from sessions_app.live import announce_access
from workspace.forms import SignInForm
from workspace.models import Membership, Role, User
from workspace.services import LinkRefused, consume_sign_in_link

BACKEND = "django.contrib.auth.backends.ModelBackend"


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in with a password. A link from `manage.py sign_in_link` is the other way in."""
    form = SignInForm(request, data=request.POST or None)
    if request.method == "POST" and form.is_valid():
        login(request, form.get_user())
        return redirect(_next_url(request))
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "next": request.GET.get("next", "")}
    return render(request, "workspace/sign_in.html", context, status=status)


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_link(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows a button, so that a link preview uses nothing up; POST consumes the link."""
    template = "workspace/sign_in_link.html"
    if request.method != "POST":
        return render(request, template)
    try:
        user = consume_sign_in_link(token=token)
    except LinkRefused as refused:
        context = {"link_problem": str(refused), "sign_in_url": resolve_url("workspace:sign-in")}
        return render(request, template, context, status=410)
    login(request, user, backend=BACKEND)
    return redirect("workspace:home")


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    announce_access()
    return redirect("workspace:sign-in")


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The person's only workspace, or the list to choose one from."""
    if not isinstance(request.user, User):
        return redirect_to_login(request.path)
    memberships = list(
        Membership.objects.select_related("tenant")
        .filter(user=request.user, tenant__suspended_at__isnull=True)
        .order_by("tenant__name")
    )
    if len(memberships) == 1:
        return redirect("sessions_app:session-list", memberships[0].tenant.slug)
    workspaces = [
        {
            "name": membership.tenant.name,
            "url": resolve_url("sessions_app:session-list", membership.tenant.slug),
            "role_label": Role(membership.role).label,
        }
        for membership in memberships
    ]
    return render(request, "workspace/workspace_list.html", {"workspaces": workspaces})


def _next_url(request: HttpRequest) -> str:
    wanted = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
        return wanted
    return resolve_url("workspace:home")
