"""Chaos: what each kind of trouble costs a running stream, counted packet by packet. Command: `isthmus-lab chaos`."""
