"""failure — the two ways in which a case has no figures. Knows nothing of cases."""


class BenchError(Exception):
    """Bytes were wrong, a server died or a tool failed: the bench as a whole fails."""


class Skipped(Exception):
    """Something that the case needs is not there: said in the table, no failure."""
