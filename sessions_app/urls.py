from django.urls import path

from sessions_app import acting, bulk, groups, standing, views

app_name = "sessions_app"

urlpatterns = [
    path("w/<slug:workspace>/sessions/", views.session_list, name="session-list"),
    path("w/<slug:workspace>/sessions/changes/", standing.session_changes, name="session-changes"),
    path("w/<slug:workspace>/sessions/standing/", standing.session_standing, name="session-standing"),
    path("w/<slug:workspace>/sessions/bulk/", bulk.session_bulk, name="session-bulk"),
    path(
        "w/<slug:workspace>/sessions/<slug:kind>/<uuid:session_id>/action/",
        acting.session_action,
        name="session-action",
    ),
    path(
        "w/<slug:workspace>/sessions/<slug:kind>/<uuid:session_id>/peek/",
        acting.session_peek,
        name="session-peek",
    ),
    path(
        "w/<slug:workspace>/sessions/<slug:kind>/<uuid:session_id>/seen/",
        views.session_seen,
        name="session-seen",
    ),
    path(
        "w/<slug:workspace>/sessions/<slug:kind>/<uuid:session_id>/claim/",
        acting.session_claim,
        name="session-claim",
    ),
    path("w/<slug:workspace>/command-center/unread/", views.unread_sessions, name="unread-sessions"),
    path("w/<slug:workspace>/command-center/seen/", views.everything_seen, name="everything-seen"),
    path("w/<slug:workspace>/command-center/frame/", views.empty_frame, name="empty-frame"),
    path("w/<slug:workspace>/command-center/", views.command_center, name="command-center"),
    path("w/<slug:workspace>/initiatives/", groups.initiative_list, name="initiative-list"),
    path(
        "w/<slug:workspace>/initiatives/<uuid:initiative_id>/",
        groups.initiative_detail,
        name="initiative-detail",
    ),
    path("w/<slug:workspace>/plans/", groups.plan_list, name="plan-list"),
    path("w/<slug:workspace>/plans/<uuid:plan_id>/", groups.plan_detail, name="plan-detail"),
]
