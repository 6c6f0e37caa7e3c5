"""What the library is checked against: a reference model of plain dictionaries.

`requests` says what can be asked for, `reference` applies a request to a world at one stroke, and
`possible` keeps the worlds that may be, while it is not known what became of a request.
"""
