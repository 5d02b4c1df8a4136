"""`pushery doctor`: looks whether everything that a server needs is in order, and says what mends what is not.

It changes nothing for good.
"""
