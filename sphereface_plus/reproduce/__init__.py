"""The paper's tables and figures as commands: many runs of one recipe, and a table beside the paper's."""
