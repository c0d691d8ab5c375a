"""For every test: Hypothesis judges what comes out, never how long a busy machine took."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("isthmus", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("isthmus")
