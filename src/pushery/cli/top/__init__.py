"""`pushery top`: what a running server does, second by second, from its own metrics."""
