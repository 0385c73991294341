"""MegaFace: challenge 1, from the kit's lists, images or features to a report."""
