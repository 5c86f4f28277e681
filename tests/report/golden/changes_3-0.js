loaded("changes/3-0.js", [["#notebooks/dense::k:16-float32-torch-eager","notebooks/dense::k:16-float32-torch-eager","not there -\u003e crashed","died of signal 11 (SIGSEGV)"]]);
