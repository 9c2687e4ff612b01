from django.urls import path

from audit import views

app_name = "audit"

urlpatterns = [
    path(
        "w/<slug:workspace>/transcripts/<slug:kind>/<uuid:session_id>/entries/<int:seq>/",
        views.entry_detail,
        name="entry-detail",
    ),
]
