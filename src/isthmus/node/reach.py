"""Which tunnel endpoints can be sent to: the owner of what neighbours and probes say of them.

Rules: one that has never answered may be another maker's, and counts as there; one that answered once and does not any
more is silent, and nothing is sent to it. Of one who is not asked any more nothing is taken in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from isthmus.model.net import IpAddress
from isthmus.node.facts import Answer


class Reach:
    """See the head of the file."""

    def __init__(self, answers: Mapping[IpAddress, Answer]) -> None:
        self.resolved: frozenset[IpAddress] = frozenset()
        """Those whose next hop's MAC is known."""
        self.answers = dict(answers)
        """Of those that were asked; what is not here is not known."""
        self.silent: frozenset[IpAddress] = self._silent()

    def _silent(self) -> frozenset[IpAddress]:
        return frozenset(e for e, answer in self.answers.items() if answer is Answer.SILENT)

    def answered(self, answers: Mapping[IpAddress, Answer], probed: Collection[IpAddress]) -> frozenset[IpAddress]:
        """What those say that are asked; the others' answers were under way. Who has fallen silent, or has not."""
        self.answers |= {endpoint: answer for endpoint, answer in answers.items() if endpoint in probed}
        before, self.silent = self.silent, self._silent()
        return before ^ self.silent

    def forget(self, but: Collection[IpAddress]) -> None:
        """Nothing leads to the others any more."""
        if len(self.answers) > len(but) or any(e not in but for e in self.answers):
            self.answers = {e: answer for e, answer in self.answers.items() if e in but}
            self.silent = self._silent()
