"""The parts of `fg.check_gradients` (check.py): slopes by differences, what is checked, the verdicts, the report."""
