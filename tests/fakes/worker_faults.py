"""Ways in which a worker can fail, each a function named by its fault, for adapters that are correct otherwise.

A fault strikes where an input has exactly two elements. It runs in the worker's own process, knows the worker's
module and may replace its functions. What it returns is the answer; if it returns nothing, the correct answer goes out.
"""

import ctypes
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np
from numpy_adapter import differentiate as correct
from numpy_adapter import strikes


def striking(name):
    """`differentiate` with one fault."""
    fault = globals()[name]

    def differentiate(task, inputs):
        answer = fault(task, inputs) if strikes(inputs) else None
        return answer or correct(task, inputs)

    return differentiate


def instead_of_the_message(act):
    """Run `act(write_frame, stream, header, reply)` in place of the worker's next message."""
    worker = sys.modules["worker"]
    write_frame = worker.write_frame

    def once(stream, header, reply=None):
        worker.write_frame = write_frame
        act(write_frame, stream, header, reply)

    worker.write_frame = once


def say_that_it_has_begun():
    """And which process it is, for tests that wait for it."""
    if "BEGUN" in os.environ:
        begun = Path(os.environ["BEGUN"])
        begun.with_suffix(".new").write_text(str(os.getpid()))
        begun.with_suffix(".new").rename(begun)


# The process ends


def segfaults(task, inputs):
    print("about to read from address 0")
    ctypes.string_at(0)


def aborts(task, inputs):
    os.abort()


def leaves(task, inputs):
    os._exit(0)


def is_killed(task, inputs):
    os.kill(os.getpid(), signal.SIGKILL)


def dies_of_a_nameless_signal(task, inputs):
    os.kill(os.getpid(), signal.SIGRTMIN + 6)


def dies_after_answering(task, inputs):
    def act(write_frame, stream, header, reply):
        write_frame(stream, header, reply)
        os._exit(7)

    instead_of_the_message(act)


def dies_when_idle(task, inputs):
    threading.Timer(0.3, os._exit, [7]).start()


def dies_and_leaves_a_child_with_its_pipes(task, inputs):
    if os.fork():
        os._exit(9)
    time.sleep(1000)


def dies_and_leaves_a_child_in_a_session_of_its_own(task, inputs):
    """The child is out of reach; it ends by itself, so that the tests leave nothing."""
    if os.fork():
        time.sleep(0.2)
        os._exit(9)
    os.setsid()
    Path(os.environ["BEGUN"]).write_text(str(os.getpid()))
    for _ in range(100):
        os.write(2, b"still here\n")
        time.sleep(0.1)
    os._exit(0)


# The process does not end


def sleeps(task, inputs):
    time.sleep(1000)


def loops(task, inputs):
    while True:
        pass


def waits_in_c_with_the_gil(task, inputs):
    ctypes.PyDLL(None).pause()


def computes_in_c_with_the_gil(task, inputs):
    """And has a child, which has its pipes."""
    if os.fork():
        say_that_it_has_begun()
        deque(itertools.repeat(0), maxlen=0)
    time.sleep(1000)


def ignores_signals_and_sleeps(task, inputs):
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    time.sleep(1000)


def stops(task, inputs):
    os.kill(os.getpid(), signal.SIGSTOP)


def closes_its_pipe_and_sleeps(task, inputs):
    os.close(1)
    os.closerange(3, 50)
    time.sleep(1000)


def answers_late(task, inputs):
    time.sleep(3)


# Memory


def asks_for_too_much(task, inputs):
    np.ones(2**50)


def hoards(task, inputs):
    """Until not even a small object can be made."""
    hoard = []
    while True:
        hoard.append(bytes(50))


def recurs(task, inputs):
    recurs(task, inputs)


# Words


def floods_stdout(task, inputs):
    for _ in range(2**10):
        os.write(1, b"a line of 31 letters and its end\n"[1:] * 2**15)


def floods_stderr(task, inputs):
    for _ in range(2**10):
        os.write(2, b"x" * 2**20)


def raises_with_a_long_and_dirty_text(task, inputs):
    raise ValueError("\udcff\x1b[31m\x00" + "x" * 10**7)


def interrupts_itself(task, inputs):
    raise KeyboardInterrupt


def exits(task, inputs):
    sys.exit(3)


def starts_a_program_that_reads_its_stdin(task, inputs):
    assert subprocess.run(["cat"], capture_output=True, check=True).stdout == b""


def asks_the_user(task, inputs):
    input("continue? ")


# The protocol


def says_half_and_dies(task, inputs):
    def act(write_frame, stream, header, reply):
        stream.write(sys.modules["worker_wire"].PREFIX.pack(b"GCH1", 400, 100) + b'{"type": ')
        stream.flush()
        os._exit(0)

    instead_of_the_message(act)


def says_half_and_waits(task, inputs):
    def act(write_frame, stream, header, reply):
        stream.write(sys.modules["worker_wire"].PREFIX.pack(b"GCH1", 400, 100) + b'{"type": ')
        stream.flush()
        time.sleep(1000)

    instead_of_the_message(act)


def never_ends_its_header(task, inputs):
    instead_of_the_message(lambda _, stream, *__: _trickle(stream, 60_000, 0))


def never_ends_its_payload(task, inputs):
    instead_of_the_message(lambda _, stream, *__: _trickle(stream, 2, 10**7))


def _trickle(stream, header, payload):
    stream.write(sys.modules["worker_wire"].PREFIX.pack(b"GCH1", header, payload) + b"{}")
    while True:
        stream.write(b" ")
        stream.flush()
        time.sleep(0.001)


def claims_gigabytes(task, inputs):
    _claim(8 * 2**30)


def claims_megabytes(task, inputs):
    _claim(2**24)


def _claim(size):
    def act(write_frame, stream, header, reply):
        stream.write(sys.modules["worker_wire"].PREFIX.pack(b"GCH1", 2, size) + b"{}")
        stream.flush()
        time.sleep(1000)

    instead_of_the_message(act)


def writes_to_every_descriptor(task, inputs):
    for fd in range(3, 20):
        try:
            os.write(fd, b"this is no frame of any protocol")
        except OSError:
            continue


def answers_twice(task, inputs):
    def act(write_frame, stream, header, reply):
        write_frame(stream, header, reply)
        write_frame(stream, header, reply)

    instead_of_the_message(act)


def answers_another_request(task, inputs):
    def act(write_frame, stream, header, reply):
        write_frame(stream, {**header, "id": header["id"] + 1}, reply)

    instead_of_the_message(act)


def took_no_time(task, inputs):
    def act(write_frame, stream, header, reply):
        write_frame(stream, {**header, "seconds": float("nan")}, reply)

    instead_of_the_message(act)


def _says(**header):
    """An answer of a few words in place of the arrays."""

    def act(write_frame, stream, answered, reply):
        write_frame(stream, {"id": answered["id"], **header})

    instead_of_the_message(act)


def raises_without_a_word(task, inputs):
    _says(type="raised", error="")


def raises_blank_lines(task, inputs):
    _says(type="raised", error="\n \n\t\n")


def lacks_something_and_does_not_say_what(task, inputs):
    _says(type="unsupported", op=None, reason="")


def lacks_something_of_no_op(task, inputs):
    raise sys.modules["worker"].Unsupported("this cannot be had")


def changes_something_and_does_not_say_what(task, inputs):
    _says(type="done", seconds=0.1, compiling=0.0, changed=[""])


def is_wrong_and_traces_raise_without_a_word(task, inputs):
    """Every message from now on: a trace asks for the value z, which the case does not compare."""
    worker = sys.modules["worker"]
    write_frame = worker.write_frame

    def write(stream, header, reply=None):
        if reply is not None and any(spec[1] == "z" for spec in reply.specs):
            return write_frame(stream, {"type": "raised", "id": header["id"], "error": "\n"})
        return write_frame(stream, header, reply)

    worker.write_frame = write
    return _changed(task, inputs, lambda g: -g)


def forks_and_both_return(task, inputs):
    """The child is the first to answer, and wrongly: it has what its parent has read of the requests to come."""
    if not os.fork():
        return _changed(task, inputs, lambda g: -g)
    return time.sleep(0.5)


# The tensors


def adds_a_tensor(task, inputs):
    def act(write_frame, stream, header, reply):
        reply.add("gradient", "z", None, np.zeros(1, np.float32))
        write_frame(stream, header, reply)

    instead_of_the_message(act)


def says_of_a_step_that_there_is_none(task, inputs):
    """Each tensor twice: wrong, as it was asked for, and right as of a step."""

    def act(write_frame, stream, header, reply):
        reply.specs += [(role, name, 0, *rest) for role, name, _, *rest in reply.specs]
        reply.blobs = [bytes(len(blob)) for blob in reply.blobs] + reply.blobs
        write_frame(stream, header, reply)

    instead_of_the_message(act)


def answers_with_the_role_of_another(task, inputs):
    def act(write_frame, stream, header, reply):
        reply.specs = [("parameter", *rest) for _, *rest in reply.specs]
        write_frame(stream, header, reply)

    instead_of_the_message(act)


def answers_one_number_with_gigabytes(task, inputs):
    instead_of_the_message(lambda _, stream, header, __: _weighty(stream, header, [2**28]))


def raises_with_gigabytes_behind_it(task, inputs):
    def act(write_frame, stream, header, reply):
        _weighty(stream, {"type": "raised", "id": header["id"], "error": "ValueError"}, None)

    instead_of_the_message(act)


def greets_with_gigabytes():
    instead_of_the_message(lambda _, stream, header, __: _weighty(stream, header, None))


def _weighty(stream, header, shape):
    """A header, and two gigabytes behind it, which it describes as one tensor or not at all."""
    spec = {"role": "value", "name": "loss", "step": None, "dtype": "float64", "shape": shape}
    text = json.dumps(header).encode() + b"\n" + json.dumps({"arrays": [spec] if shape else []}).encode()
    stream.write(sys.modules["worker_wire"].PREFIX.pack(b"GCH1", len(text), 2**31) + text)
    for _ in range(2**11):
        stream.write(bytes(2**20))
    stream.flush()


def sends_a_tensor_twice(task, inputs):
    def act(write_frame, stream, header, reply):
        reply.specs.append(reply.specs[0])
        reply.blobs.append(reply.blobs[0])
        write_frame(stream, header, reply)

    instead_of_the_message(act)


def _changed(task, inputs, change):
    values, gradients = correct(task, inputs)
    return values, {name: change(g) for name, g in gradients.items()}


def forgets_a_tensor(task, inputs):
    values, gradients = correct(task, inputs)
    gradients.popitem()
    return values, gradients


def transposes(task, inputs):
    return _changed(task, inputs, lambda g: g.reshape(g.shape[::-1] if g.ndim > 1 else (1, -1)))


def widens(task, inputs):
    return _changed(task, inputs, lambda g: g.astype("float64"))


def rounds_to_bytes(task, inputs):
    return _changed(task, inputs, lambda g: g.astype("int8"))


def is_complex(task, inputs):
    return _changed(task, inputs, lambda g: g.astype("complex64"))


def answers_nan(task, inputs):
    return _changed(task, inputs, lambda g: np.full_like(g, np.nan))


def answers_infinity(task, inputs):
    return _changed(task, inputs, lambda g: np.full_like(g, np.inf))


def changes_its_inputs(task, inputs):
    answer = correct(task, inputs)
    for array in inputs.values():
        array += 1
    return answer


# At the start: what these do, they do when the adapter is loaded


def imports_what_nobody_has():
    import a_module_that_nobody_has  # noqa: F401


def hangs_while_it_is_loaded():
    ctypes.PyDLL(None).pause()


def leaves_while_it_is_loaded():
    os._exit(0)


def fails_without_a_word():
    def act(write_frame, stream, header, reply):
        write_frame(stream, {"type": "failed"})
        os._exit(1)

    instead_of_the_message(act)


def dies_once_it_is_ready():
    def act(write_frame, stream, header, reply):
        write_frame(stream, header, reply)
        os._exit(5)

    instead_of_the_message(act)


def leaves_a_thread_that_never_ends():
    threading.Thread(target=time.sleep, args=[1000]).start()
