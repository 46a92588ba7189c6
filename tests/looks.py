"""What a notebook would show, taken apart."""

import base64
import io
from html.parser import HTMLParser

import numpy as np
from PIL import Image

VOID = ("img", "br", "hr")


class Read(HTMLParser):
    """Refuses tags that do not close in turn; collects pictures and text."""

    def __init__(self, html):
        super().__init__()
        self.html = html
        self.open, self.images, self.texts = [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.images += [dict(attrs)] if tag == "img" else []
        self.open += [tag] if tag not in VOID else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append(text)

    @property
    def text(self):
        return " ".join(self.texts)

    def pictures(self):
        uris = [image["src"].removeprefix("data:image/png;base64,") for image in self.images]
        return [np.asarray(Image.open(io.BytesIO(base64.b64decode(uri)))) for uri in uris]


def look(thing):
    return Read(thing._repr_html_())
