from __future__ import annotations

from django.contrib.auth.forms import AuthenticationForm


class SignInForm(AuthenticationForm):
    """E-mail address and password; the same error whether the address or the password is wrong."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "That address and password do not belong together. Ask for a sign-in link instead.",
    }
