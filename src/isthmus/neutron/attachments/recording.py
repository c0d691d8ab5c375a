"""A backend that only writes down what it is told: for tests, and as the smallest example of one."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from isthmus.neutron.attachments.backend import Feature, Support
from isthmus.neutron.words.conf import Settings

REFUSED = frozenset({Feature.L2, Feature.EXTRA_ROUTES, Feature.PORT_ROUTES})


class RecordingBackend:
    """One line per attachment and call in the file `[isthmus] recording`; refuses some features, to show how."""

    def __init__(self, settings: Settings) -> None:
        self._file = Path(settings.recording)

    def support(self, feature: Feature) -> Support:
        return Support.REFUSED if feature in REFUSED else Support.STORED

    @property
    def at_once(self) -> int | None:
        return None

    def changed(self, attachments: Collection[str]) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.writelines(f"{attachment}\n" for attachment in sorted(attachments))

    def workers(self) -> list[Any]:
        return []
