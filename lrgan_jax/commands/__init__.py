"""`lrgan ...`: one file a command, and the groups of options that they share (options.py).

A command is a function whose arguments and docstring are its options and their help. Nothing else in the package knows
of a command line.
"""
