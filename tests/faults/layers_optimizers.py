"""Faults of optimizers."""

import functools
from dataclasses import replace

import numpy as np
from gradient_conformance.harness.power.layers import optimizer
from gradient_conformance.reference.optimizers import Optimizer, at_step


def changed(row, change):
    """The row whose step is `change(step, c, parameter, gradient, state, count, options)`."""

    @functools.wraps(row.step)
    def step(c, parameter, gradient, state, count, **options):
        return change(row.step, c, parameter, gradient, state, count, options)

    return replace(row, step=step)


def given(row, **fixed):
    """The row with other options, whatever the case says."""
    return changed(row, lambda step, *at: step(*at[:-1], **{**at[-1], **fixed}))


class Decaying(Optimizer):
    """A row with another weight decay, of the case's and its learning rate."""

    def took(self, c, parameter, gradient, state, count, options):
        now = at_step(options, count)
        return super().took(c, parameter, gradient, state, count, {**now, "weight_decay": self.other(now)})


def decaying(row, other):
    """The row with weight decay `other(decay, lr)`."""
    made = Decaying(row.step, row.state, row.decay, row.recalls)
    object.__setattr__(made, "other", lambda now: other(now["weight_decay"], now["lr"]))
    return made


@optimizer("sgd_momentum_forgotten", "sgd")
def sgd_momentum_forgotten(row):
    """There is no momentum."""
    return given(row, momentum=0.0)


@optimizer("sgd_first_dampened", "sgd")
def sgd_first_dampened(row):
    """The first step is dampened too."""

    def change(step, c, parameter, gradient, state, count, options):
        factor = 1 - options["dampening"] if count == 1 else 1
        return step(c, parameter, factor * gradient, state, count, **options)

    return changed(row, change)


@optimizer("sgd_dampening_forgotten", "sgd")
def sgd_dampening_forgotten(row):
    """Nothing is dampened."""
    return given(row, dampening=0.0)


@optimizer("sgd_dampened_by_momentum", "sgd")
def sgd_dampened_by_momentum(row):
    """The gradient is dampened by 1 - momentum, as in a running mean."""
    return changed(row, lambda step, *at: step(*at[:-1], **{**at[-1], "dampening": at[-1]["momentum"]}))


@optimizer("sgd_nesterov_other", "sgd")
def sgd_nesterov_other(row):
    """Nesterov's momentum where it should be the plain one, or the other way."""
    return changed(row, lambda step, *at: step(*at[:-1], **{**at[-1], "nesterov": not at[-1]["nesterov"]}))


@optimizer("sgd_rate_place", "sgd", "rmsprop")
def sgd_rate_place(row):
    """The learning rate is in the velocity where it should be beside it, or the other way."""

    def change(step, *at):
        return step(*at[:-1], **{**at[-1], "lr_in_velocity": not at[-1]["lr_in_velocity"]})

    return changed(row, change)


@optimizer("decay_coupled", "adamw")
def decay_coupled(row):
    """Decoupled weight decay is added to the gradient."""
    return replace(row, decay="coupled")


@optimizer("decay_decoupled", "adam")
def decay_decoupled(row):
    """Coupled weight decay is taken from the parameter beside the step."""
    return replace(row, decay="decoupled")


@optimizer("decay_forgotten", "sgd", "adam", "adamw", "lion")
def decay_forgotten(row):
    """There is no weight decay."""
    return decaying(row, lambda decay, lr: 0.0)


@optimizer("decay_without_rate", "adamw")
def decay_without_rate(row):
    """Decoupled weight decay isn't multiplied by the learning rate."""
    return decaying(row, lambda decay, lr: decay / lr)


@optimizer("adam_uncorrected", "adam", "adamw")
def adam_uncorrected(row):
    """Moments aren't corrected for their start at 0."""
    return given(row, bias_correction=False)


@optimizer("adam_next_correction", "adam", "adamw")
def adam_next_correction(row):
    """Steps are counted from 2: the correction is that of the next step."""
    return changed(row, lambda step, c, p, g, state, count, o: step(c, p, g, state, count + 1, **o))


@optimizer("adam_epsilon_place", "adam", "adamw", "radam")
def adam_epsilon_place(row):
    """Epsilon stands beside the corrected root where it should be the uncorrected one, or the other way."""
    return changed(
        row, lambda step, *at: step(*at[:-1], **{**at[-1], "epsilon_hat": not at[-1]["epsilon_hat"]})
    )


@optimizer("adam_epsilon_1e-7", "adam", "adamw")
def adam_other_epsilon(row):
    """Epsilon is ten times what it should be."""
    return changed(row, lambda step, *at: step(*at[:-1], **{**at[-1], "epsilon": 10 * at[-1]["epsilon"]}))


@optimizer("adam_betas_swapped", "adam", "adamw", "nadam", "lion")
def adam_betas_swapped(row):
    """Both betas are swapped."""

    def change(step, *at):
        return step(*at[:-1], **{**at[-1], "beta1": at[-1]["beta2"], "beta2": at[-1]["beta1"]})

    return changed(row, change)


@optimizer("amsgrad_forgotten", "adam")
def amsgrad_forgotten(row):
    """The second moment may fall again."""
    return given(row, amsgrad="no")


@optimizer("amsgrad_other_maximum", "adam")
def amsgrad_other_maximum(row):
    """The maximum is of corrected moments where it should be of uncorrected ones, or the other way."""
    other = {"no": "no", "corrected": "uncorrected", "uncorrected": "corrected"}
    return changed(row, lambda step, *at: step(*at[:-1], **{**at[-1], "amsgrad": other[at[-1]["amsgrad"]]}))


@optimizer("adam_square_of_mean", "adam", "adamw")
def adam_square_of_mean(row):
    """The second moment is that of the mean, not of the gradient."""

    def change(step, c, parameter, gradient, state, count, options):
        mean = options["beta1"] * state[0] + (1 - options["beta1"]) * gradient
        after, new = step(
            c, parameter, mean, (state[0], state[1], state[2]), count, **{**options, "beta1": 0.0}
        )
        return after, (mean, *new[1:])

    return changed(row, change)


@optimizer("epsilon_place", "rmsprop", "adagrad", "adamax")
def epsilon_place(row):
    """Epsilon is added to the root where it should be inside, or the other way."""
    return changed(
        row, lambda step, *at: step(*at[:-1], **{**at[-1], "epsilon_inside": not at[-1]["epsilon_inside"]})
    )


@optimizer("rmsprop_not_centred", "rmsprop")
def rmsprop_not_centred(row):
    """The square of the mean isn't subtracted."""
    return given(row, centered=False)


@optimizer("adagrad_initial", "adagrad")
def adagrad_initial(row):
    """The sum of squares begins at 0."""
    return given(row, initial=0.0)


@optimizer("adagrad_forgets", "adagrad")
def adagrad_forgets(row):
    """Only the last square counts."""
    return changed(row, lambda step, c, p, g, state, count, o: step(c, p, g, (0 * state[0],), count, **o))


@optimizer("adadelta_steps_forgotten", "adadelta")
def adadelta_steps_forgotten(row):
    """The mean of the steps' squares stays 0."""
    return changed(
        row, lambda step, c, p, g, state, count, o: step(c, p, g, (state[0], 0 * state[1]), count, **o)
    )


@optimizer("adamax_maximum_forgotten", "adamax")
def adamax_maximum_forgotten(row):
    """The last gradient's size takes the place of the largest."""
    return changed(
        row, lambda step, c, p, g, state, count, o: step(c, p, g, (state[0], 0 * state[1]), count, **o)
    )


@optimizer("nadam_not_warmed", "nadam")
def nadam_not_warmed(row):
    """The momentum is beta1 from the first step on."""
    return given(row, warming=0.0)


@optimizer("radam_not_rectified", "radam")
def radam_not_rectified(row):
    """Every step is by the mean alone, as the first ones are."""

    def change(step, c, parameter, gradient, state, count, options):
        mean = options["beta1"] * state[0] + (1 - options["beta1"]) * gradient
        return parameter - options["lr"] * mean / (1 - options["beta1"] ** count), (mean, state[1])

    return changed(row, change)


@optimizer("lion_no_mean", "lion")
def lion_no_mean(row):
    """The step is by the gradient's sign alone."""
    return changed(
        row,
        lambda step, c, p, g, state, count, o: (
            p - o["lr"] * np.sign(g),
            step(c, p, g, state, count, **o)[1],
        ),
    )
