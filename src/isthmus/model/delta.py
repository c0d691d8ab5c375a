"""Desired minus actual is the plan: the one diff of the house.

A key that is in both with an equal value is left alone. Applying the plan to `actual` gives `desired`, and a second
diff is empty (a property test says so).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Plan(Generic[K, V]):
    """What to write and what to remove; nothing says in which order (node/order.py does)."""

    put: Mapping[K, V] = field(default_factory=dict)
    delete: Mapping[K, V] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.put or self.delete)


def diff(desired: Mapping[K, V], actual: Mapping[K, V]) -> Plan[K, V]:
    """The plan that turns `actual` into `desired`; `delete` carries the values that go."""
    return Plan(
        put={key: value for key, value in desired.items() if actual.get(key) != value or key not in actual},
        delete={key: value for key, value in actual.items() if key not in desired},
    )
