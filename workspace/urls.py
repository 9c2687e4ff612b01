from django.urls import path

from workspace import token_views, views

app_name = "workspace"

urlpatterns = [
    path("", views.home, name="home"),
    path("sign-in/", views.sign_in, name="sign-in"),
    path("sign-in/<str:token>/", views.sign_in_link, name="sign-in-link"),
    path("sign-out/", views.sign_out, name="sign-out"),
    path("w/<slug:workspace>/api-tokens/", token_views.token_list, name="token-list"),
    path("w/<slug:workspace>/api-tokens/new/", token_views.token_create, name="token-create"),
    path(
        "w/<slug:workspace>/api-tokens/<uuid:token_id>/revoke/", token_views.token_revoke, name="token-revoke"
    ),
]
