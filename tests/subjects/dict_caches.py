# %%
import numpy as np

reg = 0.5


# %%
def forward(params, X):
    cache = {"X": X}
    cache["a"] = X.T @ params["W1"] + params["b1"]
    cache["h"] = np.maximum(cache["a"], 0)
    cache["scores"] = cache["h"] @ params["W2"] + params["b2"]
    return cache["scores"], cache


def softmax_loss(scores, y):
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    n = len(y)
    dscores = np.exp(log_p)
    dscores[np.arange(n), y] -= 1
    return -log_p[np.arange(n), y].mean(), dscores / n


# %%
def backward(params, cache, dscores):
    grads = {"scores": dscores}
    grads["W2"] = cache["h"].T @ dscores + 2 * reg * params["W2"]
    grads["b2"] = dscores.sum(axis=0)
    grads["h"] = dscores @ params["W2"].T
    da = grads["h"] * (cache["a"] > 0)
    grads["W1"] = cache["X"] @ da + 2 * reg * params["W1"]
    grads["b1"] = da.sum(axis=0)
    grads["X"] = (da @ params["W1"].T).T
    return grads


# %%
assert reg > 0


# %%
def cs231n_two_layer(X, y, **params):
    params = {name: params[name] for name in ("W1", "b1", "W2", "b2")}
    scores, cache = forward(params, X)
    data_loss, dscores = softmax_loss(scores, y)
    penalty = sum(np.sum(params[name] ** 2) for name in ("W1", "W2"))
    values = {"h": cache["h"], "scores": scores, "data_loss": data_loss}
    return values | {"loss": data_loss + params["W1"].dtype.type(reg) * penalty}, backward(
        params, cache, dscores
    )
