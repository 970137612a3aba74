"""Speed, measured: what is run (workloads, pieces), how it is timed (timing), by whom (worker, peers), in what order (runs),
the tables that come out (suites); and what becomes of them (results): compared (compare), shown (report).  Nothing of the
library imports it.
"""
