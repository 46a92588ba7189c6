"""The formats that are read, one file a project."""
