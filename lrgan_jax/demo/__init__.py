"""Local edits of a few faces on a page: the small sister of `compare`.

edits       directions of four methods, what they do at the same change inside, and the pictures of the best one
page        all of it as HTML
"""

from lrgan_jax.demo.edits import POOL, Demo, Edit, run
from lrgan_jax.demo.page import caveat, leak_ratios, page, ratio_text

__all__ = ["POOL", "Demo", "Edit", "caveat", "leak_ratios", "page", "ratio_text", "run"]
