"""What the region painter asks, and what it is told: requests and replies as plain dicts, whoever carries them.

`widget.py` carries them in a notebook, `server.py` over HTTP on this machine; `panel.js` is the one that asks. Every
request names what it needs (a face, the steps of its edits), so any number of pages can talk to one studio.

What many requests name: `face`, a number; `truncation`, from 0 to 1 (the default), how far its latent stays from the
mean one, before anything else; `edits`, [[found, steps], ...], or [[found, steps, walked], ...] where `walked` are the
numbers of those sliders that follow their walk. `found` is a number that `find` has told, or the name of one of the
model's own directions. A mask is `mask`, one bit a pixel, or `soft`, one byte a pixel, with `feather`, the pixels over
which its edge falls off.
"""

import json
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import ArrayLike

from lrgan_jax import images, methods
from lrgan_jax.base.checks import LARGEST_SEED
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import WS, Generator, HasParts, Latent
from lrgan_jax.generators.natural import alike
from lrgan_jax.glossary import WORDS
from lrgan_jax.inversion import Fit, Tuning
from lrgan_jax.layer_map import layer_map
from lrgan_jax.panel.code import python_lines
from lrgan_jax.panel.faces import Face, Faces, Like
from lrgan_jax.panel.found import DRAWN, Found, Named
from lrgan_jax.panel.masks import Masks, drawing, file_name, surroundings
from lrgan_jax.panel.named import check_named, of_generator
from lrgan_jax.panel.photographs import Photographs, preview
from lrgan_jax.panel.pictures import VARYING, check_kind, kept
from lrgan_jax.panel.portrait import Portrait
from lrgan_jax.panel.quick import Quick
from lrgan_jax.panel.rendering import Rendering
from lrgan_jax.panel.searching import Searching
from lrgan_jax.panel.session import Session, packed, unpacked
from lrgan_jax.panel.wanted import Wanted, checked_edits
from lrgan_jax.panel.wire import LARGEST_FILE, Reply, Request, answered, encoded, file, number, text, uri, whole
from lrgan_jax.pipeline import find_directions
from lrgan_jax.search import Search

MOST_MORE = 64  # faces at a time
LONGEST_TITLE = 80
LARGEST_STATE = 4 * 2**20  # characters of what a page has the studio remember


class Studio:
    """A generator, some of its latents, and all directions found so far. `reply` answers requests; see KINDS.

    Args:
      faces: to choose from: w [N, w_dim] or ws [N, num_ws, w_dim], with their classes where the model has some, or
        `Faces`, which know where they come from.
      search: how directions are looked for, until the panel asks for other layers, methods or regions to keep still.
      source: Python lines that define `gen` and `faces`, for the code that the panel copies.
      fit, tuning: how photographs are inverted, and how the generator is tuned to one where that is asked for.
      named: directions that every face has sliders for; None for the model's own, if it is an embedded one.
    Attributes:
      choice: the faces; further ones join them, and photographs that were opened.
      found: the directions of drawings.
    Raises:
      InputError: on latents, settings or directions that do not fit the generator, or a method that does not look at
        the region.
    """

    def __init__(
        self,
        gen: Generator,
        faces: ArrayLike | Latent | Faces,
        search: Search | None = None,
        *,
        source: str = "# gen, faces (and protect, named) are those that the panel was opened with",
        fit: Fit | None = None,
        tuning: Tuning | None = None,
        named: Mapping[str, Named] | None = None,
    ):
        self.gen, self.search, self.source, self._opened_with = gen, search or Search(), source, source
        self.choice = faces if isinstance(faces, Faces) else Faces.given(gen, faces)
        self.named = check_named(of_generator(gen) if named is None else named, self.choice.at(0))
        self.searching = Searching(gen, self.search)
        self.grid = self.searching.grid
        self.masks = Masks(self.grid, gen.info.regions)
        self.photographs = Photographs(gen, fit or Fit(), tuning or Tuning())
        self._begin(Session(self.choice))

    def _begin(self, session: Session) -> None:
        """From what was found, with nothing drawn yet."""
        self.choice, self.found, self.state = session.choice, [*session.found], session.state
        self.rendering = Rendering(self.gen, self.choice)
        self.quick = Quick(self.rendering)
        self.shown = Wanted(0)  # the picture shown last

    def take(self, session: Session, name: str) -> None:
        """A session out of the file of that name, in place of what there is."""
        self._begin(session)
        reading = f"opened = session.read({name!r}, gen)  # say where it lies\nfaces = opened.faces"
        self.source = f"{self._opened_with}\n{reading}"

    def to_bytes(self) -> bytes:
        """The content of a session's file."""
        return packed(self.gen, Session(self.choice, self.found, self.state))

    @property
    def edited(self) -> WS:
        """The latent of the picture shown last."""
        return self.rendering.latent(self.shown)

    @property
    def faces(self) -> WS:
        """All that there are to choose from, [N, num_ws, w_dim]."""
        return self.choice.ws

    def reply(self, request: Any) -> Reply:
        """The answer to one request; `{"error": one line}` to one that cannot be answered."""
        return answered(lambda: self._reply(request))

    def _reply(self, request: Any) -> Reply:
        kind = request.get("kind") if isinstance(request, Mapping) else None
        if not isinstance(kind, str) or kind not in KINDS:
            raise InputError(f"a request is an object whose kind is one of {', '.join(KINDS)}")
        return KINDS[kind](getattr(self, PARTS.get(kind, ""), self), request)

    def hello(self, request: Request) -> Reply:
        """What there is to choose from, and what is chosen; `found`, all drawings so far; `protect` is None where it is
        no list of names; `state`, what `remember` was told last.
        """
        return self._of_model() | {
            "faces": [face.about for face in self.choice],
            "photographs": [
                self._portrait(n) for n, face in enumerate(self.choice) if isinstance(face.origin, Portrait)
            ],
            "found": [found.about | {"found": n} for n, found in enumerate(self.found)],
            "largest": LARGEST_FILE,
            "methods": [{"name": m.name, "title": m.title, "about": m.about} for m in reversed(methods.LOCAL.values())],
            "method": self.search.method,
            "protect": self.searching.protected(),
            "layers": self.searching.layers,
            "words": WORDS,
            "state": self.state,
        }

    def _of_model(self) -> Reply:
        """What it is, and what it can."""
        named = {name: {"found": name, "title": name} | found.about for name, found in self.named.items()}
        return {
            "models": [self.gen.info.name],
            "model": self.gen.info.name,
            "size": list(self.gen.size),
            "grid": list(self.grid),
            "num_layers": self.gen.num_ws,
            "classes": self.gen.c_dim,
            "truncates": not isinstance(self.gen, HasParts) or "z" in dict(self.gen.parts),
            "quick": self.rendering.large,
            "regions": self.searching.regions,
            "named": list(named.values()),
        }

    def remember(self, request: Request) -> Reply:
        """`state`, whatever the page wants to be told again by `hello` -> nothing."""
        if len(json.dumps(state := request.get("state"))) > LARGEST_STATE:
            raise InputError(f"what is to be remembered is too much: at most {LARGEST_STATE >> 20} MB")
        self.state = state
        return {}

    def session(self, request: Request) -> Reply:
        """-> `name` and `content` (base64) of a file of all that there is: faces, directions, photographs, `state`."""
        return {"name": f"{file_name(self.gen.info.name)}-session.zip", "content": encoded(self.to_bytes())}

    def open_session(self, request: Request) -> Reply:
        """`content` of such a file, and perhaps its `name` -> nothing: what it holds takes the place of what there is,
        and `hello` tells it.
        """
        name = text(request, "name") if "name" in request else "session.zip"
        self.take(unpacked(file(request, "content"), self.gen), name)
        return {}

    def render(self, request: Request) -> Reply:
        """`face`, `edits` -> `image`: all the edits added up; `whole`: within the photograph; `quick`: of a large image
        what it will look like, small.
        """
        wanted = self._wanted(request)
        image = self._image(wanted, bool(request.get("whole")), bool(request.get("quick")))
        self.shown = wanted
        return {"image": image}

    def _image(self, wanted: Wanted, whole: bool, quick: bool) -> str:
        if whole:
            return preview(self.rendering.whole(wanted))
        if quick and self.rendering.large:
            return self.quick.picture(wanted)
        image = self.rendering.picture(wanted)
        self.quick.rests(wanted)
        return image

    def picture(self, request: Request) -> Reply:
        """`face`, `edits`, `what` -> `name`, `type` (MIME) and `content` (base64) of a file at the image's own size.

        `what` is an "image", "before_after", a "strip" or an "animation"; the last two vary the slider `index` of
        `found` from one end to the other.
        """
        check_kind(what := text(request, "what"))
        wanted = self._wanted(request)
        shown = [wanted.plain, wanted] if what == "before_after" else [wanted]
        if what in VARYING:
            found, index = self._slider(request)
            walked = any(index in one.walked for one in wanted.edits if one.found is found)
            shown = self.rendering.along(wanted, found, index, VARYING[what], walked)
        title = f"{self.gen.info.name} {self.choice[wanted.face].title} {what.replace('_', ' ')}"
        file = kept(what, file_name(title), self.rendering.images(shown))
        return {"name": file.name, "type": file.type, "content": encoded(file.content)}

    def thumbs(self, request: Request) -> Reply:
        """`faces`, numbers -> `images`, small ones of each, without edits."""
        if not isinstance(numbers := request.get("faces"), list):
            raise InputError("faces is a list of numbers")
        wanted = [self._wanted({**request, "face": face, "edits": []}) for face in numbers]
        return {"images": [*map(self.rendering.thumbnail, wanted)]}

    def more(self, request: Request) -> Reply:
        """`num`, and perhaps the `label` of a class, and a `seed` -> `faces`, those that were added: further down the
        seed's, then of the next one. They are drawn as the first were; the page's `truncation` has no part in it.
        """
        num = whole(request, "num", least=1, most=MOST_MORE)
        label = None if request.get("label") is None else whole(request, "label", most=max(self.gen.c_dim - 1, 0))
        seed = None if request.get("seed") is None else whole(request, "seed", most=LARGEST_SEED)
        return {"faces": self.choice.more(num, label, seed)}

    def alike(self, request: Request) -> Reply:
        """`face`, `edits`, `num`, `amount` from 0 to 1 -> `faces`, those that were added: like this one as edited, and
        the less so, the larger the amount.
        """
        wanted, seed = self._wanted(request), len(self.choice)
        num = whole(request, "num", least=1, most=MOST_MORE)
        amount = number(request, "amount", most=1.0, default=0.3)
        of = self.choice[wanted.face]
        rows = alike(
            self.rendering.gen_of(wanted.face), self.rendering.latent(wanted), jax.random.key(seed), amount, num
        )
        by = wanted.face if isinstance(of.origin, Portrait) else of.by
        likes = [Like(wanted, seed, amount, num, k) for k in range(num)]
        added = [Face(rows[k : k + 1], _like(of.title), of.label, like, by) for k, like in enumerate(likes)]
        return {"faces": self.choice.add(added)}

    def walk(self, request: Request) -> Reply:
        """`face`, `found`, `index` -> `reach`: how far that slider goes either way where `edits` say that it is
        `walked`. Takes a Jacobian a step.
        """
        wanted, (found, index) = self._wanted({**request, "edits": []}), self._slider(request)
        return {"reach": self.rendering.walks.walk(wanted, found, index).reach}

    def layers(self, request: Request) -> Reply:
        """`face`, a mask or the `name` of a region, `protect` -> `leaks` of every single layer, None where the region
        does not react, and `best`, the layers to move, such as "4-7". Takes a Jacobian of every layer.
        """
        wanted, (search, _) = self._wanted({**request, "edits": []}), self.searching.asked(request)
        region = self.searching.region(request["name"]) if request.get("name") else drawing(request, self.grid).mask
        gen, latent = self.rendering.gen_of(wanted.face), self.rendering.latent(wanted)
        found = layer_map(gen, latent, {"region": region}, search)
        leaks, (first, *_, last) = np.diagonal(found.leak[0]).tolist(), found.best("region") * 2
        return {
            "leaks": [leak if np.isfinite(leak) else None for leak in leaks],
            "best": str(first) if first == last else f"{first}-{last}",
        }

    def put_back(self, request: Request) -> Reply:
        """`face`, `edits` -> `name` and `content` (base64) of the photograph with them."""
        wanted = self._wanted(request)
        photo = self.rendering.whole(wanted)
        return {"name": self.choice[wanted.face].origin.edited_name, "content": encoded(photo.encode())}

    def keep(self, request: Request) -> Reply:
        """What was found of an open `photograph` becomes a `face`: its number, `name`, `image` and `shape`."""
        portrait = self.photographs.portrait(request)
        self.choice.add([Face(portrait.latents, portrait.name, origin=portrait)])
        return self._portrait(len(self.choice) - 1)

    def find(self, request: Request) -> Reply:
        """`face`, a mask (and `name`, if it has one, and a `title`) -> `found`, and how far each one `reaches` and
        `leaks`.

        `layers`, `method` and `protect` replace the settings this once; the last is a list of what alone must keep
        still: names of regions, and masks that were drawn, {"title", "mask" or "soft", "feather"}.
        """
        wanted, drawn = self._wanted({**request, "edits": []}), drawing(request, self.grid)
        name = self.searching.region(request["name"]) if request.get("name") else DRAWN
        region = DRAWN if drawn.feather or drawn.soft else name
        title = _title(request) if "title" in request else name
        search, still = self.searching.asked(request)
        looked_for: Any = drawn.mask if region == DRAWN else region
        latent = self.rendering.latent(wanted)
        directions = find_directions(self.rendering.gen_of(wanted.face), latent, looked_for, search)
        found = Found(wanted.face, title, region, drawn, search, directions, wanted.truncation, still)
        self.found.append(found)
        return found.about | {"found": len(self.found) - 1, "caveat": directions.caveat}

    def rename(self, request: Request) -> Reply:
        """`found`, `title` -> nothing: files and code go by it from now on."""
        if isinstance(found := self._found(request.get("found")), Named):
            raise InputError(f"{found.title} is the model's own name for it")
        self.found[request["found"]] = found._replace(title=_title(request))
        return {}

    def ends(self, request: Request) -> Reply:
        """`found`, `index` -> `ends`: what lies at the two ends of that slider, around the region, at the truncation
        that it was found at unless another is said; of the model's own directions, at a `face`.
        """
        found, index = self._slider(request)
        if isinstance(found, Named):
            wanted, part = self._wanted({**request, "edits": []}), (slice(None), slice(None))
        else:
            wanted = Wanted(found.face, number(request, "truncation", most=1.0, default=found.truncation))
            part = surroundings(found.drawing.mask, self.gen.size)
        ends = images.to_uint8(self.rendering.images(self.rendering.along(wanted, found, index, 2, walked=False)))
        return {"ends": [uri(picture[part]) for picture in ends]}

    def save(self, request: Request) -> Reply:
        """`found` -> `name` and `content` (base64) of a file of directions."""
        found = self._found(request.get("found"))
        return {"name": f"{file_name(found.title)}.npz", "content": encoded(found.directions.to_bytes())}

    def code(self, request: Request) -> Reply:
        """`face`, `edits` -> `code`, Python that makes the same picture without the panel."""
        return {"code": python_lines(self.source, self.choice, self.rendering.walks, self._wanted(request))}

    def _portrait(self, face: int) -> Reply:
        portrait = self.choice[face].origin
        height, width = portrait.aligned.photo.size
        image = self.rendering.picture(Wanted(face))
        return {"face": face, "name": portrait.name, "image": image, "shape": width / height}

    def _wanted(self, request: Request) -> Wanted:
        face = whole(request, "face", most=len(self.choice) - 1)
        truncation = number(request, "truncation", most=1.0, default=1.0)
        return Wanted(face, truncation, checked_edits(request.get("edits"), self._found))

    def _slider(self, request: Request) -> tuple[Found | Named, int]:
        found = self._found(request.get("found"))
        return found, whole(request, "index", most=len(found.directions) - 1)

    def _found(self, which: Any) -> Found | Named:
        if type(which) is str and which in self.named:
            return self.named[which]
        if type(which) is not int or not 0 <= which < len(self.found):
            raise InputError("these directions are not known here: draw the region again")
        return self.found[which]


PARTS: dict[str, str] = dict.fromkeys(("photograph", "align", "invert", "tune", "cancel"), "photographs")
PARTS |= dict.fromkeys(("region", "open", "mask", "mask_file"), "masks")  # who answers what a studio does not
OWN = (
    *("hello", "remember", "render", "picture", "thumbs", "more", "alike", "find", "rename", "ends", "save", "code"),
    *("walk", "layers", "keep", "put_back", "session", "open_session"),
)
OF = {"photographs": Photographs, "masks": Masks}
KINDS = {kind: getattr(Studio, kind) for kind in OWN}
KINDS |= {kind: getattr(OF[part], kind) for kind, part in PARTS.items()}


def _like(title: str) -> str:
    """What is like something like another is like that, for a title."""
    return f"like {title.removeprefix('like ')}"


def _title(request: Request) -> str:
    title = text(request, "title").strip()
    if not 0 < len(title) <= LONGEST_TITLE or not title.isprintable():
        raise InputError(f"a title has 1 to {LONGEST_TITLE} characters, in one line")
    return title
