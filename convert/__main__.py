"""`python -m convert IN OUT`: see `lrgan_jax.convert.command`."""
import sys

from lrgan_jax.convert.command import main

if __name__ == "__main__":
    sys.exit(main("python -m convert"))
