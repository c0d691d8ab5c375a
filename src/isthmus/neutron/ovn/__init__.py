"""The backend for ML2/OVN: the northbound database is made to say what the attachments are.

backend      the backend: writes in the request that changed something
reconciler   converge one, converge all that differ
northbound   OVSDB rows: read ours, apply a plan
worker       the process of the full passes
ovsdb        a connection of our own to the northbound database
"""
