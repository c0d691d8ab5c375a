"""Measured, never tested: ratios against a peer in the same run. `make bench` runs them and writes docs/figures.md."""
