"""Operations as pure functions: a request and what was read give a plan of writes."""
