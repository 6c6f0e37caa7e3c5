"""Contracts on the pure rooms, put to CrossHair: `python -m models.contracts`.

A contract is a function whose parameters are what is open: CrossHair runs it with symbols in
their place, lets z3 look for values that take it down each path, and has confirmed it once no path
is left. What it calls is the code that ships.
"""
