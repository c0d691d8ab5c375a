"""Heat resources for BGPVPNs and their associations, by the names that networking-bgpvpn gave them.

Heat reads resources from the folders of `plugin_dirs`: ours is `plugins`, one file of one line. Constraints come by
entry point. The room talks to the API alone: nothing of it knows what stands behind.
"""
