from django.urls import path

from flows import artifacts, checkpoint_views, views

app_name = "flows"

RUN = "w/<slug:workspace>/flow-runs/<uuid:run_id>/"
ARTIFACT = f"{RUN}artifacts/<uuid:artifact_id>/"

urlpatterns = [
    path(RUN, views.run_detail, name="run-detail"),
    path(f"{RUN}edit/", checkpoint_views.checkpoint_edit, name="checkpoint-edit"),
    path(ARTIFACT, artifacts.artifact_download, name="artifact-download"),
    path(f"{ARTIFACT}preview/", artifacts.artifact_preview, name="artifact-preview"),
    path(f"{ARTIFACT}image/", artifacts.artifact_image, name="artifact-image"),
]
