"""Latents in other people's files: read as what they are, asked about where they may be two things, and refused in one
line.
"""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import reference

from lrgan_jax import WS, LatentsError, StyleGAN2, StyleGAN2Config, W, Z, edit, load_latents, to_ws
from lrgan_jax.commands.edit import _of_file
from lrgan_jax.convert.write.torch_writer import dumps
from lrgan_jax.generators import stylegan2

LAYERS, WIDTH, Z_WIDTH = 6, 12, 10  # of small_stylegan2


def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def refused(path, gen, match, **options):
    with pytest.raises(LatentsError, match=match) as caught:
        load_latents(path, gen, **options)
    assert "\n" not in str(caught.value) and path.name in str(caught.value)


@pytest.fixture
def saved(tmp_path):
    """An array as an .npy file."""

    def save(array, name="latents.npy"):
        np.save(tmp_path / name, array)
        return tmp_path / name

    return save


@pytest.mark.parametrize(
    ("shape", "space", "kind", "expected"),
    [
        ((WIDTH,), None, W, (1, WIDTH)),
        ((1, WIDTH), None, W, (1, WIDTH)),
        ((5, WIDTH), None, W, (5, WIDTH)),
        ((5, 1, WIDTH), None, W, (5, WIDTH)),
        ((1, LAYERS, WIDTH), None, WS, (1, LAYERS, WIDTH)),
        ((LAYERS, LAYERS, WIDTH), None, WS, (LAYERS, LAYERS, WIDTH)),
        ((LAYERS, WIDTH), "w", W, (LAYERS, WIDTH)),
        ((LAYERS, WIDTH), "ws", WS, (1, LAYERS, WIDTH)),
        ((5, LAYERS, WIDTH), "ws", WS, (5, LAYERS, WIDTH)),
        ((5, LAYERS * WIDTH), None, WS, (5, LAYERS, WIDTH)),
        ((LAYERS * WIDTH,), None, WS, (1, LAYERS, WIDTH)),
        ((LAYERS, Z_WIDTH), "z", Z, (LAYERS, Z_WIDTH)),
        ((Z_WIDTH,), "z", Z, (1, Z_WIDTH)),
    ],
)
def test_the_shape_and_the_user_say_what_latents_are(small_stylegan2, saved, shape, space, kind, expected):
    array = numbers(*shape)
    found = load_latents(saved(array), small_stylegan2, space=space)
    assert type(found) is kind
    np.testing.assert_array_equal(found.array, array.reshape(expected))


@pytest.mark.parametrize("shape", [(LAYERS, WIDTH), (LAYERS, 1, WIDTH)])
def test_what_may_be_two_things_is_asked_about(small_stylegan2, saved, shape):
    refused(
        saved(numbers(*shape)), small_stylegan2, "6 latents w, or the 6 layers of one latent.*--space w or --space ws"
    )


def test_a_model_of_one_layer_has_nothing_to_ask(small_dcgan, saved):
    array = numbers(1, 10)
    np.testing.assert_array_equal(load_latents(saved(array), small_dcgan).array, array)


@pytest.mark.parametrize(
    ("array", "space", "says"),
    [
        (numbers(5, 11), None, r"\[5, 11\] are no latents of this model: w \[N, 12\], ws \[N, 6, 12\], or z \[N, 10\]"),
        (numbers(5, Z_WIDTH), None, "or z .* with --space z"),
        (numbers(5, 4, WIDTH), None, "no latents of this model"),
        (numbers(5, WIDTH), "ws", r"\[5, 12\], as ws, are no latents"),
        (numbers(5, WIDTH), "z", "as z, are no latents"),
        (numbers(5, LAYERS, WIDTH), "w", "as w, are no latents"),
        (numbers(1, 1, LAYERS, WIDTH), None, "no latents of this model"),
        (numbers(), None, "no latents of this model"),
        (numbers(0, WIDTH), None, "latents.npy"),
        (np.ones((2, WIDTH), int), None, "floats are wanted, these are int64"),
        (np.full((2, WIDTH), np.nan), None, "not all numbers are finite"),
    ],
)
def test_what_does_not_fit_is_refused(small_stylegan2, saved, array, space, says):
    refused(saved(array), small_stylegan2, says, space=space)


def test_the_array_that_is_meant_among_others(small_stylegan2, tmp_path):
    """The only one, or the one under a known name; never the first."""
    array = numbers(2, WIDTH)
    for name, arrays in (
        ("one.npz", {"x": array}),
        ("w.npz", {"w": array, "noise": numbers(3)}),
        ("z.npz", {"z": array, "w": array}),
    ):
        np.savez(tmp_path / name, **arrays)
        np.testing.assert_array_equal(load_latents(tmp_path / name, small_stylegan2).array, array)
    np.savez(tmp_path / "named.npz", z=array)  # of the width of w
    refused(tmp_path / "named.npz", small_stylegan2, "its array is named z.*--space z")
    np.testing.assert_array_equal(load_latents(tmp_path / "named.npz", small_stylegan2, space="w").array, array)
    np.savez(tmp_path / "two.npz", a=array, b=array)
    refused(tmp_path / "two.npz", small_stylegan2, r"holds 2 values \(a, b\), of which one is wanted")
    np.savez(tmp_path / "both.npz", w=array, latents=array, c=array)
    refused(tmp_path / "both.npz", small_stylegan2, r"holds 2 values \(w, latents\)")


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files(small_stylegan2, tmp_path, zipped):
    """Bare tensors and parameters of any precision, and tensors under a name, however deep."""
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(numbers(1, LAYERS, WIDTH)).bfloat16().float()  # so that no precision changes it
    values = {
        "bare": tensor,
        "parameter": torch.nn.Parameter(tensor),
        "half": tensor.bfloat16(),
        "double": tensor.double(),
        "named": {"latents": tensor, "noise": [tensor]},
        "alone": [tensor],
        "deep": {"me.png": {"img": torch.ones(2), "latent": tensor}},
    }
    for name, value in values.items():
        torch.save(value, tmp_path / f"{name}.pt", _use_new_zipfile_serialization=zipped)
        np.testing.assert_array_equal(load_latents(tmp_path / f"{name}.pt", small_stylegan2).array, tensor.numpy())
    torch.save({"one": tensor, "two": tensor}, tmp_path / "two.pt", _use_new_zipfile_serialization=zipped)
    refused(tmp_path / "two.pt", small_stylegan2, r"holds 2 values \(one, two\)")
    torch.save("text", tmp_path / "text.pt", _use_new_zipfile_serialization=zipped)
    refused(tmp_path / "text.pt", small_stylegan2, "holds no array")


def layout_of(project, ws, tmp_path):
    """A file of ws [N, L, d], as many as it has room for, written as that project's script does; and what is in it.

    Sources: each project's inference or projection script, named beside it.
    """
    pictures = dict(zip(("c.jpg", "a.PNG", "b.jpeg"), ws, strict=False))
    path = tmp_path / {"nvidia": "projected_w.npz", "e4e": "latents.pt", "pti": "0.pt", "rosinality": "c.pt"}.get(
        project, "latents.npy"
    )
    match project:
        case "nvidia":  # projector.py: the last step's w, repeated for every layer
            np.savez(path, w=ws[:1])
            return path, ws[:1]
        case "e4e":  # scripts/inference.py: all images in one tensor
            path.write_bytes(dumps_bare(ws))
        case "pti":  # training/coaches: embeddings/NAME/0.pt, one image each
            path.write_bytes(dumps_bare(ws[:1]))
            return path, ws[:1]
        case "restyle":  # scripts/inference_iterative.py: what each of five passes found, picture by picture
            np.save(path, {name: [*numbers(4, *w.shape), w] for name, w in pictures.items()})
        case "hyperstyle":  # scripts/inference.py
            np.save(path, pictures)
        case "rosinality":  # projector.py --w_plus, with the pictures and the noise
            noise = {"noise": (numbers(1, 1, 4, 4), numbers(1, 1, 8, 8))}
            path.write_bytes(dumps({n: {"img": numbers(3, 4, 4), "latent": w} | noise for n, w in pictures.items()}))
        case "interfacegan":  # generate_data.py, wp.npy
            np.save(path, ws)
        case "flat":
            np.save(path, ws.reshape(len(ws), -1))
    return path, ws


def dumps_bare(array):
    """The file that torch.save writes of one tensor, by way of the one of a dict."""
    source = zipfile.ZipFile(io.BytesIO(dumps({"": array})))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("data.pkl"):  # EMPTY_DICT MARK "" tensor SETITEMS STOP
                data = data[:2] + data[2:].removeprefix(b"}(X\0\0\0\0").removesuffix(b"u.") + b"."
            archive.writestr(name, data)
    return target.getvalue()


LAYOUTS = ("nvidia", "e4e", "pti", "restyle", "hyperstyle", "rosinality", "interfacegan", "flat")


@pytest.mark.parametrize("project", LAYOUTS)
def test_what_other_projects_write(small_stylegan2, tmp_path, project):
    """W+ of three pictures, in the order of the file, as many as it holds."""
    path, expected = layout_of(project, numbers(3, LAYERS, WIDTH) + 3, tmp_path)
    found = load_latents(path, small_stylegan2)
    assert type(found) is WS
    np.testing.assert_array_equal(found.array, expected)


def test_a_picture_has_one_latent(small_stylegan2, tmp_path, saved):
    """So as many pictures as layers are not asked about, nor is the one that has a row for each layer; and what
    pictures hold beside it, or in another shape, is refused.
    """
    ws = numbers(LAYERS, LAYERS, WIDTH)
    names = [f"{k}.png" for k in range(LAYERS)]
    found = load_latents(saved(dict(zip(names, ws[0], strict=True))), small_stylegan2)
    assert type(found) is W
    np.testing.assert_array_equal(found.array, ws[0])
    np.testing.assert_array_equal(load_latents(saved({"0.png": ws[0]}), small_stylegan2).array, ws[:1])
    refused(saved({"0.png": ws[0], "1.png": ws[0, 0]}), small_stylegan2, "different shapes")
    refused(saved({"0.png": {"a": ws[0], "b": ws[0]}}), small_stylegan2, r"holds 2 values \(a, b\)")
    refused(saved({"0.png": ws, "1.png": ws}), small_stylegan2, "no latents of this model")
    refused(saved({"0.png": [], "1.png": []}), small_stylegan2, "holds no array")
    refused(saved({"0.png": ws[0], "who": ws[0]}), small_stylegan2, "holds 2 values")


def test_the_file_named_z(small_dcgan, saved):
    """InterFaceGAN's z.npy, of a model whose z is as wide as its w."""
    refused(saved(numbers(3, 10), "z.npy"), small_dcgan, "named z.*--space z")
    assert type(load_latents(saved(numbers(3, 10), "z.npy"), small_dcgan, space="z")) is Z


class Payload:
    """Unpickling this makes a folder."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def test_no_file_runs_code_or_fills_the_memory(small_stylegan2, saved, tmp_path):
    trace = tmp_path / "code ran"
    payload = np.empty(1, object)
    payload[0] = Payload(trace)
    np.savez(tmp_path / "object.npz", w=payload)
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps(Payload(trace)))
    np.savez_compressed(tmp_path / "bomb.npz", w=np.zeros((2**20, WIDTH), np.float32))
    objects = saved(payload), saved({"a.png": Payload(trace)}, "dict.npy")
    for path in (*objects, tmp_path / "object.npz", tmp_path / "pickle.pt", tmp_path / "bomb.npz"):
        refused(path, small_stylegan2, path.name)
    assert not trace.exists()


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), b"\x80\x02.", bytes(999)]
)
def test_garbage_is_refused(small_stylegan2, tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    refused(tmp_path / "a.npy", small_stylegan2, "a.npy: ")
    refused(tmp_path / "none.npy", small_stylegan2, "no such file")
    refused(tmp_path, small_stylegan2, "Is a directory")


def test_files_that_people_reported_are_read_or_asked_about(shared):
    """A projector's, an encoder's and a direction for every layer; of a model of 6 layers and w of 16."""
    config = StyleGAN2Config(
        channels=(2, 2, 2), z_dim=16, w_dim=16, mapping_layers=1, mapping_features=16, embed_features=0
    )
    gen, cases = StyleGAN2(config, reference.random_variables(stylegan2.init, config)), shared / "cases"
    for name in ("projected_w.npz", "pti_embedding_0.pt"):
        found = load_latents(cases / name, gen)
        assert type(found) is WS and found.shape == (1, 6, 16)
        assert gen.synthesis(found).shape == (1, 16, 16, 3)
    rows = np.load(cases / "direction_Lxd.npy")
    with pytest.raises(ValueError, match="6 directions|6 layers") as caught:
        _of_file(cases / "direction_Lxd.npy", gen, None)
    assert "--rows layers" in str(caught.value) and "--rows directions" in str(caught.value)
    one = _of_file(cases / "direction_Lxd.npy", gen, "layers")
    np.testing.assert_array_equal(one.vectors, rows[None])
    assert _of_file(cases / "direction_Lxd.npy", gen, "directions").vectors.shape == (6, 16)
    ws = gen.mapping(numbers(1, 16))
    np.testing.assert_allclose(
        edit(to_ws(gen, ws), one, 2.0).array, to_ws(gen, ws).array + 2 * rows, rtol=1e-6, atol=1e-6
    )
    assert _of_file(cases / "age.pt", gen, None).vectors.shape == (1, 16)
