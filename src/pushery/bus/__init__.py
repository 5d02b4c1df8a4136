"""How nodes talk to each other. One port (`core.ports.Bus`), an adapter per medium."""
