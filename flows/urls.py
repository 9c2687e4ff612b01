from django.urls import path

from flows import artifacts, checkpoint_views, trigger_views, views

app_name = "flows"

RUN = "w/<slug:workspace>/flow-runs/<uuid:run_id>/"
TRIGGERS = "w/<slug:workspace>/flows/<uuid:flow_id>/triggers/"
TRIGGER = f"{TRIGGERS}<uuid:trigger_id>/"
ARTIFACT = f"{RUN}artifacts/<uuid:artifact_id>/"

urlpatterns = [
    path(RUN, views.run_detail, name="run-detail"),
    path(f"{RUN}edit/", checkpoint_views.checkpoint_edit, name="checkpoint-edit"),
    path(TRIGGERS, trigger_views.trigger_list, name="trigger-list"),
    path(TRIGGER, trigger_views.trigger_edit, name="trigger-edit"),
    path(f"{TRIGGER}action/", trigger_views.trigger_action, name="trigger-action"),
    path(ARTIFACT, artifacts.artifact_download, name="artifact-download"),
    path(f"{ARTIFACT}preview/", artifacts.artifact_preview, name="artifact-preview"),
    path(f"{ARTIFACT}image/", artifacts.artifact_image, name="artifact-image"),
]
