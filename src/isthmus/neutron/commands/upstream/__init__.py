"""Coming from networking-bgpvpn: its tables read, a plan made, ours written in one transaction.

contents   the BGPVPNs and associations of either side, as the same values; reading theirs and ours
plan       pure: what is imported, what is there already, what differs, what cannot be imported and why
write      the plan's rows, numbers included
command    isthmus-import-bgpvpn
"""
