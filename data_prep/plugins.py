"""Kinds of photos that Pillow reads with a package of their own: HEIC of telephones, and JPEG XL.

The package is looked for only when there is such a photo.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

_HEIC_BRANDS = frozenset(b"heic heix heim heis hevc hevx hevm hevs mif1 msf1".split())
_JXL_BEGINNINGS = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"


@dataclass(frozen=True)
class Plugin:
    kind: str
    package: str
    """As pip calls it."""
    module: str

    def load(self) -> bool:
        """Makes Pillow read this kind; False where the package is not installed."""
        try:
            module = import_module(self.module)
        except ImportError:
            return False
        if self.module == "pillow_heif":  # the other one registers itself
            module.register_heif_opener()
        return True

    @property
    def problem(self) -> str:
        """Of a photo for which the package is missing."""
        return f"needs {self.package}"


PLUGINS = (Plugin("HEIC", "pillow-heif", "pillow_heif"), Plugin("JPEG XL", "pillow-jxl-plugin", "pillow_jxl"))


def plugin_for(data: bytes) -> Plugin | None:
    """What a file that Pillow does not know is read with."""
    heic, jxl = PLUGINS
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        return heic
    return jxl if data.startswith(_JXL_BEGINNINGS) else None


def is_solved(problem: str) -> bool:
    """Whether a photo's problem was that a package was missing, which is installed by now."""
    return any(problem == plugin.problem and find_spec(plugin.module) is not None for plugin in PLUGINS)


def advice(problem: str, count: int) -> str | None:
    """What to do about so many photos with a problem, if a package is all that they need."""
    for plugin in PLUGINS:
        if problem == plugin.problem:
            photos = "1 photo is" if count == 1 else f"{count:,} photos are"
            return f"{photos} {plugin.kind}: pip install {plugin.package}, then the same command again"
    return None
