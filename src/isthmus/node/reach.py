"""Which tunnel endpoints can be sent to: the owner of what neighbours and probes say, and of what to think of it.

    answers ─► falls silent, alone ───────────────────────► out of use
                    └─ with others ─► DOUBT_WAIT_S ─► few ─► out of use
                              └─ most of all, or what ────► doubted: in use still ─┬─ it answers again ──► trusted
                                 follows them soon
                                                     most answer, TRUST_WAIT_S ────┴─ it does not ───────► out of use

Rules: one that has never answered may be another maker's, and counts as there. Silence of one is that one's; silence of
most at once is more likely ours (a policer, an access list, a fault in how we ask), and cutting everything off is the
worse mistake: while all are silent nobody is a better way than anybody. Who falls later, while others answer, is
believed: those that are doubted may be another VPN's. Of one who is not asked any more nothing is taken in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from isthmus.model.net import IpAddress
from isthmus.node.config import Liveness
from isthmus.node.facts import Answer
from isthmus.node.order import DOUBT_WAIT_S, FOLLOW_S, TOGETHER_S, TRUST_WAIT_S

Endpoints = frozenset[IpAddress]
NOBODY: Endpoints = frozenset()


class Reach:
    """See the head of the file."""

    def __init__(self, answers: Mapping[IpAddress, Answer], liveness: Liveness = Liveness.ON) -> None:
        self._liveness = liveness
        self.resolved: Endpoints = NOBODY
        """Those whose next hop's MAC is known, or was waited for long enough."""
        self._in_vain: Endpoints = NOBODY
        self.answers = dict(answers) if liveness is not Liveness.OFF else {}
        """Of those that were asked; what is not here is not known. Where nobody is asked, what an earlier run was
        answered would be believed for ever."""
        self.doubted: Endpoints = NOBODY
        """Silent, but with so many others that it says more about us."""
        self.doubts = 0
        """How often that has begun."""
        self._followed: Endpoints = NOBODY
        """Doubted because they fell silent a moment after the others."""
        self._followed_until: float | None = None
        self._fell: dict[IpAddress, float] = {}
        """Who has fallen silent a moment ago, and when."""
        self._undecided: Endpoints = NOBODY
        """Silent with others; there may be more of them in a moment."""
        self._decide_at: float | None = None
        self._trust_at: float | None = None
        """Most answer again; whoever does not by then is silent indeed."""
        self.silent: Endpoints = self._out_of_use()
        """Those that nothing is sent to."""

    def neighbours(self, resolved: Endpoints, in_vain: Endpoints) -> bool:
        """Whether others can be sent to than before."""
        before, self.resolved, self._in_vain = self.resolved, resolved, in_vain
        return before != resolved

    @property
    def blind(self) -> Endpoints:
        """Those sent to though nobody answers for them: neither their next hop nor, ever, they themselves."""
        return frozenset(e for e in self._in_vain if self.answers.get(e) is not Answer.ANSWERS) - self.silent

    @property
    def mute(self) -> Endpoints:
        """Those that answered once and do not any more, whatever is thought of it."""
        return frozenset(e for e, answer in self.answers.items() if answer is Answer.SILENT)

    @property
    def kept(self) -> Endpoints:
        """Those of them that are used as ever."""
        return self.doubted if self._liveness is Liveness.ON else self.mute

    @property
    def worth_remembering(self) -> dict[IpAddress, Answer]:
        """For the next run, which begins without a doubt: nobody is out of use for what was not believed."""
        return {e: Answer.UNKNOWN if e in self.doubted else answer for e, answer in self.answers.items()}

    def _out_of_use(self) -> Endpoints:
        return self.mute - self.doubted - self._undecided if self._liveness is Liveness.ON else NOBODY

    def answered(self, answers: Mapping[IpAddress, Answer], probed: Collection[IpAddress], now: float) -> Endpoints:
        """What those say that are asked; the others' answers were under way. Who is out of use since, or is not."""
        told = {endpoint: answer for endpoint, answer in answers.items() if endpoint in probed}
        fell = [e for e, a in told.items() if a is Answer.SILENT and self.answers.get(e) is not Answer.SILENT]
        self.answers |= told
        if fell:
            self._fell = {e: at for e, at in self._fell.items() if now < at + TOGETHER_S} | dict.fromkeys(fell, now)
        return self._judge(fell, probed, now)

    def _judge(self, fell: Collection[IpAddress], probed: Collection[IpAddress], now: float) -> Endpoints:
        mute = self.mute
        together = self._fell.keys() & mute
        if fell and self._are_most(together, probed):
            self.doubts += not self.doubted
            self.doubted |= together
            self._followed, self._followed_until = NOBODY, now + FOLLOW_S
        elif fell and self.doubted and (self._followed_until is not None or not self._answering(probed)):
            self.doubted |= frozenset(fell)
            self._followed |= frozenset(fell)
        elif fell and len(together) > 1:
            self._undecided |= frozenset(fell)
            self._decide_at = self._decide_at or now + DOUBT_WAIT_S
        self.doubted &= mute
        self._undecided = (self._undecided & mute) - self.doubted
        return self._weigh(probed, now)

    def _weigh(self, probed: Collection[IpAddress], now: float) -> Endpoints:
        """Whether most answer again."""
        if not self.doubted or not self._answering(probed) >= len(self.mute):
            self._trust_at = None
        elif self._trust_at is None:
            self._trust_at = now + TRUST_WAIT_S
        return self._changed()

    def _answering(self, probed: Collection[IpAddress]) -> int:
        return sum(self.answers.get(e) is Answer.ANSWERS for e in probed)

    def _are_most(self, together: Collection[IpAddress], probed: Collection[IpAddress]) -> bool:
        """Of those that answered. The only one that knows probes is believed if somebody else may be a better way."""
        alone = len(together) == 1 and any(self.answers.get(e, Answer.UNKNOWN) is Answer.UNKNOWN for e in probed)
        return len(together) > self._answering(probed) and not alone

    def _changed(self) -> Endpoints:
        before, self.silent = self.silent, self._out_of_use()
        return before ^ self.silent

    def tick(self, now: float) -> Endpoints:
        """What was to be waited for is over. Who is out of use since."""
        if self._decide_at is not None and now >= self._decide_at:
            self._undecided, self._decide_at = NOBODY, None
        if self._followed_until is not None and now >= self._followed_until:
            if self._answering(self.answers):
                self.doubted -= self._followed
            self._followed, self._followed_until = NOBODY, None
        if self._trust_at is not None and now >= self._trust_at:
            self.doubted, self._trust_at = NOBODY, None
        return self._changed()

    def deadlines(self) -> Iterator[float]:
        yield from (at for at in (self._decide_at, self._followed_until, self._trust_at) if at is not None)

    def forget(self, but: Collection[IpAddress], now: float) -> None:
        """Nothing leads to the others any more."""
        if len(self.answers) > len(but) or any(e not in but for e in self.answers):
            self._keep({e: answer for e, answer in self.answers.items() if e in but})
            self._weigh(self.answers, now)

    def forget_answers(self, of: Collection[IpAddress], now: float) -> Endpoints:
        """Somebody knows better: as if these (without any: all) had never been asked. Who is back in use."""
        self._keep({e: answer for e, answer in self.answers.items() if of and e not in of})
        return self._weigh(self.answers, now)

    def _keep(self, answers: dict[IpAddress, Answer]) -> None:
        self.answers = answers
        self.doubted &= answers.keys()
        self._undecided &= answers.keys()
        self._followed &= answers.keys()
        self._fell = {e: at for e, at in self._fell.items() if e in answers}
