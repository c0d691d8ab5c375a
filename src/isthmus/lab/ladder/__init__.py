"""The ladder: what a user would see when the whole path works, rung by rung, on the lab."""
