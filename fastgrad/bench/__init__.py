"""Speed, measured: what is run (workloads), how it is timed (timing), by whom (worker, peers), in what order (runs), and
the tables that come out (suites).  Nothing of the library imports it.
"""
