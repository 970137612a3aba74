"""Ratings of a low rank with a part of them unknown: what the tests of the recommender work on."""

import numpy as np
from scipy import sparse

USERS, ITEMS = 150, 60


def planted(rng, users=USERS, items=ITEMS, k=2, filled=0.5):
    """Ratings of rank k around 3 with biases, a true matrix, and which entries are known."""
    whole = 3 + rng.normal(size=(users, 1)) / 2 + rng.normal(size=items) / 2
    whole += rng.normal(size=(users, k)) @ rng.normal(size=(k, items))
    known = rng.random(whole.shape) < filled
    u, i = np.nonzero(known)
    return sparse.csr_array((whole[u, i], (u, i)), shape=whole.shape), whole, known
