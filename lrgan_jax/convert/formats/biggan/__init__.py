"""What the BigGANs of all projects share, on their way to ours."""
