"""IJB-B and IJB-C: from lists and features, or images, of templates to a report."""
