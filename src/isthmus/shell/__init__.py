"""All input and output of the hypervisor's agent; the only asyncio of the house. It decides nothing."""
