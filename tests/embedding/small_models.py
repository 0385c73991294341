"""The input spec and the settings of the small models here."""

from sphereface_plus.config import InputSpec, from_dict, to_dict
from tests.small_sets import small_recipe

SPEC = InputSpec(template="small_48x32", height=48, width=32)
CONFIG = from_dict(small_recipe(network={"name": "sphereface4", "embedding_size": 8, "input": to_dict(SPEC)}))
