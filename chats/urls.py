from django.urls import path

from chats import views

app_name = "chats"

urlpatterns = [
    path("w/<slug:workspace>/chats/<uuid:chat_id>/", views.chat_detail, name="chat-detail"),
]
