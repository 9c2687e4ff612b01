"""A session's line and its parts, for templates that show one."""

from django import template

from sessions_app.drawing import draw_chips, draw_evidence, draw_progress, draw_row, draw_waiting

register = template.Library()

register.simple_tag(draw_row)
register.simple_tag(draw_evidence)
register.simple_tag(draw_chips)
register.simple_tag(draw_waiting)
register.simple_tag(draw_progress)
