"""Points on a sphere under the energies of `sphereface_plus.mhe`: minima, known numbers, limits, figures."""
