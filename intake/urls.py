from django.urls import path

from intake import views

app_name = "intake"

urlpatterns = [
    path("w/<slug:workspace>/uploads/", views.upload_list, name="upload-list"),
    path("w/<slug:workspace>/uploads/form/", views.upload_form, name="upload-form"),
    path("w/<slug:workspace>/uploads/begin/", views.upload_begin, name="upload-begin"),
    path("w/<slug:workspace>/uploads/<uuid:file_id>/", views.file_detail, name="file-detail"),
    path(
        "w/<slug:workspace>/uploads/<uuid:file_id>/parts/<int:number>/", views.part_store, name="part-store"
    ),
    path("w/<slug:workspace>/uploads/<uuid:file_id>/complete/", views.file_complete, name="file-complete"),
    path("w/<slug:workspace>/uploads/<uuid:file_id>/retry/", views.file_retry, name="file-retry"),
    path("w/<slug:workspace>/uploads/<uuid:file_id>/delete/", views.file_delete, name="file-delete"),
]
