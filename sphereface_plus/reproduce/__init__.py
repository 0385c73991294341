"""The paper's tables and figures as commands: many runs of one recipe, and a table beside the paper's."""

ACCURACY = "test/accuracy"
"""What a table reads in the logs of its runs, the share of test images told right: higher is better."""
MOST_SEEDS = 29
"""results.STUDENT has the quantiles for intervals over so many."""
