"""Import and export by route target: what each view holds, what each local address is announced as."""
