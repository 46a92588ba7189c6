"""Our models -> files that other projects' code loads."""
