"""The protocol's rules, by the kind of record that they are about.

Each takes the records and a call, and answers the records afterwards and the facts of the result,
or raises a refusal.
"""
