"""What comes from a worker is data from a stranger: anything but a frame of the protocol is nonsense, by name."""

import contextlib
import io
import json
import struct

import numpy as np
import pytest
from gradient_conformance.harness.workers.answer import Answer, read_answer
from gradient_conformance.harness.workers.asked import Asked
from gradient_conformance.harness.workers.wire import MAGIC, Nonsense, Sent, frame, read_frame
from hypothesis import given, settings
from hypothesis import strategies as st

ARRAYS = [
    Sent("input", "x", np.arange(6, dtype=np.float32).reshape(2, 3)),
    Sent("input", "n", np.array(3.5)),
    Sent("input", "none", np.zeros((0, 4))),
    Sent("input", "mask", np.array([True, False])),
    Sent("input", "t", np.asfortranarray(np.arange(6.0).reshape(2, 3))),
]
INPUTS = Asked({("input", sent.name): sent.array.shape for sent in ARRAYS})
ASKED = Asked({("value", "y"): (1,)})


def reader(data):
    stream = io.BytesIO(data)

    def read(size):
        got = stream.read(size)
        if len(got) < size:
            raise EOFError
        return got

    return read


def two_lines(header):
    """What is of a message alone, and what it shares with others."""
    shared = {"arrays": header["arrays"]} if "arrays" in header else {}
    own = {name: value for name, value in header.items() if name not in shared}
    return json.dumps(own).encode() + b"\n" + json.dumps(shared).encode()


def message(header, payload=b""):
    text = two_lines(header) if isinstance(header, dict) else header
    return MAGIC + struct.pack("<IQ", len(text), len(payload)) + text + payload


def test_arrays_arrive_as_they_were_sent():
    received = read_frame(reader(b"".join(map(bytes, frame({"type": "run"}, ARRAYS)))), INPUTS).arrays()
    for sent in ARRAYS:
        array = received["input", sent.name, None]
        assert (array.dtype, array.shape) == (sent.array.dtype, sent.array.shape)
        np.testing.assert_array_equal(array, sent.array)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"hello, this is a print to the pipe", "starts with b'hell'"),
        (MAGIC + struct.pack("<IQ", 2**31, 0), "claims a header of 2147483648 bytes"),
        (message(b"{not json"), "is not JSON"),
        (message(b"[1, 2]"), "is list, should be an object"),
    ],
)
def test_what_is_no_frame_is_nonsense(data, words):
    with pytest.raises(Nonsense, match=None) as error:
        read_frame(reader(data), ASKED)
    assert words in str(error.value)


SPEC = {"role": "value", "name": "y", "step": None, "dtype": "float64", "shape": [1]}


@pytest.mark.parametrize(
    ("specs", "payload", "words"),
    [
        ([SPEC], b"1234567", "the arrays need 8 bytes, the message has 7"),
        ([SPEC], b"12345678" * 2, "the arrays need 8 bytes, the message has 16"),
        ([SPEC, SPEC], b"12345678" * 2, "came twice"),
        ([{**SPEC, "dtype": "object"}], b"12345678", "cannot read an array"),
        ([{**SPEC, "shape": [-1]}], b"12345678", "cannot read an array"),
        ([{**SPEC, "shape": [2**62, 4]}], b"12345678", "cannot read an array"),
        ([{"role": "value"}], b"", "cannot read an array"),
        (["y"], b"", "cannot read an array"),
    ],
)
def test_arrays_that_do_not_fit_their_description_are_nonsense(specs, payload, words):
    header = {"type": "done", "id": 1, "seconds": 0.1, "compiling": 0.0, "arrays": specs}
    with pytest.raises(Nonsense) as error:
        read_answer(read_frame(reader(message(header, payload)), ASKED), 1)
    assert words in str(error.value)


def test_an_answer_to_another_request_is_nonsense():
    with pytest.raises(Nonsense, match="answered another request"):
        read_answer(
            read_frame(reader(message({"type": "done", "id": 2, "seconds": 0.1, "compiling": 0.0})), ASKED), 1
        )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["done", "unsupported", "raised", "ready"]),
    st.dictionaries(
        st.sampled_from(
            ["arrays", "seconds", "compiling", "op", "reason", "error", "changed", "unknown", "id"]
        ),
        JSON,
    ),
    st.binary(max_size=40),
)
def test_any_header_is_an_answer_or_nonsense(kind, fields, payload):
    data = message({"id": 1, **fields, "type": kind}, payload)
    with contextlib.suppress(Nonsense):
        assert isinstance(read_answer(read_frame(reader(data), ASKED), 1), Answer)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"type": "raised", "error": ""}, "raised an error of which it says nothing"),
        ({"type": "raised", "error": "\n\t\r\n"}, "raised an error of which it says nothing"),
        ({"type": "unsupported", "op": None, "reason": "no axis"}, "no axis"),
        ({"type": "unsupported", "op": "softmax", "reason": ""}, "softmax"),
        ({"type": "unsupported", "op": "", "reason": None}, "not supported; it does not say what, nor why"),
    ],
)
def test_an_answer_of_no_words_is_told_in_a_sentence(header, words):
    assert read_answer(read_frame(reader(message({"id": 1, **header})), ASKED), 1).message == words


DONE = {"type": "done", "id": 1, "seconds": 0.1, "compiling": 0.0}


def test_what_was_changed_or_has_no_place_in_the_case_is_told():
    header = {**DONE, "changed": ["W", ""], "unknown": [["gradient", "dX"], ["value", ""]]}
    found = read_answer(read_frame(reader(message(header)), ASKED), 1)
    assert found.changed == ("W", "it does not say which")
    assert found.unknown == (("gradient", "dX"), ("value", "of no letters"))


@pytest.mark.parametrize(
    "fields",
    [
        {"changed": "W"},
        {"changed": [5]},
        {"changed": None},
        {"unknown": {}},
        {"unknown": ["dX"]},
        {"unknown": [["gradient"]]},
        {"unknown": [["delta", "dX"]]},
        {"unknown": [["gradient", "a", "b"]]},
    ],
)
def test_what_is_told_of_an_answer_and_makes_no_sense_is_nonsense(fields):
    with pytest.raises(Nonsense, match=r"it (changed|returned)"):
        read_answer(read_frame(reader(message(DONE | fields)), ASKED), 1)
