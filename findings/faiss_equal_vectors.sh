#!/bin/sh
# faiss, IndexFlatIP: equal vectors of a gallery are not equal to a search. With one query the last of them comes first;
# with many the scores are a matrix product's, whose last bits depend on a row's place: copies of one vector get several.
. "$(dirname "$0")/setup.sh"
packages faiss-cpu==1.15.1 numpy==2.4.6
cat >search.py <<'PY'
import faiss
import numpy as np

rng, copies = np.random.default_rng(0), [0, 1, 7, 500, 1021, 1999]
gallery = rng.standard_normal((2000, 128)).astype(np.float32)
gallery[copies] = gallery[0]
gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
assert (gallery[copies] == gallery[0]).all()
query = (gallery[0] + 0.05 * rng.standard_normal(128)).astype(np.float32)
index = faiss.IndexFlatIP(128)
index.add(gallery)
different = {}
for count in (1, 3530):
    scores, rows = index.search(np.repeat(query[None], count, axis=0), len(copies))
    assert all(sorted(row) == copies for row in rows.tolist())
    different[count] = len(np.unique(scores))
    print(f"{count} equal queries: scores of the one pair of vectors: {different[count]}, copies in the order {rows[0]}")
    assert count > 1 or rows[0].tolist() == copies[::-1]
assert different[1] == 1
assert different[3530] > 1, "this processor's matrix product shows no difference"
PY
venv/bin/python search.py
