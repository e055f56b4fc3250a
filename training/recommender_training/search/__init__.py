"""The search for hyperparameters: on the past alone, resumable, confirmed once by `train`."""
