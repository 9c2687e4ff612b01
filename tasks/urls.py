from django.urls import path

from tasks import views

app_name = "tasks"

urlpatterns = [
    path("w/<slug:workspace>/tasks/<uuid:task_id>/", views.task_detail, name="task-detail"),
]
