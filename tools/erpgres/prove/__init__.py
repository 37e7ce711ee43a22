"""The access proof: who can see and do what, derived from the catalog and asked of a real stack.

`run.prove` does all of it. `stage` makes a database and a stack of the proof's own, `world` fills it, `surface` reads
from the catalog what there is, `principals` says who asks. `rights` and `reach` ask in SQL (grants without policies,
policies without grants), `web` and its parts ask through the gateway, `rules` holds what no matrix may bless, `matrix`
compares with the committed one, `mutants` and `hunt` break the schema on purpose, `report` writes it down.
"""
