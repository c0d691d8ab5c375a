"""What other BGP speakers do with our sessions: cases that are played with each of them, and the page that tells it.

`opponents.py` has the speakers and their ways of asking, `cases.py` what is tried, `page.py` the page. Each case says
in one sentence what was seen; docs/interop.md has these sentences, and tests/contract/test_interop.py plays them again.

    python -m tests.contract.interop --write docs/interop.md
"""
