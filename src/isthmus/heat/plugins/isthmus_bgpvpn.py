"""What Heat finds when `plugin_dirs` names this folder: it imports each file of it as `heat.engine.plugins.<file>`."""

from isthmus.heat.resources import resource_mapping

__all__ = ["resource_mapping"]
