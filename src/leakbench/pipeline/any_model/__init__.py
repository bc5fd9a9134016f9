"""Shadow models from the user's own training code: an estimator or a function, in processes of this machine."""
