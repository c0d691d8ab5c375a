"""The order of effects, in one place.

    to announce    tunnel and circuit ports  ->  flows confirmed by the switch  ->  UPDATE
    to withdraw    UPDATE  ->  drain  ->  flows go  ->  circuits go
    switch lost    what was told stays told while the flows are put back, but not for long
    after a crash  read what is there  ->  dial, and say whether what was told is still forwarded
    at start       read what is there  ->  adopt  ->  write what is missing  ->  sweep, once the feeds are in sync

Why: a route that is announced before its inbound flow exists is a black hole for as long as the flow takes; one whose
flow goes before the withdrawal has crossed two reflectors is the same the other way round. What a fresh process finds
is right until proven wrong, and only a feed that is in sync can prove it.
"""

from __future__ import annotations

LINGER_S = 2.0
"""Between withdrawing an address and removing its inbound flow. Two reflectors at FRR's usual coalescing (about 0.1 s
each, measured) and the far agent's own work stay well below."""

GRACEFUL_S = 5.0
"""Draining a node: from telling everybody to prefer another (GSHUT, RFC 8326) to withdrawing. RFC 8326 asks for as
long as routes take to change everywhere; here that is two reflectors and one bundle, well below a second."""

END_OF_RIB_WAIT_S = 30.0
"""A peer that has not offered graceful restart counts as in sync after this: RFC 4724 makes the marker optional for it.
It has SETTLE_S besides, as if it had said it."""

END_OF_RIB_WAIT_MAX_S = 600.0
"""One that has offered it is waited for until it says End-of-RIB: it may wait itself for a neighbour that is switched
off (RFC 4724 section 4.1; GoBGP's deferral-time is 360 s unless told otherwise), or have much to say by a slow way. So
long at least, and as long as what it said before would be believed if it had stayed away (`Retention`)."""

LOST_TOO_S = 3.0
"""Who may contradict a session that has just ended says so after this: it may be about to lose the same by the same
fault, and to withdraw it one by one, routes before beacons."""

SETTLE_S = 30.0
"""After the End-of-RIB of a peer that returns while something is stale: so long what it did not say again stands. A
reflector that was killed and has no deferral timer (RFC 4724 section 4.1) says "that was all" to whoever is first, with
an empty table, because nobody else has dialled yet. Every hypervisor has within the longest wait between two attempts
(CONNECT_RETRY_MAX_S), which is as long; reflectors of other clouds should be told to. As long is waited after a beacon
is back (beacons.py), or an endpoint is shown by a peer that had said all (contradiction.py): a reflector that tells its
whole table may show the beacon before what it stands for."""

SWEEP_WAIT_S = 60.0
"""From start: what an earlier run learnt is swept when every peer has settled, or when all that are up have, at least
one, and this has passed."""

RETRY_S = 1.0
"""Between a refused bundle and the next look at the switch."""

PATIENCE_S = 10.0
"""A route that was told stays told so long while its flow is being written (again): a switch that restarts is back in a
second, and two changes of every route would cost its neighbours more."""

RESTART_TIME_S = 120
"""How long peers are to keep our routes when a session ends (RFC 4724): an agent is back in seconds, a reinstalled one
in a minute. A hypervisor that is gone is found silent long before. As long we hold what was withdrawn of one that
cannot be heard but answers."""

LOOK_WAIT_S = 5.0
"""After a crash, peers are dialled when the switch has been read, to tell them the truth about what is still forwarded;
one that cannot be read is not waited for longer."""

LOOK_BACK_WAIT_S = 5.0
"""So long a fresh process waits for the cloud's intent, which says better what there is to announce; then what was told
before and stands in the switch is told again. Well within RESTART_TIME_S, for which others hold what they knew."""

TOGETHER_S = 1.0
"""Endpoints that fall silent within this fall together: a round of probes, however many are asked in it."""

DOUBT_WAIT_S = 0.5
"""So long several that fall silent together, and are not most of all yet, are waited for: a round of probes is told in
pieces, and the others may be in the next one. A single one is out of use at once."""

FOLLOW_S = 2.0
"""Who falls silent within this after most have is one of them, if nobody answers in the end."""

TRUST_WAIT_S = 1.0
"""When most answer again that had fallen silent together: so long the others have to do the same."""

FOREVER_S = 3600.0
"""How long a session without a hold time may be between two runs."""

INVENTORY_WAIT_S = 10.0
"""End-of-RIB says "that was all of mine"; it waits this long at most for addresses whose flows are being written."""
