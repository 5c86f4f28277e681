"""Case files with one mistake each: what is changed in a right one, and what is said of it."""

BASE = '''title = "t"
source = "s"
program = """
y = A @ x
z = sigmoid(y)
"""

[tensors]
A = { shape = [2, 3], uniform = [-1, 1] }
x = { shape = [3], uniform = [-1, 1] }
'''
TRAINING = '\n[training]\noptimizer = { sgd = { lr = 0.1 } }\nparameters = ["A"]\nsteps = 2\n'

Change = str | tuple[str, str]


def changed(*changes: Change, text: str = BASE) -> str:
    """The text with each pair's first part replaced by its second, and each string added to its end."""
    for change in changes:
        if isinstance(change, str):
            text += change
        else:
            old, new = change
            assert old in text
            text = text.replace(old, new, 1)
    return text


ROWS: dict[str, tuple[str, *tuple[Change, ...]]] = {
    "assigned_twice": ('5:1: "y" is assigned twice; it was assigned on line 4. A name is assigned once', ("z", "y")),
    "assigns_a_tensor": ('5:1: "A" cannot be assigned: it is the name of a tensor', ("z", "A")),
    "bool_of_two": ("11:16: 2 is no element of a bool tensor; allowed are true and false", ("sigmoid(y", "where(n, y, 0"), 'n = { values = [2, 0], dtype = "bool" }\n'),
    "cotangent_of_another": ('13:1: "y" is not the output; allowed are z', "\n[cotangents]\ny = { full = 1 }\n"),
    "cotangent_of_scalar": ('13:1: "z" is a scalar: its cotangent is 1 and cannot be given', ("sigmoid", "sum"), "\n[cotangents]\nz = { full = 1 }\n"),
    "cotangent_other_shape": ("13:16: values have shape (3,), but the tensor has shape (2,)", "\n[cotangents]\nz = { values = [1, 2, 3] }\n"),
    "cotangent_with_shape": ('13:7: unknown key "shape"; allowed are values, uniform, normal, linspace, arange, full, choice, one_hot, labels, tril, file', "\n[cotangents]\nz = { shape = [2], full = 1 }\n"),
    "dtype_twice": ('3:22: "float32" stands here twice', ("program", 'dtypes = ["float32", "float32"]\nprogram')),
    "duplicate_inline_key": ('10:20: duplicate key "shape"; it stands on line 10 already', ("[3], uniform", "[3], shape = [2], uniform")),
    "duplicate_key": ('3:1: duplicate key "title"; it stands on line 1 already', ("program", 'title = "u"\nprogram')),
    "duplicate_table": ('12:2: duplicate key "tensors"; it stands on line 8 already', "\n[tensors]\nB = { shape = [2], full = 1 }\n"),
    "duplicate_tensor": ('11:1: duplicate key "A"; it stands on line 9 already', "A = { shape = [2], full = 1 }\n"),
    "each_epoch": ('10:27: tensors.x.each is "epoch"; allowed are step', ("[3], uniform", '[3], each = "epoch", uniform'), TRAINING),
    "each_of_constants": ('10:27: each = "step" needs a random generator (uniform, normal, choice, one_hot, labels), not full', ("[3], uniform = [-1, 1]", '[3], each = "step", full = 1'), TRAINING),
    "each_without_training": ('10:27: each = "step" needs a [training] with steps', ("[3], uniform", '[3], each = "step", uniform')),
    "empty_choice": ("10:29: tensors.x.choice must be a list of length >= 1", ("[3], uniform = [-1, 1", "[3], choice = [")),
    "empty_program": ("4:1: the program is empty; it needs at least one assignment, such as `y = A @ x`", ("y = A @ x\nz = sigmoid(y)\n", "\n")),
    "empty_sweep": ("13:5: sweep.k must be a list of length >= 1", ("[3", '["k"'), "\n[sweep]\nk = []\n"),
    "empty_title": ("1:9: title must be a string of length >= 1", ('"t', '"')),
    "exact_number": ("3:9: exact is an integer, but must be true or false", ('program = """\ny = A @ x\nz = sigmoid(y)\n"""\n', 'exact = 1\nprogram = "y = sum(x)"\n'), ("A = { shape = [2, 3], uniform = [-1, 1] }\nx = { shape = [3], uniform = [-1, 1] }\n", "x = { values = [1, 3] }\n")),
    "exact_rounds": ("5:9: the case is not exact: y.1 at [1] needs 1/3, which is not representable in float32 (variant f:sum)", ("program", "exact = true\nprogram"), ("y = A @ x\nz = sigmoid(y)", "y = {f}(1 / x)"), ("[tensors]\nA = { shape = [2, 3], uniform = [-1, 1] }\n", '[sweep]\nf = ["sum"]\n\n[tensors]\n'), ("shape = [3], uniform = [-1, 1]", "values = [1, 3]")),
    "expect_a_number": ("12:3: expect[0] has 1.5, but must have a string or a list of such", '\n[[expect]]\nvalue = "z"\nis = 1.5\n'),
    "expect_a_word": ('12:3: expect[0] has "one", but must have a number as it is printed, such as "0.511301270", or a fraction such as "1/5"', '\n[[expect]]\nvalue = "z"\nis = "one"\n'),
    "expect_after_step": ("15:14: after_step is 1, but may be at most 0 here", '\n[[expect]]\nvalue = "z"\nat = [1]\nafter_step = 1\nis = "1"\n'),
    "expect_an_empty_list": ("12:3: expect[0] has an empty list, but must have a string or a list of such", '\n[[expect]]\nvalue = "z"\nis = []\n'),
    "expect_fraction_after_step": ("21:6: a fraction is held to the reference's own error, which is not known after a step; print digits", TRAINING + '\n[[expect]]\nparameter = "A"\nat = [0, 0]\nafter_step = 1\nis = "1/3"\n'),
    "expect_huge_exponent": ('15:6: "1e999999999" is beyond what a float64 holds', '\n[[expect]]\nvalue = "z"\nat = [1]\nis = "1e999999999"\n'),
    "expect_list_at": ("15:6: one element is one number, not a list", '\n[[expect]]\nvalue = "z"\nat = [1]\nis = ["1"]\n'),
    "expect_no_is": ('12:3: the key "is" is missing', '\n[[expect]]\nvalue = "z"\n'),
    "expect_of_nothing": ("12:3: expect[0] has no role, but must have exactly one of value, gradient, parameter", '\n[[expect]]\nis = "1"\n'),
    "expect_of_two": ("12:3: expect[0] has value and gradient, but must have exactly one of value, gradient, parameter", '\n[[expect]]\nvalue = "z"\ngradient = "A"\nis = "1"\n'),
    "expect_other_shape": ("14:6: z has shape (2,), but what it is has shape (); at = [...] names one element", '\n[[expect]]\nvalue = "z"\nis = "1"\n'),
    "expect_outside": ("14:6: [2] is no element of z, which has shape (2,)", '\n[[expect]]\nvalue = "z"\nat = [2]\nis = "1"\n'),
    "expect_parameter_at_start": ("17:3: a parameter needs after_step = 1 or more: before it is what the case says", TRAINING + '\n[[expect]]\nparameter = "A"\nat = [0, 0]\nis = "1"\n'),
    "expect_unknown_value": ('13:9: there is no value "zz" here; allowed are y, z; did you mean "z"?', '\n[[expect]]\nvalue = "zz"\nis = ["1", "2"]\n'),
    "expect_unknown_variant": ('17:11: no variant "f:tan"; allowed are f:tanh; did you mean "f:tanh"?', ("sigmoid", "{f}"), '\n[sweep]\nf = ["tanh"]\n\n[[expect]]\nvalue = "z"\nvariant = "f:tan"\nis = ["1", "2"]\n'),
    "feeds_nothing": ('5:1: "u" feeds nothing: neither another assignment nor output, values or gradients; list it under `values` to compare it', ("y = A @ x\n", "y = A @ x\nu = exp(y)\n")),
    "file_outside": ('10:27: "../conftest.py" lies outside the case root', ("[3], uniform = [-1, 1]", '[3], file = "../conftest.py"')),
    "fractional_size": ("10:16: tensors.x.shape[0] is a number, but must be an integer or a string", ("[3", "[3.5")),
    "gradient_of_labels": ('3:19: "y2" is int64 and has no gradient; allowed are A, x, y, z; did you mean "y"?', ("program", 'gradients = ["A", "y2"]\nprogram'), ("sigmoid(y", "cross_entropy(y, y2"), "y2 = { shape = [], labels = 2 }\n"),
    "gradient_twice": ('3:19: "A" stands here twice', ("program", 'gradients = ["A", "A"]\nprogram')),
    "gradients_is_a_string": ("3:13: gradients is a string, but must be a list", ("program", 'gradients = "A"\nprogram')),
    "huge_seed": ("3:8: seed must be an integer <= 9007199254740992", ("program", "seed = 99999999999999999999\nprogram")),
    "labels_as_floats": ("5:5: mul: input 2 is int64, but must be float", ("sigmoid(y)", "y * n"), "n = { shape = [2], labels = 2 }\n"),
    "labels_none": ("11:28: tensors.n.labels must be an integer >= 1", ("sigmoid(y", "cross_entropy(y, n"), "n = { shape = [], labels = 0 }\n"),
    "labels_not_whole": ("11:16: 0.5 is no integer, but the tensor is int64", ("sigmoid(y", "cross_entropy(y, n"), 'n = { values = 0.5, dtype = "int64" }\n'),
    "missing_option": ('13:21: the key "lr" is missing', '\n[training]\noptimizer = { sgd = {  } }\nparameters = ["A"]\nsteps = 2\n'),
    "missing_program": ('the key "program" is missing', ('program = """\ny = A @ x\nz = sigmoid(y)\n"""\n', "")),
    "missing_tensors": ('the key "tensors" is missing', ("\n[tensors]\nA = { shape = [2, 3], uniform = [-1, 1] }\nx = { shape = [3], uniform = [-1, 1] }\n", "")),
    "missing_title": ('the key "title" is missing', ('title = "t"\n', "")),
    "misspelt_op": ('5:5: unknown op "sigmiod"; did you mean "sigmoid"?', ("sigmoid", "sigmiod")),
    "name_shared_with_constant": ('10:1: "pi" cannot be a tensor: it is a constant already; a name means one thing', ("x", "pi"), ("x ", "pi ")),
    "name_shared_with_op": ('10:1: "exp" cannot be a tensor: it is an op already; a name means one thing', ("x", "exp"), ("x ", "exp ")),
    "name_shared_with_tensor": ('13:1: "x" cannot be a size: it is a tensor already; a name means one thing', ("[3", '["x"'), "\n[sizes]\nx = 3\n"),
    "name_with_hyphen": ("10:1: tensors.x-1 is not allowed: a name is at most 200 letters, digits and _, and does not start with a digit", ("x ", "x-1 ")),
    "negative_deviation": ("10:29: normal needs mean and a deviation of 0 or more, not 0.0 and -1.0", ("[3], uniform = [-1, 1", "[3], normal = [0, -1")),
    "negative_seed": ("3:8: seed must be an integer >= 0", ("program", "seed = -1\nprogram")),
    "negative_size": ("10:16: tensors.x.shape[0] must be an integer >= 0", ("[3", "[-3")),
    "no_assignment": ("5:1: only assignments such as `y = A @ x` are allowed here", ("z = sigmoid", "sigmoid")),
    "no_dtypes": ("3:10: dtypes must be a list of length >= 1", ("program", "dtypes = []\nprogram")),
    "no_generator": ("10:5: tensors.x has no generator, but must have exactly one of values, uniform, normal, linspace, arange, full, choice, one_hot, labels, tril, file", ("[3], uniform = [-1, 1]", "[3]")),
    "no_optimizer": ("13:13: training.optimizer has no optimizer, but must have exactly one of sgd", '\n[training]\noptimizer = {}\nparameters = ["A"]\nsteps = 2\n'),
    "no_shape": ("10:5: tensors.x has no shape, which uniform needs", ("shape = [3], uniform", "uniform")),
    "no_steps": ('12:2: the key "steps" is missing', '\n[training]\noptimizer = { sgd = { lr = 0.1 } }\nparameters = ["A"]\n\n'),
    "no_such_file": ('10:27: there is no file "absent.npy" beside the case', ("[3], uniform = [-1, 1]", '[3], file = "absent.npy"')),
    "no_toml": ("2:10: this is no TOML: invalid value", ('"s"', "s")),
    "number_undefined": ("5:9: this number cannot be worked out: log(-2) is nan", ("sigmoid(y", "y * log(-2")),
    "numbers_alone": ("5:9: sum of numbers alone; it needs a tensor", ("sigmoid(y", "y * sum(2")),
    "one_hot_axis": ("10:30: one_hot's axis 1 is outside shape (3,)", ("[3], uniform = [-1, 1]", "[3], one_hot = 1")),
    "option_is_a_string": ("13:28: training.optimizer.sgd.lr is a string, but must be a number", '\n[training]\noptimizer = { sgd = { lr = "0.1" } }\nparameters = ["A"]\nsteps = 2\n'),
    "output_placeholder": ('3:10: the placeholder "k" has no words in [sweep]; there is none (variant k:3)', ("program", 'output = "{k}"\nprogram'), ("[3", '["k"'), "\n[sweep]\nk = [3]\n"),
    "parameter_is_drawn_anew": ('14:15: "x" cannot be trained; allowed are A', ("[3], uniform", '[3], each = "step", uniform'), '\n[training]\noptimizer = { sgd = { lr = 0.1 } }\nparameters = ["x"]\nsteps = 2\n'),
    "placeholder_of_a_tensor": ("5:5: a placeholder stands here for 'A'; a swept word may be an op's name, as in {f}(x), an attribute's value, or a name in output, values and gradients; a tensor stands in a program by its own name (variant t:A)", ("sigmoid(y)", "{t} @ x + y"), '\n[sweep]\nt = ["A"]\n'),
    "placeholder_op": ('5:5: unknown op "tahn"; did you mean "tanh"? (variant f:tahn)', ("sigmoid", "{f}"), '\n[sweep]\nf = ["tanh", "tahn"]\n'),
    "program_syntax": ("5:12: cannot be read: '(' was never closed", ("y)", "y")),
    "quoted_name": ("10:1: tensors.x y is not allowed: a name is at most 200 letters, digits and _, and does not start with a digit", ("x ", '"x y" ')),
    "ragged_values": ("10:5: the rows of this list differ in length or depth", ("shape = [3], uniform = [-1, 1", "values = [[1, 2], [3]")),
    "runs_a_loop": ("5:1: only assignments such as `y = A @ x` are allowed here", ("z = sigmoid(y)", "for i in y: z = i")),
    "runs_code": ("5:5: only ops can be called, by their name", ("sigmoid(y", "__import__('os').system('true'")),
    "seed_is_a_bool": ("3:8: seed is true or false, but must be an integer", ("program", "seed = true\nprogram")),
    "shape_does_not_fit": ("4:5: matmul: shapes (2, 3) and (4,) do not fit: inner sizes 3 and 4 differ", ("[3", "[4")),
    "shape_is_a_number": ("10:15: tensors.x.shape is an integer, but must be a string or a list", ("[3]", "3")),
    "shape_placeholder": ('10:15: "s" is no list of integers in [sweep]; there is none', ("[3]", '"{s}"'), "\n[sizes]\ns = 3\n"),
    "shape_word": ('10:15: tensors.x.shape is not allowed: a shape is a list such as [2, "k"], or a placeholder such as "{bias_shape}"', ("[3]", '"s"')),
    "size_below_zero": ('10:17: "3 - 4" is -1, but a dimension must be 0 or more, and at most 2**53', ("[3", '["3 - 4"')),
    "size_code": ("10:17: a dimension is made of integers and sizes with + - * // alone", ("[3", '["__import__(1)"')),
    "size_divides_by_zero": ("10:17: this dimension divides by 0", ("[3", '["3 // 0"')),
    "size_is_a_float": ("13:5: sizes.k is a number, but must be an integer", ("[3", '["k"'), "\n[sizes]\nk = 3.5\n"),
    "size_power": ("10:17: a dimension is made of integers and sizes with + - * // alone", ("[3", '["3 ** 2"')),
    "size_unknown": ('10:21: unknown size "kk"; allowed are k; did you mean "k"?', ("[3", '["2 * kk"'), "\n[sizes]\nk = 3\n"),
    "size_unreadable": ('10:17: the dimension "3 +" cannot be read', ("[3", '["3 +"')),
    "size_with_dots": ('10:16: tensors.x.shape[0] is not allowed: a dimension is an integer or made of sizes with + - * //, such as "2 * k"', ("[3", '["k.real"')),
    "sweep_bool_as_number": ("5:5: mul: True and False are no numbers (variant f:true)", ("sigmoid(y)", "{f} * y"), "\n[sweep]\nf = [true]\n"),
    "sweep_not_a_list": ("13:5: sweep.k is an integer, but must be a list", ("[3", '["k"'), "\n[sweep]\nk = 3\n"),
    "sweep_shape_does_not_fit": ("4:5: matmul: shapes (2, 3) and (4,) do not fit: inner sizes 3 and 4 differ (variant k:4)", ("[3", '["k"'), "\n[sweep]\nk = [3, 4]\n"),
    "sweep_twice": ("13:14: tanh is swept twice", ("sigmoid", "{f}"), '\n[sweep]\nf = ["tanh", "tanh"]\n'),
    "sweep_word": ("13:6: sweep.f[0] is not allowed: a word is at most 200 letters, digits and _", ("sigmoid", "{f}"), '\n[sweep]\nf = ["tanh x"]\n'),
    "title_is_a_date": ("1:9: title is a date, but must be a string", ('"t"', "2020-01-01")),
    "title_is_a_number": ("1:9: title is an integer, but must be a string", ('"t"', "1")),
    "too_large": ("10:15: 50000001 elements, but at most 50000000 are allowed", ("[3], uniform = [-1, 1]", "[50000001], full = 1")),
    "too_large_inside": ("9:2: all tensors of a variant have 70000022 elements together; at most 50000000 are allowed", ("z = sigmoid(y)\n", "u = reshape(A, shape=(6, 1)) + big\nz = sigmoid(y) + sum(u)\n"), "big = { shape = [1, 10000000], full = 1 }\n"),
    "too_many_inputs": ("5:5: sigmoid takes 1 tensor by position, not 2; attributes are given by name", ("(y", "(y, x")),
    "too_many_steps": ("15:9: training.steps must be an integer <= 10000", '\n[training]\noptimizer = { sgd = { lr = 0.1 } }\nparameters = ["A"]\nsteps = 10001\n'),
    "too_many_variants": ("12:2: 10648 variants, but at most 10000 are allowed", ("sigmoid(y)", "sigmoid(y) + {b} + {c} + {d}"), ("[3]", '["a"]'), "\n[sweep]\na = [3]\n" + "".join(f"{n} = {list(range(22))}\n" for n in "bcd")),
    "too_much_program": ("12:2: 6000 variants of a file of 39780 characters are too many; their product may be at most 5000000", ("sigmoid(y)", "sigmoid(y) * {k}" + " " * 4_700), ("[3]", '["a"]'), f"\n[sweep]\na = [3]\nk = {list(range(6_000))}\n"),
    "tril_of_vector": ("10:27: tril needs two dimensions or more, not shape (3,)", ("[3], uniform = [-1, 1]", "[3], tril = 1")),
    "two_generators": ("10:5: tensors.x has uniform and full, but must have exactly one of values, uniform, normal, linspace, arange, full, choice, one_hot, labels, tril, file", ("[3], uniform", "[3], full = 1, uniform")),
    "unbound_placeholder": ('5:5: the placeholder "activation" is bound neither in [sweep] nor in [sizes]', ("sigmoid", "{activation}")),
    "unclosed_string": ("10:31: this is no TOML: illegal character '\\n'", ("[3], uniform = [-1, 1]", '[3], file = "x')),
    "uniform_infinite": ("10:30: uniform needs two finite numbers, not -1.0 and inf", ("[3], uniform = [-1, 1", "[3], uniform = [-1, inf")),
    "uniform_integers": ("10:30: uniform gives floats, but the tensor is int64", ("[3], uniform = [-1, 1]", '[3], uniform = [-1, 1], dtype = "int64"')),
    "uniform_of_three": ("10:30: tensors.x.uniform must be a list of length 2, got 3", ("[3], uniform = [-1, 1", "[3], uniform = [-1, 0, 1")),
    "uniform_reversed": ("10:30: uniform needs low and high, in this order, not 1.0 and -1.0", ("[3], uniform = [-1, 1", "[3], uniform = [1, -1")),
    "uniform_words": ("10:31: tensors.x.uniform[0] is a string, but must be a number", ("[3], uniform = [-1, 1", '[3], uniform = ["a", "b"')),
    "unknown_attribute": ('5:16: softmax has no attribute "axes"; it has: axis; write axis', ("sigmoid(y", "softmax(y, axes=0")),
    "unknown_dtype": ('3:11: dtypes[0] is "float23"; allowed are float32, float64; did you mean "float32"?', ("program", 'dtypes = ["float23"]\nprogram')),
    "unknown_gradient": ('3:19: "X" is no tensor and not assigned; allowed are A, x, y, z; did you mean "x"?', ("program", 'gradients = ["A", "X"]\nprogram')),
    "unknown_key": ('3:1: unknown key "gradient"; allowed are title, source, program, output, values, gradients, dtypes, exact, seed, sizes, sweep, tensors, cotangents, training, expect; did you mean "gradients"?', ("program", 'gradient = ["A"]\nprogram')),
    "unknown_key_exactly": ('3:1: unknown key "exactly"; allowed are title, source, program, output, values, gradients, dtypes, exact, seed, sizes, sweep, tensors, cotangents, training, expect; did you mean "exact"?', ("program", "exactly = true\nprogram")),
    "unknown_key_in_tensor": ('10:20: unknown key "unifrom"; allowed are values, uniform, normal, linspace, arange, full, choice, one_hot, labels, tril, file, shape, dtype, each; did you mean "uniform"?', ("[3], uniform", "[3], unifrom")),
    "unknown_name": ('5:13: unknown name "yy"; did you mean "y"?', ("(y", "(yy")),
    "unknown_optimizer": ('13:15: unknown key "sdg"; allowed are sgd; did you mean "sgd"?', '\n[training]\noptimizer = { sdg = { lr = 0.1 } }\nparameters = ["A"]\nsteps = 2\n'),
    "unknown_option": ('13:23: unknown key "rl"; allowed are lr', '\n[training]\noptimizer = { sgd = { rl = 0.1 } }\nparameters = ["A"]\nsteps = 2\n'),
    "unknown_output": ('3:10: the output "w" is not assigned in the program; allowed are y, z', ("program", 'output = "w"\nprogram')),
    "unknown_parameter": ('14:20: "B" cannot be trained; allowed are A, x', '\n[training]\noptimizer = { sgd = { lr = 0.1 } }\nparameters = ["A", "B"]\nsteps = 2\n'),
    "unknown_table": ('12:2: unknown key "sweeps"; allowed are title, source, program, output, values, gradients, dtypes, exact, seed, sizes, sweep, tensors, cotangents, training, expect; did you mean "sweep"?', "\n[sweeps]\nk = [1]\n"),
    "unknown_tensor_dtype": ('10:28: tensors.x.dtype is "int46"; allowed are int64, bool; did you mean "int64"?', ("[3], uniform", '[3], dtype = "int46", uniform')),
    "unused_size": ('13:1: "k" is used nowhere', "\n[sizes]\nk = 3\n"),
    "unused_sweep": ('13:1: "k" is used nowhere', "\n[sweep]\nk = [3]\n"),
    "unused_tensor": ('11:1: the program does not use the tensor "B"', "B = { shape = [2], full = 1 }\n"),
    "used_before_assigned": ('4:9: "z" is used before it is assigned on line 5', ("x", "z")),
    "value_of_a_tensor": ('3:11: "A" is not assigned in the program; allowed are y, z', ("program", 'values = ["A"]\nprogram')),
    "values_beyond_integers": ("10:16: this integer is beyond 2**53", ("shape = [3], uniform = [-1, 1", "values = [9007199254740993, 1, 2")),
    "values_bool_in_floats": ('10:16: true needs dtype = "bool"', ("shape = [3], uniform = [-1, 1", "values = [true, 1, 2")),
    "values_of_words": ("10:5: tensors.x has '3', but must have a number, true, false or a list of such", ("shape = [3], uniform = [-1, 1", 'values = ["1", "2", "3"')),
    "values_other_shape": ("10:29: values have shape (2,), but the tensor has shape (3,)", ("[3], uniform = [-1, 1", "[3], values = [1, 2")),
    "wrong_attribute": ("5:5: softmax: axis 1 is outside shape (2,)", ("sigmoid(y", "softmax(y, axis=1")),
    "wrong_reduction": ("5:5: mse: reduction is 'man', but must be one of 'mean', 'sum', 'none'", ("sigmoid(y", "mse(y, y, reduction='man'")),
}  # fmt: skip
"""By name: what is said, with line and column, and then what is changed."""

WRONG = {name: changed(*changes) for name, (_, *changes) in ROWS.items()}
MESSAGES = {name: message for name, (message, *_) in ROWS.items()}
