"""Forwarding in neutral words: what a node should do with a packet, knowing neither BGP nor OpenFlow."""
