"""The paper's tables and figures as commands: many runs of one recipe, and a table beside the paper's."""

MOST_SEEDS = 29
"""results.STUDENT has the quantiles for intervals over so many."""
