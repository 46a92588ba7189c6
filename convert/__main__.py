"""`python -m convert IN OUT` in a checkout: the same as `lrgan convert IN OUT`."""

import sys

from lrgan_jax.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["convert", *sys.argv[1:]], prog="python -m"))
