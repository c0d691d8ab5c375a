"""What every peer says, who wins, and what each peer was told."""
