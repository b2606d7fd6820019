"""Closed-loop evaluation: trials, controls, interventions, figures with intervals, a page with films.

`kinevla.evaluation.runner.evaluate` runs everything; the parts are importable on their own.
"""
