from django.urls import path

from audit import redaction_views, views

app_name = "audit"

urlpatterns = [
    path(
        "w/<slug:workspace>/transcripts/<slug:kind>/<uuid:session_id>/entries/<int:seq>/",
        views.entry_detail,
        name="entry-detail",
    ),
    path("w/<slug:workspace>/secrets/", redaction_views.secret_list, name="secret-list"),
    path("w/<slug:workspace>/new-secret/", redaction_views.secret_create, name="secret-create"),
    path("w/<slug:workspace>/secrets/<str:name>/", redaction_views.secret_detail, name="secret-detail"),
    path(
        "w/<slug:workspace>/secrets/<str:name>/rotate/", redaction_views.secret_rotate, name="secret-rotate"
    ),
    path("w/<slug:workspace>/secrets/<str:name>/do/", redaction_views.secret_action, name="secret-action"),
    path("w/<slug:workspace>/rules/<str:rule>/", redaction_views.rule_detail, name="rule-detail"),
    path("w/<slug:workspace>/sweeps/", redaction_views.sweep_list, name="sweep-list"),
    path("w/<slug:workspace>/sweeps/start/", redaction_views.sweep_start, name="sweep-start"),
]
