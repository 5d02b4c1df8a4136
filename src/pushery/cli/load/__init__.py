"""`pushery bench`: many clients and a steady stream of pushes against one's own server, and what arrived when.

For measuring one's own setup; the numbers of the documentation come from `make bench`, whose load generators are in C.
"""
