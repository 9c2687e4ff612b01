from django.urls import path

from flows import views

app_name = "flows"

urlpatterns = [
    path("w/<slug:workspace>/flow-runs/<uuid:run_id>/", views.run_detail, name="run-detail"),
    path(
        "w/<slug:workspace>/flow-runs/<uuid:run_id>/artifacts/<uuid:artifact_id>/",
        views.artifact_download,
        name="artifact-download",
    ),
]
