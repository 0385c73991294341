"""SphereFace+ in PyTorch: face recognition with angular margins and minimum hyperspherical energy.

Import what you need from the parts: `sphereface_plus.mhe`, `.networks`, `.losses`, `.embedding`,
`.checkpoint`.
"""

__version__ = "0.1.0"
