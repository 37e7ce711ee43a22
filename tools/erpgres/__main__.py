"""`python -m erpgres`."""

from erpgres.cli import main

main(prog_name="erpgres")
