from django.contrib import admin
from django.urls import include, path

from flows.api import api

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", api.urls),
    path("", include("workspace.urls")),
    path("", include("sessions_app.urls")),
    path("", include("audit.urls")),
    path("", include("tasks.urls")),
    path("", include("flows.urls")),
    path("", include("chats.urls")),
    path("", include("intake.urls")),
]
