"""From an answer, a reference and a ledger to a line of the run file."""
