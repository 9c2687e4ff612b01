from django.urls import path

from sessions_app import groups, views

app_name = "sessions_app"

urlpatterns = [
    path("w/<slug:workspace>/sessions/", views.session_list, name="session-list"),
    path(
        "w/<slug:workspace>/sessions/<slug:kind>/<uuid:session_id>/action/",
        views.session_action,
        name="session-action",
    ),
    path("w/<slug:workspace>/initiatives/", groups.initiative_list, name="initiative-list"),
    path(
        "w/<slug:workspace>/initiatives/<uuid:initiative_id>/",
        groups.initiative_detail,
        name="initiative-detail",
    ),
    path("w/<slug:workspace>/plans/", groups.plan_list, name="plan-list"),
    path("w/<slug:workspace>/plans/<uuid:plan_id>/", groups.plan_detail, name="plan-detail"),
]
