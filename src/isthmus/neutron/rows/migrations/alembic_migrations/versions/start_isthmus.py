"""Where both branches start.

Revision ID: start_isthmus
Revises: nothing
"""

revision = "start_isthmus"
down_revision = None


def upgrade() -> None:
    """Nothing."""
