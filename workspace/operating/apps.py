from django.contrib.admin.apps import AdminConfig


class OperatorAdminConfig(AdminConfig):
    """Django's admin, on a site that lets superusers in alone."""

    default = False
    default_site = "workspace.operating.site.OperatorSite"
