"""How long is waited: a time that never comes would be a run that never ends."""

import pytest
from matrix import said


@pytest.mark.parametrize("option", ["cell-timeout", "start-timeout"])
@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "0", "-1", "soon"])
def test_a_time_that_never_comes_is_refused(matrix, option, text):
    outcome = matrix.run("hangs", more=[f"--{option}={text}", "--collect-only"])
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    assert f"--{option}: " in said(outcome)
    assert text in said(outcome)
