from django.urls import path

from flows import artifacts, checkpoint_views, design_views, flow_views, trigger_views, views

app_name = "flows"

RUN = "w/<slug:workspace>/flow-runs/<uuid:run_id>/"
FLOWS = "w/<slug:workspace>/flows/"
FLOW = f"{FLOWS}<uuid:flow_id>/"
TRIGGERS = f"{FLOW}triggers/"
TRIGGER = f"{TRIGGERS}<uuid:trigger_id>/"
ARTIFACT = f"{RUN}artifacts/<uuid:artifact_id>/"

urlpatterns = [
    path(FLOWS, flow_views.flow_list, name="flow-list"),
    path(f"{FLOWS}new/", design_views.flow_create, name="flow-create"),
    path(FLOW, flow_views.flow_detail, name="flow-detail"),
    path(f"{FLOW}edit/", design_views.flow_edit, name="flow-edit"),
    path(f"{FLOW}file/", flow_views.flow_file, name="flow-file"),
    path(f"{FLOW}action/", flow_views.flow_action, name="flow-action"),
    path(RUN, views.run_detail, name="run-detail"),
    path(f"{RUN}edit/", checkpoint_views.checkpoint_edit, name="checkpoint-edit"),
    path(TRIGGERS, trigger_views.trigger_list, name="trigger-list"),
    path(TRIGGER, trigger_views.trigger_edit, name="trigger-edit"),
    path(f"{TRIGGER}action/", trigger_views.trigger_action, name="trigger-action"),
    path(ARTIFACT, artifacts.artifact_download, name="artifact-download"),
    path(f"{ARTIFACT}preview/", artifacts.artifact_preview, name="artifact-preview"),
    path(f"{ARTIFACT}image/", artifacts.artifact_image, name="artifact-image"),
]
