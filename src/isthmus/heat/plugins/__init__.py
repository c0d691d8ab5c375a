"""The folder for `plugin_dirs`: nothing but what Heat shall load."""
