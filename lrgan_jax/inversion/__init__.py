"""Photographs to latents and back: aligned, inverted, the generator tuned to them, kept in a file, put back."""
