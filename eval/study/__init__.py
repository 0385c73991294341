"""Arms from one start a seed, trained, measured and compared: docs/does_mhe_help.md."""
