"""Files of other projects' and what their own code made of them, as the shared fixtures keep it; and files of our own
networks under their names.
"""

import json
import re
from typing import Any

import jax
import numpy as np
from jax.tree_util import tree_leaves_with_path
from test_convert_settings import altered
from tolerances import PARITY_F64, worst

from lrgan_jax.convert import CheckpointError
from lrgan_jax.convert.formats import find_network
from lrgan_jax.convert.formats.rules import rename
from lrgan_jax.foreign import containers
from lrgan_jax.generators import image_function

JACOBIAN = 1e-4  # relative, as the fixtures' own check of theirs against differences


def opened(path, **given) -> Any:
    """The generator in a file, by the arguments beside it; the arrays beside it; and those of float64."""
    network, _ = find_network(containers.read(path))
    arguments = json.loads(path.with_suffix(".json").read_text())["config"]
    gen, _ = network.build({"arguments": arguments, **given})
    stored = dict(np.load(path.with_suffix(".npz")))
    return gen, stored, dict(np.load(path.with_name(f"{path.stem}_f64.npz")))


def pictures(gen, latents, noise="const", c=None):
    """NCHW, as the fixtures have them."""
    return np.asarray(gen.synthesis(latents, c, noise=noise)).transpose(0, 3, 1, 2)


def check_float64(gen, z, c, stored) -> set[str]:
    """Latent, image, Jacobian and Gram, all in float64 of the same float32 weights: their names."""
    with jax.enable_x64(True):
        gen = jax.tree.map(lambda a: np.asarray(a, np.float64), gen)
        latents = gen.mapping(z.astype(np.float64), c)
        if "w_f64" in stored:
            assert worst(latents, stored["w_f64"]) < PARITY_F64
        assert worst(pictures(gen, latents[:1]), stored["img_f64"]) < PARITY_F64
        name = "jac_z" if "jac_z" in stored else "jac_w"
        at = np.broadcast_to(stored[name], (gen.num_ws, gen.w_dim))
        label = (
            [] if gen.classes != "synthesis" else [np.asarray(c[np.all(z == np.float32(stored[name]), 1)][0], float)]
        )
        columns = jax.vmap(lambda f, label, v: jax.jvp(lambda w: f(w, *label), (at,), (v,)), in_axes=(None, None, 0))
        moves = np.broadcast_to(np.eye(gen.w_dim)[:, None], (gen.w_dim, *at.shape))
        image, J = jax.jit(columns)(image_function(gen), label, moves)
    image, J = np.asarray(image)[0].transpose(2, 0, 1), np.asarray(J).transpose(3, 1, 2, 0)
    top, left, height, width = stored["jac_window"]
    part = np.s_[:, top : top + height, left : left + width]
    assert worst(image[part], stored["jac_img"]) < PARITY_F64 and worst(J[part], stored["jac"]) < JACOBIAN
    assert worst(np.einsum("chwi,chwj->ij", J, J), stored["gram"]) < JACOBIAN
    return set(stored)


def theirs(gen, rules):
    """A network of ours under another project's names, in its layouts, as far as it has them."""
    ours = {"/".join(k.key for k in path): np.asarray(a) for path, a in tree_leaves_with_path(dict(gen.variables))}
    ours["lod"] = np.asarray(gen.config.lod, np.float32)
    known = {name: a for name, a in ours.items() if any(re.fullmatch(rule.source, name) for rule in rules)}
    return rename(known, rules, [])


def built(tensors, arguments=None, **given):
    """The generator in a tree of tensors, and the remarks."""
    network, _ = find_network(tensors)
    return network.build(given if arguments is None else {"arguments": arguments, **given})


def check_arguments(tensors, arguments, harmless, honoured, said=()) -> None:
    """Each of a constructor's arguments set to other values: refused by name, or in these words; or harmless, and then
    the very same network; or honoured, and then another one in some case. Unknown ones are refused.
    """
    base = built(tensors, arguments)[0]
    tried = [(name, value) for name in arguments for value in (*altered(arguments[name]), True)]
    differs = set()
    for name, value in [*tried, ("frobnicate", 1)]:
        try:
            other = built(tensors, {**arguments, name: value})[0]
        except CheckpointError as error:
            assert name not in harmless and any(part in str(error) for part in (name, *said)), error
        else:
            assert name in (*harmless, *honoured) or repr(value) == repr(arguments[name]), (name, value)
            differs |= {name} if other != base else set()
    assert differs == honoured & arguments.keys()
