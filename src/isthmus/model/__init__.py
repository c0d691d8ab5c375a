"""The house's dictionary: words every room shares. Imports nothing of ours and nothing third-party."""
