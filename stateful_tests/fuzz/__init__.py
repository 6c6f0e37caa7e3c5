"""The nightly search: random histories on every core, their failures kept, and a report.

A history that fails is kept as the steps that it took, so that it can be told again without
Hypothesis and whatever the strategies have become since.
"""
