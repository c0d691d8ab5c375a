"""The contract branch begins; nothing has ever been contracted.

Revision ID: 1c0a5e7d9b21
Revises: start_isthmus
"""

revision = "1c0a5e7d9b21"
down_revision = "start_isthmus"
branch_labels = ("contract",)


def upgrade() -> None:
    """Nothing."""
