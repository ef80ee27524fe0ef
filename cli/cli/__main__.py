"""`python -m cli`: the schoolconnect command."""

from cli.main import main

main()
