loaded("changes/4-0.js", [["","notebooks/dense::k:5-text:\u003cscript\u003ealert(1)\u003c/script\u003e-float32-jax-eager","agree -\u003e not there",""]]);
