"""How things look in a notebook and in a terminal: pictures, graphs, cards of facts, records of fields.

Nothing here knows what it shows: directions and generators say what there is to see, this says it in HTML. The HTML is
plain and its colours are those of the text around it, so that it can be read on light and on dark ground, and where a
page drops all styles.

pictures    images side by side
cards       a title, facts, tables and pictures as HTML
graphs      spectra and matrices as small pictures
records     what a class of fields shows of itself
"""

from lrgan_jax.display.cards import SHOWN, card, changes, cut, if_it_can, note, picture, table
from lrgan_jax.display.graphs import graph, matrix, spectrum
from lrgan_jax.display.pictures import ALONE, GAP, SIDE, Pictures
from lrgan_jax.display.records import record, span, words

__all__ = [
    "ALONE",
    "GAP",
    "SHOWN",
    "SIDE",
    "Pictures",
    "card",
    "changes",
    "cut",
    "graph",
    "if_it_can",
    "matrix",
    "note",
    "picture",
    "record",
    "span",
    "spectrum",
    "table",
    "words",
]
