"""The pure agent: facts and `now` in, effects out; the one owner of everything that changes."""
