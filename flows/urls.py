from django.urls import URLPattern, path

from flows import (
    artifacts,
    checkpoint_views,
    definition_views,
    design_views,
    flow_views,
    trigger_views,
    views,
)
from flows.definition_views import PROFILES, SKILLS, Shelf

app_name = "flows"

RUN = "w/<slug:workspace>/flow-runs/<uuid:run_id>/"
FLOWS = "w/<slug:workspace>/flows/"
FLOW = f"{FLOWS}<uuid:flow_id>/"
TRIGGERS = f"{FLOW}triggers/"
TRIGGER = f"{TRIGGERS}<uuid:trigger_id>/"
ARTIFACT = f"{RUN}artifacts/<uuid:artifact_id>/"


def _paths_of(shelf: Shelf) -> list[URLPattern]:
    rows, named = f"{FLOWS}{shelf}s/", {"shelf": shelf}
    row = f"{rows}<uuid:row_id>/"
    return [
        path(rows, definition_views.definition_list, named, name=f"{shelf}-list"),
        path(f"{rows}new/", definition_views.definition_create, named, name=f"{shelf}-create"),
        path(row, definition_views.definition_detail, named, name=f"{shelf}-detail"),
        path(f"{row}edit/", definition_views.definition_edit, named, name=f"{shelf}-edit"),
        path(f"{row}action/", definition_views.definition_action, named, name=f"{shelf}-action"),
    ]


urlpatterns = [
    *_paths_of(SKILLS),
    *_paths_of(PROFILES),
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
