"""Python that makes the same picture without the panel: what "copy as code" copies."""

import base64
import io
import keyword
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from lrgan_jax.panel.faces import Drawn, Face, Like
from lrgan_jax.panel.found import DRAWN, Found, Named
from lrgan_jax.panel.masks import Drawing, levels
from lrgan_jax.panel.portrait import Portrait
from lrgan_jax.panel.portrait_code import finding, putting_back
from lrgan_jax.panel.walks import STEPS, Walks
from lrgan_jax.panel.wanted import Edit, Wanted
from lrgan_jax.regions import bounding_box
from lrgan_jax.search import Search

# Names that the lines themselves use.
TAKEN = """
aligned alike along base64 edited face faces gen given image inversion inverted io jax lr models named now opened
photo photographs portrait protect regions seeded session towards_mean tuned
""".split()  # noqa: SIM905
ROOMS = {
    "session": "from lrgan_jax.panel import session",
    "along": "from lrgan_jax.editing import along",
    "alike": "from lrgan_jax.generators.natural import alike",
    "seeded": "from lrgan_jax.generators.sampling import seeded",
    "towards_mean": "from lrgan_jax.generators.truncation import towards_mean",
}


def python_lines(source: str, faces: Sequence[Face], walks: Walks, wanted: Wanted) -> str:
    """Find the same directions again and move along them by the same steps.

    Args:
      source: lines that define `gen` and `faces`, and `protect` and `named` where the panel was opened with masks to
        keep still, or directions.
    """
    script = Script(source, faces, walks)
    script.picture(wanted)
    script.add("image = lr.render(gen, edited)  # [1, H, W, C] in [-1, 1]")
    if isinstance(portrait := faces[wanted.face].origin, Portrait):
        script.add(*putting_back(portrait))
    return script.text


class Script:
    """Lines in the making: what stands in one is not made again by another."""

    def __init__(self, source: str, faces: Sequence[Face], walks: Walks):
        self._source, self._faces, self._walks = source, faces, walks
        self._lines: list[str] = []
        self._names = [*TAKEN]
        self._latents: dict[int, str] = {}  # names of faces, by number
        self._found: dict[int, str] = {}  # and of directions, by which object they are
        self._searches: dict[str, tuple[str, dict[str, str]]] = {}  # region and settings, by such a name

    @property
    def text(self) -> str:
        return "\n".join([*self._imports(), "", self._source, *self._lines, ""])

    def add(self, *lines: str) -> None:
        self._lines += lines

    def picture(self, wanted: Wanted) -> None:
        """Lines after which `edited` is its latent."""
        start = self._latent(wanted.face, wanted.truncation)
        names = [self._directions(edit.found) for edit in wanted.edits]
        self.add(f"edited = lr.to_ws(gen, {start})")
        for name, edit in zip(names, wanted.edits, strict=True):
            if any(edit.straight) or not edit.walked:
                self.add(f"edited = lr.edit(edited, {name}, {edit.straight})")
            for index in edit.walked:
                self._walk(name, edit, index, wanted, start)

    def _walk(self, name: str, edit: Edit, index: int, wanted: Wanted, start: str) -> None:
        walk = self._walks.known(wanted, edit.found, index)
        way, share = (1 if edit.steps[index] > 0 else -1), min(abs(edit.steps[index]) / walk.reach, 1.0)
        region, search = self._searches.get(name, (repr(edit.found.directions.region), {}))
        said = {setting: value for setting, value in search.items() if setting != "layers"}  # directions know theirs
        said |= {"length": str(way * walk.length), "num_steps": str(STEPS)}
        path = self._name(f"{name}_path")
        self.add(f"{path} = lr.walk({_arguments('gen', start, f'{name}[{index}]', region, **said)})")
        self.add(f"edited = edited + along({path}, {share}) - {path}[0]")

    def _latent(self, face: int, truncation: float) -> str:
        """What says it."""
        name = self._face(face)
        return name if truncation == 1 else f"towards_mean(gen, {name}, {truncation})"

    def _face(self, number: int) -> str:
        if number not in self._latents:
            name = self._latents[number] = self._name(f"face_{number}") if self._latents else "face"
            self.add(*self._finding(number, name))
        return self._latents[number]

    def _finding(self, number: int, name: str) -> list[str]:
        """Lines after which that name is it."""
        match (face := self._faces[number]).origin:
            case Portrait() as portrait:
                return finding(portrait, name)
            case Drawn(draw, n):
                label = None if face.label is None else [face.label]
                said = {"labels": label, "truncation": draw.truncation, "cutoff": draw.cutoff}
                usual = {"labels": None, "truncation": 1.0, "cutoff": None}
                more = {setting: value for setting, value in said.items() if value != usual[setting]}
                return [f"{name} = seeded({_arguments('gen', str(draw.seed), str(n + 1), **more)}).stretch({n}, 1)"]
            case Like(of, seed, amount, num, k):
                self.picture(of)
                made = f"alike(gen, edited, jax.random.key({seed}), {amount}, {num})"
                return [f"{name} = {made}[{k}:{k + 1}]"]
        own = [f"gen = opened.portraits[{face.by}].gen"] * (face.by is not None)
        return [*own, f"{name} = faces[{number}:{number + 1}]"]

    def _directions(self, found: Found | Named) -> str:
        """The name of these directions."""
        if id(found) not in self._found:
            name = self._found[id(found)] = self._name(found.title)
            self.add(f"{name} = {found.code if isinstance(found, Named) else self._search(name, found)}")
        return self._found[id(found)]

    def _search(self, name: str, found: Found) -> str:
        latent, region = self._latent(found.face, found.truncation), repr(found.region)
        if found.region == DRAWN:
            region = self._name(f"{name}_mask")
            self.add(f"{region} = {_mask_code(found.drawing)}")
        settings = _settings(found.search)
        if any(isinstance(part, Drawing) for part in found.still or ()):
            settings["protect"] = f"[{', '.join(map(self._kept_still, found.still or ()))}]"
        self._searches[name] = region, settings
        return f"lr.find_directions({_arguments('gen', latent, region, **settings)})"

    def _kept_still(self, part: str | Drawing) -> str:
        if isinstance(part, str):
            return repr(part)
        name = self._name("still")
        self.add(f"{name} = {_mask_code(part)}")
        return name

    def _name(self, wanted: str) -> str:
        """One that is not taken yet."""
        name = _unused(_identifier(wanted), self._names)
        self._names.append(name)
        return name

    def _imports(self) -> list[str]:
        """What the lines use, and the source has not imported."""
        used = set(re.findall(r"\w+(?=[.(])", "\n".join([self._source, *self._lines])))
        plain = [name for name in ("base64", "io", "jax") if name in used and f"import {name}" not in self._source]
        rooms = [name for name in ("inversion", "photographs", "regions") if f"{name}." in "\n".join(self._lines)]
        ours = [f"from lrgan_jax import {', '.join(rooms)}"] * bool(rooms)
        ours += [line for name, line in ROOMS.items() if name in used and line not in self._source]
        return [*(f"import {name}" for name in plain), *[""] * bool(plain), "import lrgan_jax as lr", *ours]


def _settings(search: Search) -> dict[str, str]:
    """What is not as it is by default, as arguments."""
    values = {name: repr(value) for name, value in search.to_json().items()}
    return values | {"protect": "protect"} if _holds_masks(search.protect) else values


def _arguments(*positional: str, **named: object) -> str:
    return ", ".join([*positional, *(f"{name}={value}" for name, value in named.items())])


def _holds_masks(protect: Any) -> bool:
    """Whether some of what keeps still has no name that the code could say."""
    return any(np.ndim(region) for region in (protect if isinstance(protect, list | tuple) else [protect]))


def _identifier(region: str) -> str:
    name = re.sub(r"\W", "_", region)
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"region_{name}"


def _unused(name: str, taken: Sequence[str]) -> str:
    number = 1
    while (candidate := name if number == 1 else f"{name}_{number}") in taken:
        number += 1
    return candidate


def _mask_code(drawing: Drawing) -> str:
    made = _drawn_code(drawing)
    return f"regions.feathered({made}, {drawing.feather})" if drawing.feather else made


def _drawn_code(drawing: Drawing) -> str:
    mask = drawing.drawn
    top, left, height, width = bounding_box(mask[None])
    if mask.sum() == height * width:
        size = len(mask) if mask.shape[0] == mask.shape[1] else mask.shape
        return f"regions.box_mask(top={top}, left={left}, height={height}, width={width}, size={size})"
    buffer = io.BytesIO()
    Image.fromarray(levels(mask) if drawing.soft else mask >= 0.5).save(buffer, "PNG", optimize=True)
    soft = ", soft=True" * drawing.soft
    return f'regions.load_mask(io.BytesIO(base64.b64decode("{base64.b64encode(buffer.getvalue()).decode()}")){soft})'
