"""Streams, generators, rounding and files of tensors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradient_conformance.harness.errors import CaseError


def drawn(case: Any, generator: str, dtype: str | None = None) -> Any:
    """`x` of the base case, of shape (3,), by another generator."""
    return case(("shape = [3], uniform = [-1, 1]", generator)).variants[0].draw(dtype)["x"]


def of(case: Any, tensor: str, use: str = "w") -> Any:
    """A further tensor `w`, multiplied with the base case's result."""
    loaded = case(("sigmoid(y)", f"sum(y) * {use}"), add=f"w = {tensor}\n")
    return loaded.variants[0].draw()["w"]


def test_a_further_tensor_changes_no_other(case: Any) -> None:
    before = case().variants[0].draw()
    after = (
        case(("sigmoid(y)", "y * b"), ("A = {", "b = { shape = [2], uniform = [-1, 1] }\nA = {"))
        .variants[0]
        .draw()
    )
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_tensors_cotangents_and_seeds_have_streams_of_their_own(case: Any) -> None:
    (one,) = case(("shape = [2, 3]", "shape = [3, 3]")).variants
    (other,) = case(("shape = [2, 3]", "shape = [3, 3]"), ('source = "s"', 'source = "s"\nseed = 1')).variants
    streams = [
        one.draw()["A"][0],
        one.draw()["x"],
        one.cotangents()["z"],
        other.draw()["x"],
        other.cotangents()["z"],
    ]
    assert len({array.tobytes() for array in streams}) == len(streams)


def test_drawing_again_gives_the_same(case: Any) -> None:
    (variant,) = case().variants
    assert np.array_equal(variant.draw()["A"], variant.draw()["A"])


def test_the_streams_are_those_of_yesterday(case: Any) -> None:
    """A changed stream would change every case's inputs, and what the ledger says of them."""
    assert case().variants[0].draw()["x"].tolist() == [
        -0.5248803450128718,
        -0.5590783118052016,
        -0.6800324758971728,
    ]


def test_floats_are_rounded_to_the_dtype_and_held_in_float64(case: Any) -> None:
    (variant,) = case().variants
    written, rounded = variant.draw(), variant.draw("float32")
    assert rounded["x"].dtype == np.float64
    assert np.array_equal(rounded["x"], written["x"].astype(np.float32))
    assert not np.array_equal(rounded["x"], written["x"])


def test_values_beyond_the_dtype_become_infinite(case: Any) -> None:
    assert drawn(case, "values = [1e300, nan, -inf]", "float32").tolist()[0] == np.inf


@pytest.mark.parametrize(
    ("generator", "wanted"),
    [
        ("values = [1, 2.5, 3]", [1, 2.5, 3]),
        ("shape = [3], linspace = [-1, 1]", [-1, 0, 1]),
        ("shape = [3], arange = [1, 0.5]", [1, 1.5, 2]),
        ("shape = [3], full = 7", [7, 7, 7]),
    ],
)
def test_generators_without_chance(case: Any, generator: str, wanted: list[float]) -> None:
    assert drawn(case, generator).tolist() == wanted


def test_uniform_and_normal_have_their_moments(case: Any) -> None:
    uniform = of(case, "{ shape = [100000], uniform = [2, 4] }")
    normal = of(case, "{ shape = [100000], normal = [3, 0.5] }")
    assert (uniform.min() >= 2, uniform.max() <= 4) == (True, True)
    assert (uniform.mean(), normal.mean()) == pytest.approx((3, 3), abs=0.02)
    assert (uniform.std(), normal.std()) == pytest.approx((2 / 12**0.5, 0.5), abs=0.02)


def test_choice_takes_all_of_its_values(case: Any) -> None:
    assert set(of(case, "{ shape = [100], choice = [0, 0.25, 1] }").tolist()) == {0, 0.25, 1}


def test_one_hot_has_a_single_one_along_its_axis(case: Any) -> None:
    array = of(case, "{ shape = [5, 30], one_hot = -2 }")
    assert np.array_equal(array.sum(axis=0), np.ones(30))
    assert set(array.ravel().tolist()) == {0, 1}
    assert len(np.unique(array.argmax(axis=0))) == 5


def test_labels_cover_the_classes(case: Any) -> None:
    loaded = case(
        ("sigmoid(y)", "cross_entropy(y + w, n)"),
        add="w = { shape = [50, 2], full = 1 }\nn = { shape = [50], labels = 2 }\n",
    )
    assert set(loaded.variants[0].draw()["n"].tolist()) == {0, 1}


def test_tril_is_zero_above_the_diagonal(case: Any) -> None:
    assert of(case, "{ shape = [2, 2], tril = 3 }").tolist() == [[3, 0], [3, 3]]


def test_one_hot_of_each_step_is_drawn_along_the_right_axis(case: Any) -> None:
    training = '[training]\noptimizer = { sgd = { lr = 0.1 } }\nparameters = ["A"]\nsteps = 5\n'
    loaded = case(("shape = [3], uniform = [-1, 1]", 'shape = [3], one_hot = 0, each = "step"'), add=training)
    assert loaded.variants[0].draw()["x"].sum(axis=1).tolist() == [1] * 5


# Files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "group"
    path.mkdir()
    return path


FILE = 'shape = [3], file = "x.npy"'


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", ">f8"])
def test_a_file_is_read(case: Any, folder: Path, dtype: str) -> None:
    np.save(folder / "x.npy", np.array([1, 2, 3], dtype))
    assert drawn(case, FILE).tolist() == [1, 2, 3]


def test_a_file_in_fortran_order_is_read(case: Any, folder: Path) -> None:
    np.save(folder / "x.npy", np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    assert of(case, '{ shape = [2, 3], file = "x.npy" }').tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(4), r"has shape \(4,\), but the tensor has shape \(3,\)"),
        (
            np.zeros(3, np.int64),
            "holds int64, but the tensor is float: allowed are float16, float32, float64",
        ),
        (np.zeros(3, np.complex128), "holds complex128, but the tensor is float"),
        (np.array([1, "a", None], object), "holds object, but the tensor is float"),
    ],
)
def test_a_file_of_something_else_is_refused_while_loading(
    case: Any, folder: Path, array: Any, message: str
) -> None:
    np.save(folder / "x.npy", array, allow_pickle=True)
    with pytest.raises(CaseError, match=message):
        drawn(case, FILE)


def test_a_cut_file_is_refused(case: Any, folder: Path) -> None:
    np.save(folder / "x.npy", np.zeros(3))
    data = (folder / "x.npy").read_bytes()
    (folder / "x.npy").write_bytes(data[:-1])
    with pytest.raises(CaseError, match="has 23 bytes of data, but shape"):
        drawn(case, FILE)


@pytest.mark.parametrize(
    "data", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xffjunk", b"\x93NUMPY\x09\x00", b"PK\x03\x04"]
)
def test_a_file_without_header_is_refused(case: Any, folder: Path, data: bytes) -> None:
    (folder / "x.npy").write_bytes(data)
    with pytest.raises(CaseError, match=r"no readable \.npy header"):
        drawn(case, FILE)


@pytest.mark.parametrize("name", ["../../x.npy", "/x.npy", "link.npy"])
def test_a_file_outside_the_root_is_refused(case: Any, folder: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path.parent / "x.npy"
    np.save(outside, np.zeros(3))
    (folder / "link.npy").symlink_to(outside)
    with pytest.raises(CaseError, match=r"lies outside the case root|there is no file"):
        drawn(case, f'shape = [3], file = "{name}"')


def test_a_file_elsewhere_in_the_root_is_read(case: Any, folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones(3))
    assert drawn(case, 'shape = [3], file = "../x.npy"').tolist() == [1, 1, 1]


@pytest.mark.parametrize("name", ["x.txt", "", "loop.npy", "\\u0000.npy"])
def test_a_file_that_is_none_is_refused(case: Any, folder: Path, name: str) -> None:
    (folder / "x.txt").write_text("")
    (folder / "loop.npy").symlink_to(folder / "loop.npy")
    with pytest.raises(CaseError, match=r"is no \.npy or \.npz file|there is no file"):
        drawn(case, f'shape = [3], file = "{name}"')


def test_a_file_that_changes_after_loading_is_refused_when_drawn(case: Any, folder: Path) -> None:
    np.save(folder / "x.npy", np.zeros(3))
    (variant,) = case(("shape = [3], uniform = [-1, 1]", FILE)).variants
    np.save(folder / "x.npy", np.zeros(4))
    with pytest.raises(CaseError, match=r"tensor x: .* has shape \(4,\)"):
        variant.draw()


# One file for many tensors

ARCHIVE = 'shape = [3], file = "x.npz"'


def test_of_an_archive_it_is_the_array_that_is_called_like_the_tensor(case, folder):
    np.savez_compressed(folder / "x.npz", x=np.array([1.0, 2.0, 3.0]), B=np.zeros(9))
    assert drawn(case, ARCHIVE).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[: len(data) // 2], "it is no archive that can be read"),
        (lambda data: data.replace(b"x.npy", b"C.npy"), 'has no array "x"'),
        (
            lambda data: data.replace(b"\x93NUMPY", b"\x93NUMBY"),
            "it is no archive that can be read",
        ),  # its checksum
    ],
)
def test_a_damaged_archive_is_told(case, folder, damage, words):
    np.savez(folder / "x.npz", x=np.array([1.0, 2.0, 3.0]))
    (folder / "x.npz").write_bytes(damage((folder / "x.npz").read_bytes()))
    with pytest.raises(CaseError, match=words):
        drawn(case, ARCHIVE)


def test_an_archive_that_grows_when_it_is_read_is_read_no_further_than_the_tensor_needs(case, folder):
    np.savez_compressed(folder / "x.npz", x=np.zeros(10**6))
    with pytest.raises(CaseError, match="holds more than"):
        drawn(case, ARCHIVE)
