"""The table of methods: what a `Search` may ask for, and what is compared.

A method is a file that ends in its row, and a line here. Whatever lists, explains or draws methods reads this table.
"""

from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import Generator, HasStyles
from lrgan_jax.generators.parts import has_mapping
from lrgan_jax.methods.chance import RANDOM
from lrgan_jax.methods.frontier import FRONTIER
from lrgan_jax.methods.ganspace import GANSPACE
from lrgan_jax.methods.local_basis import LOCAL_BASIS
from lrgan_jax.methods.paper import ATTRIBUTE, AUTHORS, CONSTRAINED, PROJECTED
from lrgan_jax.methods.record import Method, Pair
from lrgan_jax.methods.refined import REFINED
from lrgan_jax.methods.resefa import RESEFA
from lrgan_jax.methods.sefa import SEFA
from lrgan_jax.methods.single import SINGLE

# From those that know least to ours: the order in which tables show them.
ROWS = (
    RANDOM,
    GANSPACE,
    SEFA,
    LOCAL_BASIS,
    SINGLE,
    ATTRIBUTE,
    AUTHORS,
    PROJECTED,
    RESEFA,
    CONSTRAINED,
    FRONTIER,
    REFINED,
)
METHODS: dict[str, Method] = {row.name: row for row in ROWS}
LOCAL: dict[str, Method] = {
    name: row for name, row in METHODS.items() if row.needs == "grams"
}  # they look at the region


def named(name: str) -> Method:
    """The method of that name.

    Raises:
      InputError: naming those that there are.
    """
    if name not in METHODS:
        raise InputError(f"method is one of {', '.join(METHODS)}, got {name!r}")
    return METHODS[name]


def local(name: str) -> Method:
    """The same, if it looks at the region.

    Raises:
      InputError: naming those that do.
    """
    if named(name).needs == "steps":
        raise InputError(f"{name} takes real steps, and Grams alone have no image: ask for the frontier here")
    if named(name).needs != "grams":
        raise InputError(f"{name} does not look at the region; here the method is one of {', '.join(LOCAL)}")
    return METHODS[name]


def fits(method: Method, gen: Generator) -> bool:
    """Whether the generator has what the method needs."""
    return {"weights": isinstance(gen, HasStyles), "mapping": has_mapping(gen)}.get(method.needs, True)


__all__ = ["LOCAL", "METHODS", "Method", "Pair", "fits", "local", "named"]


def __dir__() -> list[str]:
    return __all__
