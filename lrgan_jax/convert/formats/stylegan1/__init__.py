"""What the formats of StyleGAN (1) have in common; see `network.py`."""
