"""`-m quick`: of every case file the variants that call an op which none before them calls."""

CASE = """
title = "Three functions"
source = "A test of the harness"
program = "z = {op}(k * x)"

[sweep]
op = ["exp", "sin", "cos"]
k = [1, 2]

[tensors]
x = { shape = [3], uniform = [-1, 1] }
"""


def test_a_variant_for_each_op_is_quick(matrix):
    matrix.case.write_text(CASE)
    outcome = matrix.run("faultless", more=["-m", "quick", "-q", "--strict-markers"])
    assert outcome.parseoutcomes()["passed"] == 6
    ran = {cell.partition("-float")[0].rpartition("op:")[2] for cell in matrix.verdicts()}
    assert ran == {"exp-k:1", "sin-k:1", "cos-k:1"}
