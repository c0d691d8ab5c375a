"""API extensions. Neutron loads these files by path, as modules of their own: they hold nothing but the descriptor."""
