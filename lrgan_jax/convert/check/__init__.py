"""Is a converted model the same function, and what is in a file?"""
