"""The soak test: a mixed load against a real server, and a model that knows what every client must have received."""
