"""What ships, each in a folder of its own (weights, card, named directions), and what reads it and a user's own models.

checkpoint   a model's folder: Orbax in, Orbax out, with the config
named        the directions in a model's folder, by name
"""
